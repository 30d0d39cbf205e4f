/* SPDX-License-Identifier: ISC */
/* Reads the configuration: it runs at every exec, so it does little. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "address.h"
#include "conf-setting.h"
#include "readfile.h"

/* The texts of one file or option. A NUL is written behind each value. */
struct conf_memory {
	struct conf_memory *next;
	char text[]; /* with room for a NUL */
};

static char *
conf_memory_copy(struct conf *c, struct span s)
{
	struct conf_memory *m = malloc(sizeof(*m) + s.n + 1);

	if (m == NULL)
		return NULL;
	m->next = c->memory;
	c->memory = m;
	if (s.n > 0)
		memcpy(m->text, s.p, s.n);
	m->text[s.n] = '\0';
	return m->text;
}

enum conf_result
conf_bad(struct conf_where *where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(where->what, sizeof(where->what), fmt, ap);
	va_end(ap);
	return CONF_BAD;
}

static enum conf_result
conf_bad_octet(char c, struct conf_where *where)
{
	if (c == '\r')
		return conf_bad(where,
		    "carriage return: lines must end in LF only");
	return conf_bad(where, "control character 0x%02x", (unsigned char)c);
}

void
conf_init(struct conf *c)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < CONF_SETTINGS; i++)
		conf_setting_init(&conf_settings[i], c);
}

void
conf_free(struct conf *c)
{
	struct conf_memory *m;

	while ((m = c->memory) != NULL) {
		c->memory = m->next;
		free(m);
	}
}

/* Finds the end of the line at p. False: a control octet is at *length. */
static bool
conf_line_length(const char *p, size_t n, size_t *length)
{
	size_t i;

	for (i = 0; i < n && p[i] != '\n'; i++) {
		unsigned char c = (unsigned char)p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f) {
			*length = i;
			return false;
		}
	}
	*length = i;
	return true;
}

/* The line has room behind it for a NUL. */
static enum conf_result
conf_parse_line(struct conf *c, char *text, size_t n,
    unsigned first[CONF_SETTINGS], struct conf_where *where)
{
	struct span line = span_trim(span_of(text, n)), name, value;
	const struct conf_setting *s;
	size_t equals;

	if (line.n == 0 || line.p[0] == '#')
		return CONF_OK;
	equals = span_find(line, '=');
	if (equals == line.n)
		return conf_bad(where, "expected 'name = value'");
	name = span_trim(span_of(line.p, equals));
	value = span_trim(span_skip(line, equals + 1));
	s = conf_setting_find(name, where);
	if (s == NULL)
		return CONF_BAD;
	if (first[s - conf_settings] != 0)
		return conf_bad(where, "'%s' was already set on line %u",
		    conf_setting_name(s), first[s - conf_settings]);
	first[s - conf_settings] = where->line;
	if (value.n == 0)
		value = SPAN("");
	else
		text[value.p - text + (ptrdiff_t)value.n] = '\0';
	return conf_setting_assign(s, c, value, where);
}

static enum conf_result
conf_parse_text(struct conf *c, char *text, size_t n, struct conf_where *where)
{
	unsigned first[CONF_SETTINGS] = { 0 };
	size_t at = 0, length;
	enum conf_result result;

	where->line = 0;
	while (at < n) {
		where->line++;
		if (!conf_line_length(text + at, n - at, &length))
			return conf_bad_octet(text[at + length], where);
		result = conf_parse_line(c, text + at, length, first, where);
		if (result != CONF_OK)
			return result;
		at += length + 1;
	}
	return CONF_OK;
}

enum conf_result
conf_parse(struct conf *c, struct span text, struct conf_where *where)
{
	char *copy = conf_memory_copy(c, text);

	where->line = 0;
	where->what[0] = '\0';
	if (copy == NULL)
		return CONF_IOERR;
	return conf_parse_text(c, copy, text.n, where);
}

/* The file is read into memory behind room for struct conf_memory. */
enum conf_result
conf_load(struct conf *c, const char *path, struct conf_where *where)
{
	const struct conf_memory head = { .next = c->memory };
	struct sbuf b;
	int error;

	where->line = 0;
	where->what[0] = '\0';
	sbuf_init(&b, sizeof(head) + CONF_FILE_MAX);
	sbuf_add(&b, &head, sizeof(head));
	if (!readfile(AT_FDCWD, path, READFILE_ANY, &b, NULL)) {
		error = errno;
		sbuf_free(&b);
		errno = error;
		return error == EFBIG ?
		    conf_bad(where, "larger than %d octets", CONF_FILE_MAX) :
		    CONF_IOERR;
	}
	c->memory = (struct conf_memory *)(void *)b.s;
	return conf_parse_text(c, b.s + sizeof(head), b.len - sizeof(head),
	    where);
}

