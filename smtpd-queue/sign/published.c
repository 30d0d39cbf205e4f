/* SPDX-License-Identifier: ISC */
/* Looks at what the DNS says of a domain. */
#include "published.h"

#include <stdio.h>

#define HOSTS_MAX 32
#define NONE SPAN("there is none")

/* Of a look-up that found nothing. */
static enum published
say_none(enum dns_result r, struct sbuf *why)
{
	switch (r) {
	case DNS_TEMPORARY:
		sbuf_adds(why, "the DNS does not answer");
		return PUBLISHED_UNKNOWN;
	case DNS_BAD_NAME:
		sbuf_adds(why, "one cannot ask for such a name");
		return PUBLISHED_WRONG;
	case DNS_FOUND:
	case DNS_NXDOMAIN:
	case DNS_NODATA:
		break;
	}
	sbuf_addspan(why, NONE);
	return PUBLISHED_WRONG;
}

static enum published
check_txt(struct dns_resolver *dns, const struct records *all,
    const struct record *record, instant deadline, struct sbuf *why)
{
	enum compare_result result;
	struct dns_texts texts;
	enum dns_result r;
	bool secure;

	r = dns_lookup_txt(dns, span_str(record->name), deadline, &texts,
	    &secure);
	if (r != DNS_FOUND)
		return say_none(r, why);
	result = compare_texts(all, record, texts.text, texts.n, why);
	dns_free_texts(&texts);
	switch (result) {
	case COMPARE_RIGHT:
		return PUBLISHED_RIGHT;
	case COMPARE_DOUBT:
		return PUBLISHED_DOUBT;
	case COMPARE_WRONG:
		break;
	}
	return PUBLISHED_WRONG;
}

/*
 * A domain without DMARC comes under a record above it (RFC 9989). Which, if
 * there are several, is the receivers' to find: the nearest one is shown.
 */
static enum published
check_dmarc(struct dns_resolver *dns, const struct records *all,
    const struct record *record, instant deadline, struct sbuf *why)
{
	struct span above = span_str(all->domain);
	enum published result = check_txt(dns, all, record, deadline, why);
	struct record r = { .kind = record->kind };

	if (result != PUBLISHED_WRONG || !span_eq(sbuf_span(why), NONE))
		return result;
	for (;;) {
		(void)span_cut(&above, '.');
		if (span_find(above, '.') == above.n)
			break;
		(void)snprintf(r.name, sizeof(r.name), "_dmarc.%.*s",
		    (int)above.n, above.p);
		sbuf_reset(why);
		result = check_txt(dns, all, &r, deadline, why);
		if (result == PUBLISHED_UNKNOWN)
			return result;
		if (result == PUBLISHED_WRONG)
			continue;
		sbuf_addf(why, " (of %.*s, above it)", (int)above.n, above.p);
		return PUBLISHED_DOUBT;
	}
	sbuf_reset(why);
	sbuf_addspan(why, NONE);
	return PUBLISHED_WRONG;
}

/* Other hosts may take its mail too; the policy has to name them then. */
static enum published
judge_hosts(const struct dns_mx_host *mx, size_t n, struct span host,
    struct sbuf *why)
{
	bool ours = false, others = false;
	struct sbuf list;

	sbuf_init(&list, RECORDS_TEXT_MAX);
	for (size_t i = 0; i < n; i++) {
		bool is_ours = span_ieq(span_str(mx[i].name), host);

		ours = ours || is_ours;
		others = others || !is_ours;
		sbuf_addf(&list, "%s%u ", i == 0 ? "" : ", ",
		    (unsigned)mx[i].preference);
		compare_show(&list, span_str(mx[i].name));
		sbuf_putc(&list, '.');
	}
	if (!ours)
		sbuf_adds(why, "this host is not among them; there is: ");
	else if (others)
		sbuf_adds(why,
		    "the policy of MTA-STS names this host only; "
		    "there is: ");
	sbuf_addspan(why, sbuf_span(&list));
	sbuf_free(&list);
	return !ours ? PUBLISHED_WRONG :
	    others   ? PUBLISHED_DOUBT :
		       PUBLISHED_RIGHT;
}

