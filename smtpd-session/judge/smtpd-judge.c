/* SPDX-License-Identifier: ISC */
/* smtpd-judge: SPF, DKIM, DMARC and reverse mapping of one message. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <stdlib.h>

#include "confine.h"
#include "envelope.h"
#include "frame.h"
#include "judgement.h"
#include "program.h"
#include "serve.h"

#define SPARE 64            /* conversations beside those of sessions */
#ifdef __SANITIZE_ADDRESS__ /* which reserves terabytes */
#define MEMORY_MAX RLIM_INFINITY
#else
#define MEMORY_MAX (512UL * 1024 * 1024)
#endif
#define CPU_SECONDS 20 /* for one message */
#define FIELDS_ANSWER_MAX FRAME_PAYLOAD_MAX

static struct chan chan;
static struct judgement judgement;
static struct resolve resolver;
static struct dns_resolver dns;

enum stage {
	NONE, /* between two messages */
	FACTS,
	TEXT, /* the sender is known */
};

/*
 * Who waits for us gives us so long for all; part of it is for DNS. What has
 * no answer by then has none.
 */
static uint64_t
dns_ms(const struct conf *conf)
{
	uint64_t half = conf->helper_timeout * 1000 / 2;
	uint64_t ms = conf->judge_timeout * 1000;

	return (ms < half ? ms : half) * 2 / 3;
}

static instant
patience(const struct conf *conf)
{
	return clock_in((conf->data_timeout + conf->helper_timeout) * 1000);
}

/* A stranger's message can make libraries grow and spin, up to here. */
static void
limit(void)
{
	const struct rlimit memory = { MEMORY_MAX, MEMORY_MAX };
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_AS, &memory) == -1 ||
	    setrlimit(RLIMIT_CORE, &none) == -1)
		die_sys(EXIT_TEMP, "cannot limit itself");
}

/*
 * SIGPROF kills who is not done by then. Not RLIMIT_CPU: of one limit for all
 * messages of a connection the first ones could take what the last one needs,
 * which then would go on unjudged.
 */
static void
limit_message(void)
{
	const struct itimerval cpu = { .it_value.tv_sec = CPU_SECONDS };

	if (setitimer(ITIMER_PROF, &cpu, NULL) == -1)
		die_sys(EXIT_TEMP, "cannot limit itself");
}

/* Sockets to the resolver stay; files, programs and other processes go. */
static void
give_up_the_rest(const struct conf *conf)
{
	static const int calls[] = {
#ifdef SYS_poll
		SYS_poll,
#endif
#ifdef SYS_time
		SYS_time,
#endif
		SYS_read,
		SYS_write,
		SYS_writev,
		SYS_ppoll,
		SYS_close,
		SYS_fcntl,
		SYS_socket,
		SYS_connect,
		SYS_bind,
		SYS_getsockname,
		SYS_getsockopt,
		SYS_setsockopt,
		SYS_sendto,
		SYS_sendmsg,
		SYS_recvfrom,
		SYS_recvmsg,
		SYS_clock_gettime,
		SYS_gettimeofday,
		SYS_setitimer,
		SYS_getpid,
		SYS_gettid,
		SYS_getrandom,
		SYS_brk,
		SYS_mmap,
		SYS_munmap,
		SYS_mremap,
		SYS_madvise,
		SYS_mprotect,
		SYS_futex,
		SYS_uname,
		SYS_rt_sigreturn,
		SYS_rt_sigprocmask,
		SYS_restart_syscall,
		SYS_tgkill,
		SYS_exit,
		SYS_exit_group,
	};
	/* None of UNIX: /run/smtpd/submit takes mail of everybody. */
	static const int families[] = { AF_INET, AF_INET6 };
	const struct confine c = { .calls = calls,
		.ncalls = nitems(calls),
		.families = families,
		.nfamilies = nitems(families) };

	if (!confine(&c, conf))
		die_sys(EXIT_TEMP, "cannot confine itself");
}

static void
answer(char tag, struct span payload, instant deadline)
{
	if (chan_send(&chan, tag, payload, deadline) != IO_OK)
		die_sys(EXIT_TEMP, "cannot answer");
}

static void
give_verdict(const struct conf *conf)
{
	instant deadline = patience(conf);
	struct sbuf fields;

	sbuf_init(&fields, FIELDS_ANSWER_MAX);
	judgement_end(&judgement, &fields);
	if (fields.bad) {
		answer('Z', SPAN("451 4.3.0 Out of memory"), deadline);
	} else {
		answer('H', sbuf_span(&fields), deadline);
		if (judgement.junk)
			answer('M', SPAN("junk"), deadline);
		if (judgement.reply[0] != '\0')
			answer('X', span_str(judgement.reply), deadline);
		else
			answer('K', SPAN(""), deadline);
	}
	sbuf_free(&fields);
	if (chan_flush(&chan, deadline) != IO_OK)
		die_sys(EXIT_TEMP, "cannot answer");
}

_Noreturn static void
nonsense(const char *what)
{
	die(EXIT_TEMP, "the conversation makes no sense: %s", what);
}

static void
take_envelope(const struct conf *conf, const struct frame *f, enum stage *stage)
{
	struct envelope_path path;
	struct span name, value;

	if (*stage == TEXT)
		nonsense("a fact, or a second sender, behind the sender");
	if (*stage == NONE) {
		limit_message();
		judgement_begin(&judgement);
		resolve_start(&resolver, dns_ms(conf));
	}
	*stage = FACTS;
	if (f->tag == 'C') {
		if (!envelope_fact(f->payload, &name, &value))
			nonsense("a malformed fact");
		judgement_fact(&judgement, name, value);
		return;
	}
	if (!envelope_sender(f->payload, &path))
		nonsense("a malformed sender");
	judgement_sender(&judgement, path.address.local, path.address.domain);
	*stage = TEXT;
}

static void
take(const struct conf *conf, const struct frame *f, enum stage *stage)
{
	switch (f->tag) {
	case 'C':
	case 'S':
		take_envelope(conf, f, stage);
		break;
	case 'B':
		if (*stage != TEXT)
			nonsense("text before the sender");
		judgement_text(&judgement, f->payload);
		break;
	case 'E':
		if (*stage != TEXT)
			nonsense("an end before the sender");
		give_verdict(conf);
		*stage = NONE;
		break;
	case 'A':
		*stage = NONE;
		break;
	default:
		if (ascii_lower(f->tag) != f->tag)
			nonsense("an unknown frame");
	}
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	enum stage stage = NONE;
	struct frame f;
	enum io r;

	if (program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED, "") != argc)
		die(EXIT_PERM, "takes no operands");
	serve(argv, SERVE_AT_FIRST_BYTE, (unsigned)conf.max_sessions + SPARE);
	if (!dns_open_resolver(&dns, conf.resolver))
		die_sys(EXIT_TEMP, "cannot open the resolver");
	resolve_init(&resolver, &dns);
	if (!signatures_init(&resolver))
		die(EXIT_TEMP, "out of memory");
	limit();
	give_up_the_rest(&conf);
	chan_init(&chan, 0, 1);
	judgement_init(&judgement, &conf, &resolver);
	while ((r = chan_recv(&chan, &f, patience(&conf))) == IO_OK)
		take(&conf, &f, &stage);
	if (r != IO_EOF)
		die_sys(EXIT_TEMP, "the conversation broke off");
	return EXIT_OK;
}
