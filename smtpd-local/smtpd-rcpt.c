/* SPDX-License-Identifier: ISC */
/* smtpd-rcpt: knows whether a local recipient exists, and who gets its mail. */
#include <errno.h>
#include <unistd.h>

#include "confine.h"
#include "program.h"
#include "rcpt-loop.h"
#include "serve.h"
#include "startup.h"

/* One conversation on 0 and 1, which may be pipes. */
static int
converse(struct rcpt_table *table, instant patience_ms)
{
	static struct chan chan;
	static struct sbuf out;
	struct frame f;
	enum io r;

	chan_init(&chan, 0, 1);
	sbuf_init(&out, RCPT_ANSWER_MAX);
	while ((r = chan_recv(&chan, &f, NEVER)) == IO_OK) {
		sbuf_reset(&out);
		rcpt_answer(table, &f, &out);
		if (out.bad)
			die(EXIT_TEMP, "no memory for an answer");
		if (io_write(1, out.s, out.len, clock_in(patience_ms)) != IO_OK)
			die_sys(EXIT_TEMP, "cannot answer");
	}
	if (r != IO_EOF)
		die_sys(EXIT_TEMP, "cannot read a request");
	return EXIT_OK;
}

/*
 * NSS modules load libraries, read files anywhere and connect to daemons
 * (systemd, sssd, ldap), as the system's nsswitch.conf says. So what nobody
 * needs for that is listed, and no file is written.
 */
static void
give_up_rights(const struct conf *conf)
{
	static const struct confine keep = { .kind = CONFINE_MODULES,
		.paths = { { "/", CONFINE_READ } } };

	confine(&keep, conf);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct rcpt_table table;
	int listener;

	if (program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED, "") < argc)
		die(EXIT_PERM, "no operands are known");
	listener = serve_listener();
	if (listener >= 0)
		confine_report();
	give_up_rights(&conf);
	startup_sentinel(&conf);
	rcpt_table_open(&table, &conf);
	if (listener >= 0)
		rcpt_loop(listener, &table);
	return converse(&table, conf.helper_timeout * 1000);
}
