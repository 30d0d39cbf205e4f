/* SPDX-License-Identifier: ISC */
/* A program gives away, for good, what it no longer needs. */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "confine.h"
#include "log.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "name the AUDIT_ARCH_ of this architecture here"
#endif

/* Rights that are younger than the headers we are built with. */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */

#define PATHS_MAX 16
#define CALLS_MAX 120
#define FAMILIES_MAX 4
#define FILTER_MAX (2 * CALLS_MAX + FAMILIES_MAX + 12)
#define JUMP_MAX 230 /* nodes: a jump reaches 255 instructions */

/* --- Landlock: which files --------------------------------------------- */

#define FS_FILE_READ LANDLOCK_ACCESS_FS_READ_FILE
#define FS_FILE_WRITE \
	(FS_FILE_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define FS_READ (FS_FILE_READ | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE \
	(FS_READ | FS_FILE_WRITE | LANDLOCK_ACCESS_FS_MAKE_REG | \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER)

static uint64_t
rights(enum confine_right right, bool dir)
{
	switch (right) {
	case CONFINE_READ:
		return dir ? FS_READ : FS_FILE_READ;
	case CONFINE_WRITE:
		break;
	}
	return dir ? FS_WRITE : FS_FILE_WRITE;
}

static bool
grant(int ruleset, const struct confine_path *path, uint64_t handled)
{
	struct landlock_path_beneath_attr rule;
	struct stat st;
	bool ok;

	rule.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd == -1)
		return false;
	ok = fstat(rule.parent_fd, &st) == 0;
	rule.allowed_access = handled &
	    rights(path->right, ok && S_ISDIR(st.st_mode));
	ok = ok &&
	    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&rule, 0) == 0;
	(void)close(rule.parent_fd);
	return ok;
}

/*
 * Which Landlock there is: 0 for none to speak of, as the first ABI forbids
 * every rename between directories, which a Maildir needs; -1 on failure.
 */
static long
landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	/* EPERM: the filter of a container (systemd-nspawn's) is before it. */
	if (abi == -1)
		return errno == ENOSYS || errno == EOPNOTSUPP ||
			errno == EPERM ?
		    0 :
		    -1;
	return abi < 2 ? 0 : abi;
}

/*
 * Gives the ruleset's descriptor, -1 on failure, -2 where there is none to
 * make, and the filter must do alone.
 */
static int
make_ruleset(const struct confine *c)
{
	struct landlock_ruleset_attr attr;
	int ruleset, saved;
	long abi = c->all_files ? 0 : landlock_abi();

	if (abi <= 0)
		return abi == 0 ? -2 : -1;
	attr.handled_access_fs = (LANDLOCK_ACCESS_FS_REFER << 1) - 1;
	if (abi >= 3)
		attr.handled_access_fs |= FS_TRUNCATE;
	if (abi >= 5)
		attr.handled_access_fs |= FS_IOCTL_DEV;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
	    sizeof(attr.handled_access_fs), 0);
	if (ruleset == -1)
		return -1;
	for (size_t i = 0; i < c->npaths; i++)
		if (!grant(ruleset, &c->paths[i], attr.handled_access_fs)) {
			saved = errno;
			(void)close(ruleset);
			errno = saved;
			return -1;
		}
	return ruleset;
}

/* --- seccomp: which calls ---------------------------------------------- */

/* What no module of NSS or PAM does, and who breaks in would like to do. */
const int confine_modules[] = { SYS_execve, SYS_execveat, SYS_listen,
	SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp,
	SYS_perf_event_open, SYS_bpf, SYS_userfaultfd, SYS_io_uring_setup,
	SYS_pidfd_getfd, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot,
	SYS_unshare, SYS_setns, SYS_open_by_handle_at, SYS_init_module,
	SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot,
	SYS_swapon, SYS_swapoff, SYS_acct, SYS_settimeofday, SYS_clock_settime,
	SYS_sethostname, SYS_setdomainname, SYS_quotactl, SYS_syslog };

/* Numbers of another calling convention of x86-64 begin here: no way round. */
#define X32_CALLS 0x40000000u

/*
 * The allowed numbers as the ends of ranges: nr is allowed when an odd number
 * of them is <= nr. The kernel runs a filter for every call number when it
 * is loaded, and compiles it: a search tree over few ranges is the cheapest
 * to do both with.
 */
struct table {
	uint32_t ends[2 * CALLS_MAX + 1];
	unsigned n;
};

