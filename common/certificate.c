/* SPDX-License-Identifier: ISC */
/* Certificates as files: the objects of a PEM file, and a certificate's DER. */
#include "certificate.h"

#include "base64.h"

/* --- the objects of a PEM file, decoded where they stand ------------------ */

#define DASHES SPAN("-----")

void
pem_begin(struct pem *p, char *text, size_t n)
{
	*p = (struct pem){ text, text + n };
}

static bool
pem_line(struct pem *p, struct span *line)
{
	struct span rest = span_of(p->at, (size_t)(p->end - p->at));

	if (rest.n == 0)
		return false;
	*line = span_cut(&rest, '\n');
	p->at = p->end - rest.n;
	while (line->n > 0 && memchr(" \t\r", line->p[line->n - 1], 3) != NULL)
		line->n--;
	return true;
}

/* Is this "-----BEGIN NAME-----" (or with END)? Gives its name. */
static bool
pem_is_boundary(struct span line, const char *word, struct span *name)
{
	size_t n = strlen(word);

	if (line.n < n + DASHES.n ||
	    !span_eq(span_of(line.p, n), span_str(word)))
		return false;
	*name = span_of(line.p + n, line.n - n - DASHES.n);
	return span_eq(span_of(name->p + name->n, DASHES.n), DASHES);
}

/* Moves a line's text to the end of the object's text. */
static char *
pem_append(char *to, struct span line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t')
			*to++ = line.p[i];
	return to;
}

static enum pem_event
pem_decode_in_place(char *text, size_t n, struct span *der)
{
	struct sbuf b = { .s = text, .cap = n + 1, .max = n };

	if (!base64_decode(&b, span_of(text, n)))
		return PEM_BROKEN;
	*der = sbuf_span(&b);
	return PEM_OBJECT;
}

enum pem_event
pem_next(struct pem *p, struct span *name, struct span *der)
{
	struct span line, ignored;
	char *body, *to;

	do {
		if (!pem_line(p, &line))
			return PEM_END;
	} while (!pem_is_boundary(line, "-----BEGIN ", name));
	body = to = p->at;
	while (pem_line(p, &line)) {
		if (pem_is_boundary(line, "-----END ", &ignored))
			return pem_decode_in_place(body, (size_t)(to - body),
			    der);
		to = pem_append(to, line);
	}
	return PEM_END;
}

/* --- a walk over the DER of a certificate: RFC 5280 4.1 ------------------- */

enum tag {
	TAG_INTEGER = 0x02,
	TAG_OCTETS = 0x04,
	TAG_OID = 0x06,
	TAG_UTC_TIME = 0x17,
	TAG_GENERALIZED_TIME = 0x18,
	TAG_SEQUENCE = 0x30,
	TAG_DNS_NAME = 0x82,
	TAG_VERSION = 0xa0,
	TAG_EXTENSIONS = 0xa3,
};

static unsigned char
der_octet(struct span s, size_t i)
{
	return (unsigned char)s.p[i];
}

/* Takes one element, whatever it is, off *s. */
static bool
der_take(struct span *s, unsigned *tag, struct span *content)
{
	size_t length, at = 2;

	if (s->n < 2)
		return false;
	*tag = der_octet(*s, 0);
	if ((*tag & 0x1f) == 0x1f)
		return false; /* a tag of several octets */
	length = der_octet(*s, 1);
	if (length >= 0x80) {
		size_t more = length - 0x80;

		if (more == 0 || more > 3 || more > s->n - 2)
			return false;
		for (length = 0; more > 0; more--)
			length = length << 8 | der_octet(*s, at++);
	}
	if (length > s->n - at)
		return false;
	*content = span_of(s->p + at, length);
	*s = span_skip(*s, at + length);
	return true;
}

/* The same for one that must be of this tag. */
static bool
der_expect(struct span *s, unsigned tag, struct span *content)
{
	unsigned is;

	return der_take(s, &is, content) && is == tag;
}

static bool
der_number(struct span s, size_t at, size_t digits, int64_t *n)
{
	uint64_t value;

	if (at + digits > s.n ||
	    !span_u64(span_of(s.p + at, digits), 9999, &value))
		return false;
	*n = (int64_t)value;
	return true;
}

/* Days from 1970 to a day of the Gregorian calendar, in eras of 400 years. */
static int64_t
der_days(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = y / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day -
	    1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	    of_year - 719468;
}

