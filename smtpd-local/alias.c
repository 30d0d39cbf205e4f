/* SPDX-License-Identifier: ISC */
/* The table of aliases: how it is stored, read from a file and checked. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "alias.h"
#include "readfile.h"
#include "user.h"

/* A local-part and a domain, folded, with an '@' between when both are. */
#define ALIAS_NAME_MAX (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

/* For messages: as much of a word as fits a line. */
#define WORD(s) (int)((s).n < 64 ? (s).n : 64), (s).p

/* --- the table: entries by name, in one arena and one hash table --------- */

static enum alias_result __attribute__((format(printf, 2, 3)))
alias_fault(struct alias_where *where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(where->what, sizeof(where->what), fmt, ap);
	va_end(ap);
	return ALIAS_BAD;
}

void
alias_init(struct alias_table *t, const struct conf *conf)
{
	*t = (struct alias_table){ .conf = conf };
	/* A bare target gets a domain: the words may outgrow the file. */
	sbuf_init(&t->words, UINT32_MAX);
}

void
alias_free(struct alias_table *t)
{
	sbuf_free(&t->words);
	free(t->entries);
	free(t->targets);
	free(t->slots);
	alias_init(t, t->conf);
}

static struct span
alias_name(const struct alias_table *t, const struct alias_entry *e)
{
	return span_of(t->words.s + e->name, e->name_len);
}

struct span
alias_target(const struct alias_table *t, const struct alias_entry *e, size_t i)
{
	const struct alias_target *target = &t->targets[e->first + i];

	return span_of(t->words.s + target->at, target->len);
}

bool
alias_is_local(const struct alias_table *t, struct span domain)
{
	return conf_has_domain(t->conf->local_domains, domain);
}

/* FNV-1a: the administrator chooses the names, so no attacker does. */
static uint32_t
alias_hash(struct span s)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619U;
	return h;
}

/* The slot of name, or the free slot where it belongs. */
static uint32_t *
alias_slot(const struct alias_table *t, struct span name)
{
	size_t i = alias_hash(name) & (t->nslots - 1);

	while (t->slots[i] != 0 &&
	    !span_eq(alias_name(t, &t->entries[t->slots[i] - 1]), name))
		i = (i + 1) & (t->nslots - 1);
	return &t->slots[i];
}

static struct alias_entry *
alias_exact(const struct alias_table *t, struct span name)
{
	uint32_t number = t->nslots == 0 ? 0 : *alias_slot(t, name);

	return number == 0 ? NULL : &t->entries[number - 1];
}

/* Makes room for one more element; the array doubles. */
static bool
alias_make_room(void **array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap == 0 ? 16 : *cap * 2;
	void *p;

	if (n < *cap)
		return true;
	p = realloc(*array, more * size);
	if (p == NULL)
		return false;
	*array = p;
	*cap = more;
	return true;
}

