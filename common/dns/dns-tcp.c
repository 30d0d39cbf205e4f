/* SPDX-License-Identifier: ISC */
/* One DNS question over TCP (RFC 7766), which udns does not speak. */
#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "bufio.h"
#include "dns-tcp.h"

#define OPT_SIZE 11 /* an empty OPT record */
#define FIXED 4     /* type and class behind the name */

/* Connects without waiting beyond the deadline. */
static int
dial(const union endpoint *to, instant deadline)
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
read_all(int fd, void *to, size_t n, instant deadline)
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
build(unsigned char *out, uint16_t id, const struct dns_question *q)
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

/* Is it the answer to this question? Then the place that parsers want. */
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

static bool
converse(int fd, const struct dns_question *q, instant deadline,
    struct dns_tcp_answer *a)
{
	unsigned char query[2 + DNS_HSIZE + DNS_MAXDN + FIXED + OPT_SIZE];
	unsigned char length[2];
	uint16_t id;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id) ||
	    io_write(fd, query, build(query, id, q), deadline) != IO_OK ||
	    !read_all(fd, length, sizeof(length), deadline))
		return false;
	a->length = dns_get16(length);
	a->packet = malloc(a->length + 1);
	if (a->packet == NULL)
		return false;
	if (read_all(fd, a->packet, a->length, deadline))
		a->cursor = after_name(a->packet, a->length, id, q);
	if (a->cursor == NULL) {
		free(a->packet);
		a->packet = NULL;
		return false;
	}
	a->rcode = dns_rcode(a->packet);
	a->authentic = dns_ad(a->packet) != 0;
	return true;
}

bool
dns_tcp_ask(const union endpoint *server, const struct dns_question *q,
    instant deadline, struct dns_tcp_answer *a)
{
	int fd = dial(server, deadline);
	bool ok;

	*a = (struct dns_tcp_answer){ .packet = NULL };
	ok = fd != -1 && converse(fd, q, deadline, a);
	if (fd != -1)
		(void)close(fd);
	return ok;
}
