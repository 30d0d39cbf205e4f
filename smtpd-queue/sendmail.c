/* SPDX-License-Identifier: ISC */
/* The sendmail command: hands mail of local programs to smtpd-queue. */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "address.h"
#include "inject.h"
#include "program.h"
#include "queued.h"
#include "sendmail-letter.h"

_Noreturn static void sendmail_fail(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Not a log: it may repeat what the caller wrote. */
_Noreturn static void
sendmail_fail(int code, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s: ", progname);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	_exit(code);
}

/* --- the command line, as programs know it ------------------------------------ */

enum options_mode {
	OPTIONS_SEND,
	OPTIONS_LIST,    /* -bp, mailq */
	OPTIONS_SMTP,    /* -bs */
	OPTIONS_NOTHING, /* -q, -bi, newaliases: there is nothing to do */
};

struct options {
	enum options_mode mode;
	bool dots;          /* -i: a lone dot is text */
	bool from_header;   /* -t */
	bool verbose;       /* -v */
	const char *sender; /* -f, -r; or NULL */
	const char *name;   /* -F; or NULL */
	const char *body;   /* BODY= of -B; or NULL */
	char **recipients;  /* what follows the options, NULL-ended */
	/* argv[0] and our own -c and -o, for program_start; NULL-ended */
	int argc;
	char **argv;
};

/* Accepted for compatibility, and ignored. */
#define IGNORED "GUmnx"
#define IGNORED_WITH_WORD "ADLNORVXehp"
#define IGNORED_WITH_TAIL "d" /* their value is the rest of the word */

static bool
options_among(const char *letters, char c)
{
	return c != '\0' && strchr(letters, c) != NULL;
}

static void
options_hand_on(struct options *o, char *option, char *value)
{
	o->argv[o->argc++] = option;
	o->argv[o->argc++] = value;
}

static const char *
options_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static const char *
options_mode_of(struct options *o, const char *value)
{
	switch (value[0]) {
	case 'm':
		o->mode = OPTIONS_SEND;
		return NULL;
	case 'p':
		o->mode = OPTIONS_LIST;
		return NULL;
	case 's':
		o->mode = OPTIONS_SMTP;
		return NULL;
	case 'i':
		o->mode = OPTIONS_NOTHING;
		return NULL;
	case 'd':
	case 'D':
		return "sendmail is not a daemon here: see smtpd-session(8)";
	default:
		return "this mode is not supported";
	}
}

static const char *
options_body(struct options *o, const char *value)
{
	if (strcasecmp(value, "8BITMIME") == 0)
		o->body = "BODY=8BITMIME";
	else if (strcasecmp(value, "7BIT") == 0)
		o->body = "BODY=7BIT";
	else
		return "not 7BIT or 8BITMIME";
	return NULL;
}

/* -oi and the like; with a "=" it is one of our settings. */
static const char *
options_o(struct options *o, char *value)
{
	static char option[] = "-o";

	if (strchr(value, '=') != NULL)
		options_hand_on(o, option, value);
	else if (value[0] == 'i')
		o->dots = true;
	return NULL;
}

static const char *
options_with_value(struct options *o, char c, char *value)
{
	static char option[] = "-c";

	switch (c) {
	case 'b':
		return options_mode_of(o, value);
	case 'B':
		return options_body(o, value);
	case 'f':
	case 'r':
		o->sender = value;
		return NULL;
	case 'F':
		o->name = value;
		return NULL;
	case 'o':
		return options_o(o, value);
	case 'c':
	case 'C':
		options_hand_on(o, option, value);
		return NULL;
	default:
		return NULL; /* IGNORED_WITH_WORD */
	}
}

static const char *
options_flag(struct options *o, char c)
{
	switch (c) {
	case 't':
		o->from_header = true;
		return NULL;
	case 'i':
		o->dots = true;
		return NULL;
	case 'v':
		o->verbose = true;
		return NULL;
	case 'I':
		o->mode = OPTIONS_NOTHING;
		return NULL;
	default:
		return options_among(IGNORED, c) ? NULL : "unknown option";
	}
}

/* The letters of one word; a value is its rest, or the next word. */
static const char *
options_word(struct options *o, char **words[])
{
	const char *why;

	for (char *p = **words + 1; *p != '\0'; p++) {
		if (*p == 'q') {
			o->mode = OPTIONS_NOTHING;
			return NULL;
		}
		if (options_among(IGNORED_WITH_TAIL, *p))
			return NULL;
		if (options_among("bBcCfFor" IGNORED_WITH_WORD, *p)) {
			char *value = p[1] != '\0' ? p + 1 : *++*words;

			return value == NULL ? "option requires an argument" :
					       options_with_value(o, *p, value);
		}
		why = options_flag(o, *p);
		if (why != NULL)
			return why;
	}
	return NULL;
}

/*
 * False: the command line is wrong; *why says why, and *what is the word.
 * Memory lives as long as the program.
 */
static bool
options_parse(struct options *o, int argc, char *argv[], const char **why,
    const char **what)
{
	char **words = argv + 1;

	*o = (struct options){ .mode = OPTIONS_SEND };
	o->argv = calloc(2 * (size_t)argc + 2, sizeof(*o->argv));
	if (o->argv == NULL) {
		*why = "out of memory";
		*what = argv[0];
		return false;
	}
	o->argv[o->argc++] = argv[0];
	if (strcmp(options_base_name(argv[0]), "mailq") == 0)
		o->mode = OPTIONS_LIST;
	if (strcmp(options_base_name(argv[0]), "newaliases") == 0)
		o->mode = OPTIONS_NOTHING;
	for (; *words != NULL && **words == '-' && (*words)[1] != '\0';
	     words++) {
		*what = *words;
		if (strcmp(*words, "--") == 0) {
			words++;
			break;
		}
		*why = options_word(o, &words);
		if (*why != NULL)
			return false;
	}
	o->recipients = words;
	return true;
}

/* --- the message ---------------------------------------------------------------- */

struct mail {
	struct span sender;     /* local-part@domain, or empty: <> */
	struct span recipients; /* each with a "\n" */
	const char *name;       /* full name, or NULL */
	const char *body;       /* parameter of MAIL, or NULL */
	struct span text;
};

/* program_start failed: the mail may be sent again. */
static void
sendmail_farewell(void)
{
	_exit(EX_TEMPFAIL);
}

/* The account of the caller, or NULL. */
static const struct passwd *
sendmail_account(void)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwuid(getuid());
	if (pw == NULL && errno != 0 && errno != ENOENT && errno != ESRCH)
		sendmail_fail(EX_TEMPFAIL, "cannot look up uid %lu: %s",
		    (unsigned long)getuid(), strerror(errno));
	return pw;
}

