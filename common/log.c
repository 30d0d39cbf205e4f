/* SPDX-License-Identifier: ISC */
/* What a program says: fatal errors, warnings, one logfmt line per event. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

#define LOG_FD 2
#define LINE_MAX_ 4095 /* octets of a line before its newline */
#define LOST_ROOM (sizeof(" lost=18446744073709551615") - 1)

const char *progname = "smtpd";
void (*die_farewell)(void);

static uint64_t lost; /* lines since the last that got through */

/*
 * One write of a whole line, at most PIPE_BUF octets, so it is not mixed
 * with others'. A log that is not read must not stop mail: when it has no
 * room now, the line is lost and counted.
 */
static void
log_put(const char *line, size_t n)
{
	struct pollfd p = { .fd = LOG_FD, .events = POLLOUT };
	ssize_t w = -1;

	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
		do
			w = write(LOG_FD, line, n);
		while (w == -1 && errno == EINTR);
	lost = w == -1 ? lost + 1 : 0;
}

static void
log_finish(char *line, size_t n)
{
	if (lost != 0)
		n += (size_t)snprintf(line + n, LOST_ROOM + 1, " lost=%llu",
		    (unsigned long long)lost);
	line[n++] = '\n';
	log_put(line, n);
}

/* An argument may hold any octets: keep the line one line of ASCII. */
static void
log_say(const char *level, int err, const char *fmt, va_list ap)
{
	char line[LINE_MAX_ + 1];
	size_t max = LINE_MAX_ - LOST_ROOM, n;
	int w;

	w = snprintf(line, max, "%s: %s: ", progname, level);
	n = w < 0 ? 0 : (size_t)w < max ? (size_t)w : max - 1;
	w = vsnprintf(line + n, max - n, fmt, ap);
	n += w < 0 ? 0 : (size_t)w < max - n ? (size_t)w : max - n - 1;
	if (err != 0) {
		w = snprintf(line + n, max - n, ": %s", strerror(err));
		n += w < 0 ? 0 : (size_t)w < max - n ? (size_t)w : max - n - 1;
	}
	for (size_t i = 0; i < n; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
	log_finish(line, n);
}

_Noreturn static void
log_leave(enum exitcode code)
{
	void (*farewell)(void) = die_farewell;

	die_farewell = NULL;
	if (farewell != NULL)
		farewell();
	_exit(code);
}

void
die(enum exitcode code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_say("fatal", 0, fmt, ap);
	va_end(ap);
	log_leave(code);
}

void
die_sys(enum exitcode code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_say("fatal", errno, fmt, ap);
	va_end(ap);
	log_leave(code);
}

void
warn(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	log_say("warning", 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
warn_sys(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	log_say("warning", saved, fmt, ap);
	va_end(ap);
	errno = saved;
}

static bool
log_plain(char c)
{
	return c > ' ' && c <= '~' && c != '"' && c != '=' && c != '\\';
}

/* Writes c as it is within quotes; returns its length, at most 4. */
static size_t
log_escape(char out[4], char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
	const char *at = memchr(from, c, sizeof(from) - 1);

	if (at == NULL && c >= ' ' && c <= '~') {
		out[0] = c;
		return 1;
	}
	out[0] = '\\';
	if (at != NULL) {
		out[1] = to[at - from];
		return 2;
	}
	out[1] = 'x';
	out[2] = hex[(unsigned char)c >> 4];
	out[3] = hex[(unsigned char)c & 15];
	return 4;
}

static void
log_raw(struct logline *l, const char *s, size_t n)
{
	memcpy(l->s + l->len, s, n);
	l->len += n;
}

/* Adds the value in at most room octets; a longer one ends in "...". */
static void
log_value(struct logline *l, struct span v, size_t room, bool quoted)
{
	size_t need = 0, used = 0;
	char e[4];

	if (!quoted && v.n <= room) {
		log_raw(l, v.p, v.n); /* nearly always: nothing to escape */
		return;
	}
	room -= quoted ? 2 : 0;
	for (size_t i = 0; i < v.n && need <= room; i++)
		need += log_escape(e, v.p[i]);
	room -= need > room ? 3 : 0;
	log_raw(l, "\"", quoted);
	for (size_t i = 0; i < v.n; i++) {
		size_t n = log_escape(e, v.p[i]);

		if (n > room - used)
			break;
		log_raw(l, e, n);
		used += n;
	}
	if (used < need)
		log_raw(l, "...", 3);
	log_raw(l, "\"", quoted);
}

void
log_span(struct logline *l, const char *name, struct span v)
{
	size_t max = LINE_MAX_ - LOST_ROOM - l->len, n = strlen(name);
	bool quoted = v.n == 0;

	for (size_t i = 0; i < v.n && !quoted; i++)
		quoted = !log_plain(v.p[i]);
	if (max < n + sizeof(" =\"...\"") - 1)
		return;
	log_raw(l, " ", l->len == 0 ? 0 : 1);
	log_raw(l, name, n);
	log_raw(l, "=", 1);
	log_value(l, v, LINE_MAX_ - LOST_ROOM - l->len, quoted);
}

void
log_begin(struct logline *l, const char *id, const char *event)
{
	l->len = 0;
	log_str(l, "id", id == NULL ? "-" : id);
	log_str(l, "prog", progname);
	log_str(l, "event", event);
}

void
log_str(struct logline *l, const char *name, const char *s)
{
	log_span(l, name, span_str(s));
}

void
log_num(struct logline *l, const char *name, uint64_t v)
{
	char s[20];
	size_t at = sizeof(s);

	do {
		s[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	log_span(l, name, span_of(s + at, sizeof(s) - at));
}

void
log_end(struct logline *l)
{
	int saved = errno;

	log_finish(l->s, l->len);
	errno = saved;
}
