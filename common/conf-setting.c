/* SPDX-License-Identifier: ISC */
/* The table of settings as data: what each may hold, and how to say so. */
#include <inttypes.h>
#include <stdlib.h>

#include "address.h"
#include "conf-setting.h"
#include "ip.h"
#include "route.h"

/* --- the table ------------------------------------------------------------ */

/* The table's min is a rule for texts; min and max are bounds for numbers. */
#define KIND_DOMAIN TEXT
#define KIND_DOMAINS TEXT
#define KIND_CIDRS TEXT
#define KIND_ENDPOINTS TEXT
#define KIND_WORD TEXT
#define KIND_PATH TEXT
#define KIND_PATHS TEXT
#define KIND_HELPER TEXT
#define KIND_CHOICE TEXT
#define KIND_FLAG TEXT
#define KIND_ROUTES TEXT
#define KIND_ROUTE TEXT
#define KIND_NUMBER NUMBER
#define KIND_SIZE NUMBER
#define KIND_TIME NUMBER
#define RULE_TEXT(rule) rule
#define RULE_NUMBER(min) ""
#define LIMITS_TEXT(rule, max) 0, max
#define LIMITS_NUMBER(min, max) min, max
#define PASTE(a, b) a##b
#define OF_KIND(what, kind) PASTE(what##_, kind)
#define RULE(type, min) OF_KIND(RULE, KIND_##type)(min)
#define LIMITS(type, min, max) OF_KIND(LIMITS, KIND_##type)(min, max)

/* All texts of the table, one after another. */
static const struct texts {
#define X(type, name, fallback, min, max, meaning) \
	char name_of_##name[sizeof(#name)], \
	    fallback_of_##name[sizeof(fallback)], \
	    meaning_of_##name[sizeof(meaning)], \
	    rule_of_##name[sizeof(RULE(type, min))];
	SETTINGS(X)
#undef X
} texts = {
#define X(type, name, fallback, min, max, meaning) \
#name, fallback, meaning, RULE(type, min),
	SETTINGS(X)
#undef X
};

_Static_assert(sizeof(texts) <= UINT16_MAX && sizeof(struct conf) <= UINT16_MAX,
    "offsets of texts and members have 16 bits");

