/* SPDX-License-Identifier: ISC */
/* sendmail -bp: what is in the queue. */
#include "mailq.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "envelope.h"
#include "queuedir.h"
#include "status.h"

struct listing {
	int dir;         /* the queue directory */
	struct sbuf ids; /* QUEUE_ID_SIZE each: the id, and 'n' or 'm' */
	uint64_t messages, octets;
};

/* Peer text: one line, and nothing that a terminal obeys. */
static void
print_text(struct span s)
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

static void
print_recipient(struct span path, struct span reply)
{
	(void)printf("%57s", "");
	print_text(path);
	if (reply.n > 0) {
		(void)printf("\n%59s(", "");
		print_text(reply);
		(void)putchar(')');
	}
	(void)putchar('\n');
}

static void
print_envelope(const struct queuefile *q, const struct status *s)
{
	struct envelope_path path;
	struct span reply;
	struct frame f;
	uint32_t origin = 0;
	size_t pos = 0;

	while (queuefile_next(q, &pos, &f)) {
		if (f.tag == 'S' && envelope_sender(f.payload, &path)) {
			print_text(path.path);
			(void)putchar('\n');
		}
		if (f.tag != 'R')
			continue;
		if (status_waits(s, origin++, &reply) &&
		    envelope_recipient(f.payload, &path))
			print_recipient(path.path, reply);
	}
	(void)putchar('\n');
}

/* What its log says; without one, nothing has been done. */
static void
read_status(struct listing *l, const struct queuefile *q, struct status *s)
{
	int fd = queuedir_log(l->dir, q->id);

	if (fd == -1)
		return;
	status_read(s, fd, q);
	(void)close(fd);
}

static void
print_message(struct listing *l, const struct queuefile *q, bool tried)
{
	struct status s;

	status_init(&s);
	if (tried)
		read_status(l, q, &s);
	(void)printf("%s%c %9llu  ", q->id,
	    !tried               ? '*' :
		s.held || s.kept ? '!' :
				   ' ',
	    (unsigned long long)q->body_len);
	print_date(q->id);
	(void)printf("  ");
	print_envelope(q, &s);
	status_free(&s);
	l->messages++;
	l->octets += q->body_len;
}

/* One that cannot be read is being received, or has just been delivered. */
static void
print_one(struct listing *l, const char *entry)
{
	bool tried = entry[QUEUE_ID_LEN] == 'm';
	char id[QUEUE_ID_SIZE];
	struct queuefile q;
	int fd;

	memcpy(id, entry, QUEUE_ID_LEN);
	id[QUEUE_ID_LEN] = '\0';
	fd = queuedir_message(l->dir, id);
	if (fd == -1)
		return;
	switch (queuefile_open(&q, fd, id)) {
	case QUEUEFILE_OK:
		print_message(l, &q, tried);
		queuefile_close(&q);
		break;
	case QUEUEFILE_CORRUPT:
		(void)printf("%s  is damaged\n\n", id);
		l->messages++;
		break;
	case QUEUEFILE_TORN:
	case QUEUEFILE_IOERR:
		break;
	}
	(void)close(fd);
}

static bool
is_same(const char *ids, size_t i)
{
	return memcmp(ids + i * QUEUE_ID_SIZE, ids + (i - 1) * QUEUE_ID_SIZE,
		   QUEUE_ID_LEN) == 0;
}

static void
print_all(struct listing *l)
{
	size_t n = l->ids.len / QUEUE_ID_SIZE;

	queuedir_sort(&l->ids);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && is_same(l->ids.s, i))
			continue; /* it was moved meanwhile */
		if (l->messages == 0 && i == 0)
			(void)printf("%-23s %9s  %-20s  %s\n", "Queue id",
			    "Size", "Arrived", "Sender, recipients");
		print_one(l, l->ids.s + i * QUEUE_ID_SIZE);
	}
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
	struct listing l = { .messages = 0 };
	enum mailq_result r = MAILQ_FAILED;

	sbuf_init(&l.ids, (size_t)QUEUEDIR_MAX * QUEUE_ID_SIZE);
	l.dir = queuedir_open(conf->queue);
	if (l.dir != -1 && queuedir_list(l.dir, &l.ids)) {
		print_all(&l);
		if (fflush(stdout) == 0)
			r = MAILQ_OK;
	} else if (errno == EACCES || errno == EPERM) {
		r = MAILQ_FORBIDDEN;
	}
	sbuf_free(&l.ids);
	if (l.dir != -1)
		(void)close(l.dir);
	return r;
}
