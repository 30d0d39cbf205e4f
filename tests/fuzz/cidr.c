/* SPDX-License-Identifier: ISC */
/* Addresses and networks: text there and back, and a network holds its own. */
#include <stdio.h>
#include <stdlib.h>

#include "ip.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
check_ip(struct span text)
{
	char written[IP_TEXT], list[IP_TEXT + 8];
	struct ip ip, again;

	if (!ip_parse(text, &ip))
		return;
	must(ip.size == 4 || ip.size == 16);
	ip_text(&ip, written);
	must(ip_parse(span_str(written), &again));
	must(again.size == ip.size &&
	    memcmp(again.octets, ip.octets, ip.size) == 0);
	must(ip_is_network(span_str(written)) && ip_in_networks(written, &ip));
	must(ip_in_networks(ip.size == 4 ? "0.0.0.0/0" : "::/0", &ip));
	must(!ip_in_networks(ip.size == 4 ? "::/0" : "0.0.0.0/0", &ip));
	(void)snprintf(list, sizeof(list), "%s/%d", written, ip.size * 8);
	must(ip_is_network(span_str(list)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct ip ip;
	char *list;

	check_ip(text);
	check_ip(span_of(text.p, span_find(text, '/')));
	/* The address of a valid network is in it. */
	if (ip_is_network(text) && span_find(text, '\0') == size &&
	    ip_parse(span_of(text.p, span_find(text, '/')), &ip)) {
		list = strndup(text.p, text.n);
		must(list != NULL && ip_in_networks(list, &ip));
		free(list);
	}
	return 0;
}
