/* SPDX-License-Identifier: ISC */
/* Which header fields a signature covers. */
#include "fields.h"

/*
 * What readers see, what MIME means, and what a click on "unsubscribe" does.
 * Nobody can add another field of those that are ALWAYS covered. Of the
 * others a mailing list adds some with good reason, to a message that has
 * none: there a signature must not break.
 */
const struct fields_name fields_signed[] = {
	{ "From", FIELDS_ALWAYS },
	{ "To", FIELDS_ALWAYS },
	{ "Cc", FIELDS_ALWAYS },
	{ "Subject", FIELDS_ALWAYS },
	{ "Date", FIELDS_ALWAYS },
	{ "Message-ID", FIELDS_ALWAYS },
	{ "Reply-To", FIELDS_ALWAYS },
	{ "MIME-Version", FIELDS_ALWAYS },
	{ "Content-Type", FIELDS_ALWAYS },
	{ "Content-Transfer-Encoding", FIELDS_ALWAYS },
	{ "Content-Disposition", FIELDS_ALWAYS },
	{ "Content-ID", FIELDS_PRESENT },
	{ "Content-Description", FIELDS_PRESENT },
	{ "Content-Language", FIELDS_PRESENT },
	{ "Sender", FIELDS_PRESENT },
	{ "In-Reply-To", FIELDS_PRESENT },
	{ "References", FIELDS_PRESENT },
	{ "List-Id", FIELDS_PRESENT },
	{ "List-Archive", FIELDS_PRESENT },
	{ "List-Help", FIELDS_PRESENT },
	{ "List-Owner", FIELDS_PRESENT },
	{ "List-Post", FIELDS_PRESENT },
	{ "List-Subscribe", FIELDS_PRESENT },
	{ "List-Unsubscribe", FIELDS_PRESENT },
	{ "List-Unsubscribe-Post", FIELDS_PRESENT },
};

const size_t fields_count = nitems(fields_signed);
_Static_assert(nitems(fields_signed) <= FIELDS_MAX, "FIELDS_MAX is too small");

size_t
fields_find(struct span name)
{
	size_t i = 0;

	while (i < fields_count &&
	    !span_ieq(name, span_str(fields_signed[i].name)))
		i++;
	return i;
}
