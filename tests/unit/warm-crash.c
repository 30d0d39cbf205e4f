/* SPDX-License-Identifier: ISC */
/* Warm helpers: what dies, and that no connection is lost by it. */
#include "warm-server.h"

#include "warm.h"

static void
crash(const char *how, const char *said)
{
	struct seen a, b, c;

	start("one", "10");
	a = served();
	b = served();
	kill_by(&a, how);
	c = served();
	ok(c.warm != a.warm && is_elsewhere(&a, &c), "%s: a fresh warm process",
	    said);
	ok(is_alive(&b), "a conversation under way goes on");
	is_num(count_said(said), 1, "the death is logged");
	ok(count_said("warm process") == 0, "that of the warm one is none");
	leave(&b);
	ok(becomes_gone(a.warm), "the old one ends with its last child");
	leave(&c);
	stop();
}

static void
nobody_is_lost(void)
{
	struct seen a, who;
	int c[100], backlog[30];
	unsigned good = 0, moved = 0;

	start("one", "200");
	for (size_t i = 0; i < nitems(c); i++)
		c[i] = silent();
	a = served();
	ok(has_fds(a.pid, "socket socket pipe /dev/null"),
	    "a child has nothing of 100 silent connections");
	kill_by(&a, "!\n");
	for (size_t i = 0; i < nitems(backlog); i++)
		backlog[i] = dial();
	for (size_t i = 0; i < nitems(c); i++) {
		good += speak(c[i], &who);
		moved += who.warm != a.warm && is_elsewhere(&a, &who);
		(void)close(c[i]);
	}
	is_num(good, nitems(c), "all are served, and were greeted once");
	is_num(moved, nitems(c), "by a process that has not crashed");
	good = 0;
	for (size_t i = 0; i < nitems(backlog); i++) {
		good += begins(line(backlog[i]), "hello ") &&
		    speak(backlog[i], &who);
		(void)close(backlog[i]);
	}
	is_num(good, nitems(backlog), "so are those in line");
	stop();
}

/* Those that spoke, or left, while nobody could be served. */
static void
what_waits(void)
{
	struct seen a, who;
	int spoke[40], left[40];
	unsigned good = 0;

	start("one", "200");
	a = served();
	for (size_t i = 0; i < nitems(spoke); i++) {
		spoke[i] = silent();
		left[i] = silent();
	}
	write_file(file, "broken");
	kill_by(&a, "!\n");
	ok(becomes_said("is broken", 1), "a crash while the file is broken");
	for (size_t i = 0; i < nitems(spoke); i++) {
		say(spoke[i], "y\n");
		if (i % 2 == 0)
			(void)shutdown(left[i], SHUT_WR);
		else
			(void)close(left[i]);
	}
	ok(becomes_said("is broken", 2), "it is tried again");
	ok(!readable(spoke[0], 0), "nobody is served");
	write_file(file, "two");
	for (size_t i = 0; i < nitems(spoke); i++) {
		(void)line(spoke[i]);
		good += strcmp(line(spoke[i]), "y\n") == 0;
		(void)close(spoke[i]);
	}
	is_num(good, nitems(spoke), "when it is mended all are");
	good = 0;
	for (size_t i = 0; i < nitems(left); i += 2)
		good += ends(left[i]);
	is_num(good, nitems(left) / 2, "and those that left, have left");
	who = served();
	is_str(who.greeting, "hello two\n", "the mended file counts");
	leave(&who);
	ok(children_become(keeper, 1), "one warm process is left");
	stop();
}

static void
crashes(void)
{
	struct seen a, b = { 0 };
	unsigned good = 0, fresh = 0;

	start("one", "10");
	for (int i = 0; i < 1000; i++) {
		a = (struct seen){ .conn = silent() };
		good += speak(a.conn, &a);
		fresh += a.warm != b.warm && a.at[CANARY] != b.at[CANARY];
		kill_by(&a, "!\n");
		b = a;
	}
	is_num(good, 1000, "served 1,000 times, and died");
	is_num(fresh, 1000, "a fresh process each time");
	stop();
}

/* Each of the retired has a conversation that does not end. */
static void
long_conversations(void)
{
	static struct seen kept[150];
	struct seen a;
	unsigned good = 0;

	start("one", "200");
	for (size_t i = 0; i < nitems(kept); i++) {
		kept[i].conn = silent();
		(void)speak(kept[i].conn, &kept[i]);
		a.conn = silent();
		(void)speak(a.conn, &a);
		kill_by(&a, "#101\n");
	}
	is_served_by("one", "after 150 crashes");
	for (size_t i = 0; i < nitems(kept); i++) {
		good += is_alive(&kept[i]);
		leave(&kept[i]);
	}
	is_num(good, nitems(kept), "150 retired processes serve on");
	ok(children_become(keeper, 1), "and end");
	stop();
}

