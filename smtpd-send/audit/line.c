/* SPDX-License-Identifier: ISC */
/* Reads the log back: files, what log.h has written, prefixes, queue ids. */
#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define TIME_DIGITS 14 /* of a queue id */
#define PREFIX_WORDS 8 /* of the longest prefix that journalctl writes: 7 */

static bool
line_is_plain(char c)
{
	return c > ' ' && c <= '~' && c != '"' && c != '=' && c != '\\';
}

/* The program's name in "smtpd-queue[17]:". */
static bool
is_our_tag(struct span word)
{
	return span_starts(word, SPAN("smtpd")) ||
	    span_starts(word, SPAN("sendmail:")) ||
	    span_starts(word, SPAN("sendmail["));
}

static bool
is_time_word(struct span w)
{
	if (ascii_isdigit(w.p[0]) || memchr("@+[", w.p[0], 3) != NULL)
		return true;
	return w.n == 3 && w.p[0] >= 'A' && w.p[0] <= 'Z';
}

/* Where the event begins; s.n: it is not one of ours. */
static size_t
skip_prefix(struct span s)
{
	bool tagged = false, timed = true;
	size_t at = 0;

	for (unsigned i = 0; i <= PREFIX_WORDS && at < s.n; i++) {
		struct span rest = span_skip(s, at), w;

		if (span_starts(rest, SPAN("id=")))
			return tagged || timed ? at : s.n;
		w = span_of(rest.p, span_find(rest, ' '));
		if (tagged ||
		    (w.n > 0 && w.p[w.n - 1] == ':' && !is_our_tag(w)))
			return s.n;
		tagged = w.n > 0 && w.p[w.n - 1] == ':';
		timed = timed && (w.n == 0 || is_time_word(w));
		at += w.n + 1;
	}
	return s.n;
}

/* How long the escape sequence at the front is; 0: it is not one. */
static size_t
escape_length(struct span s)
{
	uint64_t octet;

	if (s.n >= 2 && memchr("\"\\nrt", s.p[1], 5) != NULL)
		return 2;
	if (s.n >= 4 && s.p[1] == 'x' &&
	    span_hex(span_of(s.p + 2, 2), 255, &octet))
		return 4;
	return 0;
}

/* Takes a quoted value off *rest, at its first octet after the quote. */
static bool
line_take_quoted(struct span *rest, struct span *value)
{
	struct span s = *rest;
	size_t n = 0, step;

	for (; n < s.n && s.p[n] != '"'; n += step) {
		step = s.p[n] == '\\' ? escape_length(span_skip(s, n)) : 1;
		if (step == 0 || s.p[n] < ' ' || s.p[n] > '~')
			return false;
	}
	if (n == s.n)
		return false; /* cut off */
	*value = span_of(s.p, n);
	*rest = span_skip(s, n + 1);
	return true;
}

static bool
line_take_plain(struct span *rest, struct span *value)
{
	size_t n = 0;

	while (n < rest->n && line_is_plain(rest->p[n]))
		n++;
	*value = span_of(rest->p, n);
	*rest = span_skip(*rest, n);
	return n > 0;
}

static bool
line_take_name(struct span *rest, struct span *name)
{
	size_t n = 0;

	while (n < rest->n && (ascii_isalnum(rest->p[n]) || rest->p[n] == '_'))
		n++;
	if (n == 0 || n == rest->n || rest->p[n] != '=')
		return false;
	*name = span_of(rest->p, n);
	*rest = span_skip(*rest, n + 1);
	return true;
}

/* One field and the blank before the next. */
static bool
line_take_field(struct span *rest, struct span *name, struct span *value)
{
	bool ok;

	if (!line_take_name(rest, name))
		return false;
	if (rest->n > 0 && rest->p[0] == '"') {
		*rest = span_skip(*rest, 1);
		ok = line_take_quoted(rest, value);
	} else {
		ok = line_take_plain(rest, value);
	}
	if (!ok || rest->n == 0)
		return ok;
	if (rest->p[0] != ' ' || rest->n == 1)
		return false;
	*rest = span_skip(*rest, 1);
	return true;
}

static bool
line_take_named(struct span *rest, const char *name, struct span *value)
{
	struct span found;

	return line_take_field(rest, &found, value) &&
	    span_eq(found, span_str(name));
}

enum line_kind
line_parse(struct span s, struct line *l)
{
	size_t at = skip_prefix(s);
	struct span rest = span_skip(s, at), name, value;

	if (at == s.n)
		return LINE_OTHER;
	l->prefix = span_of(s.p, at);
	if (!line_take_named(&rest, "id", &l->id) ||
	    !line_take_named(&rest, "prog", &l->prog) ||
	    !line_take_named(&rest, "event", &l->event))
		return LINE_DAMAGED;
	if (!queue_id_valid(l->id) && !span_eq(l->id, SPAN("-")))
		return LINE_DAMAGED;
	l->fields = rest;
	while (rest.n > 0)
		if (!line_take_field(&rest, &name, &value))
			return LINE_DAMAGED;
	return LINE_EVENT;
}

