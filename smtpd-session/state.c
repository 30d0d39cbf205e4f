/* SPDX-License-Identifier: ISC */
/* The table, and how a command line is looked up in it. */
#include "action.h"
#include "command.h"
#include "session.h"

#define ALWAYS(a) \
	{ \
		a, a, a, a \
	}

static const struct verb verbs[] = {
	/* name, argument, at once, idle, in clear, { START, READY, MAIL, RCPT } */
	{ "EHLO", ARGUMENT_SOME, true, true, true, ALWAYS(action_ehlo) },
	{ "HELO", ARGUMENT_SOME, true, true, false, ALWAYS(action_helo) },
	{ "STARTTLS", ARGUMENT_NONE, true, true, true,
	    { NULL, action_starttls, action_starttls, action_starttls } },
	{ "AUTH", ARGUMENT_SOME, true, true, false,
	    { NULL, action_auth, NULL, NULL } },
	{ "MAIL", ARGUMENT_SOME, false, false, false,
	    { NULL, action_mail, NULL, NULL } },
	{ "RCPT", ARGUMENT_SOME, false, false, false,
	    { NULL, NULL, action_rcpt, action_rcpt } },
	{ "DATA", ARGUMENT_NONE, true, false, false,
	    { NULL, NULL, action_data_for_nobody, action_data } },
	{ "RSET", ARGUMENT_NONE, false, true, false, ALWAYS(action_rset) },
	{ "NOOP", ARGUMENT_ANY, true, true, true, ALWAYS(action_noop) },
	{ "QUIT", ARGUMENT_NONE, true, false, true, ALWAYS(action_quit) },
	{ "VRFY", ARGUMENT_SOME, true, true, false, ALWAYS(action_vrfy) },
	{ "EXPN", ARGUMENT_ANY, true, true, false, ALWAYS(action_expn) },
	{ "HELP", ARGUMENT_ANY, true, true, false, ALWAYS(action_help) },

	/* A browser that was tricked into posting to us gets no second line. */
	{ "GET", ARGUMENT_ANY, true, false, true, ALWAYS(action_http) },
	{ "POST", ARGUMENT_ANY, true, false, true, ALWAYS(action_http) },
	{ "PUT", ARGUMENT_ANY, true, false, true, ALWAYS(action_http) },
	{ "HEAD", ARGUMENT_ANY, true, false, true, ALWAYS(action_http) },
	{ "PATCH", ARGUMENT_ANY, true, false, true, ALWAYS(action_http) },
	{ "DELETE", ARGUMENT_ANY, true, false, true, ALWAYS(action_http) },
	{ "OPTIONS", ARGUMENT_ANY, true, false, true, ALWAYS(action_http) },
	{ "CONNECT", ARGUMENT_ANY, true, false, true, ALWAYS(action_http) },
	{ "TRACE", ARGUMENT_ANY, true, false, true, ALWAYS(action_http) },
};

const struct verb *
state_verb(struct span name)
{
	for (size_t i = 0; i < nitems(verbs); i++)
		if (span_ieq(name, span_str(verbs[i].name)))
			return &verbs[i];
	return NULL;
}

static void
out_of_order(struct session *s, const struct verb *v)
{
	const char *hint = NULL;

	switch (s->state) {
	case STATE_START:
		hint = "say EHLO or HELO first";
		break;
	case STATE_READY:
		hint = "say MAIL first";
		break;
	case STATE_MAIL:
	case STATE_RCPT:
		hint = "a transaction is open";
		break;
	}
	reply(&s->reply, "503 5.5.1 %s out of order: %s", v->name, hint);
}

/* RFC 3207 4; but what is lacking on our side is not the client's fault. */
static void
want_tls(struct session *s)
{
	if (starttls_is_ready(&s->tls))
		reply(&s->reply, "530 5.7.0 Say STARTTLS first");
	else
		reply(&s->reply,
		    "454 4.7.0 TLS is required, and not available now");
}

void
state_obey(struct session *s, struct span line)
{
	struct span name, argument;
	const struct verb *v;

	command_split(line, &name, &argument);
	v = state_verb(name);
	if (v == NULL) {
		reply(&s->reply, "500 5.5.2 Unknown command");
		return;
	}
	s->idle += v->idle;
	if (!v->in_clear && session_lacks_tls(s))
		want_tls(s);
	else if (v->argument == ARGUMENT_NONE && argument.n > 0)
		reply(&s->reply, "501 5.5.4 %s takes no argument", v->name);
	else if (v->argument == ARGUMENT_SOME && argument.n == 0)
		reply(&s->reply, "501 5.5.4 %s needs an argument", v->name);
	else if (v->act[s->state] == NULL)
		out_of_order(s, v);
	else
		v->act[s->state](s, argument);
	if (v->at_once)
		reply_flush(&s->reply);
}
