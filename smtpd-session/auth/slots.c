/* SPDX-License-Identifier: ISC */
/* So many at once, over processes: what costs the processor is rationed. */
#include <sys/mman.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "log.h"
#include "slots.h"

/* How the descriptor is told from another that happens to be open. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static bool made;

void
slots_make(void)
{
	int fd = memfd_create("slots", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	/* The number that is inherited is not close-on-exec, by intent. */
	if (fd == -1 || fcntl(fd, F_ADD_SEALS, SEALS) == -1)
		die_sys(EXIT_TEMP, "cannot make slots");
	if (fd == SLOTS_FD ? fcntl(fd, F_SETFD, 0) == -1 :
			     dup2(fd, SLOTS_FD) == -1)
		die_sys(EXIT_TEMP, "cannot make slots");
	if (fd != SLOTS_FD)
		(void)close(fd);
}

bool
slots_open(void)
{
	made = fcntl(SLOTS_FD, F_GET_SEALS) == SEALS &&
	    fcntl(SLOTS_FD, F_SETFD, FD_CLOEXEC) == 0;
	return made;
}

static bool
lock(unsigned octet, short type, int how)
{
	struct flock l = { .l_type = type,
		.l_whence = SEEK_SET,
		.l_start = octet,
		.l_len = type == F_UNLCK ? 0 : 1 };

	return fcntl(SLOTS_FD, how, &l) == 0;
}

static void
wake(int sig)
{
	(void)sig;
}

bool
slots_take(unsigned n, unsigned seconds)
{
	struct sigaction sa = { .sa_handler = wake }, before;
	unsigned first = (unsigned)getpid() % n;
	bool taken = !made;

	for (unsigned i = 0; i < n && !taken; i++)
		taken = lock((first + i) % n, F_WRLCK, F_SETLK);
	if (taken)
		return true;
	/* All are in use: stand in one of the lines. */
	(void)sigaction(SIGALRM, &sa, &before);
	(void)alarm(seconds);
	taken = lock(first, F_WRLCK, F_SETLKW);
	(void)alarm(0);
	(void)sigaction(SIGALRM, &before, NULL);
	return taken;
}

void
slots_release(void)
{
	if (made)
		(void)lock(0, F_UNLCK, F_SETLK);
}
