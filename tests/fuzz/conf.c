/* SPDX-License-Identifier: ISC */
/* A file of settings: what is taken is printed and taken again. */
#include <stdlib.h>

#include "conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
print_again(const struct conf *c)
{
	struct conf_where where;
	struct sbuf one, two;
	struct conf again;

	sbuf_init(&one, 2 * CONF_FILE_MAX);
	sbuf_init(&two, 2 * CONF_FILE_MAX);
	conf_init(&again);
	conf_print(&one, c);
	must(!one.bad);
	must(conf_parse(&again, sbuf_span(&one), &where) == CONF_OK);
	conf_print(&two, &again);
	must(span_eq(sbuf_span(&one), sbuf_span(&two)));
	conf_free(&again);
	sbuf_free(&one);
	sbuf_free(&two);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct conf_where where;
	struct conf c;

	conf_init(&c);
	if (conf_parse(&c, text, &where) != CONF_OK)
		must(where.line > 0 && where.what[0] != '\0' &&
		    memchr(where.what, '\0', sizeof(where.what)) != NULL);
	else if (conf_finish(&c, &where) == CONF_OK)
		print_again(&c);
	conf_free(&c);
	return 0;
}
