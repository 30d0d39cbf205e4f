/* SPDX-License-Identifier: ISC */
/* What each type of setting may hold, and how to say so. */
#include <inttypes.h>

#include "address.h"
#include "cidr.h"
#include "conf-type.h"
#include "endpoint.h"
#include "route.h"

#define TEXT(rule, max) rule, 0, max
#define NUMBER(min, max) NULL, min, max
#define LIMITS_DOMAIN TEXT
#define LIMITS_DOMAINS TEXT
#define LIMITS_CIDRS TEXT
#define LIMITS_ENDPOINTS TEXT
#define LIMITS_WORD TEXT
#define LIMITS_PATH TEXT
#define LIMITS_PATHS TEXT
#define LIMITS_HELPER TEXT
#define LIMITS_CHOICE TEXT
#define LIMITS_ROUTES TEXT
#define LIMITS_ROUTE TEXT
#define LIMITS_NUMBER NUMBER
#define LIMITS_SIZE NUMBER
#define LIMITS_TIME NUMBER

const struct conf_setting conf_settings[CONF_SETTINGS] = {
#define X(type, name, fallback, min, max, meaning) \
	{ #name, fallback, meaning, CONF_##type, offsetof(struct conf, name), \
		LIMITS_##type(min, max) },
	SETTINGS(X)
#undef X
};

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
	return s->rule == NULL;
}

bool
conf_is_optional(const struct conf_setting *s)
{
	return s->rule != NULL && strcmp(s->rule, "optional") == 0;
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
		return each_word(value, cidr_valid, wrong);
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
		return is_choice(span_str(s->rule), value);
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
		sbuf_adds(b, s->rule);
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
		const char *s = conf_settings[i].name;

		if (strncmp(s, name.p, name.n) == 0 && s[name.n] == '\0')
			return &conf_settings[i];
	}
	return NULL;
}
