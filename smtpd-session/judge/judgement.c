/* SPDX-License-Identifier: ISC */
/* One message judged: its envelope, its header, its body, the verdict. */
#include "judgement.h"

#include <stdio.h>

#include "log.h"

#define HELO_MAX 512
#define IPREV_NAMES 10
#define IPREV_ADDRESSES 64

void
judgement_init(struct judgement *j, const struct conf *conf,
    struct resolve *resolve)
{
	*j = (struct judgement){ .conf = conf, .resolve = resolve };
	fields_init(&j->fields);
	sbuf_init(&j->id, 64);
	sbuf_init(&j->helo, HELO_MAX);
	sbuf_init(&j->local, HELO_MAX);
	sbuf_init(&j->domain, HELO_MAX);
}

/* --- the parts of the message ------------------------------------------------ */

static void
take_from(struct judgement *j, struct span field)
{
	field = span_skip(field, span_find(field, ':') + 1);
	from_begin(&j->from);
	for (size_t i = 0; i < field.n; i++)
		from_push(&j->from, field.p[i]);
	from_end(&j->from);
}

static void
take_field(void *context, struct span field, struct span name)
{
	signatures_field(field, name);
	if (span_ieq(name, SPAN("From")))
		take_from(context, field);
}

/* A From that some would show, and others never see. */
static void
take_stray(void *context, struct span line)
{
	struct judgement *j = context;
	struct span rest = line;

	if (!span_ieq(span_trim(span_cut(&rest, ':')), SPAN("From")) ||
	    rest.p == line.p + line.n)
		return;
	take_from(j, line);
	j->from.bad = true;
}

static void
take_end_of_header(void *context)
{
	struct judgement *j = context;

	signatures_end_of_header(j->fields.too_large);
	dmarc_ahead(j->resolve, &j->from);
}

static void
take_body(void *context, struct span s)
{
	(void)context;
	signatures_body(s);
}

static const struct fields_sink sink = { take_field, take_end_of_header,
	take_body, take_stray };

void
judgement_begin(struct judgement *j)
{
	sbuf_reset(&j->id);
	sbuf_reset(&j->helo);
	sbuf_reset(&j->local);
	sbuf_reset(&j->domain);
	j->found = (struct findings){ .nsignatures = 0 };
	j->junk = false;
	j->reply[0] = '\0';
	from_init(&j->from);
	fields_begin(&j->fields, &sink, j);
	signatures_begin();
}

void
judgement_fact(struct judgement *j, struct span name, struct span value)
{
	if (span_eq(name, SPAN("ip")) && !ip_parse(value, &j->found.ip))
		j->found.ip.size = 0;
	if (span_eq(name, SPAN("helo")))
		sbuf_addspan(&j->helo, value);
	if (span_eq(name, SPAN("id")))
		sbuf_addspan(&j->id, value);
}

/* --- who the client is ---------------------------------------------------------- */

static bool
is_ip(const struct ip *a, const struct ip *b)
{
	return a->size == b->size && memcmp(a->octets, b->octets, a->size) == 0;
}

/* RFC 8601 section 3: is one of the address's names the name of it? */
static enum iprev_result
check_iprev(struct resolve *r, const struct ip *ip, char name[DNS_NAME_SIZE])
{
	enum iprev_result result = IPREV_FAIL;
	struct dns_host hosts[IPREV_NAMES];
	size_t nhosts;
	enum dns_result found = r->ptr(r, ip, hosts, nitems(hosts), &nhosts);

	name[0] = '\0';
	if (found != DNS_FOUND)
		return found == DNS_TEMPORARY ? IPREV_TEMPERROR :
						IPREV_PERMERROR;
	for (size_t i = 0; i < nhosts; i++) {
		struct ip ips[IPREV_ADDRESSES];
		size_t n;

		if (r->family(r, span_str(hosts[i].name), ip->size, ips,
			nitems(ips), &n) == DNS_TEMPORARY)
			result = IPREV_TEMPERROR;
		for (size_t k = 0; k < n; k++)
			if (is_ip(&ips[k], ip)) {
				memcpy(name, hosts[i].name, DNS_NAME_SIZE);
				return IPREV_PASS;
			}
	}
	return result;
}

static enum spf_result
check_spf(const struct judgement *j, struct span local, struct span domain)
{
	struct spf_subject who = { .local = local,
		.sender_domain = domain,
		.helo = j->found.helo,
		.ip = j->found.ip };

	return spf_check(j->resolve, &who);
}

/*
 * Of the time for DNS about a quarter is for the identity that DMARC counts,
 * and half is left for DKIM and DMARC.
 */
#define IPREV_SHARE 8
#define HELO_SHARE 6
#define SPF_SHARE 3

void
judgement_sender(struct judgement *j, struct span local, struct span domain)
{
	struct findings *f = &j->found;
	struct resolve *r = j->resolve;

	/* One that another adviser refused may have come before. */
	sbuf_reset(&j->local);
	sbuf_reset(&j->domain);
	sbuf_addspan(&j->local, local);
	sbuf_addspan(&j->domain, domain);
	f->helo = sbuf_span(&j->helo);
	f->local = sbuf_span(&j->local);
	f->domain = sbuf_span(&j->domain);
	if (f->ip.size == 0)
		return;
	resolve_ahead_ptr(r, &f->ip);
	spf_ahead(r, f->helo);
	spf_ahead(r, f->domain);
	resolve_step(r, r->left / IPREV_SHARE);
	f->iprev = check_iprev(r, &f->ip, f->iprev_name);
	resolve_step(r, r->left / (f->domain.n > 0 ? HELO_SHARE : SPF_SHARE));
	f->spf_helo = check_spf(j, SPAN("postmaster"), f->helo);
	if (f->domain.n == 0)
		return;
	resolve_step(r, r->left / SPF_SHARE);
	f->spf_mailfrom = check_spf(j, f->local, f->domain);
}

