/* SPDX-License-Identifier: ISC */
/*
 * A TLS server by BearSSL: TLS 1.2 with ECDHE and AEAD, and nothing else.
 * First its files of certificates and keys, then the choice among them, then
 * the engine itself.
 */
#include <sys/random.h>

#include <bearssl.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "certificate.h"
#include "engine.h"
#include "readfile.h"
#include "tls-suites.h"

/* --- files ------------------------------------------------------------------ */

#define PATH_ROOM 4096
#define FILE_MAX (256 * 1024) /* octets of one */
#define KEY_ROOM 16384        /* of any key: so that no copy of it is left */

/* For files that were made on other systems; BearSSL takes LF only. */
static void
file_drop_cr(struct sbuf *b)
{
	size_t to = 0;

	for (size_t i = 0; i < b->len; i++)
		if (b->s[i] != '\r')
			b->s[to++] = b->s[i];
	sbuf_truncate(b, to);
}

/* Reads a text whose lines end in LF, the last one too. */
static bool
file_read(struct span path, enum readfile_kind kind, struct sbuf *text,
    struct sbuf *why)
{
	char name[PATH_ROOM];

	sbuf_init(text, FILE_MAX);
	if (path.n >= sizeof(name) || !sbuf_reserve(text, KEY_ROOM)) {
		sbuf_adds(why, strerror(text->bad ? ENOMEM : ENAMETOOLONG));
		return false;
	}
	memcpy(name, path.p, path.n);
	name[path.n] = '\0';
	if (!readfile(AT_FDCWD, name, kind, text, why))
		return false;
	file_drop_cr(text);
	text->max++;
	if (text->len > 0 && text->s[text->len - 1] != '\n')
		sbuf_putc(text, '\n');
	if (text->bad)
		sbuf_adds(why, strerror(ENOMEM));
	return !text->bad;
}

/* --- a certificate chain and its key, as BearSSL wants them ------------------- */

#define IDENTITY_CHAIN_MAX 16
#define IDENTITY_RSA_MAX 4096 /* bits: BearSSL's own limit */

struct identity {
	struct span path; /* of the certificate; the caller's */
	br_x509_certificate chain[IDENTITY_CHAIN_MAX];
	size_t nchain;
	struct certificate leaf; /* views into chain[0] */
	br_skey_decoder_context key;
};

static bool
identity_is_ec(const struct identity *id)
{
	return br_skey_decoder_key_type(&id->key) == BR_KEYTYPE_EC;
}

static bool
identity_add_certificate(struct identity *id, struct span der, struct sbuf *why)
{
	br_x509_certificate *c = &id->chain[id->nchain];

	if (id->nchain == nitems(id->chain)) {
		sbuf_addf(why, "more than %d certificates", IDENTITY_CHAIN_MAX);
		return false;
	}
	c->data = malloc(der.n > 0 ? der.n : 1);
	if (c->data == NULL) {
		sbuf_adds(why, "no memory");
		return false;
	}
	memcpy(c->data, der.p, der.n);
	c->data_len = der.n;
	id->nchain++;
	return true;
}

static bool
identity_read_chain(struct identity *id, struct sbuf *text, struct sbuf *why)
{
	struct span name, der;
	enum pem_event e;
	struct pem p;
	bool good = true;

	pem_begin(&p, text->s, text->len);
	while (good && (e = pem_next(&p, &name, &der)) != PEM_END)
		if (e == PEM_BROKEN) {
			sbuf_adds(why, "invalid PEM");
			good = false;
		} else if (span_eq(name, SPAN("CERTIFICATE")) ||
		    span_eq(name, SPAN("X509 CERTIFICATE"))) {
			good = identity_add_certificate(id, der, why);
		}
	if (good && id->nchain == 0) {
		sbuf_adds(why, "contains no certificate");
		good = false;
	}
	if (good &&
	    !certificate_parse(span_of(id->chain[0].data,
				   id->chain[0].data_len),
		&id->leaf)) {
		sbuf_adds(why, "its first certificate is damaged");
		good = false;
	}
	return good;
}

static bool
identity_is_usable(const struct identity *id, struct sbuf *why)
{
	const br_rsa_private_key *rsa = br_skey_decoder_get_rsa(&id->key);

	if (br_skey_decoder_last_error(&id->key) != 0)
		sbuf_adds(why,
		    "not an RSA key or an EC key on a NIST curve, or damaged");
	else if (rsa != NULL && rsa->n_bitlen > IDENTITY_RSA_MAX)
		sbuf_addf(why, "RSA key of more than %d bits",
		    IDENTITY_RSA_MAX);
	else
		return true;
	return false;
}

