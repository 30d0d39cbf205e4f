/* SPDX-License-Identifier: ISC */
/* smtpd-passwd: sets and removes passwords of mail users. */
#include <sys/file.h>
#include <sys/stat.h>

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "auth.h"
#include "bufio.h"
#include "program.h"
#include "pwfile.h"
#include "readfile.h"

#define OWNER "smtpd-auth" /* owner of a file that root creates */
#define FILE_MAX_ (64 * 1024 * 1024)

static char password[AUTH_PASSWORD_MAX + 2];
static struct termios quiet_before;
static bool quiet;

static void
echo_on(void)
{
	if (quiet)
		(void)tcsetattr(0, TCSAFLUSH, &quiet_before);
	quiet = false;
}

/* Turns the echo of the terminal on again. */
static void
echo_interrupted(int sig)
{
	echo_on();
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static void
echo_off(void)
{
	struct termios t;

	if (tcgetattr(0, &quiet_before) == -1)
		return;
	t = quiet_before;
	t.c_lflag &= ~(tcflag_t)ECHO;
	(void)signal(SIGINT, echo_interrupted);
	(void)signal(SIGTERM, echo_interrupted);
	quiet = tcsetattr(0, TCSAFLUSH, &t) == 0;
}

/* Reads one line of the standard input, octet by octet, and no more. */
static void
passwd_read_line(const char *prompt)
{
	size_t n = 0;
	ssize_t r;
	char c;

	if (isatty(0)) {
		echo_off();
		(void)fprintf(stderr, "%s: ", prompt);
	}
	while ((r = read(0, &c, 1)) == 1 && c != '\n')
		if (n < sizeof(password) - 1)
			password[n++] = c;
	password[n] = '\0';
	if (quiet)
		(void)fputc('\n', stderr);
	echo_on();
	if (r == -1)
		die_sys(EXIT_TEMP, "cannot read the password");
	if (n == 0 || n > AUTH_PASSWORD_MAX || strlen(password) != n)
		die(EXIT_PERM, "a password must have 1 to %d octets and no NUL",
		    AUTH_PASSWORD_MAX);
}

static void
passwd_ask(void)
{
	char first[sizeof(password)];
	bool same = true;

	passwd_read_line("Password");
	if (isatty(0)) {
		memcpy(first, password, sizeof(first));
		passwd_read_line("Again");
		same = strcmp(first, password) == 0;
		explicit_bzero(first, sizeof(first));
	}
	if (!same)
		die(EXIT_PERM, "the passwords do not match");
}

static void
passwd_hash(struct sbuf *out)
{
	static struct crypt_data data;
	char *setting = crypt_gensalt_ra("$y$", 0, NULL, 0);
	const char *hash;

	if (setting == NULL)
		die_sys(EXIT_TEMP, "cannot create a salt");
	hash = crypt_r(password, setting, &data);
	if (hash == NULL || hash[0] == '*')
		die_sys(EXIT_TEMP, "cannot hash the password");
	sbuf_adds(out, hash);
	explicit_bzero(password, sizeof(password));
	explicit_bzero(&data, sizeof(data));
	free(setting);
}

/* Reads the whole file; a missing one is empty. */
static void
passwd_read_file(const char *path, struct sbuf *text, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	st->st_nlink = 0;
	if (fd == -1 && errno == ENOENT)
		return;
	if (fd == -1 || fstat(fd, st) == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", path);
	if (!readfile_all(fd, text))
		die_sys(EXIT_TEMP, "cannot read '%s'", path);
	(void)close(fd);
}

/* Copies the text with a new entry for the user, or without any. */
static bool
passwd_edit(struct span text, struct span user, struct span hash,
    struct sbuf *out)
{
	bool had = false;

	while (text.n > 0) {
		struct span line = span_cut(&text, '\n'), name, its;

		if (pwfile_line(line, &name, &its) && name.n > 0 &&
		    span_eq(name, user)) {
			had = true;
			continue;
		}
		sbuf_addspan(out, line);
		sbuf_putc(out, '\n');
	}
	if (hash.n > 0) {
		sbuf_addspan(out, user);
		sbuf_putc(out, ':');
		sbuf_addspan(out, hash);
		sbuf_putc(out, '\n');
	}
	return had;
}

/* The new file gets the owner of the old one, or its reader as owner. */
static void
passwd_give_to_owner(int fd, const struct stat *before)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return;
	if (before->st_nlink > 0) {
		if (fchown(fd, before->st_uid, before->st_gid) == -1)
			die_sys(EXIT_TEMP,
			    "cannot change the owner of the file");
		return;
	}
	pw = getpwnam(OWNER);
	if (pw == NULL)
		die(EXIT_PERM,
		    "cannot give the file to user '%s': no such user", OWNER);
	if (fchown(fd, pw->pw_uid, pw->pw_gid) == -1)
		die_sys(EXIT_TEMP, "cannot change the owner of the file");
}

/* Replaces the file as a whole, so that there is never half of one. */
static void
passwd_write_file(const char *path, struct span text, const struct stat *before)
{
	char new[PATH_MAX];
	int fd, n = snprintf(new, sizeof(new), "%s.XXXXXX", path);

	if (n < 0 || (size_t)n >= sizeof(new))
		die(EXIT_PERM, "'%s' is too long", path);
	fd = mkostemp(new, O_CLOEXEC);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot create '%s'", new);
	passwd_give_to_owner(fd, before);
	if (io_write(fd, text.p, text.n, NEVER) != IO_OK || fsync(fd) == -1 ||
	    rename(new, path) == -1) {
		int saved = errno;

		(void)unlink(new);
		errno = saved;
		die_sys(EXIT_TEMP, "cannot write '%s'", path);
	}
	(void)close(fd);
}

/* Two processes at once would lose the entry of one of them. */
static void
passwd_lock(const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	int fd;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	slash[slash == dir ? 1 : 0] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || flock(fd, LOCK_EX) == -1)
		die_sys(EXIT_TEMP, "cannot lock '%s'", dir);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	int at = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
	    "[remove] user");
	bool removes = argc - at == 2 && strcmp(argv[at], "remove") == 0, had;
	static struct sbuf hash, old, new;
	struct span user;
	struct stat before;

	if (argc - at != (removes ? 2 : 1))
		die(EXIT_PERM, "give one user name");
	user = span_str(argv[argc - 1]);
	if (!pwfile_user_valid(user))
		die(EXIT_PERM,
		    "a user name must have 1 to 255 octets, without ':' or control characters");
	sbuf_init(&hash, CRYPT_OUTPUT_SIZE);
	sbuf_init(&old, FILE_MAX_);
	sbuf_init(&new, FILE_MAX_);
	if (!removes) {
		passwd_ask();
		passwd_hash(&hash);
	}
	passwd_lock(conf.passwords);
	passwd_read_file(conf.passwords, &old, &before);
	had = passwd_edit(sbuf_span(&old), user, sbuf_span(&hash), &new);
	if (removes && !had)
		die(EXIT_PERM, "'%s' has no entry", argv[argc - 1]);
	if (new.bad)
		die(EXIT_TEMP, "no memory for '%s'", conf.passwords);
	passwd_write_file(conf.passwords, sbuf_span(&new), &before);
	return EXIT_OK;
}
