/* SPDX-License-Identifier: ISC */
/* The advisers of an entrance: what each is told, and what it may change. */
#ifndef ADVICE_H
#define ADVICE_H

#include "link.h"

struct draft; /* draft.h */

/* --- what an adviser wants changed, checked against its rights ------------- */

#define CHANGES_MAX 10000                 /* deletions and insertions */
#define CHANGES_PUT_MAX (4 * 1024 * 1024) /* octets put into the text */
#define CHANGES_TOP_MAX (1024 * 1024)     /* octets of frames H and M */

enum changes_right {
	CHANGES_DELETE = 1, /* octets of the text */
	CHANGES_PUT = 2,    /* octets into the text */
	CHANGES_TOP = 4,    /* header fields on top */
	CHANGES_MARK = 8,   /* as junk */
	CHANGES_REFUSE = 16,
	CHANGES_ASK = 32, /* is asked before the text */
};

/* The words "delete", "put", ... with commas between. */
bool changes_rights(struct span words, unsigned *rights) MUST_CHECK;

struct change {
	uint64_t at, deleted; /* of the text as it was */
	size_t put, put_len;  /* of changes.octets, to be put before at */
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
	const char *why; /* a frame was refused: what is wrong with it */
};

void changes_init(struct changes *);
void changes_free(struct changes *);

/* Call it before the answers to a question. */
void changes_reset(struct changes *, unsigned rights, uint64_t length);

/*
 * Takes a frame D, P, H or M; ignores one with a lower-case tag. False with
 * why: the adviser has no right to it, it makes no sense, or there is no
 * memory.
 */
bool changes_take(struct changes *, const struct frame *) MUST_CHECK;

/* The same for a deletion of our own. */
bool changes_delete(struct changes *, uint64_t at, uint64_t length) MUST_CHECK;

/* The i-th change of the text, i < n. */
struct change changes_get(const struct changes *, unsigned i);

/* --- the advisers ---------------------------------------------------------- */

#define ADVICE_MAX 16 /* advisers of an entrance */

/*
 * One adviser: a connection for the whole injection conversation. If it breaks
 * it stays broken, since we are confined and cannot dial again.
 */
struct adviser {
	const char *name, *helper; /* from the operand NAME:RIGHTS:HELPER */
	unsigned rights;
	struct link link;
	bool told; /* of this message */
	/* What it changed of this message, for the log. */
	unsigned deleted, put, top;
	bool junk;
};

struct advice {
	const struct conf *conf;
	unsigned n;
	struct adviser of[ADVICE_MAX];
	struct changes changes; /* of the adviser that was asked last */
	instant deadline;       /* while the client waits; 0: it does not */
	char reply[LINK_REPLY_MAX + 1]; /* for the client, after a refusal */
	const char *why;                /* why there was no advice */
};

/*
 * Reads the operands of the command line, which must stay; false with *why if
 * one is malformed.
 */
bool advice_init(struct advice *, const struct conf *, char *const operands[],
    const char **why) MUST_CHECK;

/* Is one of them a command? Does one want to be asked before the text? */
bool advice_execs(const struct advice *) MUST_CHECK;
bool advice_asks(const struct advice *) MUST_CHECK;

/* Opens a connection to each. A failure counts when its advice is needed. */
void advice_dial(struct advice *);

/* A new message begins. */
void advice_begin(struct advice *);

/* Tells all of them a frame of the envelope; buffered until advice_flush. */
void advice_tell(struct advice *, char tag, struct span payload);
void advice_flush(struct advice *);

enum advice_verdict {
	ADVICE_PASS,
	ADVICE_LATER,  /* reply: a 4xx */
	ADVICE_REFUSE, /* reply: a 5xx */
	ADVICE_NONE,   /* it is gone, late, or makes no sense: why */
};

/*
 * Asks those that want to be asked about the last S or R. If one refuses, the
 * others are told to forget it, and *by is that one.
 */
enum advice_verdict advice_ask(struct advice *, struct adviser **by);

/*
 * Asks one about the whole message. Of the message's frames so far it is told
 * H and M. After ADVICE_PASS, changes holds its changes. The time for all
 * advisers begins with the first.
 */
enum advice_verdict advice_consult(struct advice *, struct adviser *,
    struct draft *text, struct span frames);

/* The message was abandoned or refused. */
void advice_abandon(struct advice *);

/* Did one of them break? Then no later message can have its advice. */
bool advice_is_broken(const struct advice *);

#endif