/* RFC 5280 4.1.2.5: YYMMDDHHMMSSZ until 2049, then YYYYMMDDHHMMSSZ. */
static bool
der_time(struct span *s, int64_t *out)
{
	int64_t year, month, day, hour, minute, second;
	struct span t;
	unsigned tag;
	size_t at;

	if (!der_take(s, &tag, &t) ||
	    (tag != TAG_UTC_TIME && tag != TAG_GENERALIZED_TIME))
		return false;
	at = tag == TAG_UTC_TIME ? 2 : 4;
	if (t.n != at + 11 || t.p[t.n - 1] != 'Z' ||
	    !der_number(t, 0, at, &year) || !der_number(t, at, 2, &month) ||
	    !der_number(t, at + 2, 2, &day) ||
	    !der_number(t, at + 4, 2, &hour) ||
	    !der_number(t, at + 6, 2, &minute) ||
	    !der_number(t, at + 8, 2, &second))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	if (tag == TAG_UTC_TIME)
		year += year >= 50 ? 1900 : 2000;
	*out = der_days(year, month, day) * 86400 + hour * 3600 + minute * 60 +
	    second;
	return true;
}

/* Extension ::= SEQUENCE { OID, critical BOOLEAN OPTIONAL, OCTET STRING } */
static bool
der_extension(struct span *list, struct certificate *c)
{
	static const char alt_name[] = { 0x55, 0x1d, 0x11 };
	struct span e, oid, value;
	unsigned tag;

	if (!der_expect(list, TAG_SEQUENCE, &e) ||
	    !der_expect(&e, TAG_OID, &oid))
		return false;
	do
		if (!der_take(&e, &tag, &value))
			return false;
	while (tag != TAG_OCTETS);
	if (span_eq(oid, span_of(alt_name, sizeof(alt_name))))
		return der_expect(&value, TAG_SEQUENCE, &c->names);
	return true;
}

/* Goes to the issuer: past version, serial number and signature. */
static bool
certificate_begin(struct span der, struct span *tbs)
{
	struct span whole, ignored;
	unsigned tag;

	return der_expect(&der, TAG_SEQUENCE, &whole) &&
	    der_expect(&whole, TAG_SEQUENCE, tbs) &&
	    der_take(tbs, &tag, &ignored) &&
	    (tag != TAG_VERSION || der_take(tbs, &tag, &ignored)) &&
	    tag == TAG_INTEGER && der_expect(tbs, TAG_SEQUENCE, &ignored);
}

static bool
certificate_name(struct span *tbs, struct span *name)
{
	struct span rest = *tbs, ignored;

	if (!der_expect(tbs, TAG_SEQUENCE, &ignored))
		return false;
	*name = span_of(rest.p, (size_t)(tbs->p - rest.p));
	return true;
}

bool
certificate_names(struct span der, struct certificate_names *names)
{
	struct span tbs, validity;

	return certificate_begin(der, &tbs) &&
	    certificate_name(&tbs, &names->issuer) &&
	    der_expect(&tbs, TAG_SEQUENCE, &validity) &&
	    certificate_name(&tbs, &names->subject);
}

bool
certificate_parse(struct span der, struct certificate *c)
{
	struct span tbs, ignored, validity, list;
	unsigned tag;

	*c = (struct certificate){ .names = SPAN("") };
	if (!certificate_begin(der, &tbs) ||
	    !der_expect(&tbs, TAG_SEQUENCE, &ignored) ||
	    !der_expect(&tbs, TAG_SEQUENCE, &validity) ||
	    !der_time(&validity, &c->not_before) ||
	    !der_time(&validity, &c->not_after))
		return false;
	while (tbs.n > 0) {
		if (!der_take(&tbs, &tag, &ignored))
			return false;
		if (tag != TAG_EXTENSIONS)
			continue;
		if (!der_expect(&ignored, TAG_SEQUENCE, &list))
			return false;
		while (list.n > 0)
			if (!der_extension(&list, c))
				return false;
	}
	return true;
}

bool
certificate_next_name(struct span *names, struct span *name)
{
	unsigned tag;

	while (der_take(names, &tag, name))
		if (tag == TAG_DNS_NAME)
			return true;
	return false;
}

bool
certificate_is_of(const struct certificate *c, struct span host)
{
	struct span names = c->names, name;

	while (certificate_next_name(&names, &name)) {
		struct span rest = host;

		if (span_ieq(name, host))
			return true;
		(void)span_cut(&rest, '.');
		if (name.n > 2 && name.p[0] == '*' && name.p[1] == '.' &&
		    rest.n > 0 && span_ieq(span_skip(name, 2), rest))
			return true;
	}
	return false;
}
