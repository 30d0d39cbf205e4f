/* SPDX-License-Identifier: ISC */
/* The only resolver: udns below one deadline, TCP when an answer is long. */
#include <sys/random.h>

#include <netinet/in.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <udns.h>
#include <unistd.h>

#include <linux/errqueue.h> /* wants <time.h> */

#include "bufio.h"
#include "dns.h"

#define TRY_SECONDS 2 /* the next server is asked after 1 already */
#define TRIES 3       /* of all servers */
#define UDP_SIZE 1232 /* the size that is not fragmented */
#define TCP_MS 5000   /* for one server */
#define KEPT_MS 60000

_Static_assert(DNS_WIRE_MAX == DNS_MAXDN, "dns.h does without udns.h");

/* udns writes to the places: none is used again before dns_hang_up. */
struct dns_kept {
	instant since; /* the oldest */
	size_t n;
	struct dns_question places[DNS_KEPT];
};

/* --- the ids of queries --------------------------------------------------- */

/*
 * udns would draw them from the clock's microseconds. Linked before the
 * library, these two replace its own: knowing when we were started, or what
 * another process asked, does not help to guess an id.
 */
void
udns_jraninit(struct udns_jranctx *x, unsigned seed)
{
	(void)x;
	(void)seed;
}

unsigned
udns_jranval(struct udns_jranctx *x)
{
	unsigned r;

	(void)x;
	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		abort();
	return r;
}

/* --- servers -------------------------------------------------------------- */

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

/* The servers in the order in which they are asked. */
static unsigned
nth_server(const struct dns_resolver *r, unsigned i)
{
	return (r->first + i) % r->nservers;
}

/* How many have not refused. */
static unsigned
count_servers(const struct dns_resolver *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->nservers; i++)
		n += !r->refused[i];
	return n;
}

static bool
is_same_server(const union endpoint *a, const union endpoint *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	struct ip x = endpoint_ip(a), y = endpoint_ip(b);

	/* The port is at the same place in both families. */
	return x.size > 0 && x.size == y.size &&
	    memcmp(x.octets, y.octets, x.size) == 0 &&
	    a4->sin_port == b4->sin_port;
}

/* The index of a server; nservers when the address is not one of them. */
static unsigned
find_server(const struct dns_resolver *r, const union endpoint *address)
{
	unsigned i = 0;

	while (i < r->nservers && !is_same_server(address, &r->servers[i]))
		i++;
	return i;
}

/* --- servers that are not there ------------------------------------------- */

/*
 * udns goes on asking them until it gives up. But an ICMP error waits on the
 * socket, with the address that was asked (ip(7), IP_RECVERR). An IPv6 socket
 * may have asked an IPv4 server.
 */
static void
hear_refusals(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
}

/* Does it say that there is no such server, or no such host? */
static bool
is_refusal(struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct sock_extended_err e;

	if (c == NULL || c->cmsg_len < CMSG_LEN(sizeof(e)))
		return false;
	memcpy(&e, CMSG_DATA(c), sizeof(e));
	return e.ee_errno == ECONNREFUSED || e.ee_errno == EHOSTUNREACH ||
	    e.ee_errno == ENETUNREACH;
}

/* Takes one error of the socket's queue; false when there is none. */
static bool
take_refusal(struct dns_resolver *r, int fd)
{
	_Alignas(struct cmsghdr) char control[512];
	union endpoint asked = { .storage = { 0 } };
	char query[1];
	struct iovec iov = { query, sizeof(query) };
	struct msghdr m = { .msg_name = &asked,
		.msg_namelen = sizeof(asked),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };

	if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) == -1)
		return errno == EINTR;
	if (is_refusal(&m) && find_server(r, &asked) < r->nservers)
		r->refused[find_server(r, &asked)] = true;
	return true;
}

/* --- the context of udns -------------------------------------------------- */

/*
 * Sees every answer that udns takes for one of ours (code 0; 1 is a query that
 * leaves), also those of which the parsers see nothing.
 */
static void
observe_answer(int code, const struct sockaddr *sa, unsigned salen,
    dnscc_t *pkt, int len, const struct dns_query *query, void *data)
{
	struct dns_question *q = data;

	if (code != 0 || query == NULL || q == NULL || len < DNS_HSIZE)
		return;
	if (salen <= sizeof(q->answerer))
		memcpy(&q->answerer, sa, salen);
	q->truncated = q->truncated || dns_tc(pkt) != 0;
	q->authentic = dns_ad(pkt) != 0;
}

