/* SPDX-License-Identifier: ISC */
/* DMARC records: what is none makes no policy, and what is one begins so. */
#include <stdlib.h>

#include "dmarc.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = span_of((const char *)data, n);
	struct dmarc_record r;

	if (dmarc_record_parse(text, &r)) {
		text = span_trim(text);
		if (text.n < 8 || ascii_lower(text.p[0]) != 'v')
			abort();
		if (r.p > DMARC_WISH_REJECT || r.sp > DMARC_WISH_REJECT ||
		    r.np > DMARC_WISH_REJECT)
			abort();
		if (r.psd != 'u' && r.psd != 'y' && r.psd != 'n')
			abort();
	}
	return 0;
}
