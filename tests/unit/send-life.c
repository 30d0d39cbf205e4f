/* SPDX-License-Identifier: ISC */
/*
 * A message's life: every event in every step, against the table that
 * smtpd-send(8) has of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"
#include "readfile.h"
#include "scheduler.h"
#include "tap.h"

#define PAGE "smtpd-send/smtpd-send.8"

/* --- what smtpd-send.c has: nothing is dialled or watched here ------------------ */

int
sched_dial(const char *helper, const struct conf *conf)
{
	(void)helper, (void)conf;
	errno = ECONNREFUSED;
	return -1;
}

int
sched_socket(const char *path, int type)
{
	(void)path, (void)type;
	errno = ENOENT;
	return -1;
}

void
watch_add(struct watch *w, int fd, short events, watch_ready *ready, void *arg)
{
	(void)w, (void)fd, (void)events, (void)ready, (void)arg;
}

/* --- the table of the page ---------------------------------------------------------- */

static const char *const steps[STEPS] = {
	[STEP_WAITING] = "waiting",
	[STEP_UNREADY] = "unready",
	[STEP_HELD] = "held",
	[STEP_ASKING] = "asking",
	[STEP_RECORDING] = "recording",
	[STEP_DELIVERING] = "delivering",
	[STEP_NOTIFYING] = "notifying",
	[STEP_SYNCING] = "syncing",
};

static const char *const events[LIFE_EVENTS] = {
	[LIFE_DUE] = "due",
	[LIFE_ORDERED] = "order of the operator",
	[LIFE_EXPANDED] = "all is answered",
	[LIFE_UNASKED] = "smtpd-rcpt cannot be asked",
	[LIFE_HEARD] = "last recipient answered",
	[LIFE_SYNCED] = "log synced",
	[LIFE_UNSYNCED] = "sync failed",
	[LIFE_NOTICED] = "notice is queued",
	[LIFE_UNNOTICED] = "notice cannot be queued",
};

#define REMOVED STEPS /* no step any more */
#define BIT(step) (1U << (unsigned)(step))
#define REVIEW \
	(BIT(REMOVED) | BIT(STEP_NOTIFYING) | BIT(STEP_SYNCING) | \
	    BIT(STEP_WAITING) | BIT(STEP_HELD))

/* The steps that a pair can lead to; 0: the page does not have it. */
static unsigned leads[STEPS][LIFE_EVENTS];

/* What is before " Ta ". */
static struct span
column(struct span *row)
{
	struct span all = *row;

	for (size_t i = 0; i + 3 <= all.n; i++)
		if (memcmp(all.p + i, "Ta ", 3) == 0) {
			*row = span_skip(all, i + 3);
			return span_of(all.p, i > 0 ? i - 1 : 0);
		}
	*row = span_of("", 0);
	return all;
}

static unsigned
steps_in(struct span text)
{
	unsigned set = 0;

	for (unsigned i = 0; i < STEPS; i++)
		if (memmem(text.p, text.n, steps[i], strlen(steps[i])) != NULL)
			set |= BIT(i);
	if (span_starts(text, SPAN("review")))
		set |= REVIEW;
	if (span_eq(text, SPAN("removed")))
		set |= BIT(REMOVED);
	return set;
}

static void
read_row(struct span row, unsigned *from)
{
	struct span step = column(&row), event = column(&row);
	unsigned rest = BIT(STEP_WAITING) | BIT(STEP_UNREADY) | BIT(STEP_HELD);
	unsigned e = 0;

	if (step.n > 0)
		*from = span_eq(step, SPAN("at rest")) ? rest : steps_in(step);
	while (e < LIFE_EVENTS && !span_starts(event, span_str(events[e])))
		e++;
	ok(*from != 0 && e < LIFE_EVENTS && steps_in(row) != 0,
	    "the page's row \"%.*s\" is understood", (int)event.n, event.p);
	for (unsigned i = 0; i < STEPS && e < LIFE_EVENTS; i++)
		if ((*from & BIT(i)) != 0)
			leads[i][e] |= steps_in(row);
}

static void
read_page(void)
{
	struct sbuf text;
	struct span rest, line;
	unsigned from = 0;
	bool table = false;
	int fd = open(PAGE, O_RDONLY | O_CLOEXEC);

	sbuf_init(&text, 1 << 20);
	if (!ok(fd != -1 && readfile_all(fd, &text), "%s is read", PAGE))
		exit(done());
	(void)close(fd);
	rest = sbuf_span(&text);
	while (rest.n > 0) {
		line = span_cut(&rest, '\n');
		if (span_starts(line, SPAN(".El")))
			table = false;
		if (table)
			read_row(span_skip(line, 4), &from);
		if (span_starts(line, SPAN(".It Sy in step")))
			table = true;
	}
	sbuf_free(&text);
}