/* The full name: -F, or the first part of the account's comment; or "". */
static char *
sendmail_full_name(const struct options *o, const struct passwd *pw)
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
sendmail_check(enum recipients_result r, const struct recipients *to,
    const char *where)
{
	switch (r) {
	case RECIPIENTS_OK:
		return;
	case RECIPIENTS_BAD:
		sendmail_fail(EX_DATAERR, "malformed address %s: '%s'", where,
		    to->bad.s);
	case RECIPIENTS_TOO_MANY:
		sendmail_fail(EX_UNAVAILABLE,
		    "too many recipients for one message");
	case RECIPIENTS_NO_MEMORY:
		sendmail_fail(EX_TEMPFAIL, "out of memory");
	}
}

/* The reverse-path without its brackets; empty for <>. */
static struct span
sendmail_sender(const struct options *o, const struct conf *conf,
    const struct passwd *pw)
{
	static struct recipients from;
	const char *who = o->sender;

	if (who == NULL && pw == NULL)
		sendmail_fail(EX_NOUSER,
		    "uid %lu has no account: give a sender with -f",
		    (unsigned long)getuid());
	if (who == NULL)
		who = pw->pw_name;
	if (strcmp(who, "") == 0 || strcmp(who, "<>") == 0)
		return SPAN("");
	letter_recipients_init(&from, conf->local_domains);
	sendmail_check(letter_recipients_add(&from, span_str(who)), &from,
	    "as sender");
	if (from.n != 1)
		sendmail_fail(EX_DATAERR, "not one sender: '%s'", who);
	return span_of(from.all.s, from.all.len - 1);
}

