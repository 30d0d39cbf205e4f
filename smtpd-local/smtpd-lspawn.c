/* SPDX-License-Identifier: ISC */
/* smtpd-lspawn: starts smtpd-local as the user whose mail is delivered. */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "child.h"
#include "descriptors.h"
#include "frame.h"
#include "program.h"
#include "serve.h"

/*
 * A connection is first read, up to the end of its one frame U NAME and not
 * an octet further; then it may wait for its turn; then it is the child's,
 * and we keep a copy to say how the child died.
 */
#define REQUEST_MAX (1024 + 8)
#define REQUEST_MS 10000
#define KILL_MARGIN_MS 30000
#define PLACES_MORE 16		/* beside those of two schedulers */

enum place_state { PLACE_FREE, PLACE_READING, PLACE_WAITING, PLACE_RUNNING };

struct place {
	enum place_state state;
	int conn;
	instant deadline;
	pid_t pid;
	uid_t uid;
	char name[USER_NAME_MAX + 1];
	size_t len;
	char request[REQUEST_MAX];
};

struct spawner {
	const struct conf *conf;
	struct child_plan plan;
	int listener;		/* -1: none, or no longer */
	struct place *places;
	struct pollfd *polls;	/* the listener's, then one a place */
	size_t nplaces;
};

static volatile sig_atomic_t got_child, got_term;

static void
on_signal(int sig)
{
	if (sig == SIGCHLD)
		got_child = 1;
	else
		got_term = 1;
}

static void
vacate(struct place *p)
{
	close(p->conn);
	p->conn = -1;
	p->state = PLACE_FREE;
}

static void
refuse(struct place *p, char tag, const char *text)
{
	child_say(p->conn, tag, text);
	vacate(p);
}

/* Root, ourselves, and the owner of the queue: the scheduler. */
static bool
is_obeyed(const struct conf *conf, int conn)
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

static unsigned
running(const struct spawner *s, uid_t uid)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->nplaces; i++)
		n += s->places[i].state == PLACE_RUNNING &&
		    s->places[i].uid == uid;
	return n;
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
		refuse(p, 'X', "550 5.1.1 No such mailbox");
		return;
	case USER_CANNOT:
		warn_sys("cannot look up '%s'", p->name);
		refuse(p, 'Z', "451 4.3.0 Mailbox cannot be looked up now");
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
		refuse(p, 'Z', "451 4.3.0 Delivery cannot start now");
		return;
	}
	p->state = PLACE_RUNNING;
	p->deadline = clock_in(s->conf->local_timeout * 1000 +
	    KILL_MARGIN_MS);
}

static void
take_request(struct spawner *s, struct place *p, const struct frame *f)
{
	if (f->tag != 'U') {
		refuse(p, 'X', "554 5.5.0 Unknown request");
		return;
	}
	if (!user_name_valid(f->payload)) {
		refuse(p, 'X', "550 5.1.1 No such mailbox");
		return;
	}
	memcpy(p->name, f->payload.p, f->payload.n);
	p->name[f->payload.n] = '\0';
	p->deadline = clock_in(s->conf->local_timeout * 1000);
	start_delivery(s, p);
}

/* Takes n octets that were only looked at. */
static bool
consume(struct place *p, size_t n)
{
	return recv(p->conn, p->request + p->len, n, MSG_DONTWAIT) ==
	    (ssize_t)n;
}

/*
 * What stands behind the frame belongs to smtpd-local, and descriptors come
 * with it: so look first, and take the frame alone.
 */
static void
read_request(struct spawner *s, struct place *p)
{
	ssize_t n = recv(p->conn, p->request + p->len,
	    sizeof(p->request) - p->len, MSG_PEEK | MSG_DONTWAIT);
	enum frame_event event;
	struct frame f;
	size_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		vacate(p);
		return;
	}
	event = frame_parse(span_of(p->request, p->len + (size_t)n), &f,
	    &used);
	if (event == FRAME_READY && consume(p, used - p->len)) {
		take_request(s, p, &f);
	} else if (event == FRAME_MORE && consume(p, (size_t)n) &&
	    p->len + (size_t)n < sizeof(p->request)) {
		p->len += (size_t)n;
	} else {
		warn("a request is not one short frame");
		vacate(p);
	}
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
	if (is_obeyed(s->conf, conn)) {
		read_request(s, p);
		return;
	}
	warn("a connection of a user who is not obeyed was closed");
	refuse(p, 'X', "554 5.7.1 Not for you");
}

static void
accept_one(struct spawner *s)
{
	int conn = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	const struct timespec pause = { .tv_nsec = 100000000 };

	if (conn >= 0) {
		welcome(s, conn);
	} else if (errno != EAGAIN && errno != EINTR &&
	    errno != ECONNABORTED) {
		warn_sys("cannot accept a connection");
		(void)nanosleep(&pause, NULL);
	}
}

/*
 * An end that smtpd-local does not choose itself is told to the scheduler,
 * who counts what kills its deliveries. (0 done, 100 and 111: it has
 * answered, or end of file says it all.)
 */
