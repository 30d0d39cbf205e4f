/* SPDX-License-Identifier: ISC */
/* Compares the TXT records that are published with those we need. */
#include "records-compare.h"

#define SHOWN_MAX 300

void
records_show(struct sbuf *b, struct span s)
{
	for (size_t i = 0; i < s.n && i < SHOWN_MAX; i++) {
		if (s.p[i] >= ' ' && s.p[i] <= '~')
			sbuf_putc(b, s.p[i]);
		else
			sbuf_addf(b, "\\%03u", (unsigned char)s.p[i]);
	}
	if (s.n > SHOWN_MAX)
		sbuf_adds(b, "...");
}

static enum records_verdict
compare_say(struct sbuf *why, enum records_verdict r, const char *what)
{
	sbuf_reset(why);
	sbuf_adds(why, what);
	return r;
}

/* --- lists of tags -------------------------------------------------------------- */

/* The value of a tag. False: there is no tag of that name. */
static bool
compare_get_tag(struct span list, struct span name, struct span *value)
{
	while (list.n > 0) {
		struct span v = span_cut(&list, ';');
		struct span n = span_trim(span_cut(&v, '='));

		if (span_ieq(n, name)) {
			*value = span_trim(v);
			return true;
		}
	}
	return false;
}

static bool
tag_is(struct span list, struct span name, struct span value)
{
	struct span v;

	return compare_get_tag(list, name, &v) && span_ieq(v, value);
}

/* Is one of the words between colons this one? */
static bool
has_word(struct span list, struct span word)
{
	while (list.n > 0) {
		if (span_ieq(span_trim(span_cut(&list, ':')), word))
			return true;
	}
	return false;
}

/* Equal apart from blanks, which may be anywhere in p=. */
static bool
same_key(struct span a, struct span b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a.n && ascii_isblank(a.p[i]))
			i++;
		while (j < b.n && ascii_isblank(b.p[j]))
			j++;
		if (i == a.n || j == b.n)
			return i == a.n && j == b.n;
		if (a.p[i++] != b.p[j++])
			return false;
	}
}

static enum records_verdict
compare_dkim(const struct record *r, struct span text, struct sbuf *why)
{
	struct span ours = { "", 0 }, p, v;

	(void)compare_get_tag(sbuf_span(&r->text), SPAN("p"), &ours);
	if (compare_get_tag(text, SPAN("v"), &v) && !span_eq(v, SPAN("DKIM1")))
		return compare_say(why, RECORDS_WRONG, "v= is not DKIM1");
	if (!compare_get_tag(text, SPAN("p"), &p))
		return compare_say(why, RECORDS_WRONG, "no p=");
	if (p.n == 0)
		return compare_say(why, RECORDS_WRONG,
		    "p= is empty: the key is revoked");
	if (!compare_get_tag(text, SPAN("k"), &v))
		v = SPAN("rsa");
	if (!span_ieq(v, span_str(dkim_key_type(r->algorithm))))
		return compare_say(why, RECORDS_WRONG,
		    "k= names another type of key");
	if (!same_key(p, ours))
		return compare_say(why, RECORDS_WRONG, "p= is another key");
	if (compare_get_tag(text, SPAN("h"), &v) &&
	    !has_word(v, SPAN("sha256")))
		return compare_say(why, RECORDS_WRONG, "h= excludes sha256");
	if (compare_get_tag(text, SPAN("s"), &v) &&
	    !has_word(v, SPAN("email")) && !has_word(v, SPAN("*")))
		return compare_say(why, RECORDS_WRONG, "s= excludes email");
	if (compare_get_tag(text, SPAN("t"), &v) && has_word(v, SPAN("y")))
		return compare_say(why, RECORDS_DOUBT,
		    "t=y: in test mode, receivers ignore signatures");
	return RECORDS_RIGHT;
}