/* --- a message in a queue ------------------------------------------------------------ */

static struct conf conf;
static struct sched s;
static char queue[] = "/tmp/smtpd-life-XXXXXX";
static char id[QUEUE_ID_SIZE];

static void
start_sched(void)
{
	static char path[sizeof(queue) + 2];

	if (mkdtemp(queue) == NULL)
		exit(1);
	(void)snprintf(path, sizeof(path), "%s/q", queue);
	conf_init(&conf);
	s.conf = &conf;
	s.queue = spool_start(path);
	s.now = 10000000;
	s.wall = s.started = clock_wall_us();
	s.open_max = 100;
	clockwatch_init(&s.clock, s.now, s.wall / 1000000);
	intake_init(&s.intake);
	dispatch_init(&s);
	s.paused.fd = -1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int
open_file(const char *dir, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/%c/%s", dir,
	    id[QUEUE_ID_LEN - 1], id);
	return openat(s.queue, path, flags | O_CLOEXEC, 0600);
}

static bool
is_in_queue(void)
{
	int fd = open_file("new", O_RDONLY);

	if (fd == -1)
		fd = open_file("msg", O_RDONLY);
	if (fd != -1)
		(void)close(fd);
	return fd != -1;
}

static void
put_file(const char *rcpt)
{
	struct queuefile q = { .body_len = 2, .nonce = 7 };
	char footer[QUEUEFILE_FOOTER];
	static unsigned n;
	struct sbuf b;
	int fd;

	(void)snprintf(id, sizeof(id), "%014llx%08x",
	    (unsigned long long)s.wall, ++n);
	memcpy(q.id, id, sizeof(id));
	sbuf_init(&b, 65536);
	sbuf_adds(&b, "x\n");
	frame_add(&b, 'C', SPAN("version=1"));
	frame_add(&b, 'S', SPAN("<me@example.org>"));
	frame_add(&b, 'R', span_str(rcpt));
	frame_add(&b, 'R', SPAN("remote <b@b.test>"));
	q.body_crc = crc32c(0, b.s, 2);
	q.frames_len = (uint32_t)b.len - 2;
	queuefile_footer(footer, &q, crc32c(0, b.s + 2, b.len - 2));
	sbuf_add(&b, footer, sizeof(footer));
	fd = open_file("new", O_WRONLY | O_CREAT | O_EXCL);
	if (fd == -1 || write(fd, b.s, b.len) != (ssize_t)b.len ||
	    fchmod(fd, 0400) == -1)
		exit(1);
	(void)close(fd);
	sbuf_free(&b);
}

/* One in that step, with its job. */
static struct message *
message_in(enum step step, const char *rcpt)
{
	const char *why = "";
	struct message *m;

	bouncer_init(&s.bouncer);
	sync_init(&s.sync);
	intake_init(&s.intake);
	s.stopping = false;
	put_file(rcpt);
	if (!heap_reserve(&s.heap, s.table.count + 1))
		exit(1);
	m = table_add(&s.table, id);
	if (m == NULL)
		exit(1);
	m->flags = MESSAGE_NEW;
	if (life_fetch(&s, m, &why) == NULL) {
		note("%s: %s", id, why);
		exit(1);
	}
	m->step = (uint8_t)step;
	m->due_for = DUE_TRY;
	if (message_is_active(m))
		m->job->wake = s.now + 1000;
	else
		heap_put(&s.heap, m, s.now);
	return m;
}

static void
empty_lines(const struct dests *dests)
{
	for (unsigned i = 0; i < DEST_BUCKETS; i++)
		for (struct dest *d = dests->bucket[i]; d != NULL; d = d->chain)
			while (d->waiting > 0)
				(void)dest_pop(d);
}

static void
end_message(struct message *m)
{
	empty_lines(&s.local.dests);
	empty_lines(&s.remote.dests);
	if (table_find(&s.table, id) == NULL)
		return;
	if (m->job != NULL)
		job_free(&s, m->job);
	heap_remove(&s.heap, m);
	table_remove(&s.table, m);
}

/* Gives the step that it leads to; said: what the log on stderr has of it. */
static unsigned
give_event(struct message *m, enum life_event e, struct sbuf *said)
{
	int log = memfd_create("log", MFD_CLOEXEC), saved = dup(2);

	if (log == -1 || saved == -1 || dup2(log, 2) == -1)
		exit(1);
	life_event(&s, m, e);
	(void)dup2(saved, 2);
	(void)close(saved);
	sbuf_reset(said);
	if (lseek(log, 0, SEEK_SET) != 0 || !readfile_all(log, said))
		exit(1);
	(void)close(log);
	return table_find(&s.table, id) == NULL ? REMOVED : m->step;
}