static enum published
check_mx(struct dns_resolver *dns, const struct records *all,
    const struct record *record, instant deadline, struct sbuf *why)
{
	struct dns_mx_host mx[HOSTS_MAX];
	enum dns_result r;
	size_t n;
	bool secure;

	r = dns_lookup_mx(dns, span_str(record->name), deadline, mx, HOSTS_MAX,
	    &n, &secure);
	if (r != DNS_FOUND || n == 0)
		return say_none(r, why);
	if (n == 1 && mx[0].name[0] == '\0') {
		sbuf_adds(why, "it says that the domain takes no mail");
		return PUBLISHED_WRONG;
	}
	return judge_hosts(mx, n, span_str(all->conf->hostname), why);
}

/* Does the address lead back to the host? Many take no mail from others. */
static enum published
check_back(struct dns_resolver *dns, const struct ip *ip, struct span host,
    instant deadline, struct sbuf *why)
{
	struct dns_host hosts[HOSTS_MAX];
	enum dns_result r;
	char text[IP_TEXT];
	size_t n;
	bool secure;

	ip_text(ip, text);
	r = dns_lookup_ptr(dns, ip, deadline, hosts, HOSTS_MAX, &n, &secure);
	for (size_t i = 0; r == DNS_FOUND && i < n; i++) {
		if (span_ieq(span_str(hosts[i].name), host))
			return PUBLISHED_RIGHT;
	}
	sbuf_reset(why);
	if (r == DNS_TEMPORARY) {
		(void)say_none(r, why);
		sbuf_addf(why, " when asked for the name of %s", text);
		return PUBLISHED_UNKNOWN;
	}
	sbuf_addf(why, "%s is not named so (PTR): many take no mail from it",
	    text);
	return PUBLISHED_DOUBT;
}

/* back: is it a host that sends? */
static enum published
check_host(struct dns_resolver *dns, const struct record *record, bool back,
    instant deadline, struct sbuf *why)
{
	struct span name = span_str(record->name);
	enum published result = PUBLISHED_RIGHT;
	struct ip ip[HOSTS_MAX];
	char text[IP_TEXT];
	enum dns_result r;
	size_t n;
	bool secure;

	r = dns_lookup_addresses(dns, name, deadline, ip, HOSTS_MAX, &n,
	    &secure);
	if (r != DNS_FOUND || n == 0)
		return say_none(r, why);
	for (size_t i = 0; i < n; i++) {
		ip_text(&ip[i], text);
		sbuf_addf(why, "%s%s", i == 0 ? "" : ", ", text);
	}
	for (size_t i = 0; back && i < n && result == PUBLISHED_RIGHT; i++)
		result = check_back(dns, &ip[i], name, deadline, why);
	return result;
}

enum published
published_check(struct dns_resolver *dns, const struct records *all,
    const struct record *record, instant deadline, struct sbuf *why)
{
	sbuf_reset(why);
	switch (record->kind) {
	case RECORDS_MX:
		return check_mx(dns, all, record, deadline, why);
	case RECORDS_HOST:
	case RECORDS_STS_HOST:
		return check_host(dns, record, record->kind == RECORDS_HOST,
		    deadline, why);
	case RECORDS_NO_KEY:
		sbuf_adds(why, "its mail leaves unsigned");
		return PUBLISHED_WRONG;
	case RECORDS_DMARC:
		return check_dmarc(dns, all, record, deadline, why);
	case RECORDS_SPF:
	case RECORDS_DKIM:
	case RECORDS_STS:
	case RECORDS_TLSRPT:
	case RECORDS_HOST_SPF:
		break;
	}
	return check_txt(dns, all, record, deadline, why);
}
