/* SPDX-License-Identifier: ISC */
/* smtpd-ctl: the operator looks at the queue, and tells smtpd-send. */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "confine.h"
#include "frame.h"
#include "program.h"
#include "report.h"

#define USAGE \
	"list [--json] [--count] [--by age|destination|sender]\n" \
	"                 [--to DESTINATION] [--from SENDER] [--older TIME]\n" \
	"       smtpd-ctl show [--json] ID\n" \
	"       smtpd-ctl retry ID ...|DESTINATION|all\n" \
	"       smtpd-ctl hold|release|remove|bounce ID ...\n" \
	"       smtpd-ctl reroute ID|DESTINATION ROUTE\n" \
	"       smtpd-ctl pause|resume DESTINATION\n" \
	"       smtpd-ctl paused"

static struct conf conf;
static struct chan chan;
static struct report report;

static _Noreturn void
usage(void)
{
	die(EXIT_PERM, "usage: smtpd-ctl %s", USAGE);
}

/* --- the conversation ------------------------------------------------------------- */

static instant
patience(void)
{
	return clock_in(conf.helper_timeout * 1000);
}

static void
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(conf.control);
	int fd;

	if (n == 0)
		die(EXIT_PERM, "the setting 'control' is empty");
	if (n >= sizeof(sun.sun_path))
		die(EXIT_PERM, "control: '%s' is too long", conf.control);
	memcpy(sun.sun_path, conf.control, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		die_sys(EXIT_TEMP, "cannot reach smtpd-send at '%s'",
		    conf.control);
	chan_init(&chan, fd, fd);
}

static void
give_up_the_rest(void)
{
	static const struct confine keep = {
		.calls = { SYS_ioctl, SYS_fstat, SYS_newfstatat, SYS_getrandom }
	};

	confine(&keep, &conf);
}

static _Noreturn void
lost(enum io io)
{
	if (io == IO_ERROR)
		die_sys(EXIT_TEMP, "smtpd-send");
	die(EXIT_TEMP, "smtpd-send %s",
	    io == IO_EOF ? "has ended the conversation" : "does not answer");
}

/* For the log: who sits there, as far as we know. */
static void
introduce(void)
{
	const char *name = getuid() == 0 ? getenv("SUDO_USER") : NULL;
	const struct passwd *pw;

	if (name == NULL || *name == '\0') {
		pw = getpwuid(getuid());
		if (pw == NULL)
			return;
		name = pw->pw_name;
	}
	if (chan_send(&chan, 'u', span_str(name), patience()) != IO_OK)
		lost(IO_ERROR);
}

/* Once it is clear what is wanted. */
static void
begin(void)
{
	static bool begun;

	if (begun)
		return;
	begun = true;
	dial();
	introduce();
	give_up_the_rest();
}

static void
send_order(const char *verb, const char *what, const char *route)
{
	struct sbuf b;
	enum io io;

	begin();
	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	sbuf_adds(&b, verb);
	if (what != NULL)
		sbuf_addf(&b, " %s", what);
	if (route != NULL)
		sbuf_addf(&b, " %s", route);
	if (b.bad)
		die(EXIT_PERM, "that is too long");
	io = chan_send(&chan, 'O', sbuf_span(&b), patience());
	if (io == IO_OK)
		io = chan_flush(&chan, patience());
	/* EPIPE: it may have said why. */
	if (io != IO_OK && !(io == IO_ERROR && errno == EPIPE))
		lost(io);
	sbuf_free(&b);
}

/* Until K, X or Z; each has the others. Gives that one. */
static char
hear(struct frame *f, bool (*each)(const struct frame *))
{
	enum io io;

	for (;;) {
		io = chan_recv(&chan, f, patience());
		if (io != IO_OK)
			lost(io);
		if (f->tag == 'K' || f->tag == 'X' || f->tag == 'Z')
			return f->tag;
		if (!each(f))
			die(EXIT_TEMP, "what smtpd-send says is too much");
	}
}

static bool
to_report(const struct frame *f)
{
	return report_take(&report, f->tag, f->payload);
}

static bool
print_paused(const struct frame *f)
{
	struct span target = f->payload;

	(void)span_cut(&target, ' ');
	if (f->tag == 'P')
		(void)printf("%.*s\n", (int)target.n, target.p);
	return true;
}

static enum exitcode
refused(const char *what, const struct frame *f)
{
	warn("%s%s%.*s", what, *what != '\0' ? ": " : "", (int)f->payload.n,
	    f->payload.p);
	return f->tag == 'X' ? EXIT_PERM : EXIT_TEMP;
}

/* --- the commands ------------------------------------------------------------------ */

static uint64_t
parse_time(const char *s)
{
	static const char names[] = "smhd";
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };
	struct span t = span_str(s);
	uint64_t unit = 1, n;

	for (size_t i = 0; t.n > 1 && i < nitems(seconds); i++)
		if (t.p[t.n - 1] == names[i]) {
			unit = seconds[i];
			t.n--;
			break;
		}
	if (!span_u64(t, UINT32_MAX, &n))
		die(EXIT_PERM, "'%s' is not a time: 30s, 15m, 4h, 2d", s);
	return n * unit;
}

