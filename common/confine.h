/* SPDX-License-Identifier: ISC */
/* A program gives away, for good, what it no longer needs. */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"

enum confine_right {
	CONFINE_READ,  /* read files below */
	CONFINE_WRITE, /* read, create, write, rename, remove below */
};

struct confine_path {
	const char *path;
	enum confine_right right;
};

/* What stays allowed. The paths are opened before anything is given up. */
struct confine {
	const int *calls; /* system call numbers, SYS_... */
	size_t ncalls;
	const struct confine_path *paths;
	size_t npaths;
	/* AF_...: all that socket() makes, if it is a call; none: of any */
	const int *families;
	size_t nfamilies;
	bool all_files; /* no Landlock, for who starts others' programs */
	bool dials;     /* confine_warm: UNIX sockets, before confine_forked */
};

/*
 * In place of calls, for programs that run what the system brings (NSS, PAM),
 * whose calls nobody can list: all is allowed but to run another program, to
 * listen, to look into others, and what administers. It never kills: a module
 * that is refused something says so or has another way.
 */
extern const int confine_modules[];

/* The same for who has to start programs: to run one is allowed too. */
#define confine_spawners (confine_modules + 2)

/*
 * no_new_privs, then Landlock (only these paths; skipped where the kernel
 * has none), then a seccomp filter (only these calls; the architecture is
 * checked). The setting confine says what a forbidden call gets: "deny"
 * (EPERM), "kill" (the process dies by SIGSYS: tests), "off" (nothing is
 * done: debuggers and sanitizers). False with errno when a step that the
 * kernel knows fails: then do not go on. It is silent about a kernel that
 * does not know one.
 */
bool confine(const struct confine *, const struct conf *) MUST_CHECK;

/*
 * The two steps of a warm helper (serve.h). confine_warm keeps, beside all of
 * that, what it takes to accept and to fork and, if c->dials, to dial helpers
 * over UNIX sockets. confine_forked gives that up by a second, short filter:
 * what is left of the calls is c->calls, and some that change nothing.
 */
bool confine_warm(const struct confine *, const struct conf *) MUST_CHECK;
bool confine_forked(const struct confine *, const struct conf *) MUST_CHECK;

/* Programs that stay say once, at their start, what the kernel lacks. */
void confine_report(void);

#endif