void
judgement_text(struct judgement *j, struct span octets)
{
	fields_push(&j->fields, octets);
}

/* --- the verdict ------------------------------------------------------------------ */

static void
lower(char *to, struct span from)
{
	size_t n = from.n < DNS_NAME_MAX ? from.n : 0;

	for (size_t i = 0; i < n; i++)
		to[i] = ascii_lower(from.p[i]);
	if (n > 0 && to[n - 1] == '.')
		n--;
	to[n] = '\0';
}

/* What SPF and DKIM have found, for DMARC. */
static size_t
identify(const struct findings *f, struct dmarc_identifier *ids,
    char names[DMARC_IDENTIFIERS_MAX][DNS_NAME_SIZE])
{
	bool null = f->domain.n == 0;
	enum spf_result spf = null ? f->spf_helo : f->spf_mailfrom;
	size_t n = 0;

	if (spf == SPF_FRONT_PASS || spf == SPF_FRONT_TEMPERROR) {
		lower(names[n], null ? f->helo : f->domain);
		ids[n++] = (struct dmarc_identifier){ .spf = true,
			.temporary = spf == SPF_FRONT_TEMPERROR };
	}
	for (size_t i = 0; i < f->nsignatures; i++) {
		const struct signature *s = &f->signatures[i];

		if (s->result != SIGNATURE_PASS &&
		    s->result != SIGNATURE_TEMPERROR)
			continue;
		lower(names[n], span_str(s->domain));
		ids[n++] = (struct dmarc_identifier){ .temporary = s->result ==
			    SIGNATURE_TEMPERROR };
	}
	for (size_t i = 0; i < n; i++)
		ids[i].domain = span_str(names[i]);
	return n;
}

static bool
enforced(const struct judgement *j)
{
	return strcmp(j->conf->dmarc, "enforce") == 0;
}

static void
refuse(struct judgement *j, const char *begin, const char *domain,
    const char *end)
{
	(void)snprintf(j->reply, sizeof(j->reply), "%s of %s %s", begin, domain,
	    end);
}

/* The domain as it may stand in a reply. */
static const char *
shown_domain(const struct judgement *j, char to[DNS_NAME_SIZE])
{
	lower(to, j->found.domain.n > 0 ? j->found.domain : j->found.helo);
	for (char *p = to; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			*p = '?';
	return to;
}

static void
decide(struct judgement *j)
{
	const struct findings *f = &j->found;
	const struct dmarc_verdict *v = &f->dmarc;
	enum spf_result spf = f->domain.n == 0 ? f->spf_helo : f->spf_mailfrom;
	char domain[DNS_NAME_SIZE];

	if (f->ip.size > 0 && spf == SPF_FRONT_FAIL &&
	    strcmp(j->conf->spf_reject, "yes") == 0)
		refuse(j, "550 5.7.23 The SPF policy", shown_domain(j, domain),
		    "does not permit your address to send its mail");
	if (!enforced(j))
		return;
	if (v->policy == DMARC_POLICY_REJECT)
		refuse(j, "550 5.7.26 The DMARC policy", v->domain,
		    "asks to reject mail that is not authenticated");
	/* A From that readers see differently is a trick, or as bad as one. */
	j->junk = v->policy == DMARC_POLICY_QUARANTINE ||
	    (v->result == DMARC_PERMERROR &&
		(j->from.bad || j->from.fields > 1));
}

static void
log_verdict(const struct judgement *j)
{
	const struct findings *f = &j->found;
	struct logline l;

	log_begin(&l, j->id.len > 0 ? j->id.s : NULL, "judged");
	if (f->domain.n > 0)
		log_str(&l, "spf", spf_result_text(f->spf_mailfrom));
	log_str(&l, "helo", spf_result_text(f->spf_helo));
	log_str(&l, "iprev", iprev_result_text(f->iprev));
	for (size_t i = 0; i < f->nsignatures; i++) {
		log_str(&l, "dkim",
		    signature_result_text(f->signatures[i].result));
		log_str(&l, "d", f->signatures[i].domain);
	}
	log_str(&l, "dmarc", dmarc_result_text(f->dmarc.result));
	log_str(&l, "policy", dmarc_policy_text(f->dmarc.policy));
	log_str(&l, "from", f->dmarc.domain);
	log_str(&l, "do",
	    j->reply[0] != '\0' ? "refuse" :
		j->junk         ? "junk" :
				  "pass");
	log_num(&l, "queries", j->resolve->queries);
	log_end(&l);
}

void
judgement_end(struct judgement *j, struct sbuf *fields)
{
	static char names[DMARC_IDENTIFIERS_MAX][DNS_NAME_SIZE];
	struct dmarc_identifier ids[DMARC_IDENTIFIERS_MAX];
	size_t n;

	fields_end(&j->fields);
	j->from.bad = j->from.bad || j->fields.too_large;
	j->from.fields += j->fields.too_large;
	j->found.nsignatures = signatures_finish(j->found.signatures);
	n = identify(&j->found, ids, names);
	dmarc_check(j->resolve, &j->from, ids, n, &j->found.dmarc);
	decide(j);
	report(fields, j->conf->hostname, &j->found);
	log_verdict(j);
}
