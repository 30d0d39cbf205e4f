/* SPDX-License-Identifier: ISC */
/* Log lines: whatever a peer says, one line of ASCII within its limit. */
#include <stdlib.h>

#include "log.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* The value after name=, as a reader of logfmt takes it apart; its end. */
static size_t
skip_value(const struct logline *l, size_t i)
{
	if (i < l->len && l->s[i] != '"') {
		while (i < l->len && l->s[i] != ' ')
			if (l->s[i] == '"' || l->s[i] == '=')
				abort();
			else
				i++;
		return i;
	}
	for (i++; i < l->len && l->s[i] != '"'; i++)
		if (l->s[i] == '\\')
			i++;
	if (i >= l->len)
		abort(); /* never closed */
	return i + 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct logline l;
	struct span rest = span_of(data, size);
	unsigned fields = 3;
	size_t i = 0;

	log_begin(&l, "1f0c2k", "fuzz");
	while (rest.n > 0) {
		size_t before = l.len;

		log_span(&l, "v", span_cut(&rest, '\xff'));
		fields += l.len > before;
	}
	log_num(&l, "n", size);
	if (l.len > 4095)
		abort();
	for (size_t j = 0; j < l.len; j++)
		if (l.s[j] < ' ' || l.s[j] > '~')
			abort();
	while (i < l.len) {
		while (i < l.len && l.s[i] != '=')
			i++;
		i = skip_value(&l, i + 1);
		fields--;
		if (i < l.len && l.s[i++] != ' ')
			abort();
	}
	/* n itself may have found no room */
	if (fields != 0 && fields != (unsigned)-1)
		abort();
	return 0;
}
