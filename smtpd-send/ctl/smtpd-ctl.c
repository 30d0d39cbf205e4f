/* SPDX-License-Identifier: ISC */
/* smtpd-ctl: the operator looks at the queue, and tells smtpd-send. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl-message.h"
#include "helper.h"
#include "link.h"
#include "program.h"

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
static struct link scheduler;
static struct chan_room room;
static struct ctl_queue queue = { .conf = &conf, .dir = -1 };

static _Noreturn void
ctl_usage(void)
{
	die(EXIT_PERM, "usage: smtpd-ctl %s", USAGE);
}

/* --- the conversation ------------------------------------------------------- */

/* False with errno: smtpd-send does not run. */
static bool
ctl_dial(void)
{
	int fd;

	if (conf.control[0] == '\0')
		die(EXIT_PERM, "the setting 'control' is empty");
	link_init(&scheduler, &room, NULL, &conf);
	fd = helper_dial(conf.control);
	if (fd != -1)
		link_adopt(&scheduler, fd);
	return fd != -1;
}

/* For the log: the login name of the operator, as far as we know it. */
static void
ctl_introduce(void)
{
	const char *name = getuid() == 0 ? getenv("SUDO_USER") : NULL;
	const struct passwd *pw;

	if (name == NULL || *name == '\0') {
		pw = getpwuid(getuid());
		if (pw == NULL)
			return;
		name = pw->pw_name;
	}
	link_send(&scheduler, 'u', span_str(name));
}

/*
 * Asks, and hears what is said of the queue until K, X or Z, which is *f then.
 * False: the conversation is lost.
 */
static bool
ctl_ask(const char *verb, const char *what, const char *route, struct frame *f)
{
	struct sbuf b;

	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	sbuf_adds(&b, verb);
	if (what != NULL)
		sbuf_addf(&b, " %s", what);
	if (route != NULL)
		sbuf_addf(&b, " %s", route);
	if (b.bad)
		die(EXIT_PERM, "that is too long");
	link_send(&scheduler, 'O', sbuf_span(&b));
	link_flush(&scheduler);
	sbuf_free(&b);
	while (link_receive(&scheduler, f)) {
		if (f->tag == 'K' || f->tag == 'X' || f->tag == 'Z')
			return true;
		if (!ctl_queue_hear(&queue, f->tag, f->payload))
			die(EXIT_TEMP, "smtpd-send says too much");
	}
	return false;
}

/* An order that smtpd-send must hear; its last word is *f. */
static void
ctl_order(const char *verb, const char *what, const char *route,
    struct frame *f)
{
	static bool begun;

	if (!begun) {
		if (!ctl_dial())
			die_sys(EXIT_TEMP, "cannot reach smtpd-send at '%s'",
			    conf.control);
		ctl_introduce();
		queued_confine(&conf, -1);
		begun = true;
	}
	if (!ctl_ask(verb, what, route, f))
		die(EXIT_TEMP, "smtpd-send: %s", scheduler.why);
}

static enum exitcode
ctl_refused(const char *what, const struct frame *f)
{
	warn("%s%s%.*s", what, *what != '\0' ? ": " : "", (int)f->payload.n,
	    f->payload.p);
	return f->tag == 'X' ? EXIT_PERM : EXIT_TEMP;
}

/* --- the queue, and what smtpd-send adds ------------------------------------ */

/*
 * Opens the queue, and asks smtpd-send. It is asked as the user that we are:
 * root becomes the owner of the queue when it opens that.
 */
static void
ctl_look_at_queue(const char *verb, const char *id)
{
	bool there = ctl_dial();
	const char *why = strerror(errno);
	struct frame f;

	if (there)
		ctl_introduce();
	queue.dir = queued_dir(conf.queue);
	if (queue.dir == -1 && !there)
		die_sys(EXIT_TEMP, "cannot open '%s'", conf.queue);
	queued_confine(&conf, queue.dir);
	ctl_table_init(&queue.live);
	if (!there || !ctl_ask(verb, id, NULL, &f)) {
		warn("smtpd-send is not there (%s): only the queue's files are"
		     " shown",
		    there ? scheduler.why : why);
		ctl_table_free(&queue.live);
		ctl_table_init(&queue.live);
	} else if (f.tag != 'K') {
		exit(ctl_refused(id != NULL ? id : "", &f));
	}
	if (queue.dir == -1)
		die(EXIT_TEMP, "cannot open '%s'", conf.queue);
}

