/* SPDX-License-Identifier: ISC */
/* A DNS out of a table, asked through judge/resolve.h. */
#ifndef FAKE_RESOLVE_H
#define FAKE_RESOLVE_H

#include <stdlib.h>
#include <string.h>

#include "resolve.h"

/*
 * One record: NAME TYPE VALUE, a blank in the name as '\\'. TYPE: A AAAA TXT MX (the host) PTR CNAME, or
 * FAIL (no answer, to what is not there by another line). In a VALUE \xNN is
 * an octet.
 */
#define FAKE_RECORDS 4000
#define FAKE_CNAMES 8

struct fake_record {
	struct span name, type;
	char *value;
	size_t len;
};

struct fake {
	struct resolve lookup;
	struct fake_record records[FAKE_RECORDS];
	size_t n;
	unsigned limit; /* queries from which on none is answered */
};

__attribute__((unused)) static void
fake_clear(struct fake *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->records[i].value);
	f->n = 0;
	f->lookup.queries = 0;
}

/* The line must stay. */
__attribute__((unused)) static void
fake_add(struct fake *f, struct span line)
{
	struct fake_record *r = &f->records[f->n];

	r->name = span_word(&line);
	for (char *p = (char *)r->name.p; p < r->name.p + r->name.n; p++)
		if (*p == '\\')
			*p = ' ';
	r->type = span_word(&line);
	line = span_skip(line, 1);
	r->value = malloc(line.n + 1);
	r->len = 0;
	if (f->n + 1 == FAKE_RECORDS || r->value == NULL)
		abort();
	while (line.n > 0) {
		uint64_t c;

		if (line.n >= 4 && line.p[0] == '\\' && line.p[1] == 'x' &&
		    span_hex(span_of(line.p + 2, 2), 255, &c)) {
			r->value[r->len++] = (char)c;
			line = span_skip(line, 4);
			continue;
		}
		r->value[r->len++] = line.p[0];
		line = span_skip(line, 1);
	}
	r->value[r->len] = '\0';
	f->n++;
}

/* Is there anything at this name, or below it? */
static bool
fake_exists(const struct fake *f, struct span name)
{
	for (size_t i = 0; i < f->n; i++) {
		struct span at = f->records[i].name;

		if (span_ieq(at, name) ||
		    (at.n > name.n && at.p[at.n - name.n - 1] == '.' &&
			span_ieq(span_skip(at, at.n - name.n), name)))
			return true;
	}
	return false;
}

/* A name that can be asked for, as the real resolver sees it. */
static bool
fake_is_name(struct span name)
{
	if (name.n == 0 || name.n > DNS_NAME_MAX)
		return false;
	while (name.n > 0) {
		bool dot = span_find(name, '.') < name.n;
		struct span label = span_cut(&name, '.');

		if (label.n == 0 || label.n > 63 || (dot && name.n == 0))
			return false;
	}
	return true;
}

/* Calls take with each record of that name and type. */
static enum dns_result
fake_ask(struct resolve *l, struct span name, const char *type,
    bool (*take)(void *, const struct fake_record *), void *to)
{
	struct fake *f = l->source;
	bool found = false, fails = false;

	l->queries++;
	if (f->limit > 0 && l->queries > f->limit)
		return DNS_TEMPORARY;
	if (!fake_is_name(name))
		return DNS_BAD_NAME;
	for (unsigned hops = 0; hops < FAKE_CNAMES; hops++) {
		const struct fake_record *alias = NULL;

		for (size_t i = 0; i < f->n; i++) {
			const struct fake_record *r = &f->records[i];

			if (!span_ieq(r->name, name))
				continue;
			if (span_eq(r->type, span_str(type)))
				found = take(to, r) || found;
			if (span_eq(r->type, SPAN("CNAME")))
				alias = r;
			fails = fails || span_eq(r->type, SPAN("FAIL"));
		}
		if (found || fails || alias == NULL)
			break;
		name = span_of(alias->value, alias->len);
	}
	return found             ? DNS_FOUND :
	    fails                ? DNS_TEMPORARY :
	    fake_exists(f, name) ? DNS_NODATA :
				   DNS_NXDOMAIN;
}

static bool
fake_take_text(void *to, const struct fake_record *r)
{
	struct dns_texts *t = to;

	t->text = realloc(t->text, (t->n + 1) * sizeof(*t->text));
	if (t->text == NULL)
		abort();
	t->text[t->n++] = span_of(r->value, r->len);
	return true;
}

static enum dns_result
fake_txt(struct resolve *l, struct span name, struct dns_texts *out)
{
	*out = (struct dns_texts){ .text = NULL };
	return fake_ask(l, name, "TXT", fake_take_text, out);
}

struct fake_list {
	void *to;
	size_t max, *n;
};

static bool
fake_take_ip(void *to, const struct fake_record *r)
{
	struct fake_list *list = to;

	if (*list->n == list->max)
		return true;
	return ip_parse(span_of(r->value, r->len),
		   (struct ip *)list->to + *list->n) &&
	    ++*list->n > 0;
}

static enum dns_result
fake_family(struct resolve *l, struct span name, unsigned char size,
    struct ip *out, size_t max, size_t *n)
{
	struct fake_list list = { out, max, n };

	*n = 0;
	return fake_ask(l, name, size == 4 ? "A" : "AAAA", fake_take_ip, &list);
}

static bool
fake_take_mx(void *to, const struct fake_record *r)
{
	struct fake_list *list = to;

	if (*list->n < list->max)
		strcpy(((struct dns_mx_host *)list->to)[(*list->n)++].name,
		    r->value);
	return true;
}

static enum dns_result
fake_mx(struct resolve *l, struct span name, struct dns_mx_host *out,
    size_t max, size_t *n)
{
	struct fake_list list = { out, max, n };

	*n = 0;
	return fake_ask(l, name, "MX", fake_take_mx, &list);
}

static bool
fake_take_ptr(void *to, const struct fake_record *r)
{
	struct fake_list *list = to;

	if (*list->n < list->max)
		strcpy(((struct dns_host *)list->to)[(*list->n)++].name,
		    r->value);
	return true;
}

static enum dns_result
fake_ptr(struct resolve *l, const struct ip *ip, struct dns_host *out,
    size_t max, size_t *n)
{
	struct fake_list list = { out, max, n };
	struct sbuf name;
	enum dns_result r;

	*n = 0;
	sbuf_init(&name, 256);
	for (int i = ip->size - 1; i >= 0; i--)
		if (ip->size == 4)
			sbuf_addf(&name, "%u.", ip->octets[i]);
		else
			sbuf_addf(&name, "%x.%x.", ip->octets[i] & 15,
			    ip->octets[i] >> 4);
	sbuf_adds(&name, ip->size == 4 ? "in-addr.arpa" : "ip6.arpa");
	r = fake_ask(l, sbuf_span(&name), "PTR", fake_take_ptr, &list);
	sbuf_free(&name);
	return r;
}

__attribute__((unused)) static void
fake_init(struct fake *f)
{
	f->n = 0;
	f->limit = 0;
	f->lookup = (struct resolve){ .txt = fake_txt,
		.family = fake_family,
		.mx = fake_mx,
		.ptr = fake_ptr,
		.source = f };
}

#endif
