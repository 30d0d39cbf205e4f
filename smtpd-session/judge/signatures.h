/* SPDX-License-Identifier: ISC */
/* DKIM (RFC 6376, 8301, 8463): all signatures of a message, by libopendkim. */
#ifndef SIGNATURES_H
#define SIGNATURES_H

#include "resolve.h"

#define SIGNATURES_MAX 10 /* of one message: each may be a query */
#define SIGNATURE_FIELD_MAX 16384

enum signature_result {
	SIGNATURE_PASS,
	SIGNATURE_FAIL,      /* it does not match */
	SIGNATURE_POLICY,    /* it does, but not in a way that we accept */
	SIGNATURE_TEMPERROR, /* its key could not be asked for */
	SIGNATURE_PERMERROR, /* it or its key is wrong, old or weak */
};

const char *signature_result_text(enum signature_result);

struct signature {
	enum signature_result result;
	const char *reason; /* "" for pass; our text or the library's */
	/* From the signature, cut to their size; "" when it does not say. */
	char domain[DNS_NAME_SIZE];
	char selector[DNS_NAME_SIZE];
	char algorithm[32];
	char b[9]; /* the beginning of b= (RFC 6008) */
};

/* Once a process, before it gives anything up. False: no memory. */
bool signatures_init(struct resolve *) MUST_CHECK;

/*
 * For each message: begin; each field with its line ends but without the
 * last; the end of the header section (too_large: fields were left out, and
 * nothing can be verified; else the keys are asked for ahead); octets of the
 * body (CRLF); and finish, which fills list with the first signatures and
 * gives their number. The body is never held in memory.
 */
void signatures_begin(void);
void signatures_field(struct span field, struct span name);
void signatures_end_of_header(bool too_large);
void signatures_body(struct span);
size_t signatures_finish(struct signature list[SIGNATURES_MAX]);

#endif