/* Drops the socket, and with it all that udns still has to answer. */
static void
dns_hang_up(struct dns_resolver *r)
{
	if (r->udns != NULL)
		dns_free(r->udns);
	r->udns = NULL;
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
	dns_set_dbgfn(r->udns, observe_answer);
	if (dns_open(r->udns) < 0) {
		dns_hang_up(r);
		return false;
	}
	r->contexts++;
	hear_refusals(dns_sock(r->udns));
	return true;
}

static bool
has_context(struct dns_resolver *r)
{
	return count_servers(r) > 0 && (r->udns != NULL || open_context(r));
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

/* --- questions over UDP --------------------------------------------------- */

static void
dns_begin(struct dns_question *q)
{
	q->status = DNS_E_TEMPFAIL;
	q->records = NULL;
	q->context = 0;
	q->done = q->truncated = q->authentic = false;
	memset(&q->answerer, 0, sizeof(q->answerer));
}

/* A truncated one may have been answered over TCP by then. */
static void
take_answer(struct dns_ctx *ctx, void *records, void *data)
{
	struct dns_question *q = data;

	q->context = 0;
	if (q->done) {
		free(records);
		return;
	}
	q->done = true;
	q->records = records;
	q->status = dns_status(ctx);
}

/* Gives it to udns, if it does not have it. */
static void
submit_question(struct dns_resolver *r, struct dns_question *q)
{
	if (q->done || q->truncated || q->context == r->contexts)
		return;
	q->context = r->contexts;
	q->done = dns_submit_dn(r->udns, q->dn, DNS_C_IN, q->type, 0, q->parse,
		      take_answer, q) == NULL;
}

/* Seconds as udns wants them, of the clock that nobody sets; 0 is special. */
static time_t
steady_seconds(void)
{
	return (time_t)(clock_now() / 1000) + 1;
}

/* Is no answer missing? One that is truncated comes later, over TCP. */
static bool
all_done(const struct dns_question *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!q[i].done && !q[i].truncated)
			return false;
	return true;
}

/* Reads what has come in; false: not an answer, but a refusal. */
static bool
take_datagrams(struct dns_resolver *r, short events)
{
	unsigned before = count_servers(r);

	if ((events & POLLERR) != 0) {
		while (take_refusal(r, dns_sock(r->udns)))
			continue;
		if (count_servers(r) < before)
			return false;
	}
	dns_ioevent(r->udns, steady_seconds());
	return true;
}

/*
 * udns would ask a silent server first each time, and wait for a second. So
 * the server that has answered comes first, and a silent one goes last.
 */
static void
prefer_server(struct dns_resolver *r, const struct dns_question *q, size_t n)
{
	unsigned first = r->first;

	for (size_t i = 0; i < n; i++) {
		unsigned server = find_server(r, &q[i].answerer);

		if (server < r->nservers)
			first = server;
	}
	if (first == r->first && !all_done(q, n))
		first = nth_server(r, 1);
	if (first != r->first)
		dns_hang_up(r);
	r->first = first;
}

/* Will udns write to one of them that is gone by then? */
static bool
any_left(const struct dns_question *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!q[i].done && !q[i].kept)
			return true;
	return false;
}

/*
 * Runs udns until all is answered, a server has refused, or the deadline
 * comes. dns_cancel leaks in udns 0.4, so what is left goes down with its
 * context.
 */
static void
run_udns(struct dns_resolver *r, struct dns_question *q, size_t n,
    instant deadline)
{
	while (!all_done(q, n)) {
		struct pollfd p = { .fd = dns_sock(r->udns), .events = POLLIN };
		int next = dns_timeouts(r->udns, -1, steady_seconds());
		int wait = clock_left(deadline);

		if (all_done(q, n))
			break;
		if (next >= 0 && (wait < 0 || next * 1000 < wait))
			wait = next * 1000;
		if (poll(&p, 1, wait) > 0) {
			if (!take_datagrams(r, p.revents)) {
				dns_hang_up(r);
				break;
			}
		} else if (clock_left(deadline) == 0) {
			break;
		}
	}
	if (any_left(q, n))
		dns_hang_up(r);
	prefer_server(r, q, n);
}

/*
 * Also asks again what a lost context has left open of the kept questions.
 * True: a server has refused, and what has no answer is to be asked again.
 */
