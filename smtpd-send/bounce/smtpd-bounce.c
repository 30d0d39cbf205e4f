/* SPDX-License-Identifier: ISC */
/* smtpd-bounce: tells a sender what became of his message. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "envelope.h"
#include "helper.h"
#include "program.h"
#include "request.h"
#include "serve.h"

#define LIMIT 1000 /* smtpd-send counts; this is a backstop */

static struct conf conf;
static struct chan up, down;
static struct request request;
static bool in_step = true; /* with who is downstream */

static instant
patience(void)
{
	return clock_in(conf.helper_timeout * 1000);
}

/* The first of our domains: mail to its postmaster comes to somebody. */
static struct span
own_domain(void)
{
	struct span domains = span_str(conf.local_domains);

	return span_word(&domains);
}

/* IO_EOF: no more requests. */
static enum io
receive(struct request *r)
{
	struct frame f;
	enum io io;

	while ((io = chan_recv(&up, &f, NEVER)) == IO_OK) {
		switch (f.tag) {
		case 'Q':
			return IO_EOF;
		case 'E':
			return request_end(r) ? IO_OK : IO_ERROR;
		}
		if (!request_take(r, &up, &f))
			return IO_ERROR;
	}
	return io;
}

static enum io
send_envelope(const struct request *r, struct span to)
{
	struct span rest = to;
	struct address a;
	struct sbuf rcpt, about;
	enum io io;

	if (address_path(&rest, ADDRESS_FORWARD, &a) != ADDRESS_OK) {
		errno = EINVAL;
		return IO_ERROR;
	}
	sbuf_init(&rcpt, 1024);
	sbuf_init(&about, 64);
	sbuf_adds(&rcpt,
	    conf_has_domain(conf.local_domains, a.domain) ? "local " :
							    "remote ");
	sbuf_addspan(&rcpt, to);
	sbuf_addf(&about, "about=%s", r->original.id);
	io = chan_send(&down, 'C', SPAN("version=1"), patience());
	if (io == IO_OK)
		io = chan_send(&down, 'C', SPAN("protocol=local"), patience());
	if (io == IO_OK)
		io = chan_send(&down, 'C', sbuf_span(&about), patience());
	if (io == IO_OK && span_eq(r->sender, SPAN("<>")))
		io = chan_send(&down, 'C', SPAN(REQUEST_LAST_RESORT),
		    patience());
	if (io == IO_OK)
		io = chan_send(&down, 'S', SPAN("<>"), patience());
	if (io == IO_OK)
		io = chan_send(&down, 'R', sbuf_span(&rcpt), patience());
	sbuf_free(&rcpt);
	sbuf_free(&about);
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

/*
 * The verdict on what was sent; *answer is without a tag when there is none.
 * The greeting that comes before it is of no use here.
 */
static void
hear(struct frame *answer)
{
	enum io io;

	do
		io = chan_recv(&down, answer, patience());
	while (io == IO_OK && answer->tag == 'W');
	if (io == IO_OK && strchr("KZX", answer->tag) != NULL)
		return;
	if (io == IO_OK)
		errno = EPROTO;
	else if (io == IO_EOF)
		errno = ECONNRESET;
	else if (io == IO_TIMEOUT)
		errno = ETIMEDOUT;
	answer->tag = '\0';
}

/*
 * Injects the notice; *answer is the queue's. False: it cannot be written, and
 * nothing was sent. Who refuses early has said why: his answer is read even
 * if not all of it went out.
 */
static bool
inject(const struct request *r, struct frame *answer)
{
	struct sbuf text;
	bool ok;

	sbuf_init(&text, NOTICE_MAX);
	ok = notice_write(&text, &r->notice);
	if (ok) {
		if (send_envelope(r, r->notice.to) != IO_OK ||
		    send_text(sbuf_span(&text)) != IO_OK)
			in_step = false;
		hear(answer);
	}
	sbuf_free(&text);
	return ok;
}

static void
log_outcome(const struct request *r, struct span to, const struct frame *a)
{
	struct logline l;

	log_begin(&l, r->original.id,
	    to.n == 0         ? "dropped" :
		a->tag == 'K' ? "notice" :
				"notice-deferred");
	log_str(&l, "kind", notice_kind_name(r->notice.kind));
	log_num(&l, "nrcpt", r->notice.nrcpts);
	if (to.n == 0) {
		log_str(&l, "reason",
		    r->last_resort ? "a notice to postmaster" : "null sender");
	} else {
		log_span(&l, "to", to);
		log_span(&l, a->tag == 'K' ? "notice" : "reply", a->payload);
	}
	log_end(&l);
}

static void
give_up(const struct request *r, const char *what, struct frame *f)
{
	warn_sys("cannot %s a notice about '%s'", what, r->original.id);
	*f = (struct frame){ 'Z', SPAN("451 4.3.0 Cannot make the notice") };
}

/*
 * After trouble on the way down the state of that conversation is unknown: a
 * late K would be taken for that of the next notice. So that is the end.
 */
static bool
answer(struct request *r)
{
	struct frame f = { 'K', SPAN("-") };
	struct sbuf to;

	sbuf_init(&to, ADDRESS_PATH_MAX + 2);
	if (request_reader(r, own_domain(), &to)) {
		r->notice.to = sbuf_span(&to);
		r->notice.domain = own_domain();
		if (!queue_id_new(r->notice.id) || !inject(r, &f)) {
			give_up(r, "write", &f);
		} else if (f.tag == '\0') {
			give_up(r, "inject", &f);
			in_step = false;
		}
	}
	/* A refusal of our own notice is no reason to lose it. */
	if (f.tag != 'K')
		f.tag = 'Z';
	log_outcome(r, sbuf_span(&to), &f);
	sbuf_free(&to);
	return chan_send(&up, f.tag, f.payload, patience()) == IO_OK &&
	    chan_flush(&up, patience()) == IO_OK && in_step;
}

/* It holds its two conversations and the descriptors that it is handed. */
static const int calls[] = {
	SYS_read,
	SYS_write,
	SYS_writev,
	SYS_poll,
	SYS_ppoll,
	SYS_close,
	SYS_fcntl,
	SYS_fstat,
	SYS_newfstatat,
	SYS_pread64,
	SYS_recvmsg,
	SYS_sendmsg,
	SYS_clock_gettime,
	SYS_getrandom,
	SYS_brk,
	SYS_mmap,
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_rt_sigreturn,
	SYS_restart_syscall,
	SYS_exit,
	SYS_exit_group,
};

static int
converse(void)
{
	enum io io;

	request_init(&request);
	for (;;) {
		request_reset(&request, &conf);
		io = receive(&request);
		if (io == IO_EOF)
			return EXIT_OK;
		if (io != IO_OK)
			die_sys(EXIT_TEMP, "the conversation broke off");
		if (!answer(&request))
			die(EXIT_TEMP, "the conversation broke off");
	}
}

int
main(int argc, char *argv[])
{
	const struct confine keep = {
		.calls = calls, .ncalls = nitems(calls), .dials = true
	};
	struct serve_how how = { .start = SERVE_AT_FIRST_BYTE, .limit = LIMIT };
	int first = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "injector ...");
	int fd;

	if (first == argc)
		die(EXIT_PERM, "which injector?");
	how.execs = first + 1 < argc || helper_is_command(argv[first]);
	serve_warm(argv, &how);
	serve_connections(&keep, &conf);
	fd = helper_openv(argv + first, &conf);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", argv[first]);
	serve_confine(&keep, &conf);
	chan_init(&up, 0, 1);
	chan_init(&down, fd, fd);
	return converse();
}
