/* SPDX-License-Identifier: ISC */
/* Whole files, up to a limit, and secrets that others must not read. */
#include <errno.h>
#include <unistd.h>

#include "readfile.h"
#include "tap.h"

static char path[] = "/tmp/readfile-XXXXXX";

static void
put(size_t n, mode_t mode)
{
	int fd;

	(void)chmod(path, 0600);
	fd = open(path, O_WRONLY | O_TRUNC);
	for (size_t i = 0; i < n; i++)
		if (write(fd, "x", 1) != 1)
			abort();
	(void)fchmod(fd, mode);
	(void)close(fd);
}

static bool
reads(const char *name, enum readfile_kind kind, size_t max, size_t n)
{
	struct sbuf b;
	bool good;

	sbuf_init(&b, max);
	good = readfile(AT_FDCWD, name, kind, &b, NULL) && b.len == n;
	sbuf_free(&b);
	return good;
}

static void
lengths(void)
{
	static const size_t n[] = { 0, 1, 63, 64, 4095, 4096, 4097, 10000 };
	struct sbuf b;

	for (size_t i = 0; i < nitems(n); i++) {
		put(n[i], 0600);
		ok(reads(path, READFILE_REGULAR, n[i], n[i]), "%zu octets",
		    n[i]);
		if (n[i] > 0)
			ok(!reads(path, READFILE_ANY, n[i] - 1, 0) &&
				errno == EFBIG,
			    "%zu are too many", n[i]);
	}
	sbuf_init(&b, 10);
	sbuf_adds(&b, "ab");
	put(8, 0600);
	ok(readfile(AT_FDCWD, path, READFILE_ANY, &b, NULL) && b.len == 10 &&
		memcmp(b.s, "abxx", 4) == 0,
	    "it is appended");
	ok(!readfile(AT_FDCWD, path, READFILE_ANY, &b, NULL) && errno == EFBIG,
	    "up to the limit");
	sbuf_wipe(&b);
	ok(!reads("/dev/zero", READFILE_ANY, 9999, 0) && errno == EFBIG,
	    "a device without end");
	ok(reads("/dev/null", READFILE_ANY, 0, 0), "an empty one");
	ok(!reads("/proc/self/status", READFILE_ANY, 20, 0) && errno == EFBIG,
	    "a file that does not tell its size");
}

/* Twice from one descriptor, and a pipe. */
static void
descriptors(void)
{
	struct sbuf b;
	int fd, p[2];

	put(5000, 0400);
	fd = readfile_open(AT_FDCWD, path, READFILE_SECRET, NULL);
	sbuf_init(&b, 10000);
	ok(readfile_all(fd, &b) && readfile_all(fd, &b) && b.len == 10000,
	    "from the start each time");
	(void)close(fd);
	sbuf_reset(&b);
	if (pipe(p) == -1 || write(p[1], "abc", 3) != 3)
		abort();
	(void)close(p[1]);
	ok(readfile_all(p[0], &b) && strcmp(b.s, "abc") == 0, "a pipe");
	(void)close(p[0]);
	sbuf_free(&b);
}

static void
refused(const char *name, enum readfile_kind kind, int error, const char *text)
{
	struct sbuf b, why;

	sbuf_init(&b, 100);
	sbuf_init(&why, 200);
	sbuf_adds(&why, "it: ");
	ok(!readfile(AT_FDCWD, name, kind, &b, &why) && errno == error,
	    "refused: %s", text);
	is_str(why.s, text, "and told why");
	sbuf_free(&b);
	sbuf_free(&why);
}

static void
modes(void)
{
	static const struct {
		mode_t mode;
		bool secret, shared;
	} t[] = {
		{ 0400, true, true },
		{ 0600, true, true },
		{ 0440, false, true },
		{ 0640, false, true },
		{ 0660, false, false },
		{ 0450, false, false },
		{ 0404, false, false },
		{ 0602, false, false },
		{ 0401, false, false },
	};

	if (chown(path, geteuid(), getegid()) == -1)
		abort();
	for (size_t i = 0; i < nitems(t); i++) {
		put(1, t[i].mode);
		ok(reads(path, READFILE_SECRET, 1, 1) == t[i].secret,
		    "a secret of mode %04o", (unsigned)t[i].mode);
		ok(reads(path, READFILE_SHARED_SECRET, 1, 1) == t[i].shared,
		    "a shared one of mode %04o", (unsigned)t[i].mode);
		ok(reads(path, READFILE_REGULAR, 1, 1), "it is no secret");
	}
	put(1, 0644);
	refused(path, READFILE_SECRET, EPERM,
	    "it: mode 0644 lets others in: chmod 0400");
	refused("/dev/null", READFILE_SECRET, EPERM, "it: not a regular file");
	refused("/nonexistent", READFILE_ANY, ENOENT,
	    "it: No such file or directory");
	put(101, 0600);
	refused(path, READFILE_SECRET, EFBIG, "it: larger than 100 octets");
}

int
main(void)
{
	int fd = mkstemp(path);

	if (fd == -1)
		abort();
	(void)close(fd);
	lengths();
	descriptors();
	modes();
	(void)unlink(path);
	return done();
}
