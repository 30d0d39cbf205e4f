/* SPDX-License-Identifier: ISC */
/* Runs a client and tells when it was done and when its mail had arrived. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 *	arrivals DIRECTORY[:DIRECTORY...] COUNT SECONDS client [argument ...]
 *
 * COUNT new names in DIRECTORY (a Maildir's new/), or in all of them together,
 * at most SECONDS after the start. Prints "client=S arrived=S", both since the start. The
 * watch costs no look at the directory while the measurement runs.
 */
static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static unsigned long
take_events(int fd)
{
	char buf[65536] __attribute__((aligned(8)));
	unsigned long n = 0;
	ssize_t len = read(fd, buf, sizeof(buf));

	if (len < 0 && errno != EINTR)
		err(1, "inotify");
	for (char *p = buf; len > 0 && p < buf + len;) {
		const struct inotify_event *ev = (const void *)p;

		if (ev->mask & IN_Q_OVERFLOW)
			errx(1, "too many arrivals at once to count");
		n++;
		p += sizeof(*ev) + ev->len;
	}
	return n;
}

static int
watch(char *directories)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		err(1, "inotify");
	for (char *d; (d = strsep(&directories, ":")) != NULL;)
		if (inotify_add_watch(fd, d, IN_CREATE | IN_MOVED_TO) < 0)
			err(1, "%s", d);
	return fd;
}

/* The client is seen to end through a pipe whose other end it holds. */
static int
spawn(char *argv[])
{
	int ends[2];

	if (pipe(ends) != 0)
		err(1, "pipe");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		close(ends[0]);
		execvp(argv[0], argv);
		err(1, "%s", argv[0]);
	}
	close(ends[1]);
	return ends[0];
}

static void
must_succeed(const char *client)
{
	int status;

	if (wait(&status) < 0)
		err(1, "wait");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		errx(1, "%s failed", client);
}

int
main(int argc, char *argv[])
{
	struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLIN } };
	unsigned long want, seen = 0;
	uint64_t start, limit, client = 0;

	if (argc < 5)
		errx(100, "usage: arrivals directory count seconds client...");
	want = strtoul(argv[2], NULL, 10);
	pfd[0].fd = watch(argv[1]);
	start = now_us();
	limit = start + strtoul(argv[3], NULL, 10) * 1000000;
	pfd[1].fd = spawn(argv + 4);
	while (client == 0 || seen < want) {
		if (now_us() > limit)
			errx(1, "time is up: %lu of %lu arrived", seen, want);
		if (poll(pfd, 2, 1000) < 0 && errno != EINTR)
			err(1, "poll");
		if (pfd[0].revents)
			seen += take_events(pfd[0].fd);
		if (pfd[1].revents) {
			must_succeed(argv[4]);
			client = now_us() - start;
			pfd[1].fd = -1;
			pfd[1].revents = 0;
		}
	}
	printf("client=%.4f arrived=%.4f\n", (double)client / 1e6,
	    (double)(now_us() - start) / 1e6);
	return 0;
}