/* The number of slots is a power of two; at most half of them are full. */
static bool
alias_make_slots(struct alias_table *t)
{
	size_t n = t->nslots == 0 ? 64 : t->nslots * 2;
	uint32_t *slots;

	if (t->nentries < t->nslots / 2)
		return true;
	slots = calloc(n, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(t->slots);
	t->slots = slots;
	t->nslots = n;
	for (size_t i = 0; i < t->nentries; i++)
		*alias_slot(t, alias_name(t, &t->entries[i])) = (uint32_t)i + 1;
	return true;
}

/* Adds an entry after the others; false when there is no memory. */
static bool
alias_add(struct alias_table *t, struct span name, unsigned line)
{
	void *entries = t->entries;

	if (!alias_make_room(&entries, &t->entries_cap, t->nentries,
		sizeof(*t->entries)))
		return false;
	t->entries = entries;
	if (!alias_make_slots(t))
		return false;
	t->entries[t->nentries] = (struct alias_entry){
		.name = (uint32_t)t->words.len,
		.name_len = (uint32_t)name.n,
		.first = (uint32_t)t->ntargets,
		.line = line,
	};
	sbuf_addspan(&t->words, name);
	if (t->words.bad)
		return false;
	*alias_slot(t, name) = (uint32_t)++t->nentries;
	return true;
}

/* Adds a target to the newest entry. */
static bool
alias_add_target(struct alias_table *t, struct span mailbox)
{
	struct alias_target *target;
	void *targets = t->targets;

	if (!alias_make_room(&targets, &t->targets_cap, t->ntargets,
		sizeof(*target)))
		return false;
	t->targets = targets;
	target = &t->targets[t->ntargets];
	target->at = (uint32_t)t->words.len;
	target->len = (uint32_t)mailbox.n;
	sbuf_addspan(&t->words, mailbox);
	if (t->words.bad)
		return false;
	t->ntargets++;
	t->entries[t->nentries - 1].ntargets++;
	return true;
}

const struct alias_entry *
alias_find(const struct alias_table *t, struct span local, struct span domain)
{
	char name[ALIAS_NAME_MAX];
	const struct alias_entry *e;
	size_t n = 0;

	if (local.n > ADDRESS_LOCAL_MAX || domain.n > ADDRESS_DOMAIN_MAX ||
	    span_find(local, '@') < local.n)
		return NULL;
	while (n < local.n) {
		name[n] = ascii_lower(local.p[n]);
		n++;
	}
	name[n++] = '@';
	for (size_t i = 0; i < domain.n; i++)
		name[n++] = ascii_lower(domain.p[i]);
	e = alias_exact(t, span_of(name, n));
	return e != NULL ? e : alias_exact(t, span_of(name, local.n));
}

struct span
alias_local(const struct address *a, char text[ADDRESS_LOCAL_MAX + 1])
{
	struct sbuf b = { .s = text,
		.cap = ADDRESS_LOCAL_MAX + 1,
		.max = ADDRESS_LOCAL_MAX };

	text[0] = '\0';
	address_unquote(&b, a);
	return sbuf_span(&b);
}

struct span
alias_base(struct span local)
{
	size_t plus = span_find(local, '+');

	return span_of(local.p, plus < local.n ? plus : 0);
}

/* --- the check: no loops, no crowds, no impossible targets --------------- */

/*
 * The alias that a target leads to, or NULL when the target is an end. An alias
 * that lists its own name means the mailbox of that name.
 */
static struct alias_entry *
alias_next(const struct alias_table *t, const struct alias_entry *from,
    const struct address *target)
{
	char text[ADDRESS_LOCAL_MAX + 1];
	struct span local = alias_local(target, text);
	const struct alias_entry *e;

	if (!alias_is_local(t, target->domain))
		return NULL;
	e = alias_find(t, local, target->domain);
	if (e == NULL && alias_base(local).n > 0)
		e = alias_find(t, alias_base(local), target->domain);
	return e == NULL || e == from ? NULL : &t->entries[e - t->entries];
}

/* Is a target that is not an alias elsewhere, or a possible mailbox? */
static bool
can_be_mailbox(const struct alias_table *t, const struct address *target)
{
	char text[ADDRESS_LOCAL_MAX + 1];

	return !alias_is_local(t, target->domain) ||
	    user_name_valid(alias_local(target, text));
}

static enum alias_result alias_count(struct alias_table *, struct alias_entry *,
    unsigned depth, struct alias_where *);

/* Adds the recipients that target i leads to. */
static enum alias_result
alias_count_target(struct alias_table *t, struct alias_entry *e, size_t i,
    unsigned depth, struct alias_where *where)
{
	struct span text = alias_target(t, e, i);
	enum alias_result result;
	struct alias_entry *next;
	struct address a;

	if (address_mailbox(text, &a) != ADDRESS_OK)
		return alias_fault(where, "not an address");
	next = alias_next(t, e, &a);
	if (next == NULL) {
		e->recipients++;
		where->line = e->line;
		return can_be_mailbox(t, &a) ?
		    ALIAS_OK :
		    alias_fault(where, "'%.*s' cannot be a mailbox",
			WORD(text));
	}
	result = alias_count(t, next, depth + 1, where);
	if (result != ALIAS_OK)
		return result;
	e->recipients = (uint16_t)(e->recipients + next->recipients);
	if (next->depth >= e->depth)
		e->depth = (uint16_t)(next->depth + 1);
	return ALIAS_OK;
}

/*
 * Depth first. The bounds keep the sum of two counts and the stack from
 * overflowing.
 */
static enum alias_result
alias_count(struct alias_table *t, struct alias_entry *e, unsigned depth,
    struct alias_where *where)
{
	struct span name = alias_name(t, e);
	enum alias_result result;

	where->line = e->line;
	if (e->counting)
		return alias_fault(where, "'%.*s' is part of a loop",
		    WORD(name));
	if (e->recipients > 0)
		return ALIAS_OK;
	if (depth > ALIAS_DEPTH_MAX)
		return alias_fault(where,
		    "'%.*s' is reached through more than %d aliases",
		    WORD(name), ALIAS_DEPTH_MAX);
	e->counting = true;
	for (size_t i = 0; i < e->ntargets; i++) {
		result = alias_count_target(t, e, i, depth, where);
		if (result != ALIAS_OK)
			return result;
		where->line = e->line;
		if (e->recipients > ALIAS_RECIPIENTS_MAX)
			return alias_fault(where,
			    "'%.*s' has more than %d recipients", WORD(name),
			    ALIAS_RECIPIENTS_MAX);
		if (e->depth > ALIAS_DEPTH_MAX)
			return alias_fault(where,
			    "'%.*s' is more than %d aliases deep", WORD(name),
			    ALIAS_DEPTH_MAX);
	}
	e->counting = false;
	return ALIAS_OK;
}

static enum alias_result
alias_check(struct alias_table *t, struct alias_where *where)
{
	enum alias_result result = ALIAS_OK;

	for (size_t i = 0; i < t->nentries && result == ALIAS_OK; i++)
		result = alias_count(t, &t->entries[i], 0, where);
	return result;
}

/* --- the lines of the file ----------------------------------------------- */

static const char *
alias_address_fault(enum address_result r)
{
	switch (r) {
	case ADDRESS_OK:
	case ADDRESS_SYNTAX:
		return "not a name or an address";
	case ADDRESS_LOCAL_TOO_LONG:
		return "longer than 64 octets before the @";
	case ADDRESS_DOMAIN_TOO_LONG:
		return "longer than 255 octets after the @";
	case ADDRESS_PATH_TOO_LONG:
		return "longer than 254 octets";
	case ADDRESS_UTF8:
		return "not ASCII";
	}
	return "";
}

/*
 * Parses word into a mailbox, whose text is in *text. A bare name gets the
 * first local domain.
 */
static enum alias_result
alias_mailbox(const struct alias_table *t, struct span word, struct sbuf *text,
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
		    alias_address_fault(r));
	return ALIAS_OK;
}

