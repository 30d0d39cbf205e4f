/* SPDX-License-Identifier: ISC */
/* Writes a notice to the sender about mail that fails or is delayed. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bufio.h"
#include "confine.h"
#include "conversation.h"
#include "helper.h"
#include "inject.h"
#include "notice.h"
#include "program.h"
#include "serve.h"

#define LIMIT 1000 /* connections; smtpd-send has fewer */

/* --- what smtpd-send asks for: one notice, in frames ----------------------- */

/*
 * A fact of the notice to postmaster about a notice that failed. If that one
 * fails too, no further notice is sent, which ends every loop.
 */
#define REQUEST_LAST_RESORT "bounce=postmaster"

#define REQUEST_MAX (16 * 1024 * 1024) /* octets about recipients */
#define HOST_MAX 320                   /* a domain name and an address */

/*
 *	D ID KIND	failed, delayed or held; with the message's descriptor
 *	F ACTION HOST <path> TEXT
 *			one recipient: failed, expired, ordered or delayed
 *	O <path>	as the sender wrote the last one
 *	E		write the notice
 */
struct request {
	struct queuefile original; /* we close its fd; -1: none yet */
	struct notice notice;
	struct sbuf text; /* what the recipients' views point into */
	struct request_at {
		size_t fields, fields_len, original, original_len;
	} at[NOTICE_RCPTS];  /* offsets, since text may move */
	struct span sender;  /* <mailbox> of the original, or "<>" */
	struct sbuf mailbox; /* what sender points into */
	bool last_resort;    /* the original bears the fact above */
};

static void
request_init(struct request *r)
{
	r->original.fd = -1;
	sbuf_init(&r->text, REQUEST_MAX);
	sbuf_init(&r->mailbox, ADDRESS_PATH_MAX + 2);
}

static void
request_reset(struct request *r, const struct conf *conf)
{
	if (r->original.fd != -1) {
		(void)close(r->original.fd);
		queuefile_close(&r->original);
	}
	r->original.fd = -1;
	r->notice.nrcpts = 0;
	r->notice.conf = conf;
	r->notice.original = &r->original;
	r->sender = SPAN("");
	r->last_resort = false;
	sbuf_reset(&r->text);
	sbuf_reset(&r->mailbox);
}

/* Without a source route. */
static void
request_take_sender(struct request *r, const struct envelope_path *from)
{
	sbuf_reset(&r->mailbox);
	sbuf_putc(&r->mailbox, '<');
	sbuf_addspan(&r->mailbox, from->address.whole);
	sbuf_putc(&r->mailbox, '>');
	r->sender = sbuf_span(&r->mailbox);
}

/* The last-resort fact is believed only in mail of the own entrance. */
static void
request_read_envelope(struct request *r)
{
	bool own = false;
	struct envelope_path from;
	struct frame f;
	size_t pos = 0;

	while (queuefile_next(&r->original, &pos, &f)) {
		if (f.tag == 'S' && envelope_sender(f.payload, &from))
			request_take_sender(r, &from);
		if (f.tag != 'C')
			continue;
		if (span_eq(f.payload, SPAN("entrance=own")))
			own = true;
		else if (span_eq(f.payload, SPAN(REQUEST_LAST_RESORT)))
			r->last_resort = own;
	}
}

static bool
request_open_original(struct request *r, int fd, const char *id)
{
	switch (queuefile_open(&r->original, fd, id)) {
	case QUEUEFILE_OK:
		r->original.fd = fd;
		return true;
	case QUEUEFILE_TORN:
	case QUEUEFILE_CORRUPT:
		errno = EBADMSG;
		break;
	case QUEUEFILE_IOERR:
		break;
	}
	r->original.fd = -1;
	return false;
}

static bool
request_parse_kind(struct span word, enum notice_kind *kind)
{
	for (size_t i = 0; i < NOTICE_KINDS; i++) {
		*kind = (enum notice_kind)i;
		if (span_eq(word, span_str(notice_kind_name(*kind))))
			return true;
	}
	return false;
}

static bool
request_take_message(struct request *r, struct chan *c, struct span payload)
{
	char id[QUEUE_ID_SIZE];
	int fd = queuefile_take(c, &payload, id);

	if (fd == -1)
		return false;
	if (r->original.fd != -1 ||
	    !request_parse_kind(span_word(&payload), &r->notice.kind) ||
	    !request_open_original(r, fd, id)) {
		(void)io_close(fd);
		return false;
	}
	request_read_envelope(r);
	return true;
}

