/* SPDX-License-Identifier: ISC */
/* DKIM (RFC 6376, 8301, 8463): all signatures of a message, by libopendkim. */
#include <sys/types.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <opendkim/dkim.h>
#include <openssl/crypto.h>

#include "log.h"
#include "signatures.h"

/* Why there is no key for a signature. */
struct key_trouble {
	const DKIM_SIGINFO *signature;
	const char *reason;
	bool temporary;
};

#define RSA_BITS_MIN 1024 /* RFC 8301 section 3.2 */

static struct {
	struct resolve *resolve;
	DKIM_LIB *library;
	DKIM *message;     /* NULL: there is nothing to be verified */
	unsigned nfields;  /* DKIM-Signature ones */
	bool malformed;    /* the library does not take the header */
	const char *twice; /* a field that is there more than once */
	unsigned seen;     /* bits of single_fields */
	bool unsigned_;    /* without a signature the body does not matter */
	char last[2];      /* octets of the body */
	bool body;
	struct key_trouble troubles[SIGNATURES_MAX];
	unsigned ntroubles;
} state;

const char *
signature_result_text(enum signature_result r)
{
	static const char *const texts[] = { [SIGNATURE_PASS] = "pass",
		[SIGNATURE_FAIL] = "fail",
		[SIGNATURE_POLICY] = "policy",
		[SIGNATURE_TEMPERROR] = "temperror",
		[SIGNATURE_PERMERROR] = "permerror" };

	return texts[r];
}

static void
note_key_trouble(const DKIM_SIGINFO *signature, const char *reason,
    bool temporary)
{
	if (state.ntroubles < SIGNATURES_MAX)
		state.troubles[state.ntroubles++] = (struct key_trouble){
			signature, reason, temporary
		};
}

static DKIM_CBSTAT
copy_key(DKIM_SIGINFO *signature, const struct dns_texts *texts,
    unsigned char *buf, size_t size)
{
	struct span key = texts->text[0];

	if (texts->n > 1) {
		note_key_trouble(signature, "more than one key record", false);
		return DKIM_CBSTAT_NOTFOUND;
	}
	if (key.n >= size || memchr(key.p, '\0', key.n) != NULL) {
		note_key_trouble(signature, "key record too long", false);
		return DKIM_CBSTAT_NOTFOUND;
	}
	memcpy(buf, key.p, key.n);
	buf[key.n] = '\0';
	return DKIM_CBSTAT_CONTINUE;
}

/* The name of its key's record; empty: there is no such name. */
static struct span
key_name(DKIM_SIGINFO *signature, char *to, size_t size)
{
	const char *selector = (char *)dkim_sig_getselector(signature);
	const char *domain = (char *)dkim_sig_getdomain(signature);
	int n = 0;

	if (selector != NULL && domain != NULL)
		n = snprintf(to, size, "%s._domainkey.%s", selector, domain);
	return span_of(to, n > 0 && (size_t)n < size ? (size_t)n : 0);
}

/* The library asks for a key; it has no other way to DNS. */
static DKIM_CBSTAT
look_up_key(DKIM *message, DKIM_SIGINFO *signature, unsigned char *buf,
    size_t size)
{
	DKIM_CBSTAT status = DKIM_CBSTAT_NOTFOUND;
	char text[2 * DNS_NAME_SIZE];
	struct span name = key_name(signature, text, sizeof(text));
	struct dns_texts texts;

	(void)message;
	if (name.n == 0)
		return status;
	switch (state.resolve->txt(state.resolve, name, &texts)) {
	case DNS_FOUND:
		status = copy_key(signature, &texts, buf, size);
		break;
	case DNS_TEMPORARY:
		note_key_trouble(signature, "no answer from DNS", true);
		status = DKIM_CBSTAT_TRYAGAIN;
		break;
	case DNS_NXDOMAIN:
	case DNS_NODATA:
	case DNS_BAD_NAME:
		note_key_trouble(signature, "no key", false);
		break;
	}
	dns_free_texts(&texts);
	return status;
}

/*
 * The library would stop at the first signature that passes. Each gets its own
 * verdict, and one that cannot be judged does not hold up the others, nor
 * DMARC, for which half of the time is kept.
 */
static DKIM_CBSTAT
process_all(DKIM *message, DKIM_SIGINFO **signatures, int n)
{
	struct resolve *r = state.resolve;
	uint64_t kept = r->left / 2;

	for (int i = 0; i < n; i++) {
		resolve_step(r,
		    r->left > kept ? (r->left - kept) / (unsigned)(n - i) : 0);
		(void)dkim_sig_process(message, signatures[i]);
	}
	return DKIM_CBSTAT_CONTINUE;
}

/* Replaces its resolver: it never asks by itself. */
static int
refuse_query(void *service, int type, unsigned char *query, unsigned char *buf,
    size_t size, void **handle)
{
	(void)service;
	(void)type;
	(void)query;
	(void)buf;
	(void)size;
	(void)handle;
	return DKIM_DNS_ERROR;
}

