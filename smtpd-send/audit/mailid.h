/* SPDX-License-Identifier: ISC */
/* Queue ids in little room, and a set of those that are done with. */
#ifndef MAILID_H
#define MAILID_H

#include "queuefile.h"

struct mailid {
	uint64_t time; /* microseconds since 1970; 0: no id */
	uint32_t random;
};

/* False if it is not an id. */
bool mailid_parse(struct span, struct mailid *) MUST_CHECK;
void mailid_text(const struct mailid *, char out[QUEUE_ID_SIZE]);
bool mailid_eq(const struct mailid *, const struct mailid *);
size_t mailid_hash(const struct mailid *);

/* 16 octets an entry, at most three of four in use. */
struct mailset {
	struct mailset_entry {
		uint64_t time; /* 0: free */
		uint32_t random, flags;
	} * entries;
	size_t size, used; /* size: 0 or a power of two */
};

/* The entry, or NULL. */
struct mailset_entry *mailset_find(const struct mailset *,
    const struct mailid *);

/* Adds one that is not in it. Without memory the program ends. */
void mailset_add(struct mailset *, const struct mailid *, uint32_t flags);

#endif
