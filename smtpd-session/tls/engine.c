/* SPDX-License-Identifier: ISC */
/* A TLS server by BearSSL: TLS 1.2 with ECDHE and AEAD, and nothing else. */
#include <sys/random.h>

#include <stdlib.h>
#include <time.h>

#include "engine.h"
#include "identity.h"

struct engine {
	/* First, so that the policy's pointer is ours. */
	const br_ssl_server_policy_class *policy;
	br_ssl_server_context server;
	struct identity *identities;
	size_t n;
	bool up;
	unsigned char records[BR_SSL_BUFSIZE_BIDI];
};

/*
 * Ours by preference: BearSSL's AES-GCM is ten times as fast as its ChaCha20.
 * Its own lists would bring TLS 1.0, CBC and key exchange without forward
 * secrecy along.
 */
static const struct suite {
	uint16_t number;
	const char *name;
} suites[] = {
	{ BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	    "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	    "ECDHE-RSA-AES128-GCM-SHA256" },
	{ BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	    "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	    "ECDHE-RSA-AES256-GCM-SHA384" },
	{ BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	    "ECDHE-ECDSA-CHACHA20-POLY1305" },
	{ BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	    "ECDHE-RSA-CHACHA20-POLY1305" },
};

/* --- certificates ------------------------------------------------------ */

static void
note_days(const struct identity *id, struct sbuf *notes)
{
	int64_t now = (int64_t)time(NULL);
	const char *what = NULL;

	if (now > id->leaf.not_after)
		what = "has expired";
	else if (now < id->leaf.not_before)
		what = "is not valid yet";
	if (what != NULL)
		sbuf_addf(notes, "certificate '%.*s' %s\n", (int)id->path.n,
		    id->path.p, what);
}

static size_t
words(struct span list)
{
	size_t n = 0;

	while (span_word(&list).n > 0)
		n++;
	return n;
}

struct engine *
engine_load(const struct conf *conf, bool thorough, struct sbuf *why,
    struct sbuf *notes)
{
	struct span certs = span_str(conf->tls_cert);
	struct span keys = span_str(conf->tls_key);
	size_t want = words(certs);
	struct engine *e = calloc(1, sizeof(*e));

	if (e != NULL)
		e->identities = calloc(want + 1, sizeof(*e->identities));
	if (e == NULL || e->identities == NULL) {
		sbuf_adds(why, "no memory");
		free(e);
		return NULL;
	}
	if (want == 0)
		sbuf_adds(why, "tls_cert names no certificate");
	while (e->n < want) {
		struct identity *id = &e->identities[e->n++];

		if (!identity_load(id, span_word(&certs), span_word(&keys),
			thorough, why)) {
			want = 0;
			break;
		}
		note_days(id, notes);
	}
	if (want > 0)
		return e;
	engine_free(e);
	return NULL;
}

void
engine_describe(const struct engine *e, struct sbuf *b)
{
	for (size_t i = 0; i < e->n; i++) {
		const struct identity *id = &e->identities[i];
		time_t last = (time_t)id->leaf.not_after;
		struct span names = id->leaf.names, name;
		char day[32] = "?";
		struct tm tm;

		if (gmtime_r(&last, &tm) != NULL)
			(void)strftime(day, sizeof(day), "%F", &tm);
		sbuf_addf(b, "%.*s: %s, until %s,", (int)id->path.n, id->path.p,
		    identity_is_ec(id) ? "ECDSA" : "RSA", day);
		while (certificate_next_name(&names, &name))
			sbuf_addf(b, " %.*s", (int)name.n, name.p);
		sbuf_putc(b, '\n');
	}
}

void
engine_free(struct engine *e)
{
	for (size_t i = 0; i < e->n; i++)
		identity_free(&e->identities[i]);
	free(e->identities);
	explicit_bzero(e, sizeof(*e));
	free(e);
}

/* --- which certificate ------------------------------------------------- */

/*
 * From the best: those of the name that was asked for; the first one and
 * others of its name, as the same host's RSA next to its ECDSA; any, since
 * an unsuitable name is better than no TLS for a mail server that checks none.
 */
enum fit { FIT_NAME, FIT_FIRST, FIT_ANY };

static bool
fits(const struct engine *e, size_t i, enum fit fit)
{
	const struct certificate *leaf = &e->identities[i].leaf;
	const char *asked = br_ssl_engine_get_server_name(&e->server.eng);
	struct span names = e->identities[0].leaf.names, host = SPAN("");

	switch (fit) {
	case FIT_NAME:
		host = span_str(asked);
		if (host.n > 0 && host.p[host.n - 1] == '.')
			host.n--;
		return host.n > 0 && certificate_is_of(leaf, host);
	case FIT_FIRST:
		return i == 0 ||
		    (certificate_next_name(&names, &host) &&
			certificate_is_of(leaf, host));
	case FIT_ANY:
		break;
	}
	return true;
}

/* BearSSL's own policy for one certificate: it does the rest if it can. */
static bool
offer(struct engine *e, const struct identity *id,
    br_ssl_server_choices *choices)
{
	br_ssl_server_context *s = &e->server;

	if (identity_is_ec(id))
		br_ssl_server_set_single_ec(s, id->chain, id->nchain,
		    br_skey_decoder_get_ec(&id->key), BR_KEYTYPE_SIGN,
		    BR_KEYTYPE_EC, br_ec_get_default(),
		    br_ecdsa_sign_asn1_get_default());
	else
		br_ssl_server_set_single_rsa(s, id->chain, id->nchain,
		    br_skey_decoder_get_rsa(&id->key), BR_KEYTYPE_SIGN,
		    br_rsa_private_get_default(),
		    br_rsa_pkcs1_sign_get_default());
	return (*s->policy_vtable)->choose(s->policy_vtable, s, choices) != 0;
}

static int
choose(const br_ssl_server_policy_class **pctx, const br_ssl_server_context *s,
    br_ssl_server_choices *choices)
{
	struct engine *e = (void *)(uintptr_t)pctx;

	(void)s;
	for (int fit = FIT_NAME; fit <= FIT_ANY; fit++)
		for (int ec = 1; ec >= 0; ec--)
			for (size_t i = 0; i < e->n; i++)
				if (identity_is_ec(&e->identities[i]) == ec &&
				    fits(e, i, (enum fit)fit) &&
				    offer(e, &e->identities[i], choices))
					return 1;
	return 0;
}

/* Never asked: from choose on the policy is the one that was chosen. */
static uint32_t
keyx(const br_ssl_server_policy_class **pctx, unsigned char *data, size_t *len)
{
	(void)pctx, (void)data, (void)len;
	return 0;
}

static size_t
sign(const br_ssl_server_policy_class **pctx, unsigned algorithm,
    unsigned char *data, size_t hash, size_t len)
{
	(void)pctx, (void)algorithm, (void)data, (void)hash, (void)len;
	return 0;
}

static const br_ssl_server_policy_class policy = {
	.context_size = sizeof(struct engine),
	.choose = choose,
	.do_keyx = keyx,
	.do_sign = sign,
};

/* --- the engine -------------------------------------------------------- */

bool
engine_start(struct engine *e)
{
	br_ssl_engine_context *c = &e->server.eng;
	uint16_t numbers[nitems(suites)];
	unsigned char seed[32];

	for (size_t i = 0; i < nitems(suites); i++)
		numbers[i] = suites[i].number;
	br_ssl_server_zero(&e->server);
	br_ssl_engine_set_versions(c, BR_TLS12, BR_TLS12);
	br_ssl_engine_set_suites(c, numbers, nitems(numbers));
	br_ssl_engine_set_default_aes_gcm(c);
	br_ssl_engine_set_default_chapol(c);
	br_ssl_engine_set_default_ec(c);
	br_ssl_engine_set_hash(c, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_hash(c, br_sha384_ID, &br_sha384_vtable);
	br_ssl_engine_set_hash(c, br_sha512_ID, &br_sha512_vtable);
	br_ssl_engine_set_prf_sha256(c, br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(c, br_tls12_sha384_prf);
	br_ssl_engine_set_all_flags(c,
	    BR_OPT_NO_RENEGOTIATION | BR_OPT_ENFORCE_SERVER_PREFERENCES);
	br_ssl_engine_set_buffer(c, e->records, sizeof(e->records), 1);
	e->policy = &policy;
	br_ssl_server_set_policy(&e->server, &e->policy);
	/* Beside what the processor gives, which alone is not to be trusted. */
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return false;
	br_ssl_engine_inject_entropy(c, seed, sizeof(seed));
	explicit_bzero(seed, sizeof(seed));
	return br_ssl_server_reset(&e->server) != 0;
}

char *
engine_buf(struct engine *e, enum engine_way way, size_t *n)
{
	br_ssl_engine_context *c = &e->server.eng;
	unsigned char *p = NULL;

	*n = 0;
	switch (way) {
	case ENGINE_FROM_CLIENT:
		p = br_ssl_engine_recvrec_buf(c, n);
		break;
	case ENGINE_TO_CLIENT:
		p = br_ssl_engine_sendrec_buf(c, n);
		break;
	case ENGINE_FROM_SESSION:
		p = br_ssl_engine_sendapp_buf(c, n);
		break;
	case ENGINE_TO_SESSION:
		p = br_ssl_engine_recvapp_buf(c, n);
		break;
	}
	if (p == NULL)
		*n = 0;
	return (char *)p;
}

void
engine_done(struct engine *e, enum engine_way way, size_t n)
{
	br_ssl_engine_context *c = &e->server.eng;

	switch (way) {
	case ENGINE_FROM_CLIENT:
		br_ssl_engine_recvrec_ack(c, n);
		break;
	case ENGINE_TO_CLIENT:
		br_ssl_engine_sendrec_ack(c, n);
		break;
	case ENGINE_FROM_SESSION:
		br_ssl_engine_sendapp_ack(c, n);
		break;
	case ENGINE_TO_SESSION:
		br_ssl_engine_recvapp_ack(c, n);
		break;
	}
	if ((br_ssl_engine_current_state(c) &
		(BR_SSL_SENDAPP | BR_SSL_RECVAPP)) != 0)
		e->up = true;
}

void
engine_flush(struct engine *e)
{
	br_ssl_engine_flush(&e->server.eng, 0);
}

void
engine_close(struct engine *e)
{
	br_ssl_engine_close(&e->server.eng);
}

bool
engine_is_up(const struct engine *e)
{
	return e->up;
}

bool
engine_is_closed(const struct engine *e)
{
	return br_ssl_engine_current_state(&e->server.eng) == BR_SSL_CLOSED;
}

const char *
engine_error(const struct engine *e)
{
	static const struct {
		int number;
		const char *words;
	} errors[] = {
		{ BR_ERR_UNSUPPORTED_VERSION, "no common protocol version" },
		{ BR_ERR_BAD_VERSION, "no TLS, or another version" },
		{ BR_ERR_UNKNOWN_TYPE, "no TLS" },
		{ BR_ERR_SEND_FATAL_ALERT + BR_ALERT_PROTOCOL_VERSION,
		    "a protocol before TLS 1.2" },
		/* What who speaks only TLS 1.3 offers is unknown here. */
		{ BR_ERR_SEND_FATAL_ALERT + BR_ALERT_HANDSHAKE_FAILURE,
		    "no common cipher (TLS 1.3 is not spoken)" },
		{ BR_ERR_RECV_FATAL_ALERT + BR_ALERT_UNKNOWN_CA,
		    "the client does not know our CA" },
		{ BR_ERR_RECV_FATAL_ALERT + BR_ALERT_BAD_CERTIFICATE,
		    "the client refuses our certificate" },
		{ BR_ERR_RECV_FATAL_ALERT + BR_ALERT_CERTIFICATE_EXPIRED,
		    "the client says our certificate has expired" },
		{ BR_ERR_RECV_FATAL_ALERT + BR_ALERT_CERTIFICATE_UNKNOWN,
		    "the client does not trust our certificate" },
	};
	int error = br_ssl_engine_last_error(&e->server.eng);

	for (size_t i = 0; i < nitems(errors); i++)
		if (errors[i].number == error)
			return errors[i].words;
	if (error >= BR_ERR_SEND_FATAL_ALERT)
		return "the client's handshake is unacceptable";
	if (error >= BR_ERR_RECV_FATAL_ALERT)
		return "the client has sent an alert";
	return error == BR_ERR_OK ? NULL : "the client breaks the protocol";
}

struct engine_facts
engine_facts(const struct engine *e)
{
	const br_ssl_engine_context *c = &e->server.eng;
	struct engine_facts f = {
		.protocol = br_ssl_engine_get_version(c) == BR_TLS12 ?
		    "TLSv1.2" :
		    "unknown",
		.cipher = "unknown",
		.name = br_ssl_engine_get_server_name(c),
	};
	br_ssl_session_parameters p;

	br_ssl_engine_get_session_parameters(c, &p);
	for (size_t i = 0; i < nitems(suites); i++)
		if (suites[i].number == p.cipher_suite)
			f.cipher = suites[i].name;
	explicit_bzero(&p, sizeof(p));
	return f;
}
