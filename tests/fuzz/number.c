/* SPDX-License-Identifier: ISC */
/* Numbers: what span_u64 and span_hex take is what strtoull makes of it. */
#include <errno.h>
#include <stdlib.h>

#include "span.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(const char *s, size_t n, int base, uint64_t max)
{
	uint64_t got = 0, want;
	bool digits = n > 0;
	char *end;

	for (size_t i = 0; i < n; i++)
		digits &= ascii_isdigit(s[i]) ||
		    (base == 16 && ascii_lower(s[i]) >= 'a' &&
			ascii_lower(s[i]) <= 'f');
	errno = 0;
	want = strtoull(s, &end, base);
	if (base == 10 ? span_u64(span_of(s, n), max, &got) :
			 span_hex(span_of(s, n), max, &got)) {
		if (!digits || errno != 0 || got != want || got > max)
			abort();
	} else if (digits && errno == 0 && want <= max) {
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char s[64];
	uint64_t max;

	if (size < sizeof(max) || size - sizeof(max) >= sizeof(s))
		return -1;
	memcpy(&max, data, sizeof(max));
	size -= sizeof(max);
	memcpy(s, data + sizeof(max), size);
	s[size] = '\0';
	check(s, size, 10, max);
	check(s, size, 16, max);
	check(s, size, 10, UINT64_MAX);
	return 0;
}