bool
line_next(struct span *fields, struct span *name, struct span *value)
{
	return fields->n > 0 && line_take_field(fields, name, value);
}

bool
line_get(const struct line *l, const char *name, struct span *value)
{
	struct span rest = l->fields, found;

	while (line_next(&rest, &found, value))
		if (span_eq(found, span_str(name)))
			return true;
	return false;
}

bool
line_number(const struct line *l, const char *name, uint64_t max,
    uint64_t *value)
{
	struct span text;

	return line_get(l, name, &text) && span_u64(text, max, value);
}

bool
line_is(const struct line *l, const char *prog, const char *event)
{
	return span_eq(l->event, span_str(event)) &&
	    span_eq(l->prog, span_str(prog));
}

/* The octet that an escape sequence of n octets encodes. */
static char
line_unescape(struct span s, size_t n)
{
	static const char from[] = "\"\\nrt", to[] = "\"\\\n\r\t";
	uint64_t octet = 0;

	if (n == 2)
		return to[(const char *)memchr(from, s.p[1], 5) - from];
	(void)!span_hex(span_of(s.p + 2, 2), 255, &octet);
	return (char)octet;
}

void
line_text(struct sbuf *b, struct span value)
{
	while (value.n > 0) {
		size_t n = value.p[0] == '\\' ? escape_length(value) : 0;

		sbuf_putc(b, n == 0 ? value.p[0] : line_unescape(value, n));
		value = span_skip(value, n == 0 ? 1 : n);
	}
}

/* --- queue ids ------------------------------------------------------------ */

bool
mailid_parse(struct span s, struct mailid *id)
{
	uint64_t random;

	if (!queue_id_valid(s) ||
	    !span_hex(span_of(s.p, TIME_DIGITS), UINT64_MAX, &id->time) ||
	    !span_hex(span_skip(s, TIME_DIGITS), UINT32_MAX, &random))
		return false;
	id->random = (uint32_t)random;
	return id->time != 0;
}

void
mailid_text(const struct mailid *id, char out[QUEUE_ID_SIZE])
{
	(void)snprintf(out, QUEUE_ID_SIZE, "%014" PRIx64 "%08" PRIx32,
	    id->time & 0xffffffffffffff, id->random);
}

bool
mailid_eq(const struct mailid *a, const struct mailid *b)
{
	return a->time == b->time && a->random == b->random;
}

size_t
mailid_hash(const struct mailid *id)
{
	uint64_t x = (id->time ^ ((uint64_t)id->random << 24)) *
	    0x9e3779b97f4a7c15U;

	return (size_t)(x ^ (x >> 32));
}

/* --- times ----------------------------------------------------------------- */

#define TAI64N_LEN 24
#define TAI_1970 (0x4000000000000000U + 10) /* as multilog(8) has it */
#define SECONDS_MAX 253402300799U           /* year 9999 */

static uint64_t
parse_tai64n(struct span s)
{
	uint64_t seconds, nano;

	if (s.n < TAI64N_LEN ||
	    !span_hex(span_of(s.p, 16), UINT64_MAX, &seconds) ||
	    !span_hex(span_of(s.p + 16, 8), 999999999, &nano) ||
	    seconds < TAI_1970 || seconds - TAI_1970 > SECONDS_MAX)
		return 0;
	return (seconds - TAI_1970) * 1000000 + nano / 1000;
}

/* ".456789" as microseconds; takes it off *s. */
static uint64_t
line_take_fraction(struct span *s)
{
	uint64_t us = 0, unit = 100000;

	if (s->n == 0 || (s->p[0] != '.' && s->p[0] != ','))
		return 0;
	for (*s = span_skip(*s, 1); s->n > 0 && ascii_isdigit(s->p[0]);
	     *s = span_skip(*s, 1)) {
		us += (uint64_t)(s->p[0] - '0') * unit;
		unit /= 10;
	}
	return us;
}

/* Takes n digits and what must follow them (0: nothing) off *s. */
static bool
line_take_number(struct span *s, size_t n, char after, int *out)
{
	uint64_t v;

	if (s->n < n + (after != 0) || !span_u64(span_of(s->p, n), 9999, &v) ||
	    (after != 0 && s->p[n] != after))
		return false;
	*out = (int)v;
	*s = span_skip(*s, n + (after != 0));
	return true;
}