enum conf_result
conf_set(struct conf *c, struct span name, struct span value,
    struct conf_where *where)
{
	const struct conf_setting *s;
	char *copy;
	size_t length;

	where->line = 0;
	where->what[0] = '\0';
	value = span_trim(value);
	if (!conf_line_length(value.p, value.n, &length) || length < value.n)
		return conf_bad_octet(value.p[length], where);
	s = conf_setting_find(span_trim(name), where);
	if (s == NULL)
		return CONF_BAD;
	copy = conf_memory_copy(c, value);
	if (copy == NULL)
		return CONF_IOERR;
	return conf_setting_assign(s, c, span_of(copy, value.n), where);
}

/* Makes the system's name the hostname. */
static enum conf_result
use_system_name(struct conf *c, struct conf_where *where)
{
	struct utsname u;

	if (uname(&u) < 0)
		return CONF_IOERR;
	if (!address_is_domain(span_str(u.nodename)))
		return conf_bad(where,
		    "this system's name '%.64s' is not a domain name: set hostname",
		    u.nodename);
	c->hostname = conf_memory_copy(c, span_str(u.nodename));
	return c->hostname == NULL ? CONF_IOERR : CONF_OK;
}

static size_t
count_words(const char *list)
{
	struct span rest = span_str(list);
	size_t n = 0;

	while (span_word(&rest).n > 0)
		n++;
	return n;
}

static enum conf_result
check_tls(const struct conf *c, struct conf_where *where)
{
	size_t certs = count_words(c->tls_cert), keys = count_words(c->tls_key);

	if (certs != keys)
		return conf_bad(where,
		    "tls_cert names %zu certificates, but tls_key names %zu keys",
		    certs, keys);
	if (certs == 0 && c->require_tls)
		return conf_bad(where, "require_tls = yes needs a tls_cert");
	if (certs == 0 && strcmp(c->profile, "submissions") == 0)
		return conf_bad(where,
		    "profile = submissions needs a tls_cert");
	return CONF_OK;
}

/* One without the others would silently leave mail unsigned. */
static enum conf_result
check_dkim(const struct conf *c, struct conf_where *where)
{
	const char *const values[] = { c->dkim_key, c->dkim_domain,
		c->dkim_selector };
	static const char *const names[] = { "dkim_key", "dkim_domain",
		"dkim_selector" };
	size_t set = 0, with = 0, without = 0;

	for (size_t i = 0; i < nitems(values); i++) {
		if (values[i][0] == '\0') {
			without = i;
		} else {
			with = i;
			set++;
		}
	}
	if (set == 0 || set == nitems(values))
		return CONF_OK;
	return conf_bad(where, "%s is set, but %s is not", names[with],
	    names[without]);
}

/* As in Maildir++; or empty. */
static bool
is_folder_name(const char *name)
{
	size_t n = strlen(name);

	return n == 0 ||
	    (name[0] == '.' && n > 1 && n <= CONF_FOLDER_MAX &&
		strcmp(name, "..") != 0 && strchr(name, '/') == NULL);
}

enum conf_result
conf_finish(struct conf *c, struct conf_where *where)
{
	enum conf_result result;

	where->line = 0;
	where->what[0] = '\0';
	if (c->hostname[0] == '\0') {
		result = use_system_name(c, where);
		if (result != CONF_OK)
			return result;
	}
	if (c->local_domains[0] == '\0')
		c->local_domains = c->hostname;
	if (strchr(c->maildir, '/') != NULL || strcmp(c->maildir, ".") == 0 ||
	    strcmp(c->maildir, "..") == 0)
		return conf_bad(where,
		    "maildir: '%.64s' is not the name of a single folder",
		    c->maildir);
	if (!is_folder_name(c->junk_folder))
		return conf_bad(where,
		    "junk_folder: '%.64s' is not a folder name: it needs a '.', "
		    "then 1 to 63 other octets without '/'",
		    c->junk_folder);
	if (check_dkim(c, where) != CONF_OK)
		return CONF_BAD;
	return check_tls(c, where);
}

bool
conf_is_submission(const struct conf *c)
{
	return strcmp(c->profile, "mx") != 0;
}

bool
conf_has_domain(const char *list, struct span domain)
{
	struct span rest = span_str(list), word;

	while ((word = span_word(&rest)).n > 0) {
		if (span_ieq(word, domain))
			return true;
	}
	return false;
}

void
conf_print(struct sbuf *b, const struct conf *c)
{
	size_t at;

	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		sbuf_addf(b, "%s =", conf_setting_name(&conf_settings[i]));
		at = b->len;
		sbuf_putc(b, ' ');
		conf_setting_print(b, &conf_settings[i], c);
		if (b->len == at + 1)
			sbuf_truncate(b, at);
		sbuf_putc(b, '\n');
	}
}
