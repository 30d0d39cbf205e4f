/* SPDX-License-Identifier: ISC */
/* Takes the frames of one delivery in, and believes none of them. */
#include <unistd.h>

#include "envelope.h"
#include "parcel.h"

void
parcel_init(struct parcel *p)
{
	memset(p, 0, sizeof(*p));
	p->fd = -1;
	sbuf_init(&p->sender, ADDRESS_PATH_MAX);
	sbuf_init(&p->address, ADDRESS_PATH_MAX);
}

void
parcel_forget(struct parcel *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->has_sender = p->has_recipient = false;
	sbuf_reset(&p->sender);
	sbuf_reset(&p->address);
}

/* D: ID ATTEMPT, and the message's descriptor. */
static bool
take_message(struct parcel *p, struct chan *c, struct span s)
{
	struct span id = span_cut(&s, ' ');
	uint32_t attempt;

	parcel_forget(p);
	if (!queue_id_valid(id) || !span_u32(s, UINT32_MAX, &attempt))
		return false;
	memcpy(p->id, id.p, QUEUE_ID_LEN);
	p->tried = attempt > 0;
	p->fd = chan_take_fd(c);
	return p->fd >= 0;
}

static bool
take_sender(struct parcel *p, struct span s)
{
	struct envelope_path e;

	if (p->has_sender || !envelope_sender(s, &e))
		return false;
	sbuf_addspan(&p->sender, e.path);
	p->has_sender = true;
	return !p->sender.bad;
}

/* R: INDEX <address>. */
static bool
take_recipient(struct parcel *p, struct span s)
{
	struct span index = span_cut(&s, ' ');
	struct address a;

	if (p->has_recipient || !span_u32(index, UINT32_MAX, &p->index) ||
	    address_path(&s, ADDRESS_FORWARD, &a) != ADDRESS_OK || s.n > 0)
		return false;
	sbuf_addspan(&p->address, a.whole);
	p->has_recipient = true;
	return !p->address.bad;
}

bool
parcel_take(struct parcel *p, struct chan *c, const struct frame *f)
{
	switch (f->tag) {
	case 'D':
		return take_message(p, c, f->payload);
	case 'S':
		return p->fd >= 0 && take_sender(p, f->payload);
	case 'R':
		return p->fd >= 0 && take_recipient(p, f->payload);
	default:
		return false;
	}
}

bool
parcel_is_whole(const struct parcel *p)
{
	return p->fd >= 0 && p->has_sender && p->has_recipient;
}
