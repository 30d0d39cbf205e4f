/* SPDX-License-Identifier: ISC */
/* From fields of strangers: what comes out can be asked for in the DNS. */
#include <stdlib.h>

#include "judge-header.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct from f;

	from_init(&f);
	from_begin(&f);
	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\0') { /* the next field */
			from_end(&f);
			from_begin(&f);
		} else {
			from_push(&f, (char)data[i]);
		}
	}
	from_end(&f);
	if (f.n > FROM_DOMAINS_MAX)
		abort();
	for (unsigned i = 0; i < f.n; i++) {
		const char *d = f.domains[i];

		if (*d == '\0' || strlen(d) > DNS_NAME_MAX)
			abort();
		for (; *d != '\0'; d++)
			if (!ascii_isalnum(*d) && memchr("-_.", *d, 3) == NULL)
				abort();
			else if (*d >= 'A' && *d <= 'Z')
				abort();
	}
	return 0;
}
