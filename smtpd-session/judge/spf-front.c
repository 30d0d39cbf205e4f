/* SPDX-License-Identifier: ISC */
/* check_host() of RFC 7208: a strict front, and libspf2 behind it. */
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <spf2/spf.h>

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "spf-front.h"

#define ADDRESSES_MAX 100 /* of one name */
#define RECORD_MAX 480    /* what the library takes in one piece */
/*
 * To libspf2 every loopback client is "pass". With the highest bit of all
 * addresses flipped no client that can write to us is one, and networks are
 * still networks.
 */
#define FLIP 0x80

const char *
spf_result_text(enum spf_result r)
{
	static const char *const texts[] = { [SPF_FRONT_NONE] = "none",
		[SPF_FRONT_NEUTRAL] = "neutral",
		[SPF_FRONT_PASS] = "pass",
		[SPF_FRONT_FAIL] = "fail",
		[SPF_FRONT_SOFTFAIL] = "softfail",
		[SPF_FRONT_TEMPERROR] = "temperror",
		[SPF_FRONT_PERMERROR] = "permerror" };

	return texts[r];
}

/* Ends the check: the first result that is given stays. */
static void
spf_end(struct spf *s, enum spf_result r)
{
	if (!s->ended)
		s->end = r;
	s->ended = true;
}

/* The place of "n12.spf"; false: not a name that we gave out. */
static bool
name_index(const struct spf *s, const char *name, unsigned *index)
{
	struct span rest = span_str(name), number = span_cut(&rest, '.');
	uint32_t n;

	if (number.n < 2 || number.p[0] != 'n' ||
	    !span_u32(span_skip(number, 1), SPF_NAMES_MAX, &n) ||
	    n >= s->nnames)
		return false;
	*index = n;
	return true;
}

static void
count_term(struct spf *s)
{
	if (++s->terms > SPF_TERMS_MAX)
		spf_end(s, SPF_FRONT_PERMERROR);
}

/* --- from a stranger's record to the one that the library gets ------------ */

/*
 * The names that the client's address has and that have this address: at
 * most 10 are looked at, and trouble with DNS just means fewer (RFC 7208 5.5).
 */
static void
learn_hosts(struct spf *s)
{
	struct dns_host all[SPF_HOSTS_MAX];
	size_t n;

	if (s->hosts_known)
		return;
	s->hosts_known = true;
	if (s->lookup->ptr(s->lookup, &s->who.ip, all, nitems(all), &n) !=
	    DNS_FOUND)
		return;
	for (size_t i = 0; i < n; i++) {
		bool has;

		if (resolve_has_address(s->lookup, span_str(all[i].name),
			&s->who.ip, &has) == DNS_FOUND &&
		    has)
			s->hosts[s->nhosts++] = all[i];
	}
}

static bool
is_host_below(struct span name, struct span domain)
{
	return name.n > domain.n && name.p[name.n - domain.n - 1] == '.' &&
	    span_ieq(span_skip(name, name.n - domain.n), domain);
}

/* Is the client a host of that domain, says reverse mapping? */
static bool
is_host_of(struct spf *s, struct span domain)
{
	learn_hosts(s);
	for (size_t i = 0; i < s->nhosts; i++)
		if (span_ieq(span_str(s->hosts[i].name), domain) ||
		    is_host_below(span_str(s->hosts[i].name), domain))
			return true;
	return false;
}

/* %{p}: the domain itself, a name below it, any other, or "unknown". */
static struct span
best_name(struct spf *s, struct span domain)
{
	learn_hosts(s);
	for (size_t i = 0; i < s->nhosts; i++)
		if (span_ieq(span_str(s->hosts[i].name), domain))
			return span_str(s->hosts[i].name);
	for (size_t i = 0; i < s->nhosts; i++)
		if (is_host_below(span_str(s->hosts[i].name), domain))
			return span_str(s->hosts[i].name);
	return s->nhosts > 0 ? span_str(s->hosts[0].name) : SPAN("unknown");
}

