/* SPDX-License-Identifier: ISC */
/* smtpd-bounce: tells a sender what became of his message. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "envelope.h"
#include "helper.h"
#include "notice.h"
#include "program.h"
#include "serve.h"

#define LIMIT 1000		/* smtpd-send counts; this is a backstop */
#define MEMORY_MAX (16 * 1024 * 1024)

/*
 * A notice to postmaster about a notice that failed bears this fact. When it
 * fails as well, nobody is told: that ends every loop.
 */
#define LAST_RESORT "bounce=postmaster"

struct request {
	struct queuefile original;
	struct notice notice;
	struct sbuf text;	/* what the recipients' views point into */
	size_t at[NOTICE_RCPTS];	/* where each F payload begins there */
	struct span sender;	/* <reverse-path> of the original */
	bool last_resort;	/* the original is the notice of above */
};

static struct conf conf;
static struct chan up, down;
static struct request request;

static instant
patience(void)
{
	return clock_in(conf.helper_timeout * 1000);
}

static void
read_envelope(struct request *r)
{
	struct envelope_path from;
	struct frame f;
	size_t pos = 0;

	while (queuefile_next(&r->original, &pos, &f)) {
		if (f.tag == 'S' && envelope_sender(f.payload, &from))
			r->sender = from.path;
		else if (f.tag == 'C' &&
		    span_eq(f.payload, SPAN(LAST_RESORT)))
			r->last_resort = true;
	}
}

/* D: "ID KIND" and the descriptor. */
static bool
take_message(struct request *r, struct span payload)
{
	struct span id = span_word(&payload), kind = span_word(&payload);
	char text[QUEUE_ID_SIZE];
	int fd = chan_take_fd(&up);

	if (fd == -1 || r->original.fd != -1 || !queue_id_valid(id))
		return false;
	memcpy(text, id.p, id.n);
	text[id.n] = '\0';
	if (queuefile_open(&r->original, fd, text) != QUEUEFILE_OK)
		return false;
	r->notice.kind = span_eq(kind, SPAN("delayed")) ? NOTICE_DELAYED :
	    NOTICE_FAILED;
	read_envelope(r);
	return true;
}

/* F: "ACTION HOST <forward-path> TEXT". Its text moves while others come. */
static bool
take_recipient(struct request *r, struct span payload)
{
	if (r->notice.nrcpts == NOTICE_RCPTS)
		return false;
	r->at[r->notice.nrcpts++] = r->text.len;
	sbuf_addspan(&r->text, payload);
	return !r->text.bad;
}

static bool
parse_recipients(struct request *r)
{
	for (size_t i = 0; i < r->notice.nrcpts; i++) {
		size_t end = i + 1 < r->notice.nrcpts ? r->at[i + 1] :
		    r->text.len;
		struct span s = span_of(r->text.s + r->at[i], end - r->at[i]);
		struct notice_rcpt *to = &r->notice.rcpts[i];
		struct address address;

		to->action = span_word(&s);
		to->host = span_word(&s);
		s = span_trim(s);
		to->path = s;
		if (address_path(&s, ADDRESS_FORWARD, &address) != ADDRESS_OK)
			return false;
		to->path.n -= s.n;
		to->text = span_trim(s);
	}
	return r->notice.nrcpts > 0;
}

/* IO_EOF: no more requests. */
static enum io
receive(struct request *r)
{
	struct frame f;
	enum io io;

	while ((io = chan_recv(&up, &f, NEVER)) == IO_OK) {
		bool ok = f.tag >= 'a';

		if (f.tag == 'E')
			ok = r->original.fd != -1 && r->sender.n > 0 &&
			    parse_recipients(r);
		else if (f.tag == 'D')
			ok = take_message(r, f.payload);
		else if (f.tag == 'F')
			ok = take_recipient(r, f.payload);
		else if (f.tag == 'Q')
			return IO_EOF;
		if (!ok) {
			errno = EPROTO;
			return IO_ERROR;
		}
		if (f.tag == 'E')
			return IO_OK;
	}
	return io;
}

/* Whom to tell: the sender, postmaster for a notice that failed, nobody. */
static bool
address_notice(struct request *r, struct sbuf *to)
{
	struct span domains = span_str(conf.local_domains);

	if (!span_eq(r->sender, SPAN("<>"))) {
		sbuf_addspan(to, r->sender);
		return true;
	}
	if (r->notice.kind == NOTICE_DELAYED || r->last_resort)
		return false;
	sbuf_adds(to, "<postmaster@");
	sbuf_addspan(to, span_word(&domains));
	sbuf_putc(to, '>');
	return true;
}

static enum io
send_envelope(const struct request *r, struct span to, bool eightbit)
{
	struct span rest = to;
	struct address a;
	struct sbuf rcpt;
	enum io io;

	if (address_path(&rest, ADDRESS_FORWARD, &a) != ADDRESS_OK) {
		errno = EINVAL;
		return IO_ERROR;
	}
	sbuf_init(&rcpt, 1024);
	sbuf_adds(&rcpt, conf_has_domain(conf.local_domains, a.domain) ?
	    "local " : "remote ");
	sbuf_addspan(&rcpt, to);
	io = chan_send(&down, 'C', SPAN("version=1"), patience());
	if (io == IO_OK)
		io = chan_send(&down, 'C', SPAN("protocol=local"), patience());
	if (io == IO_OK && span_eq(r->sender, SPAN("<>")))
		io = chan_send(&down, 'C', SPAN(LAST_RESORT), patience());
	if (io == IO_OK)
		io = chan_send(&down, 'S', eightbit ?
		    SPAN("<> BODY=8BITMIME") : SPAN("<>"), patience());
	if (io == IO_OK)
		io = chan_send(&down, 'R', sbuf_span(&rcpt), patience());
	sbuf_free(&rcpt);
	return io;
}

