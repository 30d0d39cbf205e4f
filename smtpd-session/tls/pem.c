/* SPDX-License-Identifier: ISC */
/* The objects of a PEM file (RFC 7468), decoded where they stand. */
#include "base64.h"
#include "pem.h"

#define DASHES SPAN("-----")

void
pem_begin(struct pem *p, char *text, size_t n)
{
	*p = (struct pem){ text, text + n };
}

static bool
next_line(struct pem *p, struct span *line)
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

/* "-----BEGIN NAME-----": its name, or with END; false: another line. */
static bool
is_boundary(struct span line, const char *word, struct span *name)
{
	size_t n = strlen(word);

	if (line.n < n + DASHES.n ||
	    !span_eq(span_of(line.p, n), span_str(word)))
		return false;
	*name = span_of(line.p + n, line.n - n - DASHES.n);
	return span_eq(span_of(name->p + name->n, DASHES.n), DASHES);
}

/* Moves a line's text to where the object's ends. */
static char *
append(char *to, struct span line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t')
			*to++ = line.p[i];
	return to;
}

static enum pem_event
decode(char *text, size_t n, struct span *der)
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
		if (!next_line(p, &line))
			return PEM_END;
	} while (!is_boundary(line, "-----BEGIN ", name));
	body = to = p->at;
	while (next_line(p, &line)) {
		if (is_boundary(line, "-----END ", &ignored))
			return decode(body, (size_t)(to - body), der);
		to = append(to, line);
	}
	return PEM_END;
}