/* Appends the folded name that alias_exact looks for. */
static enum alias_result
alias_fold_name(const struct alias_table *t, const struct address *a, bool bare,
    struct sbuf *name, struct alias_where *where)
{
	address_unquote(name, a);
	if (span_find(sbuf_span(name), '@') < name->len)
		return alias_fault(where, "'%.*s': @ is not allowed in quotes",
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
alias_add_entry(struct alias_table *t, struct span name,
    struct alias_where *where)
{
	const struct alias_entry *first = alias_exact(t, name);

	if (first != NULL)
		return alias_fault(where,
		    "'%.*s' is already defined on line %u", WORD(name),
		    (unsigned)first->line);
	errno = ENOMEM;
	return alias_add(t, name, where->line) ? ALIAS_OK : ALIAS_IOERR;
}

static enum alias_result
alias_parse_name(struct alias_table *t, struct span word,
    struct alias_where *where)
{
	enum alias_result result;
	struct sbuf text, name;
	struct address a;
	bool bare;

	sbuf_init(&text, ALIAS_FILE_MAX);
	sbuf_init(&name, ALIAS_NAME_MAX);
	result = alias_mailbox(t, word, &text, &a, &bare, where);
	if (result == ALIAS_OK)
		result = alias_fold_name(t, &a, bare, &name, where);
	if (result == ALIAS_OK)
		result = alias_add_entry(t, sbuf_span(&name), where);
	sbuf_free(&name);
	sbuf_free(&text);
	return result;
}

/* Names a target that other mail servers accept and smtpd does not. */
static const char *
alias_unsupported(struct span word)
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
alias_parse_target(struct alias_table *t, struct span word,
    struct alias_where *where)
{
	const char *what = alias_unsupported(word);
	enum alias_result result;
	struct sbuf text;
	struct address a;
	bool bare;

	if (what != NULL)
		return alias_fault(where, "'%.*s' is not supported: %s",
		    WORD(word), what);
	sbuf_init(&text, ALIAS_FILE_MAX);
	result = alias_mailbox(t, word, &text, &a, &bare, where);
	if (result == ALIAS_OK && !alias_add_target(t, sbuf_span(&text))) {
		errno = ENOMEM;
		result = ALIAS_IOERR;
	}
	sbuf_free(&text);
	return result;
}

/* The number of octets before an unquoted stop or blank. */
static size_t
alias_word_length(struct span line, char stop)
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
alias_parse_targets(struct alias_table *t, struct span line,
    struct alias_where *where)
{
	enum alias_result result;
	size_t n;

	while ((line = span_trim(line)).n > 0 && line.p[0] != '#') {
		n = alias_word_length(line, ',');
		if (n == 0)
			return alias_fault(where, "unexpected comma");
		result = alias_parse_target(t, span_of(line.p, n), where);
		if (result != ALIAS_OK)
			return result;
		line = span_trim(span_skip(line, n));
		if (line.n == 0 || line.p[0] == '#')
			break;
		if (line.p[0] != ',')
			return alias_fault(where, "missing comma");
		line = span_skip(line, 1);
	}
	return ALIAS_OK;
}

static enum alias_result
alias_check_octets(struct span line, struct alias_where *where)
{
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (c == '\r')
			return alias_fault(where,
			    "carriage return: lines must end in LF only");
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return alias_fault(where, "control character 0x%02x",
			    c);
	}
	return ALIAS_OK;
}

/* The newest entry is complete: it must have a target. */
static enum alias_result
alias_end_entry(const struct alias_table *t, struct alias_where *where)
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
alias_parse_line(struct alias_table *t, struct span line,
    struct alias_where *where)
{
	enum alias_result result = alias_check_octets(line, where);
	struct span rest = span_trim(line);
	size_t n;

