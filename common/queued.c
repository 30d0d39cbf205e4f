/* SPDX-License-Identifier: ISC */
/* The queue, read without a lock: its messages, and each recipient's state. */
#include "queued.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bufio.h"
#include "confine.h"
#include "conversation.h"

#define TEXT_MAX (256 * 1024 * 1024)

/* --- the directory -------------------------------------------------------- */

static bool
queued_become_owner(int dir)
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

int
queued_dir(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir == -1 || queued_become_owner(dir))
		return dir;
	return io_close(dir);
}

void
queued_confine(const struct conf *conf, int dir)
{
	const struct confine keep = {
		.calls = { SYS_openat, SYS_open, SYS_fstat, SYS_newfstatat,
		    SYS_getdents64, SYS_fcntl, SYS_ioctl, SYS_getrandom },
		.paths = { { dir != -1 ? conf->queue : NULL, CONFINE_READ } },
	};

	confine(&keep, conf);
}

/* The ids of new/<shard> or msg/<shard>, which need not exist. */
static bool
list_shard(int dir, const char *path, struct sbuf *ids)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
		sbuf_add(ids, e->d_name, QUEUE_ID_LEN);
		sbuf_putc(ids, path[0]);
	}
	(void)closedir(d);
	if (ids->bad)
		errno = ENOMEM;
	return !ids->bad;
}

static int
compare_entries(const void *a, const void *b)
{
	return memcmp(a, b, QUEUE_ID_SIZE);
}

/* Sorts them, and leaves of those listed twice the one in msg/. */
static void
sort_entries(struct sbuf *ids)
{
	size_t kept = 0;

	if (ids->len == 0)
		return;
	qsort(ids->s, ids->len / QUEUE_ID_SIZE, QUEUE_ID_SIZE, compare_entries);
	for (size_t at = QUEUE_ID_SIZE; at < ids->len; at += QUEUE_ID_SIZE) {
		if (memcmp(ids->s + kept, ids->s + at, QUEUE_ID_LEN) == 0)
			continue;
		kept += QUEUE_ID_SIZE;
		memmove(ids->s + kept, ids->s + at, QUEUE_ID_SIZE);
	}
	sbuf_truncate(ids, kept + QUEUE_ID_SIZE);
}

/* A message moves from new/ to msg/, never back: so it cannot be missed. */
bool
queued_list(int dir, struct sbuf *ids)
{
	static const char digits[] = "0123456789abcdef";
	char path[] = "new/x";

	sbuf_init(ids, (size_t)QUEUED_MAX * QUEUE_ID_SIZE);
	for (size_t i = 0; i < QUEUE_SHARDS; i++) {
		path[4] = digits[i];
		memcpy(path, "new", 3);
		if (!list_shard(dir, path, ids))
			return false;
		memcpy(path, "msg", 3);
		if (!list_shard(dir, path, ids))
			return false;
	}
	sort_entries(ids);
	return true;
}

/* --- the envelope --------------------------------------------------------- */

bool
queued_path_valid(struct span s)
{
	if (s.n < 3 || s.n > 512 || s.p[0] != '<' || s.p[s.n - 1] != '>')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

bool
queued_target_valid(struct span s)
{
	struct span kind = span_cut(&s, ' '), name;

	if (span_eq(kind, SPAN("remote")))
		return queued_path_valid(s);
	if (!span_eq(kind, SPAN("user")))
		return false;
	name = span_cut(&s, ' ');
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f)
			return false;
	return name.n > 0 && name.n <= 256 && queued_path_valid(s);
}

struct span
queued_address(struct span target)
{
	if (span_eq(span_cut(&target, ' '), SPAN("user")))
		(void)span_cut(&target, ' ');
	return target;
}

struct span
queued_text(const struct queued *q, size_t at)
{
	return span_str(q->text.s + at);
}

