/* SPDX-License-Identifier: ISC */
/* The advisers of an entrance: what each is told, and what it may change. */
#include "advice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "draft.h"
#include "header.h"
#include "helper.h"
#include "log.h"

/* --- what an adviser wants changed, checked against its rights ------------- */

#define LIST_MAX (CHANGES_MAX * sizeof(struct change))

static const struct {
	const char *word;
	enum changes_right right;
} rights[] = {
	{ "delete", CHANGES_DELETE },
	{ "put", CHANGES_PUT },
	{ "top", CHANGES_TOP },
	{ "mark", CHANGES_MARK },
	{ "refuse", CHANGES_REFUSE },
	{ "ask", CHANGES_ASK },
};

static bool
changes_find_right(struct span word, unsigned *all)
{
	for (size_t i = 0; i < nitems(rights); i++) {
		if (span_eq(word, span_str(rights[i].word))) {
			*all |= (unsigned)rights[i].right;
			return true;
		}
	}
	return false;
}

bool
changes_rights(struct span words, unsigned *all)
{
	*all = 0;
	if (words.n > 0 && words.p[words.n - 1] == ',')
		return false;
	while (words.n > 0)
		if (!changes_find_right(span_cut(&words, ','), all))
			return false;
	return true;
}

void
changes_init(struct changes *c)
{
	*c = (struct changes){ 0 };
	sbuf_init(&c->list, LIST_MAX);
	sbuf_init(&c->octets, CHANGES_PUT_MAX);
	sbuf_init(&c->frames, CHANGES_TOP_MAX);
}

void
changes_free(struct changes *c)
{
	sbuf_free(&c->list);
	sbuf_free(&c->octets);
	sbuf_free(&c->frames);
}

void
changes_reset(struct changes *c, unsigned all, uint64_t length)
{
	c->rights = all;
	c->length = length;
	c->end = 0;
	c->n = c->deleted = c->put = c->top = 0;
	c->junk = false;
	c->why = NULL;
	sbuf_reset(&c->list);
	sbuf_reset(&c->octets);
	sbuf_reset(&c->frames);
}

struct change
changes_get(const struct changes *c, unsigned i)
{
	struct change one;

	memcpy(&one, c->list.s + i * sizeof(one), sizeof(one));
	return one;
}

static bool
changes_fail(struct changes *c, const char *why)
{
	c->why = why;
	return false;
}

static bool
changes_may(struct changes *c, enum changes_right right)
{
	return (c->rights & (unsigned)right) != 0 ||
	    changes_fail(c, "a change beyond its rights");
}

/* Adds a change behind the last. */
static bool
changes_add(struct changes *c, const struct change *one)
{
	if (c->n == CHANGES_MAX)
		return changes_fail(c, "too many changes");
	if (one->at < c->end || one->at > c->length ||
	    one->deleted > c->length - one->at)
		return changes_fail(c,
		    "a change out of order or outside the text");
	sbuf_add(&c->list, one, sizeof(*one));
	if (c->list.bad)
		return changes_fail(c, "no memory");
	c->n++;
	c->end = one->at + one->deleted;
	return true;
}

bool
changes_delete(struct changes *c, uint64_t at, uint64_t length)
{
	struct change one = {
		.at = at, .deleted = length, .put = c->octets.len
	};

	c->deleted++;
	return changes_add(c, &one);
}

static bool
changes_take_deletion(struct changes *c, struct span s)
{
	struct span word = span_cut(&s, ' ');
	uint64_t at, length;

	if (!changes_may(c, CHANGES_DELETE))
		return false;
	if (!span_u64(word, UINT64_MAX, &at) ||
	    !span_u64(s, UINT64_MAX, &length) || length == 0)
		return changes_fail(c, "a malformed deletion");
	return changes_delete(c, at, length);
}

/* Pieces of one insertion count as one. */
static bool
changes_is_next_piece(const struct changes *c, uint64_t at)
{
	struct change last;

	if (c->n == 0)
		return false;
	last = changes_get(c, c->n - 1);
	return last.at == at && last.put_len > 0;
}

static bool
changes_add_piece(struct changes *c, size_t n)
{
	struct change last = changes_get(c, c->n - 1);
	size_t size = sizeof(last);

	last.put_len += n;
	memcpy(c->list.s + (c->n - 1) * size, &last, size);
	return true;
}

static bool
changes_take_insertion(struct changes *c, struct span s)
{
	struct span at = span_cut(&s, ' ');
	struct change one = { .put = c->octets.len, .put_len = s.n };

	if (!changes_may(c, CHANGES_PUT))
		return false;
	if (!span_u64(at, UINT64_MAX, &one.at) || s.n == 0)
		return changes_fail(c, "a malformed insertion");
	if (s.n > CHANGES_PUT_MAX - c->octets.len)
		return changes_fail(c, "too many octets to put");
	sbuf_addspan(&c->octets, s);
	if (c->octets.bad)
		return changes_fail(c, "no memory");
	if (changes_is_next_piece(c, one.at))
		return changes_add_piece(c, s.n);
	c->put++;
	return changes_add(c, &one);
}

