/* SPDX-License-Identifier: ISC */
/* Helpers: a socket is dialled, a command is started, all else is refused. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "helper.h"
#include "tap.h"

static char dir[] = "/tmp/helper-XXXXXX", path[64];

/* What the helper says until it is done. */
static struct span
heard(int fd)
{
	static char s[1000];
	size_t n = 0;
	ssize_t r;

	while ((r = read(fd, s + n, sizeof(s) - n)) > 0)
		n += (size_t)r;
	(void)close(fd);
	return span_of(s, n);
}

static int
listen_at(const char *name, int backlog)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	memcpy(sun.sun_path, path, strlen(path));
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(fd, backlog) == -1)
		abort();
	return fd;
}

static void
dials(void)
{
	int l = listen_at("s", 5), fd, conn;

	fd = helper_open(path, NULL);
	ok(fd > 2, "a socket is dialled");
	ok((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "close-on-exec");
	conn = accept(l, NULL, NULL);
	(void)!write(conn, "hello", 5);
	(void)close(conn);
	is_span(heard(fd), SPAN("hello"), "and heard");
	(void)close(l);
	errno = 0;
	is_num(helper_open(path, NULL), -1, "nobody listens");
	is_num(errno, ECONNREFUSED, "ECONNREFUSED");
	(void)unlink(path);
	is_num(helper_open(path, NULL), -1, "nothing is there");
	is_num(errno, ENOENT, "ENOENT");
}

static void
commands(void)
{
	static const char *args[] = { "-c", "/x y", "-o", "a=b c", NULL };
	struct conf conf = { .args = args, .nargs = 4 };
	static char sh[] = "/bin/sh", c[] = "-c",
		    script[] = "echo \"$#\"; read x; echo \"$x\"";
	static char *const words[] = { sh, c, script, NULL };
	char *const none[] = { NULL };
	int fd, flags;

	fd = helper_open("  /bin/echo one\t two  ", NULL);
	ok((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "a command is started");
	is_span(heard(fd), SPAN("one two\n"), "with its words");
	fd = helper_open("/bin/echo one", &conf);
	is_span(heard(fd), SPAN("-c /x y -o a=b c one\n"), "our options first");
	fd = helper_openv(words, NULL);
	flags = fcntl(fd, F_GETFL);
	ok((flags & O_ACCMODE) == O_RDWR, "in both directions");
	(void)!write(fd, "ping\n", 5);
	is_span(heard(fd), SPAN("0\nping\n"), "words are not split again");
	is_num(helper_openv(none, NULL), -1, "no words");
	is_num(errno, EINVAL, "EINVAL");
	while (wait(NULL) > 0)
		;
}

static void
refusals(void)
{
	static const char *const bad[] = { "", "  ", "echo", "bin/echo x",
		"./s" };
	char longer[200];

	for (size_t i = 0; i < nitems(bad); i++) {
		errno = 0;
		is_num(helper_open(bad[i], NULL), -1, "\"%s\"", bad[i]);
		is_num(errno, EINVAL, "EINVAL");
	}
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	is_num(helper_open(longer, NULL), -1, "a long name that is nothing");
	is_num(errno, ENOENT, "ENOENT");
	is_num(helper_open("/bin/nothing x", NULL), -1, "no such command");
	is_num(errno, ENOENT, "ENOENT");
	is_num(helper_open(dir, NULL), -1, "a directory");
	is_num(errno, EACCES, "EACCES");
	is_num(waitpid(-1, NULL, WNOHANG), -1, "no child is left");
}

int
main(void)
{
	int before, after;

	(void)signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL)
		abort();
	before = dup(0);
	(void)close(before);
	dials();
	commands();
	refusals();
	after = dup(0);
	is_num(after, before, "no descriptor is left");
	(void)rmdir(dir);
	return done();
}