static void
sendmail_read(struct sbuf *text, const struct options *o)
{
	switch (letter_read(text, 0, !o->dots)) {
	case LETTER_OK:
	case LETTER_END:
		return;
	case LETTER_BARE_CR:
		sendmail_fail(EX_DATAERR, "the message has a CR without LF");
	case LETTER_NUL:
		sendmail_fail(EX_DATAERR, "the message has a NUL");
	case LETTER_TOO_BIG:
		sendmail_fail(EX_DATAERR,
		    "the message is larger than max_size, "
		    "%zu octets",
		    text->max);
	case LETTER_NO_MEMORY:
		sendmail_fail(EX_TEMPFAIL, "out of memory");
	case LETTER_IOERR:
		sendmail_fail(EX_TEMPFAIL, "cannot read the message: %s",
		    strerror(errno));
	}
}

/* Adds a frame with what is in b, and empties that. */
static void
sendmail_add(struct inject *i, char tag, struct sbuf *b)
{
	if (b->bad)
		sendmail_fail(EX_TEMPFAIL, "out of memory");
	inject_add(i, tag, sbuf_span(b));
	sbuf_reset(b);
}

static void
sendmail_tell(struct inject *i, const struct mail *m, const struct conf *conf)
{
	struct span rest = m->recipients, to;
	struct sbuf b;

	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	inject_begin(i, -1, false);
	inject_fact(i, "protocol", SPAN("local"));
	if (m->name != NULL && *m->name != '\0') {
		sbuf_addf(&b, "name=%s", m->name);
		sendmail_add(i, 'C', &b);
	}
	sbuf_putc(&b, '<');
	sbuf_addspan(&b, m->sender);
	sbuf_putc(&b, '>');
	if (m->body != NULL)
		sbuf_addf(&b, " %s", m->body);
	sendmail_add(i, 'S', &b);
	while ((to = letter_recipients_next(&rest)).n > 0)
		inject_recipient(i, conf, to);
	inject_text(i, m->text);
	sbuf_free(&b);
}

static int
sendmail_exit_code(struct span reply)
{
	struct span code = span_skip(reply, 4);

	if (reply.p[0] == '4')
		return EX_TEMPFAIL;
	if (span_starts(code, SPAN("5.1.")))
		return EX_NOUSER;
	if (span_starts(code, SPAN("5.3.4")))
		return EX_DATAERR;
	if (span_starts(code, SPAN("5.7.")))
		return EX_NOPERM;
	return EX_UNAVAILABLE;
}

static void
sendmail_submit(const struct mail *m, const struct conf *conf, bool verbose)
{
	static struct chan_room room;
	static struct inject i;
	struct span text;

	link_open(&i.link, &room, NULL, conf->submitter, conf);
	if (i.link.state != LINK_UP)
		sendmail_fail(EX_TEMPFAIL, "cannot reach '%s': %s",
		    conf->submitter, strerror(errno));
	sendmail_tell(&i, m, conf);
	switch (inject_commit(&i, &text)) {
	case LINK_YES:
		if (verbose)
			(void)printf("queued as %s\n", i.id);
		break;
	case LINK_REFUSED:
		sendmail_fail(sendmail_exit_code(text), "%s: %.*s",
		    text.p[0] == '4' ? "not queued" : "refused", (int)text.n,
		    text.p);
	case LINK_FAILED:
		sendmail_fail(EX_TEMPFAIL, "not queued: '%s': %s",
		    conf->submitter, i.link.why);
	}
}

