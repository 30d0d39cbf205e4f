/* SPDX-License-Identifier: ISC */
/* The slots of a transport: opened, listed by time, closed. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "dial.h"
#include "log.h"
#include "sched.h"
#include "slot.h"

#define REDIAL_MS 1000
#define BACKLOG_MS 50 /* the helper has too many in its backlog */

static void
enlist(struct transport *t, struct slot *slot)
{
	slot->next = NULL;
	slot->prev = t->newest;
	if (t->newest != NULL)
		t->newest->next = slot;
	else
		t->oldest = slot;
	t->newest = slot;
}

static void
unlist(struct transport *t, struct slot *slot)
{
	if (slot->prev != NULL)
		slot->prev->next = slot->next;
	else
		t->oldest = slot->next;
	if (slot->next != NULL)
		slot->next->prev = slot->prev;
	else
		t->newest = slot->prev;
}

void
slot_set_slow(struct slot *slot, bool slow)
{
	struct transport *t = slot->transport;

	if (slow && !slot->slow)
		t->nslow++;
	if (!slow && slot->slow)
		t->nslow--;
	slot->slow = slow;
}

void
slot_set_idle(struct slot *slot, bool idle)
{
	struct slot **p = &slot->dest->idle;

	if (idle == slot->idle)
		return;
	slot->idle = idle;
	if (idle) {
		slot->idle_next = *p;
		*p = slot;
		return;
	}
	while (*p != slot)
		p = &(*p)->idle_next;
	*p = slot->idle_next;
}

void
slot_touch(struct sched *s, struct slot *slot)
{
	slot->since = s->now;
	slot_set_slow(slot, false);
	unlist(slot->transport, slot);
	enlist(slot->transport, slot);
}

void
slot_close(struct sched *s, struct slot *slot)
{
	struct transport *t = slot->transport;
	struct dest *d = slot->dest;

	slot_set_idle(slot, false);
	slot_set_slow(slot, false);
	unlist(t, slot);
	t->nslots--;
	(void)close(slot->fd);
	free(slot);
	d->running--;
	transport_wake(s, t, d);
	dest_drop(&t->dests, d);
}

void
slot_pause(struct sched *s, struct transport *t, int err)
{
	t->again = s->now + (err == EAGAIN ? BACKLOG_MS : REDIAL_MS);
	if (err == EAGAIN || t->failing)
		return;
	t->failing = true;
	warn("%s ('%s') cannot be reached: %s", t->kind->program, t->helper,
	    strerror(err));
}

struct slot *
slot_open(struct sched *s, struct transport *t, struct dest *d)
{
	struct slot *slot = malloc(sizeof(*slot));

	if (slot == NULL) {
		slot_pause(s, t, ENOMEM);
		return NULL;
	}
	slot->fd = dial(t->helper, s->conf);
	if (slot->fd == -1) {
		slot_pause(s, t, errno);
		free(slot);
		return NULL;
	}
	t->failing = false;
	slot->transport = t;
	slot->dest = d;
	slot->ngiven = 0;
	slot->served = 0;
	slot->named = slot->slow = slot->idle = false;
	slot->len = slot->tls_len = 0;
	slot->since = s->now;
	enlist(t, slot);
	t->nslots++;
	d->running++;
	return slot;
}
