/* SPDX-License-Identifier: ISC */
/* Base64 as RFC 4648 section 4 has it: no line ends, padded, canonical. */
#ifndef BASE64_H
#define BASE64_H

#include "sbuf.h"

/*
 * Appends what text encodes. False, with nothing or a part of it appended:
 * text is no base64 (another character, length or padding, bits that encode
 * nothing), or the sbuf has become bad. It never writes beyond what it has
 * read: text may lie in the sbuf's own memory, from its end on.
 */
bool base64_decode(struct sbuf *, struct span text) MUST_CHECK;

void base64_encode(struct sbuf *, struct span octets);

#endif
