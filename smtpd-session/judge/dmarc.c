/* SPDX-License-Identifier: ISC */
/* DMARC (RFC 9989): whether From is authenticated, and what its domain asks. */
#include "dmarc.h"

const char *
dmarc_result_text(enum dmarc_result r)
{
	static const char *const texts[] = { [DMARC_NONE] = "none",
		[DMARC_PASS] = "pass",
		[DMARC_FAIL] = "fail",
		[DMARC_TEMPERROR] = "temperror",
		[DMARC_PERMERROR] = "permerror" };

	return texts[r];
}

/* --- the tree walk of section 4.10 ---------------------------------------- */

#define LABELS_MAX 8  /* with so many or more, it goes on at 7 */
#define WALK_CACHE 64 /* of one message: walks share their ends */

enum walk_found {
	WALK_RECORD,
	WALK_NOTHING, /* no record, or more than one */
	WALK_FAILED,  /* DNS did not answer */
};

struct walk_place {
	struct span name; /* the caller keeps it, in lower case */
	enum walk_found found;
	struct dmarc_record record;
};

struct walk {
	struct resolve *resolve;
	struct walk_place cache[WALK_CACHE];
	unsigned n;
};

/* Where the record of a domain is; empty: the name would be too long. */
static struct span
record_name(struct span name, char to[DNS_NAME_SIZE])
{
	static const struct span label = SPAN("_dmarc.");

	if (name.n > DNS_NAME_MAX - label.n)
		return span_of(to, 0);
	memcpy(to, label.p, label.n);
	memcpy(to + label.n, name.p, name.n);
	return span_of(to, label.n + name.n);
}

static enum walk_found
walk_ask(struct walk *w, struct span name, struct dmarc_record *record)
{
	char text[DNS_NAME_SIZE];
	struct span place = record_name(name, text);
	struct dns_texts texts;
	struct dmarc_record one;
	unsigned n = 0;
	enum dns_result r;

	if (place.n == 0)
		return WALK_NOTHING;
	r = w->resolve->txt(w->resolve, place, &texts);
	for (size_t i = 0; i < texts.n; i++)
		if (dmarc_record_parse(texts.text[i], &one)) {
			*record = one;
			n++;
		}
	dns_free_texts(&texts);
	if (r == DNS_TEMPORARY)
		return WALK_FAILED;
	return n == 1 ? WALK_RECORD : WALK_NOTHING;
}

/* The record at _dmarc.name. */
static enum walk_found
walk_record(struct walk *w, struct span name, struct dmarc_record *record)
{
	struct walk_place place = { .name = name };

	for (unsigned i = 0; i < w->n; i++)
		if (span_eq(w->cache[i].name, name)) {
			*record = w->cache[i].record;
			return w->cache[i].found;
		}
	place.found = walk_ask(w, name, &place.record);
	if (w->n < WALK_CACHE)
		w->cache[w->n++] = place;
	*record = place.record;
	return place.found;
}

static unsigned
count_labels(struct span name)
{
	unsigned n = 1;

	for (size_t i = 0; i < name.n; i++)
		n += name.p[i] == '.';
	return n;
}

static struct span
parent_domain(struct span name)
{
	(void)span_cut(&name, '.');
	return name;
}

/* The next name of a walk; empty: that was all. */
static struct span
next_to_walk(struct span name)
{
	unsigned n = count_labels(name);

	if (n == 1)
		return span_of(name.p, 0);
	name = parent_domain(name);
	while (--n >= LABELS_MAX)
		name = parent_domain(name);
	return name;
}

/* A domain of two labels mostly has a record of its own; others look up. */
static void
walk_ahead(struct resolve *r, struct span author)
{
	char text[DNS_NAME_SIZE];
	bool climbs = count_labels(author) > 2;

	do {
		resolve_ahead_txt(r, record_name(author, text));
		author = next_to_walk(author);
	} while (climbs && author.n > 0);
}

/* The part of name that has one label more than its end. */
static struct span
part_below(struct span name, struct span end)
{
	struct span part = name;

	while (count_labels(part) > count_labels(end) + 1)
		part = parent_domain(part);
	return part;
}

