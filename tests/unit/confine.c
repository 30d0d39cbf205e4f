/* SPDX-License-Identifier: ISC */
/* Confinement: each probe in a child of its own that has given all away. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <linux/landlock.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "confine.h"
#include "log.h"
#include "tap.h"

static char dir[] = "/tmp/confine-XXXXXX";
static struct conf conf;

/* All but connecting: for the probes of Landlock. */
static const struct confine most = {
	.calls = { SYS_openat, SYS_chdir, SYS_fsync, SYS_mkdirat, SYS_renameat,
	    SYS_renameat2, SYS_linkat, SYS_unlinkat, SYS_symlinkat, SYS_mknodat,
	    SYS_execve, SYS_prctl,
#ifdef SYS_mkdir
	    SYS_open, SYS_mkdir, SYS_rename, SYS_link, SYS_unlink, SYS_symlink,
	    SYS_mknod
#endif
	}
};

enum outcome { FINE = 0, DENIED = 1, OTHER = 2, UNCONFINED = 3, KILLED = 4 };

static enum outcome
outcome(bool good)
{
	return good ? FINE : errno == EPERM || errno == EACCES ? DENIED : OTHER;
}

static enum outcome
ended(pid_t pid)
{
	int status;

	(void)waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : OTHER;
	if (WEXITSTATUS(status) == EXIT_TEMP)
		return UNCONFINED;
	return (enum outcome)WEXITSTATUS(status);
}

/* The outcome of probe in a child confined so. */
static enum outcome
confined(const char *how, const struct confine *c, enum outcome (*probe)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		conf.confine = how;
		confine(c, &conf);
		_exit(probe());
	}
	return ended(pid);
}

static enum outcome
nothing(void)
{
	return FINE;
}

static enum outcome
opens(void)
{
	return outcome(open("/etc/passwd", O_RDONLY) != -1);
}

static enum outcome
makes_socket(void)
{
	return outcome(socket(AF_INET, SOCK_STREAM, 0) != -1);
}

static enum outcome
execs(void)
{
	(void)execl("/bin/true", "true", (char *)NULL);
	return outcome(false);
}

static enum outcome
traces(void)
{
	return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}

static enum outcome
kills(void)
{
	return outcome(syscall(SYS_kill, getppid(), 0) == 0);
}

static enum outcome
forks(void)
{
	return outcome(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0);
}

static enum outcome
reads(void)
{
	char c;

	return outcome(syscall(SYS_read, 0, &c, 0) == 0);
}

/* Numbers no kernel has, and those of another architecture's calls. */
static enum outcome
strange_numbers(void)
{
	static const long nr[] = { -1, 5000, 0x40000000, 0x40000001,
		0x7fffffff };

	for (size_t i = 0; i < nitems(nr); i++)
		if (syscall(nr[i], 0, 0, 0) != -1 || errno != EPERM)
			return OTHER;
	return DENIED;
}

#ifdef __x86_64__
/* getpid of i386: 20 there, writev here. */
static enum outcome
other_architecture(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
	return r > 0 ? FINE : r == -EPERM ? DENIED : OTHER;
}
#endif

