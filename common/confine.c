/* SPDX-License-Identifier: ISC */
/* A program gives away, for good, what it no longer needs. */
#include <sys/mman.h>
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
#include <sched.h>
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

#define CALLS_MAX 160
#define ENDS_MAX 220 /* of ranges: a jump reaches 255 instructions */
#define FILTER_MAX (ENDS_MAX + 32)

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
confine_rights(enum confine_right right, bool dir)
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
grant_path(int ruleset, const struct confine_path *path, uint64_t handled)
{
	struct landlock_path_beneath_attr rule;
	struct stat st;
	bool ok;

	rule.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd == -1)
		return false;
	ok = fstat(rule.parent_fd, &st) == 0;
	rule.allowed_access = handled &
	    confine_rights(path->right, ok && S_ISDIR(st.st_mode));
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
	long abi = c->kind == CONFINE_SPAWNERS ? 0 : landlock_abi();

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
	for (size_t i = 0; i < CONFINE_PATHS_MAX && c->paths[i].path; i++)
		if (!grant_path(ruleset, &c->paths[i],
			attr.handled_access_fs)) {
			saved = errno;
			(void)close(ruleset);
			errno = saved;
			return -1;
		}
	return ruleset;
}

/* --- seccomp: which calls ---------------------------------------------- */

/*
 * What every program needs: to talk to its peer, to know the time, to have
 * memory, to handle a signal and to exit. A filter's price is its length, and
 * each range of numbers costs two instructions: beside those stand the calls
 * between them that do no more than they do (lseek, pwrite64, readv, msync,
 * mincore, recvfrom, clock_getres, ...).
 */
static const int base[] = { SYS_read, SYS_write, SYS_readv, SYS_writev,
	SYS_pread64, SYS_pwrite64, SYS_close, SYS_lseek,
#ifdef __x86_64__
	SYS_poll,
#endif
	SYS_ppoll, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg,
	SYS_shutdown, SYS_brk, SYS_munmap, SYS_mremap, SYS_msync, SYS_mincore,
	SYS_madvise, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
	SYS_restart_syscall, SYS_clock_gettime, SYS_clock_getres,
	SYS_clock_nanosleep, SYS_exit_group };

/*
 * What no module of NSS or PAM calls, but an attacker would: to run a program,
 * to listen, to look into other processes, to administer the machine.
 */
static const int denied[] = {
	SYS_execve,
	SYS_execveat, /* not to spawners */
	SYS_listen,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kcmp,
	SYS_pidfd_getfd,
	SYS_perf_event_open,
	SYS_bpf,
	SYS_userfaultfd,
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
	SYS_mount,
	SYS_umount2,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
	SYS_move_mount,
	SYS_open_tree,
	SYS_mount_setattr,
	SYS_pivot_root,
	SYS_chroot,
	SYS_unshare,
	SYS_setns,
	SYS_mknodat,
	SYS_open_by_handle_at,
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_kexec_file_load,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_acct,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_quotactl,
	SYS_syslog,
#ifdef __x86_64__
	SYS_mknod,
	SYS_iopl,
	SYS_ioperm,
#endif
};
#define FOR_SPAWNERS 2 /* the first of them that a spawner is denied */

/* Calls that an argument decides: with one of these bits they are refused. */
struct argument {
	int calls[2];
	unsigned ncalls, which;
	uint32_t never;
};

/* Memory that the program has not brought as its own text never runs. */
static const struct argument no_code = { { SYS_mmap, SYS_mprotect }, 2, 2,
	PROT_EXEC };

/* In a user namespace of its own a process could mount and much more. */
static const struct argument no_namespace = { { SYS_clone }, 1, 0,
	CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET };

/* Numbers of another calling convention of x86-64 begin here: no way round. */
#define X32_CALLS 0x40000000u

/*
 * The allowed numbers as the ends of ranges: nr is allowed when an odd number
 * of them is <= nr. The kernel runs a filter for every call number when it
 * is loaded, and compiles it: a search tree over few ranges is the cheapest
 * to do both with.
 */
struct table {
	uint32_t ends[ENDS_MAX + 1];
	unsigned n;
};

/* False: they are too many. */
static bool
make_table(struct table *t, const int *calls, size_t n)
{
	int sorted[CALLS_MAX] = { 0 };

	if (n > CALLS_MAX)
		return false;
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
		if (t->n + 2 > ENDS_MAX)
			return false;
		t->ends[t->n++] = nr;
		t->ends[t->n++] = nr + 1;
	}
	return true;
}