/* --- ends ---------------------------------------------------------------- */

static bool
is_refused(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool refused = connect(fd, (void *)&addr, sizeof(addr)) == -1 &&
	    errno == ECONNREFUSED;

	(void)close(fd);
	return refused;
}

static void
term(void)
{
	struct seen retired, crashed, a;
	int c;

	start("one", "10");
	retired = served();
	crashed = served();
	kill_by(&crashed, "!\n");
	a = served();
	c = silent();
	(void)kill(keeper, SIGTERM);
	ok(ends(c), "SIGTERM: the silent one is sent away");
	ok(is_refused(), "nobody listens");
	ok(is_alive(&a) && is_alive(&retired), "who is served is served on");
	(void)kill(keeper, SIGTERM);
	leave(&a);
	ok(becomes_gone(a.warm), "the warm process ends with its last child");
	ok(is_alive(&retired), "not before the retired one");
	is_num(waitpid(keeper, NULL, WNOHANG), 0, "nor does the listener");
	leave(&retired);
	is_num(ended(), 0, "then exit 0");
	(void)close(c);
}

static void
term_while_renewing(void)
{
	struct seen a;
	int c, d;

	start("one", "10");
	a = served();
	c = silent();
	write_file(file, "waits");
	d = dial();
	say(c, "x\n");
	ok(children_become(keeper, 2), "a successor is on its way");
	(void)kill(keeper, SIGTERM);
	ok(ends(c), "SIGTERM: who waits for it is sent away");
	ok(ends(d), "so is who is in line");
	ok(children_become(keeper, 1), "it is not waited for");
	ok(is_alive(&a), "who is served is served on");
	leave(&a);
	is_num(ended(), 0, "then exit 0");
	(void)close(c);
	(void)close(d);
}

static void
killed(void)
{
	struct seen a, b;
	int c;

	start("one", "10");
	a = served();
	signal_to(&a, SIGKILL);
	ok(becomes_gone(a.warm), "the warm process is killed");
	b = served();
	ok(is_alive(&a) && is_elsewhere(&a, &b), "another one comes");
	is_num(count_said("the warm process died: signal 9"), 1, "and why");
	leave(&a);
	a = served();
	signal_to(&a, SIGTERM);
	ok(is_renewed(&a, 200), "SIGTERM renews it");
	ok(is_alive(&a), "who is served is served on");
	leave(&a);
	leave(&b);
	a = served();
	c = silent();
	(void)kill(keeper, SIGKILL);
	is_num(ended(), SIGKILL, "the listener is killed");
	ok(ends(c), "the silent one is sent away");
	ok(is_refused(), "nobody listens");
	ok(is_alive(&a), "who is served is served on");
	leave(&a);
	ok(becomes_gone(a.warm), "then the warm process ends");
	(void)close(c);
}

/* --- bad timing ---------------------------------------------------------- */

static void
crash_while_renewing(void)
{
	struct seen a, b;
	int c;

	start("one", "10");
	a = served();
	b = served();
	c = silent();
	write_file(file, "waits");
	(void)close(dial());
	ok(children_become(keeper, 2), "a successor is on its way");
	kill_by(&a, "!\n");
	ok(becomes_said("died", 1), "a child dies");
	say(c, "x\n");
	write_file(gate, "");
	(void)line(c);
	is_str(line(c), "x\n", "who waited is served");
	a = served();
	is_str(a.greeting, "hello waits\n", "by the successor");
	ok(is_elsewhere(&a, &b) && is_alive(&b), "which is fresh");
	(void)close(c);

	(void)unlink(gate);
	write_file(file, "waits in vain");
	c = dial();
	ok(children_become(keeper, 3), "another one is on its way");
	kill_by(&a, "!\n");
	ok(becomes_said("died", 2), "a child dies");
	write_file(gate, "");
	ok(becomes_said("in vain", 2),
	    "the successor dies, and is tried again");
	ok(!readable(c, 0), "nobody is served");
	write_file(file, "two");
	is_str(line(c), "hello two\n", "until there is one");
	(void)close(c);
	leave(&b);
	stop();
}

