/* SPDX-License-Identifier: ISC */
/* Times: those that the log's keeper has put before a line, and for humans. */
#ifndef STAMP_H
#define STAMP_H

#include "sbuf.h"

/*
 * The time that a prefix says, in microseconds since 1970: TAI64N (multilog,
 * s6-log), seconds since 1970, or ISO 8601 with a zone. 0: none of these, as
 * with syslog's, which has neither year nor zone.
 */
uint64_t stamp_parse(struct span prefix);

#define STAMP_LEN 23

/* Appends "2026-11-26 01:02:03.456", UTC. */
void stamp_add(struct sbuf *, uint64_t us);

#endif
