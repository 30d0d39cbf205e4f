/* SPDX-License-Identifier: ISC */
/* The file of passwords: lines, look-ups, and who may read it. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../../smtpd-session/auth/pwfile.h"

#include "readfile.h"
#include "tap.h"

static char path[] = "/tmp/pwfile-XXXXXX";

static void
lines(void)
{
	static const struct {
		struct span line, user, hash;
		bool good;
	} cases[] = {
		{ SPAN("joe:$y$x"), SPAN("joe"), SPAN("$y$x"), true },
		{ SPAN("a b@c:h:more:x"), SPAN("a b@c"), SPAN("h"), true },
		{ SPAN(""), SPAN(""), SPAN(""), true },
		{ SPAN(" \t"), SPAN(""), SPAN(""), true },
		{ SPAN("# a: comment"), SPAN(""), SPAN(""), true },
		{ SPAN("joe"), SPAN(""), SPAN(""), false },
		{ SPAN(":hash"), SPAN(""), SPAN("hash"), false },
		{ SPAN("joe:"), SPAN("joe"), SPAN(""), false },
		{ SPAN(" joe:x"), SPAN(" joe"), SPAN("x"), false },
		{ SPAN("joe :x"), SPAN("joe "), SPAN("x"), false },
		{ SPAN("j\1e:x"), SPAN("j\1e"), SPAN("x"), false },
	};
	struct span user, hash;

	for (size_t i = 0; i < nitems(cases); i++) {
		ok(pwfile_line(cases[i].line, &user, &hash) == cases[i].good,
		    "line %zu", i);
		is_span(user, cases[i].user, "its user");
		is_span(hash, cases[i].hash, "its hash");
	}
}

static void
put(const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (write(fd, text, n) != (ssize_t)n || close(fd) != 0)
		abort();
}

static void
find(const char *text, const char *user, enum pwfile_result want,
    const char *hash)
{
	unsigned bad = 0;
	struct sbuf b;
	int fd;

	put(text, strlen(text));
	fd = readfile_open(AT_FDCWD, path, READFILE_SECRET, NULL);
	sbuf_init(&b, 4096);
	is_num(pwfile_find(fd, span_str(user), &b, &bad), want, "%s", user);
	is_str(b.s, hash, "the hash");
	is_num(bad, want == PWFILE_BAD ? 2 : 0, "the line");
	sbuf_free(&b);
	(void)close(fd);
}

static void
modes(void)
{
	static const struct {
		mode_t mode;
		bool good;
	} cases[] = { { 0400, true }, { 0600, true }, { 0640, false },
		{ 0604, false }, { 0620, false }, { 0644, false } };

	for (size_t i = 0; i < nitems(cases); i++) {
		int fd;

		(void)chmod(path, cases[i].mode);
		fd = readfile_open(AT_FDCWD, path, READFILE_SECRET, NULL);
		ok((fd != -1) == cases[i].good, "mode %o", cases[i].mode);
		if (fd != -1)
			(void)close(fd);
		else
			ok(errno == EPERM, "is what it says");
	}
	ok(readfile_open(AT_FDCWD, "/dev/null", READFILE_SECRET, NULL) == -1 &&
		errno == EPERM,
	    "no device");
	ok(readfile_open(AT_FDCWD, "/nonexistent", READFILE_SECRET, NULL) ==
		    -1 &&
		errno == ENOENT,
	    "none");
}

int
main(void)
{
	static char big[3 * PWFILE_LINE_MAX];
	unsigned bad;
	struct sbuf b;
	int fd = mkstemp(path);

	if (fd == -1)
		abort();
	lines();
	find("a:1\nb:2\n", "b", PWFILE_FOUND, "2");
	find("a:1\nb:2", "b", PWFILE_FOUND, "2");
	find("b:1\nb:2\n", "b", PWFILE_FOUND, "1");
	find("# x\na:1\nb:2\n", "c", PWFILE_UNKNOWN, "1");
	find("", "c", PWFILE_UNKNOWN, "");
	find("a:1\nnonsense\n", "c", PWFILE_BAD, "1");
	find("a:1\nB:2\n", "b", PWFILE_UNKNOWN, "1");
	memset(big, 'x', sizeof(big));
	put(big, sizeof(big));
	sbuf_init(&b, 4096);
	ok(pwfile_find(fd, SPAN("a"), &b, &bad) == PWFILE_IOERR,
	    "a line without end");
	sbuf_free(&b);
	modes();
	(void)unlink(path);
	return done();
}
