/* SPDX-License-Identifier: ISC */
/* smtpd-lspawn: starts smtpd-local as the user whose mail is delivered. */
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "confine.h"
#include "frame.h"
#include "program.h"
#include "serve.h"
#include "user.h"

#define NICE 10
#define REQUEST_MAX (1024 + 8) /* one frame on the wire */
#define REQUEST_MS 10000
#define KILL_MARGIN_S 30
#define PLACES_MORE 80 /* for slow deliveries, beside two schedulers' */

/*
 * A connection, from its request to the end of its child. It is first read, up
 * to the end of its one frame U NAME and not an octet further. Then it may wait
 * for its turn. Then it is the child's, and we keep a copy to report how the
 * child died.
 */
enum place_state { PLACE_FREE, PLACE_READING, PLACE_WAITING, PLACE_RUNNING };

struct place {
	enum place_state state;
	struct chan chan;
	instant deadline;
	pid_t pid;
	uid_t uid;
	char name[USER_NAME_MAX + 1];
	char request[REQUEST_MAX];
};

struct lspawn {
	const struct conf *conf;
	struct child_plan plan;
	int listener; /* -1: none, or no longer */
	int signals;
	struct place *places;
	struct pollfd *polls; /* by POLL_..., then one a place */
	size_t nplaces;
};

/* --- a connection -------------------------------------------------------- */

/* Closes the connection; the place is free. */
static void
place_vacate(struct place *p)
{
	chan_close(&p->chan);
	p->state = PLACE_FREE;
}

/* The same after a last frame. */
static void
place_refuse(struct place *p, char tag, const char *text)
{
	(void)frame_say(p->chan.in.fd, tag, span_str(text));
	place_vacate(p);
}

/* Only root, ourselves and the owner of the queue (the scheduler) may ask. */
static bool
place_is_obeyed(const struct conf *conf, int conn)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);
	struct stat queue;

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	return stat(conf->queue, &queue) == 0 && peer.uid == queue.st_uid;
}

static bool
place_take(struct place *p, const struct frame *f)
{
	if (f->tag != 'U') {
		place_refuse(p, 'X', "554 5.5.0 Unknown request");
		return false;
	}
	if (!user_name_valid(f->payload)) {
		place_refuse(p, 'X', "550 5.1.1 No such mailbox");
		return false;
	}
	memcpy(p->name, f->payload.p, f->payload.n);
	p->name[f->payload.n] = '\0';
	return true;
}

/*
 * Reads what has come, without waiting. True: the request is whole and its name
 * is in p->name. False: more has to come, or the place was vacated. The octets
 * and descriptors after the frame belong to smtpd-local.
 */
static bool
place_read(struct place *p)
{
	struct frame f;

	switch (chan_next_alone(&p->chan, &f)) {
	case IO_OK:
		return place_take(p, &f);
	case IO_TIMEOUT:
		return false;
	case IO_ERROR:
		if (errno == EPROTO)
			warn("a request is malformed or too long");
		break;
	case IO_EOF:
		break;
	}
	place_vacate(p);
	return false;
}

/*
 * The child has ended. After 0, 100 and 111 it has answered, or its end of file
 * says enough. The scheduler is told of any other end: it counts what kills
 * its deliveries.
 */
static void
place_ended(struct place *p, int status)
{
	char text[32] = "";

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal=%d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != EXIT_OK &&
	    WEXITSTATUS(status) != EXIT_PERM &&
	    WEXITSTATUS(status) != EXIT_TEMP)
		snprintf(text, sizeof(text), "exit=%d", WEXITSTATUS(status));
	if (text[0] != '\0') {
		warn("delivery to '%s' died: %s", p->name, text);
		(void)frame_say(p->chan.in.fd, 'D', span_str(text));
	}
	place_vacate(p);
}

/* --- the loop ------------------------------------------------------------ */

enum { POLL_SIGNALS, POLL_LISTENER, POLL_PLACES };

static unsigned
lspawn_running(const struct lspawn *s, uid_t uid)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->nplaces; i++)
		n += s->places[i].state == PLACE_RUNNING &&
		    s->places[i].uid == uid;
	return n;
}

/*
 * smtpd-local ends by itself after local_timeout, between two messages. The
 * last message gets the same time again, at most KILL_MARGIN_S.
 */
static uint64_t
lspawn_kill_after(uint64_t timeout)
{
	return timeout + (timeout < KILL_MARGIN_S ? timeout : KILL_MARGIN_S);
}

