/* SPDX-License-Identifier: ISC */
/* Child processes with exactly the descriptors of a table. */
#ifndef PROC_H
#define PROC_H

#include <stddef.h>
#include <sys/types.h>

struct proc_fd {
	int child, ours; /* the number there, the number here */
};

/*
 * Starts path with the descriptors of the table and no others (all of ours
 * are close-on-exec), default signal dispositions and an empty mask. A NULL
 * envp is the built environment: PATH alone. Gives the pid, or -1 with errno,
 * also when the exec itself failed.
 */
pid_t proc_spawn(const char *path, char *const argv[], char *const envp[],
    const struct proc_fd *, size_t n);

#endif
