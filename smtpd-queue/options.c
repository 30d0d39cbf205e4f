/* SPDX-License-Identifier: ISC */
/* The command line of sendmail, as programs have come to know it. */
#include "options.h"

#include <stdlib.h>
#include <strings.h>

#include "span.h"

/* Accepted for the sake of old callers, and without effect here. */
#define IGNORED "GUmnx"
#define IGNORED_WITH_WORD "ADLNORVXehp"
#define IGNORED_WITH_TAIL "d" /* its value only ever in the same word */

static bool
among(const char *letters, char c)
{
	return c != '\0' && strchr(letters, c) != NULL;
}

static void
hand_on(struct options *o, char *option, char *value)
{
	o->argv[o->argc++] = option;
	o->argv[o->argc++] = value;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static const char *
set_mode(struct options *o, const char *value)
{
	switch (value[0]) {
	case 'm':
		o->mode = OPTIONS_SEND;
		return NULL;
	case 'p':
		o->mode = OPTIONS_LIST;
		return NULL;
	case 's':
		o->mode = OPTIONS_SMTP;
		return NULL;
	case 'i':
		o->mode = OPTIONS_NOTHING;
		return NULL;
	case 'd':
	case 'D':
		return "smtpd is no daemon of sendmail's: see smtpd-session(8)";
	default:
		return "this mode is not supported";
	}
}

static const char *
set_body(struct options *o, const char *value)
{
	if (strcasecmp(value, "8BITMIME") == 0)
		o->body = "BODY=8BITMIME";
	else if (strcasecmp(value, "7BIT") == 0)
		o->body = "BODY=7BIT";
	else
		return "give 7BIT or 8BITMIME";
	return NULL;
}

/* -oi and its kin; with a "=" it is a setting of ours. */
static const char *
set_option(struct options *o, char *value)
{
	static char option[] = "-o";

	if (strchr(value, '=') != NULL)
		hand_on(o, option, value);
	else if (value[0] == 'i')
		o->dots = true;
	return NULL;
}

static const char *
with_word(struct options *o, char c, char *value)
{
	static char option[] = "-c";

	switch (c) {
	case 'b':
		return set_mode(o, value);
	case 'B':
		return set_body(o, value);
	case 'f':
	case 'r':
		o->sender = value;
		return NULL;
	case 'F':
		o->name = value;
		return NULL;
	case 'o':
		return set_option(o, value);
	case 'c':
	case 'C':
		hand_on(o, option, value);
		return NULL;
	default:
		return NULL; /* IGNORED_WITH_WORD */
	}
}

static const char *
alone(struct options *o, char c)
{
	switch (c) {
	case 't':
		o->from_header = true;
		return NULL;
	case 'i':
		o->dots = true;
		return NULL;
	case 'v':
		o->verbose = true;
		return NULL;
	case 'I':
		o->mode = OPTIONS_NOTHING;
		return NULL;
	default:
		return among(IGNORED, c) ? NULL : "unknown option";
	}
}

/* The letters of one word; a value is its rest, or the next word. */
static const char *
take_word(struct options *o, char **words[])
{
	const char *why;

	for (char *p = **words + 1; *p != '\0'; p++) {
		if (*p == 'q') {
			o->mode = OPTIONS_NOTHING;
			return NULL;
		}
		if (among(IGNORED_WITH_TAIL, *p))
			return NULL;
		if (among("bBcCfFor" IGNORED_WITH_WORD, *p)) {
			char *value = p[1] != '\0' ? p + 1 : *++*words;

			return value == NULL ? "it lacks its value" :
					       with_word(o, *p, value);
		}
		why = alone(o, *p);
		if (why != NULL)
			return why;
	}
	return NULL;
}

bool
options_parse(struct options *o, int argc, char *argv[], const char **why,
    const char **what)
{
	char **words = argv + 1;

	*o = (struct options){ .mode = OPTIONS_SEND };
	o->argv = calloc(2 * (size_t)argc + 2, sizeof(*o->argv));
	if (o->argv == NULL) {
		*why = "out of memory";
		*what = argv[0];
		return false;
	}
	o->argv[o->argc++] = argv[0];
	if (strcmp(base_name(argv[0]), "mailq") == 0)
		o->mode = OPTIONS_LIST;
	if (strcmp(base_name(argv[0]), "newaliases") == 0)
		o->mode = OPTIONS_NOTHING;
	for (; *words != NULL && **words == '-' && (*words)[1] != '\0';
	     words++) {
		*what = *words;
		if (strcmp(*words, "--") == 0) {
			words++;
			break;
		}
		*why = take_word(o, &words);
		if (*why != NULL)
			return false;
	}
	o->recipients = words;
	return true;
}
