/* SPDX-License-Identifier: ISC */
/* The settings for people: sample file, man page, effective values. */
#include "conf-type.h"

#define WIDTH 78

/* A paragraph of comment lines. */
static void
add_comment(struct sbuf *b, struct span text)
{
	struct span word;
	size_t column = 1;

	sbuf_putc(b, '#');
	while ((word = span_word(&text)).n > 0) {
		if (column + 1 + word.n > WIDTH) {
			sbuf_adds(b, "\n#");
			column = 1;
		}
		sbuf_putc(b, ' ');
		sbuf_addspan(b, word);
		column += 1 + word.n;
	}
	sbuf_putc(b, '\n');
}

static void
add_kind(struct sbuf *b, const struct conf_setting *s)
{
	conf_expectation(b, s);
	if (s->type == CONF_DOMAINS || s->type == CONF_CIDRS ||
	    s->type == CONF_ENDPOINTS || s->type == CONF_PATHS)
		sbuf_adds(b, ", or more with blanks between");
	if (conf_is_optional(s))
		sbuf_adds(b, "; may be empty");
}

static void
describe_sample(struct sbuf *b, const struct conf_setting *s)
{
	struct sbuf kind;

	sbuf_init(&kind, WIDTH * 4);
	sbuf_adds(&kind, "Value: ");
	add_kind(&kind, s);
	add_comment(b, span_str(conf_meaning(s)));
	add_comment(b, sbuf_span(&kind));
	sbuf_addf(b, "#%s =%s%s\n", conf_name(s),
	    *conf_fallback(s) == '\0' ? "" : " ", conf_fallback(s));
	b->bad |= kind.bad;
	sbuf_free(&kind);
}

/* Nothing in the table has a backslash or begins with a dot: see the test. */
static void
describe_mdoc(struct sbuf *b, const struct conf_setting *s)
{
	sbuf_addf(b, ".It Ic %s\n%s.\n", conf_name(s), conf_meaning(s));
	sbuf_adds(b, "Value: ");
	add_kind(b, s);
	sbuf_adds(b, ".\n");
	if (*conf_fallback(s) != '\0')
		sbuf_addf(b, "Default:\n.Ql %s .\n", conf_fallback(s));
	else
		sbuf_adds(b, "Default: empty.\n");
}

void
conf_describe(struct sbuf *b, enum conf_format format)
{
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		const struct conf_setting *s = &conf_settings[i];

		switch (format) {
		case CONF_AS_SAMPLE:
			if (i > 0)
				sbuf_putc(b, '\n');
			describe_sample(b, s);
			break;
		case CONF_AS_MDOC:
			describe_mdoc(b, s);
			break;
		}
	}
}

static void
add_value(struct sbuf *b, const struct conf *c, const struct conf_setting *s)
{
	const void *member = (const char *)c + s->offset;

	if (conf_is_number(s))
		conf_add_number(b, s, *(const uint64_t *)member);
	else
		sbuf_adds(b, *(const char *const *)member);
}

void
conf_print(struct sbuf *b, const struct conf *c)
{
	size_t at;

	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		sbuf_addf(b, "%s =", conf_name(&conf_settings[i]));
		at = b->len;
		sbuf_putc(b, ' ');
		add_value(b, c, &conf_settings[i]);
		if (b->len == at + 1)
			sbuf_truncate(b, at);
		sbuf_putc(b, '\n');
	}
}

bool
conf_print_one(struct sbuf *b, const struct conf *c, struct span name,
    struct conf_where *where)
{
	const struct conf_setting *s = conf_setting(name);

	if (s == NULL)
		return conf_bad_name(name, where) == CONF_OK;
	add_value(b, c, s);
	return true;
}
