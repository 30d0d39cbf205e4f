/* SPDX-License-Identifier: ISC */
/* The filter for mail of our own users: says who it is from, completes it. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "submission.h"

/*
 * The kernel knows who connected. Whoever gave us a pipe is who started us.
 * A peer without a uid is from a network: this entrance is not for him.
 */
static uid_t
uid_of_peer(void)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(who);

	if (getsockopt(0, SOL_SOCKET, SO_PEERCRED, &who, &n) == -1) {
		if (errno == ENOTSOCK)
			return getuid();
		die_sys(EXIT_TEMP, "cannot tell who the client is");
	}
	if (who.uid == (uid_t)-1)
		die(EXIT_PERM, "the client is no local user");
	return who.uid;
}

int
main(int argc, char *argv[])
{
	static struct submission submission;
	static struct conf conf;
	struct filter filter;

	filter_start(&filter, argc, argv, &conf);
	submission_init(&submission, &filter, uid_of_peer());
	filter_confine(&conf);
	return filter_run(&filter, submission_take, &submission);
}
