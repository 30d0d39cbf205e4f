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
 * addresses flipped none that can write to us is one, and networks are still
 * networks.
 */
#define FLIP 0x80

const char *
spf_result_text(enum spf_result r)
{
	switch (r) {
	case SPF_FRONT_NONE:
		return "none";
	case SPF_FRONT_NEUTRAL:
		return "neutral";
	case SPF_FRONT_PASS:
		return "pass";
	case SPF_FRONT_FAIL:
		return "fail";
	case SPF_FRONT_SOFTFAIL:
		return "softfail";
	case SPF_FRONT_TEMPERROR:
		return "temperror";
	case SPF_FRONT_PERMERROR:
		break;
	}
	return "permerror";
}

void
spf_end(struct spf *s, enum spf_result r)
{
	if (!s->ended)
		s->end = r;
	s->ended = true;
}

/* The place of "n12.spf"; false: none that we gave out. */
static bool
index_of(const struct spf *s, const char *name, unsigned *index)
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

/* --- answers, in the library's form ---------------------------------------- */

static SPF_dns_rr_t *
new_answer(SPF_dns_server_t *server, const char *name, ns_type type, int herr)
{
	SPF_dns_rr_t *rr = SPF_dns_rr_new_init(server, name, type, 0, herr);

	/* It aborts when it gets none: we end in our own way. */
	if (rr == NULL)
		die(EXIT_TEMP, "out of memory");
	return rr;
}

static void *
place(SPF_dns_rr_t *rr, size_t size)
{
	int i = rr->num_rr;

	if (SPF_dns_rr_buf_realloc(rr, i, size) != SPF_E_SUCCESS)
		die(EXIT_TEMP, "out of memory");
	rr->num_rr++;
	return rr->rr[i];
}

static void
add_address(SPF_dns_rr_t *rr, const struct ip *ip)
{
	SPF_dns_rr_data_t *to = place(rr, sizeof(*to));
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
add_host(struct spf *s, SPF_dns_rr_t *rr, const char *host, bool any)
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
	to = place(rr, (size_t)n + 1);
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
		add_host(s, rr, hosts[i].name, name->any_address);
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
		add_address(rr,
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
		add_address(rr, &yes);
	return rr;
}

/* --- the library's hooks ------------------------------------------------------ */

static SPF_dns_rr_t *
lookup(SPF_dns_server_t *server, const char *asked, ns_type type, int cache)
{
	struct spf *s = server->hook;
	const struct spf_name *name;
	unsigned i;

	(void)cache;
	if (s->ended || !index_of(s, asked, &i))
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

/* The one record of the domain. False: none. */
static bool
choose(struct spf *s, const struct dns_texts *texts, struct span *record)
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
load(struct spf *s, struct span domain, struct sbuf *out)
{
	struct dns_texts texts;
	struct span record;
	enum dns_result r = s->lookup->txt(s->lookup, domain, &texts);
	bool found = false;

	if (r == DNS_TEMPORARY)
		spf_end(s, SPF_FRONT_TEMPERROR);
	if (r == DNS_FOUND && choose(s, &texts, &record)) {
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
	if (s->ended || !index_of(s, request->cur_dom, &i))
		return err;
	if (s->names[i].kind != SPF_OTHER)
		count_term(s);
	if (s->ended)
		return err;
	sbuf_init(&text, RECORD_MAX);
	if (load(s, span_str(s->names[i].text), &text))
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

/* --- one check ------------------------------------------------------------------ */

static enum spf_result
result_of(const SPF_response_t *response)
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
			result = result_of(response);
	}
	if (response != NULL)
		SPF_response_free(response);
	SPF_request_free(request);
	return s->ended ? s->end : result;
}

/* A name of two labels or more (RFC 7208 4.3). */
static bool
is_domain(struct span name)
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
	if (is_domain(domain))
		resolve_ahead_txt(l, domain);
}

static void
set_up(struct spf *s, struct resolve *l, const struct spf_subject *who)
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

	if (who->ip.size == 0 || !is_domain(who->sender_domain))
		return SPF_FRONT_NONE;
	set_up(&spf, l, who);
	dns = calloc(1, sizeof(*dns));
	if (dns == NULL)
		die(EXIT_TEMP, "out of memory");
	*dns = (SPF_dns_server_t){ .lookup = lookup,
		.get_spf = get_spf,
		.get_exp = get_exp,
		.name = "smtpd",
		.hook = &spf };
	server = SPF_server_new_dns(dns, 0);
	if (server == NULL)
		die(EXIT_TEMP, "out of memory");
	/* All counting is ours, and so is what is said about it. */
	server->max_dns_mech = server->max_dns_mx = server->max_dns_ptr = 1000;
	(void)SPF_server_set_explanation(server, "refused", &errors);
	if (errors != NULL)
		SPF_response_free(errors);
	result = ask_library(&spf, server);
	SPF_server_free(server);
	free(dns);
	return result;
}
