/* SPDX-License-Identifier: ISC */
/*
 * What smtpd-auth and smtpd-auth-file share: the conversation with a session.
 */
#include "auth.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include "conversation.h"
#include "helper.h"
#include "program.h"
#include "serve.h"

#define SPARE 64 /* more conversations than sessions */
#define PAUSE_MS 2000
#define PAUSE_RANDOM_MS 500

static const char refusal[] = "535 5.7.8 Authentication credentials invalid";
static const char later[] =
    "454 4.7.0 Temporary authentication failure, try again later";

static struct chan chan;
static struct chan_room room;
static struct auth_question question;

/* --- so many at once, over processes: what costs the processor is rationed --- */

/*
 * Locks on the octets of a file in memory, which all processes of a listener
 * inherit as one descriptor. The kernel frees the slot of a process that dies.
 */
#define SLOTS_FD 5

/* Seals tell the descriptor from another one that happens to be open. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static bool has_slots;

/* In the listener, before it starts others. */
static void
slot_make_all(void)
{
	int fd = memfd_create("slots", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	/* The number that is inherited is not close-on-exec, by intent. */
	if (fd == -1 || fcntl(fd, F_ADD_SEALS, SEALS) == -1)
		die_sys(EXIT_TEMP, "cannot create the slots");
	if (fd == SLOTS_FD ? fcntl(fd, F_SETFD, 0) == -1 :
			     dup2(fd, SLOTS_FD) == -1)
		die_sys(EXIT_TEMP, "cannot create the slots");
	if (fd != SLOTS_FD)
		(void)close(fd);
}

/* In its children. Without a listener there are no slots and no limit. */
static void
slot_open_all(void)
{
	has_slots = fcntl(SLOTS_FD, F_GET_SEALS) == SEALS &&
	    fcntl(SLOTS_FD, F_SETFD, FD_CLOEXEC) == 0;
}

static bool
slot_lock(unsigned octet, short type, int how)
{
	struct flock l = { .l_type = type,
		.l_whence = SEEK_SET,
		.l_start = octet,
		.l_len = type == F_UNLCK ? 0 : 1 };

	return fcntl(SLOTS_FD, how, &l) == 0;
}

static void
slot_wake(int sig)
{
	(void)sig;
}

/* Waits for one of n slots; false: it took longer than so many seconds. */
static bool
slot_take(unsigned n, unsigned seconds)
{
	struct sigaction sa = { .sa_handler = slot_wake }, before;
	unsigned first = (unsigned)getpid() % n;
	bool taken = !has_slots;

	for (unsigned i = 0; i < n && !taken; i++)
		taken = slot_lock((first + i) % n, F_WRLCK, F_SETLK);
	if (taken)
		return true;
	/* All are in use: wait for one of them. */
	(void)sigaction(SIGALRM, &sa, &before);
	(void)alarm(seconds);
	taken = slot_lock(first, F_WRLCK, F_SETLKW);
	(void)alarm(0);
	(void)sigaction(SIGALRM, &before, NULL);
	return taken;
}

static void
slot_release(void)
{
	if (has_slots)
		(void)slot_lock(0, F_UNLCK, F_SETLK);
}

/* --- the start ----------------------------------------------------------------- */

/* The uid of sessions; -1: no such user. Asked before confinement. */
static uid_t
auth_session_uid(const struct conf *conf)
{
	const struct passwd *pw = getpwnam(conf->session_user);

	serve_reads("/etc/passwd");
	return pw == NULL ? (uid_t)-1 : pw->pw_uid;
}

/* A pipe comes from the process that started us. */
static void
auth_check_peer(const struct conf *conf, uid_t ours, uid_t session)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(peer);

	if (getsockopt(0, SOL_SOCKET, SO_PEERCRED, &peer, &n) == -1) {
		if (errno == ENOTSOCK)
			return;
		die_sys(EXIT_TEMP, "cannot get the uid of the client");
	}
	if (peer.uid == (uid_t)-1 || (peer.uid != ours && peer.uid != session))
		die(EXIT_PERM, "uid %ld is not '%s': connection refused",
		    (long)(int)peer.uid, conf->session_user);
}