bool
queued_is_open(const struct queued_rcpt *r)
{
	return !r->expanded && r->state != QUEUED_DELIVERED &&
	    r->state != QUEUED_BOUNCED;
}

static size_t
queued_keep(struct queued *q, struct span s)
{
	size_t at = q->text.len;

	sbuf_addspan(&q->text, s);
	sbuf_putc(&q->text, '\0');
	return at;
}

/* NULL: no memory, which text.bad remembers. */
static struct queued_rcpt *
queued_add(struct queued *q, uint32_t index, uint32_t addressee)
{
	if (q->n == q->cap) {
		size_t cap = q->cap > 0 ? 2 * q->cap : 4;
		void *p = reallocarray(q->rcpts, cap, sizeof(*q->rcpts));

		if (p == NULL) {
			q->text.bad = true;
			return NULL;
		}
		q->rcpts = p;
		q->cap = cap;
	}
	q->rcpts[q->n] = (struct queued_rcpt){ .index = index,
		.addressee = addressee };
	return &q->rcpts[q->n++];
}

static bool
queued_recipient(struct queued *q, struct span payload)
{
	uint32_t index = (uint32_t)q->naddressees;
	struct envelope_path p;
	struct queued_rcpt *r;

	if (!envelope_recipient(payload, &p) || !queued_path_valid(p.path) ||
	    index == QUEUE_RCPTS_MAX)
		return false;
	r = queued_add(q, index, index);
	if (r == NULL)
		return true;
	q->naddressees++;
	r->target = q->text.len;
	sbuf_adds(&q->text, p.local ? "local " : "remote ");
	(void)queued_keep(q, p.path);
	return true;
}

/* False: the envelope is malformed. */
static bool
queued_take(struct queued *q, const struct frame *f)
{
	struct envelope_path p;

	if (f->tag == 'S') {
		if (q->sender != 0 || !envelope_sender(f->payload, &p))
			return false;
		q->sender = queued_keep(q, p.path);
	} else if (f->tag == 'R') {
		return q->sender != 0 && queued_recipient(q, f->payload);
	}
	q->junk = q->junk || envelope_marks_junk(f);
	return true;
}

enum queued_result
queued_envelope(struct queued *q, int fd, const char *id)
{
	struct frame f;
	size_t pos = 0;
	bool good = true;

	*q = (struct queued){ .n = 0 };
	memcpy(q->id, id, QUEUE_ID_LEN);
	sbuf_init(&q->text, TEXT_MAX);
	sbuf_putc(&q->text, '\0');
	switch (queuefile_open(&q->file, fd, id)) {
	case QUEUEFILE_OK:
		break;
	case QUEUEFILE_TORN:
		return QUEUED_TORN;
	case QUEUEFILE_CORRUPT:
		return QUEUED_CORRUPT;
	case QUEUEFILE_IOERR:
		return QUEUED_IOERR;
	}
	while (good && queuefile_next(&q->file, &pos, &f))
		good = queued_take(q, &f);
	errno = ENOMEM;
	if (q->text.bad)
		return QUEUED_IOERR;
	return good && q->naddressees > 0 ? QUEUED_OK : QUEUED_CORRUPT;
}

/* --- the log -------------------------------------------------------------- */

/* Records come in about the order of the rcpts: look on from the last one. */
static struct queued_rcpt *
find_rcpt(struct queued *q, uint32_t index)
{
	size_t expanded = q->n - q->naddressees;

	for (size_t i = 0; i < expanded; i++) {
		size_t at = (q->at + i) % expanded;

		if (q->rcpts[q->naddressees + at].index != index)
			continue;
		q->at = at;
		return &q->rcpts[q->naddressees + at];
	}
	return NULL;
}

/* An R frame that is not expanded (yet). */
static struct queued_rcpt *
find_addressee(struct queued *q, uint32_t number)
{
	return number < q->naddressees && !q->rcpts[number].expanded ?
	    &q->rcpts[number] :
	    NULL;
}

