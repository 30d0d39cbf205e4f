/* SPDX-License-Identifier: ISC */
/* How a program starts: options, configuration, and what it refuses. */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <unistd.h>

#include "program.h"
#include "tap.h"

static char dir[] = "/tmp/program-XXXXXX";

/* As a program of the chain: says what it made of its arguments. */
_Noreturn static void
program(int argc, char *argv[])
{
	struct conf conf;
	int first = program_start(argc, argv, &conf,
	    getenv("MAY_BE_ROOT") != NULL ? PROGRAM_MAY_BE_ROOT :
					    PROGRAM_UNPRIVILEGED,
	    "operand ...");
	struct sigaction sa;

	(void)sigaction(SIGPIPE, NULL, &sa);
	printf("%s %s %llu", progname, conf.hostname,
	    (unsigned long long)conf.max_errors);
	printf(" %03o %s |", (unsigned)umask(0),
	    sa.sa_handler == SIG_IGN ? "ignored" : "deadly");
	for (unsigned i = 0; i < conf.nargs; i++)
		printf(" %s", conf.args[i]);
	printf(" |%s", conf.args[conf.nargs] == NULL ? "" : " endless");
	for (int i = first; i < argc; i++)
		printf(" %s", argv[i]);
	printf("\n");
	(void)fflush(stdout);
	_exit(0); /* the configuration lives until then */
}

static void
put_file(const char *name, const char *text)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	(void)close(fd);
}

struct result {
	char out[1000];
	int code;
};

