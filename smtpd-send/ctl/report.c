/* SPDX-License-Identifier: ISC */
/* What smtpd-send has told of messages, kept in the order it came. */
#include "report.h"

#include <stdlib.h>

#include "clock.h"
#include "queuefile.h"

#define TEXT_MAX (4UL << 30) /* some ten million messages */

void
report_init(struct report *r)
{
	*r = (struct report){ .now = clock_wall_us() };
	sbuf_init(&r->text, TEXT_MAX);
	sbuf_putc(&r->text, '\0');
}

void
report_free(struct report *r)
{
	sbuf_free(&r->text);
	free(r->mails);
	free(r->rcpts);
}

static size_t
keep(struct report *r, struct span s)
{
	size_t at = r->text.len;

	sbuf_addspan(&r->text, s);
	sbuf_putc(&r->text, '\0');
	return at;
}

/* Room for one more of these, or NULL. */
static void *
grow(void *array, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap > 0 ? *cap * 2 : 64;
	void *p;

	if (n < *cap)
		return array;
	p = reallocarray(array, more, size);
	if (p != NULL)
		*cap = more;
	return p;
}

static bool
take_mail(struct report *r, struct span s)
{
	struct span id = span_cut(&s, ' '), size = span_cut(&s, ' ');
	struct span tries = span_cut(&s, ' '), state = span_cut(&s, ' ');
	struct span next = span_cut(&s, ' ');
	struct mail *m = grow(r->mails, r->nmails, &r->mails_cap, sizeof(*m));

	if (m == NULL)
		return false;
	r->mails = m;
	m = &r->mails[r->nmails++];
	*m = (struct mail){ .first = r->nrcpts, .next = UINT64_MAX };
	if (!queue_id_valid(id) || !span_u64(size, UINT64_MAX, &m->size) ||
	    !span_u64(tries, UINT64_MAX, &m->tries) ||
	    (!span_eq(next, SPAN("-")) &&
		!span_u64(next, UINT64_MAX, &m->next)))
		return false;
	m->id = keep(r, id);
	m->state = keep(r, state);
	m->sender = keep(r, s);
	m->born = queue_id_time(r->text.s + m->id);
	return true;
}

static bool
take_rcpt(struct report *r, struct span s)
{
	struct span state = span_cut(&s, ' '), target = span_cut(&s, ' ');
	struct mail_rcpt *p = grow(r->rcpts, r->nrcpts, &r->rcpts_cap,
	    sizeof(*p));

	if (p == NULL || r->nmails == 0)
		return false;
	r->rcpts = p;
	p = &r->rcpts[r->nrcpts++];
	*p = (struct mail_rcpt){ 0 };
	p->state = keep(r, state);
	p->target = keep(r, target);
	p->path = keep(r, s);
	r->mails[r->nmails - 1].nrcpts++;
	return true;
}

static bool
take_reply(struct report *r, struct span s)
{
	struct span host = span_cut(&s, ' ');
	struct mail_rcpt *p;

	if (r->nmails == 0 || r->mails[r->nmails - 1].nrcpts == 0)
		return false;
	p = &r->rcpts[r->nrcpts - 1];
	if (!span_eq(host, SPAN("-")))
		p->host = keep(r, host);
	p->reply = keep(r, s);
	return true;
}

/* Facts of one message follow each other, so that their strings do too. */
static bool
take_fact(struct report *r, struct span s)
{
	struct mail *m = &r->mails[r->nmails - 1];
	size_t at = keep(r, s);

	if (m->nfacts++ == 0)
		m->facts = at;
	return true;
}

bool
report_take(struct report *r, char tag, struct span payload)
{
	bool ok = true;

	if (tag == 'M')
		ok = take_mail(r, payload);
	else if (r->nmails == 0)
		ok = false;
	else if (tag == 'H')
		r->mails[r->nmails - 1].reason = keep(r, payload);
	else if (tag == 'C')
		ok = take_fact(r, payload);
	else if (tag == 'R')
		ok = take_rcpt(r, payload);
	else if (tag == 'T')
		ok = take_reply(r, payload);
	else
		ok = tag >= 'a';
	return ok && !r->text.bad;
}