static enum outcome
no_new_privs(void)
{
	return outcome(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void
calls(void)
{
	static const struct confine c = { 0 };
	static const struct {
		enum outcome (*probe)(void);
		const char *name;
	} t[] = {
		{ opens, "open" },
		{ makes_socket, "socket" },
		{ execs, "exec" },
		{ traces, "ptrace" },
		{ kills, "kill" },
		{ forks, "clone" },
		{ strange_numbers, "strange numbers" },
#ifdef __x86_64__
		{ other_architecture, "int 0x80" },
#endif
	};

	is_num(confined("deny", &c, nothing), FINE, "confined and alive");
	is_num(confined("deny", &c, reads), FINE, "read is allowed");
	is_num(confined("kill", &c, reads), FINE, "and does not kill");
	for (size_t i = 0; i < nitems(t); i++) {
		is_num(confined("deny", &c, t[i].probe), DENIED, "%s is denied",
		    t[i].name);
		is_num(confined("kill", &c, t[i].probe), KILLED, "%s kills",
		    t[i].name);
	}
	is_num(confined("off", &c, opens), FINE, "off: open is allowed");
}

static enum outcome
listens(void)
{
	return outcome(listen(socket(AF_INET, SOCK_STREAM, 0), 1) == 0);
}

static enum outcome
other_convention(void)
{
	return outcome(syscall(0x40000000L + SYS_getpid) != -1);
}

/* What administers or breaks out, with arguments that do nothing. */
static const struct {
	long call;
	const char *name;
} attacks[] = {
	{ SYS_ptrace, "ptrace" },
	{ SYS_process_vm_readv, "process_vm_readv" },
	{ SYS_pidfd_getfd, "pidfd_getfd" },
	{ SYS_perf_event_open, "perf_event_open" },
	{ SYS_bpf, "bpf" },
	{ SYS_userfaultfd, "userfaultfd" },
	{ SYS_io_uring_setup, "io_uring_setup" },
	{ SYS_io_uring_enter, "io_uring_enter" },
	{ SYS_io_uring_register, "io_uring_register" },
	{ SYS_mount, "mount" },
	{ SYS_umount2, "umount2" },
	{ SYS_fsopen, "fsopen" },
	{ SYS_fsconfig, "fsconfig" },
	{ SYS_fsmount, "fsmount" },
	{ SYS_fspick, "fspick" },
	{ SYS_move_mount, "move_mount" },
	{ SYS_open_tree, "open_tree" },
	{ SYS_mount_setattr, "mount_setattr" },
	{ SYS_pivot_root, "pivot_root" },
	{ SYS_chroot, "chroot" },
	{ SYS_unshare, "unshare" },
	{ SYS_setns, "setns" },
	{ SYS_mknodat, "mknodat" },
	{ SYS_add_key, "add_key" },
	{ SYS_request_key, "request_key" },
	{ SYS_keyctl, "keyctl" },
	{ SYS_kexec_load, "kexec_load" },
	{ SYS_kexec_file_load, "kexec_file_load" },
	{ SYS_clock_settime, "clock_settime" },
	{ SYS_clock_adjtime, "clock_adjtime" },
	{ SYS_adjtimex, "adjtimex" },
#ifdef __x86_64__
	{ SYS_mknod, "mknod" },
	{ SYS_iopl, "iopl" },
	{ SYS_ioperm, "ioperm" },
#endif
};
static long attack;

static enum outcome
attacks_by(void)
{
	return outcome(syscall(attack, -1, -1, -1, -1, -1, -1) != -1);
}

static const struct {
	int flag;
	const char *name;
} namespaces[] = {
	{ CLONE_NEWUSER, "user" },
	{ CLONE_NEWNS, "mount" },
	{ CLONE_NEWPID, "process" },
	{ CLONE_NEWNET, "network" },
	{ CLONE_NEWIPC, "IPC" },
	{ CLONE_NEWUTS, "UTS" },
	{ CLONE_NEWCGROUP, "cgroup" },
};
static int namespace;

static enum outcome
clones_away(void)
{
	long pid = syscall(SYS_clone, namespace | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return outcome(pid != -1);
}

static enum outcome
has_no_clone3(void)
{
	return syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS ? FINE :
								       OTHER;
}

static void *
thread(void *arg)
{
	return arg;
}

/* A module may: libc takes clone() for it, with flags that a filter sees. */
static enum outcome
starts_a_thread(void)
{
	pthread_t t;
	void *result = NULL;

	errno = pthread_create(&t, NULL, thread, &attack);
	return outcome(errno == 0 && pthread_join(t, &result) == 0 &&
	    result == &attack);
}

static enum outcome
spawns(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };
	int status = 1;
	pid_t pid;

	errno = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, argv + 1);
	return outcome(errno == 0 && waitpid(pid, &status, 0) == pid &&
	    status == 0);
}

static enum outcome
forks_in_libc(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return outcome(pid != -1 && waitpid(pid, &status, 0) == pid &&
	    status == 0);
}

static enum outcome
maps_code(void)
{
	return outcome(mmap(NULL, 4096, PROT_READ | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static enum outcome
makes_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ?
	    OTHER :
	    outcome(mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0);
}

static enum outcome
changes_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return outcome(p != MAP_FAILED && mprotect(p, 4096, PROT_NONE) == 0);
}

/* kind: of programs that run the system's modules. */
static void
attack_all(enum confine_kind kind, const char *name)
{
	const struct confine c = { .kind = kind };

	for (size_t i = 0; i < nitems(attacks); i++) {
		attack = attacks[i].call;
		is_num(confined("kill", &c, attacks_by), DENIED,
		    "%s: %s is denied", name, attacks[i].name);
	}
	for (size_t i = 0; i < nitems(namespaces); i++) {
		namespace = namespaces[i].flag;
		is_num(confined("kill", &c, clones_away), DENIED,
		    "%s: no %s namespace", name, namespaces[i].name);
	}
	is_num(confined("kill", &c, has_no_clone3), FINE, "%s: no clone3",
	    name);
	is_num(confined("kill", &c, forks_in_libc), FINE, "%s: fork", name);
	is_num(confined("kill", &c, starts_a_thread), FINE, "%s: a thread",
	    name);
	is_num(confined("kill", &c, maps_code), FINE, "%s: dlopen", name);
	is_num(confined("kill", &c, makes_code), FINE, "%s: and relocate",
	    name);
}

/* Programs whose calls are listed run no code but their own. */
static void
code(void)
{
	const struct confine c = { .calls = { SYS_clone } };

	is_num(confined("kill", &c, changes_memory), FINE, "memory: changed");
	is_num(confined("kill", &c, maps_code), KILLED, "memory: no new code");
	is_num(confined("kill", &c, makes_code), KILLED, "memory: none made");
	is_num(confined("deny", &c, makes_code), DENIED, "memory: denied");
	is_num(confined("kill", &c, forks), FINE, "listed: clone");
	for (size_t i = 0; i < nitems(namespaces); i++) {
		namespace = namespaces[i].flag;
		is_num(confined("kill", &c, clones_away), KILLED,
		    "listed: but no %s namespace", namespaces[i].name);
	}
}

/* What runs the system's modules. */
static void
modules(void)
{
	static const struct confine c = { .kind = CONFINE_MODULES };
	static const struct {
		enum outcome (*probe)(void);
		const char *name;
	} t[] = {
		{ execs, "exec" },
		{ traces, "ptrace" },
		{ listens, "listen" },
		{ other_convention, "x32" },
	};

	is_num(confined("kill", &c, nothing), FINE, "modules: alive");
	is_num(confined("kill", &c, makes_socket), FINE, "modules: socket");
	is_num(confined("kill", &c, forks), FINE, "modules: clone");
	is_num(confined("kill", &c, spawns), DENIED, "modules: posix_spawn");
	attack_all(CONFINE_MODULES, "modules");
	for (size_t i = 0; i < nitems(t); i++) {
		is_num(confined("deny", &c, t[i].probe), DENIED,
		    "modules: %s is denied", t[i].name);
		is_num(confined("kill", &c, t[i].probe), DENIED,
		    "modules: %s does not kill", t[i].name);
	}
}

static enum outcome
runs_a_program(void)
{
	(void)execl("/bin/true", "true", (char *)NULL);
	return OTHER;
}

/* What starts others, whose files are their own. */
static void
spawners(void)
{
	static const struct confine c = { .kind = CONFINE_SPAWNERS };

	is_num(confined("kill", &c, runs_a_program), FINE, "spawners: exec");
	is_num(confined("kill", &c, opens), FINE, "spawners: open");
	is_num(confined("kill", &c, traces), DENIED, "spawners: ptrace");
	is_num(confined("kill", &c, listens), DENIED, "spawners: listen");
	is_num(confined("kill", &c, spawns), FINE, "spawners: posix_spawn");
	attack_all(CONFINE_SPAWNERS, "spawners");
}

static enum outcome
makes_unix_socket(void)
{
	return outcome(socket(AF_UNIX, SOCK_STREAM, 0) != -1);
}

static enum outcome
makes_v6_socket(void)
{
	return outcome(socket(AF_INET6, SOCK_STREAM, 0) != -1 ||
	    errno == EAFNOSUPPORT);
}

static void
families(void)
{
	struct confine c = { .calls = { SYS_socket },
		.families = { AF_INET, AF_INET6 } };

	is_num(confined("kill", &c, makes_socket), FINE, "family: IPv4");
	is_num(confined("kill", &c, makes_v6_socket), FINE, "family: IPv6");
	is_num(confined("deny", &c, makes_unix_socket), DENIED, "not: UNIX");
	is_num(confined("kill", &c, makes_unix_socket), KILLED, "UNIX kills");
	is_num(confined("kill", &c, reads), FINE, "and the others: read");
	is_num(confined("kill", &c, opens), KILLED, "and open kills");
	c.families[1] = 0;
	is_num(confined("kill", &c, makes_socket), FINE, "one family: IPv4");
	is_num(confined("kill", &c, makes_v6_socket), KILLED, "and not IPv6");
	c.families[0] = 0;
	is_num(confined("kill", &c, makes_unix_socket), FINE, "none: any");
}

/* The kernel's own: uretprobe and uprobe of x86_64 never meet a filter. */
static bool
unfiltered(int nr)
{
#ifdef __x86_64__
	return nr == 335 || nr == 336;
#else
	return nr < 0;
#endif
}

/* What every program may call. */
static bool
is_base(int nr)
{
	static const int base[] = { SYS_read, SYS_write, SYS_readv, SYS_writev,
		SYS_pread64, SYS_pwrite64, SYS_close, SYS_lseek,
#ifdef SYS_poll
		SYS_poll,
#endif
		SYS_ppoll, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg,
		SYS_shutdown, SYS_brk, SYS_mmap, SYS_munmap, SYS_mprotect,
		SYS_mremap, SYS_msync, SYS_mincore, SYS_madvise,
		SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
		SYS_restart_syscall, SYS_clock_gettime, SYS_clock_getres,
		SYS_clock_nanosleep, SYS_exit_group };

	for (size_t i = 0; i < nitems(base); i++)
		if (base[i] == nr)
			return true;
	return false;
}

/* Every number on its own: exactly the list, whatever its shape. */
static const struct confine *probed;

static enum outcome
exactly_the_list(void)
{
	for (int nr = 0; nr < 500; nr++) {
		bool listed = false, denied;

		for (size_t i = 0; i < CONFINE_CALLS_MAX; i++)
			listed |= probed->calls[i] == nr;
		if (is_base(nr) ||
		    (listed && nr != SYS_getppid && nr != SYS_getuid))
			continue; /* it would do something */
		if (unfiltered(nr))
			continue;
		errno = 0;
		denied = syscall(nr, -1, -1, -1, -1, -1, -1) == -1 &&
		    errno == EPERM;
		if (denied == listed)
			return OTHER;
	}
	return FINE;
}

static void
lists(void)
{
	struct confine c = { 0 };
	unsigned wrong = 0;

	probed = &c;
	for (size_t step = 1; step < 12; step++)
		for (size_t n = 2; n < 90; n += 13) {
			memset(&c, 0, sizeof(c));
			for (size_t i = 0; i < n; i++)
				c.calls[i] = (int)(1 + (n - 1 - i) * step +
				    i % 2);
			c.calls[0] = SYS_getppid;
			c.calls[1] = SYS_getuid;
			wrong += confined("deny", &c, exactly_the_list) != FINE;
		}
	is_num(wrong, 0, "just what is listed, in lists of every shape");
	for (size_t i = 0; i < CONFINE_CALLS_MAX; i++)
		c.calls[i] = 400 + 2 * (int)i;
	is_num(confined("deny", &c, nothing), UNCONFINED, "a list too long");
}

static enum outcome
reads_below(void)
{
	return chdir(dir) == 0 ? outcome(open("in/r", O_RDONLY) != -1) : OTHER;
}

static enum outcome
reads_elsewhere(void)
{
	return outcome(open("/etc/passwd", O_RDONLY) != -1);
}

static enum outcome
lists_elsewhere(void)
{
	return outcome(open("/", O_RDONLY | O_DIRECTORY) != -1);
}

static enum outcome
climbs(void)
{
	return chdir(dir) == 0 ? outcome(open("in/../out/r", O_RDONLY) != -1) :
				 OTHER;
}

static enum outcome
writes_below(void)
{
	return chdir(dir) == 0 ?
	    outcome(open("in/w", O_WRONLY | O_CREAT, 0600) != -1) :
	    OTHER;
}

static enum outcome
delivers(void)
{
	int fd;

	if (chdir(dir) == -1 ||
	    (mkdir("in/tmp", 0700) == -1 && errno != EEXIST) ||
	    (mkdir("in/new", 0700) == -1 && errno != EEXIST))
		return outcome(false);
	fd = open("in/tmp/m", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd == -1 || write(fd, "x", 1) != 1 || fsync(fd) == -1)
		return outcome(false);
	if (rename("in/tmp/m", "in/new/m") == -1 ||
	    link("in/new/m", "in/tmp/m") == -1 || unlink("in/tmp/m") == -1)
		return outcome(false);
	return outcome(open("in/new", O_RDONLY | O_DIRECTORY) != -1);
}

static enum outcome
moves_out(void)
{
	if (chdir(dir) == -1)
		return OTHER;
	return rename("in/r", "out/moved") == 0 ? FINE :
	    errno == EXDEV || errno == EACCES   ? DENIED :
						  OTHER;
}

static enum outcome
makes_link(void)
{
	return chdir(dir) == 0 ? outcome(symlink("/etc", "in/l") == 0) : OTHER;
}

static enum outcome
makes_fifo(void)
{
	return chdir(dir) == 0 ? outcome(mkfifo("in/f", 0600) == 0) : OTHER;
}

static void
files(void)
{
	char in[64], file[64];
	struct confine c = most;

	if (syscall(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION) < 2) {
		skipped("this kernel has no Landlock to speak of");
		return;
	}
	(void)snprintf(in, sizeof(in), "%s/in", dir);
	(void)snprintf(file, sizeof(file), "%s/in/r", dir);
	c.paths[0] = (struct confine_path){ in, CONFINE_WRITE };
	is_num(confined("deny", &c, reads_below), FINE, "reading below");
	is_num(confined("deny", &c, delivers), FINE, "a whole delivery below");
	is_num(confined("deny", &c, delivers), FINE, "another one");
	is_num(confined("deny", &c, reads_elsewhere), DENIED, "elsewhere");
	is_num(confined("deny", &c, lists_elsewhere), DENIED, "listing /");
	is_num(confined("deny", &c, climbs), DENIED, "up and down again");
	is_num(confined("deny", &c, moves_out), DENIED, "moving out");
	is_num(confined("deny", &c, makes_link), DENIED, "a symbolic link");
	is_num(confined("deny", &c, makes_fifo), DENIED, "a fifo");
	is_num(confined("deny", &c, execs), DENIED, "exec");
	c.paths[0].right = CONFINE_READ;
	is_num(confined("deny", &c, reads_below), FINE, "read-only: reading");
	is_num(confined("deny", &c, writes_below), DENIED, "and no writing");
	c.paths[0].path = file;
	is_num(confined("deny", &c, reads_below), FINE, "one file: reading");
	is_num(confined("deny", &c, writes_below), DENIED, "no other beside");
	c.paths[0].path = NULL;
	is_num(confined("deny", &c, reads_elsewhere), DENIED, "no path at all");
	c.paths[0].path = file;
	(void)unlink(file);
	is_num(confined("deny", &c, nothing), UNCONFINED, "a missing path");
}

/* --- warm helpers -------------------------------------------------------- */

enum step { WARM, FORKED };

/* As confined(): a warm process, or its child, which has dialled. */
static enum outcome
warmly(enum step step, const char *how, const struct confine *c,
    enum outcome (*probe)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		conf.confine = how;
		confine_warm(c, &conf);
		if (step == FORKED)
			confine_forked(c, &conf);
		_exit(probe());
	}
	return ended(pid);
}

/* A listening socket, with a connection in line. */
static int listening = -1;

static void
make_listening(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	listening = socket(AF_UNIX, SOCK_STREAM, 0);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/in/s", dir);
	if (bind(listening, (void *)&sun, sizeof(sun)) == -1 ||
	    listen(listening, 10) == -1 ||
	    connect(fd, (void *)&sun, sizeof(sun)) == -1)
		abort();
	(void)close(fd);
}

static enum outcome
accepts(void)
{
	return outcome(accept4(listening, NULL, NULL, SOCK_CLOEXEC) != -1);
}

/* A descriptor that is none: only whether it may be asked counts. */
static enum outcome
connects(void)
{
	return outcome(connect(-1, NULL, 0) == -1 && errno == EBADF);
}

static enum outcome
dials(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/in/s", dir);
	return outcome(connect(fd, (void *)&sun, sizeof(sun)) == 0);
}

static enum outcome
makes_pair(void)
{
	int sv[2];

	return outcome(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
}

static enum outcome
binds(void)
{
	return outcome(bind(-1, NULL, 0) == -1 && errno == EBADF);
}

static enum outcome
looks(void)
{
	struct stat st;

	return outcome(stat(dir, &st) == 0);
}

/* A filter of its own could not be the last word. */
static enum outcome
confines_more(void)
{
	return outcome(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) ==
		-1 &&
	    errno == EFAULT);
}

static enum outcome
clones_with_3(void)
{
	return outcome(syscall(SYS_clone3, NULL, 0) == -1 && errno != EPERM);
}

static enum outcome
receives(void)
{
	return outcome(recvmsg(-1, NULL, 0) == -1 && errno == EBADF);
}

static const struct {
	enum outcome (*probe)(void);
	const char *name;
	bool warm, forked;
} warm_probes[] = {
	{ reads, "read", true, true },
	{ receives, "recvmsg", true, true },
	{ forks, "fork", true, false },
	{ accepts, "accept", true, false },
	{ makes_unix_socket, "a UNIX socket", true, false },
	{ connects, "connect", true, false },
	{ dials, "to dial", true, false },
	{ makes_pair, "a socketpair", false, false },
	{ looks, "stat", true, false },
	{ confines_more, "seccomp", true, true },
	{ makes_socket, "an IPv4 socket", false, false },
	{ makes_v6_socket, "an IPv6 socket", false, false },
	{ execs, "exec", false, false },
	{ traces, "ptrace", false, false },
	{ kills, "kill", false, false },
	{ binds, "bind", false, false },
	{ listens, "listen", false, false },
	{ opens, "open", false, false },
	{ clones_with_3, "clone3", false, false },
};

static void
warm_calls(void)
{
	static const struct confine c = { .dials = true }, mute = { 0 };

	make_listening();
	is_num(warmly(WARM, "kill", &mute, dials), KILLED,
	    "warm: nothing is dialled unless it is meant to be");
	is_num(warmly(WARM, "kill", &mute, forks), FINE,
	    "warm: but forks all the same");
	for (size_t i = 0; i < nitems(warm_probes); i++) {
		enum outcome (*probe)(void) = warm_probes[i].probe;
		const char *name = warm_probes[i].name;
		bool warm = warm_probes[i].warm, forked = warm_probes[i].forked;

		is_num(warmly(WARM, "kill", &c, probe), warm ? FINE : KILLED,
		    "warm: %s%s", name, warm ? "" : " kills");
		is_num(warmly(FORKED, "kill", &c, probe),
		    forked ? FINE : KILLED, "forked: %s%s", name,
		    forked ? "" : " kills");
		is_num(warmly(FORKED, "deny", &c, probe),
		    forked ? FINE : DENIED, "forked: %s%s", name,
		    forked ? "" : " is denied");
	}
	is_num(warmly(WARM, "off", &c, opens), FINE, "off: open is allowed");
	is_num(warmly(FORKED, "off", &c, forks), FINE, "off: so is fork");
}

/* What only the warm process needs, but its child calls too. */
static void
warm_keeps(void)
{
	struct confine c = { .calls = { SYS_socket, SYS_connect, SYS_newfstatat,
#ifdef __x86_64__
				 SYS_stat
#endif
			     },
		.dials = true };

	is_num(warmly(FORKED, "kill", &c, dials), FINE, "kept: to dial");
	is_num(warmly(FORKED, "kill", &c, looks), FINE, "kept: stat");
	is_num(warmly(FORKED, "kill", &c, forks), KILLED, "but not fork");
	is_num(warmly(FORKED, "kill", &c, makes_socket), KILLED, "nor IPv4");
	c.dials = false;
	c.families[0] = AF_INET;
	is_num(warmly(FORKED, "kill", &c, makes_socket), FINE, "kept: IPv4");
	is_num(warmly(WARM, "kill", &c, makes_unix_socket), KILLED,
	    "then the warm process dials none");
	for (size_t i = 0; i < CONFINE_CALLS_MAX; i++)
		c.calls[i] = 300 + (int)i;
	is_num(warmly(WARM, "kill", &c, nothing), UNCONFINED,
	    "too many with its own");
}

static void
warm_files(void)
{
	char in[64];
	struct confine c = most;

	if (syscall(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION) < 2) {
		skipped("this kernel has no Landlock to speak of");
		return;
	}
	(void)snprintf(in, sizeof(in), "%s/in", dir);
	c.paths[0] = (struct confine_path){ in, CONFINE_READ };
	for (enum step s = WARM; s <= FORKED; s++) {
		const char *name = s == WARM ? "warm" : "forked";

		is_num(warmly(s, "kill", &c, reads_below), FINE,
		    "%s: reading below", name);
		is_num(warmly(s, "kill", &c, reads_elsewhere), DENIED,
		    "%s: not elsewhere", name);
		is_num(warmly(s, "kill", &c, writes_below), DENIED,
		    "%s: nor writing", name);
		is_num(warmly(s, "deny", &c, execs), DENIED, "%s: nor exec",
		    name);
	}
}

int
main(void)
{
	char text[64];
	static const char *const parts[] = { "in", "out", "in/r", "out/r" };

#if defined(__SANITIZE_ADDRESS__)
	skipped("sanitizers need what is forbidden here");
	return done();
#endif
	if (mkdtemp(dir) == NULL)
		abort();
	for (size_t i = 0; i < nitems(parts); i++) {
		(void)snprintf(text, sizeof(text), "%s/%s", dir, parts[i]);
		if (i < 2)
			(void)mkdir(text, 0700);
		else
			(void)close(open(text, O_WRONLY | O_CREAT, 0600));
	}
	is_num(confined("deny", &most, no_new_privs), FINE,
	    "no new privileges");
	calls();
	code();
	modules();
	spawners();
	families();
	lists();
	warm_calls();
	warm_keeps();
	warm_files();
	files();
	(void)snprintf(text, sizeof(text), "rm -r %s", dir);
	return system(text) == 0 ? done() : 1;
}