/* Runs ourselves as a program in dir, as an ordinary user. */
static void
run(struct result *r, bool root, char *const argv[])
{
	size_t n = 0;
	ssize_t got;
	int p[2], status;

	if (pipe(p) == -1)
		abort();
	if (fork() == 0) {
		(void)dup2(p[1], 1);
		(void)dup2(p[1], 2);
		(void)close(p[0]);
		(void)close(p[1]);
		if (chdir(dir) == -1)
			_exit(99);
		if (geteuid() == 0 && !root &&
		    (setgroups(0, NULL) == -1 ||
			setresgid(60001, 60001, 60001) == -1 ||
			setresuid(60001, 60001, 60001) == -1))
			_exit(98);
		(void)setenv("AS_PROGRAM", "1", 1);
		(void)execv("/proc/self/exe", argv);
		_exit(97);
	}
	(void)close(p[1]);
	while ((got = read(p[0], r->out + n, sizeof(r->out) - n - 1)) > 0)
		n += (size_t)got;
	r->out[n] = '\0';
	(void)close(p[0]);
	(void)wait(&status);
	r->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define ARGV(...) \
	((char *[]){ (char *)(uintptr_t) "/x/smtpd-x", __VA_ARGS__, NULL })
#define S(s) ((char *)(uintptr_t)(s))

static void
options(void)
{
	struct result r;

	run(&r, false, ARGV(S("-c"), S("good"), S("one"), S("-o"), S("two")));
	is_str(r.out,
	    "smtpd-x mx.example.org 7 077 ignored | -c good | "
	    "one -o two\n",
	    "a file; operands end the options");
	is_num(r.code, 0, "and exit 0");
	run(&r, false,
	    ARGV(S("-cgood"), S("-omax_errors = 9"), S("--"), S("-c")));
	is_str(r.out,
	    "smtpd-x mx.example.org 9 077 ignored | -c good "
	    "-o max_errors = 9 | -c\n",
	    "values attached, and --");
	run(&r, false,
	    ARGV(S("-o"), S("max_errors=8"), S("-c"), S("good"), S("-")));
	is_str(r.out,
	    "smtpd-x mx.example.org 8 077 ignored | "
	    "-o max_errors=8 -c good | -\n",
	    "-o counts more than the file");
	run(&r, false, ARGV(S("-c"), S("good"), S("-c"), S("second")));
	is_str(r.out,
	    "smtpd-x mx.example.org 5 077 ignored | "
	    "-c good -c second |\n",
	    "a second file over the first");
	run(&r, false,
	    ARGV(S("-c"), S("/dev/null"), S("-o"), S("hostname=h.example"),
		S("-o"), S("max_errors=1")));
	is_str(r.out,
	    "smtpd-x h.example 1 077 ignored | -c /dev/null "
	    "-o hostname=h.example -o max_errors=1 |\n",
	    "no operands");
}

/* The one line it says, and its code. */
static void
refused(int code, const char *says, char *const argv[])
{
	struct result r;

	run(&r, false, argv);
	if (!ok(strncmp(r.out, says, strlen(says)) == 0 &&
		    strchr(r.out, '\n') == r.out + strlen(r.out) - 1,
		"%s", says))
		note("got: %s", r.out);
	is_num(r.code, code, "exit %d", code);
}

static void
refusals(void)
{
	static const char usage[] = "smtpd-x: fatal: usage: smtpd-x [-c file] "
				    "[-o name=value] ... operand ...";

	refused(100, usage, ARGV(S("-c")));
	refused(100, usage, ARGV(S("-o")));
	refused(100, usage, ARGV(S("-x")));
	refused(100, usage, ARGV(S("--help")));
	refused(100, "smtpd-x: fatal: bad:2: ", ARGV(S("-c"), S("bad")));
	refused(111, "smtpd-x: fatal: cannot read 'none': No such file",
	    ARGV(S("-c"), S("none")));
	refused(111, "smtpd-x: fatal: cannot read 'secret': Permission denied",
	    ARGV(S("-c"), S("secret")));
	refused(100, "smtpd-x: fatal: -o nothing: not name=value",
	    ARGV(S("-c"), S("good"), S("-o"), S("nothing")));
	refused(100, "smtpd-x: fatal: -o max_error=1: ",
	    ARGV(S("-c"), S("good"), S("-o"), S("max_error=1")));
	refused(100, "smtpd-x: fatal: -o max_errors=x: ",
	    ARGV(S("-c"), S("good"), S("-o"), S("max_errors=x")));
}

static void
as_root(void)
{
	struct result r;

	if (geteuid() != 0) {
		skipped("needs root");
		return;
	}
	run(&r, true, ARGV(S("-c"), S("good")));
	is_str(r.out, "smtpd-x: fatal: must not run as root\n", "root");
	is_num(r.code, 100, "is refused");
	(void)setenv("MAY_BE_ROOT", "1", 1);
	run(&r, true, ARGV(S("-c"), S("good")));
	is_num(r.code, 0, "unless it may be");
	(void)unsetenv("MAY_BE_ROOT");
}

/* Who starts us with 0, 1 or 2 closed gets /dev/null there, not our files. */
static void
closed_descriptors(void)
{
	char path[64], s[200] = "";
	int status, fd;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/probe", dir);
	if (fork() == 0) {
		struct conf conf;

		(void)close(0);
		(void)close(1);
		(void)close(2);
		if (geteuid() == 0)
			(void)setenv("MAY_BE_ROOT", "1", 1);
		(void)program_start(3, ARGV(S("-c"), S("/dev/null")), &conf,
		    PROGRAM_MAY_BE_ROOT, "");
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		(void)!write(fd, fd > 2 ? "above" : "below", 5);
		_exit(write(1, "x", 1) == 1 && read(0, s, 1) == 0 ? 0 : 1);
	}
	(void)wait(&status);
	is_num(status, 0, "0 and 1 are there");
	fd = open(path, O_RDONLY);
	n = read(fd, s, sizeof(s));
	is_span(span_of(s, n < 0 ? 0 : (size_t)n), SPAN("above"),
	    "and no other file takes their place");
	(void)close(fd);
}

int
main(int argc, char *argv[])
{
	char text[64];

	if (getenv("AS_PROGRAM") != NULL)
		program(argc, argv);
	(void)umask(022);
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) == -1)
		abort();
	put_file("good", "hostname = mx.example.org\nmax_errors = 7\n");
	put_file("second", "max_errors = 5\n");
	put_file("bad", "hostname = mx.example.org\nmax_error = 7\n");
	put_file("secret", "");
	(void)snprintf(text, sizeof(text), "%s/secret", dir);
	(void)chmod(text, 0);
	options();
	refusals();
	as_root();
	closed_descriptors();
	(void)snprintf(text, sizeof(text), "rm -r %s", dir);
	return system(text) == 0 ? done() : 1;
}
