/* SPDX-License-Identifier: ISC */
/* The table of aliases (smtpd-aliases(5)), checked as a whole when loaded. */
#ifndef ALIAS_H
#define ALIAS_H

#include "address.h"
#include "conf.h"

#define ALIAS_FILE_MAX (16 * 1024 * 1024)
#define ALIAS_RECIPIENTS_MAX 1000 /* of one alias, fully expanded */
#define ALIAS_DEPTH_MAX 50        /* aliases that lead to aliases */

/* A target: a whole mailbox, local-part@domain, in alias_table.words. */
struct alias_target {
	uint32_t at, len;
};

struct alias_entry {
	uint32_t name, name_len;  /* folded, in words */
	uint32_t first, ntargets; /* in alias_table.targets */
	uint32_t line;
	uint16_t recipients, depth; /* fully expanded; 0: not counted yet */
	bool counting;
};

struct alias_table {
	const struct conf *conf; /* the caller's */
	struct sbuf words;
	struct alias_entry *entries;
	size_t nentries, entries_cap;
	struct alias_target *targets;
	size_t ntargets, targets_cap;
	uint32_t *slots; /* hash table of entry numbers + 1 */
	size_t nslots;
};

enum alias_result {
	ALIAS_OK,
	ALIAS_BAD,   /* the file is wrong; where says how */
	ALIAS_IOERR, /* unreadable, or no memory; errno says why */
};

struct alias_where {
	unsigned line;
	char what[256];
};

/* An empty table. It reads local_domains of conf, which must outlive it. */
void alias_init(struct alias_table *, const struct conf *conf);
void alias_free(struct alias_table *);

/*
 * Fills an empty table; after a failure the caller frees it. An accepted table
 * has no loops, leads to at most ALIAS_RECIPIENTS_MAX recipients a name, and
 * every target in a local domain is an alias or could be a mailbox.
 */
enum alias_result alias_parse(struct alias_table *, struct span text,
    struct alias_where *) MUST_CHECK;
enum alias_result alias_load(struct alias_table *, const char *path,
    struct alias_where *) MUST_CHECK;

/*
 * The alias for local (without quotes) in domain: that of the whole address,
 * else that of the local-part; case folded. NULL: there is no alias.
 */
const struct alias_entry *alias_find(const struct alias_table *,
    struct span local, struct span domain);

/* The local-part without its quotes, in the caller's memory. */
struct span alias_local(const struct address *,
    char text[ADDRESS_LOCAL_MAX + 1]);

/* A local-part without its "+detail"; empty when there is no detail. */
struct span alias_base(struct span local);

/* Target i of an entry, as address_mailbox parses it. */
struct span alias_target(const struct alias_table *, const struct alias_entry *,
    size_t i);

/* Is domain one of local_domains? */
bool alias_is_local(const struct alias_table *, struct span domain);

#endif
