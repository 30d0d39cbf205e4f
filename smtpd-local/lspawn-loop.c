/* SPDX-License-Identifier: ISC */
/* Reads who is to get mail, starts the deliveries, ends those that hang. */
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "lspawn-loop.h"
#include "place.h"
#include "startup.h"

#define REQUEST_MS 10000
#define KILL_MARGIN_S 30
#define PLACES_MORE 80 /* beside two schedulers': their slow deliveries */

enum { POLL_SIGNALS, POLL_LISTENER, POLL_PLACES };

struct spawner {
	const struct conf *conf;
	struct child_plan plan;
	int listener; /* -1: none, or no longer */
	int signals;
	struct place *places;
	struct pollfd *polls; /* by POLL_..., then one a place */
	size_t nplaces;
};

static unsigned
running(const struct spawner *s, uid_t uid)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->nplaces; i++)
		n += s->places[i].state == PLACE_RUNNING &&
		    s->places[i].uid == uid;
	return n;
}

/*
 * smtpd-local ends by itself after local_timeout, between two messages: the
 * last of them gets as long again, at most KILL_MARGIN_S.
 */
static uint64_t
kill_after(uint64_t timeout)
{
	return timeout + (timeout < KILL_MARGIN_S ? timeout : KILL_MARGIN_S);
}

/* Looks the user up, also a second time when he had to wait. */
static void
start_delivery(struct spawner *s, struct place *p)
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
	if (s->plan.drop && running(s, u.uid) >= s->conf->user_concurrency) {
		p->state = PLACE_WAITING;
		return;
	}
	p->pid = child_start(&s->plan, &u, p->conn);
	if (p->pid < 0) {
		warn_sys("cannot fork for '%s'", p->name);
		place_refuse(p, 'Z', "451 4.3.0 Delivery cannot start now");
		return;
	}
	p->state = PLACE_RUNNING;
	p->deadline = clock_in(kill_after(s->conf->local_timeout) * 1000);
}

static void
read_request(struct spawner *s, struct place *p)
{
	if (!place_read(p))
		return;
	p->deadline = clock_in(s->conf->local_timeout * 1000);
	start_delivery(s, p);
}

static struct place *
free_place(struct spawner *s)
{
	for (size_t i = 0; i < s->nplaces; i++) {
		if (s->places[i].state == PLACE_FREE)
			return &s->places[i];
	}
	return NULL;
}

static void
welcome(struct spawner *s, int conn)
{
	struct place *p = free_place(s);

	p->conn = conn;
	p->state = PLACE_READING;
	p->len = 0;
	p->deadline = clock_in(REQUEST_MS);
	if (!place_is_obeyed(s->conf, conn)) {
		warn("a connection of a user who is not obeyed was closed");
		place_refuse(p, 'X', "554 5.7.1 Not for you");
		return;
	}
	read_request(s, p);
}

static void
accept_one(struct spawner *s)
{
	int conn = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	const struct timespec pause = { .tv_nsec = 100000000 };

	if (conn >= 0) {
		welcome(s, conn);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		warn_sys("cannot accept a connection");
		(void)nanosleep(&pause, NULL);
	}
}

static void
reap(struct spawner *s)
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
			start_delivery(s, &s->places[i]);
	}
}

static void
too_late(struct place *p)
{
	switch (p->state) {
	case PLACE_FREE:
		break;
	case PLACE_READING:
		warn("a request did not come in time");
		place_vacate(p);
		break;
	case PLACE_WAITING:
		place_refuse(p, 'Z',
		    "451 4.3.0 Too many deliveries to this user");
		break;
	case PLACE_RUNNING:
		/* Stopped, traced or stuck: it cannot refuse this one. */
		warn("delivery to '%s' takes too long: killed", p->name);
		(void)kill(p->pid, SIGKILL);
		p->deadline = NEVER;
		break;
	}
}

/* Fills polls; gives the first deadline, or 0 when nothing is left to do. */
static instant
prepare(struct spawner *s)
{
	bool full = free_place(s) == NULL, busy = s->listener >= 0;
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
			.fd = ours ? p->conn : -1,
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
attend(struct spawner *s)
{
	instant now = clock_now();

	for (size_t i = 0; i < s->nplaces; i++) {
		struct place *p = &s->places[i];

		if (s->polls[POLL_PLACES + i].revents != 0) {
			if (p->state == PLACE_READING)
				read_request(s, p);
			else if (p->state == PLACE_WAITING)
				place_vacate(p); /* the peer is gone */
		}
		if (p->state != PLACE_FREE && p->deadline <= now)
			too_late(p);
	}
}

/* No more new deliveries; those that run are waited for. */
static void
stop(struct spawner *s)
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

/* Several signals may be told as one: look at all that it can mean. */
static void
read_signals(struct spawner *s)
{
	struct signalfd_siginfo info;
	bool child = false, end = false;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		child |= info.ssi_signo == SIGCHLD;
		end |= info.ssi_signo != SIGCHLD;
	}
	if (child)
		reap(s);
	if (end)
		stop(s);
}

static int
open_signals(void)
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
start(struct spawner *s, const struct conf *conf, const char *program)
{
	s->conf = conf;
	s->nplaces = startup_descriptors(2 * conf->local_concurrency +
	    PLACES_MORE);
	s->places = calloc(s->nplaces, sizeof(*s->places));
	s->polls = calloc(POLL_PLACES + s->nplaces, sizeof(*s->polls));
	if (s->places == NULL || s->polls == NULL ||
	    !child_plan(&s->plan, program, conf))
		die_sys(EXIT_TEMP, "cannot start");
	s->signals = open_signals();
}

void
lspawn_loop(const struct conf *conf, const char *program, int listener,
    int conn)
{
	static struct spawner s;
	instant first;

	s.listener = listener;
	start(&s, conf, program);
	if (conn >= 0)
		welcome(&s, conn);
	while ((first = prepare(&s)) != 0) {
		if (poll(s.polls, POLL_PLACES + s.nplaces, clock_left(first)) <
		    0) {
			if (errno != EINTR)
				die_sys(EXIT_TEMP, "cannot wait for requests");
			continue;
		}
		attend(&s);
		if (s.polls[POLL_LISTENER].revents != 0)
			accept_one(&s);
		if (s.polls[POLL_SIGNALS].revents != 0)
			read_signals(&s);
	}
}
