/* SPDX-License-Identifier: ISC */
/* Reads the lines of an aliases file into the table. */
#include <errno.h>

#include "alias-parts.h"

/* For messages: as much of a word as is good to read. */
#define WORD(s) (int)((s).n < 64 ? (s).n : 64), (s).p

static const char *
fault_of(enum address_result r)
{
	switch (r) {
	case ADDRESS_OK:
	case ADDRESS_SYNTAX:
		return "not a name or an address";
	case ADDRESS_LOCAL_TOO_LONG:
		return "longer than 64 octets before the @";
	case ADDRESS_DOMAIN_TOO_LONG:
		return "longer than 255 octets behind the @";
	case ADDRESS_PATH_TOO_LONG:
		return "longer than 254 octets";
	case ADDRESS_UTF8:
		return "not ASCII";
	}
	return "";
}

/*
 * Parses word, which may lack the domain, into a mailbox that stands in
 * *text: a bare name gets the first of the local domains.
 */
static enum alias_result
mailbox(const struct alias_table *t, struct span word, struct sbuf *text,
    struct address *a, bool *bare, struct alias_where *where)
{
	struct span domains = span_str(t->conf->local_domains);
	enum address_result r = address_mailbox(word, a);

	*bare = r != ADDRESS_OK;
	sbuf_addspan(text, word);
	if (*bare && span_rfind(word, '@') == word.n) {
		sbuf_putc(text, '@');
		sbuf_addspan(text, span_word(&domains));
	}
	if (text->bad) {
		errno = ENOMEM;
		return ALIAS_IOERR;
	}
	r = address_mailbox(sbuf_span(text), a);
	if (r != ADDRESS_OK)
		return alias_fault(where, "'%.*s' is %s", WORD(word),
		    fault_of(r));
	return ALIAS_OK;
}

/* Appends the name under which an entry is found. */
static enum alias_result
fold_name(const struct alias_table *t, const struct address *a, bool bare,
    struct sbuf *name, struct alias_where *where)
{
	address_unquote(name, a);
	if (span_find(sbuf_span(name), '@') < name->len)
		return alias_fault(where, "'%.*s': no @ within quotes",
		    WORD(a->whole));
	if (!bare && !alias_is_local(t, a->domain))
		return alias_fault(where, "'%.*s' is not in local_domains",
		    WORD(a->domain));
	if (!bare) {
		sbuf_putc(name, '@');
		sbuf_addspan(name, a->domain);
	}
	for (size_t i = 0; i < name->len; i++)
		name->s[i] = ascii_lower(name->s[i]);
	errno = ENOMEM;
	return name->bad ? ALIAS_IOERR : ALIAS_OK;
}

static enum alias_result
add_entry(struct alias_table *t, struct span name, struct alias_where *where)
{
	const struct alias_entry *first = alias_named(t, name);

	if (first != NULL)
		return alias_fault(where, "'%.*s' already stands on line %u",
		    WORD(name), (unsigned)first->line);
	errno = ENOMEM;
	return alias_add(t, name, where->line) == NULL ? ALIAS_IOERR : ALIAS_OK;
}

static enum alias_result
parse_name(struct alias_table *t, struct span word, struct alias_where *where)
{
	enum alias_result result;
	struct sbuf text, name;
	struct address a;
	bool bare;

	sbuf_init(&text, ALIAS_FILE_MAX);
	sbuf_init(&name, ALIAS_NAME_MAX);
	result = mailbox(t, word, &text, &a, &bare, where);
	if (result == ALIAS_OK)
		result = fold_name(t, &a, bare, &name, where);
	if (result == ALIAS_OK)
		result = add_entry(t, sbuf_span(&name), where);
	sbuf_free(&name);
	sbuf_free(&text);
	return result;
}

/* What other mail servers know and we do not, by name. */
static const char *
unsupported(struct span word)
{
	if (word.p[0] == '"')
		word = span_skip(word, 1);
	if (span_starts(word, SPAN("|")))
		return "a command";
	if (span_starts(word, SPAN("/")))
		return "a file";
	if (span_istarts(word, SPAN(":include:")))
		return ":include:";
	if (span_starts(word, SPAN("\\")))
		return "a backslash (an alias that lists its own name "
		       "means the mailbox)";
	return NULL;
}

