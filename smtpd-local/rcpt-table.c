/* SPDX-License-Identifier: ISC */
/* Keeps the table of aliases sound, and as new as its file. */
#include <errno.h>

#include "log.h"
#include "rcpt-table.h"

#define LOOK_MS 1000
#define SETTLED_US 1000000

enum recipient_result
rcpt_table_check(const struct alias_table *t, struct span *domain)
{
	struct span domains = span_str(t->conf->local_domains);
	struct address a = { .local = SPAN("postmaster") };
	enum recipient_result r;

	while ((*domain = span_word(&domains)).n > 0) {
		a.whole = a.local;
		a.domain = *domain;
		r = recipient_known(t, &a);
		if (r != RECIPIENT_OK)
			return r;
	}
	return RECIPIENT_OK;
}

/* Says, as FILE:LINE where there is one, that postmaster leads to nobody. */
static void
name_postmaster(const struct alias_table *t, struct span domain,
    struct sbuf *why)
{
	const struct alias_entry *e = alias_find(t, SPAN("postmaster"), domain);

	sbuf_adds(why,
	    t->conf->aliases[0] == '\0' ? "aliases" : t->conf->aliases);
	if (e != NULL)
		sbuf_addf(why, ":%u", (unsigned)e->line);
	sbuf_addf(why, ": postmaster@%.*s %s", (int)domain.n, domain.p,
	    e != NULL ? "leads to nobody" :
			"is neither an alias nor a mailbox");
}

/*
 * One attempt: EXIT_OK with t filled, or an exit code with *why, and with t
 * empty again.
 */
static enum exitcode
load(struct alias_table *t, struct sbuf *why)
{
	const char *path = t->conf->aliases;
	struct alias_where where = { 0 };
	enum alias_result result = ALIAS_OK;
	enum exitcode code = EXIT_PERM;
	struct span domain;

	if (path[0] != '\0')
		result = alias_load(t, path, &where);
	switch (result) {
	case ALIAS_OK:
		break;
	case ALIAS_BAD:
		sbuf_adds(why, path);
		if (where.line > 0)
			sbuf_addf(why, ":%u", where.line);
		sbuf_addf(why, ": %s", where.what);
		goto fail;
	case ALIAS_IOERR:
		sbuf_addf(why, "cannot read '%s': %s", path, strerror(errno));
		code = EXIT_TEMP;
		goto fail;
	}
	switch (rcpt_table_check(t, &domain)) {
	case RECIPIENT_OK:
		return EXIT_OK;
	case RECIPIENT_UNKNOWN:
		name_postmaster(t, domain, why);
		break;
	case RECIPIENT_CANNOT:
		sbuf_addf(why, "cannot look up postmaster@%.*s", (int)domain.n,
		    domain.p);
		code = EXIT_TEMP;
		break;
	}
fail:
	alias_free(t);
	return code;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* One whose change lies in the future was changed by a clock. */
static bool
settled(const struct stat *st)
{
	uint64_t now = clock_wall_us();
	uint64_t changed = (uint64_t)st->st_ctim.tv_sec * 1000000 +
	    (uint64_t)st->st_ctim.tv_nsec / 1000;

	return changed > now || now - changed >= SETTLED_US;
}

void
rcpt_table_open(struct rcpt_table *t, const struct conf *conf)
{
	struct sbuf why;
	enum exitcode code;

	sbuf_init(&why, 1024);
	alias_init(&t->aliases, conf);
	memset(&t->seen, 0, sizeof(t->seen));
	t->next_look = 0;
	/* Before the load: a change in between is then seen later. */
	if (conf->aliases[0] != '\0' && stat(conf->aliases, &t->seen) < 0)
		die_sys(EXIT_TEMP, "cannot read '%s'", conf->aliases);
	code = load(&t->aliases, &why);
	if (code != EXIT_OK)
		die(code, "%s", why.s);
}

/* A failure that may pass is tried again; one that stays is said once. */
static void
reload(struct rcpt_table *t, const struct stat *st)
{
	struct alias_table fresh;
	struct sbuf why;

	sbuf_init(&why, 1024);
	alias_init(&fresh, t->aliases.conf);
	switch (load(&fresh, &why)) {
	case EXIT_OK:
		alias_free(&t->aliases);
		t->aliases = fresh;
		t->seen = *st;
		break;
	case EXIT_PERM:
		t->seen = *st;
		warn("%s: the old aliases stay", why.s);
		break;
	case EXIT_BUG:
	case EXIT_TEMP:
		warn("%s: the old aliases stay for now", why.s);
		break;
	}
	sbuf_free(&why);
}

void
rcpt_table_refresh(struct rcpt_table *t)
{
	const char *path = t->aliases.conf->aliases;
	instant now = clock_now();
	struct stat st;

	if (path[0] == '\0' || now < t->next_look)
		return;
	t->next_look = now + LOOK_MS;
	/* An editor may be about to put a new one there. */
	if (stat(path, &st) < 0 || same_file(&st, &t->seen) || !settled(&st))
		return;
	reload(t, &st);
}