/* Where the search goes on when ends[lo..hi) remain, and at is the first. */
static unsigned
jump_target(unsigned lo, unsigned hi, unsigned at, unsigned verdicts)
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
	    (uint8_t)(jump_target(mid + 1, hi, right, verdicts) - at - 1),
	    (uint8_t)(jump_target(lo, mid, left, verdicts) - at - 1));
	make_tree(f, t, lo, mid, left, verdicts);
	make_tree(f, t, mid + 1, hi, right, verdicts);
}

/* The filter as it grows, and where its verdicts will be. */
struct filter {
	struct sock_filter f[FILTER_MAX];
	unsigned n, allowed, refused, no_such;
};

static void
filter_add(struct filter *p, unsigned code, uint32_t k, unsigned yes,
    unsigned no)
{
	p->f[p->n++] = (struct sock_filter){ (uint16_t)code, (uint8_t)yes,
		(uint8_t)no, k };
}

/* From the next instruction to there. */
static unsigned
filter_to(const struct filter *p, unsigned where)
{
	return where - p->n - 1;
}

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define IF_EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define IF_BITS (BPF_JMP | BPF_JSET | BPF_K)

/* The lower half of an argument: the kernel takes no more of these either. */
static uint32_t
filter_argument(unsigned which)
{
	return (uint32_t)(offsetof(struct seccomp_data, args) +
	    which * sizeof(uint64_t));
}

static void
filter_bits(struct filter *p, const struct argument *a)
{
	for (unsigned i = 0; i < a->ncalls; i++)
		filter_add(p, IF_EQUAL, (uint32_t)a->calls[i],
		    a->ncalls - 1 - i, i + 1 == a->ncalls ? 2 : 0);
	filter_add(p, LOAD, filter_argument(a->which), 0, 0);
	filter_add(p, IF_BITS, a->never, filter_to(p, p->refused),
	    filter_to(p, p->allowed));
}

/* socket() is decided by its first argument. */
static void
filter_families(struct filter *p, const int *families)
{
	filter_add(p, IF_EQUAL, SYS_socket, 0, families[1] != 0 ? 3 : 2);
	filter_add(p, LOAD, filter_argument(0), 0, 0);
	if (families[1] != 0)
		filter_add(p, IF_EQUAL, (uint32_t)families[1],
		    filter_to(p, p->allowed), 0);
	filter_add(p, IF_EQUAL, (uint32_t)families[0], filter_to(p, p->allowed),
	    filter_to(p, p->refused));
}

/* What the filter is made from. */
struct rules {
	int calls[CALLS_MAX + 1];
	size_t n;
	bool deny; /* these, and not all others */
	const struct argument *arguments[2];
	const int *families; /* NULL: any */
};

static void
rules_add(struct rules *r, const int *calls, size_t n)
{
	for (size_t i = 0; i < n && r->n <= CALLS_MAX; i++)
		r->calls[r->n++] = calls[i]; /* CALLS_MAX + 1: too many */
}

static bool
rules_have(const struct rules *r, int call)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->calls[i] == call)
			return true;
	return false;
}

/*
 * A module's libc that may not clone3() takes clone() instead, whose flags a
 * filter can see, but only if it seems that the kernel has none (glibc's
 * threads and posix_spawn()).
 */
static bool
hides_clone3(const struct rules *r)
{
	return r->deny && r->arguments[0] != NULL;
}

/* The instructions before the tree: see filter_calls. */
static unsigned
count_checks(const struct rules *r)
{
	unsigned n = 3;

	for (size_t i = 0; i < nitems(r->arguments); i++)
		if (r->arguments[i] != NULL)
			n += r->arguments[i]->ncalls + 2;
	if (hides_clone3(r))
		n++;
	if (r->families != NULL)
		n += r->families[1] != 0 ? 4 : 3;
	return n;
}

