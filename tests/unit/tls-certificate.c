/* SPDX-License-Identifier: ISC */
/* Certificates: their days, their names, and what is none. */
#include "../../common/certificate.h"
#include "tap.h"

/* DER by hand: every length is one octet. */
struct der {
	char octets[256];
	size_t n;
};

static void
put(struct der *d, unsigned tag, const void *p, size_t n)
{
	d->octets[d->n++] = (char)tag;
	d->octets[d->n++] = (char)n;
	memcpy(d->octets + d->n, p, n);
	d->n += n;
}

static void
wrap(struct der *d, unsigned tag)
{
	struct der inner = *d;

	d->n = 0;
	put(d, tag, inner.octets, inner.n);
}

static void
put_der(struct der *d, const struct der *other)
{
	memcpy(d->octets + d->n, other->octets, other->n);
	d->n += other->n;
}

/* Only what is looked at; the key and the signature are not. */
static struct der
make(const char *from, const char *to, const char *const names[])
{
	struct der cert = { .n = 0 }, days = { .n = 0 }, list = { .n = 0 };
	struct der ext = { .n = 0 };

	put(&cert, 0x02, "\1", 1);
	put(&cert, 0x30, "", 0);
	put(&cert, 0x30, "", 0);
	put(&days, strlen(from) == 13 ? 0x17 : 0x18, from, strlen(from));
	put(&days, strlen(to) == 13 ? 0x17 : 0x18, to, strlen(to));
	wrap(&days, 0x30);
	put_der(&cert, &days);
	put(&cert, 0x30, "", 0);
	put(&list, 0x81, "a@example", 9);
	for (; *names != NULL; names++)
		put(&list, 0x82, *names, strlen(*names));
	wrap(&list, 0x30);
	wrap(&list, 0x04);
	put(&ext, 0x06, "\x55\x1d\x11", 3);
	put(&ext, 0x01, "\xff", 1);
	put_der(&ext, &list);
	wrap(&ext, 0x30);
	wrap(&ext, 0x30);
	wrap(&ext, 0xa3);
	put_der(&cert, &ext);
	wrap(&cert, 0x30);
	wrap(&cert, 0x30);
	return cert;
}

static const char *const two[] = { "mx.example", "*.B.example", NULL };
static const char *const none[] = { NULL };

static struct span
view(const struct der *d)
{
	return span_of(d->octets, d->n);
}

static void
days(void)
{
	static const struct {
		const char *text;
		long long want;
	} cases[] = {
		{ "700101000000Z", 0 },
		{ "691231235959Z", -1 },
		{ "500101000000Z", -631152000 },
		{ "491231235959Z", 2524607999 },
		{ "240229120000Z", 1709208000 },
		{ "20500101000000Z", 2524608000 },
		{ "21000301000000Z", 4107542400 },
		{ "99991231235959Z", 253402300799 },
	};
	static const char *const bad[] = { "240001000000Z", "241301000000Z",
		"240100000000Z", "240132000000Z", "240101240000Z",
		"240101006000Z", "240101000061Z", "2401010000 0Z",
		"24010100000+Z", "2401010000000", "202401010000Z",
		"20240101000000", "2024010100000000Z" };

	for (size_t i = 0; i < nitems(cases); i++) {
		struct der d = make("700101000000Z", cases[i].text, two);
		struct certificate c;

		ok(certificate_parse(view(&d), &c), "%s is a time",
		    cases[i].text);
		is_num(c.not_after, cases[i].want, "%s", cases[i].text);
		is_num(c.not_before, 0, "and it began");
	}
	for (size_t i = 0; i < nitems(bad); i++) {
		struct der d = make("700101000000Z", bad[i], two);
		struct certificate c;

		ok(!certificate_parse(view(&d), &c), "%s is none", bad[i]);
	}
}

static void
names(void)
{
	struct der d = make("700101000000Z", "700101000000Z", two);
	struct certificate c;
	struct span list, name;

	ok(certificate_parse(view(&d), &c), "a certificate of two names");
	list = c.names;
	ok(certificate_next_name(&list, &name), "one");
	is_span(name, SPAN("mx.example"), "past what is no host");
	ok(certificate_next_name(&list, &name), "two");
	is_span(name, SPAN("*.B.example"), "as it stands there");
	ok(!certificate_next_name(&list, &name), "and that is all");
	ok(certificate_is_of(&c, SPAN("MX.Example")), "whatever the case");
	ok(certificate_is_of(&c, SPAN("www.b.example")), "one label");
	ok(!certificate_is_of(&c, SPAN("a.www.b.example")), "not two");
	ok(!certificate_is_of(&c, SPAN("b.example")), "not none");
	ok(!certificate_is_of(&c, SPAN(".b.example.")), "nor an odd one");
	ok(!certificate_is_of(&c, SPAN("x.example")), "not another name");
	ok(!certificate_is_of(&c, SPAN("")), "not nothing");
	d = make("700101000000Z", "700101000000Z", none);
	ok(certificate_parse(view(&d), &c), "a certificate of no host");
	ok(!certificate_is_of(&c, SPAN("mx.example")), "is nobody's");
}

/* In memory of their own, so that the sanitizer sees every step too far. */
static void
halves(void)
{
	struct der d = make("700101000000Z", "700101000000Z", two);
	struct certificate c;
	size_t good = 0;

	for (size_t n = 0; n < d.n; n++) {
		char *half = malloc(n + 1);

		if (half == NULL)
			abort();
		memcpy(half, d.octets, n);
		good += certificate_parse(span_of(half, n), &c);
		free(half);
	}
	is_num((long long)good, 0, "no part of one is one");
}

int
main(void)
{
	days();
	names();
	halves();
	return done();
}
