/* SPDX-License-Identifier: ISC */
/* The queue's files on disk: names, commit record, the records of an id.log. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "queuefile.h"

#define MAGIC "smtpd-queue 1 "
#define CRC_AT (QUEUEFILE_FOOTER - 9) /* the sum covers all octets before it */

static const char hex_digits[] = "0123456789abcdef";

static void
put_hex(char *out, size_t digits, uint64_t v)
{
	while (digits-- > 0) {
		out[digits] = hex_digits[v & 15];
		v >>= 4;
	}
}

/* Lower-case digits alone: what we write has one spelling. */
static bool
get_hex(const char *p, size_t digits, uint64_t *v)
{
	*v = 0;
	for (; digits > 0; digits--, p++) {
		if (ascii_isdigit(*p))
			*v = *v << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			*v = *v << 4 | (uint64_t)(*p - 'a' + 10);
		else
			return false;
	}
	return true;
}

bool
queue_id_new(char id[QUEUE_ID_SIZE])
{
	uint32_t random;
	ssize_t n;

	do {
		n = getrandom(&random, sizeof(random), 0);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(random))
		return false;
	put_hex(id, 14, clock_wall_us());
	put_hex(id + 14, 8, random);
	id[QUEUE_ID_LEN] = '\0';
	return true;
}

bool
queue_id_valid(struct span s)
{
	uint64_t v;

	return s.n == QUEUE_ID_LEN && get_hex(s.p, 14, &v) &&
	    get_hex(s.p + 14, 8, &v);
}

uint64_t
queue_id_time(const char *id)
{
	uint64_t us;

	return get_hex(id, 14, &us) ? us : 0;
}

void
queue_path(struct sbuf *b, const char *dir, const char *id)
{
	sbuf_adds(b, dir);
	sbuf_putc(b, '/');
	sbuf_putc(b, id[QUEUE_ID_LEN - 1]);
	sbuf_putc(b, '/');
	sbuf_adds(b, id);
}

/*
 *	smtpd-queue 1 <22> <16> <8> <16> <8> <8>\n
 */
enum { ID_AT = 14, BODY_AT = 37, FRAMES_AT = 54, NONCE_AT = 63, SUM_AT = 80 };
_Static_assert(SUM_AT + 8 + 1 == CRC_AT, "the footer's fields fill it");

void
queuefile_footer(char out[QUEUEFILE_FOOTER], const struct queuefile *q,
    uint32_t frames_crc)
{
	memset(out, ' ', QUEUEFILE_FOOTER);
	memcpy(out, MAGIC, ID_AT);
	memcpy(out + ID_AT, q->id, QUEUE_ID_LEN);
	put_hex(out + BODY_AT, 16, q->body_len);
	put_hex(out + FRAMES_AT, 8, q->frames_len);
	put_hex(out + NONCE_AT, 16, q->nonce);
	put_hex(out + SUM_AT, 8, q->body_crc);
	put_hex(out + CRC_AT, 8, crc32c(frames_crc, out, CRC_AT));
	out[QUEUEFILE_FOOTER - 1] = '\n';
}

static bool
read_at(int fd, void *p, size_t n, uint64_t at)
{
	ssize_t r;

	while (n > 0) {
		r = pread(fd, p, n, (off_t)at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			if (r == 0)
				errno = EIO; /* it was longer at fstat */
			return false;
		}
		p = (char *)p + r;
		n -= (size_t)r;
		at += (uint64_t)r;
	}
	return true;
}

/* Something that was, or is, the commit record of the message. */
static bool
resembles_footer(const struct queuefile *q, const char *footer)
{
	return memcmp(footer, MAGIC, ID_AT) == 0 ||
	    memcmp(footer + ID_AT, q->id, QUEUE_ID_LEN) == 0;
}

