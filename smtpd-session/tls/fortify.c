/* SPDX-License-Identifier: ISC */
/* What Debian's libbearssl.a, built for glibc, needs beside musl's libc. */
#ifndef __GLIBC__
#include <stdlib.h>
#include <string.h>

void *__memcpy_chk(void *, const void *, size_t, size_t);
void *__memmove_chk(void *, const void *, size_t, size_t);
void *__memset_chk(void *, int, size_t, size_t);

void *
__memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	if (n > room)
		abort();
	return memcpy(to, from, n);
}

void *
__memmove_chk(void *to, const void *from, size_t n, size_t room)
{
	if (n > room)
		abort();
	return memmove(to, from, n);
}

void *
__memset_chk(void *to, int c, size_t n, size_t room)
{
	if (n > room)
		abort();
	return memset(to, c, n);
}
#endif
