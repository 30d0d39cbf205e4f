/* SPDX-License-Identifier: ISC */
/* The copy of a message for smtpd-judge, and what it says of it. */
#include "judge.h"

#include "../reply.h"
#include "claim.h"

/* Our own client waits for helper_timeout: of that the queue needs some. */
static uint64_t
patience(const struct conf *conf)
{
	uint64_t half = conf->helper_timeout * 1000 / 2;
	uint64_t ms = conf->judge_timeout * 1000;

	return ms < half ? ms : half;
}

void
judge_open(struct judge *j, const struct conf *conf)
{
	/* Not the buffers of chan: written to, they would all cost memory. */
	j->conf = conf;
	j->wanted = conf->judge[0] != '\0';
	link_init(&j->link, &j->chan, "judge", conf);
	sbuf_init(&j->fields, JUDGE_FIELDS_MAX);
	sbuf_init(&j->reply, REPLY_MAX);
	if (j->wanted)
		link_open(&j->link, &j->chan, "judge", conf->judge, conf);
	judge_forget(j);
}

void
judge_forget(struct judge *j)
{
	j->begun = j->junk = false;
	j->left = patience(j->conf);
	j->why = NULL;
	sbuf_reset(&j->fields);
	sbuf_reset(&j->reply);
}

/* Around each step in which the link may wait. */
static instant
begin_wait(struct judge *j)
{
	j->link.patience = j->left;
	return clock_now();
}

static void
end_wait(struct judge *j, instant began)
{
	uint64_t spent = clock_now() - began;

	j->left -= spent < j->left ? spent : j->left;
}

void
judge_copy(struct judge *j, char tag, struct span payload)
{
	instant now;

	if (j->link.state != LINK_UP)
		return;
	now = begin_wait(j);
	j->begun = true;
	link_send(&j->link, tag, payload);
	end_wait(j, now);
}

void
judge_flush(struct judge *j)
{
	instant now = begin_wait(j);

	link_flush(&j->link);
	end_wait(j, now);
}

void
judge_abandon(struct judge *j)
{
	if (!j->begun)
		return;
	judge_copy(j, 'A', SPAN(""));
	judge_flush(j);
	j->begun = false;
}

static enum judge_verdict
cannot(struct judge *j, const char *why)
{
	j->why = why;
	return JUDGE_CANNOT;
}

static enum judge_verdict
nonsense(struct judge *j)
{
	link_lose(&j->link, "an answer that is none");
	return cannot(j, "the answer was none");
}

/* False: it is not what a judge says before its verdict. */
static bool
take(struct judge *j, const struct frame *f)
{
	switch (f->tag) {
	case 'H':
		frame_add(&j->fields, 'H', f->payload);
		return !j->fields.bad &&
		    claim_is_sound(f->payload, j->conf->hostname);
	case 'M':
		j->junk = true;
		return span_eq(f->payload, SPAN("junk"));
	default:
		return ascii_lower(f->tag) == f->tag;
	}
}

static enum judge_verdict
hear(struct judge *j)
{
	struct frame f;

	for (;;) {
		instant now = begin_wait(j);
		bool heard = link_receive(&j->link, &f);

		end_wait(j, now);
		if (!heard)
			return cannot(j,
			    j->left == 0 ? "no answer in time" : "no answer");
		switch (f.tag) {
		case 'K':
			return JUDGE_PASSES;
		case 'Z':
			return cannot(j, "it cannot tell");
		case 'X':
			if (!reply_is(f.payload, '5'))
				return nonsense(j);
			sbuf_addspan(&j->reply, f.payload);
			return j->reply.bad ? cannot(j, "no memory") :
					      JUDGE_REFUSES;
		default:
			if (!take(j, &f))
				return nonsense(j);
		}
	}
}

enum judge_verdict
judge_ask(struct judge *j)
{
	if (j->link.state != LINK_UP || !j->begun)
		return cannot(j, "there is no judge");
	judge_copy(j, 'E', SPAN(""));
	judge_flush(j);
	j->begun = false;
	if (j->link.state != LINK_UP)
		return cannot(j, "it does not read");
	return hear(j);
}
