/* SPDX-License-Identifier: ISC */
/* Base64: the examples of RFC 4648, and what is none. */
#include "base64.h"
#include "tap.h"

static const struct {
	struct span octets, text;
} pairs[] = {
	{ SPAN(""), SPAN("") },
	{ SPAN("f"), SPAN("Zg==") },
	{ SPAN("fo"), SPAN("Zm8=") },
	{ SPAN("foo"), SPAN("Zm9v") },
	{ SPAN("foob"), SPAN("Zm9vYg==") },
	{ SPAN("fooba"), SPAN("Zm9vYmE=") },
	{ SPAN("foobar"), SPAN("Zm9vYmFy") },
	{ SPAN("\0user\0secret"), SPAN("AHVzZXIAc2VjcmV0") },
	{ SPAN("\xff\xfe\xfd\xfb\xef\xbe"), SPAN("//79++++") },
};

static const struct span none[] = { SPAN("Z"), SPAN("Zg"), SPAN("Zg="),
	SPAN("Zg==="), SPAN("="), SPAN("===="), SPAN("Z==="), SPAN("Zm9v "),
	SPAN(" Zm9"), SPAN("Zm9v\n"), SPAN("Zg==Zg=="), SPAN("Z=9v"),
	SPAN("Zm=v"), SPAN("Zm9-"), SPAN("Zm9_"), SPAN("Zh=="), SPAN("Zm9="),
	SPAN("Zm9\0"), SPAN("Zm9\xff"), SPAN("*") };

/* Each of the 64 characters is worth its own six bits, and no other any. */
static void
all_characters(void)
{
	const char want[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	char got[65] = "", text[] = "AAAx", mem[8];
	unsigned good = 0;

	for (unsigned c = 0; c < 256; c++) {
		struct sbuf b = { .s = mem, .cap = 8, .max = 7 };

		text[3] = (char)c;
		if (c == '=' || !base64_decode(&b, span_of(text, 4)))
			continue;
		got[b.s[2] & 63] = (char)c;
		good++;
	}
	ok(good == 64, "64 characters");
	ok(memcmp(got, want, 64) == 0, "each is worth what it should be");
}

/* The text is where the octets go. */
static void
in_place(void)
{
	char mem[] = "Zm9vYmFyZm9vYg==";
	struct sbuf b = { .s = mem, .cap = sizeof(mem), .max = 16 };

	ok(base64_decode(&b, span_of(mem, 16)), "decodes in place");
	is_span(sbuf_span(&b), SPAN("foobarfoob"), "to what it was");
}

int
main(void)
{
	struct sbuf b;

	all_characters();
	in_place();

	sbuf_init(&b, 64);
	for (size_t i = 0; i < nitems(pairs); i++) {
		sbuf_reset(&b);
		base64_encode(&b, pairs[i].octets);
		is_span(sbuf_span(&b), pairs[i].text, "encodes %zu", i);
		sbuf_reset(&b);
		ok(base64_decode(&b, pairs[i].text), "decodes %zu", i);
		is_span(sbuf_span(&b), pairs[i].octets, "to what it was");
	}
	for (size_t i = 0; i < nitems(none); i++) {
		sbuf_reset(&b);
		ok(!base64_decode(&b, none[i]), "no base64: %zu", i);
	}
	sbuf_free(&b);
	sbuf_init(&b, 5);
	ok(base64_decode(&b, SPAN("Zm9vYmE=")), "what fits is taken");
	sbuf_reset(&b);
	ok(!base64_decode(&b, SPAN("Zm9vYmFy")), "and no more");
	sbuf_free(&b);
	return done();
}