/* It speaks at the very time at which nobody may be served any more. */
static void
all_at_once(void)
{
	struct seen a;
	int c, d;

	start("one", "10");
	a = served();
	c = silent();
	signal_to(&a, SIGSTOP);
	ok(state_becomes(a.warm, 'T'), "all that comes is seen at once");
	write_file(file, "broken");
	d = dial();
	say(c, "x\n");
	signal_to(&a, SIGCONT);
	(void)line(c);
	is_str(line(c), "x\n", "a word while a successor fails");
	is_str(line(d), "hello one\n", "and who has come meanwhile");
	is_num(count_said("is broken"), 1, "it has failed");
	(void)close(c);
	(void)close(d);
	write_file(file, "two");
	leave(&a);
	a = served();
	c = silent();
	signal_to(&a, SIGSTOP);
	ok(state_becomes(a.warm, 'T'), "all that comes is seen at once");
	say(a.conn, "!\n");
	ok(state_becomes(a.pid, 'Z'), "a child dies");
	say(c, "x\n");
	d = dial();
	signal_to(&a, SIGCONT);
	(void)line(c);
	is_str(line(c), "x\n", "a word at that time");
	is_str(line(d), "hello two\n", "and who has come meanwhile");
	ok(ends(a.conn), "it ends");
	leave(&a);
	(void)close(c);
	(void)close(d);
	stop();
}

static void
nobody_can_start(void)
{
	const struct rlimit less = { 3, 1024 }, enough = { 1000, 1024 };
	struct seen a;

	start("one", "10");
	a = served();
	write_file(file, "two");
	if (prlimit(keeper, RLIMIT_NOFILE, &less, NULL) == -1)
		abort();
	is_served_by("one", "where no successor can be started");
	is_num(count_said("cannot start"), 1, "it is said");
	is_served_by("one", "the old one goes on");
	is_num(count_said("cannot start"), 1, "it is said once");
	kill_by(&a, "!\n");
	ok(becomes_said("cannot start", 3), "after a crash it is tried on");
	if (prlimit(keeper, RLIMIT_NOFILE, &enough, NULL) == -1)
		abort();
	is_served_by("two", "until it can");
	stop();
}

static void
never_ready(void)
{
	struct seen a;
	int c;

	start("one", "10");
	a = served();
	write_file(file, "waits");
	c = dial();
	ok(children_become(keeper, 2), "a successor that does not get ready");
	ok(waits(keeper), "is waited for");
	ok(!readable(c, 0), "by who has come meanwhile");
	shift->steady += 61;
	(void)kill(keeper, SIGCHLD);
	is_str(line(c), "hello one\n", "a minute, then the old one goes on");
	is_num(count_said("is not ready after 60 s"), 1, "it is said");
	ok(children_become(keeper, 1) && is_alive(&a), "and is gone");
	leave(&a);
	(void)close(c);
	stop();
}

/* Another process of our user has too many descriptors under way. */
static pid_t
others_crowd(void)
{
	const struct rlimit few = { 20, 1024 };
	int sv[2], ready[2];
	pid_t pid;

	(void)pipe2(ready, O_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		if (setuid(USER) == -1 ||
		    prlimit(keeper, RLIMIT_NOFILE, &few, NULL) == -1 ||
		    socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == -1)
			_exit(1);
		for (int i = 0; i < 40; i++)
			if (!warm_send(sv[0], WARM_CONN, 0, 2))
				_exit(1);
		(void)!write(ready[1], "", 1);
		(void)pause();
	}
	(void)close(ready[1]);
	ok(readable(ready[0], 20000) && read(ready[0], sv, 1) == 1,
	    "descriptors of another process are under way");
	(void)close(ready[0]);
	return pid;
}

static void
crowd(void)
{
	struct seen a, who;
	int c[100];
	unsigned good = 0;
	pid_t others;

	if (getuid() != 0) {
		skipped("descriptors under way: not root");
		return;
	}
	become_user = true;
	start("one", "200");
	for (size_t i = 0; i < nitems(c); i++)
		c[i] = silent();
	a = served();
	others = others_crowd();
	kill_by(&a, "!\n");
	say(c[0], "x\n");
	ok(becomes_said("died", 1), "too many descriptors are under way");
	ok(!readable(c[0], 300), "those that are handed over wait");
	(void)kill(others, SIGKILL);
	(void)waitpid(others, NULL, 0);
	(void)line(c[0]);
	(void)line(c[0]);
	/* The first one has spoken. One that is lost costs 20 s. */
	for (size_t i = 1; i < nitems(c) && good == i - 1; i++)
		good += speak(c[i], &who);
	for (size_t i = 0; i < nitems(c); i++)
		(void)close(c[i]);
	is_num(good, nitems(c) - 1, "and are served");
	stop();
	become_user = false;
}

int
main(int argc, char *argv[])
{
	int status;

	if (warm_serves(argc, argv, &status))
		return status;
	crash("!\n", "died: signal=11");
	crash("#101\n", "died: exit=101");
	crash("#001\n", "died: exit=1");
	nobody_is_lost();
	what_waits();
	crashes();
	long_conversations();
	term();
	term_while_renewing();
	killed();
	crash_while_renewing();
	all_at_once();
	nobody_can_start();
	never_ready();
	crowd();
	return warm_done();
}
