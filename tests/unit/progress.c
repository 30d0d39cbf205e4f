/* SPDX-License-Identifier: ISC */
/* The records of an id.log: written, read, torn at every octet. */
#include <stdlib.h>
#include <unistd.h>

#include "queuefile.h"
#include "tap.h"

#define ID "0660ee1b353b244f12ad53"
#define NONCE 0x4edf0daad64fb3ffU

static void
round_trips(void)
{
	static const struct progress_record all[] = {
		{ PROGRESS_RCPT, 7, 3, 0,
		    { "user joe <joe+x@example.com>", 28 } },
		{ PROGRESS_DONE, 1, 2, 1795425636, { "250 2.0.0 ok", 12 } },
		{ PROGRESS_FAILED, 0, 1, 99, { "550 5.1.1 no", 12 } },
		{ PROGRESS_DEFERRED, 4, 9, 1, { "", 0 } },
		{ PROGRESS_REFUSED, 999, 1, 1, { "550 x", 5 } },
		{ PROGRESS_TRIED, 12, 0, 1795425701, { "", 0 } },
		{ PROGRESS_CRASH, 3, 0, 0, { "signal=11", 9 } },
		{ PROGRESS_HELD, 0, 0, 0, { "crash", 5 } },
		{ PROGRESS_ORDER, 0, 0, 1795425701, { "hold root", 9 } },
		{ PROGRESS_ROUTE, 3, 0, 0, { "host a.test 26", 14 } },
		{ PROGRESS_PAUSE, 0, 0, 1795425701, { "a.test", 6 } },
		{ PROGRESS_RESUME, 0, 0, 1795425702, { "local:joe", 9 } },
	};
	struct progress_record r;
	struct sbuf b;

	sbuf_init(&b, 1 << 20);
	for (size_t i = 0; i < nitems(all); i++) {
		sbuf_reset(&b);
		progress_add(&b, &all[i]);
		ok(progress_parse(span_of(b.s, b.len - 1), &r) &&
			r.kind == all[i].kind && r.number == all[i].number &&
			r.other == all[i].other && r.time == all[i].time &&
			span_eq(r.text, all[i].text),
		    "%.*s", (int)b.len - 1, b.s);
	}
	sbuf_free(&b);
}

static void
texts_are_tamed(void)
{
	static char text[20000];
	struct progress_record r = { .kind = PROGRESS_DEFERRED,
		.text = SPAN("two\nlines\r\033[2J\x7f \xc3\xa9") },
			       got;
	struct sbuf b;

	sbuf_init(&b, 1 << 20);
	progress_add(&b, &r);
	ok(span_find(sbuf_span(&b), '\n') == b.len - 1, "one record, one line");
	ok(progress_parse(span_of(b.s, b.len - 1), &got), "which is whole");
	is_span(got.text, SPAN("two?lines??[2J? \xc3\xa9"),
	    "controls are gone");
	memset(text, 'x', sizeof(text));
	r.text = span_of(text, sizeof(text));
	sbuf_reset(&b);
	progress_add(&b, &r);
	ok(b.len < 600 && progress_parse(span_of(b.s, b.len - 1), &got),
	    "a long reply is cut");
	r.kind = PROGRESS_FAILED;
	sbuf_reset(&b);
	progress_add(&b, &r);
	ok(b.len > PROGRESS_REPLY_MAX && b.len <= PROGRESS_LINE_MAX &&
		progress_parse(span_of(b.s, b.len - 1), &got) &&
		got.text.n == PROGRESS_REPLY_MAX,
	    "a final one at 8 KiB");
	sbuf_free(&b);
}

static struct progress_record last;
static unsigned count;

static void
each(void *arg, const struct progress_record *r)
{
	(void)arg;
	last = *r;
	count++;
}

static enum progress_result
reading(int fd, const char *id, uint64_t nonce, uint64_t *length)
{
	count = 0;
	return progress_read(fd, id, nonce, length, each, NULL);
}

static int
scratch(void)
{
	char path[] = "/tmp/progress.XXXXXX";
	int fd = mkstemp(path);

	if (fd == -1 || unlink(path) == -1)
		exit(1);
	return fd;
}