static bool
identity_read_key(struct identity *id, struct sbuf *text, struct sbuf *why)
{
	bool found = false, encrypted;
	struct span name, der;
	enum pem_event e;
	struct pem p;

	/* The older form is a header inside, which is not base64. */
	encrypted = memmem(text->s, text->len, "4,ENCRYPTED", 11) != NULL;
	pem_begin(&p, text->s, text->len);
	while (!found && (e = pem_next(&p, &name, &der)) == PEM_OBJECT) {
		encrypted = span_eq(name, SPAN("ENCRYPTED PRIVATE KEY"));
		found = span_eq(name, SPAN("PRIVATE KEY")) ||
		    span_eq(name, SPAN("RSA PRIVATE KEY")) ||
		    span_eq(name, SPAN("EC PRIVATE KEY"));
		if (found) {
			br_skey_decoder_init(&id->key);
			br_skey_decoder_push(&id->key, der.p, der.n);
		}
		if (encrypted)
			break;
	}
	if (encrypted)
		sbuf_adds(why,
		    "is encrypted, and no passphrase can be entered");
	else if (!found)
		sbuf_adds(why,
		    e == PEM_BROKEN ? "invalid PEM" :
				      "contains no private key");
	else
		return identity_is_usable(id, why);
	return false;
}

static bool
identity_same_ec(const br_ec_private_key *sk, const br_x509_pkey *pk)
{
	unsigned char q[BR_EC_KBUF_PUB_MAX_SIZE];
	br_ec_public_key pub;

	return pk->key_type == BR_KEYTYPE_EC &&
	    br_ec_compute_pub(br_ec_get_default(), &pub, q, sk) != 0 &&
	    pub.curve == pk->key.ec.curve &&
	    span_eq(span_of(pub.q, pub.qlen),
		span_of(pk->key.ec.q, pk->key.ec.qlen));
}

static struct span
identity_without_zeros(const void *p, size_t n)
{
	struct span s = span_of(p, n);

	while (s.n > 0 && s.p[0] == '\0')
		s = span_skip(s, 1);
	return s;
}

static bool
identity_same_rsa(const br_rsa_private_key *sk, const br_x509_pkey *pk)
{
	unsigned char n[IDENTITY_RSA_MAX / 8];
	size_t size = br_rsa_compute_modulus_get_default()(NULL, sk);

	return pk->key_type == BR_KEYTYPE_RSA && size > 0 &&
	    size <= sizeof(n) &&
	    br_rsa_compute_modulus_get_default()(n, sk) == size &&
	    span_eq(identity_without_zeros(n, size),
		identity_without_zeros(pk->key.rsa.n, pk->key.rsa.nlen));
}

/* Does the key belong to the certificate? */
static bool
identity_is_pair(const struct identity *id, struct sbuf *why)
{
	br_x509_decoder_context x;
	const br_x509_pkey *pk;
	bool same;

	br_x509_decoder_init(&x, NULL, NULL);
	br_x509_decoder_push(&x, id->chain[0].data, id->chain[0].data_len);
	pk = br_x509_decoder_get_pkey(&x);
	if (pk == NULL)
		same = false;
	else if (identity_is_ec(id))
		same = identity_same_ec(br_skey_decoder_get_ec(&id->key), pk);
	else
		same = identity_same_rsa(br_skey_decoder_get_rsa(&id->key), pk);
	if (!same)
		sbuf_addf(why, "does not belong to certificate '%.*s'",
		    (int)id->path.n, id->path.p);
	return same;
}

static void
identity_name_file(struct sbuf *why, const char *what, struct span path)
{
	sbuf_addf(why, "%s '%.*s': ", what, (int)path.n, path.p);
}

/*
 * Reads one certificate file and its key file. False: *why says of which
 * file what is wrong. Freed by identity_free
 * even when it failed.
 */
static bool
identity_load(struct identity *id, struct span cert_path, struct span key_path,
    struct sbuf *why)
{
	struct sbuf text;
	bool good;

	*id = (struct identity){ .path = cert_path };
	identity_name_file(why, "certificate", cert_path);
	good = file_read(cert_path, READFILE_REGULAR, &text, why) &&
	    identity_read_chain(id, &text, why);
	sbuf_free(&text);
	if (!good)
		return false;
	sbuf_reset(why);
	identity_name_file(why, "key", key_path);
	good = file_read(key_path, READFILE_SECRET, &text, why) &&
	    identity_read_key(id, &text, why);
	sbuf_wipe(&text);
	if (!good || !identity_is_pair(id, why))
		return false;
	sbuf_reset(why);
	return true;
}

static void
identity_free(struct identity *id)
{
	for (size_t i = 0; i < id->nchain; i++)
		free(id->chain[i].data);
	explicit_bzero(id, sizeof(*id));
}

/* --- all of them -------------------------------------------------------------- */

