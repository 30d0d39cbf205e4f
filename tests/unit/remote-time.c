/* SPDX-License-Identifier: ISC */
/*
 * How long smtpd-remote waits for each reply (RFC 5321 4.5.3.2), on a clock of
 * our own: poll, which is where it waits, is when time passes, and where the
 * server acts.
 */
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <unistd.h>

#include "../../smtpd-send/remote/client.h"
#include "tap.h"

#define SECOND 1000U
#define STAGES 6

static const struct {
	const char *stage, *reply;
	unsigned limit; /* seconds */
} stages[STAGES] = {
	{ "greeting", "220 late\r\n", 300 },
	{ "ehlo", "250 late\r\n", 300 },
	{ "mail", "250 late\r\n", 300 },
	{ "rcpt", "250 late\r\n", 300 },
	{ "data", "354 late\r\n", 120 },
	{ "dot", "250 2.0.0 late\r\n", 600 },
};

static uint64_t now = 1000000; /* ms */
static struct {
	int listener, fd;
	unsigned at;         /* the next reply */
	unsigned slow, wait; /* stage that takes so many ms */
} server;

int
clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	t->tv_sec = (time_t)(now / 1000);
	t->tv_nsec = (long)(now % 1000 * 1000000);
	return 0;
}

static void
reply(void)
{
	const char *text = stages[server.at++].reply;

	if (server.fd == -1)
		server.fd = accept(server.listener, NULL, NULL);
	if (write(server.fd, text, strlen(text)) == -1)
		abort();
}

/* Not of <poll.h>, which has it that poll never reads its argument. */
struct pollfd {
	int fd;
	short events, revents;
};
int poll(struct pollfd *, unsigned long, int);

int
poll(struct pollfd *p, unsigned long n, int timeout)
{
	unsigned wait = server.at == server.slow ? server.wait : 0;

	if (p->events & 1 /* POLLIN */) {
		if (timeout < 0)
			abort(); /* nothing may last for ever */
		/* Behind the last reply it is silent: QUIT has none. */
		if (server.at == STAGES || (unsigned)timeout < wait) {
			now += (unsigned)timeout;
			return 0;
		}
		now += wait;
		reply();
	}
	return (int)syscall(SYS_ppoll, p, n, NULL, NULL, 0);
}

static uint16_t
listen_anywhere(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	server.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server.listener, (struct sockaddr *)&a, len) != 0 ||
	    listen(server.listener, 5) != 0 ||
	    getsockname(server.listener, (struct sockaddr *)&a, &len) != 0)
		abort();
	return ntohs(a.sin_port);
}

static void
make_message(struct mail *m)
{
	static const char text[] = "Subject: x\r\n\r\nlate\r\n";
	int fd = memfd_create("message", MFD_CLOEXEC);

	if (write(fd, text, sizeof(text) - 1) != sizeof(text) - 1)
		abort();
	memset(m, 0, sizeof(*m));
	m->file.fd = fd;
	m->file.body_len = sizeof(text) - 1;
	m->file.body_crc = crc32c(0, text, sizeof(text) - 1);
	m->sender = SPAN("<a@example.org>");
	m->rcpts[0].path = SPAN("<b@example.net>");
	m->nrcpts = 1;
}

/* One delivery; how it went is in the only recipient. */
static void
deliver(uint16_t port, const struct conf *conf, struct mail *m)
{
	static struct client c;
	struct client_plan plan = {
		.port = port, .policy.tls = TLS_POLICY_NONE, .authorities = -1
	};
	struct client_failure why;
	struct ip ip;

	if (!ip_parse(SPAN("127.0.0.1"), &ip))
		abort();
	server.at = 0;
	server.fd = -1;
	make_message(m);
	client_init(&c, conf);
	c.id = "0123456789abcdefghijkl";
	if (client_open(&c, "late", &ip, &plan, &why))
		ok(client_transaction(&c, m), "a fresh connection");
	else
		mail_decide_all(m, why.verdict, why.stage, why.text);
	client_quit(&c);
	sbuf_free(&c.answer.text);
	if (server.fd != -1)
		(void)close(server.fd);
	else
		(void)close(accept(server.listener, NULL, NULL));
}

static void
check_stage(uint16_t port, const struct conf *conf, unsigned stage,
    unsigned limit)
{
	static struct mail m;
	const char *name = stages[stage].stage;

	server.slow = stage;
	server.wait = (limit - 1) * SECOND;
	deliver(port, conf, &m);
	is_num(m.rcpts[0].verdict, MAIL_DELIVERED, "%s: %u s are waited", name,
	    limit - 1);
	mail_close(&m);

	server.wait = (limit + 1) * SECOND;
	deliver(port, conf, &m);
	is_num(m.rcpts[0].verdict, MAIL_DEFERRED, "%s: not %u s", name,
	    limit + 1);
	is_str(m.rcpts[0].stage, name, "%s: it is said where", name);
	is_str(m.rcpts[0].text, "451 4.4.2 The server does not answer in time",
	    "%s: and why", name);
	mail_close(&m);
}

int
main(void)
{
	struct conf conf = { .hostname = "mx.example.org",
		.connect_timeout = 30 };
	uint16_t port = listen_anywhere();

	for (unsigned i = 0; i < STAGES; i++)
		check_stage(port, &conf, i, stages[i].limit);
	conf.smtp_timeout = 10;
	for (unsigned i = 0; i < STAGES; i++)
		check_stage(port, &conf, i, 10);
	return done();
}
