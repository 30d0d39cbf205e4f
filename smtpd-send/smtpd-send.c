/* SPDX-License-Identifier: ISC */
/* The scheduler: takes messages from the queue and has them delivered. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "confine.h"
#include "helper.h"
#include "log.h"
#include "program.h"
#include "scheduler.h"

#define WATCH_MIN 64
#define STOP_MS 5000    /* for running deliveries, after SIGTERM */
#define OPEN_AT_ONCE 32 /* messages begun in one turn of the loop */
#define OPEN_MAX 4000   /* descriptors of messages that wait */
#define OPEN_MAX_LEAST 256
#define BACKLOG 16 /* of smtpd-ctl */
#define GIVEN_FD 3
#define GIVEN_MAX 2 /* for hints, for the operator */

static volatile sig_atomic_t got_term, got_hup;

static void
on_signal(int signal)
{
	if (signal == SIGHUP)
		got_hup = 1;
	else
		got_term++;
}

/* They are blocked except while the loop waits, so that none is missed. */
static void
sched_take_signals(sigset_t *waiting)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction a = { .sa_handler = on_signal };
	sigset_t block;

	(void)sigemptyset(&block);
	for (size_t i = 0; i < nitems(ours); i++) {
		(void)sigaddset(&block, ours[i]);
		(void)sigaction(ours[i], &a, NULL);
	}
	(void)signal(SIGCHLD, SIG_IGN); /* children are never waited for */
	(void)sigprocmask(SIG_BLOCK, &block, waiting);
	for (size_t i = 0; i < nitems(ours); i++)
		(void)sigdelset(waiting, ours[i]);
}

/*
 * The helpers are dialled again and again, so socket() and connect() stay, for
 * UNIX sockets; with helpers that are sockets nothing is ever exec'd. A helper
 * that is a command (as tests have it) would inherit the confinement, down to
 * smtpd-local, which has to write a Maildir: then nothing is confined.
 */
static void
sched_confine(const struct conf *conf)
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

	if (helper_is_command(conf->rcpt) || helper_is_command(conf->lspawn) ||
	    helper_is_command(conf->remote) || helper_is_command(conf->bouncer))
		return;
	confine(&keep, conf);
}

static bool
watch_grow(struct watch *w)
{
	size_t cap = w->cap > 0 ? w->cap * 2 : WATCH_MIN;
	void *fds = reallocarray(w->fds, cap, sizeof(*w->fds)), *who;

	if (fds == NULL)
		return false;
	w->fds = fds;
	who = reallocarray(w->who, cap, sizeof(*w->who));
	if (who == NULL)
		return false;
	w->who = who;
	w->cap = cap;
	return true;
}

void
watch_add(struct watch *w, int fd, short events, watch_ready *ready, void *arg)
{
	if (fd == -1 || (w->n == w->cap && !watch_grow(w)))
		return;
	w->fds[w->n] = (struct pollfd){ fd, events, 0 };
	w->who[w->n++] = (struct watcher){ ready, arg };
}

/* --- sockets ---------------------------------------------------------------------- */

static int
sched_close(int fd)
{
	int saved = errno;

	if (fd != -1)
		(void)close(fd);
	errno = saved;
	return -1;
}

/* For bind or connect; -1 with errno. */
static int
sched_open_unix(const char *path, int type, struct sockaddr_un *sun)
{
	size_t n = strlen(path);

	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	errno = n == 0 ? ENOENT : ENAMETOOLONG;
	if (n == 0 || n >= sizeof(sun->sun_path))
		return -1;
	memcpy(sun->sun_path, path, n);
	return socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int
sched_dial(const char *spec, const struct conf *conf)
{
	struct sockaddr_un sun;
	int fd;

	if (helper_is_command(spec)) {
		fd = helper_open(spec, conf);
		if (fd != -1 && fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
			return sched_close(fd);
		return fd;
	}
	fd = sched_open_unix(spec, SOCK_STREAM, &sun);
	if (fd == -1 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		return sched_close(fd);
	return fd;
}

static bool
sched_is_socket(int fd, int type)
{
	socklen_t n = sizeof(int);
	int t;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &t, &n) == 0 && t == type;
}

static int
sched_given_socket(int type)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	uint32_t fds, v;

	if (n == NULL || pid == NULL ||
	    !span_u32(span_str(n), GIVEN_MAX, &fds) ||
	    !span_u32(span_str(pid), INT32_MAX, &v) || (pid_t)v != getpid())
		return -1;
	for (int fd = GIVEN_FD; fd < GIVEN_FD + (int)fds; fd++)
		if (sched_is_socket(fd, type) &&
		    fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
		    fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
			return fd;
	return -1;
}

int
sched_socket(const char *path, int type)
{
	int fd = sched_given_socket(type);
	struct sockaddr_un sun;
	struct stat st;

	if (fd != -1)
		return fd;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && unlink(path) == -1)
		return -1;
	fd = sched_open_unix(path, type, &sun);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) == -1))
		return sched_close(fd);
	return fd;
}

