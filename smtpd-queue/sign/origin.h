/* SPDX-License-Identifier: ISC */
/* Whose message it is: the domain of its From. */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "sbuf.h"

/*
 * Puts the domain of the first address of a From field's value (raw, folded
 * or not) into *domain, which may grow to ADDRESS_PATH_MAX. False when it is
 * no list of addresses, or the first is without a domain.
 */
bool origin_domain(struct span value, struct sbuf *domain) MUST_CHECK;

#endif
