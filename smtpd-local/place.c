/* SPDX-License-Identifier: ISC */
/* Reads one request without touching what follows; says last words. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "frame.h"
#include "log.h"
#include "place.h"

void
place_vacate(struct place *p)
{
	close(p->conn);
	p->conn = -1;
	p->state = PLACE_FREE;
}

void
place_refuse(struct place *p, char tag, const char *text)
{
	child_say(p->conn, tag, text);
	place_vacate(p);
}

bool
place_is_obeyed(const struct conf *conf, int conn)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);
	struct stat queue;

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	return stat(conf->queue, &queue) == 0 && peer.uid == queue.st_uid;
}

/* Takes n octets that were only looked at. */
static bool
consume(struct place *p, size_t n)
{
	return recv(p->conn, p->request + p->len, n, MSG_DONTWAIT) ==
	    (ssize_t)n;
}

static bool
take(struct place *p, const struct frame *f)
{
	if (f->tag != 'U') {
		place_refuse(p, 'X', "554 5.5.0 Unknown request");
		return false;
	}
	if (!user_name_valid(f->payload)) {
		place_refuse(p, 'X', "550 5.1.1 No such mailbox");
		return false;
	}
	memcpy(p->name, f->payload.p, f->payload.n);
	p->name[f->payload.n] = '\0';
	return true;
}

/*
 * What stands behind the frame belongs to smtpd-local, and descriptors come
 * with it: so look first, and take the frame alone.
 */
bool
place_read(struct place *p)
{
	ssize_t n = recv(p->conn, p->request + p->len,
	    sizeof(p->request) - p->len, MSG_PEEK | MSG_DONTWAIT);
	struct frame f;
	size_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		place_vacate(p);
		return false;
	}
	switch (frame_parse(span_of(p->request, p->len + (size_t)n), &f,
	    &used)) {
	case FRAME_READY:
		if (consume(p, used - p->len))
			return take(p, &f);
		break;
	case FRAME_MORE:
		/* All of it is of this frame: taken, it wakes us no more. */
		if (p->len + (size_t)n < sizeof(p->request) &&
		    consume(p, (size_t)n)) {
			p->len += (size_t)n;
			return false;
		}
		break;
	case FRAME_BAD:
		break;
	}
	warn("a request is not one short frame");
	place_vacate(p);
	return false;
}

/* 0 done; 100, 111: it has answered, or end of file says enough. */
void
place_ended(struct place *p, int status)
{
	char text[32] = "";

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal=%d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != EXIT_OK &&
	    WEXITSTATUS(status) != EXIT_PERM &&
	    WEXITSTATUS(status) != EXIT_TEMP)
		snprintf(text, sizeof(text), "exit=%d", WEXITSTATUS(status));
	if (text[0] != '\0') {
		warn("delivery to '%s' died: %s", p->name, text);
		child_say(p->conn, 'D', text);
	}
	place_vacate(p);
}
