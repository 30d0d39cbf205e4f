/* SPDX-License-Identifier: ISC */
/* The scheduler: takes messages from the queue and has them delivered. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "control.h"
#include "dial.h"
#include "find.h"
#include "program.h"
#include "spool.h"
#include "watch.h"

#define STOP_MS 5000    /* for running deliveries, after SIGTERM */
#define OPEN_AT_ONCE 32 /* messages begun in one turn of the loop */
#define OPEN_MAX 4000   /* descriptors of messages that wait */
#define OPEN_MAX_LEAST 256

static volatile sig_atomic_t got_term, got_hup;

static void
on_signal(int signal)
{
	if (signal == SIGHUP)
		got_hup = 1;
	else
		got_term++;
}

/* They are blocked but while the loop waits: none is missed in between. */
static void
take_signals(sigset_t *waiting)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction a = { .sa_handler = on_signal };
	sigset_t block;

	(void)sigemptyset(&block);
	for (size_t i = 0; i < nitems(ours); i++) {
		(void)sigaddset(&block, ours[i]);
		(void)sigaction(ours[i], &a, NULL);
	}
	(void)signal(SIGCHLD, SIG_IGN); /* nobody waits for a child here */
	(void)sigprocmask(SIG_BLOCK, &block, waiting);
	for (size_t i = 0; i < nitems(ours); i++)
		(void)sigdelset(waiting, ours[i]);
}

/*
 * The helpers are dialled again and again, so socket() and connect() stay, for
 * UNIX sockets; with helpers that are sockets nothing is ever exec'd. A helper
 * that is a command (as tests have it) would inherit the confinement, down to
 * smtpd-local that has to write a Maildir: then there is none.
 */
static void
confine_self(const struct conf *conf)
{
	const struct confine keep = {
		/* What the loop and a fork of musl or glibc call. */
		.calls = { SYS_openat, SYS_fstat, SYS_newfstatat, SYS_ftruncate,
		    SYS_fdatasync, SYS_fsync, SYS_flock, SYS_renameat,
		    SYS_renameat2, SYS_unlinkat, SYS_getdents64, SYS_fcntl,
		    SYS_statx, SYS_fchmod, SYS_socket, SYS_accept4,
		    SYS_socketpair, SYS_connect, SYS_recvmmsg, SYS_getsockopt,
		    SYS_nanosleep, SYS_clone, SYS_close_range, SYS_gettid,
		    SYS_getpid, SYS_set_tid_address, SYS_set_robust_list,
		    SYS_getrandom, SYS_fork, SYS_stat, SYS_open },
		.paths = { { conf->queue, CONFINE_WRITE } },
		.families = { AF_UNIX },
	};

	if (dial_is_command(conf->rcpt) || dial_is_command(conf->lspawn) ||
	    dial_is_command(conf->remote) || dial_is_command(conf->bouncer))
		return;
	confine(&keep, conf);
}

/* As many as we may; half of them for messages that wait for their turn. */
static size_t
raise_open_files(void)
{
	struct rlimit r = { .rlim_cur = OPEN_MAX_LEAST };

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
		(void)getrlimit(RLIMIT_NOFILE, &r);
	}
	return r.rlim_cur / 2 < OPEN_MAX ? r.rlim_cur / 2 : OPEN_MAX;
}

static void
see_clock(struct sched *s)
{
	s->now = clock_now();
	s->wall = clock_wall_us();
	if (clockwatch_jumped(&s->clock, s->now, s->wall / 1000000))
		warn("the clock was set: nothing expires for an hour");
}

/* When a message may be opened: now, later, or NEVER (an answer makes room). */
static instant
next_due(const struct sched *s)
{
	const struct message *m = heap_top(&s->heap);

	if (m == NULL || s->stopping || s->intake.njobs >= INTAKE_JOBS ||
	    (s->nrcpts > SCHED_RCPTS_MAX && s->intake.njobs > 0))
		return NEVER;
	return m->due > s->pause ? m->due : s->pause;
}

static void
open_due(struct sched *s)
{
	for (unsigned i = 0; i < OPEN_AT_ONCE && next_due(s) <= s->now; i++) {
		struct message *m = heap_top(&s->heap);

		heap_remove(&s->heap, m);
		job_open(s, m);
	}
}

static instant
earlier(instant a, instant b)
{
	return a < b ? a : b;
}

static void
hints_ready(struct sched *s, void *arg)
{
	find_hints(s, *(const int *)arg);
}

