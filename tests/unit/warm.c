/* SPDX-License-Identifier: ISC */
/* Warm helpers: who serves a connection, with which files, and how many. */
#include "warm-server.h"

static void
forks(void)
{
	struct seen a, b;

	start("one", "10");
	a = served();
	is_str(a.greeting, "hello one\n", "it was greeted");
	b = served();
	ok(a.warm == b.warm && a.pid != b.pid && a.warm != keeper,
	    "a child each of one warm process");
	ok(is_where(&a, &b), "which all have the same addresses");
	leave(&a);
	kill_by(&b, "#100\n");
	a = served();
	kill_by(&a, "#111\n");
	a = served();
	ok(is_where(&a, &b), "after exit 0, 100 and 111 too");
	is_str(a.fds, " 0 1 2 4\n", "with no descriptors but theirs");
	leave(&a);
	stop();
}

/* --- changed files ------------------------------------------------------- */

static void
changes(void)
{
	static const struct timespec past[] = { { 1, 0 }, { 1, 0 } };
	struct seen a, b;
	char other[64];

	start("one", "10");
	a = served();
	write_file(file, "two");
	is_served_by("two", "what is written counts at once");
	ok(is_alive(&a), "a conversation under way goes on");
	leave(&a);
	a = served();
	b = served();
	ok(a.warm == b.warm, "the file is the same: so is the process");
	leave(&b);
	(void)utimensat(AT_FDCWD, file, past, 0);
	b = served();
	ok(a.warm != b.warm, "another time of the file");
	leave(&a);
	leave(&b);
	(void)snprintf(other, sizeof(other), "%s/other", dir);
	write_file(other, "ten");
	(void)utimensat(AT_FDCWD, other, past, 0);
	(void)rename(other, file);
	is_served_by("ten", "another file under its name");
	stop();
}

static void
broken(void)
{
	start("one", "10");
	is_served_by("one", "before");
	write_file(file, "broken");
	for (int i = 0; i < 20; i++)
		is_served_by("one", "the old one goes on");
	is_num(count_said("is broken"), 1, "it is said once");
	shift->steady += 61;
	is_served_by("one", "a minute later");
	is_served_by("one", "and once more");
	is_num(count_said("is broken"), 2, "it is said again, once");
	write_file(file, "broken too");
	is_served_by("one", "broken in another way");
	is_num(count_said("is broken"), 3, "it is looked at");
	write_file(file, "two");
	is_served_by("two", "mended");
	(void)unlink(file);
	is_served_by("two", "a file that has gone");
	is_served_by("two", "and stays away");
	is_num(count_said("no file"), 1, "it is said once");
	write_file(file, "three");
	is_served_by("three", "and comes back");
	stop();
}

/* A file that changes at the very time at which it is read. */
static void
changes_again(void)
{
	start("changes", "10");
	is_served_by("changed", "changed while the first one started");
	write_file(file, "changes");
	is_served_by("changed", "while its successor did");
	write_file(file, "mends");
	is_served_by("mended", "broken when it was read, then mended");
	is_num(count_said("was broken"), 1, "it was tried once");
	write_file(file, "broken");
	write_file(file, "two");
	is_served_by("two", "two changes at once");
	stop();
}

static void
first_start(void)
{
	int c;

	start("broken", "10");
	is_num(ended(), EXIT_PERM << 8, "broken at the first start: exit 100");
	is_num(count_said("the file is broken"), 1, "and why");
	start("mends", "10");
	is_num(ended(), EXIT_PERM << 8, "it is not tried again");
	start("waits", "10");
	ok(children_become(keeper, 1), "the first start takes its time");
	(void)kill(keeper, SIGTERM);
	is_num(ended(), 0, "SIGTERM: exit 0");
	start("unwelcome", "10");
	c = dial();
	is_str(line(c), "hello unwelcome\n", "who is unwelcome is told so");
	ok(ends(c), "and that is all");
	(void)close(c);
	stop();
}

static void
clock_set_back(void)
{
	struct seen a, b;

	start("one", "10");
	shift->wall = -7200;
	write_file(file, "two");
	a = served();
	is_str(a.greeting, "hello two\n", "a file from times to come");
	b = served();
	ok(a.warm == b.warm, "is no reason to start anew each time");
	leave(&a);
	leave(&b);
	write_file(file, "three");
	is_served_by("three", "but when it has changed");
	stop();
}

/* --- age, number, descriptors -------------------------------------------- */

