/* SPDX-License-Identifier: ISC */
/* The advice to take out what is forged. */
#ifndef CLEAN_H
#define CLEAN_H

#include "advise.h"

/*
 * Says which octets of the text are forged fields of this host (forged.h).
 * False: that was the verdict, a refusal or a delay.
 */
bool clean_text(const struct advise_text *, const char *host) MUST_CHECK;

#endif
