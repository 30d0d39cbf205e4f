/* SPDX-License-Identifier: ISC */
/* IP addresses as text and as octets; networks that they are in. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "cidr.h"

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
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage any;
	} u;
	socklen_t len = sizeof(u);

	memset(&u, 0, sizeof(u));
	if (getpeername(fd, &u.sa, &len) == 0) {
		if (u.sa.sa_family == AF_INET)
			return ip_from(&u.v4.sin_addr, 4);
		if (u.sa.sa_family == AF_INET6)
			return ip_from(&u.v6.sin6_addr, 16);
	}
	return (struct ip){ .size = 0 };
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
cidr_valid(struct span s)
{
	struct net net;

	return parse_net(s, &net);
}

bool
cidr_match(const char *list, const struct ip *ip)
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