static bool
ask_servers(struct dns_resolver *r, struct dns_question *q, size_t n,
    instant deadline)
{
	unsigned servers = count_servers(r);

	if (!has_context(r))
		return false;
	for (size_t i = 0; r->kept != NULL && i < r->kept->n; i++)
		submit_question(r, &r->kept->places[i]);
	for (size_t i = 0; i < n; i++)
		submit_question(r, &q[i]);
	run_udns(r, q, n, deadline);
	return count_servers(r) < servers;
}

/* --- one question over TCP (RFC 7766), which udns does not speak ---------- */

#define OPT_SIZE 11 /* an empty OPT record */
#define FIXED 4     /* type and class behind the name */

/* Connects without waiting beyond the deadline. */
static int
dial_server(const union endpoint *to, instant deadline)
{
	socklen_t len = sizeof(int);
	int fd, err = 0;

	fd = socket(to->any.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, &to->any, endpoint_len(to)) == 0)
		return fd;
	if (errno == EINPROGRESS && io_wait_writable(fd, deadline) == IO_OK &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static bool
read_octets(int fd, void *to, size_t n, instant deadline)
{
	struct inbuf b;

	inbuf_init(&b, fd, to, n);
	while (b.len < n)
		if (inbuf_fill(&b, deadline) != IO_OK)
			return false;
	return true;
}

/* A query: header, question, OPT with DO (RFC 6891, RFC 4035 3.2.1). */
static size_t
build_query(unsigned char *out, uint16_t id, const struct dns_question *q)
{
	static const unsigned char opt[OPT_SIZE] = { 0, 0, DNS_T_OPT, 0xff,
		0xff, 0, 0, DNS_EF1_DO, 0, 0, 0 };
	unsigned n = dns_dnlen(q->dn);
	unsigned char *p = out + 2;

	memset(p, 0, DNS_HSIZE);
	(void)dns_put16(p, id);
	p[DNS_H_F1] = DNS_HF1_RD;
	(void)dns_put16(p + 4, 1);
	(void)dns_put16(p + 10, 1);
	p += DNS_HSIZE;
	memcpy(p, q->dn, n);
	p = dns_put16(p + n, (unsigned)q->type);
	p = dns_put16(p, DNS_C_IN);
	memcpy(p, opt, sizeof(opt));
	p += sizeof(opt);
	(void)dns_put16(out, (unsigned)(p - out - 2));
	return (size_t)(p - out);
}

/*
 * If it is a whole answer to this very question: the place behind the
 * question's name, where the parsers of udns begin. Else NULL.
 */
static const unsigned char *
after_name(const unsigned char *pkt, size_t n, uint16_t id,
    const struct dns_question *q)
{
	const unsigned char *p = pkt + DNS_HSIZE, *end = pkt + n;
	dnsc_t dn[DNS_MAXDN];

	if (n < DNS_HSIZE || dns_qid(pkt) != id || !dns_qr(pkt) ||
	    dns_tc(pkt) || dns_numqd(pkt) != 1 ||
	    dns_getdn(pkt, &p, end, dn, sizeof(dn)) <= 0 ||
	    !dns_dnequal(dn, q->dn) || end - p < FIXED ||
	    dns_get16(p) != (unsigned)q->type || dns_get16(p + 2) != DNS_C_IN)
		return NULL;
	return p;
}

/* False: this server is of no help, the next one may be. */
static bool
take_packet(struct dns_question *q, const unsigned char *pkt, size_t n,
    const unsigned char *cursor)
{
	q->authentic = dns_ad(pkt) != 0;
	if (dns_rcode(pkt) == DNS_R_NXDOMAIN) {
		q->status = DNS_E_NXDOMAIN;
		return true;
	}
	if (dns_rcode(pkt) != DNS_R_NOERROR)
		return false;
	q->status = q->parse(q->dn, pkt, cursor, pkt + n, &q->records);
	if (q->status > DNS_E_NOERROR)
		q->status = DNS_E_NOERROR;
	return true;
}

static bool
read_answer(int fd, struct dns_question *q, uint16_t id, instant deadline)
{
	unsigned char length[2], *pkt;
	const unsigned char *cursor = NULL;
	bool taken = false;
	size_t n;

	if (!read_octets(fd, length, sizeof(length), deadline))
		return false;
	n = dns_get16(length);
	pkt = malloc(n + 1);
	if (pkt == NULL)
		return false;
	if (read_octets(fd, pkt, n, deadline))
		cursor = after_name(pkt, n, id, q);
	if (cursor != NULL)
		taken = take_packet(q, pkt, n, cursor);
	free(pkt);
	return taken;
}

static bool
ask_tcp_server(const union endpoint *server, struct dns_question *q,
    instant deadline)
{
	unsigned char query[2 + DNS_HSIZE + DNS_MAXDN + FIXED + OPT_SIZE];
	int fd = dial_server(server, deadline);
	bool taken;
	uint16_t id;

	if (fd == -1)
		return false;
	taken = getrandom(&id, sizeof(id), 0) == sizeof(id) &&
	    io_write(fd, query, build_query(query, id, q), deadline) == IO_OK &&
	    read_answer(fd, q, id, deadline);
	(void)close(fd);
	return taken;
}

/* What did not fit into a datagram is asked for again over TCP. */
static void
ask_tcp(struct dns_resolver *r, struct dns_question *q, instant deadline)
{
	bool taken = false;

	for (unsigned i = 0; i < r->nservers && !taken; i++) {
		instant end = clock_in(TCP_MS);
		unsigned k = nth_server(r, i);

		if (!r->refused[k])
			taken = ask_tcp_server(&r->servers[k], q,
			    end < deadline ? end : deadline);
	}
	q->done = q->done || taken;
}

/* --- asking --------------------------------------------------------------- */

enum dns_result
dns_result_of(const struct dns_question *q)
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

static void
dns_wait(struct dns_resolver *r, struct dns_question *q, size_t n,
    instant deadline)
{
	while (!all_done(q, n) && ask_servers(r, q, n, deadline))
		continue;
	for (size_t i = 0; i < n; i++)
		if (q[i].truncated && q[i].status == DNS_E_TEMPFAIL)
			ask_tcp(r, &q[i], deadline);
}

void
dns_ask(struct dns_resolver *r, struct dns_question *q, size_t n,
    instant deadline)
{
	for (size_t i = 0; i < n; i++)
		dns_begin(&q[i]);
	dns_wait(r, q, n, deadline);
}

/* --- answers that are kept, and questions asked before they matter -------- */

bool
dns_keep(struct dns_resolver *r)
{
	r->kept = calloc(1, sizeof(*r->kept));
	return r->kept != NULL;
}

static void
forget_kept(struct dns_kept *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->places[i].records);
	k->n = 0;
}

