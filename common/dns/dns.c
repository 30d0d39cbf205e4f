/* SPDX-License-Identifier: ISC */
/* The only resolver: udns below one deadline, TCP when an answer is long. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <udns.h>

#include "dns-parts.h"

#define TRY_SECONDS 2 /* the next server is asked after 1 already */
#define TRIES 3       /* of all servers */
#define UDP_SIZE 1232 /* the size that is not fragmented */
#define TCP_MS 5000   /* for one server */

static unsigned
parse_servers(const char *servers, union endpoint to[DNS_SERVERS])
{
	struct span rest = span_str(servers), word;
	unsigned n = 0;

	while ((word = span_word(&rest)).n > 0)
		if (n == DNS_SERVERS || !endpoint_parse(word, 53, &to[n++]))
			return 0;
	return n;
}

/*
 * Sees every answer that udns takes for one of ours (code 0; 1 is a query that
 * leaves), also those of which the parsers see nothing.
 */
static void
observe(int code, const struct sockaddr *sa, unsigned salen, dnscc_t *pkt,
    int len, const struct dns_query *query, void *data)
{
	struct question *q = data;

	if (code != 0 || query == NULL || q == NULL || len < DNS_HSIZE)
		return;
	if (salen <= sizeof(q->answerer))
		memcpy(&q->answerer, sa, salen);
	q->truncated = q->truncated || dns_tc(pkt) != 0;
	q->authentic = dns_ad(pkt) != 0;
}

/* The servers in the order in which they are asked. */
static unsigned
nth_server(const struct dns_resolver *r, unsigned i)
{
	return (r->first + i) % r->nservers;
}

/*
 * A context of our own: dns_init would read the environment and resolv.conf.
 */
static bool
open_context(struct dns_resolver *r)
{
	dns_reset(&dns_defctx);
	r->udns = dns_new(&dns_defctx);
	if (r->udns == NULL) {
		errno = ENOMEM;
		return false;
	}
	for (unsigned i = 0; i < r->nservers; i++) {
		unsigned k = nth_server(r, i);

		if (!r->refused[k])
			(void)dns_add_serv_s(r->udns, &r->servers[k].any);
	}
	(void)dns_set_opt(r->udns, DNS_OPT_FLAGS, DNS_NOSRCH | DNS_SET_DO);
	(void)dns_set_opt(r->udns, DNS_OPT_TIMEOUT, TRY_SECONDS);
	(void)dns_set_opt(r->udns, DNS_OPT_NTRIES, TRIES);
	(void)dns_set_opt(r->udns, DNS_OPT_UDPSIZE, UDP_SIZE);
	dns_set_dbgfn(r->udns, observe);
	if (dns_open(r->udns) < 0) {
		dns_hang_up(r);
		return false;
	}
	r->contexts++;
	dns_hear_refusals(dns_sock(r->udns));
	return true;
}

bool
dns_init_resolver(struct dns_resolver *r, const char *servers)
{
	memset(r, 0, sizeof(*r));
	r->nservers = parse_servers(servers, r->servers);
	if (r->nservers == 0) {
		errno = EINVAL;
		return false;
	}
	r->trusted = true;
	for (unsigned i = 0; i < r->nservers; i++) {
		struct ip ip = endpoint_ip(&r->servers[i]);

		r->trusted = r->trusted && ip_is_loopback(&ip);
	}
	return true;
}

bool
dns_open_resolver(struct dns_resolver *r, const char *servers)
{
	return dns_init_resolver(r, servers) && open_context(r);
}

void
dns_hang_up(struct dns_resolver *r)
{
	if (r->udns != NULL)
		dns_free(r->udns);
	r->udns = NULL;
}

void
dns_close_resolver(struct dns_resolver *r)
{
	dns_hang_up(r);
	dns_kept_free(r);
}

/* One that is truncated may have been answered over TCP by then. */
static void
answered(struct dns_ctx *ctx, void *records, void *data)
{
	struct question *q = data;

	q->context = 0;
	if (q->done) {
		free(records);
		return;
	}
	q->done = true;
	q->records = records;
	q->status = dns_status(ctx);
}

/* Until all have an answer; pending: which may be to ask again over TCP. */
static bool
all_done(const struct question *q, size_t n, bool pending)
{
	for (size_t i = 0; i < n; i++)
		if (!q[i].done && !(pending && q[i].truncated))
			return false;
	return true;
}

/* Seconds as udns wants them, of the clock that nobody sets; 0 is special. */
static time_t
steady(void)
{
	return (time_t)(clock_now() / 1000) + 1;
}

static unsigned
count_servers(const struct dns_resolver *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->nservers; i++)
		n += !r->refused[i];
	return n;
}

/* What has come in; false: of an answer nothing, but of a refusal. */
static bool
take_event(struct dns_resolver *r, short events)
{
	unsigned before = count_servers(r);

	if ((events & POLLERR) != 0) {
		dns_take_refusals(r);
		if (count_servers(r) < before)
			return false;
	}
	dns_ioevent(r->udns, steady());
	return true;
}

/*
 * udns would ask a silent server first each time, and wait for a second. So
 * who has answered comes first, and whoever has not goes last.
 */
static void
prefer(struct dns_resolver *r, const struct question *q, size_t n)
{
	unsigned first = r->first;

	for (size_t i = 0; i < n; i++) {
		unsigned server = dns_server_at(r, &q[i].answerer);

		if (server < r->nservers)
			first = server;
	}
	if (first == r->first && !all_done(q, n, true))
		first = nth_server(r, 1);
	if (first != r->first)
		dns_hang_up(r);
	r->first = first;
}

