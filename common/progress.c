/* SPDX-License-Identifier: ISC */
/* The records of an id.log: lines with a sum, read to the first torn one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "queuefile.h"

#define SUM_LEN 8

/* How each kind is written: its name, and which fields follow. */
static const struct layout {
	const char *name;
	bool number, other, time, text;
} layouts[] = {
	[PROGRESS_LOG] = { "log 1", false, false, false, true },
	[PROGRESS_RCPT] = { "rcpt", true, true, false, true },
	[PROGRESS_DONE] = { "done", true, true, true, true },
	[PROGRESS_FAILED] = { "failed", true, true, true, true },
	[PROGRESS_DEFERRED] = { "deferred", true, true, true, true },
	[PROGRESS_REFUSED] = { "refused", true, true, true, true },
	[PROGRESS_BOUNCED] = { "bounced", true, true, true, true },
	[PROGRESS_TOLD] = { "told", true, false, true, true },
	[PROGRESS_TRIED] = { "tried", true, false, true, false },
	[PROGRESS_CRASH] = { "crash", true, false, false, true },
	[PROGRESS_HELD] = { "held", false, false, false, true },
	[PROGRESS_ORDER] = { "order", false, false, true, true },
	[PROGRESS_ROUTE] = { "route", true, false, false, true },
	[PROGRESS_PAUSE] = { "pause", false, false, true, true },
	[PROGRESS_RESUME] = { "resume", false, false, true, true },
};

static bool
parse_fields(struct span rest, const struct layout *l,
    struct progress_record *r)
{
	uint32_t u = 0;
	uint64_t t = 0;

	if (l->number) {
		if (!span_u32(span_cut(&rest, ' '), UINT32_MAX, &u))
			return false;
		r->number = u;
	}
	if (l->other) {
		if (!span_u32(span_cut(&rest, ' '), UINT32_MAX, &u))
			return false;
		r->other = u;
	}
	if (l->time) {
		if (!span_u64(span_cut(&rest, ' '), UINT64_MAX, &t))
			return false;
		r->time = t;
	}
	r->text = rest;
	return l->text || rest.n == 0;
}

bool
progress_parse(struct span line, struct progress_record *r)
{
	struct span body = span_skip(line, SUM_LEN + 1), rest;
	char sum[SUM_LEN + 1];

	if (line.n <= SUM_LEN || line.p[SUM_LEN] != ' ')
		return false;
	(void)snprintf(sum, sizeof(sum), "%08" PRIx32,
	    crc32c(0, body.p, body.n));
	if (memcmp(line.p, sum, SUM_LEN) != 0)
		return false;
	for (size_t i = 0; i < nitems(layouts); i++) {
		struct span name = span_str(layouts[i].name);

		rest = span_skip(body, name.n);
		if (!span_starts(body, name) || rest.n == 0 || rest.p[0] != ' ')
			continue;
		*r = (struct progress_record){ .kind = (enum progress_kind)i };
		return parse_fields(span_skip(rest, 1), &layouts[i], r);
	}
	return false;
}

static size_t
text_max(enum progress_kind kind)
{
	return kind == PROGRESS_FAILED || kind == PROGRESS_RCPT ||
		kind == PROGRESS_ROUTE ?
	    PROGRESS_REPLY_MAX :
	    PROGRESS_DEFERRED_MAX;
}

void
progress_add(struct sbuf *b, const struct progress_record *r)
{
	const struct layout *l = &layouts[r->kind];
	char mem[PROGRESS_LINE_MAX];
	size_t n, room = text_max(r->kind);
	int w;

	w = snprintf(mem, sizeof(mem), "%s", l->name);
	n = (size_t)w;
	if (l->number)
		n += (size_t)snprintf(mem + n, sizeof(mem) - n, " %" PRIu32,
		    r->number);
	if (l->other)
		n += (size_t)snprintf(mem + n, sizeof(mem) - n, " %" PRIu32,
		    r->other);
	if (l->time)
		n += (size_t)snprintf(mem + n, sizeof(mem) - n, " %" PRIu64,
		    r->time);
	if (l->text)
		mem[n++] = ' ';
	for (size_t i = 0; l->text && i < r->text.n && i < room; i++) {
		char c = r->text.p[i];

		mem[n++] = (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
	}
	sbuf_addf(b, "%08" PRIx32 " ", crc32c(0, mem, n));
	sbuf_add(b, mem, n);
	sbuf_putc(b, '\n');
}

static int
first_text(char *out, size_t size, const char *id, uint64_t nonce)
{
	return snprintf(out, size, "%s %016" PRIx64, id, nonce);
}

void
progress_begin(struct sbuf *b, const char *id, uint64_t nonce)
{
	char text[QUEUE_ID_SIZE + 17];
	int n = first_text(text, sizeof(text), id, nonce);

	progress_add(b,
	    &(struct progress_record){
		.kind = PROGRESS_LOG, .text = span_of(text, (size_t)n) });
}

struct reading {
	const char *id;
	uint64_t nonce;
	bool begun; /* the first line was seen and is ours */
	void (*each)(void *, const struct progress_record *);
	void *arg;
};

/* False: the log ends before this line. */
static bool
progress_take_line(struct reading *r, struct span line)
{
	struct progress_record record;
	char text[QUEUE_ID_SIZE + 17];
	int n;

	if (!progress_parse(line, &record))
		return false;
	if (r->begun) {
		if (record.kind == PROGRESS_LOG)
			return false;
		r->each(r->arg, &record);
		return true;
	}
	n = first_text(text, sizeof(text), r->id, r->nonce);
	r->begun = record.kind == PROGRESS_LOG &&
	    span_eq(record.text, span_of(text, (size_t)n));
	return r->begun;
}

/* Takes the whole lines of buf; returns how many octets they are. */
static size_t
progress_take_lines(struct reading *r, struct span buf, bool *torn)
{
	struct span rest = buf;
	size_t end;

	while ((end = span_find(rest, '\n')) < rest.n) {
		if (!progress_take_line(r, span_of(rest.p, end))) {
			*torn = true;
			break;
		}
		rest = span_skip(rest, end + 1);
	}
	return buf.n - rest.n;
}

enum progress_result
progress_read(int fd, const char *id, uint64_t nonce, uint64_t *length,
    void (*each)(void *, const struct progress_record *), void *arg)
{
	struct reading r = { id, nonce, false, each, arg };
	char buf[2 * PROGRESS_LINE_MAX];
	bool torn = false;
	ssize_t n;
	size_t used;

	*length = 0;
	while (!torn) {
		n = pread(fd, buf, sizeof(buf), (off_t)*length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return PROGRESS_IOERR;
		used = progress_take_lines(&r, span_of(buf, (size_t)n), &torn);
		if (used == 0)
			break; /* the end, or no line that we wrote */
		*length += used;
	}
	return r.begun ? PROGRESS_READ : PROGRESS_OTHER;
}

bool
progress_append(int fd, uint64_t *length, struct span lines)
{
	uint64_t at = *length;
	struct stat st;
	ssize_t n;
	int saved;

	if (fstat(fd, &st) < 0 ||
	    ((uint64_t)st.st_size != at && ftruncate(fd, (off_t)at) < 0))
		return false;
	while (lines.n > 0) {
		n = pwrite(fd, lines.p, lines.n, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			saved = n == 0 ? EIO : errno;
			/* If this fails too, the next append cuts it off. */
			(void)!ftruncate(fd, (off_t)*length);
			errno = saved;
			return false;
		}
		lines = span_skip(lines, (size_t)n);
		at += (uint64_t)n;
	}
	*length = at;
	return true;
}
