/* SPDX-License-Identifier: ISC */
/* STARTTLS (RFC 3207), and TLS from the first octet. */
#include "log.h"
#include "session.h"

/* How long a reply to EHLO may wait for a helper in trouble. */
#define READY_MS 5000

void
starttls_open(struct starttls *t, struct chan_room *room,
    const struct conf *conf)
{
	*t = (struct starttls){
		.state = STARTTLS_NONE,
		.patience = (conf->tls_timeout + conf->helper_timeout) * 1000,
	};
	link_init(&t->link, room, "tls", conf);
	if (conf->tls_cert[0] == '\0')
		return;
	link_open(&t->link, room, "tls", conf->tls, conf);
	t->state = t->link.state == LINK_UP ? STARTTLS_ASKED : STARTTLS_GONE;
}

static void
starttls_copy(char *to, size_t room, struct span from)
{
	size_t n = from.n < room - 1 ? from.n : room - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = from.p[i] >= ' ' && from.p[i] <= '~' ? from.p[i] : '?';
	to[n] = '\0';
}

/* The helper is gone or talks nonsense: this session has no TLS. */
static void
starttls_give_up(struct starttls *t)
{
	t->state = STARTTLS_GONE;
	link_close(&t->link);
}

/* A helper that was ready may have ended since. */
static bool
starttls_is_alive(struct starttls *t)
{
	if (chan_fill(&t->link.chan) == IO_TIMEOUT)
		return true;
	link_lose(&t->link, "it has closed the connection");
	starttls_give_up(t);
	return false;
}

bool
starttls_is_ready(struct starttls *t)
{
	struct frame f;

	if (t->state == STARTTLS_READY)
		return starttls_is_alive(t);
	if (t->state != STARTTLS_ASKED)
		return false;
	t->link.patience = READY_MS;
	if (!link_receive(&t->link, &f)) {
		starttls_give_up(t);
		return false;
	}
	if (f.tag == 'K') {
		t->state = STARTTLS_READY;
		return true;
	}
	/* smtpd-tls has logged the reason itself. */
	if (f.tag == 'Z')
		starttls_copy(t->why, sizeof(t->why), f.payload);
	else
		link_lose(&t->link, "malformed answer");
	starttls_give_up(t);
	return false;
}

/* The words go into a comment of the Received field and must not end it. */
static bool
starttls_is_plain(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' &&
		    s.p[i] != '.')
			return false;
	return s.n > 0;
}

static void
starttls_learn(struct starttls *t, struct span fact)
{
	struct span name = span_cut(&fact, '=');

	if (span_eq(name, SPAN("protocol")) && starttls_is_plain(fact))
		starttls_copy(t->protocol, sizeof(t->protocol), fact);
	else if (span_eq(name, SPAN("cipher")) && starttls_is_plain(fact))
		starttls_copy(t->cipher, sizeof(t->cipher), fact);
	else if (span_eq(name, SPAN("name")) && starttls_is_plain(fact))
		starttls_copy(t->name, sizeof(t->name), fact);
}

static void
starttls_describe(struct starttls *t)
{
	struct sbuf what = SBUF_IN(t->what);

	sbuf_adds(&what, t->protocol[0] == '\0' ? "TLS" : t->protocol);
	if (t->cipher[0] != '\0')
		sbuf_addf(&what, " %s", t->cipher);
}

static int
starttls_handshake(struct starttls *t, int client)
{
	struct frame f = { .tag = '\0' };
	int stream = -1;

	t->link.patience = t->patience;
	link_send_fd(&t->link, 'T', SPAN(""), client);
	while (link_receive(&t->link, &f) && f.tag == 'C')
		starttls_learn(t, f.payload);
	if (f.tag == 'K')
		stream = link_take_fd(&t->link);
	else if (f.tag == 'Z' || f.tag == 'X')
		starttls_copy(t->why, sizeof(t->why), f.payload);
	else
		starttls_copy(t->why, sizeof(t->why),
		    SPAN("no answer from smtpd-tls"));
	starttls_give_up(t);
	if (stream == -1)
		return -1;
	starttls_describe(t);
	t->state = STARTTLS_ON;
	return stream;
}

/* --- the dialogue ------------------------------------------------------------ */

bool
starttls_is_on(const struct session *s)
{
	return s->tls.state == STARTTLS_ON;
}

bool
starttls_comes_first(const struct session *s)
{
	return !s->local_user && strcmp(s->conf->profile, "submissions") == 0;
}

bool
starttls_is_missing(const struct session *s)
{
	return !s->local_user && s->conf->require_tls && !starttls_is_on(s);
}

/*
 * RFC 3207 4.2: the session forgets everything that was said in clear.
 * Whatever a third party may have inserted before the handshake is wiped, not
 * only ignored.
 */
static void
starttls_forget(struct session *s, int stream)
{
	session_reset(s);
	s->state = STATE_START;
	explicit_bzero(s->helo, sizeof(s->helo));
	explicit_bzero(&s->transaction.sender, sizeof(s->transaction.sender));
	explicit_bzero(s->inmem, s->in.len);
	s->command = (struct command){ 0 };
	s->protocol = NULL;
	s->deadline = 0;
	inbuf_init(&s->in, stream, s->inmem, sizeof(s->inmem));
	s->reply.out.fd = stream;
}

bool
starttls_begin(struct session *s)
{
	int stream = starttls_handshake(&s->tls, 0);

	if (stream == -1) {
		struct logline l;

		log_begin(&l, NULL, "tls-failed");
		session_log_client(&l, s);
		log_str(&l, "reason", s->tls.why);
		log_end(&l);
		session_end(s, "tls");
		return false;
	}
	starttls_forget(s, stream);
	return true;
}

void
starttls_command(struct session *s, struct span argument)
{
	(void)argument;
	if (s->tls.state == STARTTLS_NONE) {
		reply(&s->reply, "502 5.5.1 STARTTLS is not supported");
		return;
	}
	if (starttls_is_on(s)) {
		reply(&s->reply, "503 5.5.1 TLS already active");
		return;
	}
	if (s->user[0] != '\0') {
		/* By RFC 3207 4.2 the session would have to forget the user. */
		reply(&s->reply,
		    "503 5.5.1 STARTTLS is not allowed after AUTH");
		return;
	}
	if (inbuf_view(&s->in).n > 0) {
		/*
		 * The octets may come from a third party between us and the
		 * client.
		 */
		reply(&s->reply,
		    "554 5.5.1 No pipelining allowed after STARTTLS");
		session_hang_up(s, "octets behind starttls");
		return;
	}
	if (!starttls_is_ready(&s->tls)) {
		reply(&s->reply,
		    "454 4.7.0 TLS not available due to temporary reason");
		return;
	}
	reply(&s->reply, "220 2.0.0 Ready to start TLS");
	reply_flush(&s->reply);
	if (s->reply.broken)
		session_end(s, "broken");
	else
		(void)starttls_begin(s);
}
