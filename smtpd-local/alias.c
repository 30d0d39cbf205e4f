/* SPDX-License-Identifier: ISC */
/* The table of aliases: entries by name, in one arena and one hash table. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alias-parts.h"

enum alias_result
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

struct span
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

/* FNV-1a: the names are the administrator's, nobody chooses collisions. */
static uint32_t
hash(struct span s)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619U;
	return h;
}

/* Where name stands, or the free slot where it would. */
static uint32_t *
slot_of(const struct alias_table *t, struct span name)
{
	size_t i = hash(name) & (t->nslots - 1);

	while (t->slots[i] != 0 &&
	    !span_eq(alias_name(t, &t->entries[t->slots[i] - 1]), name))
		i = (i + 1) & (t->nslots - 1);
	return &t->slots[i];
}

struct alias_entry *
alias_named(const struct alias_table *t, struct span name)
{
	uint32_t number = t->nslots == 0 ? 0 : *slot_of(t, name);

	return number == 0 ? NULL : &t->entries[number - 1];
}

/* Room for one more in an array that doubles. */
static bool
make_room(void **array, size_t *cap, size_t n, size_t size)
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

/* The slots are a power of two and never more than half full. */
static bool
make_slots(struct alias_table *t)
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
		*slot_of(t, alias_name(t, &t->entries[i])) = (uint32_t)i + 1;
	return true;
}

struct alias_entry *
alias_add(struct alias_table *t, struct span name, unsigned line)
{
	struct alias_entry *e;
	void *entries = t->entries;

	if (!make_room(&entries, &t->entries_cap, t->nentries, sizeof(*e)))
		return NULL;
	t->entries = entries;
	if (!make_slots(t))
		return NULL;
	e = &t->entries[t->nentries];
	*e = (struct alias_entry){
		.name = (uint32_t)t->words.len,
		.name_len = (uint32_t)name.n,
		.first = (uint32_t)t->ntargets,
		.line = line,
	};
	sbuf_addspan(&t->words, name);
	if (t->words.bad)
		return NULL;
	*slot_of(t, name) = (uint32_t)++t->nentries;
	return e;
}

bool
alias_add_target(struct alias_table *t, struct span mailbox)
{
	struct alias_target *target;
	void *targets = t->targets;

	if (!make_room(&targets, &t->targets_cap, t->ntargets, sizeof(*target)))
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
	e = alias_named(t, span_of(name, n));
	return e != NULL ? e : alias_named(t, span_of(name, local.n));
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

static enum alias_result
read_all(int fd, struct sbuf *text, struct alias_where *where)
{
	char piece[65536];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ALIAS_IOERR;
		if ((size_t)n > ALIAS_FILE_MAX - text->len)
			return alias_fault(where, "larger than %d octets",
			    ALIAS_FILE_MAX);
		sbuf_add(text, piece, (size_t)n);
		if (text->bad)
			return ALIAS_IOERR;
	}
	return ALIAS_OK;
}

enum alias_result
alias_load(struct alias_table *t, const char *path, struct alias_where *where)
{
	enum alias_result result;
	struct sbuf text;
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved;

	*where = (struct alias_where){ 0 };
	if (fd < 0)
		return ALIAS_IOERR;
	sbuf_init(&text, ALIAS_FILE_MAX);
	result = read_all(fd, &text, where);
	if (result == ALIAS_OK)
		result = alias_parse(t, sbuf_span(&text), where);
	saved = errno;
	sbuf_free(&text);
	close(fd);
	errno = saved;
	return result;
}
