/* SPDX-License-Identifier: ISC */
/* The command line of sendmail, as programs have come to know it. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

enum options_mode {
	OPTIONS_SEND,
	OPTIONS_LIST,    /* -bp, mailq */
	OPTIONS_SMTP,    /* -bs */
	OPTIONS_NOTHING, /* -q, -bi, newaliases: there is nothing to do */
};

struct options {
	enum options_mode mode;
	bool dots;          /* -i: a lone dot is text */
	bool from_header;   /* -t */
	bool verbose;       /* -v */
	const char *sender; /* -f, -r; or NULL */
	const char *name;   /* -F; or NULL */
	const char *body;   /* BODY= of -B; or NULL */
	char **recipients;  /* what follows the options, NULL-ended */
	/* argv[0] and our own -c and -o, for program_start; NULL-ended */
	int argc;
	char **argv;
};

/*
 * False when the line cannot be honoured; *why says it and what is the word
 * that it is about. Memory lives as long as the program.
 */
bool options_parse(struct options *, int argc, char *argv[], const char **why,
    const char **what);

#endif
