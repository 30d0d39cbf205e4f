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
