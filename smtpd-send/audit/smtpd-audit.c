/* SPDX-License-Identifier: ISC */
/* smtpd-audit: proves from log and queue that no message was lost. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "balance.h"
#include "confine.h"
#include "program.h"
#include "queuedir.h"
#include "source.h"

/* What strangers said stands in the log: parse it with nothing to lose. */
static void
give_up_rights(const struct conf *conf)
{
	static const int calls[] = { SYS_read, SYS_write, SYS_writev,
		SYS_openat, SYS_pread64, SYS_close, SYS_fstat, SYS_newfstatat,
		SYS_getdents64, SYS_lseek, SYS_fcntl, SYS_ioctl, SYS_ppoll,
#ifdef SYS_poll
		SYS_poll,
#endif
#ifdef SYS_open
		SYS_open,
#endif
		SYS_clock_gettime, SYS_brk, SYS_mmap, SYS_mremap, SYS_munmap,
		SYS_mprotect, SYS_madvise, SYS_rt_sigreturn,
		SYS_restart_syscall, SYS_exit_group };
	const struct confine_path paths[] = { { conf->queue, CONFINE_READ } };
	const struct confine c = { .calls = calls,
		.ncalls = nitems(calls),
		.paths = paths,
		.npaths = nitems(paths) };

	if (!confine(&c, conf))
		die_sys(EXIT_TEMP, "cannot confine itself");
}

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
	struct ledger ledger;
	struct balance balance;
	struct source *logs;
	int first, n, dir;

	first = program_start(argc, argv, &conf, PROGRAM_MAY_BE_ROOT,
	    "[log ...]");
	logs = source_open(argv + first, argc - first, &n);
	dir = queuedir_open(conf.queue);
	if (dir == -1)
		die_sys(EXIT_TEMP, "cannot open '%s'", conf.queue);
	give_up_rights(&conf);
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
