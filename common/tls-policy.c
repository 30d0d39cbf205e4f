/* SPDX-License-Identifier: ISC */
/* What a destination needs besides its address: TLS, and a password. */
#include <errno.h>
#include <stdio.h>

#include "readfile.h"
#include "tls-policy.h"

#define FILE_MAX (1024 * 1024)
#define PASSWORD_LINE_MAX 1024 /* AUTH must fit in a command line */

/* --- the lines ------------------------------------------------------------ */

/* The next line that is neither empty nor a comment, with its number. */
static bool
policy_next_line(struct span *file, struct span *line, unsigned *number)
{
	while (file->n > 0) {
		*line = span_cut(file, '\n');
		if (line->n > 0 && line->p[line->n - 1] == '\r')
			line->n--;
		++*number;
		if (span_trim(*line).n > 0 && span_trim(*line).p[0] != '#')
			return true;
	}
	return false;
}

static bool
parse_tls(struct span word, enum tls_policy_level *tls)
{
	static const char *const words[] = {
		[TLS_POLICY_NONE] = "none",
		[TLS_POLICY_MAY] = "may",
		[TLS_POLICY_ENCRYPT] = "encrypt",
		[TLS_POLICY_VERIFY] = "verify",
	};

	for (size_t i = 0; i < nitems(words); i++)
		if (span_eq(word, span_str(words[i]))) {
			*tls = (enum tls_policy_level)i;
			return true;
		}
	return false;
}

/* How closely the pattern matches the destination; 0: not at all. */
static size_t
match_length(struct span pattern, struct span destination)
{
	if (span_ieq(pattern, destination))
		return SIZE_MAX;
	if (span_eq(pattern, SPAN("*")))
		return 1;
	if (pattern.p[0] != '.' || pattern.n >= destination.n)
		return 0;
	return span_ieq(span_skip(destination, destination.n - pattern.n),
		   pattern) ?
	    pattern.n + 1 :
	    0;
}

bool
tls_policy_find(struct span file, struct span destination, struct tls_policy *p,
    unsigned *line)
{
	struct span text;
	size_t best = 0, length;

	*line = 0;
	p->tls = TLS_POLICY_MAY;
	p->given = false;
	p->names = span_of("", 0);
	while (policy_next_line(&file, &text, line)) {
		struct span pattern = span_word(&text);
		struct span word = span_word(&text);
		enum tls_policy_level tls;

		text = span_trim(text);
		if (!parse_tls(word, &tls) ||
		    (text.n > 0 && tls != TLS_POLICY_VERIFY))
			return false;
		length = match_length(pattern, destination);
		if (length <= best)
			continue;
		best = length;
		p->tls = tls;
		p->names = text;
		p->given = true;
	}
	return true;
}

/* Too long, or with the octet that AUTH PLAIN puts between its parts. */
static bool
line_is_bad(struct span name, struct span password)
{
	size_t n = (size_t)(password.p - name.p) + password.n;

	return n > PASSWORD_LINE_MAX || memchr(name.p, '\0', n) != NULL;
}

bool
tls_policy_find_password(struct span file, struct span host,
    struct tls_policy *p, unsigned *line)
{
	struct span text;

	*line = 0;
	while (policy_next_line(&file, &text, line)) {
		struct span name = span_word(&text), user = span_word(&text);
		struct span password = span_skip(text, 1);

		if (password.n == 0 || line_is_bad(name, password))
			return false;
		if (!span_ieq(name, host) || p->user.p != NULL)
			continue;
		p->user = user;
		p->password = password;
	}
	return true;
}

/* --- the files ------------------------------------------------------------ */

static void
policy_bad(struct tls_policy *p, const char *path, const char *what)
{
	(void)snprintf(p->trouble, sizeof(p->trouble), "%s: %s", path, what);
}

/* Reads the file into p->texts; *text is its contents there. */
static bool
policy_read(struct tls_policy *p, const char *path, enum readfile_kind kind,
    struct span *text)
{
	struct sbuf why;
	bool good;

	sbuf_init(&why, sizeof(p->trouble));
	sbuf_reset(&p->texts);
	good = readfile(AT_FDCWD, path, kind, &p->texts, &why);
	if (!good)
		policy_bad(p, path, why.s);
	*text = sbuf_span(&p->texts);
	sbuf_free(&why);
	return good;
}

static void
policy_bad_line(struct tls_policy *p, const char *path, unsigned line,
    const char *form)
{
	(void)snprintf(p->trouble, sizeof(p->trouble), "%s:%u: expected '%s'",
	    path, line, form);
}

/* Keeps copies of what was found, and wipes the rest of the file. */
static void
policy_keep(struct tls_policy *p)
{
	struct span *parts[] = { &p->names, &p->user, &p->password };
	struct sbuf kept;

	sbuf_init(&kept, FILE_MAX);
	for (size_t i = 0; i < nitems(parts); i++)
		sbuf_addspan(&kept, *parts[i]);
	for (size_t i = 0, at = 0; i < nitems(parts); i++) {
		if (parts[i]->p != NULL)
			parts[i]->p = kept.s + at;
		at += parts[i]->n;
	}
	if (kept.bad)
		policy_bad(p, "policy", strerror(ENOMEM));
	sbuf_wipe(&p->texts);
	p->texts = kept;
}

static void
read_password(struct tls_policy *p, const char *path, struct span host)
{
	struct span text;
	unsigned line;

	if (!policy_read(p, path, READFILE_SECRET, &text))
		return;
	if (!tls_policy_find_password(text, host, p, &line))
		policy_bad_line(p, path, line, "HOST USER PASSWORD");
}

/* A password is only sent under TLS; to a verified host by default. */
static void
protect_password(struct tls_policy *p, const struct conf *conf)
{
	if (p->user.p == NULL)
		return;
	if (!p->given)
		p->tls = TLS_POLICY_VERIFY;
	else if (p->tls < TLS_POLICY_ENCRYPT)
		policy_bad(p, conf->tls_policy,
		    "a host with a password needs encrypt or verify");
}

void
tls_policy_load(struct tls_policy *p, const struct conf *conf,
    struct span destination, bool route)
{
	struct span text;
	unsigned line;

	*p = (struct tls_policy){ .tls = TLS_POLICY_MAY, .names = SPAN("") };
	sbuf_init(&p->texts, FILE_MAX);
	if (conf->tls_policy[0] != '\0' &&
	    policy_read(p, conf->tls_policy, READFILE_REGULAR, &text)) {
		if (!tls_policy_find(text, destination, p, &line))
			policy_bad_line(p, conf->tls_policy, line,
			    "DESTINATION none|may|encrypt|verify [NAME ...]");
		policy_keep(p);
	}
	if (route && conf->remote_passwords[0] != '\0') {
		/* policy_read starts anew, and p->names points here. */
		struct sbuf names = p->texts;

		sbuf_init(&p->texts, FILE_MAX);
		read_password(p, conf->remote_passwords, destination);
		policy_keep(p);
		sbuf_free(&names);
	}
	protect_password(p, conf);
}

void
tls_policy_free(struct tls_policy *p)
{
	sbuf_wipe(&p->texts);
}
