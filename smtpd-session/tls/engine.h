/* SPDX-License-Identifier: ISC */
/* All that smtpd-tls asks of a TLS library: octets in, octets out. */
#ifndef ENGINE_H
#define ENGINE_H

#include "conf.h"

/*
 * engine.c is this for BearSSL. A program with another library is smtpd-tls.c
 * and its own engine.c; that one then may speak TLS 1.3, and nothing else has
 * to know.
 *
 * No descriptor is touched here, and after engine_start no file and no
 * system call is needed.
 */
struct engine;

/*
 * Loads all certificates and keys of the configuration. NULL: *why says
 * which file, and what is wrong of it. What is no obstacle, as a certificate
 * that has expired, is appended to *notes, a line each. thorough: sees too
 * that each key belongs to its certificate, which costs a millisecond.
 */
struct engine *engine_load(const struct conf *, bool thorough, struct sbuf *why,
    struct sbuf *notes) MUST_CHECK;

/* Appends a line for each certificate: file, type, names, last day. */
void engine_describe(const struct engine *, struct sbuf *);

/* Wipes the keys. */
void engine_free(struct engine *);

/* One server handshake may begin. False: there are no random numbers. */
bool engine_start(struct engine *) MUST_CHECK;

/* The four ways of octets. */
enum engine_way {
	ENGINE_FROM_CLIENT,  /* room for records of the client */
	ENGINE_TO_CLIENT,    /* records to be sent */
	ENGINE_FROM_SESSION, /* room for clear text of ours */
	ENGINE_TO_SESSION,   /* clear text of the client */
};

/*
 * The buffer of this way: where to put octets, or to take them from. *n is
 * 0 when there is none now; any call may change that for every way.
 */
char *engine_buf(struct engine *, enum engine_way, size_t *n);

/* n octets of that buffer were put or taken. */
void engine_done(struct engine *, enum engine_way, size_t n);

/* Clear text that was put and not filled a record becomes one now. */
void engine_flush(struct engine *);

/* Says goodbye: one last record to send, and no clear text any more. */
void engine_close(struct engine *);

/* The handshake is over, and it was good. */
bool engine_is_up(const struct engine *);

/* Nothing can be put or taken any more, after a goodbye or a failure. */
bool engine_is_closed(const struct engine *);

/* Why it failed, in words; NULL when it did not. */
const char *engine_error(const struct engine *);

/* What was agreed on, once it is up. */
struct engine_facts {
	const char *protocol; /* "TLSv1.2" */
	const char *cipher;   /* by OpenSSL's name */
	const char *name;     /* that the client asked for; "" */
};

struct engine_facts engine_facts(const struct engine *);

#endif
