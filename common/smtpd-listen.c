/* SPDX-License-Identifier: ISC */
/* Binds an address as descriptor 0, drops privileges, executes a program. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "ip.h"
#include "log.h"

struct options {
	unsigned mode;
	int backlog;
	const char *user, *group, *address;
};

union any_address {
	struct sockaddr sa;
	union endpoint inet;
	struct sockaddr_un un;
};

_Noreturn static void
listen_bad_usage(void)
{
	die(EXIT_PERM,
	    "usage: smtpd-listen [-b backlog] [-g group] [-m mode] "
	    "[-u user] address program [argument ...]");
}

static void
listen_take_option(struct options *o, int c, const char *arg)
{
	uint32_t n;
	char *end;

	switch (c) {
	case 'b':
		if (!span_u32(span_str(arg), 65535, &n) || n == 0)
			die(EXIT_PERM, "-b %s: not 1 to 65535", arg);
		o->backlog = (int)n;
		break;
	case 'g':
		o->group = arg;
		break;
	case 'm':
		o->mode = (unsigned)strtoul(arg, &end, 8);
		if (!ascii_isdigit(*arg) || *end != '\0' || o->mode > 0777)
			die(EXIT_PERM, "-m %s: not 0 to 0777", arg);
		break;
	case 'u':
		o->user = arg;
		break;
	default:
		listen_bad_usage();
	}
}

/* An address of IPv6 is in brackets, one of IPv4 is not. */
static bool
listen_parse_inet(struct span host, uint16_t port, union any_address *a,
    socklen_t *len)
{
	bool six = host.n > 1 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	union endpoint e;
	struct ip ip;

	if (six)
		host = span_of(host.p + 1, host.n - 2);
	if (!ip_parse(host, &ip) || (ip.size == 16) != six)
		return false;
	e = endpoint_of(&ip, port);
	*len = endpoint_len(&e);
	memcpy(a, &e, *len);
	return true;
}

static void
listen_parse_address(const char *text, union any_address *a, socklen_t *len)
{
	struct span s = span_str(text);
	size_t colon = span_rfind(s, ':');
	uint32_t port;

	if (*text == '/') {
		if (s.n >= sizeof(a->un.sun_path))
			die(EXIT_PERM,
			    "'%s': too long for the path of a socket", text);
		*a = (union any_address){ .un = { .sun_family = AF_UNIX } };
		memcpy(a->un.sun_path, text, s.n);
		*len = sizeof(a->un);
		return;
	}
	if (colon == s.n || !span_u32(span_skip(s, colon + 1), 65535, &port) ||
	    !listen_parse_inet(span_of(s.p, colon), (uint16_t)port, a, len))
		die(EXIT_PERM, "'%s': not /path, IPv4:port or [IPv6]:port",
		    text);
}

/* Removes a socket that no process listens on any more. */
static void
remove_stale(const union any_address *a, socklen_t len)
{
	const char *path = a->un.sun_path;
	struct stat st;
	int fd;

	if (lstat(path, &st) == -1) {
		if (errno == ENOENT)
			return;
		die_sys(EXIT_TEMP, "cannot look at '%s'", path);
	}
	if (!S_ISSOCK(st.st_mode))
		die(EXIT_PERM, "'%s' exists and is not a socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot make a socket");
	if (connect(fd, &a->sa, len) == 0 || errno != ECONNREFUSED)
		die(EXIT_TEMP, "'%s' is in use", path);
	(void)close(fd);
	if (unlink(path) == -1)
		die_sys(EXIT_TEMP, "cannot remove '%s'", path);
}

static void
give_to_group(const char *path, const char *group)
{
	struct group *gr;

	errno = 0;
	gr = getgrnam(group);
	if (gr == NULL && errno != 0)
		die_sys(EXIT_TEMP, "cannot look up the group '%s'", group);
	if (gr == NULL)
		die(EXIT_PERM, "no such group: '%s'", group);
	if (lchown(path, (uid_t)-1, gr->gr_gid) == -1)
		die_sys(EXIT_TEMP, "cannot give '%s' to the group '%s'", path,
		    group);
}

static int
bind_address(const struct options *o)
{
	static const int on = 1;
	union any_address a;
	socklen_t len;
	mode_t umask_before;
	int fd, r;

	listen_parse_address(o->address, &a, &len);
	if (a.sa.sa_family == AF_UNIX)
		remove_stale(&a, len);
	else if (o->group != NULL)
		die(EXIT_PERM, "-g is only for UNIX sockets");
	fd = socket(a.sa.sa_family, SOCK_STREAM, 0);
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot make a socket");
	if (a.sa.sa_family != AF_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a.sa.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
		    sizeof(on));
	/* No client can connect before listen: the mode is complete by then. */
	umask_before = umask(~o->mode & 0777);
	r = bind(fd, &a.sa, len);
	(void)umask(umask_before);
	if (r == -1)
		die_sys(EXIT_TEMP, "cannot bind '%s'", o->address);
	if (o->group != NULL)
		give_to_group(o->address, o->group);
	if (listen(fd, o->backlog) == -1)
		die_sys(EXIT_TEMP, "cannot listen on '%s'", o->address);
	return fd;
}

static struct passwd *
look_up(const char *user)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL && errno != 0)
		die_sys(EXIT_TEMP, "cannot look up the user '%s'", user);
	if (pw == NULL)
		die(EXIT_PERM, "no such user: '%s'", user);
	return pw;
}

static void
listen_become(const struct passwd *pw)
{
	uid_t r, e, s;

	if (pw->pw_uid != 0 && getuid() == pw->pw_uid && geteuid() == getuid())
		return; /* an ordinary user that names itself */
	if (initgroups(pw->pw_name, pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)
		die_sys(EXIT_TEMP, "cannot become '%s'", pw->pw_name);
	if (getresuid(&r, &e, &s) == -1 || r != pw->pw_uid || e != pw->pw_uid ||
	    s != pw->pw_uid || (pw->pw_uid != 0 && setuid(0) != -1))
		die(EXIT_BUG, "still root after becoming '%s'", pw->pw_name);
}

/* Makes fd 0 the listening socket, and leaves 1, 2 and nothing else. */
static void
arrange_fds(int fd)
{
	if (fd != 0 && dup2(fd, 0) == -1)
		die_sys(EXIT_TEMP, "cannot make the socket descriptor 0");
	if (syscall(SYS_close_range, 3U, ~0U, 0U) == -1)
		for (int i = 3; i < sysconf(_SC_OPEN_MAX); i++)
			(void)close(i);
}

int
main(int argc, char *argv[])
{
	struct options o = { .mode = 0600, .backlog = 512 };
	struct passwd *pw = NULL;
	int c, fd;

	progname = "smtpd-listen";
	opterr = 0;
	while ((c = getopt(argc, argv, "+b:g:m:u:")) != -1)
		listen_take_option(&o, c, optarg);
	if (argc - optind < 2)
		listen_bad_usage();
	o.address = argv[optind++];
	/* 1 and 2 must not become the socket, nor 0 be left closed. */
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2)
		;
	if (fd == -1)
		die_sys(EXIT_TEMP, "cannot open '/dev/null'");
	if (o.user != NULL)
		pw = look_up(o.user);
	arrange_fds(bind_address(&o));
	if (pw != NULL)
		listen_become(pw);
	(void)execvp(argv[optind], argv + optind);
	die_sys(errno == ENOENT || errno == EACCES ? EXIT_PERM : EXIT_TEMP,
	    "cannot run '%s'", argv[optind]);
}