/* Gives a term a name of our own; false when there are no more. */
static bool
name_term(struct spf *s, const struct spf_term *t, struct span domain,
    unsigned *index)
{
	struct spf_name *name = &s->names[s->nnames];
	struct sbuf b;

	if (s->nnames == SPF_NAMES_MAX)
		return false;
	name->kind = t->kind;
	name->any_address = (s->who.ip.size == 4 ? t->cidr4 : t->cidr6) == 0;
	sbuf_init(&b, 8192);
	s->who.domain = domain;
	if (spf_macro_needs_name(t->domain))
		s->who.name = best_name(s, domain);
	if (t->domain.n == 0)
		sbuf_addspan(&b, domain);
	else
		spf_macro_expand(&b, t->domain, &s->who);
	/* If it is not a name it stays empty: nothing is found there. */
	name->text[0] = '\0';
	if (!b.bad && b.len < sizeof(name->text))
		memcpy(name->text, b.s, b.len + 1);
	sbuf_free(&b);
	*index = s->nnames++;
	return true;
}

static void
write_term(struct spf *s, const struct spf_term *t, unsigned index,
    struct sbuf *out)
{
	static const char *const words[] = { [SPF_INCLUDE] = "include",
		[SPF_A] = "a",
		[SPF_MX] = "mx",
		[SPF_EXISTS] = "exists",
		[SPF_PTR] = "exists",
		[SPF_REDIRECT] = "redirect" };
	bool redirect = t->kind == SPF_REDIRECT;

	sbuf_putc(out, ' ');
	if (!redirect)
		sbuf_putc(out, t->qualifier);
	sbuf_addf(out, "%s%cn%u.spf", words[t->kind], redirect ? '=' : ':',
	    index);
	if (t->kind != SPF_A && t->kind != SPF_MX)
		return;
	/* The library takes 0 for all bits: see any_address. */
	if (s->who.ip.size == 4 && t->cidr4 > 0)
		sbuf_addf(out, "/%u", t->cidr4);
	else if (s->who.ip.size == 16 && t->cidr6 > 0)
		sbuf_addf(out, "//%u", t->cidr6);
}

/* Every term is parsed before the first is believed (RFC 7208 4.6). */
static bool
is_sound_record(struct span record, struct spf_term *redirect)
{
	unsigned nredirect = 0, nexp = 0;
	struct spf_term t;
	enum spf_next next;

	redirect->kind = SPF_OTHER;
	while ((next = spf_term_next(&record, &t)) == SPF_NEXT_TERM) {
		nexp += t.kind == SPF_EXP;
		nredirect += t.kind == SPF_REDIRECT;
		if (t.kind == SPF_REDIRECT)
			*redirect = t;
	}
	return next == SPF_NEXT_END && nredirect <= 1 && nexp <= 1;
}

/* Does it match whatever the DNS says? */
static bool
is_decided(const struct spf_term *t, const struct ip *client)
{
	return t->kind == SPF_ALL ||
	    ((t->kind == SPF_IP4 || t->kind == SPF_IP6) &&
		spf_term_covers(t, client));
}

/* Is it a mechanism that asks the DNS? redirect comes after all of them. */
static bool
asks_dns(enum spf_kind kind)
{
	return kind == SPF_INCLUDE || kind == SPF_A || kind == SPF_MX ||
	    kind == SPF_PTR || kind == SPF_EXISTS;
}

bool
spf_translate(struct spf *s, struct span record, struct span domain,
    struct sbuf *out)
{
	struct spf_term t, redirect;
	unsigned index, asking = 0;

	if (!is_sound_record(record, &redirect))
		return false;
	sbuf_adds(out, "v=spf1");
	while (spf_term_next(&record, &t) == SPF_NEXT_TERM) {
		if (is_decided(&t, &s->who.ip)) {
			sbuf_addf(out, " %call", t.qualifier);
			return true;
		}
		if (!asks_dns(t.kind))
			continue;
		if (!name_term(s, &t, domain, &index))
			return false;
		if (t.kind == SPF_PTR)
			s->names[index].any_address = is_host_of(s,
			    span_str(s->names[index].text));
		write_term(s, &t, index, out);
		/* The one beyond the limit ends the check: no more are needed. */
		if (asking++ == SPF_TERMS_MAX)
			return true;
	}
	if (redirect.kind == SPF_REDIRECT) {
		if (!name_term(s, &redirect, domain, &index))
			return false;
		write_term(s, &redirect, index, out);
	}
	return !out->bad;
}

