/* SPDX-License-Identifier: ISC */
/* Line endings, transparency and the end of the text after DATA. */
#include <endian.h>

#include "dot.h"

/* Eight octets, the first one in the lowest bits. */
static uint64_t
load64(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

/*
 * The lowest bit set is in the first octet below 14: CR, LF, NUL and tab
 * are. (A borrow can set bits falsely, but only above a true one.)
 */
static uint64_t
find_controls(uint64_t x)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	return (x - ones * 14) & ~x & ones * 0x80;
}

static bool
ends_run(char c)
{
	return c == '\r' || c == '\n' || c == '\0';
}

/* Octets before the first CR, LF or NUL. */
static size_t
dot_plain_length(const char *p, size_t n)
{
	uint64_t found;
	size_t i = 0;

	while (n - i >= 8) {
		found = find_controls(load64(p + i));
		if (found == 0) {
			i += 8;
			continue;
		}
		i += (size_t)__builtin_ctzll(found) / 8;
		if (ends_run(p[i]))
			return i;
		i++;
	}
	while (i < n && !ends_run(p[i]))
		i++;
	return i;
}

/* Notes a fault; only the first is an event. */
static bool
is_first_fault(struct dot *d, enum dot_fault why)
{
	d->at = DOT_TEXT; /* what follows does not begin a line */
	if (d->why != DOT_FINE)
		return false;
	d->why = why;
	return true;
}

static enum dot_fault
fault_of(char c)
{
	return c == '\r' ? DOT_BARE_CR : c == '\n' ? DOT_BARE_LF : DOT_NUL;
}

/*
 * Finds the longest run that can be passed on unchanged: up to the end, a
 * CR at the end, a dot at the beginning of a line, or the first fault. From
 * BOL or TEXT only.
 */
static enum dot_event
dot_scan(struct dot *d, struct span in, size_t *used, struct span *run)
{
	size_t i = 0, n;

	for (;;) {
		*run = span_of(in.p, i);
		if (d->at == DOT_BOL && i < in.n && in.p[i] == '.') {
			d->at = DOT_STOP;
			*used = i + 1;
			return DOT_RUN;
		}
		n = dot_plain_length(in.p + i, in.n - i);
		if (n > 0)
			d->at = DOT_TEXT;
		i += n;
		*run = span_of(in.p, i);
		if (i == in.n) {
			*used = i;
			return DOT_MORE;
		}
		if (in.p[i] == '\r' && i + 1 == in.n) {
			d->at = DOT_CR;
			*used = in.n;
			return DOT_MORE;
		}
		if (in.p[i] == '\r' && in.p[i + 1] == '\n') {
			d->at = DOT_BOL;
			i += 2;
		} else if (i > 0 && d->why == DOT_FINE) {
			*used = i;
			return DOT_RUN; /* the fault comes next */
		} else if (is_first_fault(d, fault_of(in.p[i]))) {
			*used = 1;
			return DOT_BAD;
		} else {
			i++;
		}
	}
}

/* Decides about a CR or a dot at the end of the last input. */
static enum dot_event
dot_resume(struct dot *d, char c, size_t *used, struct span *run)
{
	bool cr = d->at == DOT_CR || d->at == DOT_STOP_CR;

	*used = 1;
	if (c == '\n' && d->at == DOT_STOP_CR)
		return DOT_END;
	if (c == '\n' && d->at == DOT_CR) {
		d->at = DOT_BOL;
		*run = SPAN("\r\n");
		return DOT_RUN;
	}
	if (c == '\r' && d->at == DOT_STOP) {
		d->at = DOT_STOP_CR;
		return DOT_MORE;
	}
	/* The dot was there for transparency: it goes. */
	*used = 0;
	d->at = DOT_TEXT;
	return cr && is_first_fault(d, DOT_BARE_CR) ? DOT_BAD : DOT_MORE;
}

enum dot_event
dot_push(struct dot *d, struct span in, size_t *used, struct span *run)
{
	enum dot_event event;

	*run = span_of(in.p, 0);
	if (d->at == DOT_BOL || d->at == DOT_TEXT) {
		event = dot_scan(d, in, used, run);
	} else {
		event = dot_resume(d, in.p[0], used, run);
		if (event == DOT_MORE && *used == 0)
			event = dot_scan(d, in, used, run);
	}
	if (d->why != DOT_FINE)
		run->n = 0;
	if (event == DOT_MORE || event == DOT_RUN)
		return *used == in.n ? DOT_MORE : DOT_RUN;
	return event;
}
