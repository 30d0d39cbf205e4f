/* SPDX-License-Identifier: ISC */
/* Which sender addresses belong to an authenticated user. */
#include "author.h"

#include "addrlist.h"

#define ONE_MAX 1024 /* more than any address has */

bool
author_init(struct author *a, const struct conf *conf, struct span name)
{
	if (name.n == 0 || name.n > AUTHOR_NAME_MAX)
		return false;
	a->conf = conf;
	memcpy(a->name, name.p, name.n);
	a->name[name.n] = '\0';
	sbuf_init(&a->senders, AUTHOR_SENDERS_MAX);
	return true;
}

static void
author_take_line(struct author *a, struct span line)
{
	struct span word;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	word = span_word(&line);
	if (word.n == 0 || word.p[0] == '#' ||
	    !span_eq(word, span_str(a->name)))
		return;
	while ((word = span_word(&line)).n > 0) {
		sbuf_addspan(&a->senders, word);
		sbuf_putc(&a->senders, ' ');
	}
}

bool
author_read(struct author *a, struct span file)
{
	while (file.n > 0)
		author_take_line(a, span_cut(&file, '\n'));
	return !a->senders.bad;
}

void
author_free(struct author *a)
{
	sbuf_free(&a->senders);
	a->conf = NULL;
}

/* The local-part without "+detail". */
static struct span
author_mailbox(struct span local)
{
	return span_of(local.p, span_find(local, '+'));
}

static bool
author_is_own(const struct author *a, const struct address *x)
{
	struct span name = span_str(a->name);
	size_t at = span_rfind(name, '@');

	if (!span_ieq(author_mailbox(x->local), span_of(name.p, at)) &&
	    !span_ieq(x->local, span_of(name.p, at)))
		return false;
	if (at < name.n)
		return span_ieq(x->domain, span_skip(name, at + 1));
	return conf_has_domain(a->conf->local_domains, x->domain);
}

static bool
author_matches(struct span pattern, const struct address *x)
{
	if (span_eq(pattern, SPAN("*")))
		return true;
	if (pattern.p[0] == '@')
		return span_ieq(span_skip(pattern, 1), x->domain);
	return span_ieq(pattern, x->whole);
}

bool
author_may_send(const struct author *a, const struct address *x)
{
	struct span rest = sbuf_span(&a->senders), pattern;

	if (author_is_own(a, x))
		return true;
	while ((pattern = span_word(&rest)).n > 0)
		if (author_matches(pattern, x))
			return true;
	return false;
}

bool
author_may_write(const struct author *a, struct span list)
{
	char mem[ONE_MAX];
	struct sbuf one = {
		.s = mem, .cap = sizeof(mem), .max = sizeof(mem) - 1
	};
	enum addrlist_event e;
	struct addrlist l;
	struct address x;
	bool any = false;

	addrlist_init(&l, list);
	while ((e = addrlist_next(&l, &one)) == ADDRLIST_ADDRESS) {
		if (address_mailbox(sbuf_span(&one), &x) != ADDRESS_OK ||
		    !author_may_send(a, &x))
			return false;
		any = true;
	}
	return any && e == ADDRLIST_END;
}

void
author_address(const struct author *a, struct sbuf *out)
{
	struct span domains = span_str(a->conf->local_domains);

	sbuf_adds(out, a->name);
	if (strchr(a->name, '@') != NULL)
		return;
	sbuf_putc(out, '@');
	sbuf_addspan(out, span_word(&domains));
}