/* --- answers, in the library's form --------------------------------------- */

static SPF_dns_rr_t *
new_answer(SPF_dns_server_t *server, const char *name, ns_type type, int herr)
{
	SPF_dns_rr_t *rr = SPF_dns_rr_new_init(server, name, type, 0, herr);

	/* Without an answer it aborts: we end in our own way. */
	if (rr == NULL)
		die(EXIT_TEMP, "out of memory");
	return rr;
}

static void *
answer_place(SPF_dns_rr_t *rr, size_t size)
{
	int i = rr->num_rr;

	if (SPF_dns_rr_buf_realloc(rr, i, size) != SPF_E_SUCCESS)
		die(EXIT_TEMP, "out of memory");
	rr->num_rr++;
	return rr->rr[i];
}

static void
answer_add_address(SPF_dns_rr_t *rr, const struct ip *ip)
{
	SPF_dns_rr_data_t *to = answer_place(rr, sizeof(*to));
	unsigned char octets[16];

	memcpy(octets, ip->octets, sizeof(octets));
	octets[0] ^= FLIP;
	memcpy(to, octets, ip->size);
}

static int
herror_of(struct spf *s, enum dns_result r, bool counts)
{
	switch (r) {
	case DNS_FOUND:
		return NETDB_SUCCESS;
	case DNS_TEMPORARY:
		spf_end(s, SPF_FRONT_TEMPERROR);
		return TRY_AGAIN;
	case DNS_NXDOMAIN:
	case DNS_NODATA:
	case DNS_BAD_NAME:
		break;
	}
	if (counts && ++s->voids > SPF_VOIDS_MAX) {
		spf_end(s, SPF_FRONT_PERMERROR);
		return TRY_AGAIN;
	}
	return HOST_NOT_FOUND;
}

/* A real name for a host of an mx, which the library will ask for next. */
static void
answer_add_host(struct spf *s, SPF_dns_rr_t *rr, const char *host, bool any)
{
	struct spf_name *name = &s->names[s->nnames];
	char text[sizeof("n4294967295.spf")];
	SPF_dns_rr_data_t *to;
	int n;

	if (s->nnames == SPF_NAMES_MAX) {
		spf_end(s, SPF_FRONT_PERMERROR);
		return;
	}
	name->kind = SPF_OTHER;
	name->any_address = any;
	memcpy(name->text, host, strlen(host) + 1);
	n = snprintf(text, sizeof(text), "n%u.spf", s->nnames++);
	to = answer_place(rr, (size_t)n + 1);
	memcpy(to, text, (size_t)n + 1);
}

static SPF_dns_rr_t *
answer_mx(struct spf *s, SPF_dns_server_t *server, const char *asked,
    const struct spf_name *name)
{
	struct dns_mx_host hosts[SPF_HOSTS_MAX + 1];
	SPF_dns_rr_t *rr;
	size_t n;
	enum dns_result r = s->lookup->mx(s->lookup, span_str(name->text),
	    hosts, nitems(hosts), &n);

	rr = new_answer(server, asked, ns_t_mx, herror_of(s, r, true));
	if (n > SPF_HOSTS_MAX)
		spf_end(s, SPF_FRONT_PERMERROR);
	for (size_t i = 0; i < n && !s->ended; i++)
		answer_add_host(s, rr, hosts[i].name, name->any_address);
	return rr;
}

static SPF_dns_rr_t *
answer_address(struct spf *s, SPF_dns_server_t *server, const char *asked,
    ns_type type, const struct spf_name *name)
{
	struct ip ips[ADDRESSES_MAX];
	SPF_dns_rr_t *rr;
	size_t n;
	enum dns_result r = s->lookup->family(s->lookup, span_str(name->text),
	    type == ns_t_a ? 4 : 16, ips, nitems(ips), &n);

	rr = new_answer(server, asked, type,
	    herror_of(s, r, name->kind != SPF_OTHER));
	for (size_t i = 0; i < n; i++)
		answer_add_address(rr,
		    name->any_address && name->kind != SPF_EXISTS ? &s->who.ip :
								    &ips[i]);
	return rr;
}

