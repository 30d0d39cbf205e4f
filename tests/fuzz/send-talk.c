/* SPDX-License-Identifier: ISC */
/* What a user's process may say: the same however it is cut, views inside. */
#include "transport.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Of the job module, for the half of talk.c that is not called here. */
unsigned
job_attempt(const struct job *job)
{
	(void)job;
	return 0;
}

struct span
job_sender(const struct job *job)
{
	(void)job;
	return SPAN("<>");
}

struct span
rcpt_address(const struct rcpt *r)
{
	(void)r;
	return SPAN("<a@b>");
}

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
inside(struct span part, const struct slot *slot)
{
	must(part.n == 0 ||
	    (part.p >= slot->in &&
		part.p + part.n <= slot->in + slot->chan.in.len));
}

/* As if read from a socket, of which nothing has been looked at. */
static void
give(struct slot *slot, const uint8_t *data, size_t size)
{
	chan_init_small(&slot->chan, -1, slot->in, sizeof(slot->in));
	memcpy(slot->in, data, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct slot slot;
	struct rcpt rcpt = { .index = size > 0 ? data[0] % 4 : 0 };
	struct heard h;
	enum heard_kind kind = HEARD_NOTHING, whole;

	if (size > SLOT_ROOM)
		return 0;
	slot.given[0] = &rcpt;
	slot.ngiven = 1;
	give(&slot, data, size);
	slot.chan.in.len = size;
	whole = talk_parse(&slot, &h);
	if (whole == HEARD_VERDICT) {
		/* Of smtpd-lspawn's own word the stage is ours. */
		if (!span_eq(h.outcome.stage, SPAN("lspawn")))
			inside(h.outcome.stage, &slot);
		inside(h.outcome.host, &slot);
		inside(h.outcome.reply, &slot);
		must(h.outcome.reply.n > 0);
		must(h.outcome.tls.n <= sizeof(slot.tls));
	}
	if (whole == HEARD_DEATH)
		must(strlen(h.how) < sizeof(h.how) - 1 &&
		    strlen(h.why) < sizeof(h.why) - 1);
	/* Octet by octet it comes to the same, if maybe earlier. */
	give(&slot, data, size);
	while (slot.chan.in.len < size && kind == HEARD_NOTHING) {
		slot.chan.in.len++;
		kind = talk_parse(&slot, &h);
	}
	must(size == 0 || kind == whole);
	return 0;
}
