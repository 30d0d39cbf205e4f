/* SPDX-License-Identifier: ISC */
/* Where to connect to: an IP address and a port, as text and as sockaddr. */
#include <netinet/in.h>

#include "endpoint.h"

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
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ip ip = { .size = 0 };
	const unsigned char *p = (const void *)&v6->sin6_addr;

	if (e->any.sa_family == AF_INET) {
		ip.size = 4;
		memcpy(ip.octets, &v4->sin_addr, 4);
	} else if (e->any.sa_family == AF_INET6) {
		ip.size = memcmp(p, mapped, sizeof(mapped)) == 0 ? 4 : 16;
		memcpy(ip.octets, p + 16 - ip.size, ip.size);
	}
	return ip;
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
