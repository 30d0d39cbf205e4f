/* SPDX-License-Identifier: ISC */
/* The file of passwords: one "user:hash" a line. */
#include "pwfile.h"

#include <errno.h>
#include <unistd.h>

#include "bufio.h"

bool
pwfile_user_valid(struct span user)
{
	if (user.n == 0 || user.n > 255 || user.p[0] == '#' ||
	    ascii_isblank(user.p[0]) || ascii_isblank(user.p[user.n - 1]))
		return false;
	for (size_t i = 0; i < user.n; i++)
		if ((unsigned char)user.p[i] < ' ' || user.p[i] == '\177' ||
		    user.p[i] == ':')
			return false;
	return true;
}

bool
pwfile_line(struct span line, struct span *user, struct span *hash)
{
	*user = *hash = SPAN("");
	if (span_trim(line).n == 0 || line.p[0] == '#')
		return true;
	if (span_find(line, ':') == line.n)
		return false;
	*user = span_cut(&line, ':');
	*hash = span_cut(&line, ':');
	return pwfile_user_valid(*user) && hash->n > 0;
}

struct search {
	struct span user;
	struct sbuf *hash;
	unsigned line, bad; /* bad: the first that is, or 0 */
	bool found;
};

static void
pwfile_take_line(struct search *s, struct span line)
{
	struct span user, hash;
	bool same;

	s->line++;
	if (!pwfile_line(line, &user, &hash)) {
		if (s->bad == 0)
			s->bad = s->line;
		return;
	}
	same = span_eq(user, s->user);
	if (user.n == 0 || s->found || (!same && s->hash->len > 0))
		return;
	sbuf_reset(s->hash);
	sbuf_addspan(s->hash, hash);
	s->found = same;
}

/* Takes whole lines; at the end of the file the last one too. */
static bool
pwfile_take_lines(struct search *s, struct inbuf *in, bool end)
{
	for (;;) {
		struct span view = inbuf_view(in);
		size_t n = span_find(view, '\n');

		if (n == view.n && !(end && n > 0))
			return n < in->cap;
		pwfile_take_line(s, span_of(view.p, n));
		inbuf_take(in, n < view.n ? n + 1 : n);
	}
}

/* With an offset of its own, because other processes share the descriptor. */
static enum io
pwfile_fill(struct inbuf *in, off_t *at)
{
	ssize_t n;

	if (!inbuf_room(in)) {
		errno = EMSGSIZE;
		return IO_ERROR;
	}
	do
		n = pread(in->fd, in->buf + in->len, in->cap - in->len, *at);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return n == 0 ? IO_EOF : IO_ERROR;
	in->len += (size_t)n;
	*at += n;
	return IO_OK;
}

enum pwfile_result
pwfile_find(int fd, struct span user, struct sbuf *hash, unsigned *bad)
{
	char mem[PWFILE_LINE_MAX];
	struct search s = { .user = user, .hash = hash };
	struct inbuf in;
	off_t at = 0;
	enum io r;

	inbuf_init(&in, fd, mem, sizeof(mem));
	while ((r = pwfile_fill(&in, &at)) == IO_OK)
		if (!pwfile_take_lines(&s, &in, false)) {
			errno = EMSGSIZE;
			r = IO_ERROR;
			break;
		}
	if (r == IO_EOF)
		(void)pwfile_take_lines(&s, &in, true);
	explicit_bzero(mem, sizeof(mem));
	if (r != IO_EOF || hash->bad)
		return PWFILE_IOERR;
	*bad = s.bad;
	return s.found ? PWFILE_FOUND : s.bad > 0 ? PWFILE_BAD : PWFILE_UNKNOWN;
}
