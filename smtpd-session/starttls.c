/* SPDX-License-Identifier: ISC */
/* How a client's socket becomes a clear text stream. */
#include "starttls.h"

/* More than that no client waits for its EHLO because of a helper in need. */
#define READY_MS 5000

void
starttls_open(struct starttls *t, struct chan *chan, const struct conf *conf)
{
	*t = (struct starttls){
		.state = STARTTLS_NONE,
		.link = { .fd = -1 },
		.patience = (conf->tls_timeout + conf->helper_timeout) * 1000,
	};
	if (conf->tls_cert[0] == '\0')
		return;
	link_open(&t->link, chan, "tls", conf->tls, conf);
	t->state = t->link.state == LINK_UP ? STARTTLS_ASKED : STARTTLS_GONE;
}

static void
keep(char *to, size_t room, struct span from)
{
	size_t n = from.n < room - 1 ? from.n : room - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = from.p[i] >= ' ' && from.p[i] <= '~' ? from.p[i] : '?';
	to[n] = '\0';
}

/* It has gone, or makes no sense: there is no TLS in this session. */
static void
give_up(struct starttls *t)
{
	t->state = STARTTLS_GONE;
	link_close(&t->link);
}

/* Whose last word was in time may have ended since. */
static bool
is_alive(struct starttls *t)
{
	if (chan_fill(t->link.chan) == IO_TIMEOUT)
		return true;
	link_lose(&t->link, "has closed");
	give_up(t);
	return false;
}

bool
starttls_is_ready(struct starttls *t)
{
	struct frame f;

	if (t->state == STARTTLS_READY)
		return is_alive(t);
	if (t->state != STARTTLS_ASKED)
		return false;
	t->link.patience = READY_MS;
	if (!link_receive(&t->link, &f)) {
		give_up(t);
		return false;
	}
	if (f.tag == 'K') {
		t->state = STARTTLS_READY;
		return true;
	}
	/* It has logged itself why not. */
	if (f.tag == 'Z')
		keep(t->why, sizeof(t->why), f.payload);
	else
		link_lose(&t->link, "an answer that is none");
	give_up(t);
	return false;
}

/* In a header field it must not end the comment that it stands in. */
static bool
is_plain(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_isalnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' &&
		    s.p[i] != '.')
			return false;
	return s.n > 0;
}

static void
learn(struct starttls *t, struct span fact)
{
	struct span name = span_cut(&fact, '=');

	if (span_eq(name, SPAN("protocol")) && is_plain(fact))
		keep(t->protocol, sizeof(t->protocol), fact);
	else if (span_eq(name, SPAN("cipher")) && is_plain(fact))
		keep(t->cipher, sizeof(t->cipher), fact);
	else if (span_eq(name, SPAN("name")) && is_plain(fact))
		keep(t->name, sizeof(t->name), fact);
}

static void
describe(struct starttls *t)
{
	struct sbuf what = {
		.s = t->what, .cap = sizeof(t->what), .max = sizeof(t->what) - 1
	};

	sbuf_adds(&what, t->protocol[0] == '\0' ? "TLS" : t->protocol);
	if (t->cipher[0] != '\0')
		sbuf_addf(&what, " %s", t->cipher);
}

int
starttls_handshake(struct starttls *t, int client)
{
	struct frame f = { .tag = '\0' };
	int stream = -1;

	t->link.patience = t->patience;
	link_send_fd(&t->link, 'T', SPAN(""), client);
	while (link_receive(&t->link, &f) && f.tag == 'C')
		learn(t, f.payload);
	if (f.tag == 'K')
		stream = chan_take_fd(t->link.chan);
	else if (f.tag == 'Z' || f.tag == 'X')
		keep(t->why, sizeof(t->why), f.payload);
	else
		keep(t->why, sizeof(t->why), SPAN("no answer of smtpd-tls"));
	give_up(t);
	if (stream == -1)
		return -1;
	describe(t);
	t->state = STARTTLS_ON;
	return stream;
}
