/* SPDX-License-Identifier: ISC */
/* Follows an address through the aliases to mailboxes, here or elsewhere. */
#include <errno.h>
#include <stdio.h>

#include "frame.h"
#include "recipient.h"
#include "user.h"

/* One walk from an address to its ends. */
struct walk {
	const struct alias_table *aliases;
	struct sbuf *out; /* frames; NULL: one good end is enough */
	bool stays;       /* ends elsewhere do not count */
	struct span end[ALIAS_RECIPIENTS_MAX]; /* addresses already in out */
	size_t nends;
	unsigned good;
	bool cannot;
};

static bool
walk_is_decided(const struct walk *w)
{
	return w->out == NULL && w->good > 0;
}

/* Two ends with the same address are one. */
static bool
walk_is_repeat(struct walk *w, struct span address)
{
	for (size_t i = 0; i < w->nends; i++) {
		if (span_ieq(w->end[i], address))
			return true;
	}
	if (w->nends < nitems(w->end))
		w->end[w->nends++] = address;
	return false;
}

/* mailbox NULL: the end is elsewhere. */
static void
walk_add_end(struct walk *w, const char *mailbox, struct span address)
{
	struct sbuf text;

	if (w->out == NULL || walk_is_repeat(w, address))
		return;
	sbuf_init(&text, FRAME_PAYLOAD_MAX);
	if (mailbox != NULL)
		sbuf_addf(&text, "user %s ", mailbox);
	else
		sbuf_adds(&text, "remote ");
	sbuf_addf(&text, "<%.*s>", (int)address.n, address.p);
	w->out->bad |= text.bad;
	frame_add(w->out, 'T', sbuf_span(&text));
	sbuf_free(&text);
}

/* The end of a local address, with the result of its look-up. */
static void
walk_user_end(struct walk *w, enum user_result r, const struct user *u,
    struct span address)
{
	switch (r) {
	case USER_FOUND:
		w->good++;
		walk_add_end(w, u->name, address);
		break;
	case USER_UNKNOWN:
		/* A quoted local-part may have no name to write. */
		if (u->name[0] != '\0')
			walk_add_end(w, u->name, address);
		break;
	case USER_CANNOT:
		w->cannot = true;
		break;
	}
}

static void walk_entry(struct walk *, const struct alias_entry *);

/*
 * Looks for the whole local-part, as alias and as mailbox, then for it without
 * its detail. from: the alias that listed it, which is not entered again.
 */
static void
walk_local(struct walk *w, const struct alias_entry *from,
    const struct address *a, struct span domain)
{
	char text[ADDRESS_LOCAL_MAX + 1];
	struct span local = alias_local(a, text);
	const struct alias_entry *e;
	enum user_result r;
	struct user u;

	u.name[0] = '\0';
	do {
		e = alias_find(w->aliases, local, domain);
		if (e != NULL && e != from) {
			walk_entry(w, e);
			return;
		}
		r = user_find_folded(w->aliases->conf, local, &u);
		local = alias_base(local);
	} while (r == USER_UNKNOWN && local.n > 0);
	walk_user_end(w, r, &u, a->whole);
}

static void
walk_target(struct walk *w, const struct alias_entry *from, struct span target)
{
	struct address a;

	if (address_mailbox(target, &a) != ADDRESS_OK) {
		w->cannot = true; /* impossible: it was checked at load */
		return;
	}
	if (alias_is_local(w->aliases, a.domain)) {
		walk_local(w, from, &a, a.domain);
		return;
	}
	if (w->stays)
		return;
	w->good++;
	walk_add_end(w, NULL, a.whole);
}

/* No deeper than ALIAS_DEPTH_MAX: the table was checked at load. */
static void
walk_entry(struct walk *w, const struct alias_entry *e)
{
	for (size_t i = 0; i < e->ntargets && !walk_is_decided(w); i++)
		walk_target(w, e, alias_target(w->aliases, e, i));
}

static enum recipient_result
recipient_walk(const struct alias_table *t, const struct address *a,
    struct sbuf *out, bool stays)
{
	struct span domains = span_str(t->conf->local_domains);
	struct span domain = a->domain.n > 0 ? a->domain : span_word(&domains);
	size_t before = out == NULL ? 0 : out->len;
	struct walk w;

	w.aliases = t;
	w.out = out;
	w.stays = stays;
	w.nends = w.good = 0;
	w.cannot = false;
	walk_local(&w, NULL, a, domain);
	if (w.good > 0 && (out == NULL || (!w.cannot && !out->bad)))
		return RECIPIENT_OK;
	if (out != NULL)
		sbuf_truncate(out, before);
	return w.cannot || w.good > 0 ? RECIPIENT_CANNOT : RECIPIENT_UNKNOWN;
}

enum recipient_result
recipient_known(const struct alias_table *t, const struct address *a)
{
	return recipient_walk(t, a, NULL, false);
}

enum recipient_result
recipient_expand(const struct alias_table *t, const struct address *a,
    struct sbuf *out)
{
	return recipient_walk(t, a, out, false);
}

/* Postmaster of the address's domain; text has room for it. */
static struct address
postmaster_of(const struct address *a, char *text, size_t room)
{
	struct span domain = a->domain;
	int n = snprintf(text, room, "postmaster%s%.*s",
	    domain.n > 0 ? "@" : "", (int)domain.n, domain.p);

	return (struct address){ .whole = span_of(text, (size_t)n),
		.local = SPAN("postmaster"),
		.domain = domain };
}

enum recipient_result
recipient_expand_junk(const struct alias_table *t, const struct address *a,
    struct sbuf *out)
{
	char text[sizeof("postmaster@") + ADDRESS_DOMAIN_MAX];
	enum recipient_result r = recipient_walk(t, a, out, true);
	struct address postmaster;

	if (r != RECIPIENT_UNKNOWN || recipient_known(t, a) != RECIPIENT_OK)
		return r;
	postmaster = postmaster_of(a, text, sizeof(text));
	r = recipient_walk(t, &postmaster, out, true);
	/* Only a postmaster elsewhere is left to get it. */
	return r == RECIPIENT_UNKNOWN ?
	    recipient_walk(t, &postmaster, out, false) :
	    r;
}
