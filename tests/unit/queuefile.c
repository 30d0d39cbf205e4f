/* SPDX-License-Identifier: ISC */
/* The queue file: what was committed is read back, and nothing else is. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "queuefile.h"
#include "tap.h"

static const char id[] = "0006123456789adeadbeef";

#define BODY "From: a@b\r\n\r\nhello\r\n"
#define FRAMES "10:Cversion=1,6:S<a@b>,12:Rlocal <c@d>,"

/* The octets of a committed message. */
static void
build(struct sbuf *b, const char *body, const char *frames)
{
	char footer[QUEUEFILE_FOOTER];
	struct queuefile q = {
		.body_len = strlen(body),
		.nonce = UINT64_C(0x0123456789abcdef),
		.frames_len = (uint32_t)strlen(frames),
		.body_crc = crc32c(0, body, strlen(body)),
	};

	memcpy(q.id, id, sizeof(q.id));
	queuefile_footer(footer, &q, crc32c(0, frames, strlen(frames)));
	sbuf_adds(b, body);
	sbuf_adds(b, frames);
	sbuf_add(b, footer, sizeof(footer));
}

static int
file_of(struct span s, mode_t mode)
{
	int fd = memfd_create("queuefile", MFD_CLOEXEC);

	if (fd == -1 || write(fd, s.p, s.n) != (ssize_t)s.n ||
	    fchmod(fd, mode) != 0)
		abort();
	return fd;
}

static enum queuefile_result
open_as(struct span s, mode_t mode, const char *as)
{
	struct queuefile q;
	int fd = file_of(s, mode);
	enum queuefile_result r = queuefile_open(&q, fd, as);

	if (r == QUEUEFILE_OK)
		queuefile_close(&q);
	else if (q.frames != NULL)
		ok(false, "nothing is left open");
	close(fd);
	return r;
}

static void
test_good(struct span s)
{
	static const struct span want[] = { { "version=1", 9 }, { "<a@b>", 5 },
		{ "local <c@d>", 11 } };
	int fd = file_of(s, 0400);
	struct queuefile q;
	struct frame f;
	size_t pos = 0, n = 0;

	if (!ok(queuefile_open(&q, fd, id) == QUEUEFILE_OK, "is read back"))
		return;
	is_num((long long)q.body_len, sizeof(BODY) - 1, "length of the body");
	is_num(q.frames_len, sizeof(FRAMES) - 1, "length of the frames");
	is_num((long long)q.nonce, 0x0123456789abcdef, "nonce");
	is_num(q.body_crc, crc32c(0, BODY, sizeof(BODY) - 1), "sum");
	is_str(q.id, id, "id");
	while (queuefile_next(&q, &pos, &f)) {
		ok(n < nitems(want) && f.tag == "CSR"[n] &&
			span_eq(f.payload, want[n]),
		    "frame %zu", n);
		n++;
	}
	is_num((long long)n, nitems(want), "all frames");
	ok(lseek(fd, 0, SEEK_CUR) == (off_t)s.n, "the offset is not moved");
	queuefile_close(&q);
	close(fd);
}

static void
test_footer(struct span s)
{
	const char *footer = s.p + s.n - QUEUEFILE_FOOTER;

	is_span(span_of(footer, QUEUEFILE_FOOTER - 9),
	    SPAN("smtpd-queue 1 0006123456789adeadbeef 0000000000000014 "
		 "00000027 0123456789abcdef 5c030816 "),
	    "the footer's text");
	ok(footer[QUEUEFILE_FOOTER - 1] == '\n', "and its end");
}

static void
test_torn(struct span s)
{
	char zeros[300] = "";
	bool good = true;

	ok(open_as(s, 0200, id) == QUEUEFILE_TORN, "mode 0200 is torn");
	ok(open_as(s, 0600, id) == QUEUEFILE_TORN, "mode 0600 is torn");
	ok(open_as(s, 04400, id) == QUEUEFILE_TORN, "mode 04400 is torn");
	ok(open_as(span_of("", 0), 0400, id) == QUEUEFILE_TORN,
	    "an empty file is torn");
	ok(open_as(span_of(zeros, sizeof(zeros)), 0400, id) == QUEUEFILE_TORN,
	    "zeros are torn");
	for (size_t n = 0; n < s.n; n++)
		good = good &&
		    open_as(span_of(s.p, n), 0400, id) == QUEUEFILE_TORN;
	ok(good, "each shorter file is torn");
}

/* One bit at a time; the octets of the message have their own sum. */
static void
test_bits(struct span s)
{
	char copy[1024];
	bool good = true;

	for (size_t i = 0; i < s.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(copy, s.p, s.n);
			copy[i] ^= (char)(1u << bit);
			if (open_as(span_of(copy, s.n), 0400, id) !=
			    (i < sizeof(BODY) - 1 ? QUEUEFILE_OK :
						    QUEUEFILE_CORRUPT))
				good = ok(false, "octet %zu bit %u", i, bit);
		}
	}
	ok(good, "each wrong bit of frames and footer is corrupt");
}

