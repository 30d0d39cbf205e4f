/* SPDX-License-Identifier: ISC */
/* What the operator wants done, and doing it: step by step, never waiting. */
#ifndef ORDER_H
#define ORDER_H

#include <sys/types.h>

#include "route.h"
#include "sbuf.h"

struct message;
struct sched;

enum verb {
	VERB_LIST,
	VERB_SHOW,
	VERB_RETRY,
	VERB_HOLD,
	VERB_RELEASE,
	VERB_REMOVE,
	VERB_BOUNCE,
	VERB_REROUTE,
	VERB_PAUSE,
	VERB_RESUME,
	VERB_PAUSED,
};
#define VERBS (VERB_PAUSED + 1)

extern const char *const verb_names[VERBS];

#define ORDER_WHO_MAX 64
#define ORDER_TEXT_MAX 1400 /* "VERB WHAT ROUTE" */

/* One that is being carried out. */
struct order {
	bool active;
	enum verb verb;
	uid_t uid;
	char who[ORDER_WHO_MAX + 1];
	char text[ORDER_TEXT_MAX + 1]; /* what and route are views of it */
	struct span what, route;
	uint32_t cursor; /* going through the table: table_scan's */
	bool scanned;
	struct sbuf ids; /* of the buckets that are at hand */
	size_t at;
	uint32_t subject; /* within the message at hand: the next to show */
	unsigned done, later, refused;
};

void order_init(struct order *);
void order_free(struct order *);

/*
 * Begins what the text says; answers go to out. Not active afterwards: it is
 * done with, and answered.
 */
void order_begin(struct sched *, struct order *, struct span text,
    struct sbuf *out);

/*
 * Goes on for a moment, or until out holds about full octets. Not active
 * afterwards: it is answered.
 */
void order_go_on(struct sched *, struct order *, struct sbuf *out, size_t full);

/* --- what is done to one message: will.c ------------------------------------ */

enum order_result {
	ORDER_DONE,
	ORDER_LATER,   /* after the try that runs now */
	ORDER_REFUSED, /* *why says: it makes no sense here */
	ORDER_FAILED,  /* *why says: not now */
};

enum order_result will_order(struct sched *, struct message *,
    const struct order *, const char **why) MUST_CHECK;

/* --- show.c ------------------------------------------------------------------- */

/*
 * Appends frames for what only memory says of the message, from recipient
 * *from on (0: with its head) as long as out has fewer than full octets; *from
 * is then where to go on, or 0 when all is said.
 */
void show_message(struct sched *, struct message *, uint32_t *from,
    struct sbuf *out, size_t full);

/*
 * A job of the message to read in: its own, or one that lasts until view_end.
 * NULL: it cannot be read, or is not received completely.
 */
struct job *view_begin(struct sched *, struct message *) MUST_CHECK;
void view_end(struct sched *, struct message *, struct job *);

#endif
