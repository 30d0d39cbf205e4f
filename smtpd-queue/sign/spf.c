/* SPDX-License-Identifier: ISC */
/* Whether a published SPF record lets this host send, and others not. */
#include "spf.h"

static enum compare_result
say(struct sbuf *why, enum compare_result r, const char *what)
{
	sbuf_adds(why, what);
	return r;
}

/* What a term of SPF is to this host. */
enum term {
	TERM_OTHER,
	TERM_US,      /* lets it send */
	TERM_PERHAPS, /* may let it, by what stands elsewhere */
	TERM_ALL,     /* "all" with - or ~ */
	TERM_ANYBODY, /* "all" that lets everybody */
};

static enum term
term_of(struct span term, struct span domain, struct span host)
{
	char qualifier = '+';
	struct span name, arg;

	if (term.n > 0 && memchr("+-~?", term.p[0], 4) != NULL) {
		qualifier = term.p[0];
		term = span_skip(term, 1);
	}
	if (span_ieq(term, SPAN("all")))
		return qualifier == '-' || qualifier == '~' ? TERM_ALL :
							      TERM_ANYBODY;
	if (qualifier != '+')
		return TERM_OTHER;
	if (span_istarts(term, SPAN("redirect=")))
		return TERM_PERHAPS;
	arg = term;
	name = span_cut(&arg, ':');
	if (arg.n == 0)
		arg = domain;
	if ((span_ieq(name, SPAN("mx")) && span_ieq(arg, domain)) ||
	    (span_ieq(name, SPAN("a")) && span_ieq(arg, host)))
		return TERM_US;
	if (span_istarts(name, SPAN("ip")) || span_istarts(name, SPAN("a")) ||
	    span_istarts(name, SPAN("mx")) || span_ieq(name, SPAN("include")) ||
	    span_ieq(name, SPAN("exists")))
		return TERM_PERHAPS;
	return TERM_OTHER;
}

enum compare_result
spf_compare(struct span domain, struct span host, struct span text,
    struct sbuf *why)
{
	bool seen[TERM_ANYBODY + 1] = { false };
	bool redirects = false;
	struct span term;

	(void)span_word(&text); /* the version */
	while ((term = span_word(&text)).n > 0) {
		enum term t = term_of(term, domain, host);

		redirects = redirects || span_istarts(term, SPAN("redirect="));
		/* Nothing counts that stands behind "all". */
		if (!seen[TERM_ALL] && !seen[TERM_ANYBODY])
			seen[t] = true;
	}
	if (seen[TERM_ANYBODY])
		return say(why, COMPARE_WRONG, "it lets everybody send");
	if (!seen[TERM_US] && !seen[TERM_PERHAPS])
		return say(why, COMPARE_WRONG,
		    "it does not let this host send");
	if (!seen[TERM_US])
		return say(why, COMPARE_DOUBT,
		    "it names no mx: see that it lets this host send");
	if (!seen[TERM_ALL] && !redirects)
		return say(why, COMPARE_DOUBT,
		    "it has no '-all': it stops nobody");
	return COMPARE_RIGHT;
}