static enum report_by
parse_by(const char *s)
{
	if (strcmp(s, "age") == 0)
		return BY_AGE;
	if (strcmp(s, "destination") == 0)
		return BY_DESTINATION;
	if (strcmp(s, "sender") == 0)
		return BY_SENDER;
	die(EXIT_PERM, "--by age, destination or sender, not '%s'", s);
}

/* Gives the index of the first word that is no option. */
static int
parse_choice(char *argv[], struct report_choice *c)
{
	int i;

	for (i = 0; argv[i] != NULL && argv[i][0] == '-'; i++) {
		const char *name = argv[i];

		if (strcmp(name, "--json") == 0) {
			c->json = true;
			continue;
		}
		if (strcmp(name, "--count") == 0) {
			c->count = true;
			continue;
		}
		if (argv[i + 1] == NULL)
			usage();
		if (strcmp(name, "--by") == 0)
			c->by = parse_by(argv[++i]);
		else if (strcmp(name, "--to") == 0)
			c->to = argv[++i];
		else if (strcmp(name, "--from") == 0)
			c->from = argv[++i];
		else if (strcmp(name, "--older") == 0)
			c->older = parse_time(argv[++i]);
		else
			usage();
	}
	return i;
}

static enum exitcode
command_list(const char *verb, char *argv[])
{
	struct report_choice choice = { .by = BY_AGE };
	struct frame f;

	if (argv[parse_choice(argv, &choice)] != NULL)
		usage();
	report_init(&report);
	send_order(verb, NULL, NULL);
	if (hear(&f, to_report) != 'K')
		return refused("", &f);
	if (!report_list(&report, &choice))
		die_sys(EXIT_TEMP, "cannot sort the list");
	return EXIT_OK;
}

static enum exitcode
command_show(const char *verb, char *argv[])
{
	struct report_choice choice = { .by = BY_AGE };
	struct frame f;
	const char *id;

	argv += parse_choice(argv, &choice);
	id = argv[0];
	if (id == NULL || argv[1] != NULL)
		usage();
	report_init(&report);
	send_order(verb, id, NULL);
	if (hear(&f, to_report) != 'K')
		return refused(id, &f);
	report_show(&report, choice.json);
	return EXIT_OK;
}

static enum exitcode
one_order(const char *verb, const char *what, const char *route)
{
	enum exitcode e = EXIT_OK;
	struct frame f;

	report_init(&report);
	send_order(verb, what, route);
	if (hear(&f, to_report) != 'K')
		e = refused(what, &f);
	else
		(void)printf("%s: %.*s\n", what, (int)f.payload.n, f.payload.p);
	report_free(&report);
	return e;
}

/* "-": as many as there are lines on the standard input. */
static enum exitcode
orders_of_input(const char *verb)
{
	enum exitcode worst = EXIT_OK, e;
	char line[256];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0')
			continue;
		e = one_order(verb, line, NULL);
		worst = e > worst ? e : worst;
	}
	return worst;
}

static enum exitcode
command_each(const char *verb, char *argv[])
{
	enum exitcode worst = EXIT_OK, e;

	if (argv[0] == NULL)
		usage();
	for (; argv[0] != NULL; argv++) {
		e = strcmp(argv[0], "-") == 0 ? orders_of_input(verb) :
						one_order(verb, argv[0], NULL);
		worst = e > worst ? e : worst;
	}
	return worst;
}

static enum exitcode
command_route(const char *verb, char *argv[])
{
	if (argv[0] == NULL || argv[1] == NULL || argv[2] != NULL)
		usage();
	return one_order(verb, argv[0], argv[1]);
}

static enum exitcode
command_paused(const char *verb, char *argv[])
{
	struct frame f;

	if (argv[0] != NULL)
		usage();
	send_order(verb, NULL, NULL);
	return hear(&f, print_paused) == 'K' ? EXIT_OK : refused("", &f);
}

static const struct command {
	const char *name;
	enum exitcode (*run)(const char *verb, char *argv[]);
} commands[] = {
	{ "list", command_list },
	{ "show", command_show },
	{ "retry", command_each },
	{ "hold", command_each },
	{ "release", command_each },
	{ "remove", command_each },
	{ "bounce", command_each },
	{ "reroute", command_route },
	{ "pause", command_each },
	{ "resume", command_each },
	{ "paused", command_paused },
};

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < nitems(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	usage();
}

int
main(int argc, char *argv[])
{
	int first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
	    USAGE);
	const struct command *command;
	enum exitcode e;

	if (first == argc)
		usage();
	command = find_command(argv[first]);
	e = command->run(command->name, argv + first + 1);
	if (fflush(stdout) == EOF || ferror(stdout) != 0)
		die_sys(EXIT_TEMP, "cannot write the answer");
	return e;
}
