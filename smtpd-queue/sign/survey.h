/* SPDX-License-Identifier: ISC */
/* What a header section says of the signatures that the message gets. */
#ifndef SURVEY_H
#define SURVEY_H

#include "fields.h"
#include "header.h"

/* The fields of a section, from the top down. */
struct survey_walk {
	struct header header;
	struct span rest;
	bool bad; /* no memory: fields may be missing */
};

/*
 * next gives the name of each and all of its octets; false: there is no
 * more, or bad. value: the octets behind the colon, without the last line
 * end.
 */
void survey_start(struct survey_walk *, struct span section);
bool survey_next(struct survey_walk *, struct span *name, struct span *field);
struct span survey_value(struct span field);
void survey_stop(struct survey_walk *);

struct survey {
	struct sbuf author; /* domain of the From */
	unsigned from;      /* how many From */
	bool good;          /* the From is one that can be read */
	bool nul;           /* in one that is to be signed */
	bool bad;           /* no memory: nothing is known */
	size_t count;       /* of those that are to be signed */
	bool seen[FIELDS_MAX];
};

void survey_take(struct survey *, struct span section);
void survey_free(struct survey *);

#endif
