/* SPDX-License-Identifier: ISC */
/* The adviser on mail of strangers: what is forged goes, and whose is it? */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "clean.h"
#include "envelope.h"
#include "frame.h"
#include "judgement.h"
#include "program.h"
#include "rehearse.h"
#include "serve.h"
#include "warm.h"

#define SPARE 64            /* conversations beside those of sessions */
#ifdef __SANITIZE_ADDRESS__ /* which reserves terabytes */
#define MEMORY_MAX RLIM_INFINITY
#else
#define MEMORY_MAX (512UL * 1024 * 1024)
#endif
#define CPU_SECONDS 20    /* for one message */
#define PIECE (64 * 1024) /* of the text, at a time */
#define FIELDS_ANSWER_MAX FRAME_PAYLOAD_MAX

struct judge {
	const struct conf *conf;
	/* What follows is for checks alone. */
	struct judgement judgement;
	struct resolve resolver;
	struct dns_resolver dns;
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

/* --- limits -------------------------------------------------------------- */

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

static const struct confine keep = { .calls = { SYS_getrandom, SYS_getpid,
					 SYS_gettid, SYS_tgkill } };

/*
 * Sockets to the resolver too, and what the libraries use. None of UNIX:
 * /run/smtpd/queue-user takes mail of everybody.
 */
static const struct confine check_keep = {
	.calls = { SYS_getrandom, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_fcntl,
	    SYS_socket, SYS_connect, SYS_bind, SYS_getsockname, SYS_getsockopt,
	    SYS_setsockopt, SYS_time, SYS_gettimeofday, SYS_setitimer,
	    SYS_futex, SYS_uname },
	.families = { AF_INET, AF_INET6 },
};

/* --- the advice ---------------------------------------------------------- */

static void
begin(void *context)
{
	struct judge *j = context;

	limit_message();
	dns_refresh(&j->dns);
	judgement_begin(&j->judgement);
	resolve_start(&j->resolver, dns_ms(j->conf));
}

static void
take_fact(void *context, struct span name, struct span value)
{
	struct judge *j = context;

	judgement_fact(&j->judgement, name, value);
}

static void
take_sender(void *context, struct span payload)
{
	struct judge *j = context;
	struct envelope_path path;

	if (envelope_sender(payload, &path))
		judgement_sender(&j->judgement, path.address.local,
		    path.address.domain);
}

static void
only_clean(void *context, const struct advise_text *text)
{
	struct judge *j = context;

	if (clean_text(text, j->conf->hostname))
		advise_pass();
}

static bool
read_all(struct judge *j, const struct advise_text *text)
{
	static char piece[PIECE];
	uint64_t at = 0;
	ssize_t n;

	while ((n = advise_read(text, at, piece, sizeof(piece))) > 0) {
		judgement_text(&j->judgement, span_of(piece, (size_t)n));
		at += (uint64_t)n;
	}
	return n == 0;
}

static void
give_verdict(struct judgement *j)
{
	struct sbuf fields;

	sbuf_init(&fields, FIELDS_ANSWER_MAX);
	judgement_end(j, &fields);
	if (fields.bad) {
		advise_later(SPAN("451 4.3.0 Out of memory"));
	} else {
		advise_top(sbuf_span(&fields));
		if (j->junk)
			advise_mark(SPAN("junk"));
		if (j->reply[0] != '\0')
			advise_refuse(span_str(j->reply));
		else
			advise_pass();
	}
	sbuf_free(&fields);
}

/* The octets are judged as they were received. */
static void
clean_and_check(void *context, const struct advise_text *text)
{
	struct judge *j = context;

	if (!clean_text(text, j->conf->hostname))
		return;
	if (read_all(j, text)) {
		give_verdict(&j->judgement);
		return;
	}
	warn_sys("cannot read the text");
	advise_later(ADVISE_LOCAL_ERROR);
}

static const struct adviser cleaner = { .text = only_clean };
static const struct adviser checker = { .begin = begin,
	.fact = take_fact,
	.sender = take_sender,
	.text = clean_and_check };

/* All that a fork can share; its socket it makes itself. */
static void
prepare_checks(struct judge *j)
{
	uint64_t since;

	if (!dns_init_resolver(&j->dns, j->conf->resolver))
		die_sys(EXIT_TEMP, "cannot use the resolver");
	resolve_init(&j->resolver, &j->dns);
	if (!dns_keep(&j->dns) || !signatures_init(&j->resolver))
		die(EXIT_TEMP, "out of memory");
	judgement_init(&j->judgement, j->conf, &j->resolver);
	if (warm_is(&since))
		rehearse(&j->resolver);
}

/*
 * The same without the libraries starts at a third of the price, and so do its
 * forks. Where it is not beside us we do what it does.
 */
static void
hand_over_to_clean(char *argv[])
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	size_t dir = n > 0 ? span_rfind(span_of(path, (size_t)n), '/') : 0;

	if (n <= 0)
		return;
	memcpy(path + dir, "/smtpd-clean", sizeof("/smtpd-clean"));
	(void)execv(path, argv);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	uint64_t since;
	static struct judge judge = { .conf = &conf };
	struct serve_how how = { .start = SERVE_AT_ACCEPT };
	bool checks;

	if (program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED, "") != argc)
		die(EXIT_PERM, "takes no operands");
	how.limit = (unsigned)conf.max_sessions + SPARE;
	checks = strcmp(conf.checks, "yes") == 0;
	if (!checks && warm_is(&since))
		hand_over_to_clean(argv);
	serve_warm(argv, &how);
	limit();
	if (checks)
		prepare_checks(&judge);
	serve_connections(checks ? &check_keep : &keep, &conf);
	serve_confine(checks ? &check_keep : &keep, &conf);
	return advise_run(checks ? &checker : &cleaner, &judge, &conf);
}