static void
rcpt_ready(struct sched *s, void *arg)
{
	(void)arg;
	intake_ready(s);
}

static void
child_ready(struct sched *s, void *arg)
{
	(void)arg;
	sync_ready(s);
}

static void
watch_slots(struct watch *w, const struct transport *t)
{
	for (struct slot *p = t->oldest; p != NULL; p = p->next)
		watch_add(w, p->fd, POLLIN, transport_ready, p);
}

static void
fill_watch(struct sched *s, struct watch *w, int *hints)
{
	w->n = 0;
	watch_add(w, *hints, POLLIN, hints_ready, hints);
	watch_add(w, intake_fd(&s->intake), POLLIN, rcpt_ready, NULL);
	watch_add(w, s->sync.fd, POLLIN, child_ready, NULL);
	watch_slots(w, &s->local);
	watch_slots(w, &s->remote);
	report_watch(s, w);
	control_watch(s, w);
}

/* All that can go on without waiting; when it can again at the latest. */
static instant
pump(struct sched *s, struct listing *listing)
{
	instant next = NEVER;

	if (!s->stopping)
		next = earlier(next, find_more(s, listing));
	next = earlier(next, control_pump(s));
	open_due(s);
	next = earlier(next, intake_pump(s));
	next = earlier(next, transport_pump(s, &s->local));
	next = earlier(next, remote_pump(s));
	next = earlier(next, report_pump(s));
	next = earlier(next, sync_pump(s));
	return earlier(next, next_due(s));
}

static void
tell(const char *event, const struct sched *s)
{
	struct logline l;

	log_begin(&l, NULL, event);
	log_num(&l, "messages", s->table.count);
	log_end(&l);
}

static void
take_word(struct sched *s, instant *stop)
{
	if (got_hup) {
		got_hup = 0;
		tell("due-now", s);
		find_due_now(s);
	}
	if (got_term && !s->stopping) {
		s->stopping = true;
		*stop = s->now + STOP_MS;
	}
}

static bool
is_at_work(const struct sched *s)
{
	return s->local.nslots > 0 || s->remote.nslots > 0 ||
	    s->reports.nbusy > 0;
}

static void
loop(struct sched *s, struct watch *w, int hints, const sigset_t *waiting)
{
	struct listing listing = { 0 };
	instant stop = NEVER, next;
	struct timespec t;
	int left, n;

	for (;;) {
		take_word(s, &stop);
		next = earlier(pump(s, &listing), stop);
		if (s->stopping &&
		    (got_term > 1 || s->now >= stop || !is_at_work(s)))
			return;
		fill_watch(s, w, &hints);
		left = clock_left(next);
		t = (struct timespec){ left / 1000, left % 1000 * 1000000L };
		n = ppoll(w->fds, w->n, left == -1 ? NULL : &t, waiting);
		if (n == -1 && errno != EINTR)
			die_sys(EXIT_TEMP, "cannot wait");
		see_clock(s);
		for (size_t i = 0; n > 0 && i < w->n; i++)
			if (w->fds[i].revents != 0)
				w->who[i].ready(s, w->who[i].arg);
	}
}

static void
start(struct sched *s, const struct conf *conf)
{
	s->conf = conf;
	/* Before the lock is ours, so that the child never has a copy of it. */
	sync_init(&s->sync);
	if (!sync_start(&s->sync, conf))
		die_sys(EXIT_TEMP, "cannot start the child that syncs");
	s->queue = spool_start(conf->queue);
	s->now = clock_now();
	s->wall = s->started = clock_wall_us();
	clockwatch_init(&s->clock, s->now, s->wall / 1000000);
	intake_init(&s->intake);
	local_init(s);
	remote_init(s);
	report_init(&s->reports);
	pause_init(s);
}

int
main(int argc, char *argv[])
{
	static struct sched s;
	static struct conf conf;
	static struct watch w;
	sigset_t waiting;
	int hints;

	if (program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED, "") != argc)
		die(EXIT_PERM, "it takes no operands");
	s.open_max = raise_open_files();
	take_signals(&waiting);
	start(&s, &conf);
	hints = find_hints_open(&conf);
	control_init(&s, find_given(SOCK_STREAM));
	confine_report();
	confine_self(&conf);
	find_all(&s);
	tell("started", &s);
	loop(&s, &w, hints, &waiting);
	tell("stopped", &s);
	return EXIT_OK;
}
