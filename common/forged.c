/* SPDX-License-Identifier: ISC */
/* Finds Authentication-Results that claim to be of this host. */
#include "forged.h"

#include "advise.h"
#include "log.h"

#define PIECE 16384      /* header sections are seldom larger */
#define RANGES_MAX 10000 /* of one message, as smtpd-queue has it */

static const char field_name[] = "authentication-results";

static void
forged_begin_field(struct forged *f)
{
	if (f->fate != FORGED_GOES)
		f->before = f->at;
	f->fate = FORGED_OPEN;
	f->part = FORGED_NAME;
	f->quoted = f->escaped = false;
	f->comments = 0;
	f->matched = 0;
	f->field = f->offset;
}

void
forged_init(struct forged *f, const char *host)
{
	*f = (struct forged){
		.host = host, .at = FORGED_LINE_START, .fate = FORGED_STAYS
	};
	forged_begin_field(f);
}

/* CR and LF within a field are always folding. */
static bool
is_space(char c)
{
	return ascii_isblank(c) || c == '\r' || c == '\n';
}

static bool
is_token(char c)
{
	return c > ' ' && c <= '~' && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* If the id ends here, is it our own? */
static bool
is_ours(const struct forged *f)
{
	return f->matched >= strlen(f->host);
}

/* An octet of the id, or the one after it. */
static void
forged_id_octet(struct forged *f, char c)
{
	size_t n = strlen(f->host);
	bool dot = f->matched == n && c == '.';

	if (dot ||
	    (f->matched < n &&
		ascii_lower(c) == ascii_lower(f->host[f->matched])))
		f->matched++;
	else if (c < ' ' || c > '~' || (is_ours(f) && !is_token(c)))
		f->fate = FORGED_GOES;
	else if (c == '=')
		f->part = FORGED_EQUALS;
	else
		f->fate = FORGED_STAYS;
}

/*
 * Some readers drop comments and blanks before they look: so those within an
 * id do not split it; but the id may also end before them.
 */
static void
forged_id(struct forged *f, char c)
{
	bool escaped = f->escaped;

	f->escaped = false;
	if (escaped && f->comments > 0)
		return;
	if (escaped && f->quoted)
		forged_id_octet(f, c);
	else if (c == '\\' && (f->comments > 0 || f->quoted))
		f->escaped = true;
	else if (f->comments > 0)
		f->comments += (c == '(') - (c == ')');
	else if (c == '"')
		f->quoted = !f->quoted;
	else if (f->quoted && !is_space(c))
		forged_id_octet(f, c);
	else if (is_space(c) || c == '(') {
		if (is_ours(f))
			f->fate = FORGED_GOES;
		f->comments = c == '(';
	} else
		forged_id_octet(f, c);
}

/* One octet of an open field. */
static void
forged_look(struct forged *f, char c)
{
	switch (f->part) {
	case FORGED_NAME:
		if (ascii_lower(c) != field_name[f->matched])
			f->fate = FORGED_STAYS;
		else if (++f->matched == sizeof(field_name) - 1)
			f->part = FORGED_COLON;
		break;
	case FORGED_COLON:
		if (c == ':') {
			f->part = FORGED_ID;
			f->matched = 0;
		} else if (!is_space(c)) {
			f->fate = FORGED_STAYS;
		}
		break;
	case FORGED_ID:
		forged_id(f, c);
		break;
	case FORGED_EQUALS:
		f->fate = c == '?' ? FORGED_GOES : FORGED_STAYS;
		break;
	}
	if (f->fate == FORGED_OPEN && f->offset - f->field == FORGED_KEPT)
		f->fate = FORGED_GOES;
}

/* An open field is over. */
static void
forged_decide(struct forged *f)
{
	bool unended = f->comments > 0 || f->quoted;

	if (f->part == FORGED_ID && (unended || is_ours(f)))
		f->fate = FORGED_GOES;
	else
		f->fate = FORGED_STAYS;
}

static void
forged_end_field(struct forged *f)
{
	if (f->fate == FORGED_OPEN)
		forged_decide(f);
	if (f->fate != FORGED_GOES)
		return;
	if (f->gone.length == 0)
		f->gone.offset = f->field;
	f->gone.length = f->offset - f->gone.offset;
}

/* The range includes every adjacent field that goes. */
static bool
forged_take_gone(struct forged *f, struct forged_range *r)
{
	*r = f->gone;
	f->gone.length = 0;
	return r->length > 0;
}

/* The next octet, which is no LF that completes a CRLF, begins a line. */
static bool
is_new_line(const struct forged *f, char c)
{
	switch (f->at) {
	case FORGED_LINE_START:
		return true;
	case FORGED_CR:
	case FORGED_LINE_START_CR:
		return c != '\n';
	case FORGED_IN_LINE:
	case FORGED_OVER:
		break;
	}
	return false;
}

/* Follows the lines over one octet. */
static void
forged_step(struct forged *f, char c)
{
	bool start = is_new_line(f, c);

	if (c == '\r')
		f->at = start ? FORGED_LINE_START_CR : FORGED_CR;
	else if (c == '\n')
		f->at = start || f->at == FORGED_LINE_START_CR ?
		    FORGED_OVER :
		    FORGED_LINE_START;
	else
		f->at = FORGED_IN_LINE;
}

/*
 * An empty line of LF behind a field that goes, before which a CR stays: it is
 * a CRLF then, and completes that line.
 */
static void
forged_rejoin(struct forged *f, char c)
{
	if (f->fate != FORGED_GOES || f->at != FORGED_LINE_START || c != '\n' ||
	    f->before == FORGED_LINE_START)
		return;
	f->at = f->before;
	f->fate = FORGED_STAYS;
}

bool
forged_push(struct forged *f, struct span *in, struct forged_range *r)
{
	for (; in->n > 0 && !forged_is_over(f); *in = span_skip(*in, 1)) {
		char c = in->p[0];

		if (is_new_line(f, c) && !ascii_isblank(c)) {
			forged_end_field(f);
			if (f->fate == FORGED_STAYS && forged_take_gone(f, r))
				return true;
			forged_rejoin(f, c);
			if (is_new_line(f, c))
				forged_begin_field(f);
		}
		forged_step(f, c);
		if (f->fate == FORGED_OPEN)
			forged_look(f, c);
		f->offset++;
	}
	in->n = 0;
	return false;
}

bool
forged_is_over(const struct forged *f)
{
	return f->at == FORGED_OVER;
}

bool
forged_finish(struct forged *f, struct forged_range *r)
{
	forged_end_field(f);
	return forged_take_gone(f, r);
}

/* --- a text in a file ------------------------------------------------------- */

/* Gives fn the ranges that are over with these octets. */
static bool
forged_find_in(struct forged *f, struct span octets, forged_range_fn *fn,
    void *context)
{
	struct forged_range r;

	while (forged_push(f, &octets, &r))
		if (!fn(context, r.offset, r.length))
			return false;
	return true;
}

bool
forged_find(int fd, uint64_t length, const char *host, forged_range_fn *fn,
    void *context)
{
	const struct advise_text text = { .fd = fd, .length = length };
	static char piece[PIECE];
	struct forged_range last;
	struct forged f;
	ssize_t n;

	forged_init(&f, host);
	while (f.offset < length && !forged_is_over(&f)) {
		n = advise_read(&text, f.offset, piece, sizeof(piece));
		if (n <= 0 ||
		    !forged_find_in(&f, span_of(piece, (size_t)n), fn, context))
			return false;
	}
	return !forged_finish(&f, &last) ||
	    fn(context, last.offset, last.length);
}

bool
forged_claims(struct span lines, const char *host)
{
	struct forged_range r;
	struct forged f;

	forged_init(&f, host);
	return forged_push(&f, &lines, &r) || forged_finish(&f, &r);
}

static bool
forged_delete(void *context, uint64_t offset, uint64_t length)
{
	unsigned *n = context;

	if ((*n)++ == RANGES_MAX)
		return false;
	advise_delete(offset, length);
	return true;
}

bool
forged_advise(const struct advise_text *text, const char *host)
{
	unsigned n = 0;

	if (forged_find(text->fd, text->length, host, forged_delete, &n))
		return true;
	if (n > RANGES_MAX) {
		advise_refuse(SPAN("550 5.6.0 Too many forged header fields"));
		return false;
	}
	warn_sys("cannot read the text");
	advise_later(ADVISE_LOCAL_ERROR);
	return false;
}