static bool
changes_keep_frame(struct changes *c, const struct frame *f)
{
	frame_add(&c->frames, f->tag, f->payload);
	return !c->frames.bad ||
	    changes_fail(c, "too many octets of header fields");
}

static bool
changes_take_top(struct changes *c, const struct frame *f)
{
	if (!changes_may(c, CHANGES_TOP))
		return false;
	if (!header_is_fields(f->payload))
		return changes_fail(c,
		    "an incomplete or unprintable header field");
	c->top++;
	return changes_keep_frame(c, f);
}

static bool
changes_take_mark(struct changes *c, const struct frame *f)
{
	if (!changes_may(c, CHANGES_MARK))
		return false;
	if (!span_eq(f->payload, SPAN("junk")))
		return changes_fail(c, "an unknown mark");
	if (c->junk)
		return true;
	c->junk = true;
	return changes_keep_frame(c, f);
}

bool
changes_take(struct changes *c, const struct frame *f)
{
	switch (f->tag) {
	case 'D':
		return changes_take_deletion(c, f->payload);
	case 'P':
		return changes_take_insertion(c, f->payload);
	case 'H':
		return changes_take_top(c, f);
	case 'M':
		return changes_take_mark(c, f);
	default:
		return ascii_lower(f->tag) == f->tag ||
		    changes_fail(c, "an unexpected frame");
	}
}

/* --- the advisers ---------------------------------------------------------- */

/* Large, but touched only as far as used. */
static struct chan_room rooms[ADVICE_MAX];

/* Takes "NAME:RIGHTS:HELPER" apart; gives NULL, or what is wrong with it. */
static const char *
advice_parse(struct adviser *a, const char *operand)
{
	struct span helper = span_str(operand);
	struct span name = span_cut(&helper, ':');
	struct span words = span_cut(&helper, ':');

	if (name.n == 0 || helper.n == 0 || helper.p[0] != '/')
		return "an adviser is NAME:RIGHTS:HELPER";
	if (!changes_rights(words, &a->rights))
		return "the rights of an adviser are delete, put, top, mark, "
		       "refuse and ask, separated by commas";
	a->helper = helper.p; /* to the end of the operand */
	a->name = strndup(name.p, name.n);
	return a->name == NULL ? "no memory" : NULL;
}

bool
advice_init(struct advice *all, const struct conf *conf, char *const operands[],
    const char **why)
{
	*all = (struct advice){ .conf = conf };
	changes_init(&all->changes);
	for (; *operands != NULL; operands++) {
		if (all->n == ADVICE_MAX) {
			*why = "an entrance has at most 16 advisers";
			return false;
		}
		*why = advice_parse(&all->of[all->n++], *operands);
		if (*why != NULL)
			return false;
	}
	return true;
}

bool
advice_execs(const struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++)
		if (helper_is_command(all->of[i].helper))
			return true;
	return false;
}

static bool
advice_may_ask(const struct adviser *a)
{
	return (a->rights & CHANGES_ASK) != 0;
}

bool
advice_asks(const struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++)
		if (advice_may_ask(&all->of[i]))
			return true;
	return false;
}

void
advice_dial(struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		struct adviser *a = &all->of[i];

		link_open(&a->link, &rooms[i], NULL, a->helper, all->conf);
		a->link.patience /= 2;
		if (a->link.state != LINK_UP)
			warn_sys("cannot reach adviser %s at '%s'", a->name,
			    a->helper);
	}
}

/*
 * While the envelope is passed on the client does not wait: an adviser that
 * does not read it loses its own time, however slow the client is. From the
 * first question on the client waits, and a deadline counts for all advisers.
 */
static void
advice_set_deadline(struct advice *all, instant deadline)
{
	all->deadline = deadline;
	for (unsigned i = 0; i < all->n; i++)
		all->of[i].link.deadline = deadline;
}

void
advice_begin(struct advice *all)
{
	advice_set_deadline(all, 0);
	all->reply[0] = '\0';
	for (unsigned i = 0; i < all->n; i++) {
		struct adviser *a = &all->of[i];

		a->told = a->junk = false;
		a->deleted = a->put = a->top = 0;
	}
}

/* Half of what our client gives us: the commit needs the rest. */
static instant
advice_in_time(const struct advice *all)
{
	return clock_in(all->conf->helper_timeout * 1000 / 2);
}

/* Of that, smtpd-judge has at most judge_timeout. */
static instant
advice_deadline(const struct advice *all, const struct adviser *a)
{
	instant own = clock_in(all->conf->judge_timeout * 1000);

	return strcmp(a->name, "judge") == 0 && own < all->deadline ?
	    own :
	    all->deadline;
}

