/* SPDX-License-Identifier: ISC */
/* Makes one DKIM signature with libopendkim. */
#include "signer.h"

#include <opendkim/dkim.h>

/* The library's context, made when the first key is used. */
static DKIM_LIB *
library(void)
{
	static DKIM_LIB *lib;

	if (lib == NULL) {
		dkim_keys_start_crypto();
		lib = dkim_init(NULL, NULL);
	}
	return lib;
}

bool
signer_oversign(const char *const oversigned[])
{
	DKIM_LIB *lib = library();

	return lib != NULL &&
	    dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_OVERSIGNHDRS,
		(void *)(uintptr_t)oversigned, sizeof(char **)) == DKIM_STAT_OK;
}

static dkim_alg_t
algorithm(const struct dkim_key *key)
{
	switch (key->algorithm) {
	case DKIM_KEY_RSA:
		return DKIM_SIGN_RSASHA256;
	case DKIM_KEY_ED25519:
		break;
	}
	return DKIM_SIGN_ED25519SHA256;
}

bool
signer_open(struct signer *s, const struct dkim_key *key)
{
	DKIM_LIB *lib = library();
	DKIM_STAT status;

	*s = (struct signer){ .dkim = NULL };
	if (lib == NULL)
		return false;
	s->dkim = dkim_sign(lib, (const u_char *)"-", NULL,
	    (dkim_sigkey_t)key->pem.s, (const u_char *)key->selector,
	    (const u_char *)key->domain, DKIM_CANON_RELAXED, DKIM_CANON_RELAXED,
	    algorithm(key), -1, &status);
	return s->dkim != NULL;
}

/*
 * Relaxed canonicalization removes blanks before the colon. They are removed
 * here because the library rejects a TAB there.
 */
bool
signer_field(struct signer *s, struct span name, struct span value)
{
	struct sbuf b;
	bool good;

	sbuf_init(&b, name.n + 1 + value.n);
	sbuf_addspan(&b, name);
	sbuf_putc(&b, ':');
	sbuf_addspan(&b, value);
	good = !b.bad &&
	    dkim_header(s->dkim, (u_char *)b.s, b.len) == DKIM_STAT_OK;
	sbuf_free(&b);
	return good;
}

bool
signer_end_header(struct signer *s)
{
	return dkim_eoh(s->dkim) == DKIM_STAT_OK;
}

static void
keep_tail(struct signer *s, struct span octets)
{
	for (size_t i = octets.n > 2 ? octets.n - 2 : 0; i < octets.n; i++) {
		s->tail[0] = s->tail[1];
		s->tail[1] = octets.p[i];
		s->length += s->length < 2;
	}
}

bool
signer_body(struct signer *s, struct span octets)
{
	keep_tail(s, octets);
	return octets.n == 0 ||
	    dkim_body(s->dkim, (u_char *)(uintptr_t)octets.p, octets.n) ==
	    DKIM_STAT_OK;
}

/* Adds the line end that the last line gets when it is sent. */
static bool
end_body(struct signer *s)
{
	if (s->length == 0 || (s->tail[0] == '\r' && s->tail[1] == '\n'))
		return true;
	return signer_body(s, SPAN("\r\n"));
}

bool
signer_finish(struct signer *s, struct sbuf *b)
{
	u_char *value;
	size_t n;

	if (!end_body(s) || dkim_eom(s->dkim, NULL) != DKIM_STAT_OK ||
	    dkim_getsighdr_d(s->dkim, sizeof(DKIM_SIGNHEADER) + 1, &value,
		&n) != DKIM_STAT_OK)
		return false;
	sbuf_adds(b, DKIM_SIGNHEADER ": ");
	sbuf_add(b, value, n);
	sbuf_adds(b, "\r\n");
	return !b->bad;
}

const char *
signer_error(const struct signer *s)
{
	const char *why = s->dkim == NULL ? NULL : dkim_geterror(s->dkim);

	return why == NULL ? "libopendkim cannot sign it" : why;
}

void
signer_close(struct signer *s)
{
	if (s->dkim != NULL)
		(void)dkim_free(s->dkim);
	s->dkim = NULL;
}
