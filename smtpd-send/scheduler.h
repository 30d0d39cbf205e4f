/* SPDX-License-Identifier: ISC */
/* The scheduler: its parts, and what they ask of each other. */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <poll.h>
#include <sys/types.h>

#include "conf.h"
#include "life.h"
#include "route.h"
#include "schedule.h"
#include "transport.h"

/* Recipients in memory, beyond which messages stay on disk. */
#define SCHED_RCPTS_MAX 200000

/* --- finding messages: spool.c ------------------------------------------------ */

/* Reads all of the queue; removes logs without a message. At the start, once. */
void spool_find_all(struct sched *);

/* Takes the hints that wait at the socket. */
void spool_find_hinted(struct sched *, int hints);

/*
 * new/ is listed every two seconds, so that no lost hint matters; a crowded
 * one shard by shard, so that it does not stop the loop.
 */
struct listing {
	instant next;   /* when to begin again */
	unsigned shard; /* the next; 0: not begun */
	instant begun;
};

/* Goes on with it; gives when to be called again. */
instant spool_find_more(struct sched *, struct listing *);

/* --- the conversation with smtpd-rcpt: intake.c --------------------------------- */

#define INTAKE_PENDING 64 /* questions that wait for an answer */
#define INTAKE_JOBS 64    /* jobs in line, beyond which none is opened */

struct question {
	struct job *job; /* NULL: gone meanwhile */
	unsigned addressee;
};

struct intake {
	struct chan chan;         /* in.fd -1: not connected */
	struct sbuf out;          /* questions not written yet */
	struct job *head, **tail; /* jobs with recipients to ask about */
	unsigned njobs;           /* with smtpd-rcpt or in line */
	struct question pending[INTAKE_PENDING];
	unsigned first, npending;
	unsigned mark;    /* rcpts of the job before this answer */
	bool answering;   /* mark is set */
	bool refused;     /* the answer is more than we take */
	bool failing;     /* it was logged that it cannot be reached */
	instant deadline; /* for the next answer */
	instant again;    /* not to be dialled before */
};

void intake_init(struct intake *);

/* Asks about all that is not expanded: LIFE_EXPANDED or LIFE_UNASKED
 * ends it. */
void intake_ask(struct sched *, struct job *);

/* smtpd-rcpt's descriptor to poll, or -1. */
int intake_fd(const struct intake *);

/* It is readable. */
void intake_ready(struct sched *);

/* Sends what waits, watches the deadline; gives the next instant, or NEVER. */
instant intake_pump(struct sched *);

/* --- deliveries, local and remote: dispatch.c ----------------------------------- */

void dispatch_init(struct sched *);

/* Takes a rcpt that is RCPT_BUSY; attempt_verdict or attempt_untried ends it. */
void dispatch_submit(struct sched *, struct rcpt *);

/* Goes on with all deliveries; gives the next instant, or NEVER. */
instant dispatch_pump(struct sched *);

/* If the destination of that name is dead, it is looked at now; or all are. */
void dispatch_hurry(struct sched *, struct span name);
void dispatch_hurry_all(struct sched *);

/* --- the conversation with smtpd-bounce: bouncer.c ------------------------------ */

#define BOUNCER_SLOTS 4     /* conversations at once */
#define BOUNCER_RCPTS 1000  /* recipients in one notice; more get another */
#define BOUNCER_ANSWER 1024 /* octets of one answer */
#define BOUNCER_PATIENCE 4  /* times helper_timeout: it injects mail */

struct bouncer_slot {
	struct chan chan; /* in.fd -1: not in use */
	struct job *job;
	struct sbuf out;
	instant deadline;
	char in[BOUNCER_ANSWER];
};

struct bouncer {
	struct bouncer_slot slot[BOUNCER_SLOTS];
	struct job *head, **tail; /* jobs that wait for a slot */
	unsigned nbusy;
	instant again; /* smtpd-bounce is not dialled before */
	bool failing;  /* it was logged that it cannot be reached */
};

void bouncer_init(struct bouncer *);

/* Queues the job's notice; LIFE_NOTICED, or not, comes later. The job must stay. */
void bouncer_ask(struct sched *, struct job *);

/* Starts what waits, ends what is late; the next instant, or NEVER. */
instant bouncer_pump(struct sched *);

/* --- syncing logs without waiting: sync.c ---------------------------------------- */

#define SYNC_INFLIGHT 32 /* logs that the child has at once */

enum sync_state {
	SYNC_NONE,
	SYNC_LINE,
	SYNC_SENT,
	SYNC_AGAIN, /* sent, and records were added since */
};

/* One log at the child; answers come in the same order. */
struct sync_sent {
	struct job *job; /* NULL: gone meanwhile */
	int fd, dir;     /* kept for a child that comes after; dir or -1 */
};

struct sync {
	int fd;                   /* to the child; -1: there is none */
	struct job *head, **tail; /* jobs that wait to be sent */
	struct sync_sent sent[SYNC_INFLIGHT];
	unsigned first, nsent, nwritten; /* nwritten: given to this child */
	instant again;                   /* no new child before */
};

void sync_init(struct sync *);

/*
 * Starts the child. Call it first of all, so that a system without resources
 * is seen, and the child has none of our descriptors. conf NULL: we are
 * confined, and so is the child. False with errno.
 */