/* Closes the connection to it for good. */
static enum advice_verdict
advice_lose(struct advice *all, struct adviser *a, const char *why)
{
	link_lose(&a->link, why);
	link_close(&a->link);
	all->why = a->link.why;
	return ADVICE_NONE;
}

static void
advice_tell_one(struct adviser *a, char tag, struct span payload)
{
	link_send(&a->link, tag, payload);
	a->told = true;
}

void
advice_tell(struct advice *all, char tag, struct span payload)
{
	for (unsigned i = 0; i < all->n; i++)
		advice_tell_one(&all->of[i], tag, payload);
}

void
advice_flush(struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++)
		link_flush(&all->of[i].link);
}

/* K, Z or X. */
static enum advice_verdict
advice_heed(struct advice *all, struct adviser *a, const struct frame *f)
{
	struct span reply;

	switch (link_read(&a->link, f, &reply)) {
	case LINK_YES:
		return ADVICE_PASS;
	case LINK_REFUSED:
		break;
	case LINK_FAILED:
		return advice_lose(all, a, a->link.why);
	}
	if (f->tag == 'X' && (a->rights & CHANGES_REFUSE) == 0)
		return advice_lose(all, a, "it has no right to refuse mail");
	memcpy(all->reply, reply.p, reply.n);
	all->reply[reply.n] = '\0';
	return f->tag == 'Z' ? ADVICE_LATER : ADVICE_REFUSE;
}

/* Reads frames up to the verdict; changes may come before it. */
static enum advice_verdict
advice_read(struct advice *all, struct adviser *a, bool changes)
{
	struct frame f;

	while (link_receive(&a->link, &f)) {
		if (f.tag == 'K' || f.tag == 'Z' || f.tag == 'X')
			return advice_heed(all, a, &f);
		if (!changes)
			return advice_lose(all, a, "an unexpected frame");
		if (!changes_take(&all->changes, &f))
			return advice_lose(all, a, all->changes.why);
	}
	return advice_lose(all, a, a->link.why);
}

static enum advice_verdict
advice_ask_one(struct advice *all, struct adviser *a)
{
	advice_tell_one(a, 'Q', SPAN(""));
	link_flush(&a->link);
	return advice_read(all, a, false);
}

enum advice_verdict
advice_ask(struct advice *all, struct adviser **by)
{
	enum advice_verdict v = ADVICE_PASS;

	advice_set_deadline(all, advice_in_time(all));
	for (unsigned i = 0; i < all->n && v == ADVICE_PASS; i++) {
		*by = &all->of[i];
		if (advice_may_ask(*by))
			v = advice_ask_one(all, *by);
	}
	for (unsigned i = 0; i < all->n && v != ADVICE_PASS; i++)
		if (&all->of[i] != *by)
			advice_tell_one(&all->of[i], 'F', SPAN(""));
	advice_set_deadline(all, 0);
	return v;
}

/* Sends the fields on top so far, then the text itself. */
static void
advice_pose(struct adviser *a, int text, uint64_t length, struct span frames)
{
	char number[24];
	struct frame f;
	size_t used;

	link_attach(&a->link, text);
	while (frame_parse(frames, &f, &used) == FRAME_READY) {
		frames = span_skip(frames, used);
		if (f.tag == 'H' || f.tag == 'M')
			link_send(&a->link, f.tag, f.payload);
	}
	(void)snprintf(number, sizeof(number), "%llu",
	    (unsigned long long)length);
	link_send(&a->link, 'E', span_str(number));
	link_flush(&a->link);
	a->told = false;
}

enum advice_verdict
advice_consult(struct advice *all, struct adviser *a, struct draft *text,
    struct span frames)
{
	enum advice_verdict v;
	int fd = draft_reader(text);

	if (fd == -1)
		return advice_lose(all, a, strerror(errno));
	if (all->deadline == 0)
		advice_set_deadline(all, advice_in_time(all));
	a->link.deadline = advice_deadline(all, a);
	changes_reset(&all->changes, a->rights, text->length);
	advice_pose(a, fd, text->length, frames);
	v = advice_read(all, a, true);
	a->link.deadline = all->deadline;
	if (v == ADVICE_PASS) {
		a->deleted = all->changes.deleted;
		a->put = all->changes.put;
		a->top = all->changes.top;
		a->junk = all->changes.junk;
	}
	return v;
}

void
advice_abandon(struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		if (all->of[i].told)
			advice_tell_one(&all->of[i], 'A', SPAN(""));
		all->of[i].told = false;
	}
	advice_flush(all);
}

bool
advice_is_broken(const struct advice *all)
{
	for (unsigned i = 0; i < all->n; i++)
		if (all->of[i].link.state != LINK_UP)
			return true;
	return false;
}
