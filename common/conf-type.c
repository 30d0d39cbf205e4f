/* SPDX-License-Identifier: ISC */
/* What each type of setting may hold, and how to say so. */
#include <inttypes.h>

#include "address.h"
#include "ip.h"
#include "conf-type.h"
#include "route.h"

/* min and max of the table are a rule for texts, and bounds for numbers. */
#define KIND_DOMAIN TEXT
#define KIND_DOMAINS TEXT
#define KIND_CIDRS TEXT
#define KIND_ENDPOINTS TEXT
#define KIND_WORD TEXT
#define KIND_PATH TEXT
#define KIND_PATHS TEXT
#define KIND_HELPER TEXT
#define KIND_CHOICE TEXT
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

/* All texts of the table, one after the other. */
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
conf_name(const struct conf_setting *s)
{
	return text_at(s->name);
}

const char *
conf_fallback(const struct conf_setting *s)
{
	return text_at(s->fallback);
}

const char *
conf_meaning(const struct conf_setting *s)
{
	return text_at(s->meaning);
}

const char *
conf_rule(const struct conf_setting *s)
{
	return text_at(s->rule);
}

struct unit {
	char letter;
	uint32_t factor;
};

/* From the largest down; the base unit, if it has a letter, comes last. */
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

bool
conf_is_number(const struct conf_setting *s)
{
	return s->type == CONF_NUMBER || s->type == CONF_SIZE ||
	    s->type == CONF_TIME;
}

bool
conf_is_optional(const struct conf_setting *s)
{
	return strcmp(conf_rule(s), "optional") == 0;
}

bool
conf_number(const struct conf_setting *s, struct span value, uint64_t *out)
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

static bool
is_choice(struct span words, struct span value)
{
	struct span word;

	while ((word = span_word(&words)).n > 0) {
		if (span_eq(word, value))
			return true;
	}
	return false;
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

bool
conf_text_valid(const struct conf_setting *s, struct span value,
    struct span *wrong)
{
	*wrong = value;
	if (value.n == 0)
		return conf_is_optional(s);
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
		return is_choice(span_str(conf_rule(s)), value);
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

static const char *
noun(enum conf_type type)
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
		return "a word";
	case CONF_PATH:
	case CONF_PATHS:
		return "an absolute path";
	case CONF_HELPER:
		return "the absolute path of a socket or a command";
	case CONF_CHOICE:
		return "one of: ";
	case CONF_ROUTES:
		return "a route (DOMAIN=HOST[:PORT], the host in brackets "
		       "when it is no MX)";
	case CONF_ROUTE:
		return "a host (HOST[:PORT], in brackets when it is no MX)";
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
conf_expectation(struct sbuf *b, const struct conf_setting *s)
{
	sbuf_adds(b, noun(s->type));
	if (s->type == CONF_CHOICE)
		sbuf_adds(b, conf_rule(s));
	if (!conf_is_number(s))
		return;
	sbuf_adds(b, " from ");
	conf_add_number(b, s, s->min);
	sbuf_adds(b, " to ");
	conf_add_number(b, s, s->max);
	if (s->type == CONF_SIZE)
		sbuf_adds(b, " (octets; K, M or G may follow)");
	else if (s->type == CONF_TIME)
		sbuf_adds(b, " (seconds; s, m, h or d may follow)");
}

void
conf_add_number(struct sbuf *b, const struct conf_setting *s, uint64_t number)
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

const struct conf_setting *
conf_setting(struct span name)
{
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		const char *s = conf_name(&conf_settings[i]);

		if (strncmp(s, name.p, name.n) == 0 && s[name.n] == '\0')
			return &conf_settings[i];
	}
	return NULL;
}
