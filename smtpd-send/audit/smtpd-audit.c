/* SPDX-License-Identifier: ISC */
/* smtpd-audit: proves from the log and the queue that no message was lost. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "logged.h"
#include "program.h"
#include "queued.h"

struct audit {
	int dir;            /* of the queue */
	struct sbuf before; /* what queued_list said before the log was read */
	uint64_t now;       /* when that was, in microseconds since 1970 */
	struct logged *logged;
};

/* --- one message in the queue ---------------------------------------------- */

struct look {
	struct audit *audit;
	const struct logged_mail *mail; /* or NULL */
	bool held; /* set by audit_look_at: it is not tried */
};

/* Its line is logged before the queue records it, and we look after both. */
static void
audit_check_end(const struct look *k, const struct queued_rcpt *r)
{
	const struct logged_mail *m = k->mail;
	struct logged *l = k->audit->logged;

	if (queued_is_open(r) || r->expanded || logged_end(m, r->index) != 0 ||
	    r->time >= k->audit->now / 1000000)
		return;
	problem_add(&l->problems, PROBLEM_UNLOGGED, &m->id,
	    logged_address(m, r->index),
	    "recipient %u is settled in the queue, but not in the log",
	    r->index + 1);
}

static void
audit_check_ends(const struct look *k, const struct queued *q)
{
	if (k->mail == NULL || !k->mail->accepted ||
	    reach_is_partial(&k->audit->logged->reach, &k->mail->id))
		return;
	for (size_t i = 0; i < q->n; i++)
		audit_check_end(k, &q->rcpts[i]);
}

/* OK, GONE, TORN (also when it is being received) or CORRUPT. */
static enum queued_result
audit_look_at(struct look *k, const struct mailid *id)
{
	enum queued_result r;
	char text[QUEUE_ID_SIZE];
	struct queued q;

	mailid_text(id, text);
	r = queued_read(&q, k->audit->dir, text);
	if (r == QUEUED_IOERR)
		die_sys(EXIT_TEMP, "cannot read '%s' in the queue", text);
	if (r == QUEUED_RECEIVING)
		return QUEUED_TORN;
	if (r != QUEUED_OK)
		return r;
	audit_check_ends(k, &q);
	k->held = q.held != 0 || q.kept != 0;
	queued_free(&q);
	return QUEUED_OK;
}

/* --- what was there at the beginning --------------------------------------- */

static void
audit_begin(struct audit *a, struct logged *l, int dir)
{
	*a = (struct audit){ .dir = dir, .logged = l };
	a->now = clock_wall_us();
	if (!queued_list(dir, &a->before))
		die_sys(EXIT_TEMP, "cannot list the queue");
}

static int
compare_entry(const void *id, const void *entry)
{
	return memcmp(id, entry, QUEUE_ID_LEN);
}

/* It was there then, or is so young that it came later. */
static bool
audit_was_there(const struct audit *a, const struct mailid *id)
{
	char text[QUEUE_ID_SIZE];

	mailid_text(id, text);
	return id->time >= a->now ||
	    (a->before.len > 0 &&
		bsearch(text, a->before.s, a->before.len / QUEUE_ID_SIZE,
		    QUEUE_ID_SIZE, compare_entry) != NULL);
}

/* --- one message that is open --------------------------------------------- */

static void
judge_unaccepted(struct logged *l, const struct logged_mail *m)
{
	const struct reach *reach = &l->reach;
	char notice[QUEUE_ID_SIZE];

	if (m->named && !reach_is_before_notices(reach, &m->id)) {
		mailid_text(&m->id, notice);
		problem_add(&l->problems, PROBLEM_UNTOLD, &m->about, SPAN(""),
		    "its sender was told by %s, which was never accepted",
		    notice);
	}
	if (reach_is_before(reach, &m->id))
		l->totals.older++;
	else if (m->ended > 0 || m->removed)
		problem_add(&l->problems, PROBLEM_UNACCEPTED, &m->id, SPAN(""),
		    "is settled, but no line says that it was accepted");
}

static void
audit_add_lost(struct logged *l, const struct logged_mail *m, uint32_t n,
    enum queued_result place)
{
	const char *why = "and the message is not in the queue";

	if (m->removed)
		why = "but the message was removed from the queue";
	else if (place == QUEUED_TORN)
		why = "and its queue file is incomplete";
	problem_add(&l->problems, PROBLEM_LOST, &m->id, logged_address(m, n),
	    "recipient %u of %u is not settled, %s", n + 1, m->expected, why);
}

static void
judge_missing(struct audit *a, const struct logged_mail *m,
    enum queued_result place)
{
	struct logged *l = a->logged;
	bool meanwhile = place == QUEUED_GONE && audit_was_there(a, &m->id);

	for (uint32_t n = 0, end = logged_numbers(m); n < end; n++) {
		if (!logged_has(m, n) || logged_end(m, n) != 0)
			continue;
		if (place == QUEUED_OK)
			l->totals.waiting++;
		else if (place == QUEUED_CORRUPT)
			problem_add(&l->problems, PROBLEM_DAMAGED, &m->id,
			    logged_address(m, n),
			    "recipient %u of %u waits, but the queue file is damaged",
			    n + 1, m->expected);
		else if (meanwhile)
			l->totals.meanwhile++;
		else
			audit_add_lost(l, m, n, place);
	}
}