bool sync_start(struct sync *, const struct conf *) MUST_CHECK;

/* The log of the job is to be on disk: LIFE_SYNCED tells. */
void sync_ask(struct sched *, struct job *);

/* The job goes away. */
void sync_forget(struct sched *, struct job *);

/* The child's descriptor is readable. */
void sync_ready(struct sched *);

/* Sends what waits. Gives when it wants to be called again, or NEVER. */
instant sync_pump(struct sched *);

/* --- destinations in the operator's words, and paused ones: paused.c ------------- */

#define WHERE_MAX (ROUTE_MAX + 8)

/* Can it name a destination? Then it is a bounded word. */
bool where_is_valid(struct span where);

/* Is it where the rcpt goes, or the domain of its address? */
bool where_fits(struct span where, const struct conf *, const struct rcpt *);

/* Appends the name of the rcpt's struct dest; nothing when it is local. */
void where_dest(struct sbuf *, const struct conf *, const struct rcpt *);

#define PAUSED_MAX 1000
#define PAUSED_MS 3600000 /* mail that waits for one is looked at again */

struct pause {
	char *where; /* malloc'ed */
	uint32_t hash;
	uint64_t time; /* s of the wall clock */
};

struct paused {
	struct pause *at;
	size_t n;
	int fd;          /* the list in the queue, or -1 */
	uint64_t length; /* of what it holds */
};

/* Reads the list, and logs what is paused. */
void paused_init(struct sched *);

/* Is the rcpt to wait? A hash of what it waits for, never 0, or 0. */
uint32_t paused_for(const struct sched *, const struct rcpt *);

enum paused_result { PAUSED_DONE, PAUSED_ALREADY, PAUSED_FULL, PAUSED_IOERR };

enum paused_result paused_add(struct sched *, struct span where) MUST_CHECK;
enum paused_result paused_end(struct sched *, struct span where) MUST_CHECK;

/* --- orders of the operator: order.c; for one message: will.c --------------------- */

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
};
#define VERBS (VERB_RESUME + 1)

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

enum order_result {
	ORDER_DONE,
	ORDER_LATER,   /* after the current attempt */
	ORDER_REFUSED, /* *why says: it makes no sense here */
	ORDER_FAILED,  /* *why says: not now */
};

enum order_result will_order(struct sched *, struct message *,
    const struct order *, const char **why) MUST_CHECK;

/* --- the operator's socket: control.c ---------------------------------------------- */

#define CONTROL_CLIENTS 8 /* at once; more wait in line */
#define CONTROL_IN (ORDER_TEXT_MAX + ORDER_WHO_MAX + 64)

struct control_client {
	struct chan chan; /* in.fd -1: free */
	struct order order;
	struct sbuf out;
	instant deadline; /* it says, or reads, something until then */
	bool ended;       /* says no more */
	bool last;        /* closed when all is sent */
	char in[CONTROL_IN];
};

struct controls {
	int fd;    /* listening; -1: there is none */
	uid_t uid; /* ours */
	instant again;
	struct control_client client[CONTROL_CLIENTS];
};

/* Opens the socket. Without it mail goes its way all the same. */
void control_init(struct sched *);

/* Carries out what was said. Gives when it wants to be called again. */
instant control_pump(struct sched *);

/* --- the loop: smtpd-send.c ------------------------------------------------------- */

typedef void watch_ready(struct sched *, void *arg);

/* The descriptors that one turn of the loop waits for. */
struct watch {
	struct pollfd *fds;
	struct watcher {
		watch_ready *ready;
		void *arg;
	} * who;
	size_t n, cap;
};

/*
 * Adds one for this turn; -1 is none. Without memory it is left out until
 * there is some. A callback may end its own watcher, and no other one that is
 * ready.
 */
void watch_add(struct watch *w, int fd, short events, watch_ready *ready,
    void *arg);

/*
 * Opens a helper without waiting: a non-blocking descriptor, or -1 with
 * errno. EAGAIN: the backlog is full, try soon.
 */
int sched_dial(const char *helper, const struct conf *) MUST_CHECK;

/*
 * The socket of that type that systemd gives (LISTEN_FDS), or one made at path;
 * it does not block. -1 with errno. Call it under the queue's lock: no one else
 * uses a socket that is there. The umask leaves it to our user alone.
 */
int sched_socket(const char *path, int type) MUST_CHECK;

/* Each adds its descriptors. */
void bouncer_watch(struct sched *, struct watch *);
void control_watch(struct sched *, struct watch *);

static inline instant
sooner(instant a, instant b)
{
	return a < b ? a : b;
}

struct sched {
	const struct conf *conf;
	int queue;        /* the queue directory */
	instant now;      /* of this turn of the loop */
	uint64_t wall;    /* the same, us since 1970 */
	uint64_t started; /* wall us */
	struct clockwatch clock;
	struct table table;
	struct heap heap;
	size_t nrcpts;   /* of all jobs */
	size_t nopen;    /* descriptors of all jobs */
	size_t open_max; /* beyond, a waiting job gives its own up */
	instant pause;   /* no message is opened before */
	struct intake intake;
	struct transport local, remote;
	instant sweep; /* of remote destinations */
	struct bouncer bouncer;
	struct sync sync;
	struct paused paused;
	struct controls control;
	bool stopping;
};

#endif