/* Looks the user up, and again after the delivery had to wait. */
static void
lspawn_deliver(struct lspawn *s, struct place *p)
{
	struct user u;

	switch (user_find(s->conf, span_str(p->name), &u)) {
	case USER_FOUND:
		break;
	case USER_UNKNOWN:
		place_refuse(p, 'X', "550 5.1.1 No such mailbox");
		return;
	case USER_CANNOT:
		warn_sys("cannot look up '%s'", p->name);
		place_refuse(p, 'Z',
		    "451 4.3.0 Mailbox cannot be looked up now");
		return;
	}
	p->uid = u.uid;
	if (s->plan.drop &&
	    lspawn_running(s, u.uid) >= s->conf->user_concurrency) {
		p->state = PLACE_WAITING;
		return;
	}
	p->pid = child_start(&s->plan, &u, p->chan.in.fd);
	if (p->pid < 0) {
		warn_sys("cannot fork for '%s'", p->name);
		place_refuse(p, 'Z', "451 4.3.0 Delivery cannot start now");
		return;
	}
	p->state = PLACE_RUNNING;
	p->deadline = clock_in(lspawn_kill_after(s->conf->local_timeout) *
	    1000);
}

static void
lspawn_read(struct lspawn *s, struct place *p)
{
	if (!place_read(p))
		return;
	p->deadline = clock_in(s->conf->local_timeout * 1000);
	lspawn_deliver(s, p);
}

static struct place *
lspawn_free_place(struct lspawn *s)
{
	for (size_t i = 0; i < s->nplaces; i++) {
		if (s->places[i].state == PLACE_FREE)
			return &s->places[i];
	}
	return NULL;
}

static void
lspawn_welcome(struct lspawn *s, int conn)
{
	struct place *p = lspawn_free_place(s);

	chan_init_small(&p->chan, conn, p->request, sizeof(p->request));
	p->state = PLACE_READING;
	p->deadline = clock_in(REQUEST_MS);
	if (!place_is_obeyed(s->conf, conn)) {
		warn(
		    "refused a connection: only root and the queue's owner may ask");
		place_refuse(p, 'X', "554 5.7.1 Access denied");
		return;
	}
	lspawn_read(s, p);
}

static void
lspawn_accept(struct lspawn *s)
{
	int conn = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	const struct timespec pause = { .tv_nsec = 100000000 };

	if (conn >= 0) {
		lspawn_welcome(s, conn);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		warn_sys("cannot accept a connection");
		(void)nanosleep(&pause, NULL);
	}
}

static void
lspawn_reap(struct lspawn *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < s->nplaces; i++) {
			struct place *p = &s->places[i];

			if (p->state != PLACE_RUNNING || p->pid != pid)
				continue;
			place_ended(p, status);
		}
	}
	for (size_t i = 0; i < s->nplaces; i++) {
		if (s->places[i].state == PLACE_WAITING)
			lspawn_deliver(s, &s->places[i]);
	}
}

static void
place_expire(struct place *p)
{
	switch (p->state) {
	case PLACE_FREE:
		break;
	case PLACE_READING:
		warn("a request did not arrive in time");
		place_vacate(p);
		break;
	case PLACE_WAITING:
		place_refuse(p, 'Z',
		    "451 4.3.0 Too many deliveries to this user, try again later");
		break;
	case PLACE_RUNNING:
		/* Stopped, traced or stuck: no process can ignore SIGKILL. */
		warn("delivery to '%s' takes too long and is killed", p->name);
		(void)kill(p->pid, SIGKILL);
		p->deadline = NEVER;
		break;
	}
}

/* Fills polls; returns the first deadline, or 0 when nothing is left to do. */
static instant
lspawn_prepare(struct lspawn *s)
{
	bool full = lspawn_free_place(s) == NULL, busy = s->listener >= 0;
	instant first = NEVER;

	s->polls[POLL_SIGNALS] = (struct pollfd){ .fd = s->signals,
		.events = POLLIN };
	s->polls[POLL_LISTENER] = (struct pollfd){
		.fd = full ? -1 : s->listener, .events = POLLIN
	};
	for (size_t i = 0; i < s->nplaces; i++) {
		const struct place *p = &s->places[i];
		bool ours = p->state == PLACE_READING ||
		    p->state == PLACE_WAITING;

		s->polls[POLL_PLACES + i] = (struct pollfd){
			.fd = ours ? p->chan.in.fd : -1,
			.events = p->state == PLACE_READING ? POLLIN : 0
		};
		if (p->state == PLACE_FREE)
			continue;
		busy = true;
		if (p->deadline < first)
			first = p->deadline;
	}
	return busy ? first : 0;
}

static void
lspawn_attend(struct lspawn *s)
{
	instant now = clock_now();

	for (size_t i = 0; i < s->nplaces; i++) {
		struct place *p = &s->places[i];

		if (s->polls[POLL_PLACES + i].revents != 0) {
			if (p->state == PLACE_READING)
				lspawn_read(s, p);
			else if (p->state == PLACE_WAITING)
				place_vacate(p); /* the peer is gone */
		}
		if (p->state != PLACE_FREE && p->deadline <= now)
			place_expire(p);
	}
}