static bool
filter_calls(const struct rules *r, uint32_t verdict)
{
	struct filter p = { .n = 0 };
	struct sock_fprog prog = { .filter = p.f };
	struct table t;
	unsigned tree = count_checks(r), verdicts;

	if (!make_table(&t, r->calls, r->n)) {
		errno = E2BIG;
		return false;
	}
	if (r->deny)
		t.ends[t.n++] = X32_CALLS;
	verdicts = tree + t.n;
	p.allowed = verdicts + (r->deny ? 0 : 1);
	p.refused = verdicts + (r->deny ? 1 : 0);
	p.no_such = verdicts + 2;
	filter_add(&p, LOAD, offsetof(struct seccomp_data, arch), 0, 0);
	filter_add(&p, IF_EQUAL, ARCH, 0, filter_to(&p, p.refused));
	filter_add(&p, LOAD, offsetof(struct seccomp_data, nr), 0, 0);
	for (size_t i = 0; i < nitems(r->arguments); i++)
		if (r->arguments[i] != NULL)
			filter_bits(&p, r->arguments[i]);
	if (hides_clone3(r))
		filter_add(&p, IF_EQUAL, SYS_clone3, filter_to(&p, p.no_such),
		    0);
	if (r->families != NULL)
		filter_families(&p, r->families);
	make_tree(p.f, &t, 0, t.n, tree, verdicts);
	p.n = verdicts;
	for (unsigned i = 0; i < 2; i++)
		filter_add(&p, BPF_RET | BPF_K,
		    p.n == p.allowed ? SECCOMP_RET_ALLOW : verdict, 0, 0);
	if (hides_clone3(r))
		filter_add(&p, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0,
		    0);
	prog.len = (unsigned short)p.n;
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
confine_refusal(const struct conf *conf, bool may_kill)
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

static _Noreturn void
confine_failed(void)
{
	die_sys(EXIT_TEMP, "cannot confine itself");
}

static void
list_calls(struct rules *r, const struct confine *c)
{
	rules_add(r, base, nitems(base));
	for (size_t i = 0; i < CONFINE_CALLS_MAX && c->calls[i] != 0; i++)
		rules_add(r, &c->calls[i], 1);
}

/* The calls are what is allowed. */
static void
apply_list(const struct confine *c, struct rules *r, const struct conf *conf)
{
	r->arguments[0] = &no_code;
	if (rules_have(r, SYS_clone))
		r->arguments[1] = &no_namespace;
	if (c->families[0] != 0)
		r->families = c->families;
	if (!restrict_files(c) || !filter_calls(r, confine_refusal(conf, true)))
		confine_failed();
}

void
confine(const struct confine *c, const struct conf *conf)
{
	unsigned first = c->kind == CONFINE_SPAWNERS ? FOR_SPAWNERS : 0;
	struct rules r = { .n = 0 };

	if (is_off(conf))
		return;
	if (c->kind == CONFINE_LISTED) {
		list_calls(&r, c);
		apply_list(c, &r, conf);
		return;
	}
	r.deny = true;
	r.arguments[0] = &no_namespace;
	rules_add(&r, denied + first, nitems(denied) - first);
	if (!restrict_files(c) ||
	    !filter_calls(&r, confine_refusal(conf, false)))
		confine_failed();
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
	SYS_epoll_wait, SYS_dup2,
#endif
	SYS_epoll_pwait, SYS_epoll_ctl, SYS_dup3, SYS_wait4, SYS_close_range,
	SYS_fcntl, SYS_fstat, SYS_getsockopt, SYS_setsockopt, SYS_getsockname,
	SYS_getpeername, SYS_getpid, SYS_gettid, SYS_getrandom,
	SYS_set_tid_address, SYS_set_robust_list, SYS_seccomp
};

void
confine_warm(const struct confine *c, const struct conf *conf)
{
	struct rules r = { .n = 0 };
	struct confine all = *c;

	if (is_off(conf))
		return;
	list_calls(&r, c);
	rules_add(&r, serving, nitems(serving));
	rules_add(&r, given_up, nitems(given_up));
	if (c->dials) {
		rules_add(&r, dialling, nitems(dialling));
		all.families[0] = AF_UNIX;
		all.families[1] = 0;
	}
	apply_list(&all, &r, conf);
}

/* Those of the calls that it does not keep. */
static void
rules_add_lost(struct rules *r, const struct rules *kept, const int *calls,
    size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!rules_have(kept, calls[i]))
			rules_add(r, &calls[i], 1);
}

void
confine_forked(const struct confine *c, const struct conf *conf)
{
	struct rules r = { .deny = true }, kept = { .n = 0 };

	if (is_off(conf))
		return;
	list_calls(&kept, c);
	rules_add_lost(&r, &kept, given_up, nitems(given_up));
	rules_add_lost(&r, &kept, dialling, nitems(dialling));
	if (!filter_calls(&r, confine_refusal(conf, true)))
		confine_failed();
}
