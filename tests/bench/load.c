/* SPDX-License-Identifier: ISC */
/* An SMTP client for load: many connections, every 250 counted and timed. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REPLY_WAIT_US 60000000u /* a server silent for longer is broken */
#define REST_US 20000u          /* before a slot dials again after trouble */
#define MSG_ROOM 1024           /* a message is its size and at most this */

/* Each waiting state is named after what the awaited reply answers. */
enum state { RESTING, GREETING, EHLO, MAIL, RCPT, DATA, DOT, QUIT, IDLE };

struct slot {
	int fd;
	enum state state;
	bool blocked;    /* waits for room to write */
	unsigned done;   /* messages on this connection */
	uint64_t seq;    /* of the message at work */
	uint64_t when;   /* RESTING: dial then; else give up then */
	uint64_t dot_at; /* when the last octet of the message was out */
	char *out;
	size_t out_len, out_pos;
	char in[1024];
	size_t in_len;
};

static struct {
	unsigned connections, per_connection;
	uint64_t messages, limit_us;
	size_t size, nto;
	const char *from, *to[128], *prefix;
	struct sockaddr_in server;
	bool resilient, idle;
	FILE *acked;
} opt = {
	.connections = 1,
	.per_connection = 1,
	.messages = 1,
	.limit_us = 300000000,
	.size = 4096,
	.from = "sender@example.org",
	.prefix = "load",
};

static struct {
	uint64_t begun, acked, broken, refused;
	unsigned idle;
	uint32_t *dot_us; /* of each message acked */
} count;

static struct slot *slots;
static volatile sig_atomic_t stopped; /* SIGTERM: what is done is reported */
static char *filler;
static int poller;

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
rest(struct slot *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->state = RESTING;
	s->when = now_us() + (opt.resilient ? REST_US : 0);
}

static void
trouble(struct slot *s, const char *what, const char *detail)
{
	if (!opt.resilient)
		errx(1, "%s: %s", what, detail);
	count.broken++;
	rest(s);
}

static void
watch(struct slot *s, int op, bool writable)
{
	struct epoll_event ev = { .data.ptr = s };

	ev.events = EPOLLIN | (writable ? EPOLLOUT : 0);
	if (epoll_ctl(poller, op, s->fd, &ev) != 0)
		err(1, "epoll_ctl");
	s->blocked = writable;
}

static void
push(struct slot *s)
{
	while (s->out_pos < s->out_len) {
		ssize_t n = write(s->fd, s->out + s->out_pos,
		    s->out_len - s->out_pos);

		if (n < 0 && errno == EAGAIN) {
			watch(s, EPOLL_CTL_MOD, true);
			return;
		}
		if (n < 0) {
			trouble(s, "write", strerror(errno));
			return;
		}
		s->out_pos += (size_t)n;
	}
	if (s->blocked)
		watch(s, EPOLL_CTL_MOD, false);
	if (s->state == DOT)
		s->dot_at = now_us();
}

static void
say(struct slot *s, enum state next, const char *text, size_t n)
{
	if (text != s->out)
		memcpy(s->out, text, n);
	s->out_len = n;
	s->out_pos = 0;
	s->state = next;
	s->when = now_us() + REPLY_WAIT_US;
	push(s);
}

static void
command(struct slot *s, enum state next, const char *verb, const char *arg,
    const char *end)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s%s%s\r\n", verb, arg, end);

	say(s, next, line, (size_t)n);
}

static const char *
recipient(const struct slot *s)
{
	return opt.to[s->seq % opt.nto];
}

static void
send_message(struct slot *s)
{
	int n = snprintf(s->out, MSG_ROOM,
	    "From: <%s>\r\nTo: <%s>\r\n"
	    "Subject: load\r\nMessage-ID: <%s.%" PRIu64 "@load.invalid>\r\n"
	    "X-Token: %s.%" PRIu64 ".\r\n\r\n",
	    opt.from, recipient(s), opt.prefix, s->seq, opt.prefix, s->seq);
	size_t len = (size_t)n;

	if (len < opt.size) {
		size_t body = opt.size - len;

		memcpy(s->out + len, filler + opt.size - body, body);
		len += body;
	}
	memcpy(s->out + len, ".\r\n", 3);
	say(s, DOT, s->out, len + 3);
}

/* Is there a message left for this slot on this connection? */
static bool
next_message(struct slot *s)
{
	/* Resilient: what was begun may not count, so as many as are missing. */
	uint64_t taken = opt.resilient ? count.acked : count.begun;

	if (s->done >= opt.per_connection || taken >= opt.messages)
		return false;
	s->seq = count.begun++;
	command(s, MAIL, "MAIL FROM:<", opt.from, ">");
	return true;
}

