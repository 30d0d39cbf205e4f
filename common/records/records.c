/* SPDX-License-Identifier: ISC */
/* The DNS records that a mail domain of this host needs. */
#include "records.h"

#include <openssl/evp.h>

#define STRING_MAX 255 /* octets of one string of a TXT record */
#define POLICY_MAX 1024
#define ID_OCTETS 8 /* of the policy's hash; an id has at most 32 letters */

const char *
records_type(enum records_kind kind)
{
	switch (kind) {
	case RECORDS_MX:
		return "MX";
	case RECORDS_STS_HOST:
		return "CNAME";
	case RECORDS_HOST:
		return "A";
	case RECORDS_NO_KEY:
		return NULL;
	case RECORDS_SPF:
	case RECORDS_DKIM:
	case RECORDS_DMARC:
	case RECORDS_STS:
	case RECORDS_TLSRPT:
	case RECORDS_HOST_SPF:
		break;
	}
	return "TXT";
}

/* --- the policy ----------------------------------------------------------- */

/*
 * Without a certificate, senders that obey an enforced policy could not send
 * here: then the mode is testing.
 */
void
records_policy(struct sbuf *b, const struct conf *conf)
{
	sbuf_addf(b,
	    "version: STSv1\n"
	    "mode: %s\n"
	    "mx: %s\n"
	    "max_age: 604800\n",
	    conf->tls_cert[0] == '\0' ? "testing" : "enforce", conf->hostname);
}

/* The id changes with the policy: that is how senders notice a change. */
static void
records_add_policy_id(struct sbuf *b, const struct conf *conf)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	struct sbuf policy;

	sbuf_init(&policy, POLICY_MAX);
	records_policy(&policy, conf);
	dkim_keys_start_crypto();
	if (policy.bad ||
	    EVP_Digest(policy.s, policy.len, hash, NULL, EVP_sha256(), NULL) !=
		1)
		b->bad = true;
	for (size_t i = 0; i < ID_OCTETS && !b->bad; i++)
		sbuf_addf(b, "%02x", hash[i]);
	sbuf_free(&policy);
}

/* A quoted word of a Caddyfile may span lines. */
void
records_caddy(struct sbuf *b, const struct records *r)
{
	sbuf_addf(b,
	    "mta-sts.%s {\n"
	    "\theader Content-Type text/plain\n"
	    "\trespond /.well-known/mta-sts.txt `",
	    r->domain);
	records_policy(b, r->conf);
	sbuf_adds(b, "` 200\n}\n");
}

/* --- the records ------------------------------------------------------------ */

/* The caller writes its text. prefix: "" or labels with a dot at the end. */
static struct sbuf *
records_add(struct records *r, enum records_kind kind, const char *prefix,
    const char *domain)
{
	struct record *to = &r->list[r->n++];
	struct sbuf name;

	*to = (struct record){ .kind = kind };
	sbuf_init(&to->text, RECORDS_TEXT_MAX);
	sbuf_init(&name, DNS_NAME_MAX);
	sbuf_addf(&name, "%s%s", prefix, domain);
	memcpy(to->name, name.s, name.len + 1);
	to->text.bad = name.bad;
	sbuf_free(&name);
	return &to->text;
}

static bool
records_add_key(struct records *r, const struct dkim_key *k)
{
	char prefix[DNS_NAME_SIZE];
	struct record *record;
	struct sbuf b, *text;
	bool good;

	sbuf_init(&b, sizeof(prefix) - 1);
	sbuf_addf(&b, "%s._domainkey.", k->selector);
	memcpy(prefix, b.s, b.len + 1);
	text = records_add(r, RECORDS_DKIM, prefix, k->domain);
	record = &r->list[r->n - 1];
	record->algorithm = k->algorithm;
	record->key_domain = record->name + (text->bad ? 0 : b.len);
	good = !b.bad && dkim_key_record(k, text);
	sbuf_free(&b);
	return good;
}

