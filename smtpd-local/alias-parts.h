/* SPDX-License-Identifier: ISC */
/* What the table of aliases is made of: for alias*.c alone. */
#ifndef ALIAS_PARTS_H
#define ALIAS_PARTS_H

#include "alias.h"

/* A local-part and a domain, folded, with an '@' between when both are. */
#define ALIAS_NAME_MAX (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

enum alias_result alias_fault(struct alias_where *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The entry of exactly this folded name, or NULL. */
struct alias_entry *alias_named(const struct alias_table *, struct span name);

/* Adds it behind the others; NULL when there is no memory. */
struct alias_entry *alias_add(struct alias_table *, struct span name,
    unsigned line) MUST_CHECK;

/* Adds a target to the newest entry. */
bool alias_add_target(struct alias_table *,
    struct span local_at_domain) MUST_CHECK;

/* What a target leads to: an alias, not from itself, or NULL: a mailbox. */
struct alias_entry *alias_next(const struct alias_table *,
    const struct alias_entry *from, const struct address *target);

/* Counts and bounds every expansion; finds loops and impossible targets. */
enum alias_result alias_check(struct alias_table *,
    struct alias_where *) MUST_CHECK;

/* The name of an entry. */
struct span alias_name(const struct alias_table *, const struct alias_entry *);

#endif