static void
logs(void)
{
	struct sbuf b;
	uint64_t length = 0, whole;
	unsigned wrong = 0, shown = 0;
	int fd = scratch();
	char *copy;
	size_t n, ends[4];

	sbuf_init(&b, 1 << 20);
	progress_begin(&b, ID, NONCE);
	ends[0] = b.len;
	for (uint32_t i = 1; i < 4; i++) {
		progress_add(&b,
		    &(struct progress_record){
			.kind = PROGRESS_TRIED, .number = i, .time = 5 });
		ends[i] = b.len;
	}
	n = b.len;
	copy = strdup(b.s);
	ok(progress_append(fd, &length, sbuf_span(&b)) && length == n,
	    "written");
	ok(reading(fd, ID, NONCE, &whole) == PROGRESS_READ && whole == n &&
		count == 3 && last.number == 3,
	    "read");
	ok(reading(fd, ID, NONCE + 1, &whole) == PROGRESS_OTHER && whole == 0 &&
		count == 0,
	    "another nonce: another message");
	ok(reading(fd, "0660ee1b353b244f12ad54", NONCE, &whole) ==
		PROGRESS_OTHER,
	    "another id too");
	for (size_t cut = 0; cut <= n; cut++) {
		unsigned lines = 0;
		enum progress_result r;

		if (ftruncate(fd, (off_t)cut) < 0)
			return;
		while (lines < 4 && ends[lines] <= cut)
			lines++;
		r = reading(fd, ID, NONCE, &whole);
		wrong += r != (lines > 0 ? PROGRESS_READ : PROGRESS_OTHER) ||
		    count != (lines > 0 ? lines - 1 : 0) ||
		    whole != (lines > 0 ? ends[lines - 1] : 0);
		length = 0;
		if (!progress_append(fd, &length, span_of(copy, n)))
			wrong++;
	}
	is_num(wrong, 0, "cut anywhere, what is whole is read");
	for (size_t i = 0; i < n; i++)
		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			char c = (char)((unsigned char)copy[i] ^ bit);

			if (pwrite(fd, &c, 1, (off_t)i) != 1)
				return;
			(void)reading(fd, ID, NONCE, &whole);
			for (unsigned l = 0; l < 4; l++)
				shown += ends[l] > i && whole >= ends[l];
			if (pwrite(fd, &copy[i], 1, (off_t)i) != 1)
				return;
		}
	is_num(shown, 0, "no flipped bit is read as a record");
	if (ftruncate(fd, (off_t)n - 3) < 0)
		return;
	(void)reading(fd, ID, NONCE, &length);
	sbuf_reset(&b);
	progress_add(&b,
	    &(struct progress_record){ .kind = PROGRESS_CRASH,
		.number = 1,
		.text = SPAN("exit=101") });
	ok(progress_append(fd, &length, sbuf_span(&b)) &&
		reading(fd, ID, NONCE, &whole) == PROGRESS_READ && count == 3 &&
		last.kind == PROGRESS_CRASH && whole == length,
	    "a torn tail is cut before the next record");
	free(copy);
	sbuf_free(&b);
	(void)close(fd);
}

static void
large_logs(void)
{
	static char text[PROGRESS_REPLY_MAX];
	struct sbuf b;
	uint64_t length = 0;
	int fd = scratch();

	sbuf_init(&b, 64 << 20);
	memset(text, 'y', sizeof(text));
	progress_begin(&b, ID, NONCE);
	for (uint32_t i = 0; i < 2000; i++)
		progress_add(&b,
		    &(struct progress_record){ .kind = PROGRESS_FAILED,
			.number = i,
			.other = i,
			.time = i,
			.text = span_of(text, i * 4 + 1) });
	ok(!b.bad && progress_append(fd, &length, sbuf_span(&b)) &&
		reading(fd, ID, NONCE, &length) == PROGRESS_READ &&
		length == b.len && count == 2000 && last.number == 1999,
	    "2000 long records");
	sbuf_free(&b);
	(void)close(fd);
	ok(reading(-1, ID, NONCE, &length) == PROGRESS_IOERR,
	    "what cannot be read is not empty");
}

int
main(void)
{
	round_trips();
	texts_are_tamed();
	logs();
	large_logs();
	return done();
}
