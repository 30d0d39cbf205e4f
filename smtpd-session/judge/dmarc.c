/* SPDX-License-Identifier: ISC */
/* DMARC (RFC 9989): whether From is authenticated, and what its domain asks. */
#include "dmarc.h"
#include "dmarc-walk.h"

/* The policy that applies to an author domain, and where it was found. */
struct policy {
	struct dmarc_record record;
	struct span domain;            /* of the record */
	struct span organization, psd; /* empty: not known, or none */
	enum dmarc_policy asked;
	const char *tag;
};

const char *
dmarc_result_text(enum dmarc_result r)
{
	switch (r) {
	case DMARC_NONE:
		break;
	case DMARC_PASS:
		return "pass";
	case DMARC_FAIL:
		return "fail";
	case DMARC_TEMPERROR:
		return "temperror";
	case DMARC_PERMERROR:
		return "permerror";
	}
	return "none";
}

/* The organizational domain of the author: asked for only when it matters. */
static bool
learn_organization(struct walk *w, struct span author, struct policy *p)
{
	if (p->organization.n > 0)
		return true;
	return walk_organization(w, author, &p->organization, &p->psd) !=
	    WALK_FAILED;
}

/*
 * RFC 9989 4.10.1: the record of the author domain, else of its
 * organizational domain, else of the public suffix domain above.
 */
static enum walk_found
find_record(struct walk *w, struct span author, struct policy *p)
{
	enum walk_found found = walk_record(w, author, &p->record);

	p->domain = author;
	if (found != WALK_NOTHING)
		return found;
	if (!learn_organization(w, author, p))
		return WALK_FAILED;
	p->domain = p->organization;
	found = walk_record(w, p->domain, &p->record);
	if (found == WALK_NOTHING && p->psd.n > 0) {
		p->domain = p->psd;
		found = walk_record(w, p->psd, &p->record);
	}
	return found;
}

/* p, sp or np? False: DNS did not say whether the author domain exists. */
static bool
choose_policy(struct resolve *r, struct span author, struct policy *p)
{
	struct ip ip;
	size_t n;
	enum dns_result found;

	p->asked = p->record.p;
	p->tag = "p";
	if (span_eq(p->domain, author))
		return true;
	p->asked = p->record.sp;
	p->tag = "sp";
	if (p->record.np == p->record.sp)
		return true;
	found = r->family(r, author, 4, &ip, 1, &n);
	if (found == DNS_NXDOMAIN) {
		p->asked = p->record.np;
		p->tag = "np";
	}
	return found != DNS_TEMPORARY;
}

static bool
is_within(struct span name, struct span domain)
{
	return span_eq(name, domain) ||
	    (name.n > domain.n && name.p[name.n - domain.n - 1] == '.' &&
		span_eq(span_skip(name, name.n - domain.n), domain));
}

enum aligned { ALIGNED, NOT_ALIGNED, ALIGNMENT_UNKNOWN };

static enum aligned
alignment(struct walk *w, struct policy *p, struct span author,
    const struct dmarc_identifier *id)
{
	bool strict = id->spf ? p->record.strict_spf : p->record.strict_dkim;
	struct span organization, psd;

	if (span_eq(id->domain, author))
		return ALIGNED;
	if (strict)
		return NOT_ALIGNED;
	if (!learn_organization(w, author, p))
		return ALIGNMENT_UNKNOWN;
	/* Whatever the walk finds is a part of the name it starts from. */
	if (!is_within(id->domain, p->organization))
		return NOT_ALIGNED;
	if (walk_organization(w, id->domain, &organization, &psd) ==
	    WALK_FAILED)
		return ALIGNMENT_UNKNOWN;
	return span_eq(organization, p->organization) ? ALIGNED : NOT_ALIGNED;
}

