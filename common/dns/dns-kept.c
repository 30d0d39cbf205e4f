/* SPDX-License-Identifier: ISC */
/* Answers that are kept, and questions that are asked before they matter. */
#include <stdlib.h>

#include "dns-parts.h"

#define AGE_MS 60000

/* udns writes to the places: none is another's before dns_hang_up. */
struct dns_kept {
	instant since; /* the oldest */
	size_t n;
	struct question places[DNS_KEPT];
};

bool
dns_keep(struct dns_resolver *r)
{
	r->kept = calloc(1, sizeof(*r->kept));
	return r->kept != NULL;
}

static void
forget(struct dns_kept *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->places[i].records);
	k->n = 0;
}

void
dns_kept_free(struct dns_resolver *r)
{
	if (r->kept != NULL)
		forget(r->kept);
	free(r->kept);
	r->kept = NULL;
}

void
dns_refresh(struct dns_resolver *r)
{
	struct dns_kept *k = r->kept;

	if (k == NULL || k->n == 0 ||
	    (k->n <= DNS_KEPT / 2 && clock_now() - k->since < AGE_MS))
		return;
	if (r->udns != NULL && dns_active(r->udns) > 0)
		dns_hang_up(r);
	forget(k);
}

struct question *
dns_kept_open(struct dns_resolver *r, size_t *i)
{
	while (r->kept != NULL && *i < r->kept->n) {
		struct question *q = &r->kept->places[(*i)++];

		if (!q->done)
			return q;
	}
	return NULL;
}

static bool
is_same(const struct question *a, const struct question *b)
{
	return a->wire.type == b->wire.type &&
	    dns_dnequal(a->wire.dn, b->wire.dn) != 0;
}

/* Where such a question is kept, or a place for it; NULL: none is left. */
static struct question *
place(struct dns_kept *k, const struct question *q)
{
	struct question *to;

	for (size_t i = 0; i < k->n; i++)
		if (is_same(&k->places[i], q))
			return &k->places[i];
	if (k->n == DNS_KEPT)
		return NULL;
	if (k->n == 0)
		k->since = clock_now();
	to = &k->places[k->n++];
	*to = *q;
	to->kept = true;
	dns_begin(to);
	return to;
}

const struct question *
dns_ask_kept(struct dns_resolver *r, struct question *q, instant deadline)
{
	struct question *at = r->kept == NULL ? NULL : place(r->kept, q);

	if (at == NULL) {
		dns_ask(r, q, 1, deadline);
		return q;
	}
	if (at->done && !at->ahead && dns_result_of(at) == DNS_TEMPORARY)
		dns_begin(at);
	at->ahead = false;
	dns_wait(r, at, 1, deadline);
	return at;
}

void
dns_ask_ahead(struct dns_resolver *r, const struct question *q)
{
	struct question *at = r->kept == NULL ? NULL : place(r->kept, q);

	if (at == NULL || at->done)
		return;
	at->ahead = true;
	dns_send(r, at);
}