/*
 * Finds the organizational domain, a part of name; without a record on the
 * way it is name itself. *psd: the domain of the record above it that says
 * psd=y, if the walk ended there. False, and both empty: DNS did not answer.
 */
static bool
walk_organization(struct walk *w, struct span name, struct span *organization,
    struct span *psd)
{
	struct span at = name;

	*organization = name;
	*psd = span_of(name.p, 0);
	for (; at.n > 0; at = next_to_walk(at)) {
		struct dmarc_record record;
		enum walk_found found = walk_record(w, at, &record);

		if (found == WALK_FAILED) {
			*organization = *psd;
			return false;
		}
		if (found == WALK_NOTHING)
			continue;
		if (record.psd == 'y' && at.n < name.n) {
			*organization = part_below(name, at);
			*psd = at;
			return true;
		}
		*organization = at;
		if (record.psd == 'n')
			return true;
	}
	return true;
}

/* --- one author domain ---------------------------------------------------- */

/* The policy that applies to an author domain, and where it was found. */
struct policy {
	struct dmarc_record record;
	struct span domain;            /* of the record */
	struct span organization, psd; /* empty: not known, or not there */
	enum dmarc_wish asked;
	const char *tag;
};

/* The organizational domain of the author: asked for only when it matters. */
static bool
learn_organization(struct walk *w, struct span author, struct policy *p)
{
	return p->organization.n > 0 ||
	    walk_organization(w, author, &p->organization, &p->psd);
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
is_part_of(struct span name, struct span domain)
{
	return span_eq(name, domain) ||
	    (name.n > domain.n && name.p[name.n - domain.n - 1] == '.' &&
		span_eq(span_skip(name, name.n - domain.n), domain));
}

enum aligned { ALIGNED, NOT_ALIGNED, ALIGNMENT_UNKNOWN };

static enum aligned
judge_alignment(struct walk *w, struct policy *p, struct span author,
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
	if (!is_part_of(id->domain, p->organization))
		return NOT_ALIGNED;
	if (!walk_organization(w, id->domain, &organization, &psd))
		return ALIGNMENT_UNKNOWN;
	return span_eq(organization, p->organization) ? ALIGNED : NOT_ALIGNED;
}

static enum dmarc_result
judge_identifiers(struct walk *w, struct policy *p, struct span author,
    const struct dmarc_identifier *ids, size_t n)
{
	enum dmarc_result result = DMARC_FAIL;

	/* The same domain needs no walk. */
	for (size_t i = 0; i < n; i++)
		if (!ids[i].temporary && span_eq(ids[i].domain, author))
			return DMARC_PASS;
	for (size_t i = 0; i < n; i++)
		switch (judge_alignment(w, p, author, &ids[i])) {
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

static enum dmarc_wish
lowered_wish(enum dmarc_wish p)
{
	return p == DMARC_WISH_REJECT ? DMARC_WISH_QUARANTINE : DMARC_WISH_NONE;
}

static void
dmarc_copy_name(char to[DNS_NAME_SIZE], struct span from)
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
	static struct walk w; /* large */

	*v = (struct dmarc_verdict){ .result = DMARC_TEMPERROR,
		.reason = "no answer from DNS",
		.tag = "" };
	dmarc_copy_name(v->domain, author);
	w.resolve = r;
	w.n = 0;
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
	dmarc_copy_name(v->policy_domain, p.domain);
	v->result = judge_identifiers(&w, &p, author, ids, n);
	if (v->result != DMARC_TEMPERROR)
		v->reason = "";
	if (v->result != DMARC_FAIL)
		return;
	if (!choose_policy(r, author, &p)) {
		v->result = DMARC_TEMPERROR;
		return;
	}
	v->tag = p.tag;
	v->policy = p.record.testing ? lowered_wish(p.asked) : p.asked;
	v->reason = p.record.testing && v->policy != p.asked ? "testing" : "";
}

/* --- all of From ---------------------------------------------------------- */

/* Of two verdicts the one that asks for more, or else that is worse. */
static bool
is_worse_verdict(const struct dmarc_verdict *a, const struct dmarc_verdict *b)
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
		if (bad ? one.policy > v->policy :
			  i == 0 || is_worse_verdict(&one, v))
			*v = one;
	}
}
