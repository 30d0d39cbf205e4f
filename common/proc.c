/* SPDX-License-Identifier: ISC */
/* Child processes with exactly the descriptors of a table. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <unistd.h>

#include "proc.h"
#include "span.h"

#define PROC_FDS 16

/* Is the number ours taken in the child by another entry of the table? */
static bool
proc_conflicts(const struct proc_fd *t, size_t n, size_t i)
{
	for (size_t j = 0; j < n; j++)
		if (t[j].child == t[i].ours && t[j].ours != t[i].ours)
			return true;
	return false;
}

static bool
proc_names(const struct proc_fd *t, size_t n, int child)
{
	for (size_t i = 0; i < n; i++)
		if (t[i].child == child)
			return true;
	return false;
}

/*
 * The table as dup2 calls that may run in any order: an entry whose number
 * here is a number there is first moved above all of those. moved: what has
 * to be closed afterwards.
 */
static bool
proc_arrange(const struct proc_fd *t, size_t n, posix_spawn_file_actions_t *fa,
    int moved[PROC_FDS])
{
	int above = 3, err = 0;

	for (size_t i = 0; i < n; i++)
		if (t[i].child >= above)
			above = t[i].child + 1;
	for (size_t i = 0; i < n && err == 0; i++) {
		int ours = t[i].ours;

		if (proc_conflicts(t, n, i)) {
			ours = fcntl(ours, F_DUPFD_CLOEXEC, above);
			moved[i] = ours;
			if (ours == -1)
				return false;
		}
		err = posix_spawn_file_actions_adddup2(fa, ours, t[i].child);
	}
	/* Ours of 0 and 1 are not close-on-exec. 2, the log, is shared. */
	for (int fd = 0; fd < 2 && err == 0; fd++)
		if (!proc_names(t, n, fd))
			err = posix_spawn_file_actions_addclose(fa, fd);
	errno = err;
	return err == 0;
}

static int
proc_attributes(posix_spawnattr_t *a)
{
	/* What a parent may have ignored; an exec resets only handlers. */
	static const int ignored[] = { SIGPIPE, SIGHUP, SIGINT, SIGQUIT,
		SIGTERM, SIGCHLD, SIGALRM, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN,
		SIGTTOU, SIGWINCH, SIGURG, SIGIO, SIGXFSZ, SIGXCPU };
	sigset_t none, reset;
	int err;

	(void)sigemptyset(&none);
	(void)sigemptyset(&reset);
	for (size_t i = 0; i < nitems(ignored); i++)
		(void)sigaddset(&reset, ignored[i]);
	err = posix_spawnattr_setsigmask(a, &none);
	if (err == 0)
		err = posix_spawnattr_setsigdefault(a, &reset);
	if (err == 0)
		err = posix_spawnattr_setflags(a,
		    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return err;
}

pid_t
proc_spawn(const char *path, char *const argv[], char *const envp[],
    const struct proc_fd *table, size_t n)
{
	static char path_env[] = "PATH=/usr/bin:/bin";
	static char *const built[] = { path_env, NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int moved[PROC_FDS], err;
	pid_t pid = -1;

	if (n > PROC_FDS) {
		errno = EINVAL;
		return -1;
	}
	for (size_t i = 0; i < PROC_FDS; i++)
		moved[i] = -1;
	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawnattr_init(&attr);
	err = proc_attributes(&attr);
	if (err == 0 && !proc_arrange(table, n, &fa, moved))
		err = errno;
	if (err == 0)
		err = posix_spawn(&pid, path, &fa, &attr, argv,
		    envp == NULL ? built : envp);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&fa);
	for (size_t i = 0; i < n; i++)
		if (moved[i] != -1)
			(void)close(moved[i]);
	errno = err;
	return err == 0 ? pid : -1;
}
