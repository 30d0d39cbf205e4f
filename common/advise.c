/* SPDX-License-Identifier: ISC */
/* The life of an adviser: smtpd-queue asks it about each message. */
#include "advise.h"

#include <errno.h>
#include <unistd.h>

#include "envelope.h"
#include "log.h"

/* Too large for a stack; touched only as far as used. */
static struct chan chan;
static struct chan_room buffers;

/* For each octet that is sent: the injector waits for nothing but us. */
static uint64_t patience;

ssize_t
advise_read(const struct advise_text *t, uint64_t offset, void *p, size_t room)
{
	size_t got = 0;

	if (offset >= t->length)
		return 0;
	if (room > t->length - offset)
		room = (size_t)(t->length - offset);
	while (got < room) {
		ssize_t n = pread(t->fd, (char *)p + got, room - got,
		    (off_t)(offset + got));

		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO; /* shorter than was said */
		if (n <= 0)
			return -1;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* --- answers ------------------------------------------------------------- */

static void
say(char tag, struct span payload)
{
	if (chan_send(&chan, tag, payload, clock_in(patience)) != IO_OK)
		die_sys(EXIT_TEMP, "cannot answer");
}

static void
conclude(char tag, struct span payload)
{
	say(tag, payload);
	if (chan_flush(&chan, clock_in(patience)) != IO_OK)
		die_sys(EXIT_TEMP, "cannot answer");
}

void
advise_delete(uint64_t offset, uint64_t length)
{
	char mem[64];
	struct sbuf b = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};

	sbuf_addf(&b, "%llu %llu", (unsigned long long)offset,
	    (unsigned long long)length);
	say('D', sbuf_span(&b));
}

void
advise_put(uint64_t offset, struct span octets)
{
	static char mem[FRAME_PAYLOAD_MAX + 1];

	while (octets.n > 0) {
		struct sbuf b = {
			.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
		};
		size_t n;

		sbuf_addf(&b, "%llu ", (unsigned long long)offset);
		n = octets.n < b.max - b.len ? octets.n : b.max - b.len;
		sbuf_add(&b, octets.p, n);
		say('P', sbuf_span(&b));
		octets = span_skip(octets, n);
	}
}

void
advise_top(struct span lines)
{
	say('H', lines);
}

void
advise_mark(struct span mark)
{
	say('M', mark);
}

void
advise_pass(void)
{
	conclude('K', SPAN(""));
}

void
advise_later(struct span reply)
{
	conclude('Z', reply);
}

void
advise_refuse(struct span reply)
{
	conclude('X', reply);
}

/* --- frames -------------------------------------------------------------- */

enum stage { NONE, FACTS, SENDER, ENVELOPE };

static bool
take_sender(const struct adviser *a, void *context, struct span payload,
    enum stage *stage)
{
	struct envelope_path path;

	if (*stage != FACTS || !envelope_sender(payload, &path))
		return false;
	*stage = SENDER;
	if (a->sender != NULL)
		a->sender(context, payload);
	return true;
}

static bool
take_recipient(const struct adviser *a, void *context, struct span payload,
    enum stage *stage)
{
	struct envelope_path path;

	if (*stage < SENDER || !envelope_recipient(payload, &path))
		return false;
	*stage = ENVELOPE;
	if (a->recipient != NULL)
		a->recipient(context, payload);
	return true;
}

/* Another adviser has refused the last S or R: a sender may come again. */
static bool
forget(enum stage *stage)
{
	if (*stage == SENDER)
		*stage = FACTS;
	return *stage != NONE;
}

static bool
take_fact(const struct adviser *a, void *context, struct span payload,
    enum stage *stage)
{
	struct span name, value;

	if (*stage > FACTS || !envelope_fact(payload, &name, &value))
		return false;
	if (*stage == NONE && a->begin != NULL)
		a->begin(context);
	*stage = FACTS;
	if (a->fact != NULL)
		a->fact(context, name, value);
	return true;
}

static bool
take_text(const struct adviser *a, void *context, struct span payload,
    enum stage *stage)
{
	struct advise_text t = { .fd = chan_take_fd(&chan) };
	bool good = *stage >= SENDER && t.fd != -1 &&
	    span_u64(payload, UINT64_MAX, &t.length);

	if (good)
		a->text(context, &t);
	if (t.fd != -1)
		(void)close(t.fd);
	*stage = NONE;
	return good;
}

static bool
take(const struct adviser *a, void *context, const struct frame *f,
    enum stage *stage)
{
	switch (f->tag) {
	case 'C':
		return take_fact(a, context, f->payload, stage);
	case 'S':
		return take_sender(a, context, f->payload, stage);
	case 'R':
		return take_recipient(a, context, f->payload, stage);
	case 'H':
		if (*stage >= SENDER && a->field != NULL)
			a->field(context, f->payload);
		return *stage >= SENDER;
	case 'E':
		return take_text(a, context, f->payload, stage);
	case 'A':
		*stage = NONE;
		return true;
	case 'Q':
		advise_pass();
		return true;
	case 'M':
		return *stage != NONE;
	case 'F':
		return forget(stage);
	default:
		return ascii_lower(f->tag) == f->tag;
	}
}

int
advise_run(const struct adviser *a, void *context, const struct conf *conf)
{
	enum stage stage = NONE;
	struct frame f;
	enum io r;

	patience = conf->helper_timeout * 1000;
	chan_init(&chan, &buffers, 0, 1);
	while ((r = chan_recv(&chan, &f, NEVER)) == IO_OK)
		if (!take(a, context, &f, &stage))
			die(EXIT_TEMP, "'%c' makes no sense here", f.tag);
	if (r == IO_EOF ||
	    (r == IO_ERROR && (errno == ECONNRESET || errno == EPIPE)))
		return EXIT_OK;
	die_sys(EXIT_TEMP, "the conversation broke off");
}
