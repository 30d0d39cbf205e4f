/* SPDX-License-Identifier: ISC */
/* An adviser: smtpd-queue asks it about each message. */
#include "advise.h"

#include <errno.h>
#include <unistd.h>

#include "conversation.h"
#include "program.h"
#include "serve.h"

/* Too large for a stack; touched only as far as used. */
static struct chan chan;
static struct chan_room buffers;

/* In ms, for each octet that is sent: the injector waits for nothing but us. */
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
			errno = EIO; /* shorter than its length says */
		if (n <= 0)
			return -1;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* --- answers ------------------------------------------------------------- */

static void
advise_say(char tag, struct span payload)
{
	if (chan_send(&chan, tag, payload, clock_in(patience)) != IO_OK)
		die_sys(EXIT_TEMP, "cannot answer");
}

static void
advise_conclude(char tag, struct span payload)
{
	if (conversation_answer(&chan, tag, payload, clock_in(patience)) !=
	    IO_OK)
		die_sys(EXIT_TEMP, "cannot answer");
}

void
advise_delete(uint64_t offset, uint64_t length)
{
	char mem[64];
	struct sbuf b = SBUF_IN(mem);

	sbuf_addf(&b, "%llu %llu", (unsigned long long)offset,
	    (unsigned long long)length);
	advise_say('D', sbuf_span(&b));
}

void
advise_put(uint64_t offset, struct span octets)
{
	static char mem[FRAME_PAYLOAD_MAX + 1];

	while (octets.n > 0) {
		struct sbuf b = SBUF_IN(mem);
		size_t n;

		sbuf_addf(&b, "%llu ", (unsigned long long)offset);
		n = octets.n < b.max - b.len ? octets.n : b.max - b.len;
		sbuf_add(&b, octets.p, n);
		advise_say('P', sbuf_span(&b));
		octets = span_skip(octets, n);
	}
}

void
advise_top(struct span lines)
{
	advise_say('H', lines);
}

void
advise_mark(struct span mark)
{
	advise_say('M', mark);
}

void
advise_pass(void)
{
	advise_conclude('K', SPAN(""));
}

void
advise_later(struct span reply)
{
	advise_conclude('Z', reply);
}

void
advise_refuse(struct span reply)
{
	advise_conclude('X', reply);
}

/* --- frames -------------------------------------------------------------- */

static bool
advise_take_text(const struct adviser *a, void *context, struct span payload,
    enum envelope_stage *stage)
{
	struct advise_text t = { .fd = chan_take_fd(&chan) };
	bool good = *stage >= ENVELOPE_SENDER && t.fd != -1 &&
	    span_u64(payload, UINT64_MAX, &t.length);

	if (good)
		a->text(context, &t);
	if (t.fd != -1)
		(void)close(t.fd);
	*stage = ENVELOPE_NONE;
	return good;
}

/* C, S or R. */
static bool
advise_take_envelope(const struct adviser *a, void *context,
    const struct frame *f, enum envelope_stage *stage)
{
	bool first = *stage == ENVELOPE_NONE;
	struct envelope_part part;

	if (!envelope_take(stage, f, &part))
		return false;
	if (first && a->begin != NULL)
		a->begin(context);
	if (f->tag == 'C' && a->fact != NULL)
		a->fact(context, part.name, part.value);
	if (f->tag == 'S' && a->sender != NULL)
		a->sender(context, &part.path);
	return true;
}

static bool
advise_take(const struct adviser *a, void *context, const struct frame *f,
    enum envelope_stage *stage)
{
	switch (f->tag) {
	case 'C':
	case 'S':
	case 'R':
		return advise_take_envelope(a, context, f, stage);
	case 'H':
		if (*stage >= ENVELOPE_SENDER && a->field != NULL)
			a->field(context, f->payload);
		return *stage >= ENVELOPE_SENDER;
	case 'E':
		return advise_take_text(a, context, f->payload, stage);
	case 'A':
		*stage = ENVELOPE_NONE;
		return true;
	case 'Q':
		advise_pass();
		return true;
	case 'M':
		return *stage != ENVELOPE_NONE;
	case 'F':
		/* Another adviser refused the last S or R. */
		if (*stage == ENVELOPE_SENDER)
			*stage = ENVELOPE_FACTS;
		return *stage != ENVELOPE_NONE;
	default:
		return ascii_lower(f->tag) == f->tag;
	}
}

/* --- the process --------------------------------------------------------- */

void
advise_start(int argc, char *argv[], struct conf *conf)
{
	if (program_start(argc, argv, conf, PROGRAM_UNPRIVILEGED, "") != argc)
		die(EXIT_PERM, "takes no operands");
}

void
advise_warm(char *argv[], const struct conf *conf, unsigned entrances)
{
	static struct serve_how how = { .start = SERVE_AT_ACCEPT };

	how.limit = conversation_limit(conf, entrances);
	serve_warm(argv, &how);
}

int
advise_serve(const struct confine *keep, const struct adviser *a, void *context,
    const struct conf *conf)
{
	enum envelope_stage stage = ENVELOPE_NONE;
	struct frame f;
	enum io r;

	serve_connections(keep, conf);
	serve_confine(keep, conf);
	patience = conf->helper_timeout * 1000;
	chan_init(&chan, &buffers, 0, 1);
	while ((r = conversation_next(&chan, &f, NEVER)) == IO_OK)
		if (!advise_take(a, context, &f, &stage))
			die(EXIT_TEMP, "unexpected frame '%c'", f.tag);
	return conversation_end(r);
}