/* --- the loop ---------------------------------------------------------------------- */

/* As many as we may; half of them for messages that wait for their turn. */
static size_t
sched_raise_open_files(void)
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
sched_see_clock(struct sched *s)
{
	s->now = clock_now();
	s->wall = clock_wall_us();
	if (clockwatch_jumped(&s->clock, s->now, s->wall / 1000000))
		warn("the clock was set: nothing expires for an hour");
}

/* When a message may be opened: now, later, or NEVER (an answer makes room). */
static instant
sched_next_due(const struct sched *s)
{
	const struct message *m = heap_top(&s->heap);

	if (m == NULL || s->stopping || s->intake.njobs >= INTAKE_JOBS ||
	    (s->nrcpts > SCHED_RCPTS_MAX && s->intake.njobs > 0))
		return NEVER;
	return m->due > s->pause ? m->due : s->pause;
}

static void
sched_open_due(struct sched *s)
{
	for (unsigned i = 0; i < OPEN_AT_ONCE && sched_next_due(s) <= s->now;
	     i++) {
		life_event(s, heap_top(&s->heap), LIFE_DUE);
	}
}

static void
hints_ready(struct sched *s, void *arg)
{
	spool_find_hinted(s, *(const int *)arg);
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
watch_transport(struct watch *w, const struct transport *t)
{
	for (struct slot *p = t->oldest; p != NULL; p = p->next)
		watch_add(w, p->chan.in.fd, POLLIN, transport_ready, p);
}

static void
sched_fill_watch(struct sched *s, struct watch *w, int *hints)
{
	w->n = 0;
	watch_add(w, *hints, POLLIN, hints_ready, hints);
	watch_add(w, intake_fd(&s->intake), POLLIN, rcpt_ready, NULL);
	watch_add(w, s->sync.fd, POLLIN, child_ready, NULL);
	watch_transport(w, &s->local);
	watch_transport(w, &s->remote);
	bouncer_watch(s, w);
	control_watch(s, w);
}

/* All that can go on without waiting; when it can again at the latest. */
static instant
sched_pump(struct sched *s, struct listing *listing)
{
	instant next = NEVER;

	if (!s->stopping)
		next = sooner(next, spool_find_more(s, listing));
	next = sooner(next, control_pump(s));
	sched_open_due(s);
	next = sooner(next, intake_pump(s));
	next = sooner(next, dispatch_pump(s));
	next = sooner(next, bouncer_pump(s));
	next = sooner(next, sync_pump(s));
	return sooner(next, sched_next_due(s));
}

static void
sched_tell(const char *event, const struct sched *s)
{
	struct logline l;

	log_begin(&l, NULL, event);
	log_num(&l, "messages", s->table.count);
	log_end(&l);
}

static void
sched_take_signal(struct sched *s, instant *stop)
{
	if (got_hup) {
		got_hup = 0;
		sched_tell("due-now", s);
		(void)life_make_all_due(s);
	}
	if (got_term && !s->stopping) {
		s->stopping = true;
		*stop = s->now + STOP_MS;
	}
}

static bool
sched_is_at_work(const struct sched *s)
{
	return s->local.nslots > 0 || s->remote.nslots > 0 ||
	    s->bouncer.nbusy > 0;
}

static void
sched_loop(struct sched *s, struct watch *w, int hints, const sigset_t *waiting)
{
	struct listing listing = { 0 };
	instant stop = NEVER, next;
	struct timespec t;
	int left, n;

	for (;;) {
		sched_take_signal(s, &stop);
		next = sooner(sched_pump(s, &listing), stop);
		if (s->stopping &&
		    (got_term > 1 || s->now >= stop || !sched_is_at_work(s)))
			return;
		sched_fill_watch(s, w, &hints);
		left = clock_left(next);
		t = (struct timespec){ left / 1000, left % 1000 * 1000000L };
		n = ppoll(w->fds, w->n, left == -1 ? NULL : &t, waiting);
		if (n == -1 && errno != EINTR)
			die_sys(EXIT_TEMP, "cannot wait");
		sched_see_clock(s);
		for (size_t i = 0; n > 0 && i < w->n; i++)
			if (w->fds[i].revents != 0)
				w->who[i].ready(s, w->who[i].arg);
	}
}

static void
sched_start(struct sched *s, const struct conf *conf)
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
	dispatch_init(s);
	bouncer_init(&s->bouncer);
	paused_init(s);
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
	s.open_max = sched_raise_open_files();
	sched_take_signals(&waiting);
	sched_start(&s, &conf);
	hints = sched_socket(conf.wakeup, SOCK_DGRAM);
	if (hints == -1)
		die_sys(errno == ENAMETOOLONG ? EXIT_PERM : EXIT_TEMP,
		    "wakeup: cannot create '%s'", conf.wakeup);
	control_init(&s);
	confine_report();
	sched_confine(&conf);
	spool_find_all(&s);
	sched_tell("started", &s);
	sched_loop(&s, &w, hints, &waiting);
	sched_tell("stopped", &s);
	return EXIT_OK;
}
