/* SPDX-License-Identifier: ISC */
/* What an adviser would have changed of a message, checked against its rights. */
#ifndef CHANGES_H
#define CHANGES_H

#include "frame.h"

#define CHANGES_MAX 10000                 /* deletions and insertions */
#define CHANGES_PUT_MAX (4 * 1024 * 1024) /* octets put into the text */
#define CHANGES_TOP_MAX (1024 * 1024)     /* octets of frames H and M */

enum changes_right {
	CHANGES_DELETE = 1, /* octets of the text */
	CHANGES_PUT = 2,    /* octets into the text */
	CHANGES_TOP = 4,    /* header fields on top */
	CHANGES_MARK = 8,   /* as junk */
	CHANGES_REFUSE = 16,
	CHANGES_ASK = 32, /* has a say before the text */
};

/* The words "delete", "put", ... with commas between. */
bool changes_rights(struct span words, unsigned *rights) MUST_CHECK;

struct change {
	uint64_t at, deleted; /* of the text as it was */
	size_t put, put_len;  /* of changes.octets; stand before at */
};

struct changes {
	unsigned rights;
	uint64_t length; /* of the text */
	uint64_t end;    /* where the next change may begin */
	unsigned n;      /* changes in list */
	struct sbuf list, octets;
	struct sbuf frames;         /* H and M, as the file will hold them */
	unsigned deleted, put, top; /* how many of each, for the log */
	bool junk;
	const char *why; /* a frame was not taken: what is wrong with it */
};

void changes_init(struct changes *);
void changes_free(struct changes *);

/* Before the answers to one question. */
void changes_reset(struct changes *, unsigned rights, uint64_t length);

/*
 * Takes a frame D, P, H or M; ignores what has a lower-case tag. False: the
 * adviser may not say this, or it makes no sense, or there is no memory; why
 * says it.
 */
bool changes_take(struct changes *, const struct frame *) MUST_CHECK;

/* The same for a deletion that is our own. */
bool changes_delete(struct changes *, uint64_t at, uint64_t length) MUST_CHECK;

/* The i-th change of the text, i < n. */
struct change changes_get(const struct changes *, unsigned i);

#endif