/* Ends of recipients that it does not have: the line of an alias is missing. */
static void
judge_surplus(struct logged *l, const struct logged_mail *m)
{
	if (reach_is_partial(&l->reach, &m->id))
		return;
	for (uint32_t n = 0; n < m->nends; n++)
		if (m->ends[n] != 0 && !logged_has(m, n))
			problem_add(&l->problems, PROBLEM_UNACCEPTED, &m->id,
			    SPAN(""), "it has no recipient %u", n + 1);
}

/* All recipients have an end; what keeps it open? */
static void
judge_complete(struct audit *a, const struct logged_mail *m)
{
	struct logged *l = a->logged;
	bool dropped = false;

	for (uint32_t n = 0; n < m->nends; n++)
		dropped = dropped || (m->ends[n] & END_DROPPED) != 0;
	if (dropped && !m->null_sender)
		problem_add(&l->problems, PROBLEM_UNTOLD, &m->id, SPAN(""),
		    "its sender was not told of a failure");
	else if (dropped && !m->dropped)
		problem_add(&l->problems, PROBLEM_UNTOLD, &m->id, SPAN(""),
		    "it was dropped, but smtpd-bounce does not say so");
}

/* Its end may have been in a log that is no longer there. */
static bool
audit_is_beyond(const struct logged *l, const struct logged_mail *m,
    enum queued_result place)
{
	return place == QUEUED_GONE && reach_is_partial(&l->reach, &m->id);
}

static void
judge_open(struct audit *a, const struct logged_mail *m)
{
	struct look k = { .audit = a, .mail = m };
	enum queued_result place = audit_look_at(&k, &m->id);

	a->logged->totals.held += k.held;
	if (audit_is_beyond(a->logged, m, place))
		a->logged->totals.older++;
	else
		judge_missing(a, m, place);
}

static void
audit_judge(struct audit *a, const struct logged_mail *m)
{
	struct logged *l = a->logged;

	if (!m->accepted) {
		judge_unaccepted(l, m);
		return;
	}
	logged_count(l, m);
	if (logged_is_complete(m))
		judge_complete(a, m);
	else
		judge_open(a, m);
	judge_surplus(l, m);
	if (m->is_notice && !m->named && m->id.time < a->now &&
	    !reach_is_partial(&l->reach, &m->id))
		problem_add(&l->problems, PROBLEM_TOLD_TWICE, &m->about,
		    SPAN(""), "a notice was sent that settles no recipient");
}

/* --- what only the queue knows, and the whole ------------------------------ */

static void
judge_unknown(struct audit *a, const struct mailid *id)
{
	struct logged *l = a->logged;
	struct look k = { .audit = a };
	enum queued_result place = audit_look_at(&k, id);

	if (place == QUEUED_GONE || place == QUEUED_TORN)
		return; /* being received, or never acknowledged */
	if (reach_is_before(&l->reach, id))
		l->totals.older++;
	else
		problem_add(&l->problems, PROBLEM_UNACCEPTED, id, SPAN(""),
		    "is in the queue, but no line says that it was accepted");
}

static void
audit_end(struct audit *a)
{
	struct logged *l = a->logged;
	struct mailid id;

	for (size_t i = 0; i < l->nbuckets; i++)
		for (const struct logged_mail *m = l->buckets[i]; m != NULL;
		     m = m->next)
			audit_judge(a, m);
	for (size_t at = 0; at < a->before.len; at += QUEUE_ID_SIZE) {
		if (!mailid_parse(span_of(a->before.s + at, QUEUE_ID_LEN), &id))
			continue;
		if (logged_find(l, &id) == NULL &&
		    mailset_find(&l->finished, &id) == NULL)
			judge_unknown(a, &id);
	}
}

/* --- the program ----------------------------------------------------------- */

static void
audit_print(const struct logged_totals *t)
{
	const struct {
		const char *name;
		uint64_t n;
	} lines[] = {
		{ "messages", t->messages },
		{ "recipients", t->recipients },
		{ "delivered", t->delivered },
		{ "bounced", t->bounced },
		{ "expired", t->expired },
		{ "dropped", t->dropped },
		{ "discarded", t->discarded },
		{ "waiting", t->waiting },
		{ "held", t->held },
		{ "meanwhile", t->meanwhile },
		{ "older", t->older },
		{ "again", t->again },
	};

	for (size_t i = 0; i < nitems(lines); i++)
		(void)printf("%-10s  %llu\n", lines[i].name,
		    (unsigned long long)lines[i].n);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct logged logged;
	static struct audit audit;
	struct logfile *logs;
	int first, n, dir;

	first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
	    "[log ...]");
	logs = logfile_open(argv + first, argc - first, &n);
	dir = queued_dir(conf.queue);
	if (dir == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", conf.queue);
	queued_confine(&conf, dir);
	logged_init(&logged);
	audit_begin(&audit, &logged, dir);
	logfile_read(logs, n, logged_line, &logged);
	free(logs);
	audit_end(&audit);
	audit_print(&logged.totals);
	problem_print(&logged.problems);
	if (fflush(stdout) != 0 || ferror(stdout))
		die_sys(EXIT_TEMP, "cannot write the report");
	return problem_status(&logged.problems);
}
