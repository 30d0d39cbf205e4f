/* SPDX-License-Identifier: ISC */
/* Read-only views of octets, ASCII classes, strict numbers. */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define nitems(a) (sizeof(a) / sizeof((a)[0]))

/* A view; it owns nothing and need not end in NUL. */
struct span {
	const char *p;
	size_t n;
};

#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })

static inline struct span
span_of(const void *p, size_t n)
{
	return (struct span){ p, n };
}

static inline struct span
span_str(const char *s)
{
	return (struct span){ s, strlen(s) };
}

/* ASCII only, whatever the locale. */
static inline bool
ascii_isdigit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_isalpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
ascii_isalnum(char c)
{
	return ascii_isalpha(c) || ascii_isdigit(c);
}

static inline bool
ascii_isblank(char c)
{
	return c == ' ' || c == '\t';
}

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool span_eq(struct span, struct span);
bool span_ieq(struct span, struct span); /* ASCII case folded */
bool span_starts(struct span, struct span prefix);
bool span_istarts(struct span, struct span prefix); /* folded */

/* Offset of the first c, or s.n without one. */
size_t span_find(struct span s, char c);

/* Offset of the last c, or s.n without one. */
size_t span_rfind(struct span s, char c);

/* s less its first n octets, or empty. */
struct span span_skip(struct span s, size_t n);

/* Takes all before the first sep off *rest, and the sep. */
struct span span_cut(struct span *rest, char sep);

/* Takes the next word (a run of non-blanks) off *rest; empty at the end. */
struct span span_word(struct span *rest);

/* s without blanks at both ends. */
struct span span_trim(struct span s);

/*
 * The whole of s as an unsigned decimal (span_hex: lower or upper case
 * hexadecimal) of at most max. False when s is empty, has any other octet or
 * is larger; *out is then untouched.
 */
bool span_u64(struct span s, uint64_t max, uint64_t *out) MUST_CHECK;
bool span_u32(struct span s, uint32_t max, uint32_t *out) MUST_CHECK;
bool span_hex(struct span s, uint64_t max, uint64_t *out) MUST_CHECK;

/*
 * The character that s begins with in UTF-8 (RFC 3629 4): gives its octets, or
 * 0 when there is no well-formed one. s is not empty.
 */
size_t span_utf8(struct span s, uint32_t *c) MUST_CHECK;

#endif
