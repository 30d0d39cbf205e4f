/* SPDX-License-Identifier: ISC */
/* PEM: what is an object, what is broken, and what is passed over. */
#include "certificate.h"
#include "tap.h"

#define B(name) "-----BEGIN " name "-----\n"
#define E(name) "-----END " name "-----\n"

/* What is found, as "NAME=octets ", "broken" or nothing. */
static const struct {
	struct span text;
	const char *found;
} cases[] = {
	{ SPAN(""), "" },
	{ SPAN(B("X") "Zm9v\n" E("X")), "X=foo" },
	{ SPAN(B("X Y") "Zm9v\nYmFy\nYg==\n" E("X Y")), "X Y=foobarb" },
	{ SPAN("text\n" B("A") "Zg==\n" E("A") "more\n\n" B("C") "Zm8=\n" E(
	      "C") "end"),
	    "A=f C=fo" },
	{ SPAN(B("A") E("A")), "A=" },
	/* Lines of any length, blanks, another END: others take them too. */
	{ SPAN(B("A") "Z\nm9v Ym\n\nFy\t\n" E("Z")), "A=foobar" },
	{ SPAN("-----BEGIN A-----  \nZm9v \n-----END A-----\t\n"), "A=foo" },
	{ SPAN(B("A") "Zm9v\n-----END A-----"), "A=foo" },
	/* Cut off. */
	{ SPAN(B("A") "Zm9v\n"), "" },
	{ SPAN("-----BEGIN A-----"), "" },
	{ SPAN(B("A") "Zm9v\n" B("A") "Zm9v\n" E("A")), "broken" },
	/* No base64. */
	{ SPAN(B("A") "Zm9\n" E("A")), "broken" },
	{ SPAN(B("A") "Zm9v!\n" E("A")), "broken" },
	{ SPAN(B("A") "Proc-Type: 4,ENCRYPTED\n\nZm9v\n" E("A")), "broken" },
	{ SPAN(B("A") "Zg==\nZm9v\n" E("A")), "broken" },
	{ SPAN(B("A") "Zm9v\n" E("A") B("C") "Z\n" E("C")), "A=foo broken" },
	/* No boundaries. */
	{ SPAN(" -----BEGIN A-----\nZm9v\n" E("A")), "" },
	{ SPAN("-----BEGIN A\nZm9v\n" E("A")), "" },
	{ SPAN("-----BEGIN ----\nZm9v\n" E("A")), "" },
	{ SPAN("-----BEGIN\n-----\n----\n-\n"), "" },
};

static void
find(struct span text, char *found, size_t room)
{
	char mem[512];
	struct span name, der;
	enum pem_event e;
	struct pem p;
	size_t n = 0;

	memcpy(mem, text.p, text.n);
	pem_begin(&p, mem, text.n);
	while ((e = pem_next(&p, &name, &der)) == PEM_OBJECT)
		n += (size_t)snprintf(found + n, room - n, "%s%.*s=%.*s",
		    n > 0 ? " " : "", (int)name.n, name.p, (int)der.n, der.p);
	if (e == PEM_BROKEN)
		n += (size_t)snprintf(found + n, room - n, "%sbroken",
		    n > 0 ? " " : "");
	found[n] = '\0';
}

int
main(void)
{
	for (size_t i = 0; i < nitems(cases); i++) {
		char found[256];

		find(cases[i].text, found, sizeof(found));
		ok(strcmp(found, cases[i].found) == 0, "case %zu: '%s'", i,
		    found);
	}
	return done();
}