/* Do our signatures of a domain above it fail strict alignment? */
static bool
is_strict_amiss(const struct records *all, struct span text)
{
	if (!tag_is(text, SPAN("adkim"), SPAN("s")))
		return false;
	for (size_t i = 0; i < all->n; i++) {
		if (all->list[i].kind == RECORDS_DKIM &&
		    strcmp(all->list[i].key_domain, all->domain) != 0)
			return true;
	}
	return false;
}

static enum records_verdict
compare_dmarc(const struct records *all, struct span text, struct sbuf *why)
{
	struct span p, rua;

	if (!compare_get_tag(text, SPAN("p"), &p) ||
	    (!span_ieq(p, SPAN("none")) && !span_ieq(p, SPAN("quarantine")) &&
		!span_ieq(p, SPAN("reject"))))
		return compare_say(why, RECORDS_WRONG,
		    "p= is not none, quarantine or reject");
	if (is_strict_amiss(all, text))
		return compare_say(why, RECORDS_WRONG,
		    "adkim=s: a key of the domain above is not accepted");
	if (span_ieq(p, SPAN("none")))
		return compare_say(why, RECORDS_DOUBT,
		    "p=none: receivers accept forged mail");
	if (tag_is(text, SPAN("t"), SPAN("y")))
		return compare_say(why, RECORDS_DOUBT,
		    "t=y: in test mode, receivers apply a weaker policy");
	if (!compare_get_tag(text, SPAN("rua"), &rua) || rua.n == 0)
		return compare_say(why, RECORDS_DOUBT,
		    "no rua=: no reports are sent");
	return RECORDS_RIGHT;
}

static enum records_verdict
compare_sts(const struct record *r, struct span text, struct sbuf *why)
{
	struct span ours = { "", 0 }, id;

	(void)compare_get_tag(sbuf_span(&r->text), SPAN("id"), &ours);
	if (!compare_get_tag(text, SPAN("id"), &id) || id.n == 0)
		return compare_say(why, RECORDS_WRONG, "no id=");
	if (!span_eq(id, ours))
		return compare_say(why, RECORDS_DOUBT,
		    "id= is not the one of the policy that 'smtpd-dns policy' "
		    "prints: senders notice a new policy by its id only");
	return RECORDS_RIGHT;
}

/* --- SPF ---------------------------------------------------------------------- */

/* What a term of SPF means for this host. */
enum term {
	TERM_OTHER,
	TERM_US,      /* allows it to send */
	TERM_PERHAPS, /* may allow it; depends on other records */
	TERM_ALL,     /* "all" with - or ~ */
	TERM_ANYBODY, /* "all" that allows every host */
};

static enum term
term_of(struct span term, struct span domain, struct span host)
{
	char qualifier = '+';
	struct span name, arg;

	if (term.n > 0 && memchr("+-~?", term.p[0], 4) != NULL) {
		qualifier = term.p[0];
		term = span_skip(term, 1);
	}
	if (span_ieq(term, SPAN("all")))
		return qualifier == '-' || qualifier == '~' ? TERM_ALL :
							      TERM_ANYBODY;
	if (qualifier != '+')
		return TERM_OTHER;
	if (span_istarts(term, SPAN("redirect=")))
		return TERM_PERHAPS;
	arg = term;
	name = span_cut(&arg, ':');
	if (arg.n == 0)
		arg = domain;
	if ((span_ieq(name, SPAN("mx")) && span_ieq(arg, domain)) ||
	    (span_ieq(name, SPAN("a")) && span_ieq(arg, host)))
		return TERM_US;
	if (span_istarts(name, SPAN("ip")) || span_istarts(name, SPAN("a")) ||
	    span_istarts(name, SPAN("mx")) || span_ieq(name, SPAN("include")) ||
	    span_ieq(name, SPAN("exists")))
		return TERM_PERHAPS;
	return TERM_OTHER;
}