/* text moves while it grows: only offsets are kept. */
static bool
request_take_recipient(struct request *r, struct span payload)
{
	struct request_at *at = &r->at[r->notice.nrcpts];

	if (r->notice.nrcpts == NOTICE_RCPTS)
		return false;
	*at = (struct request_at){ .fields = r->text.len,
		.fields_len = payload.n };
	r->notice.nrcpts++;
	sbuf_addspan(&r->text, payload);
	return !r->text.bad;
}

static bool
request_take_original(struct request *r, struct span payload)
{
	struct request_at *at;

	if (r->notice.nrcpts == 0 || payload.n > ADDRESS_PATH_MAX + 2)
		return false;
	at = &r->at[r->notice.nrcpts - 1];
	at->original = r->text.len;
	at->original_len = payload.n;
	sbuf_addspan(&r->text, payload);
	return !r->text.bad;
}

/* One frame other than E. False: it makes no sense; errno says why for D. */
static bool
request_take(struct request *r, struct chan *c, const struct frame *f)
{
	errno = EPROTO;
	switch (f->tag) {
	case 'D':
		return request_take_message(r, c, f->payload);
	case 'F':
		return request_take_recipient(r, f->payload);
	case 'O':
		return request_take_original(r, f->payload);
	}
	return f->tag >= 'a';
}

static bool
request_parse_action(struct span word, enum notice_action *action)
{
	if (span_eq(word, SPAN("failed")))
		*action = NOTICE_REFUSED;
	else if (span_eq(word, SPAN("expired")))
		*action = NOTICE_EXPIRED;
	else if (span_eq(word, SPAN("ordered")))
		*action = NOTICE_ORDERED;
	else if (span_eq(word, SPAN("delayed")))
		*action = NOTICE_WAITS;
	else
		return false;
	return true;
}

/*
 * An address that no longer parses (from an older version's queue, say) must
 * not keep the notice from the sender.
 */
static struct span
request_take_path(struct span *s)
{
	struct span path = *s;
	struct address address;

	if (address_path(s, ADDRESS_FORWARD, &address) == ADDRESS_OK) {
		path.n -= s->n;
		return path;
	}
	path.n = span_find(path, '>');
	if (path.n < s->n)
		path.n++;
	*s = span_skip(*s, path.n);
	if (path.n > ADDRESS_PATH_MAX + 2)
		path.n = ADDRESS_PATH_MAX + 2;
	return path;
}

static bool
request_parse_recipient(struct request *r, size_t i)
{
	const struct request_at *at = &r->at[i];
	struct notice_rcpt *to = &r->notice.rcpts[i];
	struct span s = span_of(r->text.s + at->fields, at->fields_len);

	if (!request_parse_action(span_word(&s), &to->action))
		return false;
	to->host = span_word(&s);
	if (to->host.n > HOST_MAX)
		to->host.n = HOST_MAX;
	s = span_trim(s);
	to->path = request_take_path(&s);
	to->text = span_trim(s);
	to->original = span_of(r->text.s + at->original, at->original_len);
	if (span_eq(to->original, to->path))
		to->original = SPAN("");
	return to->host.n > 0 && to->path.n > 0;
}

/* E: everything is there. Sets the views of the recipients. */
static bool
request_end(struct request *r)
{
	errno = EPROTO;
	if (r->original.fd == -1 || r->sender.n == 0 || r->notice.nrcpts == 0)
		return false;
	for (size_t i = 0; i < r->notice.nrcpts; i++)
		if (!request_parse_recipient(r, i))
			return false;
	return true;
}

/*
 * The notice goes to the sender; or to our postmaster if a notice failed or the
 * message is on hold; or to nobody (false).
 */
static bool
request_reader(const struct request *r, struct span domain, struct sbuf *to)
{
	if (!span_eq(r->sender, SPAN("<>")) && r->notice.kind != NOTICE_HELD) {
		sbuf_addspan(to, r->sender);
		return true;
	}
	if (r->notice.kind == NOTICE_DELAYED || r->last_resort)
		return false;
	sbuf_adds(to, "<postmaster@");
	sbuf_addspan(to, domain);
	sbuf_putc(to, '>');
	return true;
}

/* --- the injector ---------------------------------------------------------- */

