/* SPDX-License-Identifier: ISC */
/* The log: escaping, cutting, and what happens when nobody reads it. */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "log.h"
#include "tap.h"

static int reader = -1;

/* Makes a fresh pipe descriptor 2. */
static void
new_log(void)
{
	int p[2];

	if (reader != -1)
		(void)close(reader);
	if (pipe2(p, O_CLOEXEC) == -1 || dup2(p[1], 2) == -1)
		abort();
	(void)close(p[1]);
	if (p[0] == 2) /* it was closed before */
		abort();
	reader = p[0];
	(void)fcntl(reader, F_SETFL, O_NONBLOCK);
}

static struct span
logged(void)
{
	static char s[200000];
	ssize_t n = read(reader, s, sizeof(s));

	return span_of(s, n < 0 ? 0 : (size_t)n);
}

static void
event(const char *name, struct span value)
{
	struct logline l;

	log_begin(&l, NULL, "x");
	log_span(&l, name, value);
	log_end(&l);
}

static void
escapes(void)
{
	static const struct {
		struct span in;
		const char *out;
	} t[] = {
		{ SPAN("plain-[1]"), "plain-[1]" },
		{ SPAN(""), "\"\"" },
		{ { NULL, 0 }, "\"\"" },
		{ SPAN("a b"), "\"a b\"" },
		{ SPAN("a=b"), "\"a=b\"" },
		{ SPAN("say \"hi\\\""), "\"say \\\"hi\\\\\\\"\"" },
		{ SPAN("\r\n\tevent=y"), "\"\\r\\n\\tevent=y\"" },
		{ SPAN("\x01\x7f\x80\xff"), "\"\\x01\\x7f\\x80\\xff\"" },
		{ { "\0", 1 }, "\"\\x00\"" },
		{ SPAN("\x1b[2J"), "\"\\x1b[2J\"" },
	};
	char want[256];
	struct logline l;

	for (size_t i = 0; i < nitems(t); i++) {
		event("v", t[i].in);
		(void)snprintf(want, sizeof(want),
		    "id=- prog=log-test event=x v=%s\n", t[i].out);
		is_span(logged(), span_str(want), "value %s", t[i].out);
	}
	log_begin(&l, "1f0c2k", "queued");
	log_num(&l, "size", UINT64_MAX);
	log_str(&l, "from", "");
	errno = ENOENT;
	log_end(&l);
	is_num(errno, ENOENT, "errno is kept");
	is_span(logged(),
	    SPAN("id=1f0c2k prog=log-test event=queued "
		 "size=18446744073709551615 from=\"\"\n"),
	    "a whole line");
}

static void
cuts(void)
{
	static char big[9000];
	struct span s;
	struct logline l;
	unsigned wrong = 0;

	for (size_t n = 3900; n < 4300; n++) {
		bool quoted = n % 2 == 1;

		memset(big, 'a', sizeof(big));
		if (quoted)
			big[0] = big[n - 1] = '\n';
		event("v", span_of(big, n));
		s = logged();
		wrong += s.n > 4096 || span_find(s, '\n') != s.n - 1;
		if (s.n > n + 20) /* not cut */
			continue;
		wrong += s.n < 4040 ||
		    !span_eq(span_of(s.p + s.n - 5, 5),
			quoted ? SPAN("...\"\n") : SPAN("a...\n"));
	}
	is_num(wrong, 0, "longer lines are cut, marked and closed");
	memset(big, 0xff, sizeof(big));
	log_begin(&l, NULL, "x");
	for (int i = 0; i < 9; i++)
		log_span(&l, "value", span_of(big, sizeof(big)));
	log_num(&l, "n", 1);
	log_end(&l);
	s = logged();
	ok(s.n > 4000 && s.n <= 4096, "a full line takes no more");
}

static void
says(void)
{
	pid_t pid;
	int status;

	errno = ENOENT;
	warn_sys("cannot open '%s'", "a\nb");
	is_num(errno, ENOENT, "errno is kept");
	is_span(logged(),
	    SPAN("log-test: warning: cannot open 'a?b': "
		 "No such file or directory\n"),
	    "a warning stays one line");
	warn("%9000d", 1);
	ok(logged().n <= 4096, "a long one is cut");
	pid = fork();
	if (pid == 0)
		die(EXIT_PERM, "wrong %d", 7);
	(void)waitpid(pid, &status, 0);
	is_num(WEXITSTATUS(status), 100, "die exits with its code");
	is_span(logged(), SPAN("log-test: fatal: wrong 7\n"), "and says why");
}

static void
farewell(void)
{
	(void)!write(2, "421\n", 4);
	die(EXIT_BUG, "again");
}

static void
dies_politely(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		die_farewell = farewell;
		errno = EIO;
		die_sys(EXIT_TEMP, "disk");
	}
	(void)waitpid(pid, &status, 0);
	is_span(logged(),
	    SPAN("log-test: fatal: disk: Input/output error\n"
		 "421\nlog-test: fatal: again\n"),
	    "the last word comes once");
}

static void
loses(void)
{
	char fill[4096];
	struct span s;

	memset(fill, '-', sizeof(fill));
	(void)fcntl(2, F_SETFL, O_NONBLOCK);
	while (write(2, fill, sizeof(fill)) > 0)
		;
	(void)fcntl(2, F_SETFL, 0); /* as a log is: blocking */
	event("v", SPAN("1"));
	warn("2");
	event("v", SPAN("3"));
	while (logged().n > 0)
		;
	event("v", SPAN("4"));
	is_span(logged(), SPAN("id=- prog=log-test event=x v=4 lost=3\n"),
	    "a full log loses lines and says how many");
	event("v", SPAN("5"));
	is_span(logged(), SPAN("id=- prog=log-test event=x v=5\n"), "once");
	(void)close(reader);
	event("v", SPAN("6"));
	reader = -1;
	new_log();
	memset(fill, 'a', sizeof(fill));
	event("v", span_of(fill, sizeof(fill)));
	s = logged();
	ok(s.n <= 4096 && s.n > 8 && memcmp(s.p + s.n - 8, " lost=1\n", 8) == 0,
	    "nobody at the other end: the same, even on a full line");
	(void)close(2);
	event("v", SPAN("7"));
	(void)dup2(reader, 2);
	new_log();
	event("v", SPAN("8"));
	is_span(logged(), SPAN("id=- prog=log-test event=x v=8 lost=1\n"),
	    "a closed log: the same");
}

int
main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	progname = "log-test";
	new_log();
	escapes();
	cuts();
	says();
	dies_politely();
	loses();
	return done();
}