static void
log_rcpt(struct queued *q, const struct progress_record *p)
{
	struct queued_rcpt *r;

	if (p->other >= q->naddressees || !queued_target_valid(p->text))
		return;
	if (q->n - q->naddressees == QUEUED_RCPTS_MAX) {
		q->text.bad = true;
		return;
	}
	r = queued_add(q, p->number, p->other);
	if (r == NULL)
		return;
	r->target = queued_keep(q, p->text);
	q->rcpts[p->other].expanded = true;
}

/* In the place of the one before, where that has the room. */
static void
keep_reply(struct queued *q, struct queued_rcpt *r, struct span reply)
{
	if (r->reply == 0 || reply.n > r->reply_room) {
		r->reply = queued_keep(q, reply);
		r->reply_room = reply.n;
	} else {
		memcpy(q->text.s + r->reply, reply.p, reply.n);
		q->text.s[r->reply + reply.n] = '\0';
	}
}

static void
queued_verdict(struct queued *q, struct queued_rcpt *r,
    const struct progress_record *p, enum queued_state state)
{
	if (r == NULL)
		return;
	r->state = state;
	r->time = p->time;
	keep_reply(q, r, p->text);
}

static void
log_bounced(struct queued *q, const struct progress_record *p)
{
	struct queued_rcpt *r = find_rcpt(q, p->number);

	if (r == NULL)
		r = find_addressee(q, p->number);
	if (r == NULL)
		return;
	r->state = QUEUED_BOUNCED;
	r->time = p->time;
	r->notice = queued_keep(q, p->text);
}

/* "WHAT WHO", of the operator: a hold outlasts every try. */
static void
log_order(struct queued *q, struct span text)
{
	struct span what = span_cut(&text, ' ');
	size_t who;

	q->order = q->text.len;
	sbuf_addspan(&q->text, what);
	sbuf_putc(&q->text, ' ');
	who = queued_keep(q, text);
	if (span_eq(what, SPAN("hold")))
		q->kept = who;
	else if (span_eq(what, SPAN("release")))
		q->kept = 0;
	else if (span_eq(what, SPAN("bounce")))
		q->given_up = true;
	else if (span_eq(what, SPAN("remove")))
		q->discarded = true;
}

static void
log_route(struct queued *q, const struct progress_record *p)
{
	struct queued_rcpt *r = find_rcpt(q, p->number);

	if (r != NULL && p->text.n > 0)
		r->route = queued_keep(q, p->text);
}

static void
log_tried(struct queued *q, const struct progress_record *p)
{
	if (p->number > q->tries)
		q->tries = p->number;
	q->next = p->time;
	q->held = 0;
}

static void
log_told(struct queued *q, struct span text)
{
	struct span what = span_cut(&text, ' ');

	if (span_eq(what, SPAN("delayed")))
		q->told_delay = true;
	else if (span_eq(what, SPAN("held")))
		q->told_hold = true;
}

static void
log_record(void *queued, const struct progress_record *p)
{
	struct queued *q = queued;

	switch (p->kind) {
	case PROGRESS_RCPT:
		log_rcpt(q, p);
		break;
	case PROGRESS_DONE:
		queued_verdict(q, find_rcpt(q, p->number), p, QUEUED_DELIVERED);
		break;
	case PROGRESS_FAILED:
		queued_verdict(q, find_rcpt(q, p->number), p, QUEUED_FAILED);
		break;
	case PROGRESS_DEFERRED:
		queued_verdict(q, find_rcpt(q, p->number), p, QUEUED_WAITING);
		break;
	case PROGRESS_REFUSED:
		queued_verdict(q, find_addressee(q, p->number), p,
		    QUEUED_FAILED);
		break;
	case PROGRESS_BOUNCED:
		log_bounced(q, p);
		break;
	case PROGRESS_TOLD:
		log_told(q, p->text);
		break;
	case PROGRESS_TRIED:
		log_tried(q, p);
		break;
	case PROGRESS_CRASH:
		q->crashes = p->number;
		break;
	case PROGRESS_HELD:
		q->held = queued_keep(q, p->text);
		break;
	case PROGRESS_ORDER:
		log_order(q, p->text);
		break;
	case PROGRESS_ROUTE:
		log_route(q, p);
		break;
	case PROGRESS_LOG:
	case PROGRESS_PAUSE:
	case PROGRESS_RESUME:
		break;
	}
}