static void
test_corrupt(struct span s)
{
	struct sbuf b;

	ok(open_as(s, 0400, "0006123456789adeadbeee") == QUEUEFILE_CORRUPT,
	    "another id");
	sbuf_init(&b, 1 << 20);
	sbuf_putc(&b, 'x');
	sbuf_addspan(&b, s);
	ok(open_as(sbuf_span(&b), 0400, id) == QUEUEFILE_CORRUPT,
	    "an octet more in front");
	sbuf_reset(&b);
	build(&b, BODY, "10:Cversion=1,6:S<a@b>;");
	ok(open_as(sbuf_span(&b), 0400, id) == QUEUEFILE_CORRUPT,
	    "no frames, but a right sum");
	sbuf_reset(&b);
	build(&b, BODY, FRAMES "12:Rlocal");
	ok(open_as(sbuf_span(&b), 0400, id) == QUEUEFILE_CORRUPT,
	    "half a frame at the end");
	sbuf_reset(&b);
	build(&b, "", "");
	ok(open_as(sbuf_span(&b), 0400, id) == QUEUEFILE_OK,
	    "nothing at all is sound");
	sbuf_free(&b);
}

/* As many frames as are let in, and one more. */
static void
test_many_frames(void)
{
	static char payload[65528];
	struct sbuf frames, file;

	memset(payload, 'x', sizeof(payload));
	sbuf_init(&frames, 8 << 20);
	sbuf_init(&file, 8 << 20);
	for (unsigned i = 0; i < QUEUEFILE_FRAMES_MAX / 65536; i++)
		frame_add(&frames, 'H', span_of(payload, sizeof(payload)));
	is_num((long long)frames.len, QUEUEFILE_FRAMES_MAX, "4 MiB of frames");
	build(&file, BODY, frames.s);
	ok(open_as(sbuf_span(&file), 0400, id) == QUEUEFILE_OK, "are read");
	frame_add(&frames, 'H', span_of("x", 1));
	sbuf_reset(&file);
	build(&file, BODY, frames.s);
	ok(open_as(sbuf_span(&file), 0400, id) == QUEUEFILE_CORRUPT,
	    "but no more");
	sbuf_free(&frames);
	sbuf_free(&file);
}

static void
test_errors(void)
{
	struct queuefile q;
	int pair[2];

	ok(queuefile_open(&q, -1, id) == QUEUEFILE_IOERR, "no descriptor");
	if (pipe(pair) == 0)
		ok(queuefile_open(&q, pair[0], id) == QUEUEFILE_TORN,
		    "no file");
}

static void
test_ids(void)
{
	static const char *const bad[] = { "", "0006123456789adeadbee",
		"0006123456789adeadbeef0", "0006123456789Adeadbeef",
		"0006123456789adeadbeeg", "0006123456789a.eadbeef",
		"../../../../../etc/pas", "                      " };
	char a[QUEUE_ID_SIZE] = "", b[QUEUE_ID_SIZE] = "";
	uint64_t before = clock_wall_us(), after;
	struct sbuf path;
	bool unique = true;

	for (unsigned i = 0; i < 1000; i++) {
		memcpy(a, b, sizeof(a));
		unique = unique && queue_id_new(b) && strcmp(a, b) != 0;
	}
	after = clock_wall_us();
	ok(unique, "each id is fresh");
	ok(queue_id_valid(span_str(b)), "and valid");
	ok(queue_id_time(b) >= before && queue_id_time(b) <= after,
	    "and tells the time");
	is_num((long long)queue_id_time(id), 0x0006123456789a, "so does ours");
	ok(queue_id_valid(span_str(id)), "ours is valid");
	for (size_t i = 0; i < nitems(bad); i++)
		ok(!queue_id_valid(span_str(bad[i])), "'%s' is none", bad[i]);
	sbuf_init(&path, 256);
	queue_path(&path, "new", id);
	is_str(path.s, "new/f/0006123456789adeadbeef", "its path");
	sbuf_free(&path);
}

/* RFC 3720 appendix B.4, and the check value of the catalogues. */
static void
test_crc(void)
{
	unsigned char octets[64];
	bool good = true;
	uint32_t whole;

	memset(octets, 0, 32);
	is_num(crc32c(0, octets, 32), 0x8a9136aa, "crc of zeros");
	memset(octets, 0xff, 32);
	is_num(crc32c(0, octets, 32), 0x62a8ab43, "crc of ones");
	for (unsigned i = 0; i < 32; i++)
		octets[i] = (unsigned char)i;
	is_num(crc32c(0, octets, 32), 0x46dd794e, "crc going up");
	for (unsigned i = 0; i < 32; i++)
		octets[i] = (unsigned char)(31 - i);
	is_num(crc32c(0, octets, 32), 0x113fdb5c, "crc going down");
	is_num(crc32c(0, "123456789", 9), 0xe3069283, "crc of the digits");
	is_num(crc32c(7, "", 0), 7, "crc of nothing more");
	for (unsigned i = 0; i < sizeof(octets); i++)
		octets[i] = (unsigned char)(i * i);
	whole = crc32c(0, octets, sizeof(octets));
	for (size_t i = 0; i <= sizeof(octets); i++)
		good = good &&
		    crc32c(crc32c(0, octets, i), octets + i,
			sizeof(octets) - i) == whole;
	ok(good, "crc however it is cut");
}

int
main(void)
{
	struct sbuf b;

	sbuf_init(&b, 1 << 20);
	build(&b, BODY, FRAMES);
	test_good(sbuf_span(&b));
	test_footer(sbuf_span(&b));
	test_torn(sbuf_span(&b));
	test_bits(sbuf_span(&b));
	test_corrupt(sbuf_span(&b));
	test_many_frames();
	test_errors();
	test_ids();
	test_crc();
	sbuf_free(&b);
	return done();
}
