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
#define CONF_T_FLAG bool
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
	struct conf_memory *memory; /* that the texts point into */
};

enum conf_result {
	CONF_OK,
	CONF_BAD,   /* a setting is wrong: *where says how */
	CONF_IOERR, /* unreadable, or out of memory: errno */
};

struct conf_where {
	unsigned line;  /* 0: not in a line of a file, as with -o */
	char what[256]; /* "unknown setting 'x': did you mean 'y'?" */
};

/*
 * Sets every setting to its default. The texts live until conf_free. args
 * belongs to the function that filled it: conf_free does not free it.
 */
void conf_init(struct conf *);

/*
 * Reads a file of settings, which override those that are set: at most
 * CONF_FILE_MAX octets; it may be a pipe. After a failure *conf can only be
 * given to conf_free.
 */
#define CONF_FILE_MAX (1024 * 1024)
enum conf_result conf_load(struct conf *, const char *path,
    struct conf_where *) MUST_CHECK;

/* conf_load for text that is in memory already (fuzzed). */
enum conf_result conf_parse(struct conf *, struct span text,
    struct conf_where *) MUST_CHECK;

/* Sets one setting, as -o name=value does. */
enum conf_result conf_set(struct conf *, struct span name, struct span value,
    struct conf_where *) MUST_CHECK;

/*
 * To be called after the last file and option: fills in the defaults that are
 * known only at run time (hostname, local_domains), and checks what depends on
 * two settings.
 */
enum conf_result conf_finish(struct conf *, struct conf_where *) MUST_CHECK;

void conf_free(struct conf *);

/* Is the profile one in which only authenticated clients may send? */
bool conf_is_submission(const struct conf *);

/* Is domain, in any case, one of the blank-separated names of list? */
bool conf_has_domain(const char *list, struct span domain);

/* Appends a "name = value" line for each setting, as the programs use it. */
void conf_print(struct sbuf *, const struct conf *);

/* Writes to *where what is wrong, but not the line. Returns CONF_BAD. */
enum conf_result conf_bad(struct conf_where *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
