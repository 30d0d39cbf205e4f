/* SPDX-License-Identifier: ISC */
/* Fuzzes what a notice is made of: an original's header, a server's reply. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../smtpd-send/bounce/notice.h"

#define CHECK(good) \
	do { \
		if (!(good)) \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct conf conf;
static struct notice notice;

/* Lines that any server takes, and as many parts and fields as we wrote. */
static void
check(struct span s)
{
	const struct span mark = SPAN("\r\n--=_");
	unsigned marks = 0, finals = 0;
	size_t start = 0;

	for (size_t i = 0; i < s.n; i++) {
		struct span here = span_skip(s, i);

		if (span_starts(here, mark) &&
		    span_starts(span_skip(here, mark.n), span_str(notice.id)))
			marks++;
		if (span_starts(here, SPAN("\r\nFinal-Recipient:")))
			finals++;
		if (span_starts(here, SPAN("\r\n"))) {
			CHECK(i - start <= 998);
			start = ++i + 1;
			continue;
		}
		CHECK((s.p[i] >= ' ' && s.p[i] <= '~') || s.p[i] == '\t');
	}
	CHECK(start == s.n);
	CHECK(marks == 4);
	CHECK(finals == 1);
}

/* A file in memory with these octets. */
static int
file_of(struct span s)
{
	int fd = memfd_create("original", MFD_CLOEXEC);

	CHECK(fd != -1);
	CHECK(write(fd, s.p, s.n) == (ssize_t)s.n);
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct span header = span_cut(&rest, '\0');
	struct span host = span_cut(&rest, '\0');
	struct queuefile q = { .fd = file_of(header), .body_len = header.n };
	struct sbuf b;

	if (host.n == 0 || host.n > 300)
		host = SPAN("-");
	conf.hostname = "mail.example.com";
	(void)strcpy(q.id, "06611f9d2547dd8174e719");
	(void)strcpy(notice.id, "06611f9d2547dd8174e720");
	notice.conf = &conf;
	notice.kind = size % 2 == 0 ? NOTICE_FAILED : NOTICE_DELAYED;
	notice.original = &q;
	notice.domain = SPAN("example.com");
	notice.to = SPAN("<joe@example.org>");
	notice.nrcpts = 1;
	notice.rcpts[0] = (struct notice_rcpt){
		.action = (enum notice_action)(size % 3),
		.host = host,
		.path = SPAN("<ann@example.net>"),
		.text = rest,
	};
	sbuf_init(&b, NOTICE_MAX);
	CHECK(notice_write(&b, &notice));
	/* Of the header it is the encoding that is checked, not the fields. */
	if (memmem(header.p, header.n, "Final-R", 7) == NULL &&
	    memmem(header.p, header.n, "--=_", 4) == NULL)
		check(sbuf_span(&b));
	sbuf_free(&b);
	(void)close(q.fd);
	return 0;
}
