/* SPDX-License-Identifier: ISC */
/* Becomes the recipient, for good. Everything that a delivery does with root's
 * rights is in this file; read it first. */
#include <sys/syscall.h>

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "child.h"
#include "frame.h"
#include "log.h"

bool
child_plan(struct child_plan *p, const char *program, const struct conf *conf)
{
	unsigned n = 0;

	p->argv = calloc(conf->nargs + 3, sizeof(*p->argv));
	if (p->argv == NULL)
		return false;
	p->argv[n++] = program;
	for (unsigned i = 0; i < conf->nargs; i++)
		p->argv[n++] = conf->args[i];
	p->home = &p->argv[n];
	p->drop = conf->mailbox_root[0] == '\0';
	return true;
}

_Noreturn static void
child_give_up(const struct user *u, const char *what)
{
	warn_sys("delivery to '%s': %s '%s'", u->name, what, u->home);
	(void)frame_say(1, 'Z',
	    SPAN("451 4.3.0 Mailbox is unavailable, try again later"));
	_exit(EXIT_TEMP);
}

/* No right of root is left, and no call brings one back. */
static bool
child_is_for_good(const struct user *u)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (u->uid == 0 || getresuid(&ruid, &euid, &suid) < 0 ||
	    getresgid(&rgid, &egid, &sgid) < 0)
		return false;
	if (ruid != u->uid || euid != u->uid || suid != u->uid ||
	    rgid != u->gid || egid != u->gid || sgid != u->gid ||
	    getgroups(0, NULL) != 0)
		return false;
	if (setuid(0) == 0 || seteuid(0) == 0 || setresuid(0, 0, 0) == 0 ||
	    setgroups(0, NULL) == 0)
		return false;
	return u->gid == 0 || (setgid(0) < 0 && setegid(0) < 0);
}

/*
 * No supplementary groups: the user's own uid opens the home, and asking NSS
 * for the groups would cost more than the rest of a delivery.
 */
static void
child_become(const struct user *u)
{
	if (setgroups(0, NULL) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
	    setresuid(u->uid, u->uid, u->uid) < 0)
		child_give_up(u, "cannot become the owner of");
	if (!child_is_for_good(u))
		_exit(EXIT_BUG);
}

static void
child_reset_signals(void)
{
	sigset_t none;

	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void
child_run(struct child_plan *p, const struct user *u, int conn)
{
	char *const no_environment[] = { NULL };

	child_reset_signals();
	/* Our own descriptors are close-on-exec; a library's might not be. */
	if (dup2(conn, 0) < 0 || dup2(conn, 1) < 0)
		_exit(EXIT_TEMP);
	(void)syscall(SYS_close_range, 3U, ~0U, 0U);
	(void)setsid();
	if (p->drop)
		child_become(u);
	/*
	 * Only now: the path is the user's, so only the user's rights may act
	 * on it.
	 */
	if (chdir(u->home) < 0)
		child_give_up(u, "cannot enter");
	*p->home = u->home;
	execve(p->argv[0], (char *const *)(uintptr_t)p->argv, no_environment);
	child_give_up(u, "cannot start smtpd-local in");
}

/*
 * Not vfork: between the drop and the exec the child already belongs to the
 * user, who could stop us by stopping it.
 */
pid_t
child_start(struct child_plan *p, const struct user *u, int conn)
{
	pid_t pid = fork();

	if (pid == 0)
		child_run(p, u, conn);
	return pid;
}
