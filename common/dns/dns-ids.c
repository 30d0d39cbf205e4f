/* SPDX-License-Identifier: ISC */
/* The ids of queries, which udns would draw from the clock's microseconds. */
#include <sys/random.h>

#include <stdlib.h>
#include <udns.h>

/*
 * Linked before the library, these two stand in the place of its own: who
 * knows when we were started, or what another process asked, knows no id.
 */
void
udns_jraninit(struct udns_jranctx *x, unsigned seed)
{
	(void)x;
	(void)seed;
}

unsigned
udns_jranval(struct udns_jranctx *x)
{
	unsigned r;

	(void)x;
	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		abort();
	return r;
}
