/* SPDX-License-Identifier: ISC */
/* Lines of a zone file (RFC 1035 5.1). */
#ifndef ZONE_H
#define ZONE_H

#include "sbuf.h"

#define ZONE_STRING_MAX 255 /* octets of one string of a TXT record */

/*
 * Appends a TXT record of the name (without a dot at its end), cut into as
 * many strings as it needs. text: ASCII that prints.
 */
void zone_txt(struct sbuf *, struct span name, struct span text);

/* Appends any other record; data is as the zone file has it. */
void zone_line(struct sbuf *, struct span name, const char *type,
    struct span data);

#endif