const struct conf_setting conf_settings[CONF_SETTINGS] = {
#define AT(member) offsetof(struct texts, member)
#define X(type, name, fallback, min, max, meaning) \
	{ AT(name_of_##name), AT(fallback_of_##name), AT(meaning_of_##name), \
		AT(rule_of_##name), CONF_##type, offsetof(struct conf, name), \
		LIMITS(type, min, max) },
	SETTINGS(X)
#undef X
#undef AT
};

static const char *
text_at(size_t offset)
{
	return (const char *)&texts + offset;
}

const char *
conf_setting_name(const struct conf_setting *s)
{
	return text_at(s->name);
}

const char *
conf_setting_default(const struct conf_setting *s)
{
	return text_at(s->fallback);
}

const char *
conf_setting_meaning(const struct conf_setting *s)
{
	return text_at(s->meaning);
}

/* Of a text: "optional", "required", or the words that it may be. */
static const char *
setting_rule(const struct conf_setting *s)
{
	return text_at(s->rule);
}

bool
conf_setting_is_optional(const struct conf_setting *s)
{
	return strcmp(setting_rule(s), "optional") == 0;
}

bool
conf_setting_is_list(const struct conf_setting *s)
{
	return s->type == CONF_DOMAINS || s->type == CONF_CIDRS ||
	    s->type == CONF_ENDPOINTS || s->type == CONF_PATHS;
}

static bool
setting_is_number(const struct conf_setting *s)
{
	return s->type == CONF_NUMBER || s->type == CONF_SIZE ||
	    s->type == CONF_TIME;
}

/* --- numbers and their units ---------------------------------------------- */

struct unit {
	char letter;
	uint32_t factor;
};

/* In descending order; the base unit, if it has a letter, comes last. */
static const struct unit size_units[] = {
	{ 'G', 1u << 30 },
	{ 'M', 1u << 20 },
	{ 'K', 1u << 10 },
};
static const struct unit time_units[] = {
	{ 'd', 86400 },
	{ 'h', 3600 },
	{ 'm', 60 },
	{ 's', 1 },
};

static size_t
units_of(enum conf_type type, const struct unit **units)
{
	if (type == CONF_SIZE) {
		*units = size_units;
		return nitems(size_units);
	}
	*units = time_units;
	return type == CONF_TIME ? nitems(time_units) : 0;
}

/* The whole of value as a number within the setting's bounds. */
static bool
parse_number(const struct conf_setting *s, struct span value, uint64_t *out)
{
	const struct unit *units;
	size_t n = units_of(s->type, &units);
	uint64_t factor = 1, number;

	for (size_t i = 0; i < n && value.n > 0; i++) {
		if (value.p[value.n - 1] == units[i].letter) {
			factor = units[i].factor;
			value.n--;
			break;
		}
	}
	/* The bound is divided, so the product cannot overflow. */
	if (!span_u64(value, s->max / factor, &number) ||
	    number * factor < s->min)
		return false;
	*out = number * factor;
	return true;
}

/* In the largest unit that is exact. */
static void
add_number(struct sbuf *b, const struct conf_setting *s, uint64_t number)
{
	const struct unit *units;
	size_t n = units_of(s->type, &units);

	for (size_t i = 0; i < n && number > 0; i++) {
		if (number % units[i].factor != 0)
			continue;
		sbuf_addf(b, "%" PRIu64 "%c", number / units[i].factor,
		    units[i].letter);
		return;
	}
	sbuf_addf(b, "%" PRIu64, number);
}

/* --- texts ---------------------------------------------------------------- */

static bool
each_word(struct span list, bool (*good)(struct span), struct span *wrong)
{
	struct span word;

	while ((word = span_word(&list)).n > 0) {
		*wrong = word;
		if (!good(word))
			return false;
	}
	return true;
}

static bool
has_blank(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (ascii_isblank(s.p[i]))
			return true;
	}
	return false;
}

/* The place of value among the words, from 0; or -1. */
static int
find_choice(const char *words, struct span value)
{
	struct span rest = span_str(words), word;

	for (int i = 0; (word = span_word(&rest)).n > 0; i++) {
		if (span_eq(word, value))
			return i;
	}
	return -1;
}

static bool
is_endpoint(struct span s)
{
	union endpoint e;

	return endpoint_parse(s, 1, &e);
}

static bool
is_path(struct span s)
{
	return s.p[0] == '/';
}

/* When it is not valid, *wrong is the part that is not: all, or one word. */
static bool
is_text_valid(const struct conf_setting *s, struct span value,
    struct span *wrong)
{
	*wrong = value;
	if (value.n == 0)
		return conf_setting_is_optional(s);
	switch (s->type) {
	case CONF_DOMAIN:
		return address_is_domain(value);
	case CONF_DOMAINS:
		return each_word(value, address_is_domain, wrong);
	case CONF_CIDRS:
		return each_word(value, ip_is_network, wrong);
	case CONF_ENDPOINTS:
		return each_word(value, is_endpoint, wrong);
	case CONF_WORD:
		return !has_blank(value);
	case CONF_PATH:
	case CONF_HELPER:
		return is_path(value);
	case CONF_PATHS:
		return each_word(value, is_path, wrong);
	case CONF_CHOICE:
	case CONF_FLAG:
		return find_choice(setting_rule(s), value) != -1;
	case CONF_ROUTES:
		return each_word(value, route_valid, wrong);
	case CONF_ROUTE:
		return !span_eq(value, SPAN("-")) && route_target_valid(value);
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_TIME:
		break;
	}
	return false;
}

/* --- what is expected, and what was wrong --------------------------------- */

static const char *
type_noun(enum conf_type type)
{
	switch (type) {
	case CONF_DOMAIN:
	case CONF_DOMAINS:
		return "a domain name";
	case CONF_CIDRS:
		return "a network (ADDRESS or ADDRESS/BITS)";
	case CONF_ENDPOINTS:
		return "an address (IP, IPv4:PORT or [IPv6]:PORT)";
	case CONF_WORD:
		return "a word without blanks";
	case CONF_PATH:
	case CONF_PATHS:
		return "an absolute path";
	case CONF_HELPER:
		return "the absolute path of a socket, or a command with an absolute path";
	case CONF_CHOICE:
	case CONF_FLAG:
		return "one of: ";
	case CONF_ROUTES:
		return "a route (DOMAIN=HOST[:PORT]; HOST in brackets: without "
		       "MX look-up)";
	case CONF_ROUTE:
		return "a host (HOST[:PORT]; HOST in brackets: without MX look-up)";
	case CONF_NUMBER:
		return "a number";
	case CONF_SIZE:
		return "a size";
	case CONF_TIME:
		return "a time";
	}
	return "";
}

void
conf_setting_expectation(struct sbuf *b, const struct conf_setting *s)
{
	sbuf_adds(b, type_noun(s->type));
	if (s->type == CONF_CHOICE || s->type == CONF_FLAG)
		sbuf_adds(b, setting_rule(s));
	if (!setting_is_number(s))
		return;
	sbuf_adds(b, " from ");
	add_number(b, s, s->min);
	sbuf_adds(b, " to ");
	add_number(b, s, s->max);
	if (s->type == CONF_SIZE)
		sbuf_adds(b, " (octets; K, M or G may follow)");
	else if (s->type == CONF_TIME)
		sbuf_adds(b, " (seconds; s, m, h or d may follow)");
}

static int
shown_length(struct span s)
{
	return (int)(s.n < 64 ? s.n : 64);
}

static enum conf_result
bad_value(const struct conf_setting *s, struct span value, struct span wrong,
    struct conf_where *where)
{
	struct sbuf expected;
	const char *hint = "";

	if (value.n == 0)
		hint = " (it may not be empty)";
	else if (span_find(value, '#') < value.n)
		hint = "; a comment needs a line of its own";
	sbuf_init(&expected, sizeof(where->what));
	conf_setting_expectation(&expected, s);
	conf_bad(where, "%s: '%.*s' is not %s%s", conf_setting_name(s),
	    shown_length(wrong), wrong.p, expected.s, hint);
	sbuf_free(&expected);
	return CONF_BAD;
}

#define NAME_LONG 40 /* longer words resemble no name */

static unsigned
smallest(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance; b has at most NAME_LONG octets. */
static unsigned
name_distance(struct span a, struct span b)
{
	unsigned row[NAME_LONG + 1], corner, above;

	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 0; i < a.n; i++) {
		corner = row[0];
		row[0] = i + 1;
		for (unsigned j = 0; j < b.n; j++) {
			above = row[j + 1];
			row[j + 1] = smallest(above + 1, row[j] + 1,
			    corner + (a.p[i] != ascii_lower(b.p[j])));
			corner = above;
		}
	}
	return row[b.n];
}

static const struct conf_setting *
nearest_name(struct span name)
{
	const struct conf_setting *best = NULL;
	unsigned least = 0, d;

	if (name.n > NAME_LONG)
		return NULL;
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		d = name_distance(span_str(conf_setting_name(&conf_settings
								 [i])),
		    name);
		if (best == NULL || d < least) {
			best = &conf_settings[i];
			least = d;
		}
	}
	/* With more than a third of its letters wrong, it is another word. */
	return least * 3 <= strlen(conf_setting_name(best)) ? best : NULL;
}

