/* SPDX-License-Identifier: ISC */
/* Where to connect to: an IP address and a port, as text and as sockaddr. */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <sys/socket.h>

#include "cidr.h"

union endpoint {
	struct sockaddr any;
	struct sockaddr_storage storage;
};

/* ADDRESS, IPv4:PORT or [ADDRESS]:PORT; without a port it is the given one. */
bool endpoint_parse(struct span, uint16_t port, union endpoint *) MUST_CHECK;

union endpoint endpoint_of(const struct ip *, uint16_t port);
socklen_t endpoint_len(const union endpoint *);

/* Its IP address; size 0 when it has none. */
struct ip endpoint_ip(const union endpoint *);

bool ip_is_loopback(const struct ip *);

#endif
