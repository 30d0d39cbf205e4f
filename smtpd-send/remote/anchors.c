/* SPDX-License-Identifier: ISC */
/* Certification authorities: of a whole bundle, those that a chain names. */
#include "anchors.h"
#include "der.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

#define SKIP 64 /* line ends */
#define STOP 65 /* padding */
#define BAD 66

/* What each octet is worth. 200 KB of text pass here for each connection. */
static const unsigned char *
values(void)
{
	static unsigned char table[256];
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (table[0] == BAD)
		return table;
	memset(table, BAD, sizeof(table));
	for (unsigned char i = 0; i < sizeof(digits) - 1; i++)
		table[(unsigned char)digits[i]] = i;
	table['\n'] = table['\r'] = table[' '] = table['\t'] = SKIP;
	table['='] = STOP;
	return table;
}

/*
 * Base64 with line ends in it, and no more exact than it must be: what is
 * wrong with a certificate shows later. Gives the octets, or 0.
 */
static size_t
decode(struct span text, char out[ANCHORS_CERT_MAX])
{
	const unsigned char *table = values();
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned v = table[(unsigned char)text.p[i]];

		if (v == SKIP)
			continue;
		if (v == STOP)
			break;
		if (v == BAD || n == ANCHORS_CERT_MAX)
			return 0;
		bits = bits << 6 | v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have);
		}
	}
	return n;
}

/* Where the words stand at the beginning of a line, or NULL. */
static const char *
find_line(struct span in, const char *words)
{
	size_t n = strlen(words);
	const char *at;

	while (in.n >= n && (at = memmem(in.p, in.n, words, n)) != NULL) {
		if (at == in.p || at[-1] == '\n')
			return at;
		in = span_skip(in, (size_t)(at - in.p) + 1);
	}
	return NULL;
}

bool
anchors_next(struct span *pem, char out[ANCHORS_CERT_MAX], struct span *der)
{
	const char *begin = find_line(*pem, BEGIN), *end;
	struct span body;

	if (begin == NULL)
		return false;
	body = span_skip(*pem, (size_t)(begin - pem->p) + strlen(BEGIN));
	end = find_line(body, END);
	if (end == NULL)
		return false;
	*pem = span_skip(body, (size_t)(end - body.p) + strlen(END));
	body.n = (size_t)(end - body.p);
	*der = span_of(out, decode(body, out));
	return true;
}

static bool
is_wanted(struct span subject, const struct span *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(subject, names[i]))
			return true;
	return false;
}

static void
add_name(void *name, const void *octets, size_t n)
{
	sbuf_add(name, octets, n);
}

static void
keep(struct anchors *a, struct span der)
{
	br_x509_decoder_context *d = &a->decoders[a->n];
	struct sbuf *name = &a->names[a->n];
	const br_x509_pkey *key;

	sbuf_init(name, ANCHORS_CERT_MAX);
	br_x509_decoder_init(d, add_name, name);
	br_x509_decoder_push(d, der.p, der.n);
	key = br_x509_decoder_get_pkey(d);
	if (key == NULL || name->bad) {
		sbuf_free(name);
		return;
	}
	a->list[a->n] = (br_x509_trust_anchor){
		.dn = { (unsigned char *)name->s, name->len },
		.flags = br_x509_decoder_isCA(d) ? BR_X509_TA_CA : 0,
		.pkey = *key,
	};
	a->n++;
}

void
anchors_find(struct anchors *a, struct span pem, const struct span *names,
    size_t nnames)
{
	char out[ANCHORS_CERT_MAX];
	struct der_names found;
	struct span der;

	a->n = 0;
	while (a->n < ANCHORS_MAX && anchors_next(&pem, out, &der))
		if (der_names(der, &found) &&
		    is_wanted(found.subject, names, nnames))
			keep(a, der);
}

void
anchors_free(struct anchors *a)
{
	for (size_t i = 0; i < a->n; i++)
		sbuf_free(&a->names[i]);
	a->n = 0;
}
