/* SPDX-License-Identifier: ISC */
/* Follows every alias to its ends: no loops, no crowds, no dead names. */
#include <errno.h>

#include "alias-parts.h"
#include "user.h"

#define NAME(t, e) (int)alias_name(t, e).n, alias_name(t, e).p

/*
 * An alias that lists itself means the mailbox of its name: that target, from
 * this entry, leads no further.
 */
struct alias_entry *
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

/* A target that is no alias: elsewhere, or could there be such a mailbox? */
static bool
can_be_mailbox(const struct alias_table *t, const struct address *target)
{
	char text[ADDRESS_LOCAL_MAX + 1];

	return !alias_is_local(t, target->domain) ||
	    user_name_valid(alias_local(target, text));
}

static enum alias_result count(struct alias_table *, struct alias_entry *,
    unsigned depth, struct alias_where *);

/* Adds what target i leads to. */
static enum alias_result
count_target(struct alias_table *t, struct alias_entry *e, size_t i,
    unsigned depth, struct alias_where *where)
{
	struct span text = alias_target(t, e, i);
	enum alias_result result;
	struct alias_entry *next;
	struct address a;

	if (address_mailbox(text, &a) != ADDRESS_OK)
		return alias_fault(where, "impossible");
	next = alias_next(t, e, &a);
	if (next == NULL) {
		e->recipients++;
		where->line = e->line;
		return can_be_mailbox(t, &a) ?
		    ALIAS_OK :
		    alias_fault(where, "'%.*s' can be no mailbox", (int)text.n,
			text.p);
	}
	result = count(t, next, depth + 1, where);
	if (result != ALIAS_OK)
		return result;
	e->recipients = (uint16_t)(e->recipients + next->recipients);
	if (next->depth >= e->depth)
		e->depth = (uint16_t)(next->depth + 1);
	return ALIAS_OK;
}

/*
 * Depth first. What is counted is bounded, so neither the sum of two nor the
 * stack can run over.
 */
static enum alias_result
count(struct alias_table *t, struct alias_entry *e, unsigned depth,
    struct alias_where *where)
{
	enum alias_result result;

	where->line = e->line;
	if (e->counting)
		return alias_fault(where, "'%.*s' is part of a loop",
		    NAME(t, e));
	if (e->recipients > 0)
		return ALIAS_OK;
	if (depth > ALIAS_DEPTH_MAX)
		return alias_fault(where,
		    "'%.*s' is more than %d aliases "
		    "away from another one",
		    NAME(t, e), ALIAS_DEPTH_MAX);
	e->counting = true;
	for (size_t i = 0; i < e->ntargets; i++) {
		result = count_target(t, e, i, depth, where);
		if (result != ALIAS_OK)
			return result;
		where->line = e->line;
		if (e->recipients > ALIAS_RECIPIENTS_MAX)
			return alias_fault(where,
			    "'%.*s' has more than %d "
			    "recipients",
			    NAME(t, e), ALIAS_RECIPIENTS_MAX);
		if (e->depth > ALIAS_DEPTH_MAX)
			return alias_fault(where,
			    "'%.*s' is more than %d "
			    "aliases deep",
			    NAME(t, e), ALIAS_DEPTH_MAX);
	}
	e->counting = false;
	return ALIAS_OK;
}

enum alias_result
alias_check(struct alias_table *t, struct alias_where *where)
{
	enum alias_result result = ALIAS_OK;

	for (size_t i = 0; i < t->nentries && result == ALIAS_OK; i++)
		result = count(t, &t->entries[i], 0, where);
	return result;
}
