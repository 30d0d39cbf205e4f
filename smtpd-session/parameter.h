/* SPDX-License-Identifier: ISC */
/* The parameters of MAIL and RCPT: RFC 5321, 1870, 6152, 4954. */
#ifndef PARAMETER_H
#define PARAMETER_H

#include "span.h"

enum parameter_result {
	PARAMETER_OK,
	PARAMETER_UNKNOWN, /* 555: a well-formed one that we do not know */
	PARAMETER_SYNTAX,
	PARAMETER_TWICE,
	PARAMETER_BAD_SIZE,
	PARAMETER_BAD_BODY,
	PARAMETER_BAD_AUTH,
};

struct parameters {
	uint64_t size; /* as declared; 0: not said */
	bool has_size, has_body, has_auth;
};

/* All parameters of a MAIL command, blank-separated. */
enum parameter_result parameter_mail(struct span text, struct parameters *);

/* All parameters of a RCPT command: none is known yet. */
enum parameter_result parameter_rcpt(struct span text);

#endif
