/* SPDX-License-Identifier: ISC */
/* One DMARC policy record (RFC 9989 section 4.7 and 4.8). */
#include "dmarc.h"

#define TAGS_MAX 64

const char *
dmarc_wish_text(enum dmarc_wish p)
{
	switch (p) {
	case DMARC_WISH_NONE:
		break;
	case DMARC_WISH_QUARANTINE:
		return "quarantine";
	case DMARC_WISH_REJECT:
		return "reject";
	}
	return "none";
}

static bool
parse_policy(struct span value, enum dmarc_wish *p)
{
	for (*p = DMARC_WISH_NONE; *p <= DMARC_WISH_REJECT; ++*p)
		if (span_ieq(value, span_str(dmarc_wish_text(*p))))
			return true;
	*p = DMARC_WISH_NONE;
	return false;
}

static bool
is_tag_name(struct span name)
{
	if (name.n == 0 || !ascii_isalpha(name.p[0]))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_isalnum(name.p[i]) && name.p[i] != '_')
			return false;
	return true;
}

static bool
is_text(struct span value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\t' &&
		    (value.p[i] < ' ' || value.p[i] > '~'))
			return false;
	return true;
}

static bool
is_new(struct span names[TAGS_MAX], size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (span_ieq(names[i], name))
			return false;
	return true;
}

/* What the tags have said so far of p, sp and np. */
struct policies {
	bool p, sp, np; /* there */
	bool bad;       /* one of them is wrong */
};

static void
take_tag(struct span name, struct span value, struct dmarc_record *r,
    struct policies *have)
{
	const struct {
		struct span name;
		enum dmarc_wish *to;
		bool *there;
	} table[] = { { SPAN("p"), &r->p, &have->p },
		{ SPAN("sp"), &r->sp, &have->sp },
		{ SPAN("np"), &r->np, &have->np } };

	for (size_t i = 0; i < nitems(table); i++)
		if (span_ieq(name, table[i].name)) {
			*table[i].there = true;
			if (!parse_policy(value, table[i].to))
				have->bad = true;
			return;
		}
	if (span_ieq(name, SPAN("adkim")))
		r->strict_dkim = span_ieq(value, SPAN("s"));
	else if (span_ieq(name, SPAN("aspf")))
		r->strict_spf = span_ieq(value, SPAN("s"));
	else if (span_ieq(name, SPAN("t")))
		r->testing = span_ieq(value, SPAN("y"));
	else if (span_ieq(name, SPAN("psd")) && value.n == 1 &&
	    memchr("yYnN", value.p[0], 4) != NULL)
		r->psd = ascii_lower(value.p[0]);
}

static void
fill_in(struct dmarc_record *r, const struct policies *have)
{
	if (!have->p || have->bad)
		r->p = r->sp = r->np = DMARC_WISH_NONE;
	if (!have->sp)
		r->sp = r->p;
	if (!have->np)
		r->np = r->sp;
}

bool
dmarc_record_parse(struct span text, struct dmarc_record *r)
{
	struct span names[TAGS_MAX];
	struct policies have = { .bad = false };
	size_t n = 0;

	*r = (struct dmarc_record){ .psd = 'u' };
	while (text.n > 0) {
		struct span value = span_trim(span_cut(&text, ';')), name;
		bool equals = span_find(value, '=') < value.n;

		if (value.n == 0 && span_trim(text).n == 0)
			break;
		name = span_trim(span_cut(&value, '='));
		value = span_trim(value);
		if (!equals || n == TAGS_MAX || !is_tag_name(name) ||
		    !is_text(value) || !is_new(names, n, name))
			return false;
		names[n++] = name;
		/* The version is first, and in this very case. */
		if (n == 1 &&
		    (!span_ieq(name, SPAN("v")) ||
			!span_eq(value, SPAN("DMARC1"))))
			return false;
		if (n > 1)
			take_tag(name, value, r, &have);
	}
	fill_in(r, &have);
	return n > 0;
}