static int
refuse_start(void **service)
{
	(void)service;
	return -1;
}

bool
signatures_init(struct resolve *resolve)
{
	unsigned flags = DKIM_LIBFLAGS_DELAYSIGPROC |
	    DKIM_LIBFLAGS_BADSIGHANDLES;

	/*
	 * OpenSSL reads no configuration and loads no modules; it does not
	 * look for them later either, when files cannot be opened any more.
	 * It does not fill tables of names that we never use, which took a
	 * third of the time for a message, and frees nothing at our exit.
	 */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		    OPENSSL_INIT_NO_ADD_ALL_DIGESTS |
		    OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
		    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
		    OPENSSL_INIT_NO_ATEXIT,
		NULL) != 1)
		return false;
	state.resolve = resolve;
	state.library = dkim_init(NULL, NULL);
	if (state.library == NULL ||
	    dkim_options(state.library, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags,
		sizeof(flags)) != DKIM_STAT_OK)
		return false;
	dkim_dns_set_query_start(state.library, refuse_query);
	dkim_dns_set_init(state.library, refuse_start);
	(void)dkim_set_final(state.library, process_all);
	return dkim_set_key_lookup(state.library, look_up_key) == DKIM_STAT_OK;
}

void
signatures_begin(void)
{
	DKIM_STAT status;

	if (state.message != NULL)
		(void)dkim_free(state.message);
	state.message = dkim_verify(state.library,
	    (const unsigned char *)"message", NULL, &status);
	if (state.message == NULL)
		die(EXIT_TEMP, "out of memory");
	state.nfields = state.ntroubles = 0;
	state.malformed = state.unsigned_ = state.body = false;
	state.last[0] = state.last[1] = '\0';
	state.twice = NULL;
	state.seen = 0;
}

/*
 * RFC 5322 section 3.6: with a second one on top, a signature of the first
 * would vouch for a field that readers do not see (RFC 6376 section 8.15).
 * The library's own check would also refuse mail without a Date.
 */
static void
count_field(struct span name)
{
	static const struct {
		struct span name;
		const char *twice;
	} single_fields[] = {
		{ SPAN("From"), "more than one From" },
		{ SPAN("Sender"), "more than one Sender" },
		{ SPAN("Reply-To"), "more than one Reply-To" },
		{ SPAN("To"), "more than one To" },
		{ SPAN("Cc"), "more than one Cc" },
		{ SPAN("Date"), "more than one Date" },
		{ SPAN("Message-ID"), "more than one Message-ID" },
		{ SPAN("Subject"), "more than one Subject" },
	};

	for (unsigned i = 0; i < nitems(single_fields); i++) {
		if (!span_ieq(name, single_fields[i].name))
			continue;
		if ((state.seen & 1U << i) != 0)
			state.twice = single_fields[i].twice;
		state.seen |= 1U << i;
	}
}

/*
 * Signatures beyond the limit, and giant ones, are ignored: the work for one
 * is its length times the number of fields.
 */
void
signatures_field(struct span field, struct span name)
{
	bool is_signature = span_ieq(name, SPAN("DKIM-Signature"));

	count_field(name);
	if (is_signature &&
	    (state.nfields == SIGNATURES_MAX || field.n > SIGNATURE_FIELD_MAX))
		return;
	state.nfields += is_signature;
	if (dkim_header(state.message, (unsigned char *)field.p, field.n) ==
	    DKIM_STAT_OK)
		return;
	/* A malformed signature fails by itself, later; other fields must be fine. */
	if (!is_signature)
		state.malformed = true;
}

static void
ask_for_keys(void)
{
	char name[2 * DNS_NAME_SIZE];
	DKIM_SIGINFO **signatures;
	int n;

	if (dkim_getsiglist(state.message, &signatures, &n) != DKIM_STAT_OK)
		return;
	for (int i = 0; i < n; i++)
		resolve_ahead_txt(state.resolve,
		    key_name(signatures[i], name, sizeof(name)));
}

void
signatures_end_of_header(bool too_large)
{
	DKIM_STAT status;

	state.unsigned_ = state.nfields == 0;
	state.malformed = state.malformed || too_large;
	if (state.unsigned_ || state.malformed)
		return;
	status = dkim_eoh(state.message);
	state.malformed = status != DKIM_STAT_OK;
	if (!state.malformed)
		ask_for_keys();
}

void
signatures_body(struct span s)
{
	if (state.unsigned_ || state.malformed || s.n == 0)
		return;
	state.body = true;
	state.last[0] = s.n > 1 ? s.p[s.n - 2] : state.last[1];
	state.last[1] = s.p[s.n - 1];
	if (dkim_body(state.message, (unsigned char *)s.p, s.n) != DKIM_STAT_OK)
		state.malformed = true;
}