/* Is it one of this message, in a file of this size? Then its fields. */
static bool
parse_footer(struct queuefile *q, const char *footer, uint64_t size)
{
	uint64_t frames, crc;

	if (memcmp(footer, MAGIC, ID_AT) != 0 ||
	    memcmp(footer + ID_AT, q->id, QUEUE_ID_LEN) != 0 ||
	    !get_hex(footer + BODY_AT, 16, &q->body_len) ||
	    !get_hex(footer + FRAMES_AT, 8, &frames) ||
	    !get_hex(footer + NONCE_AT, 16, &q->nonce) ||
	    !get_hex(footer + SUM_AT, 8, &crc))
		return false;
	q->frames_len = (uint32_t)frames;
	q->body_crc = (uint32_t)crc;
	return q->frames_len <= QUEUEFILE_FRAMES_MAX && q->body_len <= size &&
	    size - q->body_len == frames + QUEUEFILE_FOOTER;
}

/* The sum over frames and footer, then the frames to their very end. */
static bool
frames_sound(const struct queuefile *q, const char *footer)
{
	uint32_t crc = crc32c(0, q->frames, q->frames_len);
	struct frame f;
	uint64_t written;
	size_t pos = 0;

	if (!get_hex(footer + CRC_AT, 8, &written) ||
	    crc32c(crc, footer, CRC_AT) != written ||
	    footer[QUEUEFILE_FOOTER - 1] != '\n')
		return false;
	while (queuefile_next(q, &pos, &f))
		;
	return pos == q->frames_len;
}

/*
 * fchmod comes after the footer and before the fsync. A crash can therefore
 * leave the mode without the octets, but an acknowledged file has both; one
 * that has the mode and at its end half of a footer was acknowledged and is
 * damaged.
 */
enum queuefile_result
queuefile_open(struct queuefile *q, int fd, const char *id)
{
	char footer[QUEUEFILE_FOOTER];
	struct stat st;
	uint64_t size;

	memset(q, 0, sizeof(*q));
	q->fd = fd;
	memcpy(q->id, id, QUEUE_ID_LEN);
	if (fstat(fd, &st) < 0)
		return QUEUEFILE_IOERR;
	size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 07777) != 0400 ||
	    size < QUEUEFILE_FOOTER)
		return QUEUEFILE_TORN;
	if (!read_at(fd, footer, sizeof(footer), size - sizeof(footer)))
		return QUEUEFILE_IOERR;
	if (!resembles_footer(q, footer))
		return QUEUEFILE_TORN;
	if (!parse_footer(q, footer, size))
		return QUEUEFILE_CORRUPT;
	q->frames = malloc(q->frames_len + 1);
	if (q->frames == NULL)
		return QUEUEFILE_IOERR;
	if (!read_at(fd, q->frames, q->frames_len, q->body_len)) {
		queuefile_close(q);
		return QUEUEFILE_IOERR;
	}
	if (!frames_sound(q, footer)) {
		queuefile_close(q);
		return QUEUEFILE_CORRUPT;
	}
	return QUEUEFILE_OK;
}

void
queuefile_close(struct queuefile *q)
{
	int saved = errno;

	free(q->frames);
	q->frames = NULL;
	q->frames_len = 0;
	errno = saved;
}

bool
queuefile_next(const struct queuefile *q, size_t *pos, struct frame *f)
{
	struct span rest = span_of(q->frames, q->frames_len);
	size_t used;

	rest = span_skip(rest, *pos);
	if (rest.n == 0 || frame_parse(rest, f, &used) != FRAME_READY)
		return false;
	*pos += used;
	return true;
}

bool
queuefile_previous(const struct queuefile *q, char tag, size_t *pos,
    struct frame *f)
{
	size_t end = *pos, at = 0, start = 0;
	struct frame each;
	bool found = false;

	for (; at < end && queuefile_next(q, &at, &each); start = at) {
		if (each.tag != tag || start >= end)
			continue;
		*f = each;
		*pos = start;
		found = true;
	}
	return found;
}