static enum dmarc_result
authenticate(struct walk *w, struct policy *p, struct span author,
    const struct dmarc_identifier *ids, size_t n)
{
	enum dmarc_result result = DMARC_FAIL;

	/* The same domain needs no walk. */
	for (size_t i = 0; i < n; i++)
		if (!ids[i].temporary && span_eq(ids[i].domain, author))
			return DMARC_PASS;
	for (size_t i = 0; i < n; i++)
		switch (alignment(w, p, author, &ids[i])) {
		case ALIGNED:
			if (!ids[i].temporary)
				return DMARC_PASS;
			result = DMARC_TEMPERROR;
			break;
		case ALIGNMENT_UNKNOWN:
			result = DMARC_TEMPERROR;
			break;
		case NOT_ALIGNED:
			break;
		}
	return result;
}

static enum dmarc_policy
lowered(enum dmarc_policy p)
{
	return p == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE :
					  DMARC_POLICY_NONE;
}

static void
copy(char to[DNS_NAME_SIZE], struct span from)
{
	memcpy(to, from.p, from.n);
	to[from.n] = '\0';
}

void
dmarc_evaluate(struct resolve *r, const char *author_text,
    const struct dmarc_identifier *ids, size_t n, struct dmarc_verdict *v)
{
	struct span author = span_str(author_text);
	struct policy p = { .tag = "" };
	static struct walk w;

	*v = (struct dmarc_verdict){ .result = DMARC_TEMPERROR,
		.reason = "no answer from DNS",
		.tag = "" };
	copy(v->domain, author);
	walk_init(&w, r);
	switch (find_record(&w, author, &p)) {
	case WALK_FAILED:
		return;
	case WALK_NOTHING:
		v->result = DMARC_NONE;
		v->reason = "no policy";
		return;
	case WALK_RECORD:
		break;
	}
	copy(v->policy_domain, p.domain);
	v->result = authenticate(&w, &p, author, ids, n);
	if (v->result != DMARC_TEMPERROR)
		v->reason = "";
	if (v->result != DMARC_FAIL)
		return;
	if (!choose_policy(r, author, &p)) {
		v->result = DMARC_TEMPERROR;
		return;
	}
	v->tag = p.tag;
	v->policy = p.record.testing ? lowered(p.asked) : p.asked;
	v->reason = p.record.testing && v->policy != p.asked ? "testing" : "";
}

/* Of two verdicts the one that asks for more, or else that is worse. */
static bool
is_worse(const struct dmarc_verdict *a, const struct dmarc_verdict *b)
{
	static const int rank[] = { [DMARC_PASS] = 0,
		[DMARC_NONE] = 1,
		[DMARC_TEMPERROR] = 2,
		[DMARC_PERMERROR] = 3,
		[DMARC_FAIL] = 4 };

	if (a->policy != b->policy)
		return a->policy > b->policy;
	return rank[a->result] > rank[b->result];
}

void
dmarc_ahead(struct resolve *r, const struct from *from)
{
	if (from->n > 0)
		walk_ahead(r, span_str(from->domains[0]));
}

void
dmarc_check(struct resolve *r, const struct from *from,
    const struct dmarc_identifier *ids, size_t n, struct dmarc_verdict *v)
{
	bool bad = from->bad || from->fields != 1 || from->n == 0;
	struct dmarc_verdict one;

	*v = (struct dmarc_verdict){
		.result = DMARC_PASS, .reason = "", .tag = ""
	};
	if (bad) {
		v->result = DMARC_PERMERROR;
		v->reason = from->fields == 0 ? "no From field" :
		    from->fields > 1          ? "more than one From field" :
						"no address in From";
		if (from->fields == 1 && from->n > 0)
			v->reason = "malformed From field";
	}
	for (unsigned i = 0; i < from->n; i++) {
		resolve_step(r, r->left / (from->n - i));
		dmarc_evaluate(r, from->domains[i], ids, n, &one);
		if (bad ? one.policy > v->policy : i == 0 || is_worse(&one, v))
			*v = one;
	}
}
