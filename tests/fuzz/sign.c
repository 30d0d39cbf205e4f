/* SPDX-License-Identifier: ISC */
/*
 * Fuzzes the signing of a message: the input is its header section, with a
 * body behind an octet 0x01. What signed_survey finds no fault with can be signed,
 * whatever it is (it would wait for ever), and libopendkim finds its own
 * signature good.
 */
#include <stdlib.h>

#include <opendkim/dkim.h>

#include "../../smtpd-queue/sign/signer.h"
#include "../../smtpd-queue/signed-header.h"
#include "address.h"

/* The keys of RFC 8463 A.2. */
#define PRIVATE \
	"-----BEGIN PRIVATE KEY-----\n" \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n" \
	"-----END PRIVATE KEY-----\n"
#define PUBLIC \
	"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
const char *__lsan_default_suppressions(void);

/* It forgets the Ed25519 key of each signature; see signer.h. */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libopendkim\nleak:libcrypto\n";
}

static void
check(bool good)
{
	if (!good)
		abort();
}

static DKIM_STAT
find_key(DKIM *dkim, DKIM_SIGINFO *sig, u_char *buf, size_t size)
{
	(void)dkim;
	(void)sig;
	check(size >= sizeof(PUBLIC));
	memcpy(buf, PUBLIC, sizeof(PUBLIC));
	return DKIM_STAT_OK;
}

static void
sign(struct signer *s, const struct dkim_key *key, struct span section,
    struct span body, struct sbuf *out)
{
	static const char *names[] = { "From", "To", "Subject", NULL };
	struct span field;
	struct header_walk w;

	check(signer_oversign(names) && signer_open(s, key));
	header_walk_start(&w, section);
	while (header_walk_next(&w, &field)) {
		struct span name = header_name(&w.header);

		if (signed_find(name) < signed_count)
			check(signer_field(s, name, signed_value(field)));
	}
	check(!w.header.field.bad && signer_end_header(s));
	header_walk_stop(&w);
	check(signer_body(s, body) && signer_finish(s, out));
}

static DKIM_LIB *
verifying_library(void)
{
	static DKIM_LIB *lib;

	if (lib == NULL) {
		lib = dkim_init(NULL, NULL);
		check(lib != NULL &&
		    dkim_set_key_lookup(lib, find_key) == DKIM_STAT_OK);
	}
	return lib;
}

/* As the receiver has it: the fields as they are, the signature on top. */
static void
verify(struct span section, struct span body, struct sbuf *signature)
{
	DKIM_STAT status;
	DKIM *dkim = dkim_verify(verifying_library(), (const u_char *)"-", NULL,
	    &status);
	struct span field;
	struct header_walk w;

	check(dkim != NULL);
	check(dkim_header(dkim, (u_char *)signature->s, signature->len - 2) ==
	    DKIM_STAT_OK);
	header_walk_start(&w, section);
	while (header_walk_next(&w, &field)) {
		struct span name = header_name(&w.header);
		struct sbuf b;

		if (signed_find(name) == signed_count)
			continue;
		sbuf_init(&b, SIZE_MAX / 2);
		sbuf_addspan(&b, name);
		sbuf_putc(&b, ':');
		sbuf_addspan(&b, signed_value(field));
		check(dkim_header(dkim, (u_char *)b.s, b.len) == DKIM_STAT_OK);
		sbuf_free(&b);
	}
	header_walk_stop(&w);
	check(dkim_eoh(dkim) == DKIM_STAT_OK);
	check(body.n == 0 ||
	    dkim_body(dkim, (u_char *)(uintptr_t)body.p, body.n) ==
		DKIM_STAT_OK);
	if (body.n > 0 &&
	    !(body.n > 1 && body.p[body.n - 2] == '\r' &&
		body.p[body.n - 1] == '\n'))
		check(dkim_body(dkim, (u_char *)(uintptr_t) "\r\n", 2) ==
		    DKIM_STAT_OK);
	check(dkim_eom(dkim, NULL) == DKIM_STAT_OK);
	(void)dkim_free(dkim);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dkim_key key = { .domain = "example.com",
		.selector = "s",
		.algorithm = DKIM_KEY_ED25519 };
	struct span body = span_of(data, size), section;
	struct sbuf signature;
	struct signer signer;
	struct signed_header v;

	if (key.pem.max == 0) {
		sbuf_init(&key.pem, DKIM_KEY_FILE_MAX);
		sbuf_adds(&key.pem, PRIVATE);
	}
	section = span_cut(&body, '\001');
	signed_survey(&v, section);
	check(!v.bad);
	if (v.good && !address_is_domain(sbuf_span(&v.author)))
		check(address_is_literal(sbuf_span(&v.author)));
	if (v.from == 1 && v.good && !v.nul && v.count <= 200) {
		sbuf_init(&signature, 65536);
		sign(&signer, &key, section, body, &signature);
		signer_close(&signer);
		verify(section, body, &signature);
		sbuf_free(&signature);
	}
	signed_free(&v);
	return 0;
}
