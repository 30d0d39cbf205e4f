/* SPDX-License-Identifier: ISC */
/* The table of settings as data: what each may hold, and how to say so. */
#ifndef CONF_SETTING_H
#define CONF_SETTING_H

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
	CONF_FLAG,
	CONF_ROUTES,
	CONF_ROUTE,
	CONF_NUMBER,
	CONF_SIZE,
	CONF_TIME,
};

/*
 * No pointers: the programs are position independent, and relocating a table
 * of pointers would cost each session a page of memory of its own.
 */
struct conf_setting {
	uint16_t name, fallback, meaning, rule; /* offsets of texts */
	uint16_t type;                          /* enum conf_type */
	uint16_t offset;   /* of the member of struct conf */
	uint64_t min, max; /* numbers */
};

#define X(...) +1
enum { CONF_SETTINGS = 0 SETTINGS(X) };
#undef X

extern const struct conf_setting conf_settings[CONF_SETTINGS];

/* Its texts. The default is as it would be written in a file. */
const char *conf_setting_name(const struct conf_setting *);
const char *conf_setting_default(const struct conf_setting *);
const char *conf_setting_meaning(const struct conf_setting *);

/* The setting of that name. NULL: there is none, and *where says so. */
const struct conf_setting *conf_setting_find(struct span name,
    struct conf_where *);

/* Sets the default. */
void conf_setting_init(const struct conf_setting *, struct conf *);

/*
 * Sets the value, if it is valid for the setting. It ends with a NUL and lives
 * as long as the configuration.
 */
enum conf_result conf_setting_assign(const struct conf_setting *, struct conf *,
    struct span value, struct conf_where *) MUST_CHECK;

/* Appends the value as it could be written in a file; numbers in the largest
 * unit that is exact. */
void conf_setting_print(struct sbuf *, const struct conf_setting *,
    const struct conf *);

/* Appends what a value must be, for a sentence: "a domain name". */
void conf_setting_expectation(struct sbuf *, const struct conf_setting *);

/* May it be empty? Is it a list of words? */
bool conf_setting_is_optional(const struct conf_setting *);
bool conf_setting_is_list(const struct conf_setting *);

#endif