bool
records_make(struct records *r, const struct conf *conf, struct span domain,
    const struct dkim_keys *keys)
{
	bool good = true;
	struct sbuf *b;

	*r = (struct records){ .conf = conf };
	if (domain.n > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < domain.n; i++)
		r->domain[i] = ascii_lower(domain.p[i]);
	sbuf_addf(records_add(r, RECORDS_MX, "", r->domain), "10 %s.",
	    conf->hostname);
	sbuf_adds(records_add(r, RECORDS_SPF, "", r->domain), "v=spf1 mx -all");
	if (keys->n == 0)
		(void)records_add(r, RECORDS_NO_KEY, "", r->domain);
	for (size_t i = 0; i < keys->n; i++)
		good = records_add_key(r, &keys->key[i]) && good;
	sbuf_addf(records_add(r, RECORDS_DMARC, "_dmarc.", r->domain),
	    "v=DMARC1; p=quarantine; rua=mailto:postmaster@%s", r->domain);
	b = records_add(r, RECORDS_STS, "_mta-sts.", r->domain);
	sbuf_adds(b, "v=STSv1; id=");
	records_add_policy_id(b, conf);
	sbuf_addf(records_add(r, RECORDS_STS_HOST, "mta-sts.", r->domain),
	    "%s.", conf->hostname);
	sbuf_addf(records_add(r, RECORDS_TLSRPT, "_smtp._tls.", r->domain),
	    "v=TLSRPTv1; rua=mailto:postmaster@%s", r->domain);
	sbuf_adds(records_add(r, RECORDS_HOST, "", conf->hostname), "ADDRESS");
	/* Receivers ignore two SPF records at one name. */
	if (!span_ieq(span_str(conf->hostname), span_str(r->domain)))
		sbuf_adds(records_add(r, RECORDS_HOST_SPF, "", conf->hostname),
		    "v=spf1 a -all");
	for (size_t i = 0; i < r->n; i++)
		good = good && !r->list[i].text.bad;
	return good;
}

void
records_free(struct records *r)
{
	for (size_t i = 0; i < r->n; i++)
		sbuf_free(&r->list[i].text);
	r->n = 0;
}

/* --- lines of a zone file (RFC 1035 5.1) -------------------------------------- */

static void
records_add_string(struct sbuf *b, struct span s)
{
	sbuf_putc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			sbuf_putc(b, '\\');
		sbuf_putc(b, s.p[i]);
	}
	sbuf_putc(b, '"');
}

void
records_txt(struct sbuf *b, struct span name, struct span text)
{
	sbuf_addspan(b, name);
	sbuf_adds(b, ". IN TXT ");
	if (text.n <= STRING_MAX) {
		records_add_string(b, text);
	} else {
		sbuf_putc(b, '(');
		while (text.n > 0) {
			size_t n = text.n < STRING_MAX ? text.n : STRING_MAX;

			sbuf_adds(b, "\n\t");
			records_add_string(b, span_of(text.p, n));
			text = span_skip(text, n);
		}
		sbuf_adds(b, " )");
	}
	sbuf_putc(b, '\n');
}

static void
zone_line(struct sbuf *b, struct span name, const char *type, struct span data)
{
	sbuf_addspan(b, name);
	sbuf_addf(b, ". IN %s ", type);
	sbuf_addspan(b, data);
	sbuf_putc(b, '\n');
}

void
records_print_one(struct sbuf *b, const struct record *record)
{
	struct span name = span_str(record->name);
	const char *type = records_type(record->kind);

	if (type == NULL) {
		sbuf_addf(b,
		    "; no DKIM key: make one with smtpd-dkim-key %s SELECTOR\n",
		    record->name);
		return;
	}
	if (record->kind == RECORDS_HOST)
		sbuf_adds(b, "; fill in the address, as A, AAAA or both: ");
	if (strcmp(type, "TXT") == 0)
		records_txt(b, name, sbuf_span(&record->text));
	else
		zone_line(b, name, type, sbuf_span(&record->text));
}

void
records_print(struct sbuf *b, const struct records *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->list[i].kind == RECORDS_HOST)
			sbuf_adds(b, "; for the host itself:\n");
		if (r->list[i].kind == RECORDS_SPF &&
		    r->conf->smarthost[0] != '\0')
			sbuf_addf(b,
			    "; mail leaves through '%s': allow it to send "
			    "(a:, include:)\n",
			    r->conf->smarthost);
		records_print_one(b, &r->list[i]);
	}
}