/* Each connection gets a process, which can take one of the slots. */
static void
auth_serve_sessions(char *argv[], int at, const struct conf *conf,
    const struct confine *keep)
{
	static struct serve_how how = { .start = SERVE_AT_FIRST_BYTE };

	how.limit = (unsigned)conf->max_sessions + SPARE;
	how.execs = argv[at + 1] != NULL || helper_is_command(argv[at]);
	if (keep != NULL)
		serve_warm(argv, &how);
	if (serve_listener() != -1)
		slot_make_all();
	if (keep == NULL)
		serve(argv, how.start, how.limit);
}

void
auth_start(struct auth *a, int argc, char *argv[], struct conf *conf,
    void (*prepare)(const struct conf *), const struct confine *keep)
{
	int at = program_start(argc, argv, conf, PROGRAM_UNPRIVILEGED,
	    "entrance ...");
	uid_t ours = getuid(), session;

	if (at == argc)
		die(EXIT_PERM,
		    "missing operand: the socket or program that takes users' mail");
	if (prepare != NULL)
		prepare(conf);
	auth_serve_sessions(argv, at, conf, keep);
	session = auth_session_uid(conf);
	if (keep != NULL)
		serve_connections(keep, conf);
	slot_open_all();
	auth_check_peer(conf, ours, session);
	a->conf = conf;
	a->entrance = helper_openv(argv + at, conf);
	if (a->entrance == -1)
		die_sys(EXIT_TEMP, "cannot reach '%s'", argv[at]);
	if (keep != NULL)
		serve_confine(keep, conf);
}

/* --- the conversation ---------------------------------------------------------- */

/* The client's address, for the log and for PAM. */
static void
auth_take_fact(struct span payload)
{
	struct span name, value;
	struct ip ip;

	if (envelope_fact(payload, &name, &value) &&
	    span_eq(name, SPAN("ip")) && ip_parse(value, &ip))
		ip_text(&ip, question.ip);
}

static bool
auth_is_odd(struct span user)
{
	for (size_t i = 0; i < user.n; i++)
		if ((unsigned char)user.p[i] < ' ' || user.p[i] == '\177')
			return true;
	return false;
}

/* False: no user can have such a name or password. */
static bool
auth_take_question(struct span payload)
{
	struct span user = span_cut(&payload, '\0'), word = payload;
	bool fine = user.n > 0 && user.n <= AUTH_USER_MAX &&
	    !auth_is_odd(user) && word.n > 0 && word.n <= AUTH_PASSWORD_MAX &&
	    span_find(word, '\0') == word.n;
	size_t n = user.n < AUTH_USER_MAX ? user.n : AUTH_USER_MAX;

	memcpy(question.user, user.p, n);
	question.user[n] = '\0';
	if (fine) {
		memcpy(question.password, word.p, word.n);
		question.password[word.n] = '\0';
	}
	question.why = fine ? "" : "malformed";
	return fine;
}

/*
 * The slot is for the work only, and is free again before the process sleeps.
 * SIGALRM ends a check that hangs; its session sees the end of file.
 */
static enum auth_verdict
auth_judge(const struct auth *a, struct span payload)
{
	unsigned patience = (unsigned)a->conf->helper_timeout;
	enum auth_verdict v;

	if (!auth_take_question(payload))
		return AUTH_NO;
	if (!slot_take((unsigned)a->conf->auth_concurrency, patience / 2 + 1)) {
		question.why = "too many at once";
		return AUTH_LATER;
	}
	(void)alarm(patience);
	v = a->check(&question, a->arg);
	(void)alarm(0);
	slot_release();
	return v;
}

