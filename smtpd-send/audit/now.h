/* SPDX-License-Identifier: ISC */
/* What the queue says of one message right now. */
#ifndef NOW_H
#define NOW_H

enum now {
	NOW_SHOWN,
	NOW_GONE,   /* it is not there */
	NOW_FAILED, /* errno says */
};

/* Prints it; dir: of the queue. */
enum now now_show(int dir, const char *id);

#endif
