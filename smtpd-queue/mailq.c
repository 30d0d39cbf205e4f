/* SPDX-License-Identifier: ISC */
/* sendmail -bp: what is in the queue. */
#include "mailq.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "queued.h"

struct listing {
	int dir; /* the queue directory */
	uint64_t messages, octets;
};

/* Peer text: one line, and nothing that a terminal obeys. */
static void
mailq_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool fine = s.p[i] >= ' ' && s.p[i] <= '~';

		(void)putchar(fine ? s.p[i] : '?');
	}
}

static void
print_date(const char *id)
{
	time_t t = (time_t)(queue_id_time(id) / 1000000);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	(void)printf("%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/*
 * Is anything of a recipient of the envelope left to do? reply: the last
 * answer for it, or for an address that it is expanded to.
 */
static bool
mailq_is_waiting(const struct queued *q, const struct queued_rcpt *to,
    size_t *reply)
{
	bool waiting = queued_is_open(to);

	*reply = to->reply;
	for (size_t i = q->naddressees; to->expanded && i < q->n; i++) {
		const struct queued_rcpt *r = &q->rcpts[i];

		if (r->addressee != to->index || !queued_is_open(r))
			continue;
		waiting = true;
		if (r->reply != 0)
			*reply = r->reply;
	}
	return waiting;
}

static void
print_recipient(const struct queued *q, const struct queued_rcpt *to)
{
	size_t reply;

	if (!mailq_is_waiting(q, to, &reply))
		return;
	(void)printf("%57s", "");
	mailq_text(queued_address(queued_text(q, to->target)));
	if (queued_text(q, reply).n > 0) {
		(void)printf("\n%59s(", "");
		mailq_text(queued_text(q, reply));
		(void)putchar(')');
	}
	(void)putchar('\n');
}

static void
print_message(const struct queued *q, bool tried)
{
	bool held = q->held != 0 || q->kept != 0;

	(void)printf("%s%c %9llu  ", q->id,
	    !tried   ? '*' :
		held ? '!' :
		       ' ',
	    (unsigned long long)q->file.body_len);
	print_date(q->id);
	(void)printf("  ");
	mailq_text(queued_text(q, q->sender));
	(void)putchar('\n');
	for (size_t i = 0; i < q->naddressees; i++)
		print_recipient(q, &q->rcpts[i]);
	(void)putchar('\n');
}

/* One that cannot be read is being received, or has just been delivered. */
static void
print_entry(struct listing *l, const char *entry)
{
	char id[QUEUE_ID_SIZE] = "";
	struct queued q;

	memcpy(id, entry, QUEUE_ID_LEN);
	switch (queued_read(&q, l->dir, id)) {
	case QUEUED_OK:
		print_message(&q, entry[QUEUE_ID_LEN] == 'm');
		l->messages++;
		l->octets += q.file.body_len;
		queued_free(&q);
		break;
	case QUEUED_CORRUPT:
		(void)printf("%s  is damaged\n\n", id);
		l->messages++;
		break;
	case QUEUED_GONE:
	case QUEUED_RECEIVING:
	case QUEUED_TORN:
	case QUEUED_IOERR:
		break;
	}
}

static void
print_all(struct listing *l, const struct sbuf *ids)
{
	if (ids->len > 0)
		(void)printf("%-23s %9s  %-20s  %s\n", "Queue id", "Size",
		    "Arrived", "Sender, recipients");
	for (size_t at = 0; at < ids->len; at += QUEUE_ID_SIZE)
		print_entry(l, ids->s + at);
	if (l->messages == 0)
		(void)printf("The queue is empty\n");
	else
		(void)printf("%llu messages, %llu octets\n",
		    (unsigned long long)l->messages,
		    (unsigned long long)l->octets);
}

enum mailq_result
mailq_print(const struct conf *conf)
{
	struct listing l = { .dir = queued_dir(conf->queue) };
	enum mailq_result r = MAILQ_FAILED;
	struct sbuf ids;

	sbuf_init(&ids, 0);
	if (l.dir != -1 && queued_list(l.dir, &ids)) {
		print_all(&l, &ids);
		if (fflush(stdout) == 0)
			r = MAILQ_OK;
	} else if (errno == EACCES || errno == EPERM) {
		r = MAILQ_FORBIDDEN;
	}
	sbuf_free(&ids);
	if (l.dir != -1)
		(void)close(l.dir);
	return r;
}