static void
go_on(struct slot *s)
{
	if (opt.idle) {
		s->state = IDLE;
		count.idle++;
	} else if (!next_message(s)) {
		command(s, QUIT, "QUIT", "", "");
		if (s->fd >= 0)
			shutdown(s->fd, SHUT_WR);
	}
}

static void
acked(struct slot *s)
{
	uint64_t us = now_us() - s->dot_at;

	s->done++;
	if (opt.resilient && count.acked >= opt.messages) {
		count.acked++; /* one more than asked for: not timed */
	} else {
		count.dot_us[count.acked++] = us < UINT32_MAX ? (uint32_t)us :
								UINT32_MAX;
	}
	if (opt.acked != NULL)
		fprintf(opt.acked, "%s.%" PRIu64 ".\n", opt.prefix, s->seq);
	go_on(s);
}

static void
replied(struct slot *s, const char *reply)
{
	static const char want[] = {
		[GREETING] = '2',
		[EHLO] = '2',
		[MAIL] = '2',
		[RCPT] = '2',
		[DATA] = '3',
		[DOT] = '2',
		[QUIT] = '2',
	};

	if (s->state == IDLE || reply[0] != want[s->state]) {
		if (!opt.resilient)
			errx(1, "refused: %s", reply);
		count.refused++;
		rest(s);
		return;
	}
	switch (s->state) {
	case GREETING:
		command(s, EHLO, "EHLO ", "load.invalid", "");
		break;
	case EHLO:
		go_on(s);
		break;
	case MAIL:
		command(s, RCPT, "RCPT TO:<", recipient(s), ">");
		break;
	case RCPT:
		command(s, DATA, "DATA", "", "");
		break;
	case DATA:
		send_message(s);
		break;
	case DOT:
		acked(s);
		break;
	case QUIT:
		rest(s);
		s->when = 0;
		break;
	case RESTING:
	case IDLE:
		break;
	}
}

/* Takes whole reply lines; only the last of a reply counts. */
static void
read_replies(struct slot *s)
{
	ssize_t n = read(s->fd, s->in + s->in_len,
	    sizeof(s->in) - 1 - s->in_len);
	char *end;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		trouble(s, "connection lost",
		    n < 0 ? strerror(errno) : "end of file");
		return;
	}
	s->in_len += (size_t)n;
	s->in[s->in_len] = '\0';
	while (s->fd >= 0 && (end = strchr(s->in, '\n')) != NULL) {
		char line[sizeof(s->in)];
		size_t used = (size_t)(end + 1 - s->in);

		memcpy(line, s->in, used);
		line[used - 1] = '\0';
		memmove(s->in, end + 1, s->in_len - used + 1);
		s->in_len -= used;
		if (strlen(line) > 3 && line[3] != '-')
			replied(s, line);
	}
	if (s->fd >= 0 && s->in_len == sizeof(s->in) - 1)
		trouble(s, "reply", "line too long");
}

static void
dial(struct slot *s)
{
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		err(1, "socket");
	s->in_len = s->out_len = s->out_pos = 0;
	s->done = 0;
	s->state = GREETING;
	s->when = now_us() + REPLY_WAIT_US;
	watch(s, EPOLL_CTL_ADD, false);
	if (connect(s->fd, (struct sockaddr *)&opt.server,
		sizeof(opt.server)) != 0 &&
	    errno != EINPROGRESS)
		trouble(s, "connect", strerror(errno));
}

static bool
work_left(void)
{
	return !stopped &&
	    (opt.resilient ? count.acked : count.begun) < opt.messages;
}

/* Dials where it is time, gives up where it is late. How many are busy? */
static unsigned
tend(void)
{
	uint64_t now = now_us();
	unsigned busy = 0;

	for (unsigned i = 0; i < opt.connections; i++) {
		struct slot *s = &slots[i];

		if (s->state == RESTING && now >= s->when && work_left())
			dial(s);
		else if (s->state != RESTING && s->state != IDLE &&
		    now >= s->when)
			trouble(s, "server", "silent for too long");
		busy += s->state != RESTING;
	}
	return busy;
}

