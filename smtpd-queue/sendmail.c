/* SPDX-License-Identifier: ISC */
/* The sendmail command: hands mail of local programs to smtpd-queue. */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "address.h"
#include "helper.h"
#include "letter.h"
#include "mailq.h"
#include "options.h"
#include "post.h"
#include "program.h"

_Noreturn static void fail(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* To whoever ran us: not a log, so it may hold what he himself wrote. */
_Noreturn static void
fail(int code, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s: ", progname);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	_exit(code);
}

/* program_start cannot go on: nothing is wrong with the mail. */
static void
farewell(void)
{
	_exit(EX_TEMPFAIL);
}

/* Who runs us, as far as the system knows; NULL: nobody it knows. */
static const struct passwd *
account(void)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwuid(getuid());
	if (pw == NULL && errno != 0 && errno != ENOENT && errno != ESRCH)
		fail(EX_TEMPFAIL, "cannot look up uid %lu: %s",
		    (unsigned long)getuid(), strerror(errno));
	return pw;
}

/* The full name: -F, or the first part of the account's comment; or "". */
static char *
full_name(const struct options *o, const struct passwd *pw)
{
	const char *gecos = pw == NULL || pw->pw_gecos == NULL ? "" :
								 pw->pw_gecos;
	struct span s = o->name != NULL ?
	    span_str(o->name) :
	    span_of(gecos, span_find(span_str(gecos), ','));
	char *name = strndup(s.p, s.n);

	for (char *p = name; p != NULL && *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
	}
	return name;
}

static void
check(enum recipients_result r, const struct recipients *to, const char *where)
{
	switch (r) {
	case RECIPIENTS_OK:
		return;
	case RECIPIENTS_BAD:
		fail(EX_DATAERR, "no address %s: '%s'", where, to->bad.s);
	case RECIPIENTS_TOO_MANY:
		fail(EX_UNAVAILABLE, "more recipients than a message can have");
	case RECIPIENTS_NO_MEMORY:
		fail(EX_TEMPFAIL, "out of memory");
	}
}

/* The reverse-path without its brackets; empty for <>. */
static struct span
sender(const struct options *o, const struct conf *conf,
    const struct passwd *pw)
{
	static struct recipients from;
	const char *who = o->sender;

	if (who == NULL && pw == NULL)
		fail(EX_NOUSER, "uid %lu has no account: name a sender with -f",
		    (unsigned long)getuid());
	if (who == NULL)
		who = pw->pw_name;
	if (strcmp(who, "") == 0 || strcmp(who, "<>") == 0)
		return SPAN("");
	recipients_init(&from, conf->local_domains);
	check(recipients_add(&from, span_str(who)), &from, "as sender");
	if (from.n != 1)
		fail(EX_DATAERR, "one sender is needed: '%s'", who);
	return span_of(from.all.s, from.all.len - 1);
}

static void
read_letter(struct sbuf *text, const struct options *o)
{
	switch (letter_read(text, 0, !o->dots)) {
	case LETTER_OK:
		return;
	case LETTER_BARE_CR:
		fail(EX_DATAERR, "a CR without LF cannot be mailed");
	case LETTER_NUL:
		fail(EX_DATAERR, "a NUL cannot be mailed");
	case LETTER_TOO_BIG:
		fail(EX_DATAERR,
		    "the message is larger than max_size, "
		    "%zu octets",
		    text->max);
	case LETTER_NO_MEMORY:
		fail(EX_TEMPFAIL, "out of memory");
	case LETTER_IOERR:
		fail(EX_TEMPFAIL, "cannot read the message: %s",
		    strerror(errno));
	}
}

static int
exit_code_of(struct span reply)
{
	if (span_starts(span_skip(reply, 4), SPAN("5.1.")))
		return EX_NOUSER;
	if (span_starts(span_skip(reply, 4), SPAN("5.3.4")))
		return EX_DATAERR;
	if (span_starts(span_skip(reply, 4), SPAN("5.7.")))
		return EX_NOPERM;
	return EX_UNAVAILABLE;
}

