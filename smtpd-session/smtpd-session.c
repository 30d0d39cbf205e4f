/* SPDX-License-Identifier: ISC */
/* smtpd-session: one SMTP session with a client on descriptors 0 and 1. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "helper.h"
#include "program.h"
#include "serve.h"
#include "session.h"

/*
 * Common, so that the linker puts it behind libc's few variables: between them
 * it would cost each idle session one more page.
 */
__attribute__((common)) struct session session;

/*
 * Tells the client when the program cannot start. With a listener there is no
 * client yet.
 */
static void
session_farewell(void)
{
	static const char text[] =
	    "421 4.3.0 Service not available, try again later\r\n";

	if (session.has_client || serve_listener() == -1)
		(void)!write(1, text, sizeof(text) - 1);
}

/*
 * While the session waits for a command nothing else is under way, so the
 * handler may do everything. A message that is arriving is received to its end
 * first.
 */
static void
session_on_term(int sig)
{
	(void)sig;
	if (!session.waiting) {
		session.stopping = 1;
		return;
	}
	session_stop(&session);
	_exit(EXIT_OK);
}

static bool
session_is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The launcher's word counts only if the socket does not show the address. */
static struct ip
session_told_ip(void)
{
	const char *text = getenv("TCPREMOTEIP");
	struct ip ip = { .size = 0 };

	if (text == NULL)
		text = getenv("REMOTE_ADDR");
	if (text != NULL && !ip_parse(span_str(text), &ip))
		ip.size = 0;
	return ip;
}

static void
session_look_at_peer(struct session *s)
{
	int on = 1;

	s->proven = ip_of_peer(0);
	if (s->proven.size == 0) {
		if (!session_is_socket(0))
			s->ip = session_told_ip();
		return;
	}
	s->ip = s->proven;
	/* Two replies in a row: the second must not wait for an ACK. */
	(void)setsockopt(1, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The operand "local", which sendmail -bs gives. */
static bool
session_take_role(char *const operands[])
{
	if (operands[0] == NULL)
		return false;
	if (strcmp(operands[0], "local") != 0 || operands[1] != NULL)
		die(EXIT_PERM, "'%s' is not a role, the only one is 'local'",
		    operands[0]);
	if (serve_listener() != -1 || ip_of_peer(0).size != 0)
		die(EXIT_PERM, "a client on the network is not a local user");
	return true;
}

/*
 * On port 25 there need not be a program that checks passwords. Looking for
 * its file costs less than an exec that fails.
 */
static bool
session_wants_auth(const struct conf *conf)
{
	struct span rest = span_str(conf->auth), word = span_word(&rest);
	char path[PATH_MAX];

	if (word.n == 0 || word.n >= sizeof(path) ||
	    !session_auth_is_possible(conf))
		return false;
	memcpy(path, word.p, word.n);
	path[word.n] = '\0';
	return conf_is_submission(conf) || access(path, F_OK) == 0;
}

/*
 * A local user's mail enters where sendmail's does, and clients that may relay
 * have an injector of their own: no other session can relay. Where only users
 * may send, the session has no injector before AUTH: even a compromised
 * session can inject nothing.
 */
static void
session_dial_injector(struct session *s)
{
	const struct conf *conf = s->conf;
	struct link *l = &s->inject.link;

	if (s->local_user)
		link_open(l, &s->inject_room, "submitter", conf->submitter,
		    conf);
	else if (conf_is_submission(conf))
		link_init(l, &s->inject_room, "injector", conf);
	else if (ip_in_networks(conf->relay_clients, &s->proven))
		link_open(l, &s->inject_room, "relay_injector",
		    conf->relay_injector, conf);
	else
		link_open(l, &s->inject_room, "injector", conf->injector, conf);
}

/* Must happen before the session confines itself. */
static void
session_dial(struct session *s)
{
	const struct conf *conf = s->conf;

	session_dial_injector(s);
	link_init(&s->auth, &s->auth_room, "auth", conf);
	if (s->local_user)
		return;
	link_open(&s->lookup, &s->lookup_room, "rcpt", conf->rcpt, conf);
	starttls_open(&s->tls, &s->tls_room, conf);
	s->auth_wanted = session_wants_auth(conf);
	if (s->auth_wanted)
		link_open(&s->auth, &s->auth_room, "auth", conf->auth, conf);
}

/* Is one of the helpers a command, which has to be executed? */
static bool
session_has_commands(const struct conf *conf)
{
	return helper_is_command(conf->injector) ||
	    helper_is_command(conf->relay_injector) ||
	    helper_is_command(conf->rcpt) || helper_is_command(conf->tls) ||
	    helper_is_command(conf->auth);
}

static void
session_catch_term(void)
{
	struct sigaction term = { .sa_handler = session_on_term,
		.sa_flags = SA_RESTART };

	if (sigaction(SIGTERM, &term, NULL) == -1)
		die_sys(EXIT_TEMP, "cannot catch SIGTERM");
}

int
main(int argc, char *argv[])
{
	/* Its helpers are dialled: no open, no socket, no connect, no exec. */
	static const struct confine keep = { .calls = { SYS_getrandom },
		.dials = true };
	static struct conf conf;
	struct serve_how how = { .start = SERVE_AT_ACCEPT };
	int operands;

	die_farewell = session_farewell;
	operands = program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED,
	    "[local]");
	session.local_user = session_take_role(argv + operands);
	how.limit = (unsigned)conf.max_sessions;
	how.execs = serve_listener() != -1 && session_has_commands(&conf);
	serve_warm(argv, &how);
	serve_connections(&keep, &conf);
	session.has_client = true;
	session.conf = &conf;
	session_look_at_peer(&session);
	session_catch_term();
	session_dial(&session);
	serve_confine(&keep, &conf);
	session_run(&session);
	return EXIT_OK;
}
