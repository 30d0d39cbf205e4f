/* SPDX-License-Identifier: ISC */
/* Isemail's collection of addresses: we take what RFC 5321 takes. */
#include "address.h"
#include "sbuf.h"
#include "tap.h"

#define FILE_NAME "addresses-isemail.json"
#define CASES 164

static bool
slurp(const char *path, struct sbuf *b)
{
	FILE *f = fopen(path, "re");
	char part[4096];
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		sbuf_add(b, part, n);
	(void)fclose(f);
	return !b->bad;
}

/* Takes what stands before the text off *rest, and the text. */
static bool
skip_to(struct span *rest, const char *text)
{
	size_t n = strlen(text);
	const char *at = memmem(rest->p, rest->n, text, n);

	if (at == NULL)
		return false;
	*rest = span_skip(*rest, (size_t)(at - rest->p) + n);
	return true;
}

static void
add_utf8(struct sbuf *b, uint64_t c)
{
	if (c < 0x80) {
		sbuf_putc(b, (char)c);
	} else if (c < 0x800) {
		sbuf_putc(b, (char)(0xc0 | c >> 6));
		sbuf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		sbuf_putc(b, (char)(0xe0 | c >> 12));
		sbuf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		sbuf_putc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* Takes the rest of a JSON string, and its closing quote, off *rest. */
static bool
take_string(struct span *rest, struct sbuf *b)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

	sbuf_reset(b);
	while (rest->n > 0 && rest->p[0] != '"') {
		const char *at;
		uint64_t c;

		if (rest->p[0] != '\\') {
			sbuf_putc(b, rest->p[0]);
			*rest = span_skip(*rest, 1);
			continue;
		}
		if (rest->n >= 6 && rest->p[1] == 'u' &&
		    span_hex(span_of(rest->p + 2, 4), 0xffff, &c)) {
			add_utf8(b, c);
			*rest = span_skip(*rest, 6);
			continue;
		}
		at = rest->n < 2 ? NULL :
				   memchr(from, rest->p[1], sizeof(from) - 1);
		if (at == NULL)
			return false;
		sbuf_putc(b, to[at - from]);
		*rest = span_skip(*rest, 2);
	}
	*rest = span_skip(*rest, 1);
	return true;
}

static int
test(struct span rest)
{
	struct sbuf address;
	unsigned n = 0;

	sbuf_init(&address, 4096);
	while (skip_to(&rest, "\"address\": \"")) {
		struct address a;
		bool valid;

		if (!take_string(&rest, &address) ||
		    !skip_to(&rest, "\"rfc5321_valid\": "))
			break;
		valid = span_starts(rest, SPAN("true"));
		if (!ok(valid ==
			    (address_mailbox(sbuf_span(&address), &a) ==
				ADDRESS_OK),
			"case %u: %s", ++n, valid ? "taken" : "refused"))
			tap_show("address", sbuf_span(&address));
	}
	is_num(n, CASES, "all cases were read");
	sbuf_free(&address);
	return done();
}

int
main(void)
{
	const char *suites = getenv("SMTPD_SUITES");
	struct sbuf path, text;
	int code;

	sbuf_init(&path, 4096);
	sbuf_init(&text, 1 << 20);
	sbuf_addf(&path, "%s/%s", suites != NULL ? suites : "../shared/suites",
	    FILE_NAME);
	if (!slurp(path.s, &text)) {
		fprintf(stderr, "SKIPPED: no %s\n", path.s);
		skipped("no %s", path.s);
		code = done();
	} else {
		code = test(sbuf_span(&text));
	}
	sbuf_free(&path);
	sbuf_free(&text);
	return code;
}
