/* SPDX-License-Identifier: ISC */
/* smtpd-auth-file: checks passwords with a file of users and hashes. */
#include <sys/syscall.h>

#include <crypt.h>
#include <errno.h>
#include <unistd.h>

#include "auth.h"
#include "confine.h"
#include "log.h"
#include "pwfile.h"
#include "readfile.h"
#include "serve.h"

/* The hash that unknown users cost, if the file has no entry. */
static const char nobody[] =
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";

static int file = -1;

#define WHY_MAX 200

static void
file_open(const struct conf *conf)
{
	struct sbuf why;

	sbuf_init(&why, WHY_MAX);
	serve_reads(conf->passwords);
	file = readfile_open(AT_FDCWD, conf->passwords, READFILE_SECRET, &why);
	if (file == -1)
		die(errno == EPERM ? EXIT_PERM : EXIT_TEMP,
		    "cannot use '%s': %s", conf->passwords, why.s);
}

/* In a time that does not depend on where the two differ. */
static bool
file_same_hash(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char differ = 0;

	if (n != strlen(b))
		return false;
	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

/* Hashes the password, which takes time, and compares. */
static bool
file_matches(const char *password, const char *hash)
{
	static struct crypt_data data;
	const char *got = crypt_r(password, hash, &data);
	bool good = got != NULL && got[0] != '*' && file_same_hash(got, hash);

	explicit_bzero(&data, sizeof(data));
	return good;
}

static enum auth_verdict
file_check(struct auth_question *q, void *arg)
{
	char mem[PWFILE_LINE_MAX];
	struct sbuf hash = SBUF_IN(mem);
	const struct conf *conf = arg;
	unsigned bad = 0;
	bool good;

	switch (pwfile_find(file, span_str(q->user), &hash, &bad)) {
	case PWFILE_FOUND:
		good = file_matches(q->password, hash.s);
		if (crypt_checksalt(hash.s) == CRYPT_SALT_INVALID)
			(void)file_matches(q->password, nobody); /* "!", "*" */
		explicit_bzero(mem, sizeof(mem));
		q->why = good ? "" : "wrong password";
		return good ? AUTH_YES : AUTH_NO;
	case PWFILE_UNKNOWN:
		(void)file_matches(q->password, hash.len > 0 ? hash.s : nobody);
		explicit_bzero(mem, sizeof(mem));
		q->why = "unknown user";
		return AUTH_NO;
	case PWFILE_BAD:
		warn("%s:%u: malformed line: not user:hash", conf->passwords,
		    bad);
		q->why = "malformed file";
		return AUTH_LATER;
	case PWFILE_IOERR:
		break;
	}
	warn_sys("cannot read '%s'", conf->passwords);
	q->why = "unreadable file";
	return AUTH_LATER;
}

int
main(int argc, char *argv[])
{
	/* The one file is open: no open, no socket, no connect, no exec. */
	static const struct confine keep = {
		.calls = { SYS_fcntl, SYS_setitimer, SYS_alarm, SYS_getpid,
		    SYS_getrandom },
		.dials = true,
	};
	static struct conf conf;
	struct auth a = { .check = file_check, .arg = &conf };

	auth_start(&a, argc, argv, &conf, file_open, &keep);
	return auth_serve(&a);
}