static void
copy_signature_tag(DKIM_SIGINFO *signature, const char *tag, char *to,
    size_t size)
{
	const char *value = (char *)dkim_sig_gettagvalue(signature, false,
	    (unsigned char *)tag);
	size_t n = 0;

	for (; value != NULL && *value != '\0' && n + 1 < size; value++)
		if (*value > ' ' && *value <= '~')
			to[n++] = *value;
	to[n] = '\0';
}

/* The library's verdict, before we look at how it passed. */
static void
signature_judge(DKIM_SIGINFO *signature, struct signature *s)
{
	DKIM_SIGERROR error = dkim_sig_geterror(signature);

	if ((dkim_sig_getflags(signature) & DKIM_SIGFLAG_PASSED) != 0 &&
	    dkim_sig_getbh(signature) == DKIM_SIGBH_MATCH &&
	    error == DKIM_SIGERROR_OK) {
		s->result = SIGNATURE_PASS;
		s->reason = "";
		return;
	}
	s->result = SIGNATURE_PERMERROR;
	if (error != DKIM_SIGERROR_OK && error != DKIM_SIGERROR_UNKNOWN)
		s->reason = dkim_sig_geterrorstr(error);
	if (s->reason == NULL) /* an error that even the library cannot name */
		s->reason = "not verified";
	if (dkim_sig_getbh(signature) == DKIM_SIGBH_MISMATCH) {
		s->result = SIGNATURE_FAIL;
		s->reason = "body hash mismatch";
	} else if (error == DKIM_SIGERROR_BADSIG || (error == DKIM_SIGERROR_OK))
		s->result = SIGNATURE_FAIL;
	for (unsigned i = 0; i < state.ntroubles; i++)
		if (state.troubles[i].signature == signature) {
			s->reason = state.troubles[i].reason;
			s->result = state.troubles[i].temporary ?
			    SIGNATURE_TEMPERROR :
			    SIGNATURE_PERMERROR;
		}
}

/* The library takes shorter ones. */
static bool
has_short_key(DKIM_SIGINFO *signature)
{
	unsigned bits;

	return dkim_sig_getkeysize(signature, &bits) == DKIM_STAT_OK &&
	    bits < RSA_BITS_MIN;
}

static void
signature_describe(DKIM_SIGINFO *signature, struct signature *s)
{
	dkim_alg_t algorithm = DKIM_SIGN_UNKNOWN;

	copy_signature_tag(signature, "d", s->domain, sizeof(s->domain));
	copy_signature_tag(signature, "s", s->selector, sizeof(s->selector));
	copy_signature_tag(signature, "a", s->algorithm, sizeof(s->algorithm));
	copy_signature_tag(signature, "b", s->b, sizeof(s->b));
	signature_judge(signature, s);
	/*
	 * RFC 8301 section 3.1: a permanent failure, whatever it matches. The
	 * library also names this algorithm for a signature that it did not
	 * process.
	 */
	(void)dkim_sig_getsignalg(signature, &algorithm);
	if (span_ieq(span_str(s->algorithm), SPAN("rsa-sha1")) ||
	    (s->result == SIGNATURE_PASS && algorithm == DKIM_SIGN_RSASHA1)) {
		s->result = SIGNATURE_PERMERROR;
		s->reason = "rsa-sha1 is no longer secure";
	}
	if (s->result == SIGNATURE_PASS && has_short_key(signature) &&
	    algorithm != DKIM_SIGN_ED25519SHA256) {
		s->result = SIGNATURE_PERMERROR;
		s->reason = "key too short";
	}
	/* With l= anybody may add text: RFC 6376 8.2. */
	if (s->result == SIGNATURE_PASS &&
	    dkim_sig_gettagvalue(signature, false, (unsigned char *)"l") !=
		NULL) {
		s->result = SIGNATURE_POLICY;
		s->reason = "l= leaves text unsigned";
	}
	if (s->result == SIGNATURE_PASS && state.twice != NULL) {
		s->result = SIGNATURE_POLICY;
		s->reason = state.twice;
	}
}

static size_t
signatures_malformed(struct signature list[SIGNATURES_MAX])
{
	list[0] = (struct signature){ .result = SIGNATURE_PERMERROR,
		.reason = "malformed header section" };
	return 1;
}

size_t
signatures_finish(struct signature list[SIGNATURES_MAX])
{
	DKIM_SIGINFO **signatures = NULL;
	size_t found = 0;
	int n = 0;

	if (state.unsigned_)
		return 0;
	if (state.body && !state.malformed &&
	    (state.last[0] != '\r' || state.last[1] != '\n'))
		(void)dkim_body(state.message, (unsigned char *)"\r\n", 2);
	if (state.malformed)
		return signatures_malformed(list);
	(void)dkim_eom(state.message, NULL);
	if (dkim_getsiglist(state.message, &signatures, &n) != DKIM_STAT_OK)
		return signatures_malformed(list);
	for (int i = 0; i < n && found < SIGNATURES_MAX; i++)
		signature_describe(signatures[i], &list[found++]);
	return found;
}
