/* SPDX-License-Identifier: ISC */
/* Base64 as RFC 4648 section 4 has it: no line ends, padded, canonical. */
#include "base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/";

/* All ones when c is from lo to hi, else 0. */
static uint32_t
base64_within(uint32_t c, uint32_t lo, uint32_t hi)
{
	return -(((lo - 1 - c) & (c - hi - 1)) >> 31);
}

/*
 * The six bits of a character, or more than six when it has none. Keys and
 * passwords pass: neither a branch nor a place in memory depends on them.
 */
static uint32_t
base64_bits(char character)
{
	uint32_t c = (unsigned char)character;
	uint32_t upper = base64_within(c, 'A', 'Z'),
		 lower = base64_within(c, 'a', 'z');
	uint32_t digit = base64_within(c, '0', '9'),
		 plus = base64_within(c, '+', '+');
	uint32_t slash = base64_within(c, '/', '/');
	uint32_t any = upper | lower | digit | plus | slash;

	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) |
	    (digit & (c - '0' + 52)) | (plus & 62) | (slash & 63) | (~any & 64);
}

/* One group of four, of which the last n octets are not there. */
static bool
decode_group(struct sbuf *b, const char *p, size_t missing)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		uint32_t six = i < 4 - missing ? base64_bits(p[i]) : 0;

		if (six > 63)
			return false;
		v = v << 6 | six;
	}
	if ((v & ((1U << 8 * missing) - 1)) != 0)
		return false;
	for (size_t i = 0; i < 3 - missing; i++)
		sbuf_putc(b, (char)(v >> (16 - 8 * i) & 0xff));
	return true;
}

bool
base64_decode(struct sbuf *b, struct span text)
{
	size_t missing = 0;

	if (text.n % 4 != 0)
		return false;
	while (missing < 2 && missing < text.n &&
	    text.p[text.n - 1 - missing] == '=')
		missing++;
	for (size_t i = 0; i < text.n; i += 4)
		if (!decode_group(b, text.p + i, i + 4 == text.n ? missing : 0))
			return false;
	return !b->bad;
}

void
base64_encode(struct sbuf *b, struct span s)
{
	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t v = 0;

		for (size_t j = 0; j < 3; j++)
			v = v << 8 |
			    (i + j < s.n ? (unsigned char)s.p[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			sbuf_putc(b,
			    i + j > s.n ? '=' :
					  alphabet[v >> (18 - 6 * j) & 63]);
	}
}