/* ptr was decided when the record was read; it asks as an exists does. */
static SPF_dns_rr_t *
answer_ptr(struct spf *s, SPF_dns_server_t *server, const char *asked,
    const struct spf_name *name)
{
	static const struct ip yes = { .octets = { 127, 0, 0, 2 }, .size = 4 };
	bool is = name->any_address;
	SPF_dns_rr_t *rr = new_answer(server, asked, ns_t_a,
	    is ? NETDB_SUCCESS : herror_of(s, DNS_NXDOMAIN, false));

	if (is)
		answer_add_address(rr, &yes);
	return rr;
}

/* --- the library's hooks -------------------------------------------------- */

static SPF_dns_rr_t *
look_up_name(SPF_dns_server_t *server, const char *asked, ns_type type,
    int cache)
{
	struct spf *s = server->hook;
	const struct spf_name *name;
	unsigned i;

	(void)cache;
	if (s->ended || !name_index(s, asked, &i))
		return new_answer(server, asked, type, TRY_AGAIN);
	name = &s->names[i];
	if (name->kind != SPF_OTHER)
		count_term(s);
	if (s->ended)
		return new_answer(server, asked, type, TRY_AGAIN);
	if (name->kind == SPF_PTR)
		return answer_ptr(s, server, asked, name);
	if (type == ns_t_mx)
		return answer_mx(s, server, asked, name);
	return answer_address(s, server, asked, type, name);
}

/* The one record of the domain. False: there is not just one. */
static bool
choose_record(struct spf *s, const struct dns_texts *texts, struct span *record)
{
	unsigned found = 0;
	struct span rest;

	for (size_t i = 0; i < texts->n; i++)
		if (spf_is_record(texts->text[i], &rest)) {
			*record = rest;
			found++;
		}
	if (found > 1)
		spf_end(s, SPF_FRONT_PERMERROR);
	return found == 1;
}

static bool
load_record(struct spf *s, struct span domain, struct sbuf *out)
{
	struct dns_texts texts;
	struct span record;
	enum dns_result r = s->lookup->txt(s->lookup, domain, &texts);
	bool found = false;

	if (r == DNS_TEMPORARY)
		spf_end(s, SPF_FRONT_TEMPERROR);
	if (r == DNS_FOUND && choose_record(s, &texts, &record)) {
		found = spf_translate(s, record, domain, out);
		if (!found)
			spf_end(s, SPF_FRONT_PERMERROR);
	}
	dns_free_texts(&texts);
	return found && !s->ended;
}

static SPF_errcode_t
get_spf(SPF_server_t *server, SPF_request_t *request, SPF_response_t *response,
    SPF_record_t **recordp)
{
	struct spf *s = server->resolver->hook;
	SPF_errcode_t err = SPF_E_DNS_ERROR;
	struct sbuf text;
	unsigned i;

	*recordp = NULL;
	if (s->ended || !name_index(s, request->cur_dom, &i))
		return err;
	if (s->names[i].kind != SPF_OTHER)
		count_term(s);
	if (s->ended)
		return err;
	sbuf_init(&text, RECORD_MAX);
	if (load_record(s, span_str(s->names[i].text), &text))
		err = SPF_record_compile(server, response, recordp, text.s);
	else
		spf_end(s,
		    s->names[i].kind == SPF_OTHER ? SPF_FRONT_NONE :
						    SPF_FRONT_PERMERROR);
	sbuf_free(&text);
	return err;
}

static SPF_errcode_t
get_exp(SPF_server_t *server, const char *domain, char **buf, size_t *len)
{
	(void)server;
	(void)domain;
	(void)buf;
	(void)len;
	return SPF_E_NOT_SPF;
}

/* --- one check ------------------------------------------------------------ */