/* Will udns write to one of them that is gone by then? */
static bool
is_left(const struct question *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!q[i].done && !q[i].kept)
			return true;
	return false;
}

/*
 * Runs udns until all is answered, a server has turned out to be none, or the
 * deadline comes. dns_cancel leaks in udns 0.4, so what is left goes down with
 * its context.
 */
static void
run(struct dns_resolver *r, struct question *q, size_t n, instant deadline)
{
	while (!all_done(q, n, true)) {
		struct pollfd p = { .fd = dns_sock(r->udns), .events = POLLIN };
		int next = dns_timeouts(r->udns, -1, steady());
		int wait = clock_left(deadline);

		if (all_done(q, n, true))
			break;
		if (next >= 0 && (wait < 0 || next * 1000 < wait))
			wait = next * 1000;
		if (poll(&p, 1, wait) > 0) {
			if (!take_event(r, p.revents)) {
				dns_hang_up(r);
				break;
			}
		} else if (clock_left(deadline) == 0) {
			break;
		}
	}
	if (is_left(q, n))
		dns_hang_up(r);
	prefer(r, q, n);
}

bool
dns_wire_name(struct span name, dnsc_t dn[DNS_MAXDN])
{
	char text[DNS_NAME_SIZE];

	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n == 0 || name.n > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_isalnum(name.p[i]) &&
		    memchr("-_.", name.p[i], 3) == NULL)
			return false;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	return dns_sptodn(text, dn, DNS_MAXDN) > 0;
}

enum dns_result
dns_result_of(const struct question *q)
{
	switch (q->status) {
	case DNS_E_NOERROR:
		return DNS_FOUND;
	case DNS_E_NXDOMAIN:
		return DNS_NXDOMAIN;
	case DNS_E_NODATA:
		return DNS_NODATA;
	case DNS_E_BADQUERY:
		return DNS_BAD_NAME;
	default:
		return DNS_TEMPORARY;
	}
}

/* False: the server is of no help, the next one may be. */
static bool
take_tcp(struct question *q, const struct dns_tcp_answer *a)
{
	q->authentic = a->authentic;
	if (a->rcode == DNS_R_NXDOMAIN) {
		q->status = DNS_E_NXDOMAIN;
		return true;
	}
	if (a->rcode != DNS_R_NOERROR)
		return false;
	q->status = q->parse(q->wire.dn, a->packet, a->cursor,
	    a->packet + a->length, &q->records);
	if (q->status > DNS_E_NOERROR)
		q->status = DNS_E_NOERROR;
	return true;
}

/* What did not fit into a datagram is asked for again over TCP. */
static void
ask_tcp(struct dns_resolver *r, struct question *q, instant deadline)
{
	struct dns_tcp_answer a;
	bool taken = false;

	for (unsigned i = 0; i < r->nservers && !taken; i++) {
		instant end = clock_in(TCP_MS);
		unsigned k = nth_server(r, i);

		if (r->refused[k] ||
		    !dns_tcp_ask(&r->servers[k], &q->wire,
			end < deadline ? end : deadline, &a))
			continue;
		taken = take_tcp(q, &a);
		free(a.packet);
	}
	q->done = q->done || taken;
}

static bool
is_up(struct dns_resolver *r)
{
	return count_servers(r) > 0 && (r->udns != NULL || open_context(r));
}

/* Gives it to udns, if it does not have it. */
static void
submit(struct dns_resolver *r, struct question *q)
{
	if (q->done || q->truncated || q->context == r->contexts)
		return;
	q->context = r->contexts;
	q->done = dns_submit_dn(r->udns, q->wire.dn, DNS_C_IN, q->wire.type, 0,
		      q->parse, answered, q) == NULL;
}

/* True: a server is none, and what has no answer is to be asked again. */
static bool
ask_servers(struct dns_resolver *r, struct question *q, size_t n,
    instant deadline)
{
	unsigned servers = count_servers(r);
	struct question *other;

	if (!is_up(r))
		return false;
	for (size_t i = 0; (other = dns_kept_open(r, &i)) != NULL;)
		submit(r, other);
	for (size_t i = 0; i < n; i++)
		submit(r, &q[i]);
	run(r, q, n, deadline);
	return count_servers(r) < servers;
}

void
dns_begin(struct question *q)
{
	q->status = DNS_E_TEMPFAIL;
	q->records = NULL;
	q->context = 0;
	q->done = q->truncated = q->authentic = false;
	memset(&q->answerer, 0, sizeof(q->answerer));
}

void
dns_send(struct dns_resolver *r, struct question *q)
{
	if (!is_up(r))
		return;
	submit(r, q);
	(void)dns_timeouts(r->udns, -1, steady());
}

void
dns_wait(struct dns_resolver *r, struct question *q, size_t n, instant deadline)
{
	while (!all_done(q, n, true) && ask_servers(r, q, n, deadline))
		continue;
	for (size_t i = 0; i < n; i++)
		if (q[i].truncated && q[i].status == DNS_E_TEMPFAIL)
			ask_tcp(r, &q[i], deadline);
}

void
dns_ask(struct dns_resolver *r, struct question *q, size_t n, instant deadline)
{
	for (size_t i = 0; i < n; i++)
		dns_begin(&q[i]);
	dns_wait(r, q, n, deadline);
}
