/* SPDX-License-Identifier: ISC */
/* Text of strangers, made fit to stand in a message of ours. */
#include "text.h"

#define MAIL_LINE 998 /* RFC 5322 2.1.1 */
#define QP_LINE 76    /* RFC 2045 6.7, rule 5: with the '=' at its end */

static bool
is_printable(char c)
{
	return c >= ' ' && c <= '~';
}

static bool
is_tail(struct span s, size_t i)
{
	return i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80;
}

/*
 * Octets of the well-formed sequence that s begins with (RFC 3629 4), 0 when
 * there is none. C1 controls (U+0080 to U+009F) are none: terminals obey them.
 */
static size_t
utf8_sequence(struct span s)
{
	unsigned char a = (unsigned char)s.p[0];
	unsigned char b = s.n > 1 ? (unsigned char)s.p[1] : 0;

	if (!is_tail(s, 1))
		return 0;
	if (a >= 0xc2 && a <= 0xdf)
		return a == 0xc2 && b < 0xa0 ? 0 : 2;
	if (!is_tail(s, 2))
		return 0;
	if (a >= 0xe0 && a <= 0xef)
		return (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) ? 0 :
									    3;
	if (!is_tail(s, 3) || a < 0xf0 || a > 0xf4)
		return 0;
	return (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f) ? 0 : 4;
}

void
text_clean(struct sbuf *b, struct span s, enum text_charset charset)
{
	while (s.n > 0) {
		size_t n = is_printable(s.p[0]) ? 1 : 0;

		if (n == 0 && charset == TEXT_UTF8)
			n = utf8_sequence(s);
		if (n == 0) {
			sbuf_addf(b, "\\x%02X", (unsigned char)s.p[0]);
			n = 1;
		} else {
			sbuf_add(b, s.p, n);
		}
		s = span_skip(s, n);
	}
}

/* Where to cut a line that is too long: not inside a character. */
static size_t
cut_at(struct span s)
{
	size_t n = TEXT_LINE;

	while (n > TEXT_LINE - 4 && is_tail(s, n))
		n--;
	return n;
}

void
text_fold(struct sbuf *b, struct span text, enum text_charset charset)
{
	struct sbuf line;
	const char *before = "";

	sbuf_init(&line, 4 * text.n + 1);
	while (text.n > 0) {
		struct span rest = span_trim(span_cut(&text, '\n'));

		sbuf_reset(&line);
		text_clean(&line, rest, charset);
		if (line.bad)
			b->bad = true; /* no memory */
		for (rest = sbuf_span(&line); rest.n > 0;) {
			size_t n = rest.n > TEXT_LINE ? cut_at(rest) : rest.n;

			sbuf_adds(b, before);
			sbuf_add(b, rest.p, n);
			rest = span_skip(rest, n);
			before = "\r\n ";
		}
	}
	sbuf_adds(b, "\r\n");
	sbuf_free(&line);
}

/* Does a line end stand here? */
static bool
is_crlf(struct span s, size_t i)
{
	return i + 1 < s.n && s.p[i] == '\r' && s.p[i + 1] == '\n';
}

bool
text_is_plain(struct span s)
{
	size_t start = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (is_crlf(s, i))
			start = ++i + 1;
		else if (!is_printable(s.p[i]) && s.p[i] != '\t')
			return false;
		if (i + 1 > start + MAIL_LINE)
			return false;
	}
	return start == s.n;
}

void
text_quoted_printable(struct sbuf *b, struct span s)
{
	size_t column = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool at_end = is_crlf(s, i + 1) || i + 1 == s.n;
		bool literal = is_printable(s.p[i]) && s.p[i] != '=';

		if (is_crlf(s, i)) {
			sbuf_adds(b, "\r\n");
			column = 0;
			i++;
			continue;
		}
		if (ascii_isblank(s.p[i]))
			literal = !at_end; /* rule 3 */
		if (column + (literal ? 1 : 3) > QP_LINE - 1) {
			sbuf_adds(b, "=\r\n");
			column = 0;
		}
		if (literal)
			sbuf_putc(b, s.p[i]);
		else
			sbuf_addf(b, "=%02X", (unsigned char)s.p[i]);
		column += literal ? 1 : 3;
	}
}
