/* SPDX-License-Identifier: ISC */
/* Confinement: each probe in a child of its own that has given all away. */
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
#include <signal.h>
#include <unistd.h>

#include "confine.h"
#include "tap.h"

static char dir[] = "/tmp/confine-XXXXXX";
static struct conf conf;

/* Nearly nothing; exit_group for the probes' results. */
static const int few[] = { SYS_exit_group, SYS_write, SYS_read, SYS_close,
	SYS_write };

/* All but connecting: for the probes of Landlock. */
static int most[100];
static size_t nmost;

enum outcome { FINE = 0, DENIED = 1, OTHER = 2, UNCONFINED = 3, KILLED = 4 };

static enum outcome
outcome(bool good)
{
	return good ? FINE : errno == EPERM || errno == EACCES ? DENIED : OTHER;
}

/* The outcome of probe in a child confined so. */
static enum outcome
confined(const char *how, const struct confine *c, enum outcome (*probe)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		conf.confine = how;
		_exit(confine(c, &conf) ? probe() : UNCONFINED);
	}
	(void)waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : OTHER;
	return (enum outcome)WEXITSTATUS(status);
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
	const struct confine c = { .calls = few, .ncalls = nitems(few) };
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

/* What runs the system's modules. */
static void
modules(void)
{
	const struct confine c = { .calls = confine_modules };
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
	const struct confine c = { .calls = confine_spawners,
		.all_files = true };

	is_num(confined("kill", &c, runs_a_program), FINE, "spawners: exec");
	is_num(confined("kill", &c, opens), FINE, "spawners: open");
	is_num(confined("kill", &c, traces), DENIED, "spawners: ptrace");
	is_num(confined("kill", &c, listens), DENIED, "spawners: listen");
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
	static const int some[] = { SYS_exit_group, SYS_socket, SYS_read,
		SYS_close },
			 internet[] = { AF_INET, AF_INET6 };
	struct confine c = { .calls = some,
		.ncalls = nitems(some),
		.families = internet,
		.nfamilies = nitems(internet) };

	is_num(confined("kill", &c, makes_socket), FINE, "family: IPv4");
	is_num(confined("kill", &c, makes_v6_socket), FINE, "family: IPv6");
	is_num(confined("deny", &c, makes_unix_socket), DENIED, "not: UNIX");
	is_num(confined("kill", &c, makes_unix_socket), KILLED, "UNIX kills");
	is_num(confined("kill", &c, reads), FINE, "and the others: read");
	is_num(confined("kill", &c, opens), KILLED, "and open kills");
	c.nfamilies = 0;
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

/* Every number on its own: exactly the list, whatever its shape. */
static const struct confine *probed;

static enum outcome
exactly_the_list(void)
{
	for (int nr = 0; nr < 500; nr++) {
		bool listed = false, denied;

		for (size_t i = 0; i < probed->ncalls; i++)
			listed |= probed->calls[i] == nr;
		if (listed && nr != SYS_getppid && nr != SYS_getuid)
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
	int list[120];
	struct confine c = { .calls = list };
	unsigned wrong = 0;

	probed = &c;
	for (size_t step = 1; step < 12; step++)
		for (size_t n = 3; n < 115; n += 13) {
			for (size_t i = 0; i < n; i++)
				list[i] = (int)((n - 1 - i) * step + i % 2);
			list[0] = SYS_exit_group;
			list[1] = SYS_getppid;
			list[2] = SYS_getuid;
			c.ncalls = n;
			wrong += confined("deny", &c, exactly_the_list) != FINE;
		}
	is_num(wrong, 0, "just what is listed, in lists of every shape");
	c.ncalls = nitems(list) + 1;
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
	const struct confine_path write_in = { in, CONFINE_WRITE },
				  read_in = { in, CONFINE_READ },
				  read_file = { file, CONFINE_READ };
	struct confine c = {
		.calls = most, .ncalls = nmost, .paths = &write_in, .npaths = 1
	};

	if (syscall(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION) < 2) {
		skipped("this kernel has no Landlock to speak of");
		return;
	}
	(void)snprintf(in, sizeof(in), "%s/in", dir);
	(void)snprintf(file, sizeof(file), "%s/in/r", dir);
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
	c.paths = &read_in;
	is_num(confined("deny", &c, reads_below), FINE, "read-only: reading");
	is_num(confined("deny", &c, writes_below), DENIED, "and no writing");
	c.paths = &read_file;
	is_num(confined("deny", &c, reads_below), FINE, "one file: reading");
	is_num(confined("deny", &c, writes_below), DENIED, "no other beside");
	c.npaths = 0;
	is_num(confined("deny", &c, reads_elsewhere), DENIED, "no path at all");
	c.npaths = 1;
	(void)unlink(file);
	is_num(confined("deny", &c, nothing), UNCONFINED, "a missing path");
}

/* --- warm helpers -------------------------------------------------------- */

/* What such a program calls itself. */
static const int own[] = { SYS_exit_group, SYS_write, SYS_read, SYS_close };

enum step { WARM, FORKED };

/* As confined(): a warm process, or its child, which has dialled. */
static enum outcome
warmly(enum step step, const char *how, const struct confine *c,
    enum outcome (*probe)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		conf.confine = how;
		if (!confine_warm(c, &conf) ||
		    (step == FORKED && !confine_forked(c, &conf)))
			_exit(UNCONFINED);
		_exit(probe());
	}
	(void)waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : OTHER;
	return (enum outcome)WEXITSTATUS(status);
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
	const struct confine c = {
		.calls = own, .ncalls = nitems(own), .dials = true
	};
	const struct confine mute = { .calls = own, .ncalls = nitems(own) };

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
	static const int some[] = { SYS_exit_group, SYS_socket, SYS_connect,
		SYS_newfstatat,
#ifdef SYS_stat
		SYS_stat,
#endif
	},
			 internet[] = { AF_INET };
	struct confine c = {
		.calls = some, .ncalls = nitems(some), .dials = true
	};
	int list[200];

	is_num(warmly(FORKED, "kill", &c, dials), FINE, "kept: to dial");
	is_num(warmly(FORKED, "kill", &c, looks), FINE, "kept: stat");
	is_num(warmly(FORKED, "kill", &c, forks), KILLED, "but not fork");
	is_num(warmly(FORKED, "kill", &c, makes_socket), KILLED, "nor IPv4");
	c.dials = false;
	c.families = internet;
	c.nfamilies = nitems(internet);
	is_num(warmly(FORKED, "kill", &c, makes_socket), FINE, "kept: IPv4");
	is_num(warmly(WARM, "kill", &c, makes_unix_socket), KILLED,
	    "then the warm process dials none");
	c.calls = list;
	for (size_t i = 0; i < nitems(list); i++)
		list[i] = 300 + (int)i;
	for (c.ncalls = 80; c.ncalls <= nitems(list); c.ncalls += 20)
		is_num(warmly(WARM, "kill", &c, nothing), UNCONFINED,
		    "%zu calls: too many with its own", c.ncalls);
}

static void
warm_files(void)
{
	char in[64];
	const struct confine_path below = { in, CONFINE_READ };
	struct confine c = {
		.calls = most, .ncalls = nmost, .paths = &below, .npaths = 1
	};

	if (syscall(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION) < 2) {
		skipped("this kernel has no Landlock to speak of");
		return;
	}
	(void)snprintf(in, sizeof(in), "%s/in", dir);
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

static void
make_most(void)
{
	static const int some[] = {
		SYS_exit_group,
		SYS_write,
		SYS_read,
		SYS_close,
		SYS_openat,
		SYS_chdir,
		SYS_fsync,
		SYS_mkdirat,
		SYS_renameat,
		SYS_renameat2,
		SYS_linkat,
		SYS_unlinkat,
		SYS_symlinkat,
		SYS_mknodat,
		SYS_execve,
		SYS_prctl,
#ifdef SYS_open
		SYS_open,
		SYS_mkdir,
		SYS_rename,
		SYS_link,
		SYS_unlink,
		SYS_symlink,
		SYS_mknod,
#endif
	};

	memcpy(most, some, sizeof(some));
	nmost = nitems(some);
}

int
main(void)
{
	char text[64];
	static const char *const parts[] = { "in", "out", "in/r", "out/r" };
	struct confine c = { 0 };

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
	make_most();
	c.calls = most;
	c.ncalls = nmost;
	is_num(confined("deny", &c, no_new_privs), FINE, "no new privileges");
	calls();
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
