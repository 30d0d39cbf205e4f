/* SPDX-License-Identifier: ISC */
/* smtpd-audit: proves from log and queue that no message was lost. */
#include <stdio.h>
#include <stdlib.h>

#include "balance.h"
#include "program.h"
#include "queued.h"
#include "source.h"

static void
print(const char *name, uint64_t n)
{
	(void)printf("%-10s  %llu\n", name, (unsigned long long)n);
}

static void
print_totals(const struct totals *t)
{
	print("messages", t->messages);
	print("recipients", t->recipients);
	print("delivered", t->delivered);
	print("bounced", t->bounced);
	print("expired", t->expired);
	print("dropped", t->dropped);
	print("discarded", t->discarded);
	print("waiting", t->waiting);
	print("held", t->held);
	print("meanwhile", t->meanwhile);
	print("older", t->older);
	print("again", t->again);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	static struct ledger ledger;
	static struct balance balance;
	struct source *logs;
	int first, n, dir;

	first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
	    "[log ...]");
	logs = source_open(argv + first, argc - first, &n);
	dir = queued_dir(conf.queue);
	if (dir == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", conf.queue);
	queued_confine(&conf, dir);
	ledger_init(&ledger);
	balance_begin(&balance, &ledger, dir);
	source_read(logs, n, ledger_line, &ledger);
	free(logs);
	balance_end(&balance);
	print_totals(&ledger.totals);
	finding_print(&ledger.findings);
	if (fflush(stdout) != 0 || ferror(stdout))
		die_sys(EXIT_TEMP, "cannot write the report");
	return finding_status(&ledger.findings);
}
