/* SPDX-License-Identifier: ISC */
/* Which header fields DKIM signatures cover, and which a message has. */
#include "signed-header.h"

#include "address.h"
#include "addrlist.h"

/*
 * The fields that readers see, those of MIME, and those behind "unsubscribe".
 * Nobody can add another field of those that are ALWAYS covered. Some of the
 * others are added by mailing lists to messages that lack them: that must not
 * break the signature.
 */
const struct signed_field signed_fields[] = {
	{ "From", SIGNED_ALWAYS },
	{ "To", SIGNED_ALWAYS },
	{ "Cc", SIGNED_ALWAYS },
	{ "Subject", SIGNED_ALWAYS },
	{ "Date", SIGNED_ALWAYS },
	{ "Message-ID", SIGNED_ALWAYS },
	{ "Reply-To", SIGNED_ALWAYS },
	{ "MIME-Version", SIGNED_ALWAYS },
	{ "Content-Type", SIGNED_ALWAYS },
	{ "Content-Transfer-Encoding", SIGNED_ALWAYS },
	{ "Content-Disposition", SIGNED_ALWAYS },
	{ "Content-ID", SIGNED_PRESENT },
	{ "Content-Description", SIGNED_PRESENT },
	{ "Content-Language", SIGNED_PRESENT },
	{ "Sender", SIGNED_PRESENT },
	{ "In-Reply-To", SIGNED_PRESENT },
	{ "References", SIGNED_PRESENT },
	{ "List-Id", SIGNED_PRESENT },
	{ "List-Archive", SIGNED_PRESENT },
	{ "List-Help", SIGNED_PRESENT },
	{ "List-Owner", SIGNED_PRESENT },
	{ "List-Post", SIGNED_PRESENT },
	{ "List-Subscribe", SIGNED_PRESENT },
	{ "List-Unsubscribe", SIGNED_PRESENT },
	{ "List-Unsubscribe-Post", SIGNED_PRESENT },
};

const size_t signed_count = nitems(signed_fields);
_Static_assert(nitems(signed_fields) <= SIGNED_NAMES_MAX,
    "FIELDS_MAX is too small");

size_t
signed_find(struct span name)
{
	size_t i = 0;

	while (i < signed_count &&
	    !span_ieq(name, span_str(signed_fields[i].name)))
		i++;
	return i;
}

/*
 * The domain of the first address of a From field's value. False: it is no
 * list of addresses, or the first has no domain. The whole list is parsed: if
 * it is malformed, nobody knows which part readers will be shown.
 */
static bool
signed_from_domain(struct span value, struct sbuf *domain)
{
	enum addrlist_event e;
	struct addrlist list;
	struct address a;
	struct sbuf b;
	bool found = false;

	sbuf_init(&b, ADDRESS_PATH_MAX);
	sbuf_reset(domain);
	addrlist_init(&list, value);
	while ((e = addrlist_next(&list, &b)) == ADDRLIST_ADDRESS) {
		if (address_mailbox(sbuf_span(&b), &a) != ADDRESS_OK)
			break;
		if (!found)
			sbuf_addspan(domain, a.domain);
		found = true;
	}
	sbuf_free(&b);
	return e == ADDRLIST_END && found && !domain->bad;
}

struct span
signed_value(struct span field)
{
	field = span_skip(field, span_find(field, ':') + 1);
	if (field.n > 0 && field.p[field.n - 1] == '\n')
		field.n--;
	if (field.n > 0 && field.p[field.n - 1] == '\r')
		field.n--;
	return field;
}

void
signed_survey(struct signed_header *v, struct span section)
{
	struct header_walk w;
	struct span field;

	memset(v, 0, sizeof(*v));
	sbuf_init(&v->author, ADDRESS_PATH_MAX);
	header_walk_start(&w, section);
	while (header_walk_next(&w, &field)) {
		struct span name = header_name(&w.header);
		size_t i = signed_find(name);

		if (i == signed_count)
			continue;
		v->seen[i] = true;
		v->count++;
		v->nul = v->nul || memchr(field.p, '\0', field.n) != NULL;
		if (!span_ieq(name, SPAN("From")))
			continue;
		v->from++;
		v->good = signed_from_domain(signed_value(field), &v->author);
		v->bad = v->bad || v->author.bad;
	}
	v->bad = v->bad || w.header.field.bad;
	header_walk_stop(&w);
}

void
signed_free(struct signed_header *v)
{
	sbuf_free(&v->author);
}
