/* SPDX-License-Identifier: ISC */
/* sendmail -bp: what is in the queue. */
#include "mailq.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envelope.h"
#include "queuefile.h"
#include "status.h"

#define MESSAGES_MAX 10000000 /* that can be sorted */

struct listing {
	int dir;         /* the queue directory */
	struct sbuf ids; /* QUEUE_ID_SIZE each: the id, and 'n' or 'm' */
	uint64_t messages, octets;
};

/* Owner and group of the queue, for good. True when we are no root. */
static bool
become_owner(int dir)
{
	struct stat st;

	if (geteuid() != 0)
		return true;
	if (fstat(dir, &st) != 0)
		return false;
	if (st.st_uid == 0) {
		errno = EPERM;
		return false;
	}
	return setgroups(0, NULL) == 0 &&
	    setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
	    setresuid(st.st_uid, st.st_uid, st.st_uid) == 0 && setuid(0) != 0;
}

/* Collects the ids of new/<shard> or msg/<shard>; none if there is none. */
static bool
collect(struct listing *l, const char *path)
{
	int fd = openat(l->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;
	DIR *d;

	if (fd == -1)
		return errno == ENOENT;
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return false;
	}
	while ((e = readdir(d)) != NULL) {
		if (!queue_id_valid(span_str(e->d_name)))
			continue;
		sbuf_add(&l->ids, e->d_name, QUEUE_ID_LEN);
		sbuf_putc(&l->ids, path[0]);
	}
	(void)closedir(d);
	if (l->ids.bad)
		errno = ENOMEM;
	return !l->ids.bad;
}

static bool
collect_all(struct listing *l)
{
	static const char digits[] = "0123456789abcdef";
	char path[] = "new/x";

	for (size_t i = 0; i < QUEUE_SHARDS; i++) {
		path[4] = digits[i];
		memcpy(path, "new", 3);
		if (!collect(l, path))
			return false;
		memcpy(path, "msg", 3);
		if (!collect(l, path))
			return false;
	}
	return true;
}

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
	struct sbuf path;
	int fd;

	sbuf_init(&path, 64);
	queue_path(&path, "msg", q->id);
	sbuf_adds(&path, ".log");
	fd = openat(l->dir, path.s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	sbuf_free(&path);
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
	    !tried     ? '*' :
		s.held ? '!' :
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
	struct sbuf path;
	int fd;

	memcpy(id, entry, QUEUE_ID_LEN);
	id[QUEUE_ID_LEN] = '\0';
	sbuf_init(&path, 64);
	queue_path(&path, tried ? "msg" : "new", id);
	fd = openat(l->dir, path.s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	sbuf_free(&path);
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

static int
by_id(const void *a, const void *b)
{
	return memcmp(a, b, QUEUE_ID_LEN);
}

static void
print_all(struct listing *l)
{
	size_t n = l->ids.len / QUEUE_ID_SIZE;

	if (n > 0)
		qsort(l->ids.s, n, QUEUE_ID_SIZE, by_id);
	for (size_t i = 0; i < n; i++) {
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

	sbuf_init(&l.ids, (size_t)MESSAGES_MAX * QUEUE_ID_SIZE);
	l.dir = open(conf->queue, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l.dir != -1 && become_owner(l.dir) && collect_all(&l)) {
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
