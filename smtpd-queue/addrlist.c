/* SPDX-License-Identifier: ISC */
/* Addresses from header fields or from the command line. */
#include "addrlist.h"

enum token { TOKEN_END, TOKEN_WORD, TOKEN_SPECIAL, TOKEN_BAD };

void
addrlist_init(struct addrlist *l, struct span list)
{
	l->rest = list;
	l->in_group = false;
}

static bool
is_blank(char c)
{
	return ascii_isblank(c) || c == '\r' || c == '\n';
}

/* Tokens of one octet; "[" and "(" begin longer ones. */
static bool
is_special(char c)
{
	return memchr(",;:<>@.", c, 7) != NULL;
}

/* The length of s from open, its first octet, to close; 0 if not closed. */
static size_t
addrlist_delimited(struct span s, char open, char close, bool nests)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == close && i > 0 && --depth == 0)
			return i + 1;
		else if (s.p[i] == open && (nests || i == 0))
			depth++;
	}
	return 0;
}

static bool
skip_blanks(struct span *s)
{
	size_t n;

	while (s->n > 0 && (is_blank(s->p[0]) || s->p[0] == '(')) {
		n = s->p[0] == '(' ? addrlist_delimited(*s, '(', ')', true) : 1;
		if (n == 0)
			return false;
		*s = span_skip(*s, n);
	}
	return true;
}

static size_t
addrlist_atom(struct span s)
{
	size_t n = 1;

	while (n < s.n && !is_blank(s.p[n]) && !is_special(s.p[n]) &&
	    memchr("(\"[", s.p[n], 3) == NULL)
		n++;
	return n;
}

static enum token
next_token(struct span *rest, struct span *text)
{
	size_t n;

	if (!skip_blanks(rest))
		return TOKEN_BAD;
	if (rest->n == 0)
		return TOKEN_END;
	if (rest->p[0] == '"')
		n = addrlist_delimited(*rest, '"', '"', false);
	else if (rest->p[0] == '[')
		n = addrlist_delimited(*rest, '[', ']', false);
	else
		n = is_special(rest->p[0]) ? 1 : addrlist_atom(*rest);
	if (n == 0)
		return TOKEN_BAD;
	*text = span_of(rest->p, n);
	*rest = span_skip(*rest, n);
	return is_special(text->p[0]) ? TOKEN_SPECIAL : TOKEN_WORD;
}

/* One element of the list while it is read. */
struct element {
	struct sbuf *out;
	enum { BARE, INSIDE, AFTER } at; /* of <...> */
	bool after_word;
	bool phrase; /* several words: a name, not an address */
};

static void
addrlist_forget(struct element *e)
{
	sbuf_reset(e->out);
	e->after_word = e->phrase = false;
}

/* A quoted-string may be folded: its line ends are dropped. */
static void
addrlist_add(struct element *e, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '\r' && text.p[i] != '\n')
			sbuf_putc(e->out, text.p[i]);
	}
}

static bool
addrlist_take_word(struct element *e, struct span text)
{
	if (e->at == AFTER || (e->at == INSIDE && e->after_word))
		return false;
	e->phrase = e->phrase || e->after_word;
	e->after_word = true;
	if (!e->phrase)
		addrlist_add(e, text);
	return true;
}

static bool
is_route(const struct element *e)
{
	return e->out->len > 0 && e->out->s[0] == '@';
}

/* ":" ends the name of a group or a route; both are ignored. */
static bool
addrlist_take_colon(struct addrlist *l, struct element *e)
{
	if (e->at == BARE && !l->in_group && e->out->len > 0)
		l->in_group = true;
	else if (e->at != INSIDE || !is_route(e))
		return false;
	addrlist_forget(e);
	return true;
}

static bool
addrlist_take_special(struct addrlist *l, struct element *e, struct span text)
{
	switch (text.p[0]) {
	case ':':
		return addrlist_take_colon(l, e);
	case '<':
		if (e->at != BARE)
			return false;
		addrlist_forget(e);
		e->at = INSIDE;
		return true;
	case '>':
		if (e->at != INSIDE || e->out->len == 0)
			return false;
		e->at = AFTER;
		return true;
	default: /* "." and "@", and "," within a route */
		if (e->at == AFTER)
			return false;
		e->after_word = false;
		addrlist_add(e, text);
		return true;
	}
}

static bool
ends_element(const struct element *e, enum token t, struct span text)
{
	if (t == TOKEN_END || text.p[0] == ';')
		return true;
	return text.p[0] == ',' && !(e->at == INSIDE && is_route(e));
}

/* The element is over: an address, empty, or malformed. */
static enum addrlist_event
addrlist_finish(const struct element *e)
{
	if (e->at == INSIDE || e->phrase || e->out->bad)
		return ADDRLIST_BAD;
	return e->out->len > 0 ? ADDRLIST_ADDRESS : ADDRLIST_END;
}

enum addrlist_event
addrlist_next(struct addrlist *l, struct sbuf *out)
{
	struct element e = { .out = out };
	enum addrlist_event what;
	struct span text = SPAN("");
	enum token t;

	sbuf_reset(out);
	while ((t = next_token(&l->rest, &text)) != TOKEN_BAD) {
		if (t == TOKEN_WORD) {
			if (!addrlist_take_word(&e, text))
				return ADDRLIST_BAD;
			continue;
		}
		if (!ends_element(&e, t, text)) {
			if (!addrlist_take_special(l, &e, text))
				return ADDRLIST_BAD;
			continue;
		}
		what = addrlist_finish(&e);
		if (t == TOKEN_SPECIAL && text.p[0] == ';') {
			if (!l->in_group)
				return ADDRLIST_BAD;
			l->in_group = false;
		}
		if (what != ADDRLIST_END || t == TOKEN_END)
			return what;
	}
	return ADDRLIST_BAD;
}
