/* SPDX-License-Identifier: ISC */
/* The parser of ESMTP parameters. */
#include "parameter.h"

#define SIZE_DIGITS 20 /* RFC 1870 section 4 */

/* esmtp-keyword */
static bool
is_keyword(struct span s)
{
	if (s.n == 0 || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalnum(s.p[i]) && s.p[i] != '-')
			return false;
	return true;
}

/* esmtp-value */
static bool
is_value(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '=')
			return false;
	return s.n > 0;
}

/* Takes one parameter off *text. False when it is malformed. */
static bool
next(struct span *text, struct span *keyword, struct span *value)
{
	struct span word = span_word(text);
	bool has_value = span_find(word, '=') < word.n;

	*keyword = span_cut(&word, '=');
	*value = word;
	return is_keyword(*keyword) && (!has_value || is_value(word));
}

/* A size of up to 20 digits may be beyond 64 bits: then it is just too big. */
static bool
size(struct span value, uint64_t *out)
{
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_isdigit(value.p[i]))
			return false;
	if (value.n == 0 || value.n > SIZE_DIGITS)
		return false;
	if (!span_u64(value, UINT64_MAX, out))
		*out = UINT64_MAX;
	return true;
}

/* <> or an xtext: RFC 3461 section 4. What it says is believed of nobody. */
static bool
is_auth(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint64_t octet;

		if (s.p[i] == '+' &&
		    (s.n - i < 3 ||
			!span_hex(span_of(s.p + i + 1, 2), 255, &octet)))
			return false;
	}
	return s.n > 0;
}

static enum parameter_result
mail_one(struct span keyword, struct span value, struct parameters *p)
{
	if (span_ieq(keyword, SPAN("SIZE"))) {
		if (p->has_size)
			return PARAMETER_TWICE;
		p->has_size = true;
		return size(value, &p->size) ? PARAMETER_OK :
					       PARAMETER_BAD_SIZE;
	}
	if (span_ieq(keyword, SPAN("BODY"))) {
		if (p->has_body)
			return PARAMETER_TWICE;
		p->has_body = true;
		return span_ieq(value, SPAN("7BIT")) ||
			span_ieq(value, SPAN("8BITMIME")) ?
		    PARAMETER_OK :
		    PARAMETER_BAD_BODY;
	}
	if (span_ieq(keyword, SPAN("AUTH"))) {
		if (p->has_auth)
			return PARAMETER_TWICE;
		p->has_auth = true;
		return is_auth(value) ? PARAMETER_OK : PARAMETER_BAD_AUTH;
	}
	return PARAMETER_UNKNOWN;
}

enum parameter_result
parameter_mail(struct span text, struct parameters *p)
{
	enum parameter_result r = PARAMETER_OK;
	struct span keyword, value;

	*p = (struct parameters){ 0 };
	for (text = span_trim(text); text.n > 0 && r == PARAMETER_OK;
	     text = span_trim(text))
		r = next(&text, &keyword, &value) ?
		    mail_one(keyword, value, p) :
		    PARAMETER_SYNTAX;
	return r;
}

enum parameter_result
parameter_rcpt(struct span text)
{
	struct span keyword, value;

	text = span_trim(text);
	if (text.n == 0)
		return PARAMETER_OK;
	return next(&text, &keyword, &value) ? PARAMETER_UNKNOWN :
					       PARAMETER_SYNTAX;
}