int
queuefile_take(struct chan *c, struct span *payload, char id[QUEUE_ID_SIZE])
{
	struct span word = span_word(payload);
	int fd = chan_take_fd(c);

	if (fd != -1 && !queue_id_valid(word)) {
		(void)close(fd);
		fd = -1;
	}
	if (fd == -1)
		return -1;
	memcpy(id, word.p, QUEUE_ID_LEN);
	id[QUEUE_ID_LEN] = '\0';
	*payload = span_trim(*payload);
	return fd;
}

/* --- a message's log: lines with a sum, read to the first torn one -------- */

#define PROGRESS_SUM 8

/* How each kind is written: its name, and which fields follow. */
static const struct progress_layout {
	const char *name;
	bool number, other, time, text;
} progress_layouts[] = {
	[PROGRESS_LOG] = { "log 1", false, false, false, true },
	[PROGRESS_RCPT] = { "rcpt", true, true, false, true },
	[PROGRESS_DONE] = { "done", true, true, true, true },
	[PROGRESS_FAILED] = { "failed", true, true, true, true },
	[PROGRESS_DEFERRED] = { "deferred", true, true, true, true },
	[PROGRESS_REFUSED] = { "refused", true, true, true, true },
	[PROGRESS_BOUNCED] = { "bounced", true, true, true, true },
	[PROGRESS_TOLD] = { "told", true, false, true, true },
	[PROGRESS_TRIED] = { "tried", true, false, true, false },
	[PROGRESS_CRASH] = { "crash", true, false, false, true },
	[PROGRESS_HELD] = { "held", false, false, false, true },
	[PROGRESS_ORDER] = { "order", false, false, true, true },
	[PROGRESS_ROUTE] = { "route", true, false, false, true },
	[PROGRESS_PAUSE] = { "pause", false, false, true, true },
	[PROGRESS_RESUME] = { "resume", false, false, true, true },
};

static bool
progress_fields(struct span rest, const struct progress_layout *l,
    struct progress_record *r)
{
	uint32_t u = 0;
	uint64_t t = 0;

	if (l->number) {
		if (!span_u32(span_cut(&rest, ' '), UINT32_MAX, &u))
			return false;
		r->number = u;
	}
	if (l->other) {
		if (!span_u32(span_cut(&rest, ' '), UINT32_MAX, &u))
			return false;
		r->other = u;
	}
	if (l->time) {
		if (!span_u64(span_cut(&rest, ' '), UINT64_MAX, &t))
			return false;
		r->time = t;
	}
	r->text = rest;
	return l->text || rest.n == 0;
}

bool
progress_parse(struct span line, struct progress_record *r)
{
	struct span body = span_skip(line, PROGRESS_SUM + 1), rest;
	char sum[PROGRESS_SUM + 1];

	if (line.n <= PROGRESS_SUM || line.p[PROGRESS_SUM] != ' ')
		return false;
	(void)snprintf(sum, sizeof(sum), "%08" PRIx32,
	    crc32c(0, body.p, body.n));
	if (memcmp(line.p, sum, PROGRESS_SUM) != 0)
		return false;
	for (size_t i = 0; i < nitems(progress_layouts); i++) {
		struct span name = span_str(progress_layouts[i].name);

		rest = span_skip(body, name.n);
		if (!span_starts(body, name) || rest.n == 0 || rest.p[0] != ' ')
			continue;
		*r = (struct progress_record){ .kind = (enum progress_kind)i };
		return progress_fields(span_skip(rest, 1), &progress_layouts[i],
		    r);
	}
	return false;
}

static size_t
progress_text_max(enum progress_kind kind)
{
	return kind == PROGRESS_FAILED || kind == PROGRESS_RCPT ||
		kind == PROGRESS_ROUTE ?
	    PROGRESS_REPLY_MAX :
	    PROGRESS_DEFERRED_MAX;
}