struct engine {
	/* First, so that the policy's pointer is ours. */
	const br_ssl_server_policy_class *policy;
	br_ssl_server_context server;
	struct identity *identities;
	size_t n;
	bool up;
	unsigned char records[BR_SSL_BUFSIZE_BIDI];
};

static void
engine_note_days(const struct identity *id, struct sbuf *notes)
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
engine_count_words(struct span list)
{
	size_t n = 0;

	while (span_word(&list).n > 0)
		n++;
	return n;
}

struct engine *
engine_load(const struct conf *conf, struct sbuf *why, struct sbuf *notes)
{
	struct span certs = span_str(conf->tls_cert);
	struct span keys = span_str(conf->tls_key);
	size_t want = engine_count_words(certs);
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
			why)) {
			want = 0;
			break;
		}
		engine_note_days(id, notes);
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
 * From the best: certificates with the name that the client asked for; the
 * first one and others with its name, such as the same host's RSA next to its
 * ECDSA; any other, because a wrong name is better than no TLS for a client
 * that does not check it.
 */
enum fit { FIT_NAME, FIT_FIRST, FIT_ANY };

static bool
engine_fits(const struct engine *e, size_t i, enum fit fit)
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

/* Lets BearSSL's own policy for one certificate decide. */
static bool
engine_offer(struct engine *e, const struct identity *id,
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
engine_choose(const br_ssl_server_policy_class **pctx,
    const br_ssl_server_context *s, br_ssl_server_choices *choices)
{
	struct engine *e = (void *)(uintptr_t)pctx;

	(void)s;
	for (int fit = FIT_NAME; fit <= FIT_ANY; fit++)
		for (int ec = 1; ec >= 0; ec--)
			for (size_t i = 0; i < e->n; i++)
				if (identity_is_ec(&e->identities[i]) == ec &&
				    engine_fits(e, i, (enum fit)fit) &&
				    engine_offer(e, &e->identities[i], choices))
					return 1;
	return 0;
}

/* Never called: engine_choose has replaced the policy by then. */
static uint32_t
engine_never_keyx(const br_ssl_server_policy_class **pctx, unsigned char *data,
    size_t *len)
{
	(void)pctx, (void)data, (void)len;
	return 0;
}

static size_t
engine_never_sign(const br_ssl_server_policy_class **pctx, unsigned algorithm,
    unsigned char *data, size_t hash, size_t len)
{
	(void)pctx, (void)algorithm, (void)data, (void)hash, (void)len;
	return 0;
}

static const br_ssl_server_policy_class policy = {
	.context_size = sizeof(struct engine),
	.choose = engine_choose,
	.do_keyx = engine_never_keyx,
	.do_sign = engine_never_sign,
};

/* --- the engine -------------------------------------------------------- */

bool
engine_start(struct engine *e)
{
	br_ssl_engine_context *c = &e->server.eng;
	uint16_t numbers[nitems(tls_suites)];
	unsigned char seed[32];

	for (size_t i = 0; i < nitems(tls_suites); i++)
		numbers[i] = tls_suites[i].number;
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
	/*
	 * In addition to the processor's random numbers, which are not trusted
	 * alone.
	 */
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
		{ BR_ERR_BAD_VERSION, "not TLS, or an unsupported version" },
		{ BR_ERR_UNKNOWN_TYPE, "not TLS" },
		{ BR_ERR_SEND_FATAL_ALERT + BR_ALERT_PROTOCOL_VERSION,
		    "protocol version older than TLS 1.2" },
		/* A client that speaks TLS 1.3 only ends here too. */
		{ BR_ERR_SEND_FATAL_ALERT + BR_ALERT_HANDSHAKE_FAILURE,
		    "no common cipher (TLS 1.3 is not supported)" },
		{ BR_ERR_RECV_FATAL_ALERT + BR_ALERT_UNKNOWN_CA,
		    "the client does not know our CA" },
		{ BR_ERR_RECV_FATAL_ALERT + BR_ALERT_BAD_CERTIFICATE,
		    "the client rejects our certificate" },
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
		return "the client's handshake is not acceptable";
	if (error >= BR_ERR_RECV_FATAL_ALERT)
		return "the client sent an alert";
	return error == BR_ERR_OK ? NULL : "the client violated the protocol";
}

struct engine_facts
engine_facts(const struct engine *e)
{
	const br_ssl_engine_context *c = &e->server.eng;
	struct engine_facts f = {
		.protocol = br_ssl_engine_get_version(c) == BR_TLS12 ?
		    "TLSv1.2" :
		    "unknown",
		.name = br_ssl_engine_get_server_name(c),
	};
	br_ssl_session_parameters p;

	br_ssl_engine_get_session_parameters(c, &p);
	f.cipher = tls_suite_name(p.cipher_suite);
	explicit_bzero(&p, sizeof(p));
	return f;
}
