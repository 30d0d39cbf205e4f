/* SPDX-License-Identifier: ISC */
/* The configuration: name = value, checked against the table of settings. */
#ifndef CONF_H
#define CONF_H

#include <stdint.h>

#include "sbuf.h"
#include "settings.h"

#define CONF_DEFAULT_FILE SYSCONFDIR "/smtpd/smtpd.conf"

#define CONF_T_DOMAIN const char *
#define CONF_T_DOMAINS const char *
#define CONF_T_CIDRS const char *
#define CONF_T_ENDPOINTS const char *
#define CONF_FOLDER_MAX 64 /* octets of junk_folder */

#define CONF_T_WORD const char *
#define CONF_T_PATH const char *
#define CONF_T_PATHS const char *
#define CONF_T_HELPER const char *
#define CONF_T_CHOICE const char *
#define CONF_T_ROUTES const char *
#define CONF_T_ROUTE const char *
#define CONF_T_NUMBER uint64_t
#define CONF_T_SIZE uint64_t
#define CONF_T_TIME uint64_t

/* One member for each setting; texts are never NULL. */
struct conf {
#define X(type, name, ...) CONF_T_##type name;
	SETTINGS(X)
#undef X
	/* The -c and -o options as they were given, to hand on; NULL-ended. */
	const char **args;
	unsigned nargs;
	struct conf_memory *memory; /* what the texts point into */
};

enum conf_result {
	CONF_OK,
	CONF_BAD,   /* the file is wrong: where says how */
	CONF_IOERR, /* it cannot be read, or no memory: errno */
};

struct conf_where {
	unsigned line;  /* 0: not of a line, as with -o */
	char what[256]; /* "unknown setting 'x': did you mean 'y'?" */
};

/*
 * Sets every setting to its default. The texts live until conf_free. args is
 * whose it was that filled it: conf_free does not look at it.
 */
void conf_init(struct conf *);

/*
 * Reads a whole file of settings over what is there: at most CONF_FILE_MAX
 * octets; a pipe will do. After a failure *conf is good for conf_free alone.
 */
#define CONF_FILE_MAX (1024 * 1024)
enum conf_result conf_load(struct conf *, const char *path,
    struct conf_where *) MUST_CHECK;

/* Parses text as a file's contents; conf_load without the file (fuzzed). */
enum conf_result conf_parse(struct conf *, struct span text,
    struct conf_where *) MUST_CHECK;

/* Sets one, as -o name=value does. */
enum conf_result conf_set(struct conf *, struct span name, struct span value,
    struct conf_where *) MUST_CHECK;

/*
 * After the last of them: fills what defaults to something known only at run
 * time (hostname, local_domains) and checks what depends on two settings.
 */
enum conf_result conf_finish(struct conf *, struct conf_where *) MUST_CHECK;

void conf_free(struct conf *);

/* Is the profile one in which only authenticated clients may send? */
bool conf_is_submission(const struct conf *);

/* Is domain (case folded) one of the blank-separated names of list? */
bool conf_has_domain(const char *list, struct span domain);

/*
 * Appends all settings with type, default and meaning: as a sample file in
 * which each stands as a comment, or as mdoc list items for the man page.
 */
enum conf_format { CONF_AS_SAMPLE, CONF_AS_MDOC };
void conf_describe(struct sbuf *, enum conf_format);

/* Appends "name = value" lines of the effective values. */
void conf_print(struct sbuf *, const struct conf *);

/*
 * Appends the effective value of one setting. When there is none of that name
 * it is false, and *where says so.
 */
bool conf_print_one(struct sbuf *, const struct conf *, struct span name,
    struct conf_where *) MUST_CHECK;

#endif
