/* SPDX-License-Identifier: ISC */
/* Whose mail it claims to be: the domains of all addresses in From. */
#include "from.h"

#define COMMENT_DEPTH 100

void
from_init(struct from *f)
{
	f->n = f->fields = 0;
	f->bad = false;
	from_begin(f);
	f->fields = 0;
}

void
from_begin(struct from *f)
{
	f->fields++;
	f->at = FROM_PHRASE;
	f->depth = 0;
	f->quoted = f->escaped = f->angle = f->words = f->group = false;
	f->gap = f->cr = false;
	f->len = 0;
}

/* Labels of letters, digits, hyphens and underscores. */
static bool
is_domain(struct span name)
{
	if (name.n == 0)
		return false;
	while (name.n > 0) {
		bool dot = span_find(name, '.') < name.n;
		struct span label = span_cut(&name, '.');

		if (label.n == 0 || label.n > 63 || (dot && name.n == 0))
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_isalnum(label.p[i]) && label.p[i] != '-' &&
			    label.p[i] != '_')
				return false;
	}
	return true;
}

/* The domain that was read, in the place behind the others. */
static void
take_domain(struct from *f)
{
	char *name;

	if (f->n == FROM_DOMAINS_MAX) {
		f->bad = true;
		return;
	}
	name = f->domains[f->n];
	if (f->len > 0 && f->len < DNS_NAME_SIZE && name[f->len - 1] == '.')
		f->len--;
	if (f->len >= DNS_NAME_SIZE || !is_domain(span_of(name, f->len))) {
		f->bad = true;
		return;
	}
	name[f->len] = '\0';
	for (unsigned i = 0; i < f->n; i++)
		if (strcmp(f->domains[i], name) == 0)
			return;
	f->n++;
}

static void
add_to_domain(struct from *f, char c)
{
	if (f->n < FROM_DOMAINS_MAX && f->len < DNS_NAME_SIZE - 1)
		f->domains[f->n][f->len] = ascii_lower(c);
	f->len++;
}

static void
begin_domain(struct from *f)
{
	f->at = FROM_DOMAIN;
	f->len = 0;
	f->gap = false;
}

/* The address is over, one way or another. */
static void
end_mailbox(struct from *f)
{
	switch (f->at) {
	case FROM_PHRASE:
		f->bad = f->bad || f->words;
		break;
	case FROM_ANGLE:
		f->bad = true;
		break;
	case FROM_DOMAIN:
		f->bad = f->bad || f->angle;
		take_domain(f);
		break;
	case FROM_AFTER:
		break;
	}
	f->at = FROM_PHRASE;
	f->angle = f->words = false;
}

static void
word(struct from *f, char c)
{
	switch (f->at) {
	case FROM_PHRASE:
		f->words = true;
		return;
	case FROM_ANGLE:
		f->words = true;
		return;
	case FROM_DOMAIN:
		break;
	case FROM_AFTER:
		f->bad = true;
		return;
	}
	/* Only a dot joins what blanks have parted (obs-domain). */
	if (f->gap && f->len > 0 && c != '.' &&
	    (f->len >= DNS_NAME_SIZE || f->n == FROM_DOMAINS_MAX ||
		f->domains[f->n][f->len - 1] != '.')) {
		f->bad = true;
		take_domain(f);
		f->at = FROM_AFTER;
		return;
	}
	f->gap = false;
	add_to_domain(f, c);
}

static void
open_angle(struct from *f)
{
	/* "a@b <c@d>": what was before is a name for some, for others not. */
	if (f->at == FROM_DOMAIN && !f->angle)
		take_domain(f);
	else if (f->at != FROM_PHRASE)
		f->bad = true;
	f->at = FROM_ANGLE;
	f->angle = true;
	f->words = false;
}

/* "MAILER-DAEMON <>", as some bounces have it, is nobody, and well so. */
static void
close_angle(struct from *f)
{
	if (f->at == FROM_DOMAIN && f->angle)
		take_domain(f);
	else if (f->at != FROM_ANGLE || f->words)
		f->bad = true;
	f->at = FROM_AFTER;
}

static void
at_sign(struct from *f)
{
	if (f->at == FROM_DOMAIN || f->at == FROM_AFTER)
		f->bad = true;
	if (f->at == FROM_DOMAIN)
		take_domain(f);
	if (f->at == FROM_PHRASE && !f->words)
		f->bad = true;
	begin_domain(f);
}

/* A group's name has only words; a route (obs-route) is no address of ours. */
static void
colon(struct from *f)
{
	if (f->at != FROM_PHRASE || f->group) {
		f->bad = true;
		if (f->at == FROM_DOMAIN && f->angle) {
			take_domain(f);
			f->at = FROM_ANGLE;
		}
		return;
	}
	f->group = true;
	f->words = false;
}

static void
special(struct from *f, char c)
{
	switch (c) {
	case '<':
		open_angle(f);
		break;
	case '>':
		close_angle(f);
		break;
	case '@':
		at_sign(f);
		break;
	case ',':
		end_mailbox(f);
		break;
	case ':':
		colon(f);
		break;
	case ';':
		f->bad = f->bad || !f->group;
		end_mailbox(f);
		f->group = false;
		break;
	default:
		/* [ ] \ and an end of comment that has no beginning */
		f->bad = true;
		word(f, c);
	}
}

/* True: c belongs to a comment or a quoted string. */
static bool
skip(struct from *f, char c)
{
	if (f->depth == 0 && !f->quoted)
		return false;
	if (f->escaped)
		f->escaped = false;
	else if (c == '\\')
		f->escaped = true;
	else if (f->quoted)
		f->quoted = c != '"';
	else if (c == '(' && f->depth < COMMENT_DEPTH)
		f->depth++;
	else if (c == '(')
		f->bad = true;
	else if (c == ')')
		f->depth--;
	return true;
}

void
from_push(struct from *f, char c)
{
	/* A reader may take a bare CR for the end of the line. */
	if (f->cr && c != '\n')
		f->bad = true;
	f->cr = c == '\r';
	if (c == '\0')
		f->bad = true;
	if (skip(f, c))
		return;
	switch (c) {
	case '(':
		f->depth = 1;
		f->gap = true;
		break;
	case '"':
		f->quoted = true;
		word(f, '"');
		break;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		f->gap = true;
		break;
	default:
		if (c != '\0' && strchr("<>@,:;[]\\)", c) != NULL)
			special(f, c);
		else
			word(f, c);
	}
}

void
from_end(struct from *f)
{
	if (f->depth > 0 || f->quoted || f->group)
		f->bad = true;
	end_mailbox(f);
}
