/* SPDX-License-Identifier: ISC */
/* Header fields about a message's origin: the judge's, looked at, and ours. */
#ifndef CLAIM_H
#define CLAIM_H

#include "sbuf.h"

#define CLAIM_LINE_MAX 998 /* RFC 5322 2.1.1, without CRLF */

/*
 * Are these whole lines that make up nothing but fields Received-SPF, and
 * Authentication-Results with host as their authserv-id? In printable ASCII,
 * blanks and CRLF, no line longer than CLAIM_LINE_MAX, none blank.
 */
bool claim_is_sound(struct span lines, const char *host) MUST_CHECK;

/*
 * Appends the field that says that nothing could be judged. sender: the
 * domain of the reverse-path; when it is no domain name it is not shown.
 */
void claim_nothing(struct sbuf *, const char *host, struct span sender);

#endif
