/* SPDX-License-Identifier: ISC */
/* What is said of a wrong configuration. */
#include <stdarg.h>
#include <stdio.h>

#include "conf-type.h"

enum conf_result
conf_bad(struct conf_where *where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(where->what, sizeof(where->what), fmt, ap);
	va_end(ap);
	return CONF_BAD;
}

static int
shown(struct span s)
{
	return (int)(s.n < 64 ? s.n : 64);
}

enum conf_result
conf_bad_value(const struct conf_setting *s, struct span value,
    struct span wrong, struct conf_where *where)
{
	struct sbuf expected;
	const char *hint = "";

	if (value.n == 0)
		hint = " (it may not be empty)";
	else if (span_find(value, '#') < value.n)
		hint = "; a comment needs a line of its own";
	sbuf_init(&expected, sizeof(where->what));
	conf_expectation(&expected, s);
	conf_bad(where, "%s: '%.*s' is not %s%s", conf_name(s), shown(wrong),
	    wrong.p, expected.s, hint);
	sbuf_free(&expected);
	return CONF_BAD;
}

#define NAME_LONG 40 /* what is longer is near to no name */

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance; b has at most NAME_LONG octets. */
static unsigned
distance(struct span a, struct span b)
{
	unsigned row[NAME_LONG + 1], corner, above;

	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 0; i < a.n; i++) {
		corner = row[0];
		row[0] = i + 1;
		for (unsigned j = 0; j < b.n; j++) {
			above = row[j + 1];
			row[j + 1] = min3(above + 1, row[j] + 1,
			    corner + (a.p[i] != ascii_lower(b.p[j])));
			corner = above;
		}
	}
	return row[b.n];
}

static const struct conf_setting *
nearest(struct span name)
{
	const struct conf_setting *best = NULL;
	unsigned least = 0, d;

	if (name.n > NAME_LONG)
		return NULL;
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		d = distance(span_str(conf_name(&conf_settings[i])), name);
		if (best == NULL || d < least) {
			best = &conf_settings[i];
			least = d;
		}
	}
	/* More than every third letter wrong is another word. */
	return least * 3 <= strlen(conf_name(best)) ? best : NULL;
}

enum conf_result
conf_bad_name(struct span name, struct conf_where *where)
{
	const struct conf_setting *near = nearest(name);

	if (near == NULL)
		return conf_bad(where, "unknown setting '%.*s'", shown(name),
		    name.p);
	return conf_bad(where, "unknown setting '%.*s': did you mean '%s'?",
	    shown(name), name.p, conf_name(near));
}

enum conf_result
conf_bad_octet(char c, struct conf_where *where)
{
	if (c == '\r')
		return conf_bad(where,
		    "carriage return: lines end in LF alone");
	return conf_bad(where, "control character 0x%02x", (unsigned char)c);
}
