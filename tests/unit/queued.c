/* SPDX-License-Identifier: ISC */
/* A queue file and its log, read as recipients with their states. */
#include "queued.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define ID "0660ee1b353b244f12ad53"
#define NONCE 7

static int
file_of(struct span text, mode_t mode)
{
	int fd = memfd_create("queued", MFD_CLOEXEC);

	if (fd == -1 || write(fd, text.p, text.n) != (ssize_t)text.n ||
	    fchmod(fd, mode) == -1)
		exit(1);
	return fd;
}

static int
message_of(const char *const frames[])
{
	struct queuefile q = { .id = ID, .body_len = 2, .nonce = NONCE };
	char footer[QUEUEFILE_FOOTER];
	struct sbuf b;
	int fd;

	sbuf_init(&b, 65536);
	sbuf_adds(&b, "x\n");
	for (size_t i = 0; frames[i] != NULL; i++)
		frame_add(&b, frames[i][0], span_str(frames[i] + 1));
	q.body_crc = crc32c(0, b.s, 2);
	q.frames_len = (uint32_t)b.len - 2;
	queuefile_footer(footer, &q, crc32c(0, b.s + 2, b.len - 2));
	sbuf_add(&b, footer, sizeof(footer));
	fd = file_of(sbuf_span(&b), 0400);
	sbuf_free(&b);
	return fd;
}

static const char *const frames[] = { "Cversion=1", "S<me@example.org>",
	"Rlocal <list@example.com>", "Rremote <b@b.test>",
	"Rlocal <nobody@example.com>", NULL };

static const struct progress_record records[] = {
	{ PROGRESS_RCPT, 0, 0, 0, SPAN("user joe <joe@example.com>") },
	{ PROGRESS_RCPT, 3, 0, 0, SPAN("remote <x@x.test>") },
	{ PROGRESS_RCPT, 9, 7, 0, SPAN("remote <no@frame.test>") },
	{ PROGRESS_RCPT, 8, 0, 0, SPAN("nonsense") },
	{ PROGRESS_RCPT, 1, 1, 0, SPAN("remote <b@b.test>") },
	{ PROGRESS_REFUSED, 2, 1, 10, SPAN("550 5.1.1 Nobody") },
	{ PROGRESS_DONE, 0, 1, 11, SPAN("250 2.0.0 Delivered") },
	{ PROGRESS_DEFERRED, 3, 1, 12, SPAN("451 4.0.0 First") },
	{ PROGRESS_DEFERRED, 8, 1, 12, SPAN("451 4.0.0 Nobody's") },
	{ PROGRESS_FAILED, 1, 1, 13, SPAN("550 5.7.1 No") },
	{ PROGRESS_BOUNCED, 2, 1, 14, SPAN("0660ee1b353b244f12ad54") },
	{ PROGRESS_HELD, 0, 0, 0, SPAN("crash") },
	{ PROGRESS_TRIED, 1, 0, 99, SPAN("") },
	{ PROGRESS_ROUTE, 3, 0, 0, SPAN("host y.test") },
	{ PROGRESS_ORDER, 0, 0, 15, SPAN("hold root") },
	{ PROGRESS_DEFERRED, 3, 2, 16, SPAN("451 4.0.0 Later, and longer") },
	{ PROGRESS_TRIED, 2, 0, 199, SPAN("") },
};

/* All of the log but the last octets. */
static int
log_of(size_t cut)
{
	struct sbuf b;
	int fd;

	sbuf_init(&b, 65536);
	progress_begin(&b, ID, NONCE);
	for (size_t i = 0; i < nitems(records); i++)
		progress_add(&b, &records[i]);
	fd = file_of(span_of(b.s, b.len - cut), 0600);
	sbuf_free(&b);
	return fd;
}

