/* SPDX-License-Identifier: ISC */
/* Which hosts take the mail of a destination, in which order. */
#include <sys/random.h>

#include <stdlib.h>

#include "target.h"

static const struct target_failure fine = { MAIL_OPEN, NULL };

static struct target_failure
fail(enum mail_verdict v, const char *text)
{
	return (struct target_failure){ v, text };
}

static bool
strip_literal(struct span *s)
{
	if (s->n < 2 || s->p[0] != '[' || s->p[s->n - 1] != ']')
		return false;
	*s = span_of(s->p + 1, s->n - 2);
	if (span_istarts(*s, SPAN("IPv6:")))
		*s = span_skip(*s, 5);
	return true;
}

bool
destination_parse(struct span s, uint16_t smtp_port, struct destination *d)
{
	struct span kind = span_word(&s), port, tls;
	uint32_t number = smtp_port;
	struct ip ip;

	d->name = span_word(&s);
	port = span_word(&s);
	tls = span_word(&s);
	d->tls = tls.n > 0;
	d->mx = span_eq(kind, SPAN("mx"));
	d->literal = strip_literal(&d->name) || ip_parse(d->name, &ip);
	if ((!d->mx && !span_eq(kind, SPAN("host"))) || d->name.n == 0 ||
	    d->name.n > DNS_NAME_MAX || span_word(&s).n > 0 ||
	    (d->tls && (d->mx || !span_eq(tls, SPAN("tls")))) ||
	    (d->literal && !ip_parse(d->name, &ip)) ||
	    (port.n > 0 && (!span_u32(port, 65535, &number) || number == 0)))
		return false;
	d->port = (uint16_t)number;
	return true;
}

static void
only(struct targets *t, struct span name)
{
	t->n = 1;
	t->hosts[0].preference = 0;
	memcpy(t->hosts[0].name, name.p, name.n);
	t->hosts[0].name[name.n] = '\0';
}

/* Fisher and Yates; which of equal hosts comes first is nobody's secret. */
static void
shuffle(struct targets *t)
{
	uint32_t random[TARGET_HOSTS];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return;
	for (size_t i = t->n; i > 1; i--) {
		size_t j = random[i - 1] % i;
		struct dns_mx_host h = t->hosts[i - 1];

		t->hosts[i - 1] = t->hosts[j];
		t->hosts[j] = h;
	}
}

static void
sort(struct targets *t)
{
	for (size_t i = 1; i < t->n; i++) {
		struct dns_mx_host h = t->hosts[i];
		size_t j = i;

		for (; j > 0 && t->hosts[j - 1].preference > h.preference; j--)
			t->hosts[j] = t->hosts[j - 1];
		t->hosts[j] = h;
	}
}

/* RFC 5321 5.1: at our own name the list ends. */
static void
cut_at_ourselves(struct targets *t, const char *hostname)
{
	unsigned own = 65536;
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (span_ieq(span_str(t->hosts[i].name), span_str(hostname)) &&
		    t->hosts[i].preference < own)
			own = t->hosts[i].preference;
	while (n < t->n && t->hosts[n].preference < own)
		n++;
	t->n = n;
}

static struct target_failure
from_mx(struct targets *t, const char *hostname)
{
	if (t->n == 1 && t->hosts[0].name[0] == '\0')
		return fail(MAIL_FAILED,
		    "556 5.1.10 The domain does not "
		    "accept mail (null MX)");
	shuffle(t);
	sort(t);
	cut_at_ourselves(t, hostname);
	if (t->n == 0)
		return fail(MAIL_FAILED,
		    "554 5.4.6 The mail exchanger is "
		    "this host itself");
	return fine;
}

struct target_failure
target_hosts(const struct destination *d, struct dns_resolver *dns,
    const char *hostname, instant deadline, struct targets *t)
{
	bool secure;

	t->implicit = false;
	if (!d->mx || d->literal) {
		only(t, d->name);
		return fine;
	}
	switch (dns_lookup_mx(dns, d->name, deadline, t->hosts, TARGET_HOSTS,
	    &t->n, &secure)) {
	case DNS_FOUND:
		return from_mx(t, hostname);
	case DNS_NODATA:
		only(t, d->name);
		t->implicit = true;
		if (span_ieq(d->name, span_str(hostname)))
			return fail(MAIL_FAILED,
			    "554 5.4.6 The mail "
			    "exchanger is this host itself");
		return fine;
	case DNS_NXDOMAIN:
		return fail(MAIL_FAILED, "550 5.1.2 The domain does not exist");
	case DNS_BAD_NAME:
		return fail(MAIL_FAILED, "550 5.1.2 Not a domain name");
	case DNS_TEMPORARY:
		break;
	}
	return fail(MAIL_DEFERRED,
	    "451 4.4.3 The DNS gives no answer for "
	    "the domain");
}

struct target_failure
target_addresses(const struct destination *d, const struct targets *t,
    struct dns_resolver *dns, struct span host, instant deadline, struct ip *ip,
    size_t *n)
{
	bool secure;

	*n = 1;
	if (d->literal)
		return ip_parse(host, ip) ?
		    fine :
		    fail(MAIL_FAILED, "550 5.1.2 Not an address");
	switch (dns_lookup_addresses(dns, host, deadline, ip, TARGET_ADDRESSES,
	    n, &secure)) {
	case DNS_FOUND:
		return fine;
	case DNS_NXDOMAIN:
	case DNS_NODATA:
	case DNS_BAD_NAME:
		/* A route is somebody's here, who may have mistyped it. */
		if (!d->mx)
			return fail(MAIL_DEFERRED,
			    "451 4.4.4 The host that mail is routed to has no "
			    "address");
		return fail(MAIL_FAILED,
		    t->implicit ?
			"550 5.1.2 The domain has neither a mail exchanger "
			"nor an address" :
			"550 5.4.4 The mail exchanger has no address");
	case DNS_TEMPORARY:
		break;
	}
	return fail(MAIL_DEFERRED,
	    "451 4.4.3 The DNS gives no answer for "
	    "the mail exchanger");
}
