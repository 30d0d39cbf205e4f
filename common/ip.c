/* SPDX-License-Identifier: ISC */
/* IP addresses, networks and endpoints, as text and as octets. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "ip.h"

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool
is_mapped(const unsigned char octets[16])
{
	return memcmp(octets, mapped, sizeof(mapped)) == 0;
}

static struct ip
ip_from(const void *octets, unsigned char size)
{
	struct ip ip = { .size = size };

	if (size == 16 && is_mapped(octets)) {
		ip.size = 4;
		memcpy(ip.octets, (const char *)octets + sizeof(mapped), 4);
	} else {
		memcpy(ip.octets, octets, size);
	}
	return ip;
}

/* As it is written: a mapped address stays one of IPv6. */
static bool
parse_plain(struct span s, unsigned char octets[16], unsigned char *size)
{
	char text[IP_TEXT];

	if (s.n == 0 || s.n >= sizeof(text) || span_find(s, '\0') < s.n)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*size = span_find(s, ':') < s.n ? 16 : 4;
	return inet_pton(*size == 4 ? AF_INET : AF_INET6, text, octets) == 1;
}

bool
ip_parse(struct span s, struct ip *ip)
{
	unsigned char octets[16], size;

	if (!parse_plain(s, octets, &size))
		return false;
	*ip = ip_from(octets, size);
	return true;
}

struct ip
ip_of_peer(int fd)
{
	union endpoint peer = { .storage = { 0 } };
	socklen_t n = sizeof(peer);

	if (getpeername(fd, &peer.any, &n) != 0)
		return (struct ip){ .size = 0 };
	return endpoint_ip(&peer);
}

struct ip
ip_of_shown(int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);

	if (fd == -1 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 ||
	    type != SOCK_STREAM)
		return (struct ip){ .size = 0 };
	return ip_of_peer(fd);
}

void
ip_text(const struct ip *ip, char text[IP_TEXT])
{
	int family = ip->size == 4 ? AF_INET : AF_INET6;

	if (ip->size == 0 ||
	    inet_ntop(family, ip->octets, text, IP_TEXT) == NULL)
		text[0] = '\0';
}

bool
ip_is_loopback(const struct ip *ip)
{
	static const unsigned char one[16] = { [15] = 1 }, any[16];

	if (ip->size == 4)
		return ip->octets[0] == 127 || ip->octets[0] == 0;
	return ip->size == 16 &&
	    (memcmp(ip->octets, one, 16) == 0 ||
		memcmp(ip->octets, any, 16) == 0);
}

/* --- networks ------------------------------------------------------------- */

/* A network: an address, and how many of its bits count. */
struct net {
	struct ip ip;
	uint32_t bits;
};

/* Are the bits of a and b from first to end the same? */
static bool
same_bits(const struct ip *a, const struct ip *b, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		if ((a->octets[i / 8] ^ b->octets[i / 8]) & 0x80 >> i % 8)
			return false;
	}
	return true;
}

/* ADDRESS[/BITS]; ::ffff:192.0.2.0/120 is 192.0.2.0/24. */
static bool
parse_net(struct span s, struct net *net)
{
	static const struct ip zero;
	size_t slash = span_find(s, '/');
	unsigned char octets[16], size;
	uint32_t max;

	if (!parse_plain(span_of(s.p, slash), octets, &size))
		return false;
	max = size * 8u;
	net->bits = max;
	if (slash < s.n && !span_u32(span_skip(s, slash + 1), max, &net->bits))
		return false;
	net->ip = ip_from(octets, size);
	if (net->ip.size < size) {
		if (net->bits < 96)
			return false;
		net->bits -= 96;
	}
	return same_bits(&net->ip, &zero, net->bits, net->ip.size * 8u);
}

bool
ip_is_network(struct span s)
{
	struct net net;

	return parse_net(s, &net);
}

bool
ip_in_networks(const char *list, const struct ip *ip)
{
	struct span rest = span_str(list), word;
	struct net net;

	if (ip->size == 0)
		return false;
	while ((word = span_word(&rest)).n > 0) {
		if (parse_net(word, &net) && net.ip.size == ip->size &&
		    same_bits(&net.ip, ip, 0, net.bits))
			return true;
	}
	return false;
}

/* --- endpoints ------------------------------------------------------------ */

union endpoint
endpoint_of(const struct ip *ip, uint16_t port)
{
	union endpoint e = { .storage = { 0 } };
	struct sockaddr_in *v4 = (void *)&e;
	struct sockaddr_in6 *v6 = (void *)&e;

	if (ip->size == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, ip->octets, 4);
	} else {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		memcpy(&v6->sin6_addr, ip->octets, 16);
	}
	return e;
}

bool
endpoint_parse(struct span s, uint16_t port, union endpoint *e)
{
	size_t colon = span_rfind(s, ':'), end;
	struct span host = s, number = { NULL, 0 };
	uint32_t parsed = port;
	struct ip ip;

	if (s.n > 0 && s.p[0] == '[') {
		end = span_find(s, ']');
		if (end == s.n)
			return false;
		host = span_of(s.p + 1, end - 1);
		if (end + 1 < s.n && s.p[end + 1] != ':')
			return false;
		number = span_skip(s, end + 2);
		if (end + 1 < s.n && number.n == 0)
			return false;
	} else if (colon < s.n && span_find(s, ':') == colon) {
		host = span_of(s.p, colon);
		number = span_skip(s, colon + 1);
		if (number.n == 0)
			return false;
	}
	if (!ip_parse(host, &ip) ||
	    (number.n > 0 &&
		(!span_u32(number, 65535, &parsed) || parsed == 0)))
		return false;
	*e = endpoint_of(&ip, (uint16_t)parsed);
	return true;
}

socklen_t
endpoint_len(const union endpoint *e)
{
	return e->any.sa_family == AF_INET ? sizeof(struct sockaddr_in) :
					     sizeof(struct sockaddr_in6);
}

struct ip
endpoint_ip(const union endpoint *e)
{
	const struct sockaddr_in *v4 = (const void *)e;
	const struct sockaddr_in6 *v6 = (const void *)e;

	if (e->any.sa_family == AF_INET)
		return ip_from(&v4->sin_addr, 4);
	if (e->any.sa_family == AF_INET6)
		return ip_from(&v6->sin6_addr, 16);
	return (struct ip){ .size = 0 };
}