/* The zone at the front of s, in seconds east of UTC. */
static bool
parse_zone(struct span s, int64_t *east)
{
	int hours, minutes;
	bool west = s.n > 0 && s.p[0] == '-';

	*east = 0;
	if (span_starts(s, SPAN("Z")) || span_starts(s, SPAN("UTC")))
		return true;
	if (s.n == 0 || (s.p[0] != '+' && s.p[0] != '-'))
		return false;
	s = span_skip(s, 1);
	if (!line_take_number(&s, 2, 0, &hours))
		return false;
	if (s.n > 0 && s.p[0] == ':')
		s = span_skip(s, 1);
	if (!line_take_number(&s, 2, 0, &minutes))
		return false;
	*east = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

static uint64_t
parse_iso(struct span s)
{
	struct tm tm = { 0 };
	int64_t east, seconds;
	uint64_t us;

	if (!line_take_number(&s, 4, '-', &tm.tm_year) ||
	    !line_take_number(&s, 2, '-', &tm.tm_mon) ||
	    !line_take_number(&s, 2, 0, &tm.tm_mday) || s.n == 0 ||
	    (s.p[0] != 'T' && s.p[0] != ' '))
		return 0;
	s = span_skip(s, 1);
	if (!line_take_number(&s, 2, ':', &tm.tm_hour) ||
	    !line_take_number(&s, 2, ':', &tm.tm_min) ||
	    !line_take_number(&s, 2, 0, &tm.tm_sec))
		return 0;
	us = line_take_fraction(&s);
	if (s.n > 0 && s.p[0] == ' ')
		s = span_skip(s, 1);
	if (!parse_zone(s, &east))
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	seconds = timegm(&tm) - east;
	return seconds > 0 ? (uint64_t)seconds * 1000000 + us : 0;
}

static uint64_t
parse_unix(struct span s)
{
	size_t n = 0;
	uint64_t seconds;

	while (n < s.n && ascii_isdigit(s.p[n]))
		n++;
	if (n < 9 || !span_u64(span_of(s.p, n), SECONDS_MAX, &seconds))
		return 0;
	s = span_skip(s, n);
	return seconds * 1000000 + line_take_fraction(&s);
}

uint64_t
line_time(struct span s)
{
	uint64_t t;

	/* "Wed 2026-11-25 ...": the name of the day says nothing more. */
	if (s.n > 4 && ascii_isalpha(s.p[0]) && s.p[3] == ' ')
		s = span_skip(s, 4);
	if (s.n > 0 && s.p[0] == '@')
		return parse_tai64n(span_skip(s, 1));
	t = parse_iso(s);
	return t != 0 ? t : parse_unix(s);
}

void
line_time_add(struct sbuf *b, uint64_t us)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;
	char text[32];

	if (us / 1000000 > SECONDS_MAX || gmtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
		sbuf_addf(b, "%*s", LINE_TIME_LEN, "");
		return;
	}
	sbuf_addf(b, "%s.%03u", text, (unsigned)(us / 1000 % 1000));
}

/* --- the files ------------------------------------------------------------- */

static int
logfile_open_one(const char *name)
{
	int fd = 0;

	if (strcmp(name, "-") != 0)
		fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", name);
	return fd;
}

struct logfile *
logfile_open(char *const names[], int n, int *count)
{
	struct logfile *s;

	*count = n > 0 ? n : 1;
	s = calloc((size_t)*count, sizeof(*s));
	if (s == NULL)
		die_sys(EXIT_TEMP, "no memory");
	s[0].name = "-";
	for (int i = 0; i < n; i++)
		s[i] = (struct logfile){ names[i], logfile_open_one(names[i]) };
	return s;
}

static ssize_t
logfile_read_some(const struct logfile *s, char *to, size_t room)
{
	ssize_t n;

	do
		n = read(s->fd, to, room);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		die_sys(EXIT_TEMP, "cannot read '%s'", s->name);
	return n;
}

static void
logfile_read_one(const struct logfile *s, int file, logfile_line *each,
    void *arg)
{
	static char buf[65536];
	size_t len = 0, n;
	bool skipping = false; /* the rest of a line that is too long */
	ssize_t got;

	while ((got = logfile_read_some(s, buf + len, sizeof(buf) - len)) > 0) {
		struct span rest = span_of(buf, len + (size_t)got);

		while ((n = span_find(rest, '\n')) < rest.n) {
			if (!skipping)
				each(arg, span_of(rest.p, n), file);
			skipping = false;
			rest = span_skip(rest, n + 1);
		}
		len = rest.n;
		if (len == sizeof(buf)) {
			skipping = true;
			len = 0;
		}
		memmove(buf, rest.p, len);
	}
}

void
logfile_read(const struct logfile *s, int count, logfile_line *each, void *arg)
{
	for (int i = 0; i < count; i++) {
		logfile_read_one(&s[i], i, each, arg);
		(void)close(s[i].fd);
	}
}