static enum spf_result
spf_result_of(const SPF_response_t *response)
{
	switch (response->result) {
	case SPF_RESULT_NEUTRAL:
		return SPF_FRONT_NEUTRAL;
	case SPF_RESULT_PASS:
		return SPF_FRONT_PASS;
	case SPF_RESULT_FAIL:
		return SPF_FRONT_FAIL;
	case SPF_RESULT_SOFTFAIL:
		return SPF_FRONT_SOFTFAIL;
	case SPF_RESULT_NONE:
		return SPF_FRONT_NONE;
	case SPF_RESULT_PERMERROR:
		return SPF_FRONT_PERMERROR;
	case SPF_RESULT_TEMPERROR:
	case SPF_RESULT_INVALID:
		break;
	}
	return SPF_FRONT_TEMPERROR;
}

static void
set_client(SPF_request_t *request, const struct ip *ip)
{
	unsigned char octets[16];
	struct in_addr four;
	struct in6_addr six;

	memcpy(octets, ip->octets, sizeof(octets));
	octets[0] ^= FLIP;
	memcpy(&four, octets, sizeof(four));
	memcpy(&six, octets, sizeof(six));
	if (ip->size == 4)
		(void)SPF_request_set_ipv4(request, four);
	else
		(void)SPF_request_set_ipv6(request, six);
}

static enum spf_result
ask_library(struct spf *s, SPF_server_t *server)
{
	SPF_request_t *request = SPF_request_new(server);
	SPF_response_t *response = NULL;
	enum spf_result result = SPF_FRONT_TEMPERROR;

	if (request == NULL)
		die(EXIT_TEMP, "out of memory");
	set_client(request, &s->who.ip);
	(void)SPF_request_set_helo_dom(request, "n0.spf");
	(void)SPF_request_set_env_from(request, "a@n0.spf");
	if (request->env_from_dp != NULL) {
		(void)SPF_request_query_mailfrom(request, &response);
		if (response != NULL)
			result = spf_result_of(response);
	}
	if (response != NULL)
		SPF_response_free(response);
	SPF_request_free(request);
	return s->ended ? s->end : result;
}

/* A name of two labels or more (RFC 7208 4.3). */
static bool
spf_is_domain(struct span name)
{
	if (name.n == 0 || name.n > DNS_NAME_MAX ||
	    span_find(name, '.') >= name.n - 1)
		return false;
	while (name.n > 0) {
		struct span label = span_cut(&name, '.');

		if (label.n == 0 || label.n > 63)
			return false;
	}
	return true;
}

void
spf_ahead(struct resolve *l, struct span domain)
{
	if (spf_is_domain(domain))
		resolve_ahead_txt(l, domain);
}

static void
spf_set_up(struct spf *s, struct resolve *l, const struct spf_subject *who)
{
	struct spf_name *first = &s->names[0];

	s->lookup = l;
	s->who = *who;
	s->ended = s->hosts_known = false;
	s->terms = s->voids = 0;
	s->nhosts = 0;
	s->nnames = 1;
	first->kind = SPF_OTHER;
	memcpy(first->text, who->sender_domain.p, who->sender_domain.n);
	first->text[who->sender_domain.n] = '\0';
}

enum spf_result
spf_check(struct resolve *l, const struct spf_subject *who)
{
	static struct spf spf;
	SPF_response_t *errors = NULL;
	SPF_dns_server_t *dns;
	SPF_server_t *server;
	enum spf_result result;

	if (who->ip.size == 0 || !spf_is_domain(who->sender_domain))
		return SPF_FRONT_NONE;
	spf_set_up(&spf, l, who);
	dns = calloc(1, sizeof(*dns));
	if (dns == NULL)
		die(EXIT_TEMP, "out of memory");
	*dns = (SPF_dns_server_t){ .lookup = look_up_name,
		.get_spf = get_spf,
		.get_exp = get_exp,
		.name = "smtpd",
		.hook = &spf };
	server = SPF_server_new_dns(dns, 0);
	if (server == NULL)
		die(EXIT_TEMP, "out of memory");
	/* We do all the counting, and say what comes of it. */
	server->max_dns_mech = server->max_dns_mx = server->max_dns_ptr = 1000;
	(void)SPF_server_set_explanation(server, "refused", &errors);
	if (errors != NULL)
		SPF_response_free(errors);
	result = ask_library(&spf, server);
	SPF_server_free(server);
	free(dns);
	return result;
}