static void
deliver(const struct post *p, const struct conf *conf, bool verbose)
{
	struct sbuf answer;
	int fd = helper_open(conf->submitter, conf);

	if (fd == -1)
		fail(EX_TEMPFAIL, "cannot reach '%s': %s", conf->submitter,
		    strerror(errno));
	sbuf_init(&answer, 65536);
	switch (post_send(p, fd, conf, &answer)) {
	case POST_QUEUED:
		if (verbose)
			(void)printf("queued as %s\n", answer.s);
		break;
	case POST_LATER:
		fail(EX_TEMPFAIL, "not queued: %s", answer.s);
	case POST_REFUSED:
		fail(exit_code_of(sbuf_span(&answer)), "refused: %s", answer.s);
	case POST_LOST:
		fail(EX_TEMPFAIL, "not queued: '%s' gave no answer%s%s",
		    conf->submitter, errno == 0 ? "" : ": ",
		    errno == 0 ? "" : strerror(errno));
	}
	sbuf_free(&answer);
}

static void
send_mail(const struct options *o, const struct conf *conf)
{
	const struct passwd *pw = account();
	static struct recipients to;
	static struct sbuf text;
	static struct post p;

	recipients_init(&to, conf->local_domains);
	for (char **word = o->recipients; *word != NULL; word++)
		check(recipients_add(&to, span_str(*word)), &to,
		    "on the command line");
	if (to.n == 0 && !o->from_header)
		fail(EX_USAGE, "no recipients: give some, or -t");
	p.body = o->body;
	p.sender = sender(o, conf, pw);
	p.name = full_name(o, pw);
	sbuf_init(&text, (size_t)conf->max_size);
	read_letter(&text, o);
	if (o->from_header)
		check(letter_recipients(&text, &to), &to, "in the header");
	if (to.n == 0)
		fail(EX_USAGE, "no recipients in To, Cc and Bcc");
	p.recipients = sbuf_span(&to.all);
	p.text = sbuf_span(&text);
	deliver(&p, conf, o->verbose);
}

/* Beside ourselves, as in a build directory, or where it is installed. */
static void
session_path(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 20);
	size_t dir = n > 0 ? span_rfind(span_of(path, (size_t)n), '/') : 0;

	memcpy(path + dir, "/smtpd-session", sizeof("/smtpd-session"));
	if (n <= 0 || access(path, X_OK) != 0)
		memcpy(path, LIBDIR "/smtpd-session",
		    sizeof(LIBDIR "/smtpd-session"));
}

/* SMTP on 0 and 1: the session, in its role for a local user. */
static void
serve_smtp(const struct conf *conf)
{
	static char word[] = "local";
	char path[PATH_MAX];
	char **argv = calloc(conf->nargs + 3, sizeof(*argv));
	size_t n = 0;

	session_path(path);
	if (argv != NULL) {
		argv[n++] = path;
		for (unsigned i = 0; i < conf->nargs; i++)
			argv[n++] = (char *)(uintptr_t)conf->args[i];
		argv[n] = word;
		(void)execv(path, argv);
	}
	fail(EX_TEMPFAIL, "cannot run '%s': %s", path, strerror(errno));
}

static void
list_queue(const struct conf *conf)
{
	switch (mailq_print(conf)) {
	case MAILQ_OK:
		break;
	case MAILQ_FORBIDDEN:
		fail(EX_NOPERM,
		    "only the owner of '%s' and root may see the "
		    "queue",
		    conf->queue);
	case MAILQ_FAILED:
		fail(EX_TEMPFAIL, "cannot list '%s': %s", conf->queue,
		    strerror(errno));
	}
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct options o;
	const char *why, *what;

	progname = "sendmail";
	if (!options_parse(&o, argc, argv, &why, &what))
		fail(EX_USAGE, "%s: %s", what, why);
	if (o.mode == OPTIONS_NOTHING)
		return EX_OK;
	die_farewell = farewell;
	(void)program_start(o.argc, o.argv, &conf, PROGRAM_MAY_BE_ROOT, "");
	die_farewell = NULL;
	switch (o.mode) {
	case OPTIONS_SEND:
		send_mail(&o, &conf);
		break;
	case OPTIONS_LIST:
		list_queue(&conf);
		break;
	case OPTIONS_SMTP:
		serve_smtp(&conf);
		break;
	case OPTIONS_NOTHING:
		break;
	}
	return EX_OK;
}