static void
sendmail_send(const struct options *o, const struct conf *conf)
{
	const struct passwd *pw = sendmail_account();
	static struct recipients to;
	static struct sbuf text;
	static struct mail m;

	letter_recipients_init(&to, conf->local_domains);
	for (char **word = o->recipients; *word != NULL; word++)
		sendmail_check(letter_recipients_add(&to, span_str(*word)), &to,
		    "on the command line");
	if (to.n == 0 && !o->from_header)
		sendmail_fail(EX_USAGE, "no recipients: name some, or use -t");
	m.body = o->body;
	m.sender = sendmail_sender(o, conf, pw);
	m.name = sendmail_full_name(o, pw);
	sbuf_init(&text, (size_t)conf->max_size);
	sendmail_read(&text, o);
	if (o->from_header)
		sendmail_check(letter_take_recipients(&text, &to), &to,
		    "in the header");
	if (to.n == 0)
		sendmail_fail(EX_USAGE, "no recipients in To, Cc and Bcc");
	m.recipients = sbuf_span(&to.all);
	m.text = sbuf_span(&text);
	sendmail_submit(&m, conf, o->verbose);
}

/* In our own directory, as in a build directory, or where it is installed. */
static void
sendmail_session_path(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 20);
	size_t dir = n > 0 ? span_rfind(span_of(path, (size_t)n), '/') : 0;

	memcpy(path + dir, "/smtpd-session", sizeof("/smtpd-session"));
	if (n <= 0 || access(path, X_OK) != 0)
		memcpy(path, LIBDIR "/smtpd-session",
		    sizeof(LIBDIR "/smtpd-session"));
}

/* SMTP on 0 and 1: runs the session in its role for a local user. */
static void
sendmail_serve_smtp(const struct conf *conf)
{
	static char word[] = "local";
	char path[PATH_MAX];
	char **argv = calloc(conf->nargs + 3, sizeof(*argv));
	size_t n = 0;

	sendmail_session_path(path);
	if (argv != NULL) {
		argv[n++] = path;
		for (unsigned i = 0; i < conf->nargs; i++)
			argv[n++] = (char *)(uintptr_t)conf->args[i];
		argv[n] = word;
		(void)execv(path, argv);
	}
	sendmail_fail(EX_TEMPFAIL, "cannot run '%s': %s", path,
	    strerror(errno));
}

/* --- -bp: the messages in the queue, oldest first ------------------------------- */

struct mailq {
	int dir; /* the queue directory */
	uint64_t messages, octets;
};

/* Peer text: one line, and nothing that a terminal obeys. */
static void
mailq_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool fine = s.p[i] >= ' ' && s.p[i] <= '~';

		(void)putchar(fine ? s.p[i] : '?');
	}
}

