/* SPDX-License-Identifier: ISC */
/* The DNS tree walk of RFC 9989 section 4.10. */
#include "dmarc-walk.h"

#define LABELS_MAX 8 /* with so many or more, it goes on at 7 */

void
walk_init(struct walk *w, struct resolve *r)
{
	w->resolve = r;
	w->n = 0;
}

/* Where the record of a domain is; empty: there is no such place. */
static struct span
place_of(struct span name, char to[DNS_NAME_SIZE])
{
	static const struct span label = SPAN("_dmarc.");

	if (name.n > DNS_NAME_MAX - label.n)
		return span_of(to, 0);
	memcpy(to, label.p, label.n);
	memcpy(to + label.n, name.p, name.n);
	return span_of(to, label.n + name.n);
}

static enum walk_found
ask(struct walk *w, struct span name, struct dmarc_record *record)
{
	char text[DNS_NAME_SIZE];
	struct span place = place_of(name, text);
	struct dns_texts texts;
	struct dmarc_record one;
	unsigned n = 0;
	enum dns_result r;

	if (place.n == 0)
		return WALK_NOTHING;
	r = w->resolve->txt(w->resolve, place, &texts);
	for (size_t i = 0; i < texts.n; i++)
		if (dmarc_record_parse(texts.text[i], &one)) {
			*record = one;
			n++;
		}
	dns_free_texts(&texts);
	if (r == DNS_TEMPORARY)
		return WALK_FAILED;
	return n == 1 ? WALK_RECORD : WALK_NOTHING;
}

enum walk_found
walk_record(struct walk *w, struct span name, struct dmarc_record *record)
{
	struct walk_place place = { .name = name };

	for (unsigned i = 0; i < w->n; i++)
		if (span_eq(w->cache[i].name, name)) {
			*record = w->cache[i].record;
			return w->cache[i].found;
		}
	place.found = ask(w, name, &place.record);
	if (w->n < WALK_CACHE)
		w->cache[w->n++] = place;
	*record = place.record;
	return place.found;
}

static unsigned
count_labels(struct span name)
{
	unsigned n = 1;

	for (size_t i = 0; i < name.n; i++)
		n += name.p[i] == '.';
	return n;
}

static struct span
parent(struct span name)
{
	(void)span_cut(&name, '.');
	return name;
}

/* The next name of a walk; empty: that was all. */
static struct span
next_name(struct span name)
{
	unsigned n = count_labels(name);

	if (n == 1)
		return span_of(name.p, 0);
	name = parent(name);
	while (--n >= LABELS_MAX)
		name = parent(name);
	return name;
}

/* A domain of two labels mostly has a record of its own; others look up. */
void
walk_ahead(struct resolve *r, struct span author)
{
	char text[DNS_NAME_SIZE];
	bool climbs = count_labels(author) > 2;

	do {
		resolve_ahead_txt(r, place_of(author, text));
		author = next_name(author);
	} while (climbs && author.n > 0);
}

/* The part of name that has one label more than its end. */
static struct span
one_below(struct span name, struct span end)
{
	struct span part = name;

	while (count_labels(part) > count_labels(end) + 1)
		part = parent(part);
	return part;
}

enum walk_found
walk_organization(struct walk *w, struct span name, struct span *organization,
    struct span *psd)
{
	enum walk_found result = WALK_NOTHING;
	struct span at = name;

	*organization = name;
	*psd = span_of(name.p, 0);
	for (; at.n > 0; at = next_name(at)) {
		struct dmarc_record record;
		enum walk_found found = walk_record(w, at, &record);

		if (found == WALK_FAILED)
			return WALK_FAILED;
		if (found == WALK_NOTHING)
			continue;
		result = WALK_RECORD;
		if (record.psd == 'y' && at.n < name.n) {
			*organization = one_below(name, at);
			*psd = at;
			return result;
		}
		*organization = at;
		if (record.psd == 'n')
			return result;
	}
	return result;
}