/* --- every pair ------------------------------------------------------------------------ */

static void
check_pair(unsigned step, unsigned e)
{
	struct message *m = message_in((enum step)step, "remote <a@a.test>");
	struct message was = *m;
	struct job job = *m->job;
	struct sbuf said;
	unsigned to;
	bool same;

	sbuf_init(&said, 65536);
	to = give_event(m, (enum life_event)e, &said);
	if (leads[step][e] != 0) {
		ok((leads[step][e] & BIT(to)) != 0 && is_in_queue() &&
			memmem(said.s, said.len, "': event ", 9) == NULL,
		    "%s, %s: it goes on as the page says", steps[step],
		    events[e]);
	} else {
		same = to == step && memcmp(&was, m, sizeof(was)) == 0 &&
		    memcmp(&job, m->job, sizeof(job)) == 0 && is_in_queue();
		ok(same && memmem(said.s, said.len, "': event ", 9) != NULL,
		    "%s, %s: impossible: logged, and nothing changes",
		    steps[step], events[e]);
	}
	sbuf_free(&said);
	end_message(m);
}

/* --- what the pairs can lead to ----------------------------------------------------------- */

static void
plain(struct message *m)
{
	(void)m;
}

static void
closed(struct message *m)
{
	life_put_back(&s, m->job);
}

static void
stopping(struct message *m)
{
	(void)m;
	s.stopping = true;
}

static void
hold(struct message *m)
{
	m->job->will = WILL_HOLD;
}

static void
will_remove(struct message *m)
{
	m->job->will = WILL_REMOVE;
}

static void
will_bounce(struct message *m)
{
	m->job->will = WILL_BOUNCE;
}

static void
set_all(struct message *m, enum rcpt_state state)
{
	for (unsigned i = 0; i < m->job->nrcpts; i++)
		m->job->rcpts[i].state = (uint8_t)state;
	m->job->attempt = ATTEMPT_HEARD;
}

static void
delivered(struct message *m)
{
	set_all(m, RCPT_DELIVERED);
}

static void
deferred(struct message *m)
{
	set_all(m, RCPT_DEFERRED);
}

static void
one_failed(struct message *m)
{
	set_all(m, RCPT_DEFERRED);
	m->job->rcpts[0].state = RCPT_FAILED;
}

static void
one_unsynced(struct message *m)
{
	set_all(m, RCPT_DEFERRED);
	m->job->rcpts[0].state = RCPT_DELIVERED;
	sync_ask(&s, m->job);
}

static void
crashed(struct message *m)
{
	set_all(m, RCPT_DEFERRED);
	m->job->crashes = 3;
	m->job->crashed = true;
}

static void
crash_told(struct message *m)
{
	crashed(m);
	m->job->told_hold = true;
}

static void
expand(struct message *m, const char *target)
{
	if (!job_expand(&s, m->job, 0, span_str(target)))
		exit(1);
}

static void
expanded(struct message *m)
{
	expand(m, "user joe <list@example.com>");
}

static void
alias(struct message *m)
{
	expand(m, "user joe <joe@example.com>");
	expand(m, "remote <a@a.test>");
}

static void
locked(struct message *m)
{
	int fd;

	closed(m);
	fd = open_file("new", O_RDONLY); /* until the end of the test */
	if (fd == -1 || flock(fd, LOCK_EX | LOCK_NB) == -1)
		exit(1);
}

static void
cut(struct message *m)
{
	int fd, writer;
	char path[32];

	closed(m);
	fd = open_file("new", O_RDONLY);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd == -1 || fchmod(fd, 0600) == -1 ||
	    (writer = open(path, O_WRONLY | O_CLOEXEC)) == -1 ||
	    ftruncate(writer, 10) == -1 || fchmod(fd, 0400) == -1)
		exit(1);
	(void)close(writer);
	(void)close(fd);
	m->flags &= (uint8_t)~MESSAGE_COMMITTED;
}

static void
damaged(struct message *m)
{
	cut(m);
	m->flags |= MESSAGE_COMMITTED;
}

static void
gone(struct message *m)
{
	closed(m);
	if (!spool_remove(s.queue, m))
		exit(1);
}

