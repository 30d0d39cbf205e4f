/* SPDX-License-Identifier: ISC */
/* All that smtpd-tls asks of a TLS library: octets in, octets out. */
#ifndef ENGINE_H
#define ENGINE_H

#include "conf.h"

/*
 * engine.c implements this with BearSSL. For another library only engine.c has
 * to be replaced; the new one may then speak TLS 1.3, and nothing else has to
 * know.
 *
 * The engine touches no descriptor, and after engine_start it needs no
 * file and no system call.
 */
struct engine;

/*
 * Loads all certificates and keys of the configuration, and checks that each
 * key belongs to its certificate. NULL: *why says which file, and what is wrong
 * with it. *notes gets a line for each minor problem, such as a certificate
 * that has expired.
 */
struct engine *engine_load(const struct conf *, struct sbuf *why,
    struct sbuf *notes) MUST_CHECK;

/* Appends a line for each certificate: file, type, names, last day. */
void engine_describe(const struct engine *, struct sbuf *);

/* Wipes the keys. */
void engine_free(struct engine *);

/* One server handshake may begin. False: there are no random numbers. */
bool engine_start(struct engine *) MUST_CHECK;

/* The four directions of octets. */
enum engine_way {
	ENGINE_FROM_CLIENT,  /* room for records of the client */
	ENGINE_TO_CLIENT,    /* records to be sent */
	ENGINE_FROM_SESSION, /* room for clear text of the session */
	ENGINE_TO_SESSION,   /* clear text of the client */
};

/*
 * The buffer of this direction: where to put octets, or where to take them
 * from. *n is 0 if it is not usable now; any call may change that for all
 * directions.
 */
char *engine_buf(struct engine *, enum engine_way, size_t *n);

/* n octets of that buffer were put or taken. */
void engine_done(struct engine *, enum engine_way, size_t n);

/* Makes a record of clear text that has not filled one. */
void engine_flush(struct engine *);

/* Says goodbye: one last record to send, and no more clear text. */
void engine_close(struct engine *);

/* Has the handshake succeeded? */
bool engine_is_up(const struct engine *);

/* Is it over, after a goodbye or a failure? */
bool engine_is_closed(const struct engine *);

/* Why it failed, in words; NULL if it did not. */
const char *engine_error(const struct engine *);

/* What was agreed on, once it is up. */
struct engine_facts {
	const char *protocol; /* "TLSv1.2" */
	const char *cipher;   /* by OpenSSL's name */
	const char *name;     /* that the client asked for; "" */
};

struct engine_facts engine_facts(const struct engine *);

#endif
