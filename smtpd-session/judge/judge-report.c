/* SPDX-License-Identifier: ISC */
/* What was found, as header fields: RFC 8601 and RFC 7208 section 9.1. */
#include "judge-report.h"

#define VALUE_MAX 320 /* octets of one value that are shown */
/* Of a quoted one, where a line has several: RFC 5322 2.1.1. */
#define QUOTED_MAX 100

const char *
iprev_result_text(enum iprev_result r)
{
	static const char *const texts[] = { [IPREV_PASS] = "pass",
		[IPREV_FAIL] = "fail",
		[IPREV_TEMPERROR] = "temperror",
		[IPREV_PERMERROR] = "permerror" };

	return texts[r];
}

/* Octets that need no quotes in either field. */
static bool
report_is_plain(struct span s, const char *also)
{
	if (s.n == 0 || s.n > VALUE_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalnum(s.p[i]) &&
		    (s.p[i] == '\0' || strchr(also, s.p[i]) == NULL))
			return false;
	return s.p[0] != '.' && s.p[s.n - 1] != '.';
}

static void
report_quoted(struct sbuf *b, struct span s)
{
	sbuf_putc(b, '"');
	for (size_t i = 0; i < s.n && i < VALUE_MAX; i++) {
		char c = s.p[i];

		if (c == '"' || c == '\\')
			sbuf_putc(b, '\\');
		sbuf_putc(b, c >= ' ' && c <= '~' ? c : '?');
	}
	sbuf_putc(b, '"');
}

static void
report_value(struct sbuf *b, struct span s, const char *also)
{
	if (report_is_plain(s, also))
		sbuf_addspan(b, s);
	else
		report_quoted(b, s);
}

static void
report_property(struct sbuf *b, const char *name, struct span value)
{
	if (value.n == 0)
		return;
	sbuf_addf(b, " %s=", name);
	if (!report_is_plain(value, "-._") && value.n > QUOTED_MAX)
		value.n = QUOTED_MAX;
	report_value(b, value, "-._");
}

static void
report_method(struct sbuf *b, const char *name, const char *result)
{
	sbuf_addf(b, ";\r\n\t%s=%s", name, result);
}

static void
report_reason(struct sbuf *b, const char *reason)
{
	if (*reason == '\0')
		return;
	sbuf_adds(b, " reason=");
	report_quoted(b, span_str(reason));
}

static void
report_iprev(struct sbuf *b, const struct findings *f)
{
	char ip[IP_TEXT];

	if (f->ip.size == 0)
		return;
	ip_text(&f->ip, ip);
	report_method(b, "iprev", iprev_result_text(f->iprev));
	/* A name from DNS: the resolver took letters, digits, '-', '_'. */
	if (f->iprev_name[0] != '\0')
		sbuf_addf(b, " (%s)", f->iprev_name);
	report_property(b, "policy.iprev", span_str(ip));
}

/* local-part and domain, when it is a dot-atom; else the domain alone. */
static void
report_mailfrom(struct sbuf *b, const struct findings *f)
{
	if (!report_is_plain(f->local, "!#$%&'*+-/=?^_`{|}~.") ||
	    !report_is_plain(f->domain, "-._")) {
		report_property(b, "smtp.mailfrom", f->domain);
		return;
	}
	sbuf_adds(b, " smtp.mailfrom=");
	sbuf_addspan(b, f->local);
	sbuf_putc(b, '@');
	sbuf_addspan(b, f->domain);
}

static void
report_spf(struct sbuf *b, const struct findings *f)
{
	if (f->domain.n > 0) {
		report_method(b, "spf", spf_result_text(f->spf_mailfrom));
		report_mailfrom(b, f);
	}
	if (f->helo.n > 0) {
		report_method(b, "spf", spf_result_text(f->spf_helo));
		report_property(b, "smtp.helo", f->helo);
	}
}

static void
report_dkim(struct sbuf *b, const struct findings *f)
{
	if (f->nsignatures == 0)
		report_method(b, "dkim", "none");
	for (size_t i = 0; i < f->nsignatures; i++) {
		const struct signature *s = &f->signatures[i];

		report_method(b, "dkim", signature_result_text(s->result));
		report_reason(b, s->reason);
		report_property(b, "header.d", span_str(s->domain));
		report_property(b, "header.s", span_str(s->selector));
		report_property(b, "header.a", span_str(s->algorithm));
		if (s->b[0] != '\0') {
			sbuf_adds(b, " header.b=");
			report_value(b, span_str(s->b), "+");
		}
	}
}

static void
report_dmarc(struct sbuf *b, const struct dmarc_verdict *v)
{
	report_method(b, "dmarc", dmarc_result_text(v->result));
	if (v->result == DMARC_FAIL)
		sbuf_addf(b, " (%s=%s)", v->tag, dmarc_wish_text(v->policy));
	if (v->result != DMARC_NONE)
		report_reason(b, v->reason);
	report_property(b, "header.from", span_str(v->domain));
}

static void
report_key(struct sbuf *b, const char *name, struct span value)
{
	sbuf_addf(b, ";\r\n\t%s=", name);
	report_value(b, value, "-._");
}

static void
report_received_spf(struct sbuf *b, const char *hostname,
    const struct findings *f)
{
	static const char *const words[] = {
		[SPF_FRONT_PASS] = "client is a permitted sender",
		[SPF_FRONT_FAIL] = "client is not a permitted sender",
		[SPF_FRONT_SOFTFAIL] =
		    "client is probably not a permitted sender",
		[SPF_FRONT_NEUTRAL] = "client is neither permitted nor denied",
		[SPF_FRONT_NONE] = "domain has no policy",
		[SPF_FRONT_TEMPERROR] = "no answer from DNS",
		[SPF_FRONT_PERMERROR] = "policy of domain is wrong",
	};
	bool null = f->domain.n == 0;
	enum spf_result r = null ? f->spf_helo : f->spf_mailfrom;
	char ip[IP_TEXT];
	struct sbuf from;

	ip_text(&f->ip, ip);
	sbuf_init(&from, 1024);
	if (!null) {
		sbuf_addspan(&from, f->local);
		sbuf_putc(&from, '@');
		sbuf_addspan(&from, f->domain);
	}
	sbuf_addf(b, "Received-SPF: %s (%s: %s)", spf_result_text(r), hostname,
	    words[r]);
	sbuf_addf(b, "\r\n\treceiver=%s", hostname);
	report_key(b, "client-ip", span_str(ip));
	report_key(b, "identity", span_str(null ? "helo" : "mailfrom"));
	report_key(b, "envelope-from", sbuf_span(&from));
	report_key(b, "helo", f->helo);
	sbuf_adds(b, "\r\n");
	sbuf_free(&from);
}

void
report_findings(struct sbuf *b, const char *hostname, const struct findings *f)
{
	sbuf_addf(b, "Authentication-Results: %s", hostname);
	report_iprev(b, f);
	report_spf(b, f);
	report_dkim(b, f);
	report_dmarc(b, &f->dmarc);
	sbuf_adds(b, "\r\n");
	if (f->ip.size > 0)
		report_received_spf(b, hostname, f);
}