static void
is_rcpt(const struct queued *q, size_t i, enum queued_state state,
    const char *target, const char *reply)
{
	const struct queued_rcpt *r = &q->rcpts[i];

	ok(r->state == state &&
		span_eq(queued_text(q, r->target), span_str(target)) &&
		span_eq(queued_text(q, r->reply), span_str(reply)),
	    "recipient %zu is %s: %s", i, target, reply);
}

static void
read_all(void)
{
	int fd = message_of(frames), log = log_of(0);
	struct queued q;

	ok(queued_envelope(&q, fd, ID) == QUEUED_OK && q.naddressees == 3,
	    "the envelope is read");
	is_span(queued_text(&q, q.sender), SPAN("<me@example.org>"), "sender");
	ok(queued_log(&q, log) == PROGRESS_READ && q.logged, "the log, too");
	is_num(q.n, 6, "R frames, and what they are expanded to");
	ok(q.rcpts[0].expanded && q.rcpts[1].expanded && !q.rcpts[2].expanded,
	    "two of them are expanded");
	is_rcpt(&q, 2, QUEUED_BOUNCED, "local <nobody@example.com>",
	    "550 5.1.1 Nobody");
	is_span(queued_text(&q, q.rcpts[2].notice),
	    SPAN("0660ee1b353b244f12ad54"), "by that notice");
	is_rcpt(&q, 3, QUEUED_DELIVERED, "user joe <joe@example.com>",
	    "250 2.0.0 Delivered");
	is_rcpt(&q, 4, QUEUED_WAITING, "remote <x@x.test>",
	    "451 4.0.0 Later, and longer");
	is_span(queued_text(&q, q.rcpts[4].route), SPAN("host y.test"),
	    "which the operator sends elsewhere");
	is_rcpt(&q, 5, QUEUED_FAILED, "remote <b@b.test>", "550 5.7.1 No");
	ok(q.tries == 2 && q.next == 199 && q.held == 0, "tried twice");
	is_span(queued_text(&q, q.kept), SPAN("root"), "held by the operator");
	is_span(queued_address(queued_text(&q, q.rcpts[3].target)),
	    SPAN("<joe@example.com>"), "the address of a user");
	ok(queued_is_open(&q.rcpts[4]) && queued_is_open(&q.rcpts[5]) &&
		!queued_is_open(&q.rcpts[3]) && !queued_is_open(&q.rcpts[0]),
	    "what is open");
	queued_free(&q);
	(void)close(fd);
	(void)close(log);
}

static void
read_torn(void)
{
	int fd = message_of(frames), log = log_of(3);
	struct queued q;

	ok(queued_envelope(&q, fd, ID) == QUEUED_OK &&
		queued_log(&q, log) == PROGRESS_READ && q.tries == 1 &&
		q.next == 99 && q.kept != 0,
	    "a torn log counts as far as it is whole");
	queued_free(&q);
	(void)close(log);
	log = log_of(0);
	if (pwrite(log, "f", 1, 0) != 1)
		exit(1);
	ok(queued_envelope(&q, fd, ID) == QUEUED_OK &&
		queued_log(&q, log) == PROGRESS_OTHER && !q.logged &&
		q.n == 3 && q.tries == 0,
	    "another message's log says nothing");
	queued_free(&q);
	(void)close(log);
	(void)close(fd);
}

static void
envelopes(void)
{
	static const char *const bad[][4] = {
		{ "S<a@b.test>", NULL },
		{ "Rremote <a@b.test>", "S<a@b.test>", NULL },
		{ "S<>", "S<>", "Rremote <a@b.test>", NULL },
		{ "S<>", "Rnowhere <a@b.test>", NULL },
	};
	struct queued q;

	for (size_t i = 0; i < nitems(bad); i++) {
		int fd = message_of(bad[i]);

		ok(queued_envelope(&q, fd, ID) == QUEUED_CORRUPT,
		    "envelope %zu is damaged", i);
		queued_free(&q);
		(void)close(fd);
	}
}

int
main(void)
{
	read_all();
	read_torn();
	envelopes();
	return done();
}