static void
tell_end(const struct place *p, int status)
{
	char text[32];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal=%d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != EXIT_OK &&
	    WEXITSTATUS(status) != EXIT_PERM &&
	    WEXITSTATUS(status) != EXIT_TEMP)
		snprintf(text, sizeof(text), "exit=%d", WEXITSTATUS(status));
	else
		return;
	warn("delivery to '%s' died: %s", p->name, text);
	child_say(p->conn, 'D', text);
}

static void
reap(struct spawner *s)
{
	int status;
	pid_t pid;

	got_child = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < s->nplaces; i++) {
			struct place *p = &s->places[i];

			if (p->state != PLACE_RUNNING || p->pid != pid)
				continue;
			tell_end(p, status);
			vacate(p);
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
		vacate(p);
		break;
	case PLACE_WAITING:
		refuse(p, 'Z', "451 4.3.0 Too many deliveries to this user");
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

	s->polls[0] = (struct pollfd){ .fd = full ? -1 : s->listener,
		.events = POLLIN };
	for (size_t i = 0; i < s->nplaces; i++) {
		const struct place *p = &s->places[i];
		bool ours = p->state == PLACE_READING ||
		    p->state == PLACE_WAITING;

		s->polls[i + 1] = (struct pollfd){
			.fd = ours ? p->conn : -1,
			.events = p->state == PLACE_READING ? POLLIN : 0 };
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

		if (s->polls[i + 1].revents != 0) {
			if (p->state == PLACE_READING)
				read_request(s, p);
			else if (p->state == PLACE_WAITING)
				vacate(p);	/* the peer is gone */
		}
		if (p->state != PLACE_FREE && p->deadline <= now)
			too_late(p);
	}
	if (s->polls[0].revents != 0)
		accept_one(s);
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
			vacate(p);
	}
}

static void
loop(struct spawner *s, const sigset_t *open)
{
	instant first;

	while ((first = prepare(s)) != 0) {
		int ms = clock_left(first);
		struct timespec t = { .tv_sec = ms / 1000,
			.tv_nsec = ms % 1000 * 1000000L };
		int n = ppoll(s->polls, s->nplaces + 1, ms < 0 ? NULL : &t,
		    open);

		if (n < 0 && errno != EINTR)
			die_sys(EXIT_TEMP, "cannot wait for requests");
		if (got_child)
			reap(s);
		if (got_term)
			stop(s);
		else if (n >= 0)
			attend(s);
	}
}

/* They arrive in ppoll alone. */
static sigset_t
catch_signals(void)
{
	struct sigaction a = { .sa_handler = on_signal,
		.sa_flags = SA_NOCLDSTOP };
	sigset_t ours, before;

	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGCHLD);
	(void)sigaddset(&ours, SIGTERM);
	(void)sigaddset(&ours, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ours, &before);
	(void)sigaction(SIGCHLD, &a, NULL);
	(void)sigaction(SIGTERM, &a, NULL);
	(void)sigaction(SIGINT, &a, NULL);
	(void)sigdelset(&before, SIGCHLD);
	(void)sigdelset(&before, SIGTERM);
	(void)sigdelset(&before, SIGINT);
	return before;
}

/* The connection is moved off 0, which a child's will be. */
static int
connection(void)
{
	int conn = fcntl(0, F_DUPFD_CLOEXEC, 4), null;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (conn < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		die_sys(EXIT_TEMP, "cannot take over the connection");
	close(null);
	return conn;
}

static void
check_start(const struct conf *conf, const char *program)
{
	if (geteuid() == 0 && conf->mailbox_root[0] != '\0')
		die(EXIT_PERM, "mailbox_root is set: must not run as root");
	if (geteuid() != 0 && conf->mailbox_root[0] == '\0')
		die(EXIT_PERM, "must run as root to deliver to system users, "
		    "or with mailbox_root as an ordinary user");
	if (program[0] != '/' || access(program, X_OK) < 0)
		die(EXIT_PERM, "'%s' is not the absolute path of a program",
		    program);
	/* It holds for smtpd-local too: setuid files mean nothing to it. */
	if (strcmp(conf->confine, "off") != 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die_sys(EXIT_TEMP, "cannot set no_new_privs");
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	struct spawner s = { .conf = &conf };
	int first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
	    "smtpd-local");
	sigset_t open;

	if (first + 1 != argc)
		die(EXIT_PERM, "expected the path of smtpd-local and no more");
	check_start(&conf, argv[first]);
	s.listener = serve_listener();
	s.nplaces = descriptors_for(2 * conf.local_concurrency + PLACES_MORE);
	s.places = calloc(s.nplaces, sizeof(*s.places));
	s.polls = calloc(s.nplaces + 1, sizeof(*s.polls));
	if (s.places == NULL || s.polls == NULL ||
	    !child_plan(&s.plan, argv[first], &conf))
		die_sys(EXIT_TEMP, "cannot start");
	open = catch_signals();
	if (s.listener < 0)
		welcome(&s, connection());
	loop(&s, &open);
	return EXIT_OK;
}
