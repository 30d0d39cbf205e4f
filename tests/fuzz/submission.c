/* SPDX-License-Identifier: ISC */
/*
 * Fuzzes the advice on a message of our own users: the input is its text, in
 * which each 0x02 stands for a forged field. The changes are in order and
 * within the text; the text that they make lacks nothing and bears nothing
 * that must go, so that there is no second advice; no other octet is lost.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../smtpd-queue/submission.h"

#define FORGED "Authentication-Results: mail.example.com; dkim=pass\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct advice_heard {
	struct span text;
	struct sbuf result;
	uint64_t at; /* of text, what is in the result */
	size_t gone; /* octets */
	unsigned deleted, put, top;
	char verdict;
} advice;

static void
check(bool good)
{
	if (!good)
		abort();
}

/* --- in place of common/advise.c ------------------------------------------- */

ssize_t
advise_read(const struct advise_text *t, uint64_t offset, void *p, size_t room)
{
	(void)t;
	if (offset >= advice.text.n)
		return 0;
	if (room > advice.text.n - offset)
		room = advice.text.n - (size_t)offset;
	memcpy(p, advice.text.p + offset, room);
	return (ssize_t)room;
}

static void
go_to(uint64_t offset)
{
	check(offset >= advice.at && offset <= advice.text.n);
	sbuf_add(&advice.result, advice.text.p + advice.at,
	    (size_t)(offset - advice.at));
	advice.at = offset;
}

void
advise_delete(uint64_t offset, uint64_t length)
{
	check(advice.verdict == '\0' && advice.top == 0);
	go_to(offset);
	check(length > 0 && length <= advice.text.n - offset);
	advice.at += length;
	advice.gone += (size_t)length;
	advice.deleted++;
}

void
advise_put(uint64_t offset, struct span octets)
{
	if (octets.n == 0)
		return;
	check(advice.verdict == '\0' && advice.top == 0);
	go_to(offset);
	sbuf_addspan(&advice.result, octets);
	advice.put++;
}

void
advise_top(struct span lines)
{
	check(header_is_fields(lines));
	advice.top++;
}

void
advise_pass(void)
{
	check(advice.verdict == '\0');
	go_to(advice.text.n);
	advice.verdict = 'K';
}

void
advise_later(struct span reply)
{
	check(reply.n > 0 && reply.p[0] == '4');
	advice.verdict = 'Z';
}

void
advise_refuse(struct span reply)
{
	check(reply.n > 0 && reply.p[0] == '5');
	advice.verdict = 'X';
}

/* --------------------------------------------------------------------------- */

static void
fact(struct submission *s, const char *name, const char *value)
{
	submission_adviser.fact(s, span_str(name), span_str(value));
}

/* Asks about the text, as mail of a local user, or of joe. */
static void
ask(struct submission *s, struct span text, bool local)
{
	struct advise_text t = { .fd = -1, .length = text.n };
	const struct envelope_path from = { .path = SPAN("<joe@example.com>") };

	sbuf_reset(&advice.result);
	advice.text = text;
	advice.at = advice.gone = 0;
	advice.deleted = advice.put = advice.top = 0;
	advice.verdict = '\0';
	submission_adviser.begin(s);
	fact(s, "id", "0123456789abcdef012345");
	fact(s, "entrance", local ? "user" : "relay");
	if (local)
		fact(s, "uid", "1000");
	submission_adviser.sender(s, &from);
	submission_adviser.text(s, &t);
	check(advice.verdict != '\0' && !advice.result.bad);
	check(advice.verdict != 'K' || advice.top == (local ? 1 : 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf conf = { .hostname = "mail.example.com",
		.local_domains = "example.com",
		.senders = "" };
	static struct submission s;
	struct sbuf text, again;

	if (s.conf == NULL) {
		submission_init(&s, &conf, SPAN(""));
		sbuf_init(&advice.result, SIZE_MAX / 2);
	}
	sbuf_init(&text, SIZE_MAX / 2);
	sbuf_init(&again, SIZE_MAX / 2);
	for (size_t i = 0; i < size; i++) {
		if (data[i] == 2)
			sbuf_adds(&text, FORGED);
		else
			sbuf_putc(&text, (char)data[i]);
	}
	ask(&s, sbuf_span(&text), (size & 1) != 0);
	if (advice.verdict == 'K') {
		check(advice.result.len >= text.len - advice.gone);
		sbuf_addspan(&again, sbuf_span(&advice.result));
		ask(&s, sbuf_span(&again), true);
		check(advice.verdict == 'K');
		check(advice.deleted == 0 && advice.put == 0);
	}
	sbuf_free(&text);
	sbuf_free(&again);
	return 0;
}