	if (result != ALIAS_OK || rest.n == 0 || rest.p[0] == '#')
		return result;
	if (ascii_isblank(line.p[0])) {
		if (t->nentries == 0)
			return alias_fault(where,
			    "continuation line before the first alias");
		return alias_parse_targets(t, rest, where);
	}
	result = alias_end_entry(t, where);
	if (result != ALIAS_OK)
		return result;
	n = alias_word_length(rest, ':');
	line = span_trim(span_skip(rest, n));
	if (n == 0 || line.n == 0 || line.p[0] != ':')
		return alias_fault(where, "expected 'name: target, ...'");
	result = alias_parse_name(t, span_of(rest.p, n), where);
	return result != ALIAS_OK ?
	    result :
	    alias_parse_targets(t, span_skip(line, 1), where);
}

enum alias_result
alias_parse(struct alias_table *t, struct span text, struct alias_where *where)
{
	enum alias_result result;

	*where = (struct alias_where){ 0 };
	while (text.n > 0) {
		where->line++;
		result = alias_parse_line(t, span_cut(&text, '\n'), where);
		if (result != ALIAS_OK)
			return result;
	}
	result = alias_end_entry(t, where);
	return result != ALIAS_OK ? result : alias_check(t, where);
}

enum alias_result
alias_load(struct alias_table *t, const char *path, struct alias_where *where)
{
	enum alias_result result;
	struct sbuf text;
	int saved;

	*where = (struct alias_where){ 0 };
	sbuf_init(&text, ALIAS_FILE_MAX);
	if (readfile(AT_FDCWD, path, READFILE_ANY, &text, NULL))
		result = alias_parse(t, sbuf_span(&text), where);
	else if (errno == EFBIG)
		result = alias_fault(where, "larger than %d octets",
		    ALIAS_FILE_MAX);
	else
		result = ALIAS_IOERR;
	saved = errno;
	sbuf_free(&text);
	errno = saved;
	return result;
}