/* Accepts no more deliveries; the loop waits for the running ones. */
static void
lspawn_stop(struct lspawn *s)
{
	if (s->listener >= 0)
		close(s->listener);
	s->listener = -1;
	for (size_t i = 0; i < s->nplaces; i++) {
		struct place *p = &s->places[i];

		if (p->state == PLACE_READING || p->state == PLACE_WAITING)
			place_vacate(p);
	}
}

/* Several signals may arrive as one, so each kind is handled once. */
static void
lspawn_read_signals(struct lspawn *s)
{
	struct signalfd_siginfo info;
	bool child = false, end = false;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		child |= info.ssi_signo == SIGCHLD;
		end |= info.ssi_signo != SIGCHLD;
	}
	if (child)
		lspawn_reap(s);
	if (end)
		lspawn_stop(s);
}

static int
lspawn_open_signals(void)
{
	sigset_t ours;
	int fd;

	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGCHLD);
	(void)sigaddset(&ours, SIGTERM);
	(void)sigaddset(&ours, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ours, NULL);
	fd = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die_sys(EXIT_TEMP, "cannot wait for children");
	return fd;
}

static void
lspawn_start(struct lspawn *s, const struct conf *conf, const char *program)
{
	s->conf = conf;
	s->nplaces = program_descriptors(2 * conf->local_concurrency +
	    PLACES_MORE);
	s->places = calloc(s->nplaces, sizeof(*s->places));
	s->polls = calloc(POLL_PLACES + s->nplaces, sizeof(*s->polls));
	if (s->places == NULL || s->polls == NULL ||
	    !child_plan(&s->plan, program, conf))
		die_sys(EXIT_TEMP, "cannot start");
	s->signals = lspawn_open_signals();
}

/*
 * Serves the clients of listener (-1: none) and conn (-1: none). Returns when
 * nothing is left to serve: after SIGTERM, when the running deliveries have
 * ended.
 */
static void
lspawn_loop(const struct conf *conf, const char *program, int listener,
    int conn)
{
	static struct lspawn s;
	instant first;

	s.listener = listener;
	lspawn_start(&s, conf, program);
	if (conn >= 0)
		lspawn_welcome(&s, conn);
	while ((first = lspawn_prepare(&s)) != 0) {
		if (poll(s.polls, POLL_PLACES + s.nplaces, clock_left(first)) <
		    0) {
			if (errno != EINTR)
				die_sys(EXIT_TEMP, "cannot wait for requests");
			continue;
		}
		lspawn_attend(&s);
		if (s.polls[POLL_LISTENER].revents != 0)
			lspawn_accept(&s);
		if (s.polls[POLL_SIGNALS].revents != 0)
			lspawn_read_signals(&s);
	}
}

/* --- the start ----------------------------------------------------------- */

/* Moves the connection off 0, where a child will have its own. */
static int
lspawn_connection(void)
{
	int conn = fcntl(0, F_DUPFD_CLOEXEC, 4), null;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (conn < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		die_sys(EXIT_TEMP, "cannot take over the connection");
	close(null);
	return conn;
}

static void
lspawn_check_start(const struct conf *conf, const char *program)
{
	if (geteuid() == 0 && conf->mailbox_root[0] != '\0')
		die(EXIT_PERM, "mailbox_root is set: must not run as root");
	if (geteuid() != 0 && conf->mailbox_root[0] == '\0')
		die(EXIT_PERM,
		    "must run as root to deliver to system users, "
		    "or with mailbox_root as an ordinary user");
	if (program[0] != '/' || access(program, X_OK) < 0)
		die(EXIT_PERM, "'%s' is not the absolute path of a program",
		    program);
}

/* This also confines smtpd-local: it gains nothing from setuid files. */
static const struct confine keep = { .kind = CONFINE_SPAWNERS };

/*
 * Incoming mail goes before mail that is already queued: deliveries get the
 * processor time that it leaves, and do not interrupt it.
 */
static void
lspawn_step_back(void)
{
	static const struct sched_param none = { 0 };

	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	int first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
		"smtpd-local"),
	    listener;

	if (first + 1 != argc)
		die(EXIT_PERM, "expected one operand, the path of smtpd-local");
	lspawn_check_start(&conf, argv[first]);
	listener = serve_listener();
	lspawn_step_back();
	if (listener >= 0)
		confine_report();
	confine(&keep, &conf);
	user_check_sentinel(&conf);
	lspawn_loop(&conf, argv[first], listener,
	    listener < 0 ? lspawn_connection() : -1);
	return EXIT_OK;
}