static enum alias_result
parse_target(struct alias_table *t, struct span word, struct alias_where *where)
{
	const char *what = unsupported(word);
	enum alias_result result;
	struct sbuf text;
	struct address a;
	bool bare;

	if (what != NULL)
		return alias_fault(where, "'%.*s' is not supported: %s",
		    WORD(word), what);
	sbuf_init(&text, ALIAS_FILE_MAX);
	result = mailbox(t, word, &text, &a, &bare, where);
	if (result == ALIAS_OK && !alias_add_target(t, sbuf_span(&text))) {
		errno = ENOMEM;
		result = ALIAS_IOERR;
	}
	sbuf_free(&text);
	return result;
}

/* Octets of line before an unquoted stop or blank. */
static size_t
word_length(struct span line, char stop)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < line.n; i++) {
		char c = line.p[i];

		if (c == '"')
			quoted = !quoted;
		else if (c == '\\' && quoted && i + 1 < line.n)
			i++;
		else if (!quoted && (c == stop || ascii_isblank(c)))
			break;
	}
	return i;
}

static enum alias_result
parse_targets(struct alias_table *t, struct span line,
    struct alias_where *where)
{
	enum alias_result result;
	size_t n;

	while ((line = span_trim(line)).n > 0 && line.p[0] != '#') {
		n = word_length(line, ',');
		if (n == 0)
			return alias_fault(where, "a comma too many");
		result = parse_target(t, span_of(line.p, n), where);
		if (result != ALIAS_OK)
			return result;
		line = span_trim(span_skip(line, n));
		if (line.n == 0 || line.p[0] == '#')
			break;
		if (line.p[0] != ',')
			return alias_fault(where, "a comma is missing");
		line = span_skip(line, 1);
	}
	return ALIAS_OK;
}

static enum alias_result
check_octets(struct span line, struct alias_where *where)
{
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (c == '\r')
			return alias_fault(where,
			    "carriage return: lines end in LF alone");
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return alias_fault(where, "control character 0x%02x",
			    c);
	}
	return ALIAS_OK;
}

/* The newest entry gets no more targets: it must have some. */
static enum alias_result
end_entry(const struct alias_table *t, struct alias_where *where)
{
	const struct alias_entry *e;

	if (t->nentries == 0)
		return ALIAS_OK;
	e = &t->entries[t->nentries - 1];
	if (e->ntargets > 0)
		return ALIAS_OK;
	where->line = e->line;
	return alias_fault(where, "'%.*s' has no target",
	    WORD(alias_name(t, e)));
}

static enum alias_result
parse_line(struct alias_table *t, struct span line, struct alias_where *where)
{
	enum alias_result result = check_octets(line, where);
	struct span rest = span_trim(line);
	size_t n;

	if (result != ALIAS_OK || rest.n == 0 || rest.p[0] == '#')
		return result;
	if (ascii_isblank(line.p[0])) {
		if (t->nentries == 0)
			return alias_fault(where, "a continuation of nothing");
		return parse_targets(t, rest, where);
	}
	result = end_entry(t, where);
	if (result != ALIAS_OK)
		return result;
	n = word_length(rest, ':');
	line = span_trim(span_skip(rest, n));
	if (n == 0 || line.n == 0 || line.p[0] != ':')
		return alias_fault(where, "expected 'name: target, ...'");
	result = parse_name(t, span_of(rest.p, n), where);
	return result != ALIAS_OK ? result :
				    parse_targets(t, span_skip(line, 1), where);
}

enum alias_result
alias_parse(struct alias_table *t, struct span text, struct alias_where *where)
{
	enum alias_result result;

	*where = (struct alias_where){ 0 };
	while (text.n > 0) {
		where->line++;
		result = parse_line(t, span_cut(&text, '\n'), where);
		if (result != ALIAS_OK)
			return result;
	}
	result = end_entry(t, where);
	return result != ALIAS_OK ? result : alias_check(t, where);
}