static void
auth_log(enum auth_verdict v)
{
	static const char *const events[] = {
		[AUTH_YES] = "authenticated",
		[AUTH_NO] = "auth-failed",
		[AUTH_LATER] = "auth-deferred",
	};
	struct logline l;

	log_begin(&l, NULL, events[v]);
	log_str(&l, "ip", question.ip[0] == '\0' ? "unknown" : question.ip);
	log_str(&l, "user", question.user);
	if (question.why != NULL && question.why[0] != '\0')
		log_str(&l, "why", question.why);
	log_end(&l);
}

/* Waits until 2 to 2.5 s have passed since start, or twice that, ... */
static void
auth_delay(instant start)
{
	uint16_t r = 0;
	instant until;

	(void)!getrandom(&r, sizeof(r), 0);
	until = start + PAUSE_MS + r % (PAUSE_RANDOM_MS + 1);
	while (until < clock_now())
		until += PAUSE_MS;
	while (clock_left(until) > 0)
		(void)poll(NULL, 0, clock_left(until));
}

/*
 * Names the user on the connection before the session has it; smtpd-queue
 * believes the first such frame and no later one. The first frame of smtpd-
 * queue is left for the session to read.
 */
static enum io
auth_hand_over(struct auth *a, instant deadline)
{
	char mem[2 * AUTH_USER_MAX], text[2 * AUTH_USER_MAX];
	struct sbuf fact = SBUF_IN(text);
	struct sbuf frame = SBUF_IN(mem);
	enum io r;

	sbuf_adds(&fact, "user=");
	sbuf_adds(&fact, question.user);
	frame_add(&frame, 'C', sbuf_span(&fact));
	if (frame.bad || fact.bad)
		return IO_ERROR;
	r = io_write(a->entrance, frame.s, frame.len, deadline);
	if (r == IO_OK)
		r = chan_send_fd(&chan, 'K', span_str(question.user),
		    a->entrance, deadline);
	return r;
}

static void
auth_wipe(void)
{
	explicit_bzero(question.password, sizeof(question.password));
	explicit_bzero(chan.in.buf, chan.in.pos);
}

/* True: the conversation is over, and *r says how. */
static bool
auth_take_password(struct auth *a, struct span payload, unsigned *wrong,
    enum io *r)
{
	uint64_t patience = a->conf->helper_timeout * 1000;
	instant start = clock_now();
	enum auth_verdict v = auth_judge(a, payload);

	auth_wipe();
	auth_log(v);
	if (v != AUTH_YES)
		auth_delay(start);
	switch (v) {
	case AUTH_YES:
		*r = auth_hand_over(a, clock_in(patience));
		if (*r == IO_OK)
			*r = IO_EOF;
		return true;
	case AUTH_NO:
		*r = conversation_answer(&chan, 'X', span_str(refusal),
		    clock_in(patience));
		if (++*wrong == AUTH_TRIES && *r == IO_OK)
			*r = IO_EOF;
		break;
	case AUTH_LATER:
		*r = conversation_answer(&chan, 'Z', span_str(later),
		    clock_in(patience));
		break;
	}
	return *r != IO_OK;
}

int
auth_serve(struct auth *a)
{
	unsigned wrong = 0;
	struct frame f;
	enum io r;

	chan_init(&chan, &room, 0, 1);
	while ((r = chan_recv(&chan, &f, NEVER)) == IO_OK) {
		if (f.tag == 'C')
			auth_take_fact(f.payload);
		else if (f.tag == 'P' &&
		    auth_take_password(a, f.payload, &wrong, &r))
			break;
		else if (f.tag != 'P' && f.tag >= 'A' && f.tag <= 'Z')
			die(EXIT_PERM, "unexpected frame '%c'", f.tag);
	}
	if (r == IO_EOF)
		return EXIT_OK;
	warn_sys("conversation ended");
	return EXIT_TEMP;
}
