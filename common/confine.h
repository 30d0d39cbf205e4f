/* SPDX-License-Identifier: ISC */
/* A program gives away, for good, what it no longer needs. */
#ifndef CONFINE_H
#define CONFINE_H

#include <sys/syscall.h>

#include <stdbool.h>

#include "conf.h"

enum confine_right {
	CONFINE_READ,  /* read files below */
	CONFINE_WRITE, /* read, create, write, rename, remove below */
};

struct confine_path {
	const char *path;
	enum confine_right right;
};

enum confine_kind {
	CONFINE_LISTED, /* only the base and the calls that are listed */
	/*
	 * Programs that run what the system brings (NSS, PAM), whose calls
	 * nobody can list: all is allowed but to run another program, to
	 * listen, to look into others, and what administers. It never kills: a
	 * module that is refused something says so or has another way.
	 */
	CONFINE_MODULES,
	/* The same, but it starts programs, and any file stays open to them. */
	CONFINE_SPAWNERS,
};

#define CONFINE_CALLS_MAX 128
#define CONFINE_PATHS_MAX 8

/*
 * What stays allowed; the lists end at a zero. The paths are opened before
 * anything is given up.
 */
struct confine {
	enum confine_kind kind;
	/* SYS_..., beside the base of confine.c */
	int calls[CONFINE_CALLS_MAX];
	struct confine_path paths[CONFINE_PATHS_MAX];
	/* AF_...: all that socket() makes, if it is a call; none: of any */
	int families[2];
	bool dials; /* confine_warm: UNIX sockets, before confine_forked */
};

/* Younger architectures lack some calls: there, what does the same. */
#ifndef SYS_open
#define SYS_open SYS_openat
#define SYS_access SYS_faccessat
#define SYS_stat SYS_newfstatat
#define SYS_lstat SYS_newfstatat
#define SYS_rename SYS_renameat
#define SYS_unlink SYS_unlinkat
#define SYS_fork SYS_clone
#define SYS_time SYS_clock_gettime
#define SYS_alarm SYS_setitimer
#endif

/*
 * no_new_privs, then Landlock (only these paths; skipped where the kernel
 * has none), then a seccomp filter (only these calls, no namespace by clone(),
 * and, but for modules, no memory that can be executed). The setting confine
 * says what a forbidden call gets: "deny" (EPERM), "kill" (the process dies by
 * SIGSYS: tests), "off" (nothing is done: debuggers and sanitizers). When a
 * step that the kernel knows fails, it dies: "cannot confine itself". It is
 * silent about a kernel that does not know one.
 */
void confine(const struct confine *, const struct conf *);

/*
 * The two steps of a warm helper (serve.h). confine_warm keeps, beside all of
 * that, what it takes to accept and to fork and, if c->dials, to dial helpers
 * over UNIX sockets. confine_forked gives that up by a second, short filter:
 * what is left of the calls is c->calls, and some that change nothing.
 */
void confine_warm(const struct confine *, const struct conf *);
void confine_forked(const struct confine *, const struct conf *);

/* Programs that stay say once, at their start, what the kernel lacks. */
void confine_report(void);

#endif