static void
make_table(struct table *t, const int *calls, size_t n)
{
	int sorted[CALLS_MAX];

	/* Every exec pays for this: for so few, by hand is the cheapest. */
	for (size_t i = 0, at; i < n; i++) {
		for (at = i; at > 0 && sorted[at - 1] > calls[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = calls[i];
	}
	t->n = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t nr = (uint32_t)sorted[i];

		if (t->n > 0 && nr < t->ends[t->n - 1])
			continue; /* twice in the list */
		if (t->n > 0 && nr == t->ends[t->n - 1]) {
			t->ends[t->n - 1]++;
			continue;
		}
		t->ends[t->n++] = nr;
		t->ends[t->n++] = nr + 1;
	}
}

/* Where the search goes on when ends[lo..hi) remain, and at is the first. */
static unsigned
target(unsigned lo, unsigned hi, unsigned at, unsigned verdicts)
{
	return lo < hi ? at : verdicts + lo % 2;
}

/*
 * Nodes for ends[lo..hi), the first at f[at]; verdicts: for an even number
 * of ends, then for an odd one.
 */
static void
make_tree(struct sock_filter *f, const struct table *t, unsigned lo,
    unsigned hi, unsigned at, unsigned verdicts)
{
	unsigned mid = lo + (hi - lo) / 2;
	unsigned left = at + 1, right = left + (mid - lo);

	if (lo == hi)
		return;
	f[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K,
	    t->ends[mid],
	    (uint8_t)(target(mid + 1, hi, right, verdicts) - at - 1),
	    (uint8_t)(target(lo, mid, left, verdicts) - at - 1));
	make_tree(f, t, lo, mid, left, verdicts);
	make_tree(f, t, mid + 1, hi, right, verdicts);
}

/* socket() is sent to a verdict by its first argument. Gives where we are. */
static unsigned
make_families(struct sock_filter *f, const struct confine *c, unsigned at,
    unsigned allowed, unsigned refused)
{
	if (c->nfamilies == 0)
		return at;
	f[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
	    SYS_socket, 0, (uint8_t)(c->nfamilies + 2));
	/* An int: the kernel takes no more than the lower half, as we do. */
	f[at + 1] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, args[0]));
	at += 2;
	for (size_t i = 0; i < c->nfamilies; i++, at++)
		f[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    (uint32_t)c->families[i], (uint8_t)(allowed - at - 1), 0);
	f[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, refused - at - 1,
	    0, 0);
	return at + 1;
}

/* Are they what is forbidden, and all else is not? */
static bool
is_denied_list(const int *calls)
{
	return calls == confine_modules || calls == confine_spawners;
}

/* Its calls are what is forbidden, or else what is allowed. */
static void
make_rules(struct table *t, const struct confine *c, bool deny)
{
	if (is_denied_list(c->calls))
		make_table(t, c->calls,
		    nitems(confine_modules) -
			(size_t)(c->calls - confine_modules));
	else
		make_table(t, c->calls, c->ncalls);
	if (deny)
		t->ends[t->n++] = X32_CALLS;
}

static bool
filter_calls(const struct confine *c, bool deny, uint32_t denied)
{
	struct sock_filter f[FILTER_MAX];
	struct sock_fprog prog = { .filter = f };
	struct table t;
	unsigned at = 3, verdicts, refused, allowed;

	make_rules(&t, c, deny);
	if (t.n > JUMP_MAX) {
		errno = E2BIG;
		return false;
	}
	if (c->nfamilies > 0)
		at += (unsigned)c->nfamilies + 3;
	verdicts = at + t.n;
	refused = verdicts + (deny ? 1 : 0);
	allowed = verdicts + (deny ? 0 : 1);
	f[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, arch));
	f[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0,
	    (uint8_t)(refused - 2));
	f[2] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, nr));
	at = make_families(f, c, 3, allowed, refused);
	make_tree(f, &t, 0, t.n, at, verdicts);
	f[allowed] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
	    SECCOMP_RET_ALLOW);
	f[refused] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, denied);
	prog.len = (unsigned short)(verdicts + 2);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0 ||
	    errno == ENOSYS;
}

void
confine_report(void)
{
	const uint32_t action = SECCOMP_RET_ERRNO;

	if (landlock_abi() <= 0)
		warn("this kernel has no Landlock (Linux 5.19): programs can "
		     "open the files that their users can");
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == -1 &&
	    errno == ENOSYS)
		warn("this kernel has no seccomp: programs can do what their "
		     "users can");
}

static bool
is_off(const struct conf *conf)
{
	return strcmp(conf->confine, "off") == 0;
}