static void
event(struct slot *s, uint32_t events)
{
	if (s->fd >= 0 && (events & EPOLLOUT))
		push(s);
	if (s->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_replies(s);
}

static void
on_term(int sig)
{
	(void)sig;
	stopped = 1;
}

static void
run(uint64_t start)
{
	struct epoll_event evs[64];

	while (!stopped && (tend() > 0 || work_left())) {
		int n = epoll_wait(poller, evs, 64, opt.resilient ? 20 : 1000);

		for (int i = 0; i < n; i++)
			event(evs[i].data.ptr, evs[i].events);
		if (opt.idle && count.idle == opt.connections)
			return;
		if (now_us() - start > opt.limit_us)
			errx(1,
			    "time is up: %" PRIu64 " of %" PRIu64
			    " messages accepted",
			    count.acked, opt.messages);
	}
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
report(uint64_t us)
{
	uint64_t n = count.acked < opt.messages ? count.acked : opt.messages;
	double seconds = (double)us / 1e6;

	if (n == 0)
		errx(1, "no message was accepted");
	qsort(count.dot_us, n, sizeof(*count.dot_us), by_size);
	printf("accepted=%" PRIu64 " seconds=%.4f rate=%.1f p50=%u p99=%u "
	       "max=%u broken=%" PRIu64 " refused=%" PRIu64 "\n",
	    count.acked, seconds, (double)count.acked / seconds,
	    count.dot_us[n / 2], count.dot_us[n * 99 / 100],
	    count.dot_us[n - 1], count.broken, count.refused);
}

_Noreturn static void
usage(void)
{
	fputs("usage: load [-ir] [-c connections] [-n messages]"
	      " [-k per-connection]\n\t[-l octets] [-f from] [-t to]..."
	      " [-a acked-file] [-p prefix]\n\t[-w seconds]"
	      " address port\n",
	    stderr);
	exit(100);
}

static unsigned long
number(const char *s)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end != '\0' || n == 0 || n > 100000000)
		errx(100, "bad number '%s'", s);
	return n;
}

static void
options(int argc, char *argv[])
{
	int c;

	while ((c = getopt(argc, argv, "irc:n:k:l:f:t:a:p:w:")) != -1) {
		switch (c) {
		case 'i':
			opt.idle = true;
			break;
		case 'r':
			opt.resilient = true;
			break;
		case 'c':
			opt.connections = (unsigned)number(optarg);
			break;
		case 'n':
			opt.messages = number(optarg);
			break;
		case 'k':
			opt.per_connection = (unsigned)number(optarg);
			break;
		case 'l':
			opt.size = number(optarg);
			break;
		case 'f':
			opt.from = optarg;
			break;
		case 'p':
			opt.prefix = optarg;
			break;
		case 'w':
			opt.limit_us = number(optarg) * 1000000;
			break;
		case 'a':
			if ((opt.acked = fopen(optarg, "we")) == NULL)
				err(1, "%s", optarg);
			break;
		case 't':
			if (opt.nto == sizeof(opt.to) / sizeof(opt.to[0]))
				usage();
			opt.to[opt.nto++] = optarg;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2 || strlen(opt.from) > 100 ||
	    strlen(opt.prefix) > 100)
		usage();
	if (opt.nto == 0)
		opt.to[opt.nto++] = "user@example.com";
	for (size_t i = 0; i < opt.nto; i++)
		if (strlen(opt.to[i]) > 100)
			usage();
	opt.server.sin_family = AF_INET;
	opt.server.sin_port = htons((uint16_t)number(argv[optind + 1]));
	if (inet_pton(AF_INET, argv[optind], &opt.server.sin_addr) != 1)
		usage();
}

/* Text lines of 78 octets that end exactly at the message's size. */
static void
make_filler(void)
{
	if ((filler = malloc(opt.size + 1)) == NULL)
		err(1, "malloc");
	memset(filler, 'x', opt.size);
	for (size_t end = opt.size; end >= 2; end -= end > 80 ? 80 : end)
		memcpy(filler + end - 2, "\r\n", 2);
}

int
main(int argc, char *argv[])
{
	uint64_t start;

	options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_term);
	make_filler();
	slots = calloc(opt.connections, sizeof(*slots));
	count.dot_us = calloc(opt.messages + 1, sizeof(*count.dot_us));
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (slots == NULL || count.dot_us == NULL || poller < 0)
		err(1, "start");
	for (unsigned i = 0; i < opt.connections; i++) {
		slots[i].fd = -1;
		if ((slots[i].out = malloc(opt.size + MSG_ROOM)) == NULL)
			err(1, "malloc");
	}
	start = now_us();
	run(start);
	if (opt.idle) {
		printf("idle=%u\n", count.idle);
		fflush(stdout);
		while (getchar() != EOF)
			continue;
		return 0;
	}
	report(now_us() - start);
	if (opt.acked != NULL && fclose(opt.acked) != 0)
		err(1, "acked file");
	return 0;
}
