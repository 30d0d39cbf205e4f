/* SPDX-License-Identifier: ISC */
/* Networks in CIDR notation, IPv4 and IPv6. */
#ifndef CIDR_H
#define CIDR_H

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

/* Is s ADDRESS[/BITS], with no bit set behind BITS? */
bool cidr_valid(struct span s);

/* Is the address in one of the blank-separated networks? Never when unknown. */
bool cidr_match(const char *list, const struct ip *);

#endif