static enum io
send_text(struct span text)
{
	enum io io = IO_OK;

	while (text.n > 0 && io == IO_OK) {
		size_t n = text.n < FRAME_PAYLOAD_MAX ? text.n :
		    FRAME_PAYLOAD_MAX;

		io = chan_send(&down, 'B', span_of(text.p, n), patience());
		text = span_skip(text, n);
	}
	if (io == IO_OK)
		io = chan_send(&down, 'E', SPAN(""), patience());
	return io == IO_OK ? chan_flush(&down, patience()) : io;
}

/* Injects the notice; the answer frame goes up as it is. */
static bool
inject(const struct request *r, struct span to, struct frame *answer)
{
	struct sbuf text;
	bool eightbit = false, ok;

	sbuf_init(&text, NOTICE_MAX);
	ok = notice_write(&text, &r->notice, &eightbit) &&
	    send_envelope(r, to, eightbit) == IO_OK &&
	    send_text(sbuf_span(&text)) == IO_OK;
	sbuf_free(&text);
	while (ok && (ok = chan_recv(&down, answer, patience()) == IO_OK))
		if (answer->tag != 'I')
			break;
	return ok;
}

static void
log_outcome(const struct request *r, struct span to, const struct frame *a)
{
	struct logline l;

	log_begin(&l, r->original.id, to.n == 0 ? "dropped" : "notice");
	log_str(&l, "kind", r->notice.kind == NOTICE_FAILED ? "failed" :
	    "delayed");
	log_num(&l, "nrcpt", r->notice.nrcpts);
	if (to.n == 0) {
		log_str(&l, "reason", r->notice.kind == NOTICE_FAILED ?
		    "a notice to postmaster failed" : "null sender");
	} else {
		log_span(&l, "to", to);
		log_span(&l, a->tag == 'K' ? "notice" : "reply", a->payload);
	}
	log_end(&l);
}

static enum io
answer(struct request *r)
{
	struct frame f = { 'K', SPAN("-") };
	struct sbuf to;
	enum io io;

	sbuf_init(&to, 1024);
	if (address_notice(r, &to)) {
		r->notice.to = sbuf_span(&to);
		r->notice.original = &r->original;
		if (!queue_id_new(r->notice.id) ||
		    !inject(r, sbuf_span(&to), &f)) {
			warn_sys("cannot inject a notice");
			f = (struct frame){ 'Z', SPAN("451 4.3.0 Cannot "
			    "inject the notice") };
		}
	}
	/* A refusal of our own notice is no reason to lose it. */
	if (f.tag != 'K')
		f.tag = 'Z';
	log_outcome(r, sbuf_span(&to), &f);
	sbuf_free(&to);
	io = chan_send(&up, f.tag, f.payload, patience());
	return io == IO_OK ? chan_flush(&up, patience()) : io;
}

static void
reset(struct request *r)
{
	if (r->original.fd != -1)
		(void)close(r->original.fd);
	queuefile_close(&r->original);
	r->original.fd = -1;
	r->notice.nrcpts = 0;
	r->notice.conf = &conf;
	r->sender = SPAN("");
	r->last_resort = false;
	sbuf_reset(&r->text);
}

/* It holds its two conversations and the descriptors that it is handed. */
static void
give_up_the_rest(void)
{
	static const int calls[] = {
		SYS_read, SYS_write, SYS_writev, SYS_poll, SYS_ppoll,
		SYS_close, SYS_fcntl, SYS_fstat, SYS_newfstatat, SYS_pread64,
		SYS_recvmsg, SYS_sendmsg, SYS_clock_gettime, SYS_getrandom,
		SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise,
		SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit,
		SYS_exit_group,
	};
	const struct confine c = { .calls = calls, .ncalls = nitems(calls) };

	if (!confine(&c, &conf))
		die_sys(EXIT_TEMP, "cannot confine itself");
}

int
main(int argc, char *argv[])
{
	int first = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "injector ...");
	struct request *r = &request;
	enum io io;
	int fd;

	if (first == argc)
		die(EXIT_PERM, "which injector?");
	serve(argv, SERVE_AT_FIRST_BYTE, LIMIT);
	fd = helper_openv(argv + first, &conf);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", argv[first]);
	give_up_the_rest();
	chan_init(&up, 0, 1);
	chan_init(&down, fd, fd);
	r->original.fd = -1;
	sbuf_init(&r->text, MEMORY_MAX);
	for (reset(r); (io = receive(r)) == IO_OK; reset(r)) {
		io = answer(r);
		if (io != IO_OK)
			break;
	}
	if (io == IO_ERROR)
		die_sys(EXIT_TEMP, "the conversation broke off");
	return EXIT_OK;
}
