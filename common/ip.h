/* SPDX-License-Identifier: ISC */
/* IP addresses, networks and endpoints, as text and as octets. */
#ifndef IP_H
#define IP_H

#include <sys/socket.h>

#include "span.h"

/* An IP address; an IPv4-mapped IPv6 one is kept as IPv4. */
struct ip {
	unsigned char octets[16];
	unsigned char size; /* 4, 16, or 0: unknown */
};

/* The whole of s as an address in text form. */
bool ip_parse(struct span s, struct ip *) MUST_CHECK;

/* The peer of a socket; size 0 when fd is no IP socket. */
struct ip ip_of_peer(int fd);

/*
 * The same of a descriptor that another process has shown: it must be a
 * connected stream, which no process without connect() can have made up.
 */
struct ip ip_of_shown(int fd);

/* Writes its text, at most IP_TEXT octets with the NUL; "" when unknown. */
#define IP_TEXT 46
void ip_text(const struct ip *, char text[IP_TEXT]);

bool ip_is_loopback(const struct ip *);

/* Is s ADDRESS[/BITS], with no bit set behind BITS? */
bool ip_is_network(struct span s);

/* Is the address in one of the blank-separated networks? Never when unknown. */
bool ip_in_networks(const char *list, const struct ip *);

/* Where to connect to: an address and a port. */
union endpoint {
	struct sockaddr any;
	struct sockaddr_storage storage;
};

/* ADDRESS, IPv4:PORT or [ADDRESS]:PORT; without a port it is the given one. */
bool endpoint_parse(struct span, uint16_t port, union endpoint *) MUST_CHECK;

union endpoint endpoint_of(const struct ip *, uint16_t port);
socklen_t endpoint_len(const union endpoint *);

/* Its IP address; size 0 if it is not of IP. */
struct ip endpoint_ip(const union endpoint *);

#endif
