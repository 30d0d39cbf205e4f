/* SPDX-License-Identifier: ISC */
/*
 * DMARC records, through the front, and to libopendmarc as they are: a text
 * that is not a record makes no policy, and the two see no different ones.
 */
#include "libopendmarc.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	struct span text = span_of((const char *)data, n);
	struct dmarc_record r;

	ready = ready || dmarc_record_init();
	if (!ready)
		abort();
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
	if (!libopendmarc_agrees(span_of((const char *)data, n)))
		abort();
	return 0;
}
