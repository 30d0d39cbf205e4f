/* SPDX-License-Identifier: ISC */
/* Starting and reaching other programs. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include "helper.h"
#include "bufio.h"

#define PROC_FDS 16
#define DIAL_SECONDS 10

/* --- a child with exactly the descriptors of a table ---------------------- */

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

/* --- a helper, which is a socket path or a command ------------------------ */

static bool
helper_is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

bool
helper_is_command(const char *spec)
{
	struct span rest = span_str(spec), word = span_word(&rest);
	struct stat st;

	return span_trim(rest).n > 0 ||
	    (word.n > 0 && stat(spec, &st) == 0 && S_ISREG(st.st_mode) &&
		(st.st_mode & 0111) != 0);
}

int
helper_dial(const char *path)
{
	static const struct timeval patience = { .tv_sec = DIAL_SECONDS };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd;

	if (n >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	/* connect waits while the backlog is full. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		sizeof(patience)) == -1)
		return io_close(fd);
	while (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		if (errno != EINTR)
			return io_close(fd);
	return fd;
}

static int
helper_start(char *const words[], const struct conf *conf)
{
	size_t nwords = 0, nargs = conf == NULL ? 0 : conf->nargs;
	int sv[2];
	char **argv;
	pid_t pid;

	while (words[nwords] != NULL)
		nwords++;
	argv = calloc(nwords + nargs + 1, sizeof(*argv));
	if (argv == NULL)
		return -1;
	argv[0] = words[0];
	for (size_t i = 0; i < nargs; i++)
		argv[1 + i] = (char *)(uintptr_t)conf->args[i];
	for (size_t i = 1; i < nwords; i++)
		argv[nargs + i] = words[i];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == -1) {
		free(argv);
		return -1;
	}
	pid = proc_spawn(words[0], argv, NULL,
	    (const struct proc_fd[]){ { 0, sv[1] }, { 1, sv[1] }, { 2, 2 } },
	    3);
	free(argv);
	if (pid == -1)
		(void)io_close(sv[1]);
	else
		(void)close(sv[1]);
	return pid == -1 ? io_close(sv[0]) : sv[0];
}

int
helper_openv(char *const words[], const struct conf *conf)
{
	if (words[0] == NULL || words[0][0] != '/') {
		errno = EINVAL;
		return -1;
	}
	if (words[1] == NULL && helper_is_socket(words[0]))
		return helper_dial(words[0]);
	/* A socket whose listener is gone must not be taken for a command. */
	if (access(words[0], X_OK) == -1)
		return -1;
	return helper_start(words, conf);
}

int
helper_open(const char *spec, const struct conf *conf)
{
	char *one[] = { (char *)(uintptr_t)spec, NULL };
	struct span rest, word;
	char *text, **words;
	size_t n = 0;
	int fd = -1, saved;

	/* A path alone needs no memory. */
	if (strpbrk(spec, " \t") == NULL)
		return helper_openv(one, conf);
	text = strdup(spec);
	words = calloc(strlen(spec) / 2 + 2, sizeof(*words));
	if (text != NULL && words != NULL) {
		rest = span_str(text);
		while ((word = span_word(&rest)).n > 0) {
			words[n] = text + (word.p - text);
			rest = span_skip(rest, 1);
			words[n++][word.n] = '\0';
		}
		fd = helper_openv(words, conf);
	}
	saved = errno;
	free(words);
	free(text);
	errno = saved;
	return fd;
}
