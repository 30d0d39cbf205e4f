/* SPDX-License-Identifier: ISC */
/* The lines about messages in the log on stderr. */
#include "log.h"
#include "scheduler.h"

uint64_t
event_age(const struct sched *s, const struct message *m)
{
	uint64_t born = queue_id_time(m->id);

	return s->wall > born ? (s->wall - born) / 1000 : 0;
}

static void
event_add_next(struct logline *l, const struct job *job, const struct sched *s)
{
	uint64_t now = s->wall / 1000000;

	if (job->attempt >= ATTEMPT_PLANNED && !job->plan.expired)
		log_num(l, "next", job->plan.at > now ? job->plan.at - now : 0);
}

void
event_verdict(struct sched *s, const struct rcpt *r, const struct outcome *o,
    unsigned left)
{
	static const char *const events[] = {
		[VERDICT_DELIVERED] = "delivered",
		[VERDICT_DEFERRED] = "deferred",
		[VERDICT_FAILED] = "failed",
	};
	const struct message *m = r->job->message;
	struct span user = rcpt_user(r);
	struct logline l;

	log_begin(&l, m->id, events[o->verdict]);
	log_span(&l, "rcpt", rcpt_address(r));
	if (user.n > 0)
		log_span(&l, "user", user);
	log_num(&l, "attempt", m->attempts + 1U);
	log_num(&l, "delay_ms", event_age(s, m));
	log_num(&l, "left", left);
	log_num(&l, "n", r->index);
	if (o->verdict != VERDICT_DELIVERED) {
		event_add_next(&l, r->job, s);
		log_span(&l, "stage", o->stage);
	}
	if (o->host.n > 0)
		log_span(&l, "host", o->host);
	if (o->tls.n > 0)
		log_span(&l, "tls", o->tls);
	if (o->crash != NULL)
		log_str(&l, "crash", o->crash);
	log_span(&l, "reply", o->reply);
	log_end(&l);
}

void
event_answer(struct sched *s, const struct job *job, unsigned addressee,
    struct span reply)
{
	struct logline l;

	log_begin(&l, job->message->id,
	    job->addressees[addressee].state == ADDRESSEE_REFUSED ? "failed" :
								    "deferred");
	log_span(&l, "rcpt", addressee_path(job, addressee));
	log_num(&l, "attempt", job->message->attempts + 1U);
	log_num(&l, "delay_ms", event_age(s, job->message));
	log_num(&l, "n", addressee);
	event_add_next(&l, job, s);
	log_str(&l, "stage", "rcpt");
	log_span(&l, "reply", reply);
	log_end(&l);
}

/*
 * To count the ends, a reader must know how many there will be: the first
 * rcpt has the addressee's number, the others follow each other.
 */
void
event_expanded(struct sched *s, const struct job *job, const struct rcpt *first,
    unsigned n)
{
	struct logline l;

	log_begin(&l, job->message->id, "expanded");
	log_span(&l, "rcpt", addressee_path(job, first->addressee));
	log_num(&l, "age_ms", event_age(s, job->message));
	log_num(&l, "n", first->index);
	log_num(&l, "rcpts", n);
	if (n > 1)
		log_num(&l, "others", first[1].index);
	log_end(&l);
}

void
event_end(struct sched *s, const struct job *job, const char *event,
    const struct event_end *e)
{
	struct logline l;

	log_begin(&l, job->message->id, event);
	log_span(&l, "rcpt", e->address);
	log_num(&l, "attempts", job_tries(job));
	log_num(&l, "age_ms", event_age(s, job->message));
	log_num(&l, "left", job_left(job));
	log_num(&l, "n", e->index);
	log_span(&l, "notice", e->notice);
	if (e->reply != NULL)
		log_span(&l, "reply", job_reply_text(e->reply));
	log_end(&l);
}

void
event_unreported(const struct job *job, struct span reply)
{
	struct logline l;

	log_begin(&l, job->message->id, "unreported");
	log_str(&l, "reason", "the sender cannot be told now");
	log_span(&l, "reply", reply);
	log_end(&l);
}

void
event_held(struct sched *s, const struct message *m, const char *event,
    const char *reason)
{
	struct logline l;

	log_begin(&l, m->id, event);
	log_num(&l, "attempts", m->attempts);
	log_num(&l, "age_ms", event_age(s, m));
	log_str(&l, "reason", reason);
	log_end(&l);
}

/* The operator has removed it: "remove WHO". */
void
event_discarded(struct sched *s, const struct job *job, uint32_t n,
    struct span address, unsigned left)
{
	struct span who = job_ordered(job);
	struct logline l;

	(void)span_cut(&who, ' ');
	log_begin(&l, job->message->id, "discarded");
	log_span(&l, "rcpt", address);
	log_num(&l, "attempts", job->message->attempts);
	log_num(&l, "age_ms", event_age(s, job->message));
	log_num(&l, "left", left);
	log_num(&l, "n", n);
	log_span(&l, "by", who);
	log_end(&l);
}

void
event_removed(struct sched *s, const struct message *m)
{
	struct logline l;

	log_begin(&l, m->id, "removed");
	log_num(&l, "age_ms", event_age(s, m));
	log_end(&l);
}