enum progress_result
queued_log(struct queued *q, int fd)
{
	enum progress_result r = progress_read(fd, q->id, q->file.nonce,
	    &q->log_length, log_record, q);

	q->logged = r == PROGRESS_READ;
	if (r == PROGRESS_IOERR || !q->text.bad)
		return r;
	errno = ENOMEM;
	return PROGRESS_IOERR;
}

void
queued_free(struct queued *q)
{
	int saved = errno;

	queuefile_close(&q->file);
	free(q->rcpts);
	q->rcpts = NULL;
	q->n = q->naddressees = q->cap = 0;
	sbuf_free(&q->text);
	errno = saved;
}

/* --- paused destinations ------------------------------------------------------- */

static void
paused_record(void *names, const struct progress_record *p)
{
	struct sbuf *b = names;
	struct span rest = sbuf_span(b), name;

	while (rest.n > 0) {
		size_t at = b->len - rest.n;

		name = span_cut(&rest, '\n');
		if (!span_ieq(name, p->text))
			continue;
		memmove(b->s + at, rest.p, rest.n);
		sbuf_truncate(b, b->len - name.n - 1);
		break;
	}
	if (p->kind != PROGRESS_PAUSE)
		return;
	sbuf_addspan(b, p->text);
	sbuf_putc(b, '\n');
}

bool
queued_paused(int dir, struct sbuf *names)
{
	int fd = openat(dir, "paused", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum progress_result r;
	uint64_t length;

	sbuf_init(names, TEXT_MAX);
	if (fd == -1)
		return errno == ENOENT;
	r = progress_read(fd, "paused", 0, &length, paused_record, names);
	(void)io_close(fd);
	return r != PROGRESS_IOERR && !names->bad;
}

/* --- both, by the id ------------------------------------------------------ */

static int
open_at(int dir, const char *where, const char *id, const char *suffix)
{
	struct sbuf path;
	int fd;

	sbuf_init(&path, 64);
	queue_path(&path, where, id);
	sbuf_adds(&path, suffix);
	fd = openat(dir, path.s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	sbuf_free(&path);
	return fd;
}

/* A message in new/ may have a log too: the rename to msg/ is not synced. */
static enum queued_result
read_log(struct queued *q, int dir)
{
	enum progress_result r;
	int fd = open_at(dir, "msg", q->id, ".log");

	if (fd == -1)
		return errno == ENOENT ? QUEUED_OK : QUEUED_IOERR;
	r = queued_log(q, fd);
	(void)io_close(fd);
	return r == PROGRESS_IOERR ? QUEUED_IOERR : QUEUED_OK;
}

enum queued_result
queued_read(struct queued *q, int dir, const char *id)
{
	int fd = open_at(dir, "new", id, "");
	enum queued_result r;

	if (fd == -1 && errno == ENOENT)
		fd = open_at(dir, "msg", id, "");
	if (fd == -1 && errno == EACCES)
		return QUEUED_RECEIVING; /* its mode is 0200 */
	if (fd == -1)
		return errno == ENOENT ? QUEUED_GONE : QUEUED_IOERR;
	r = queued_envelope(q, fd, id);
	(void)io_close(fd);
	if (r == QUEUED_OK)
		r = read_log(q, dir);
	if (r != QUEUED_OK)
		queued_free(q);
	return r;
}
