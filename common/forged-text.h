/* SPDX-License-Identifier: ISC */
/* Which octets of a text are forged fields; see forged.h. */
#ifndef FORGED_TEXT_H
#define FORGED_TEXT_H

#include "span.h"

struct advise_text; /* advise.h */

/* False: no more of them. errno is kept. */
typedef bool forged_range_fn(void *context, uint64_t offset, uint64_t length);

/*
 * Calls fn for each range of the text that is to go: ascending, none next to
 * another. Only the header section is read, with pread(2). False: it cannot
 * be read (errno; EIO when it is shorter than length), or fn gave false.
 */
bool forged_find(int fd, uint64_t length, const char *host, forged_range_fn *fn,
    void *context) MUST_CHECK;

/*
 * The same as an adviser: advises to delete them. False: the advice is over,
 * with a refusal or a delay.
 */
bool forged_advise(const struct advise_text *, const char *host) MUST_CHECK;

/* Would any of these whole header fields go? */
bool forged_claims(struct span lines, const char *host) MUST_CHECK;

#endif
