/* SPDX-License-Identifier: ISC */
/* Servers that are not there: udns goes on asking them until it gives up. */
#include <netinet/in.h>

#include <errno.h>
#include <time.h>

#include <linux/errqueue.h> /* wants <time.h> */

#include "dns-parts.h"

/*
 * Then an ICMP error waits on the socket, with the address that was asked
 * (ip(7), IP_RECVERR). An IPv6 socket may have asked an IPv4 server.
 */
void
dns_hear_refusals(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
}

static bool
is_same(const union endpoint *a, const union endpoint *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	struct ip x = endpoint_ip(a), y = endpoint_ip(b);

	/* The port is at the same place in both families. */
	return x.size > 0 && x.size == y.size &&
	    memcmp(x.octets, y.octets, x.size) == 0 &&
	    a4->sin_port == b4->sin_port;
}

unsigned
dns_server_at(const struct dns_resolver *r, const union endpoint *address)
{
	unsigned i = 0;

	while (i < r->nservers && !is_same(address, &r->servers[i]))
		i++;
	return i;
}

/* Was it said that there is no such server, or no such host? */
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
take_error(struct dns_resolver *r, int fd)
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
	if (is_refusal(&m) && dns_server_at(r, &asked) < r->nservers)
		r->refused[dns_server_at(r, &asked)] = true;
	return true;
}

void
dns_take_refusals(struct dns_resolver *r)
{
	int fd = dns_sock(r->udns);

	while (take_error(r, fd))
		continue;
}
