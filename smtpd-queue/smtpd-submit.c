/* SPDX-License-Identifier: ISC */
/* The filter for mail of our own users: says who it is from, completes it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "envelope.h"
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

/*
 * The first frame on a connection of smtpd-auth's says who the user is. It
 * was there before anybody else had the connection, and is the only one that
 * counts.
 */
static void
meet_author(struct submission *submission, struct filter *filter, int senders)
{
	const struct conf *conf = filter->conf;
	uint64_t patience = conf->helper_timeout * 1000;
	static struct author author;
	struct span name, value;
	struct frame f;

	if (chan_recv(filter->up, &f, clock_in(patience)) != IO_OK ||
	    f.tag != 'C' || !envelope_fact(f.payload, &name, &value) ||
	    !span_eq(name, SPAN("user")) || !author_init(&author, conf, value))
		die(EXIT_PERM, "it was not said which user this is");
	if (senders != -1 && !author_read(&author, senders))
		die_sys(EXIT_TEMP, "cannot read '%s'", conf->senders);
	submission_set_author(submission, &author);
}

static int
open_senders(const struct conf *conf)
{
	int fd = -1;

	if (conf->senders[0] != '\0') {
		fd = open(conf->senders, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			die_sys(EXIT_TEMP, "cannot open '%s'", conf->senders);
	}
	return fd;
}

int
main(int argc, char *argv[])
{
	static struct submission submission;
	static struct conf conf;
	struct filter filter;
	int senders = -1;
	bool auth = filter_start_role(&filter, argc, argv, &conf, "auth");

	if (auth)
		senders = open_senders(&conf);
	submission_init(&submission, &filter, uid_of_peer());
	filter_confine(&conf);
	if (auth)
		meet_author(&submission, &filter, senders);
	return filter_run(&filter, submission_take, &submission);
}
