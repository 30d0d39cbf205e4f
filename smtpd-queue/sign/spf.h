/* SPDX-License-Identifier: ISC */
/* Whether a published SPF record lets this host send, and others not. */
#ifndef SPF_H
#define SPF_H

#include "compare.h"

/*
 * domain: of the record. Only the record itself is looked at: what it takes
 * from elsewhere makes it DOUBT. why: what is the matter, if it is not RIGHT.
 */
enum compare_result spf_compare(struct span domain, struct span host,
    struct span text, struct sbuf *why);

#endif
