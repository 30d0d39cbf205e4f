/* SPDX-License-Identifier: ISC */
/* The advice to take out what is forged. */
#include "clean.h"

#include "forged-text.h"
#include "log.h"

#define FORGED_MAX 10000 /* ranges of one message, as the injector has it */

static bool
delete_forged(void *context, uint64_t offset, uint64_t length)
{
	unsigned *n = context;

	if ((*n)++ == FORGED_MAX)
		return false;
	advise_delete(offset, length);
	return true;
}

bool
clean_text(const struct advise_text *text, const char *host)
{
	unsigned n = 0;

	if (forged_find(text->fd, text->length, host, delete_forged, &n))
		return true;
	if (n > FORGED_MAX) {
		advise_refuse(SPAN("550 5.6.0 Too many forged header fields"));
		return false;
	}
	warn_sys("cannot read the text");
	advise_later(ADVISE_LOCAL_ERROR);
	return false;
}