static struct conf conf;
static struct chan up;
static struct inject down;
static struct chan_room up_room, down_room;
static struct request request;

static instant
bounce_deadline(void)
{
	return clock_in(conf.helper_timeout * 1000);
}

/* The first of our domains: its postmaster is read. */
static struct span
bounce_domain(void)
{
	struct span domains = span_str(conf.local_domains);

	return span_word(&domains);
}

/* IO_EOF: there are no more requests. */
static enum io
bounce_receive(struct request *r)
{
	struct frame f;
	enum io io;

	while ((io = conversation_next(&up, &f, NEVER)) == IO_OK) {
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

static enum link_answer
bounce_inject(const struct request *r, struct span text, struct span *answer)
{
	struct span to = r->notice.to; /* with its brackets */

	inject_begin(&down, -1, false);
	inject_fact(&down, "protocol", SPAN("local"));
	inject_fact(&down, "about", span_str(r->original.id));
	if (span_eq(r->sender, SPAN("<>")))
		inject_add(&down, 'C', SPAN(REQUEST_LAST_RESORT));
	inject_add(&down, 'S', SPAN("<>"));
	inject_recipient(&down, &conf, span_of(to.p + 1, to.n - 2));
	inject_text(&down, text);
	return inject_commit(&down, answer);
}

/*
 * Gives the answer about the notice, K or Z. A notice that is refused is not
 * lost: it is asked for again.
 */
static struct frame
bounce_send(struct request *r)
{
	struct frame f = { 'Z',
		SPAN("451 4.3.0 Cannot write the notice, try again later") };
	struct span answer;
	struct sbuf text;

	sbuf_init(&text, NOTICE_MAX);
	if (!queue_id_new(r->notice.id) || !notice_write(&text, &r->notice)) {
		warn_sys("cannot write the notice about '%s'", r->original.id);
	} else {
		switch (bounce_inject(r, sbuf_span(&text), &answer)) {
		case LINK_YES:
			f = (struct frame){ 'K', answer };
			break;
		case LINK_REFUSED:
			f.payload = answer;
			break;
		case LINK_FAILED:
			warn("cannot inject the notice about '%s': %s",
			    r->original.id, down.link.why);
			break;
		}
	}
	sbuf_free(&text);
	return f;
}

static void
bounce_log(const struct request *r, struct span to, const struct frame *a)
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

/*
 * False: stop. After an error downstream the state of that conversation is
 * unknown, and a late K would be taken for the answer to the next notice.
 */
static bool
bounce_answer(struct request *r)
{
	struct frame f = { 'K', SPAN("-") };
	struct sbuf to;

	sbuf_init(&to, ADDRESS_PATH_MAX + 2);
	if (request_reader(r, bounce_domain(), &to)) {
		r->notice.to = sbuf_span(&to);
		r->notice.domain = bounce_domain();
		f = bounce_send(r);
	}
	bounce_log(r, sbuf_span(&to), &f);
	sbuf_free(&to);
	return conversation_answer(&up, f.tag, f.payload, bounce_deadline()) ==
	    IO_OK &&
	    down.link.state == LINK_UP;
}

static int
bounce_serve(void)
{
	enum io io;

	request_init(&request);
	for (;;) {
		request_reset(&request, &conf);
		io = bounce_receive(&request);
		if (io != IO_OK)
			return conversation_end(io);
		if (!bounce_answer(&request))
			die(EXIT_TEMP, "the conversation broke off");
	}
}

int
main(int argc, char *argv[])
{
	static const struct confine keep = {
		.calls = { SYS_fcntl, SYS_fstat, SYS_newfstatat,
		    SYS_getrandom },
		.dials = true,
	};
	struct serve_how how = { .start = SERVE_AT_FIRST_BYTE, .limit = LIMIT };
	int first = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "injector ...");
	int fd;

	if (first == argc)
		die(EXIT_PERM, "name an injector");
	how.execs = first + 1 < argc || helper_is_command(argv[first]);
	serve_warm(argv, &how);
	serve_connections(&keep, &conf);
	fd = helper_openv(argv + first, &conf);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", argv[first]);
	serve_confine(&keep, &conf);
	chan_init(&up, &up_room, 0, 1);
	link_init(&down.link, &down_room, NULL, &conf);
	link_adopt(&down.link, fd);
	return bounce_serve();
}
