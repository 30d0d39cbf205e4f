/* SPDX-License-Identifier: ISC */
/* The table of settings as data, and what each type of value looks like. */
#ifndef CONF_TYPE_H
#define CONF_TYPE_H

#include "conf.h"

enum conf_type {
	CONF_DOMAIN,
	CONF_DOMAINS,
	CONF_CIDRS,
	CONF_ENDPOINTS,
	CONF_WORD,
	CONF_PATH,
	CONF_PATHS,
	CONF_HELPER,
	CONF_CHOICE,
	CONF_ROUTES,
	CONF_ROUTE,
	CONF_NUMBER,
	CONF_SIZE,
	CONF_TIME,
};

/*
 * No pointers: the programs are position independent, and what the loader has
 * to relocate is a page of memory of its own in each session.
 */
struct conf_setting {
	uint16_t name, fallback, meaning, rule; /* see conf_name */
	uint16_t type;                          /* enum conf_type */
	uint16_t offset;   /* of the member of struct conf */
	uint64_t min, max; /* numbers */
};

#define X(...) +1
enum { CONF_SETTINGS = 0 SETTINGS(X) };
#undef X

extern const struct conf_setting conf_settings[CONF_SETTINGS];

/* Its texts. The rule of a text is "optional", "required" or the words. */
const char *conf_name(const struct conf_setting *);
const char *conf_fallback(const struct conf_setting *);
const char *conf_meaning(const struct conf_setting *);
const char *conf_rule(const struct conf_setting *);

/* Does the setting hold a number, or a text? */
bool conf_is_number(const struct conf_setting *);

/* May it be empty? */
bool conf_is_optional(const struct conf_setting *);

/* The whole of value as a number of the setting's type and bounds. */
bool conf_number(const struct conf_setting *, struct span value,
    uint64_t *) MUST_CHECK;

/*
 * Is value a text as the setting's type and rule want it? When it is not,
 * *wrong is what is wrong of it: the value, or one word of a list.
 */
bool conf_text_valid(const struct conf_setting *, struct span value,
    struct span *wrong);

/* Appends what is expected of a value, or of each word of a list. */
void conf_expectation(struct sbuf *, const struct conf_setting *);

/* Appends a number in the largest unit of the type that is exact. */
void conf_add_number(struct sbuf *, const struct conf_setting *, uint64_t);

/* The setting of that name, or NULL. */
const struct conf_setting *conf_setting(struct span name);

/* Write what is wrong to *where, but not the line. All are CONF_BAD. */
enum conf_result conf_bad(struct conf_where *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
enum conf_result conf_bad_octet(char, struct conf_where *);

/* The name is none of a setting: says which one it looks most like. */
enum conf_result conf_bad_name(struct span name, struct conf_where *);

/* wrong: see conf_text_valid. */
enum conf_result conf_bad_value(const struct conf_setting *, struct span value,
    struct span wrong, struct conf_where *);

#endif