static void
bad_name(struct span name, struct conf_where *where)
{
	const struct conf_setting *near = nearest_name(name);

	if (near == NULL)
		conf_bad(where, "unknown setting '%.*s'", shown_length(name),
		    name.p);
	else
		conf_bad(where, "unknown setting '%.*s': did you mean '%s'?",
		    shown_length(name), name.p, conf_setting_name(near));
}

const struct conf_setting *
conf_setting_find(struct span name, struct conf_where *where)
{
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		const char *s = conf_setting_name(&conf_settings[i]);

		if (strncmp(s, name.p, name.n) == 0 && s[name.n] == '\0')
			return &conf_settings[i];
	}
	bad_name(name, where);
	return NULL;
}

/* --- values in struct conf ------------------------------------------------ */

/* The text is valid, and lives as long as the configuration. */
static void
set_text(const struct conf_setting *s, struct conf *c, const char *text)
{
	void *member = (char *)c + s->offset;

	if (s->type == CONF_FLAG)
		*(bool *)member = find_choice(setting_rule(s),
				      span_str(text)) == 1;
	else
		*(const char **)member = text;
}

static uint64_t *
number_at(const struct conf_setting *s, struct conf *c)
{
	return (uint64_t *)(void *)((char *)c + s->offset);
}

/* The unit test shows that every default is valid. */
void
conf_setting_init(const struct conf_setting *s, struct conf *c)
{
	const char *text = conf_setting_default(s);

	if (!setting_is_number(s))
		set_text(s, c, text);
	else if (!parse_number(s, span_str(text), number_at(s, c)))
		abort();
}

enum conf_result
conf_setting_assign(const struct conf_setting *s, struct conf *c,
    struct span value, struct conf_where *where)
{
	struct span wrong = value;

	if (setting_is_number(s)) {
		if (!parse_number(s, value, number_at(s, c)))
			return bad_value(s, value, wrong, where);
	} else {
		if (!is_text_valid(s, value, &wrong))
			return bad_value(s, value, wrong, where);
		set_text(s, c, value.p);
	}
	return CONF_OK;
}

static void
add_flag(struct sbuf *b, const struct conf_setting *s, bool flag)
{
	struct span words = span_str(setting_rule(s)), word;

	word = span_word(&words);
	sbuf_addspan(b, flag ? span_word(&words) : word);
}

void
conf_setting_print(struct sbuf *b, const struct conf_setting *s,
    const struct conf *c)
{
	const void *member = (const char *)c + s->offset;

	if (setting_is_number(s))
		add_number(b, s, *(const uint64_t *)member);
	else if (s->type == CONF_FLAG)
		add_flag(b, s, *(const bool *)member);
	else
		sbuf_adds(b, *(const char *const *)member);
}