static void
mailq_print_date(const char *id)
{
	time_t t = (time_t)(queue_id_time(id) / 1000000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	(void)printf("%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/*
 * Is anything of a recipient of the envelope left to do? reply: the last
 * answer for it, or for an address that it is expanded to.
 */
static bool
mailq_is_waiting(const struct queued *q, const struct queued_rcpt *to,
    size_t *reply)
{
	bool waiting = queued_is_open(to);

	*reply = to->reply;
	for (size_t i = q->naddressees; to->expanded && i < q->n; i++) {
		const struct queued_rcpt *r = &q->rcpts[i];

		if (r->addressee != to->index || !queued_is_open(r))
			continue;
		waiting = true;
		if (r->reply != 0)
			*reply = r->reply;
	}
	return waiting;
}

static void
mailq_print_recipient(const struct queued *q, const struct queued_rcpt *to)
{
	size_t reply;

	if (!mailq_is_waiting(q, to, &reply))
		return;
	(void)printf("%57s", "");
	mailq_text(queued_address(queued_text(q, to->target)));
	if (queued_text(q, reply).n > 0) {
		(void)printf("\n%59s(", "");
		mailq_text(queued_text(q, reply));
		(void)putchar(')');
	}
	(void)putchar('\n');
}

static void
mailq_print_message(const struct queued *q, bool tried)
{
	bool held = q->held != 0 || q->kept != 0;

	(void)printf("%s%c %9llu  ", q->id,
	    !tried   ? '*' :
		held ? '!' :
		       ' ',
	    (unsigned long long)q->file.body_len);
	mailq_print_date(q->id);
	(void)printf("  ");
	mailq_text(queued_text(q, q->sender));
	(void)putchar('\n');
	for (size_t i = 0; i < q->naddressees; i++)
		mailq_print_recipient(q, &q->rcpts[i]);
	(void)putchar('\n');
}

/* One that cannot be read is being received, or has just been delivered. */
static void
mailq_print_entry(struct mailq *l, const char *entry)
{
	char id[QUEUE_ID_SIZE] = "";
	struct queued q;

	memcpy(id, entry, QUEUE_ID_LEN);
	switch (queued_read(&q, l->dir, id)) {
	case QUEUED_OK:
		mailq_print_message(&q, entry[QUEUE_ID_LEN] == 'm');
		l->messages++;
		l->octets += q.file.body_len;
		queued_free(&q);
		break;
	case QUEUED_CORRUPT:
		(void)printf("%s  is damaged\n\n", id);
		l->messages++;
		break;
	case QUEUED_GONE:
	case QUEUED_RECEIVING:
	case QUEUED_TORN:
	case QUEUED_IOERR:
		break;
	}
}

static void
mailq_print_all(struct mailq *l, const struct sbuf *ids)
{
	if (ids->len > 0)
		(void)printf("%-23s %9s  %-20s  %s\n", "Queue id", "Size",
		    "Arrived", "Sender, recipients");
	for (size_t at = 0; at < ids->len; at += QUEUE_ID_SIZE)
		mailq_print_entry(l, ids->s + at);
	if (l->messages == 0)
		(void)printf("The queue is empty\n");
	else
		(void)printf("%llu messages, %llu octets\n",
		    (unsigned long long)l->messages,
		    (unsigned long long)l->octets);
}

static void
mailq_print(const struct conf *conf)
{
	struct mailq l = { .dir = queued_dir(conf->queue) };
	struct sbuf ids;
	bool ok;

	sbuf_init(&ids, 0);
	ok = l.dir != -1 && queued_list(l.dir, &ids);
	if (!ok && (errno == EACCES || errno == EPERM))
		sendmail_fail(EX_NOPERM,
		    "only root and the owner of '%s' may list the queue",
		    conf->queue);
	if (ok) {
		mailq_print_all(&l, &ids);
		ok = fflush(stdout) == 0;
	}
	if (!ok)
		sendmail_fail(EX_TEMPFAIL, "cannot list '%s': %s", conf->queue,
		    strerror(errno));
	sbuf_free(&ids);
	(void)close(l.dir);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct options o;
	const char *why, *what;

	progname = "sendmail";
	if (!options_parse(&o, argc, argv, &why, &what))
		sendmail_fail(EX_USAGE, "%s: %s", what, why);
	if (o.mode == OPTIONS_NOTHING)
		return EX_OK;
	die_farewell = sendmail_farewell;
	(void)program_start(o.argc, o.argv, &conf, PROGRAM_MAY_BE_ROOT, "");
	die_farewell = NULL;
	switch (o.mode) {
	case OPTIONS_SEND:
		sendmail_send(&o, &conf);
		break;
	case OPTIONS_LIST:
		mailq_print(&conf);
		break;
	case OPTIONS_SMTP:
		sendmail_serve_smtp(&conf);
		break;
	case OPTIONS_NOTHING:
		break;
	}
	return EX_OK;
}
