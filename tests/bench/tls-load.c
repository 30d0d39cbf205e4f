/* SPDX-License-Identifier: ISC */
/*
 * An SMTP client for load under TLS, by OpenSSL: processes that make one
 * connection after the other, each with a full handshake.
 *
 *	tls-load [-s] [-a RESPONSE] [-m ADDRESS [-k MESSAGES] | -i]
 *	    -c PROCESSES -n CONNECTIONS PORT
 *
 * -s: TLS from the first octet; else STARTTLS. -a: AUTH PLAIN with that. -m: a
 * message of 4 KiB from and to that address on each connection, or several.
 * -i: as many connections as processes, which say EHLO and wait
 * until this is killed; "idle" says that all are there. Else prints the
 * seconds that it took.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
	bool at_once, idle;
	const char *to, *auth;
	unsigned processes, connections, messages;
	struct sockaddr_in server;
} opt = { .processes = 1, .connections = 1, .messages = 1 };

struct peer {
	int fd;
	SSL *ssl; /* NULL: in clear */
};

static void
say(struct peer *p, const char *text, size_t n)
{
	if ((p->ssl == NULL ? (int)write(p->fd, text, n) :
			      SSL_write(p->ssl, text, (int)n)) != (int)n)
		errx(1, "the server does not read");
}

/* One reply, which must begin with that; nothing is pipelined. */
static void
expect(struct peer *p, const char *code)
{
	char buf[4096];
	size_t n = 0, line;

	do {
		int r = p->ssl == NULL ?
		    (int)read(p->fd, buf + n, sizeof(buf) - 1 - n) :
		    SSL_read(p->ssl, buf + n, (int)(sizeof(buf) - 1 - n));

		if (r <= 0)
			errx(1, "the server has gone before '%s'", code);
		n += (size_t)r;
		buf[n] = '\0';
		for (line = n - 1; line > 0 && buf[line - 1] != '\n';)
			line--;
	} while (buf[n - 1] != '\n' || n - line < 4 || buf[line + 3] != ' ');
	if (strncmp(buf, code, 3) != 0)
		errx(1, "wants %s, gets %s", code, buf);
}

static void
ask(struct peer *p, const char *command, const char *code)
{
	say(p, command, strlen(command));
	expect(p, code);
}

static struct peer
dial(SSL_CTX *ctx)
{
	struct peer p = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
	int on = 1;

	if (p.fd == -1 ||
	    connect(p.fd, (void *)&opt.server, sizeof(opt.server)) == -1)
		err(1, "cannot connect");
	(void)setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!opt.at_once) {
		expect(&p, "220");
		ask(&p, "EHLO load.test\r\n", "250");
		ask(&p, "STARTTLS\r\n", "220");
	}
	p.ssl = SSL_new(ctx);
	if (p.ssl == NULL || SSL_set_fd(p.ssl, p.fd) != 1 ||
	    SSL_connect(p.ssl) != 1)
		errx(1, "the handshake fails");
	if (opt.at_once)
		expect(&p, "220");
	ask(&p, "EHLO load.test\r\n", "250");
	if (opt.auth != NULL) {
		char command[512];

		(void)snprintf(command, sizeof(command), "AUTH PLAIN %s\r\n",
		    opt.auth);
		ask(&p, command, "235");
	}
	return p;
}

static void
send_message(struct peer *p)
{
	static const char head[] = "Subject: load\r\n\r\n";
	char mail[512], rcpt[512], text[4096];
	size_t n = sizeof(head) - 1;

	memcpy(text, head, n);
	for (; n + 66 < sizeof(text) - 3; n += 66) {
		memset(text + n, 'x', 64);
		memcpy(text + n + 64, "\r\n", 2);
	}
	memcpy(text + n, ".\r\n", 3);
	(void)snprintf(mail, sizeof(mail), "MAIL FROM:<%s>\r\n", opt.to);
	(void)snprintf(rcpt, sizeof(rcpt), "RCPT TO:<%s>\r\n", opt.to);
	ask(p, mail, "250");
	ask(p, rcpt, "250");
	ask(p, "DATA\r\n", "354");
	say(p, text, n + 3);
	expect(p, "250");
}

/* connections of them, one after the other; ready when idle. */
static void
work(unsigned connections, int ready)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		errx(1, "no TLS");
	/* The same for both: ours speaks nothing newer. */
	(void)SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	while (connections-- > 0) {
		struct peer p = dial(ctx);

		if (opt.idle) {
			(void)!write(ready, "x", 1);
			for (;;)
				(void)pause();
		}
		for (unsigned i = 0; opt.to != NULL && i < opt.messages; i++)
			send_message(&p);
		ask(&p, "QUIT\r\n", "221");
		SSL_free(p.ssl);
		(void)close(p.fd);
	}
	exit(0);
}

static void
parse(int argc, char *argv[])
{
	int o;

	while ((o = getopt(argc, argv, "sia:m:k:c:n:")) != -1)
		switch (o) {
		case 's':
			opt.at_once = true;
			break;
		case 'i':
			opt.idle = true;
			break;
		case 'a':
			opt.auth = optarg;
			break;
		case 'k':
			opt.messages = (unsigned)atoi(optarg);
			break;
		case 'm':
			opt.to = optarg;
			break;
		case 'c':
			opt.processes = (unsigned)atoi(optarg);
			break;
		case 'n':
			opt.connections = (unsigned)atoi(optarg);
			break;
		default:
			errx(2, "usage: see the source");
		}
	if (optind + 1 != argc || opt.processes == 0)
		errx(2, "usage: see the source");
	opt.server = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argv[optind])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int
main(int argc, char *argv[])
{
	struct timespec begin, end;
	int ready[2], status, failed = 0;
	char c;

	parse(argc, argv);
	if (pipe(ready) == -1)
		err(1, "pipe");
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned i = 0; i < opt.processes; i++)
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			work(opt.connections / opt.processes, ready[1]);
		}
	(void)close(ready[1]);
	if (opt.idle) {
		for (unsigned i = 0; i < opt.processes; i++)
			if (read(ready[0], &c, 1) != 1)
				errx(1, "not all are there");
		puts("idle");
		(void)fflush(stdout);
	}
	while (wait(&status) != -1)
		failed |= status;
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.3f\n",
	    (double)(end.tv_sec - begin.tv_sec) +
		(double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return failed != 0;
}