void
progress_add(struct sbuf *b, const struct progress_record *r)
{
	const struct progress_layout *l = &progress_layouts[r->kind];
	char mem[PROGRESS_LINE_MAX];
	size_t n, room = progress_text_max(r->kind);
	int w;

	w = snprintf(mem, sizeof(mem), "%s", l->name);
	n = (size_t)w;
	if (l->number)
		n += (size_t)snprintf(mem + n, sizeof(mem) - n, " %" PRIu32,
		    r->number);
	if (l->other)
		n += (size_t)snprintf(mem + n, sizeof(mem) - n, " %" PRIu32,
		    r->other);
	if (l->time)
		n += (size_t)snprintf(mem + n, sizeof(mem) - n, " %" PRIu64,
		    r->time);
	if (l->text)
		mem[n++] = ' ';
	for (size_t i = 0; l->text && i < r->text.n && i < room; i++) {
		char c = r->text.p[i];

		mem[n++] = (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
	}
	sbuf_addf(b, "%08" PRIx32 " ", crc32c(0, mem, n));
	sbuf_add(b, mem, n);
	sbuf_putc(b, '\n');
}

static int
progress_first(char *out, size_t size, const char *id, uint64_t nonce)
{
	return snprintf(out, size, "%s %016" PRIx64, id, nonce);
}

void
progress_begin(struct sbuf *b, const char *id, uint64_t nonce)
{
	char text[QUEUE_ID_SIZE + 17];
	int n = progress_first(text, sizeof(text), id, nonce);

	progress_add(b,
	    &(struct progress_record){
		.kind = PROGRESS_LOG, .text = span_of(text, (size_t)n) });
}

struct progress_reading {
	const char *id;
	uint64_t nonce;
	bool begun; /* the first line was seen and is ours */
	void (*each)(void *, const struct progress_record *);
	void *arg;
};

/* False: the log ends before this line. */
static bool
progress_take_line(struct progress_reading *r, struct span line)
{
	struct progress_record record;
	char text[QUEUE_ID_SIZE + 17];
	int n;

	if (!progress_parse(line, &record))
		return false;
	if (r->begun) {
		if (record.kind == PROGRESS_LOG)
			return false;
		r->each(r->arg, &record);
		return true;
	}
	n = progress_first(text, sizeof(text), r->id, r->nonce);
	r->begun = record.kind == PROGRESS_LOG &&
	    span_eq(record.text, span_of(text, (size_t)n));
	return r->begun;
}

/* Takes the whole lines of buf; returns how many octets they are. */
static size_t
progress_take_lines(struct progress_reading *r, struct span buf, bool *torn)
{
	struct span rest = buf;
	size_t end;

	while ((end = span_find(rest, '\n')) < rest.n) {
		if (!progress_take_line(r, span_of(rest.p, end))) {
			*torn = true;
			break;
		}
		rest = span_skip(rest, end + 1);
	}
	return buf.n - rest.n;
}

enum progress_result
progress_read(int fd, const char *id, uint64_t nonce, uint64_t *length,
    void (*each)(void *, const struct progress_record *), void *arg)
{
	struct progress_reading r = { id, nonce, false, each, arg };
	char buf[2 * PROGRESS_LINE_MAX];
	bool torn = false;
	ssize_t n;
	size_t used;

	*length = 0;
	while (!torn) {
		n = pread(fd, buf, sizeof(buf), (off_t)*length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return PROGRESS_IOERR;
		used = progress_take_lines(&r, span_of(buf, (size_t)n), &torn);
		if (used == 0)
			break; /* the end, or no line that we wrote */
		*length += used;
	}
	return r.begun ? PROGRESS_READ : PROGRESS_OTHER;
}

bool
progress_append(int fd, uint64_t *length, struct span lines)
{
	uint64_t at = *length;
	struct stat st;
	ssize_t n;
	int saved;

	if (fstat(fd, &st) < 0 ||
	    ((uint64_t)st.st_size != at && ftruncate(fd, (off_t)at) < 0))
		return false;
	while (lines.n > 0) {
		n = pwrite(fd, lines.p, lines.n, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			saved = n == 0 ? EIO : errno;
			/* If this fails too, the next append cuts it off. */
			(void)!ftruncate(fd, (off_t)*length);
			errno = saved;
			return false;
		}
		lines = span_skip(lines, (size_t)n);
		at += (uint64_t)n;
	}
	*length = at;
	return true;
}

/* --- the sum: CRC-32C, eight octets a step, tables made by the compiler ----- */

/*
 * crc_table[k][i] is the remainder of octet i with k octets of zero behind it.
 * The remainder of a sum is the sum of remainders, so eight single bits a
 * table say it all.
 */
#define EACH1(i, a, b, c, d, e, f, g, h) \
	((i)&1 ? a : 0) ^ ((i)&2 ? b : 0) ^ ((i)&4 ? c : 0) ^ \
	    ((i)&8 ? d : 0) ^ ((i)&16 ? e : 0) ^ ((i)&32 ? f : 0) ^ \
	    ((i)&64 ? g : 0) ^ ((i)&128 ? h : 0)
#define EACH4(i, ...) \
	EACH1((i), __VA_ARGS__), EACH1((i) + 1, __VA_ARGS__), \
	    EACH1((i) + 2, __VA_ARGS__), EACH1((i) + 3, __VA_ARGS__)
#define EACH16(i, ...) \
	EACH4((i), __VA_ARGS__), EACH4((i) + 4, __VA_ARGS__), \
	    EACH4((i) + 8, __VA_ARGS__), EACH4((i) + 12, __VA_ARGS__)
#define EACH64(i, ...) \
	EACH16((i), __VA_ARGS__), EACH16((i) + 16, __VA_ARGS__), \
	    EACH16((i) + 32, __VA_ARGS__), EACH16((i) + 48, __VA_ARGS__)
#define EACH256(i, ...) \
	EACH64((i), __VA_ARGS__), EACH64((i) + 64, __VA_ARGS__), \
	    EACH64((i) + 128, __VA_ARGS__), EACH64((i) + 192, __VA_ARGS__)

static const uint32_t crc_table[8][256] = {
	{ EACH256(0, 0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f,
	    0x20bd8ede, 0x417b1dbc, 0x82f63b78) },
	{ EACH256(0, 0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181,
	    0x7f8be302, 0xff17c604, 0xfbc3faf9) },
	{ EACH256(0, 0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a,
	    0xe144fb14, 0xc76580d9, 0x8b277743) },
	{ EACH256(0, 0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d,
	    0xd725148b, 0xaba65fe7, 0x52a0c93f) },
	{ EACH256(0, 0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3,
	    0x1ba8b557, 0x37516aae, 0x6ea2d55c) },
	{ EACH256(0, 0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e,
	    0x85f4168d, 0x0e045beb, 0x1c08b7d6) },
	{ EACH256(0, 0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6,
	    0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4) },
	{ EACH256(0, 0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4,
	    0x0d006599, 0x1a00cb32, 0x34019664) },
};

static uint32_t
load32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

/*
 * The processor's own instruction is not asked for: on a virtual machine the
 * question (cpuid) costs a process more than the sum over a small message.
 */
uint32_t
crc32c(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;

	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t low = crc ^ load32(p), high = load32(p + 4);

		crc = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^
		    crc_table[5][low >> 16 & 255] ^ crc_table[4][low >> 24] ^
		    crc_table[3][high & 255] ^ crc_table[2][high >> 8 & 255] ^
		    crc_table[1][high >> 16 & 255] ^ crc_table[0][high >> 24];
	}
	for (; n > 0; n--, p++)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 255];
	return ~crc;
}
