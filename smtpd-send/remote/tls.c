/* SPDX-License-Identifier: ISC */
/* TLS as a client, with BearSSL: the sound part of version 1.2. */
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>

#include "chain.h"
#include "tls-suites.h"
#include "tls.h"

#define ALERT_PROTOCOL_VERSION 70

struct session {
	struct io_layer layer; /* the first: what callers have of it */
	int fd;
	br_ssl_client_context client;
	struct chain chain;
	unsigned char buffer[BR_SSL_BUFSIZE_BIDI];
};

static struct session session;

/*
 * Never br_ssl_client_init_full: it accepts TLS 1.0, CBC, 3DES and keys sent
 * under RSA. No SHA-1 either, for any purpose.
 */
static void
tls_set_up(br_ssl_client_context *client)
{
	br_ssl_engine_context *e = &client->eng;
	uint16_t numbers[nitems(tls_suites)];

	for (size_t i = 0; i < nitems(tls_suites); i++)
		numbers[i] = tls_suites[i].number;
	br_ssl_client_zero(client);
	br_ssl_engine_set_versions(e, BR_TLS12, BR_TLS12);
	br_ssl_engine_set_suites(e, numbers, nitems(numbers));
	br_ssl_client_set_default_rsapub(client);
	br_ssl_engine_set_default_rsavrfy(e);
	br_ssl_engine_set_default_ecdsa(e);
	br_ssl_engine_set_hash(e, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_hash(e, br_sha384_ID, &br_sha384_vtable);
	br_ssl_engine_set_hash(e, br_sha512_ID, &br_sha512_vtable);
	br_ssl_engine_set_prf_sha256(e, br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(e, br_tls12_sha384_prf);
	br_ssl_engine_set_default_aes_gcm(e);
	br_ssl_engine_set_default_chapol(e);
	br_ssl_engine_add_flags(e, BR_OPT_NO_RENEGOTIATION);
}

/* --- records, to and from the socket ------------------------------------- */

static enum io
tls_send_record(struct session *s, instant deadline)
{
	size_t n;
	unsigned char *p = br_ssl_engine_sendrec_buf(&s->client.eng, &n);
	ssize_t w = send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (w > 0)
		br_ssl_engine_sendrec_ack(&s->client.eng, (size_t)w);
	if (w > 0 || errno == EINTR)
		return IO_OK;
	return errno == EAGAIN ? io_wait_writable(s->fd, deadline) : IO_ERROR;
}

static enum io
tls_receive_record(struct session *s, instant deadline)
{
	size_t n;
	unsigned char *p = br_ssl_engine_recvrec_buf(&s->client.eng, &n);
	ssize_t r = recv(s->fd, p, n, MSG_DONTWAIT);

	if (r > 0)
		br_ssl_engine_recvrec_ack(&s->client.eng, (size_t)r);
	if (r == 0)
		return IO_EOF;
	if (r > 0 || errno == EINTR)
		return IO_OK;
	return errno == EAGAIN ? io_wait_readable(s->fd, deadline) : IO_ERROR;
}

/* The engine is closed: end of file after a close_notify, else a failure. */
static enum io
tls_closed(const struct session *s)
{
	if (br_ssl_engine_last_error(&s->client.eng) == BR_ERR_OK)
		return IO_EOF;
	errno = EBADMSG;
	return IO_ERROR;
}

/* Moves records until the engine is in the wanted state. */
static enum io
tls_run(struct session *s, unsigned wanted, instant deadline)
{
	for (;;) {
		unsigned state = br_ssl_engine_current_state(&s->client.eng);
		enum io r;

		if (state & BR_SSL_CLOSED)
			return tls_closed(s);
		if (state & BR_SSL_SENDREC)
			r = tls_send_record(s, deadline);
		else if (state & wanted)
			return IO_OK;
		else if (state & BR_SSL_RECVREC)
			r = tls_receive_record(s, deadline);
		else {
			/* Unread data blocks the engine. */
			errno = EBADMSG;
			return IO_ERROR;
		}
		if (r != IO_OK)
			return r;
	}
}

/* --- what callers see ---------------------------------------------------- */

static enum io
tls_layer_read(struct io_layer *layer, void *to, size_t room, size_t *got,
    instant deadline)
{
	struct session *s = (struct session *)(void *)layer;
	enum io r = tls_run(s, BR_SSL_RECVAPP, deadline);
	unsigned char *p;
	size_t n;

	if (r != IO_OK)
		return r;
	p = br_ssl_engine_recvapp_buf(&s->client.eng, &n);
	*got = n < room ? n : room;
	memcpy(to, p, *got);
	br_ssl_engine_recvapp_ack(&s->client.eng, *got);
	return IO_OK;
}

static enum io
tls_write(struct session *s, struct iovec *v, instant deadline)
{
	while (v->iov_len > 0) {
		enum io r = tls_run(s, BR_SSL_SENDAPP, deadline);
		unsigned char *p;
		size_t n;

		if (r != IO_OK)
			return r;
		p = br_ssl_engine_sendapp_buf(&s->client.eng, &n);
		n = v->iov_len < n ? v->iov_len : n;
		memcpy(p, v->iov_base, n);
		br_ssl_engine_sendapp_ack(&s->client.eng, n);
		(void)iov_advance(v, 1, n);
	}
	return IO_OK;
}

static enum io
tls_layer_writev(struct io_layer *layer, struct iovec *v, size_t nv,
    instant deadline)
{
	struct session *s = (struct session *)(void *)layer;

	for (size_t i = 0; i < nv; i++) {
		enum io r = tls_write(s, &v[i], deadline);

		if (r != IO_OK)
			return r;
	}
	br_ssl_engine_flush(&s->client.eng, 0);
	return tls_run(s, BR_SSL_SENDAPP, deadline);
}

static const char *
tls_name_failure(const struct session *s, enum io r)
{
	static char text[32];
	int error = br_ssl_engine_last_error(&s->client.eng);

	switch (error) {
	case BR_ERR_OK:
		return r == IO_TIMEOUT ? "timeout" : "closed";
	case BR_ERR_RECV_FATAL_ALERT + ALERT_PROTOCOL_VERSION:
		return "peer-wants-1.3";
	case BR_ERR_X509_NOT_TRUSTED:
		return "untrusted";
	case BR_ERR_X509_BAD_SERVER_NAME:
		return "name";
	case BR_ERR_X509_EXPIRED:
		return "expired";
	default:
		break;
	}
	if (error >= BR_ERR_X509_INVALID_VALUE &&
	    error <= BR_ERR_X509_NOT_TRUSTED)
		return "certificate";
	(void)snprintf(text, sizeof(text), "%s-%d",
	    error >= BR_ERR_RECV_FATAL_ALERT ? "alert" : "error",
	    error % BR_ERR_RECV_FATAL_ALERT);
	return text;
}

static void
tls_tell_facts(const struct session *s, struct tls_facts *facts)
{
	facts->protocol = "TLSv1.2";
	facts->cipher = tls_suite_name(s->client.eng.session.cipher_suite);
	facts->verified = s->chain.verdict == 0;
}

bool
tls_start(int fd, const char *sni, const struct tls_demand *demand,
    instant deadline, struct io_layer **layer, struct tls_facts *facts,
    const char **why)
{
	struct session *s = &session;
	enum io r = IO_ERROR;

	s->layer = (struct io_layer){ tls_layer_read, tls_layer_writev };
	s->fd = fd;
	tls_set_up(&s->client);
	chain_init(&s->chain, demand);
	br_ssl_engine_set_x509(&s->client.eng, &s->chain.vtable);
	br_ssl_engine_set_buffer(&s->client.eng, s->buffer, sizeof(s->buffer),
	    1);
	if (br_ssl_client_reset(&s->client, sni, 0))
		r = tls_run(s, BR_SSL_SENDAPP, deadline);
	if (r != IO_OK) {
		*why = tls_name_failure(s, r);
		return false;
	}
	tls_tell_facts(s, facts);
	*layer = &s->layer;
	return true;
}

enum io
tls_pending(void)
{
	return tls_run(&session, BR_SSL_RECVAPP, 0);
}

void
tls_end(instant deadline)
{
	br_ssl_engine_close(&session.client.eng);
	/* We do not wait for the server's close_notify. */
	while (br_ssl_engine_current_state(&session.client.eng) &
	    BR_SSL_SENDREC)
		if (tls_send_record(&session, deadline) != IO_OK)
			return;
}
