/* SPDX-License-Identifier: ISC */
/* Header fields about a message's origin: the judge's, looked at, and ours. */
#include "claim.h"

#include "address.h"
#include "forged.h"

static bool
is_printable(struct span line)
{
	bool blank = true;

	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];

		if ((c < ' ' || c > '~') && c != '\t')
			return false;
		blank = blank && ascii_isblank(c);
	}
	return !blank && line.n <= CLAIM_LINE_MAX;
}

/* Takes one line off *rest; false when it is none. */
static bool
take_line(struct span *rest, struct span *line)
{
	if (span_find(*rest, '\n') == rest->n)
		return false;
	*line = span_cut(rest, '\n');
	if (line->n == 0 || line->p[line->n - 1] != '\r')
		return false;
	line->n--;
	return is_printable(*line);
}

/* Takes one field off *rest. */
static bool
take_field(struct span *rest, struct span *field)
{
	struct span line;

	*field = *rest;
	do {
		if (!take_line(rest, &line))
			return false;
	} while (rest->n > 0 && ascii_isblank(rest->p[0]));
	field->n -= rest->n;
	return true;
}

/* Would it be left out if it were a stranger's? */
static bool
is_ours(struct span field, const char *host)
{
	static struct forged f;
	size_t passed = 0;

	forged_init(&f, host);
	while (field.n > 0)
		passed += forged_push(&f, &field).n;
	return passed + forged_finish(&f).n == 0;
}

bool
claim_is_sound(struct span lines, const char *host)
{
	struct span field;

	if (lines.n == 0)
		return false;
	while (lines.n > 0) {
		if (!take_field(&lines, &field))
			return false;
		if (!span_istarts(field, SPAN("Received-SPF:")) &&
		    !is_ours(field, host))
			return false;
	}
	return true;
}

void
claim_nothing(struct sbuf *b, const char *host, struct span sender)
{
	sbuf_addf(b, "Authentication-Results: %s;\r\n\tspf=temperror", host);
	if (address_is_domain(sender)) {
		sbuf_adds(b, " smtp.mailfrom=");
		sbuf_addspan(b, sender);
	}
	sbuf_adds(b, ";\r\n\tdkim=temperror;\r\n\tdmarc=temperror\r\n");
}