static enum records_verdict
compare_spf(struct span domain, struct span host, struct span text,
    struct sbuf *why)
{
	bool seen[TERM_ANYBODY + 1] = { false };
	bool redirects = false;
	struct span term;

	(void)span_word(&text); /* the version */
	while ((term = span_word(&text)).n > 0) {
		enum term t = term_of(term, domain, host);

		redirects = redirects || span_istarts(term, SPAN("redirect="));
		/* Terms behind "all" are ignored. */
		if (!seen[TERM_ALL] && !seen[TERM_ANYBODY])
			seen[t] = true;
	}
	if (seen[TERM_ANYBODY])
		return compare_say(why, RECORDS_WRONG,
		    "it allows every host to send");
	if (!seen[TERM_US] && !seen[TERM_PERHAPS])
		return compare_say(why, RECORDS_WRONG,
		    "it does not allow this host to send");
	if (!seen[TERM_US])
		return compare_say(why, RECORDS_DOUBT,
		    "it has no mx: make sure that it allows this host");
	if (!seen[TERM_ALL] && !redirects)
		return compare_say(why, RECORDS_DOUBT,
		    "it has no '-all': other hosts may send too");
	return RECORDS_RIGHT;
}

/* --- all of them ------------------------------------------------------------------ */

/* What such a record begins with. Empty: every record of the name counts. */
static struct span
version_of(enum records_kind kind)
{
	switch (kind) {
	case RECORDS_SPF:
	case RECORDS_HOST_SPF:
		return SPAN("v=spf1");
	case RECORDS_DMARC:
		return SPAN("v=DMARC1");
	case RECORDS_STS:
		return SPAN("v=STSv1");
	case RECORDS_TLSRPT:
		return SPAN("v=TLSRPTv1");
	case RECORDS_DKIM:
	case RECORDS_MX:
	case RECORDS_NO_KEY:
	case RECORDS_STS_HOST:
	case RECORDS_HOST:
		break;
	}
	return SPAN("");
}

static bool
compare_is_of(struct span text, struct span version)
{
	struct span rest = span_skip(text, version.n);

	return span_istarts(text, version) &&
	    (version.n == 0 || rest.n == 0 || rest.p[0] == ' ' ||
		rest.p[0] == ';');
}

static enum records_verdict
compare_one(const struct records *all, const struct record *r, struct span text,
    struct sbuf *why)
{
	struct span host = span_str(all->conf->hostname), rua;

	switch (r->kind) {
	case RECORDS_SPF:
	case RECORDS_HOST_SPF:
		return compare_spf(span_str(r->name), host, text, why);
	case RECORDS_DKIM:
		return compare_dkim(r, text, why);
	case RECORDS_DMARC:
		return compare_dmarc(all, text, why);
	case RECORDS_STS:
		return compare_sts(r, text, why);
	case RECORDS_TLSRPT:
		if (!compare_get_tag(text, SPAN("rua"), &rua) || rua.n == 0)
			return compare_say(why, RECORDS_WRONG, "no rua=");
		break;
	case RECORDS_MX:
	case RECORDS_NO_KEY:
	case RECORDS_STS_HOST:
	case RECORDS_HOST:
		break;
	}
	return RECORDS_RIGHT;
}

enum records_verdict
records_compare(const struct records *all, const struct record *r,
    const struct span *texts, size_t n, struct sbuf *why)
{
	struct span version = version_of(r->kind), text = { "", 0 };
	enum records_verdict result;
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (compare_is_of(texts[i], version)) {
			text = texts[i];
			found++;
		}
	}
	if (found == 0)
		return compare_say(why, RECORDS_WRONG, "not found");
	if (found > 1)
		return compare_say(why, RECORDS_WRONG,
		    "several records: receivers ignore them all");
	sbuf_reset(why);
	result = compare_one(all, r, text, why);
	if (result != RECORDS_RIGHT)
		sbuf_adds(why, "; published: ");
	records_show(why, text);
	return result;
}