/* What a forbidden call gets. */
static uint32_t
verdict(const struct conf *conf, bool may_kill)
{
	return may_kill && strcmp(conf->confine, "kill") == 0 ?
	    SECCOMP_RET_KILL_PROCESS :
	    SECCOMP_RET_ERRNO | EPERM;
}

static bool
restrict_files(const struct confine *c)
{
	int ruleset = make_ruleset(c), saved;
	bool ok;

	if (ruleset == -1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return false;
	if (ruleset == -2)
		return true;
	ok = syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	saved = errno;
	(void)close(ruleset);
	errno = saved;
	return ok;
}

bool
confine(const struct confine *c, const struct conf *conf)
{
	bool deny = is_denied_list(c->calls);

	if (is_off(conf))
		return true;
	if (c->ncalls > CALLS_MAX || c->npaths > PATHS_MAX ||
	    c->nfamilies > FAMILIES_MAX) {
		errno = E2BIG;
		return false;
	}
	return restrict_files(c) && filter_calls(c, deny, verdict(conf, !deny));
}

/* --- warm helpers -------------------------------------------------------- */

/*
 * What a child gives up first: to serve others, to fork, to look for files.
 * Each number makes the filter longer, which every child pays for: so these
 * are the ones that this libc calls.
 */
static const int given_up[] = {
	SYS_accept4,
	SYS_clone,
#if defined(SYS_fork) && !defined(__GLIBC__)
	SYS_fork,
	SYS_stat,
	SYS_access,
#else
	SYS_newfstatat,
	SYS_faccessat,
#endif
};

/* The same, where there is anything to dial. */
static const int dialling[] = { SYS_socket, SYS_connect };

/* What else the warm process calls, and the child before it has dialled. */
static const int serving[] = {
#ifdef SYS_epoll_wait
	SYS_epoll_wait, SYS_dup2, SYS_poll,
#endif
	SYS_epoll_pwait, SYS_epoll_ctl, SYS_dup3, SYS_ppoll, SYS_wait4,
	SYS_close, SYS_close_range, SYS_fcntl, SYS_fstat, SYS_getsockopt,
	SYS_setsockopt, SYS_getsockname, SYS_getpeername, SYS_sendmsg,
	SYS_sendto, SYS_recvmsg, SYS_recvfrom, SYS_read, SYS_write, SYS_writev,
	SYS_clock_gettime, SYS_getpid, SYS_gettid, SYS_getrandom,
	SYS_set_tid_address, SYS_set_robust_list, SYS_rt_sigprocmask,
	SYS_rt_sigaction, SYS_rt_sigreturn, SYS_restart_syscall, SYS_brk,
	SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_seccomp, SYS_exit,
	SYS_exit_group
};

static bool
has_call(const int *calls, size_t n, int call)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i] == call)
			return true;
	return false;
}

static size_t
add_calls(int *to, size_t n, const int *calls, size_t ncalls)
{
	for (size_t i = 0; i < ncalls; i++)
		if (n <= CALLS_MAX && !has_call(to, n, calls[i]))
			to[n++] = calls[i];
	return n; /* CALLS_MAX + 1: too many */
}

bool
confine_warm(const struct confine *c, const struct conf *conf)
{
	static const int dialled[] = { AF_UNIX };
	int calls[CALLS_MAX + 1];
	struct confine all = *c;

	all.calls = calls;
	all.ncalls = add_calls(calls, 0, c->calls, c->ncalls);
	all.ncalls = add_calls(calls, all.ncalls, serving, nitems(serving));
	all.ncalls = add_calls(calls, all.ncalls, given_up, nitems(given_up));
	if (c->dials) {
		all.ncalls = add_calls(calls, all.ncalls, dialling,
		    nitems(dialling));
		all.families = dialled;
		all.nfamilies = nitems(dialled);
	}
	return confine(&all, conf);
}

/* Those of the calls that it does not keep. */
static size_t
add_lost(int *to, size_t n, const struct confine *c, const int *calls,
    size_t ncalls)
{
	for (size_t i = 0; i < ncalls; i++)
		if (!has_call(c->calls, c->ncalls, calls[i]))
			to[n++] = calls[i];
	return n;
}

bool
confine_forked(const struct confine *c, const struct conf *conf)
{
	int calls[nitems(given_up) + nitems(dialling)];
	struct confine denied = { .calls = calls };

	if (is_off(conf))
		return true;
	denied.ncalls = add_lost(calls, 0, c, given_up, nitems(given_up));
	denied.ncalls = add_lost(calls, denied.ncalls, c, dialling,
	    nitems(dialling));
	return filter_calls(&denied, true, verdict(conf, true));
}
