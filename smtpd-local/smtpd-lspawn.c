/* SPDX-License-Identifier: ISC */
/* smtpd-lspawn: starts smtpd-local as the user whose mail is delivered. */
#include <sys/resource.h>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "confine.h"
#include "lspawn-loop.h"
#include "program.h"
#include "serve.h"
#include "startup.h"

#define NICE 10

/* The connection is moved off 0, which a child's will be. */
static int
connection(void)
{
	int conn = fcntl(0, F_DUPFD_CLOEXEC, 4), null;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (conn < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		die_sys(EXIT_TEMP, "cannot take over the connection");
	close(null);
	return conn;
}

static void
check_start(const struct conf *conf, const char *program)
{
	if (geteuid() == 0 && conf->mailbox_root[0] != '\0')
		die(EXIT_PERM, "mailbox_root is set: must not run as root");
	if (geteuid() != 0 && conf->mailbox_root[0] == '\0')
		die(EXIT_PERM,
		    "must run as root to deliver to system users, "
		    "or with mailbox_root as an ordinary user");
	if (program[0] != '/' || access(program, X_OK) < 0)
		die(EXIT_PERM, "'%s' is not the absolute path of a program",
		    program);
}

/* It holds for smtpd-local too: setuid files mean nothing to it. */
static void
give_up_rights(const struct conf *conf)
{
	static const struct confine keep = { .kind = CONFINE_SPAWNERS };

	confine(&keep, conf);
}

/*
 * Mail that comes in goes before mail that is here already: deliveries get
 * what it leaves of the processor, and do not interrupt it.
 */
static void
step_back(void)
{
	static const struct sched_param none = { 0 };

	(void)setpriority(PRIO_PROCESS, 0, NICE);
	(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	int first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
		"smtpd-local"),
	    listener;

	if (first + 1 != argc)
		die(EXIT_PERM, "expected the path of smtpd-local and no more");
	check_start(&conf, argv[first]);
	listener = serve_listener();
	step_back();
	if (listener >= 0)
		confine_report();
	give_up_rights(&conf);
	startup_sentinel(&conf);
	lspawn_loop(&conf, argv[first], listener,
	    listener < 0 ? connection() : -1);
	return EXIT_OK;
}