/* --- the commands ----------------------------------------------------------- */

static uint64_t
parse_time(const char *s)
{
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };
	struct span t = span_str(s), units = SPAN("smhd");
	uint64_t n, unit = t.n > 1 ? span_find(units, t.p[t.n - 1]) : units.n;

	if (unit < units.n)
		t.n--;
	if (!span_u64(t, UINT32_MAX, &n))
		die(EXIT_PERM, "'%s' is not a time: 30s, 15m, 4h, 2d", s);
	return unit < units.n ? n * seconds[unit] : n;
}

static enum ctl_by
parse_by(const char *s)
{
	if (strcmp(s, "age") == 0)
		return CTL_BY_AGE;
	if (strcmp(s, "destination") == 0)
		return CTL_BY_DESTINATION;
	if (strcmp(s, "sender") == 0)
		return CTL_BY_SENDER;
	die(EXIT_PERM, "--by age, destination or sender, not '%s'", s);
}

/* Gives the index of the first word that is no option. */
static int
parse_choice(char *argv[], struct ctl_choice *c)
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
			ctl_usage();
		if (strcmp(name, "--by") == 0)
			c->by = parse_by(argv[++i]);
		else if (strcmp(name, "--to") == 0)
			c->to = argv[++i];
		else if (strcmp(name, "--from") == 0)
			c->from = argv[++i];
		else if (strcmp(name, "--older") == 0)
			c->older = parse_time(argv[++i]);
		else
			ctl_usage();
	}
	return i;
}

static enum exitcode
command_list(const char *verb, char *argv[])
{
	struct ctl_choice choice = { .by = CTL_BY_AGE };

	if (argv[parse_choice(argv, &choice)] != NULL)
		ctl_usage();
	ctl_look_at_queue(verb, NULL);
	if (!ctl_list(&queue, &choice))
		die_sys(EXIT_TEMP, "cannot list the queue");
	return EXIT_OK;
}

static enum exitcode
command_show(const char *verb, char *argv[])
{
	struct ctl_choice choice = { .by = CTL_BY_AGE };
	enum queued_result r;
	const char *id;

	argv += parse_choice(argv, &choice);
	id = argv[0];
	if (id == NULL || argv[1] != NULL)
		ctl_usage();
	if (!queue_id_valid(span_str(id))) {
		warn("%s: not a message id", id);
		return EXIT_PERM;
	}
	ctl_look_at_queue(verb, id);
	r = ctl_show(&queue, id, choice.json);
	if (r == QUEUED_OK)
		return EXIT_OK;
	if (r == QUEUED_IOERR)
		die_sys(EXIT_TEMP, "cannot read '%s'", id);
	warn("%s: no such message in the queue", id);
	return EXIT_PERM;
}

static enum exitcode
one_order(const char *verb, const char *what, const char *route)
{
	struct frame f;

	ctl_order(verb, what, route, &f);
	if (f.tag != 'K')
		return ctl_refused(what, &f);
	(void)printf("%s: %.*s\n", what, (int)f.payload.n, f.payload.p);
	return EXIT_OK;
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
		ctl_usage();
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
		ctl_usage();
	return one_order(verb, argv[0], argv[1]);
}

/* As the queue's file says: smtpd-send need not run. */
static enum exitcode
command_paused(const char *verb, char *argv[])
{
	(void)verb;
	if (argv[0] != NULL)
		ctl_usage();
	queue.dir = queued_dir(conf.queue);
	if (queue.dir == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", conf.queue);
	queued_confine(&conf, queue.dir);
	if (!queued_paused(queue.dir, &queue.paused))
		die_sys(EXIT_TEMP, "cannot read what is paused");
	(void)fputs(queue.paused.s, stdout);
	return EXIT_OK;
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
	ctl_usage();
}

int
main(int argc, char *argv[])
{
	int first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
	    USAGE);
	const struct command *command;
	enum exitcode e;

	if (first == argc)
		ctl_usage();
	command = find_command(argv[first]);
	e = command->run(command->name, argv + first + 1);
	if (fflush(stdout) == EOF || ferror(stdout) != 0)
		die_sys(EXIT_TEMP, "cannot write the answer");
	return e;
}