static void
age(void)
{
	struct seen a;

	start("one", "10");
	a = served();
	leave(&a);
	ok(!is_renewed(&a, 998), "not before 1,000 children");
	ok(is_renewed(&a, 200), "but then");
	a = served();
	shift->steady += 60 * 60 - 60;
	ok(!is_renewed(&a, 3), "not before an hour");
	shift->steady += 61;
	ok(is_renewed(&a, 200), "but then");
	ok(is_alive(&a), "a conversation that takes so long goes on");
	leave(&a);
	a = served();
	leave(&a);
	write_file(file, "broken");
	ok(!is_renewed(&a, 2500), "not while the file is broken");
	is_num(count_said("is broken"), 1, "which is said once");
	stop();
}

static unsigned
count_served(const int *c, size_t n)
{
	unsigned count = 0;

	for (size_t i = 0; i < n; i++)
		count += readable(c[i], 0);
	return count;
}

static bool
served_become(const int *c, size_t n, unsigned want)
{
	instant end = clock_in(20000);

	while (count_served(c, n) < want)
		if (clock_left(end) == 0)
			return false;
		else
			(void)poll(NULL, 0, 2);
	return true;
}

static void
limit(void)
{
	struct seen kept[19], a;
	int c[40];

	start("one", "20");
	for (size_t i = 0; i < nitems(c); i++)
		c[i] = silent();
	for (size_t i = 0; i < nitems(kept); i++)
		kept[i] = served();
	a = served();
	for (size_t i = 0; i < nitems(c); i++)
		say(c[i], "x\n");
	kill_by(&a, "!\n");
	ok(served_become(c, nitems(c), 1), "a crash, and one more is served");
	ok(waits(keeper) && waits(child_of(keeper)), "all has been seen");
	is_num(count_served(c, nitems(c)), 1,
	    "but who is served by a retired process counts");
	leave(&kept[0]);
	ok(served_become(c, nitems(c), 2), "until he leaves");
	for (size_t i = 1; i < nitems(kept); i++)
		leave(&kept[i]);
	for (size_t i = 0; i < nitems(c); i++)
		(void)close(c[i]);
	stop();
}

/* Nobody is served until it is known how many others are. */
static void
limit_at_once(void)
{
	struct seen a;
	int c, d;

	start("one", "2");
	a = served();
	write_file(file, "waits");
	c = dial();
	ok(children_become(keeper, 2), "a successor is on its way");
	signal_to(&a, SIGSTOP);
	ok(state_becomes(a.warm, 'T'), "the one before says nothing");
	write_file(gate, "");
	ok(!readable(c, 300), "nobody is served");
	signal_to(&a, SIGCONT);
	is_str(line(c), "hello waits\n", "until it does");
	say(c, "x\n");
	(void)line(c);
	is_str(line(c), "x\n", "then one more of two");
	d = dial();
	ok(!readable(d, 100), "and no third");
	leave(&a);
	is_str(line(d), "hello waits\n", "as long as there are two");
	(void)close(c);
	(void)close(d);
	stop();
}

static void
descriptors(void)
{
	struct seen a;

	start("one", "10");
	a = served();
	ok(has_fds(keeper, "socket pipe pipe anon_inode socket"),
	    "what the listener has");
	ok(has_fds(a.pid, "socket socket pipe /dev/null"), "what a child has");
	leave(&a);
	ok(children_become(a.warm, 0), "it ends");
	ok(has_fds(a.warm,
	       "socket pipe pipe socket /dev/null anon_inode anon_inode"),
	    "what the warm process has");
	stop();
}

/* Without a listener. */
static void
given(void)
{
	int sv[2], status;

	write_file(file, "one");
	for (int i = 0; i < 2; i++) {
		(void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv);
		if (fork() == 0) {
			(void)dup2(sv[1], 0);
			(void)dup2(sv[1], 1);
			(void)execl(self, self, "server", dir, "1",
			    (char *)NULL);
		}
		(void)close(sv[1]);
		if (i == 0) {
			say(sv[0], "x\n");
			is_str(line(sv[0]), "hello one\n",
			    "a connection is greeted");
			(void)line(sv[0]);
			is_str(line(sv[0]), "x\n", "and served");
			write_file(file, "unwelcome");
		} else {
			is_str(line(sv[0]), "hello unwelcome\n",
			    "an unwelcome one is greeted");
			ok(ends(sv[0]), "and that is all");
		}
		(void)close(sv[0]);
		(void)wait(&status);
		is_num(status, 0, "exit 0");
	}
}

int
main(int argc, char *argv[])
{
	int status;

	if (warm_serves(argc, argv, &status))
		return status;
	forks();
	changes();
	broken();
	changes_again();
	first_start();
	clock_set_back();
	age();
	limit();
	limit_at_once();
	descriptors();
	given();
	return warm_done();
}