void
dns_close_resolver(struct dns_resolver *r)
{
	dns_hang_up(r);
	if (r->kept != NULL)
		forget_kept(r->kept);
	free(r->kept);
	r->kept = NULL;
}

void
dns_refresh(struct dns_resolver *r)
{
	struct dns_kept *k = r->kept;

	if (k == NULL || k->n == 0 ||
	    (k->n <= DNS_KEPT / 2 && clock_now() - k->since < KEPT_MS))
		return;
	if (r->udns != NULL && dns_active(r->udns) > 0)
		dns_hang_up(r);
	forget_kept(k);
}

/* Where such a question is kept, or a new place for it; NULL: all are full. */
static struct dns_question *
kept_place(struct dns_kept *k, const struct dns_question *q)
{
	struct dns_question *to;

	for (size_t i = 0; i < k->n; i++)
		if (k->places[i].type == q->type &&
		    dns_dnequal(k->places[i].dn, q->dn) != 0)
			return &k->places[i];
	if (k->n == DNS_KEPT)
		return NULL;
	if (k->n == 0)
		k->since = clock_now();
	to = &k->places[k->n++];
	*to = *q;
	to->kept = true;
	dns_begin(to);
	return to;
}

const struct dns_question *
dns_ask_kept(struct dns_resolver *r, struct dns_question *q, instant deadline)
{
	struct dns_question *at = r->kept == NULL ? NULL :
						    kept_place(r->kept, q);

	if (at == NULL) {
		dns_ask(r, q, 1, deadline);
		return q;
	}
	if (at->done && !at->ahead && dns_result_of(at) == DNS_TEMPORARY)
		dns_begin(at);
	at->ahead = false;
	dns_wait(r, at, 1, deadline);
	return at;
}

void
dns_ask_ahead(struct dns_resolver *r, const struct dns_question *q)
{
	struct dns_question *at = r->kept == NULL ? NULL :
						    kept_place(r->kept, q);

	if (at == NULL || at->done)
		return;
	at->ahead = true;
	if (!has_context(r))
		return;
	submit_question(r, at);
	(void)dns_timeouts(r->udns, -1, steady_seconds());
}