static const struct scene {
	const char *name;
	void (*prepare)(struct message *);
	enum step from;
	enum life_event event;
	bool local; /* its first recipient is, and not expanded yet */
	unsigned to;
	enum notice notice;
} scenes[] = {
	{ "smtpd-rcpt is asked", closed, STEP_WAITING, LIFE_DUE, true,
	    STEP_ASKING, 0 },
	{ "nobody is to be asked", closed, STEP_WAITING, LIFE_DUE, false,
	    STEP_DELIVERING, 0 },
	{ "the operator holds it", hold, STEP_WAITING, LIFE_DUE, false,
	    STEP_HELD, 0 },
	{ "removed while it rests", will_remove, STEP_HELD, LIFE_ORDERED, false,
	    REMOVED, 0 },
	{ "bounced while it rests", will_bounce, STEP_WAITING, LIFE_ORDERED,
	    false, STEP_NOTIFYING, NOTICE_ORDERED },
	{ "another delivery has it", locked, STEP_WAITING, LIFE_DUE, false,
	    STEP_UNREADY, 0 },
	{ "it is cut, and was never whole", cut, STEP_UNREADY, LIFE_DUE, false,
	    STEP_UNREADY, 0 },
	{ "it is cut, and was whole", damaged, STEP_WAITING, LIFE_DUE, false,
	    STEP_HELD, 0 },
	{ "it has left the queue", gone, STEP_WAITING, LIFE_DUE, false, REMOVED,
	    0 },
	{ "the recipient is as it was named", expanded, STEP_ASKING,
	    LIFE_EXPANDED, true, STEP_DELIVERING, 0 },
	{ "an alias is recorded first", alias, STEP_ASKING, LIFE_EXPANDED, true,
	    STEP_RECORDING, 0 },
	{ "smtpd-send ends", stopping, STEP_RECORDING, LIFE_SYNCED, false,
	    STEP_WAITING, 0 },
	{ "all is delivered", delivered, STEP_DELIVERING, LIFE_HEARD, false,
	    REMOVED, 0 },
	{ "all is deferred", deferred, STEP_DELIVERING, LIFE_HEARD, false,
	    STEP_WAITING, 0 },
	{ "one is refused", one_failed, STEP_DELIVERING, LIFE_HEARD, false,
	    STEP_NOTIFYING, NOTICE_REFUSED },
	{ "it crashes", crashed, STEP_DELIVERING, LIFE_HEARD, false,
	    STEP_NOTIFYING, NOTICE_HELD },
	{ "it crashes, and postmaster knows", crash_told, STEP_DELIVERING,
	    LIFE_HEARD, false, STEP_HELD, 0 },
	{ "removed while it is tried", will_remove, STEP_DELIVERING, LIFE_HEARD,
	    false, REMOVED, 0 },
	{ "results are not safe yet", one_unsynced, STEP_DELIVERING, LIFE_HEARD,
	    false, STEP_SYNCING, 0 },
	{ "the notice tells of one", one_failed, STEP_NOTIFYING, LIFE_UNNOTICED,
	    false, STEP_WAITING, 0 },
	{ "bounced while it is told of", will_bounce, STEP_NOTIFYING,
	    LIFE_NOTICED, false, STEP_NOTIFYING, NOTICE_ORDERED },
	{ "results are safe", plain, STEP_SYNCING, LIFE_SYNCED, false,
	    STEP_WAITING, 0 },
	{ "results may not be safe", plain, STEP_SYNCING, LIFE_UNSYNCED, false,
	    STEP_WAITING, 0 },
};

static void
play(const struct scene *c)
{
	struct message *m = message_in(c->from,
	    c->local ? "local <list@example.com>" : "remote <a@a.test>");
	struct sbuf said;
	unsigned to;

	sbuf_init(&said, 65536);
	c->prepare(m);
	to = give_event(m, c->event, &said);
	is_num(to, c->to, "%s: %s, %s", c->name, steps[c->from],
	    events[c->event]);
	ok((leads[c->from][c->event] & BIT(to)) != 0 || to == STEP_WAITING ||
		to == STEP_UNREADY,
	    "the page says so");
	ok(is_in_queue() == (to != REMOVED), "the file is%s there",
	    to == REMOVED ? " no longer" : "");
	if (c->notice != NOTICE_NONE && to == STEP_NOTIFYING)
		ok(m->job->notice == c->notice && s.bouncer.head == m->job,
		    "smtpd-bounce is asked for the right notice");
	if (to != REMOVED && !message_is_active(m) && to != STEP_HELD)
		ok(m->place != 0, "it will be looked at again");
	sbuf_free(&said);
	end_message(m);
}

int
main(void)
{
	read_page();
	start_sched();
	for (unsigned step = 0; step < STEPS; step++)
		for (unsigned e = 0; e < LIFE_EVENTS; e++)
			check_pair(step, e);
	for (size_t i = 0; i < nitems(scenes); i++)
		play(&scenes[i]);
	(void)nftw(queue, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return done();
}
