/* SPDX-License-Identifier: ISC */
/* The two names in a certificate, found by a walk over its DER (X.690). */
#include "der.h"

#define SEQUENCE 0x30
#define INTEGER 0x02
#define VERSION 0xa0 /* [0], constructed */

#define LENGTH_OCTETS 3 /* of the long form: up to 16 MiB */

struct element {
	unsigned char tag;
	struct span whole, content;
};

static bool
take_length(struct span *in, size_t *length)
{
	size_t n;

	if (in->n == 0)
		return false;
	n = (unsigned char)in->p[0];
	*in = span_skip(*in, 1);
	if (n < 0x80) {
		*length = n;
		return true;
	}
	n &= 0x7f;
	if (n == 0 || n > LENGTH_OCTETS || n > in->n)
		return false;
	*length = 0;
	for (size_t i = 0; i < n; i++)
		*length = *length << 8 | (unsigned char)in->p[i];
	*in = span_skip(*in, n);
	return true;
}

/* Takes one element, of a tag of one octet and a definite length, off *in. */
static bool
take(struct span *in, struct element *e)
{
	struct span rest = *in;
	size_t length;

	if (rest.n == 0)
		return false;
	e->tag = (unsigned char)rest.p[0];
	rest = span_skip(rest, 1);
	if ((e->tag & 0x1f) == 0x1f || !take_length(&rest, &length) ||
	    length > rest.n)
		return false;
	e->content = span_of(rest.p, length);
	e->whole = span_of(in->p, (size_t)(rest.p - in->p) + length);
	*in = span_skip(*in, e->whole.n);
	return true;
}

static bool
take_tag(struct span *in, unsigned char tag, struct element *e)
{
	return take(in, e) && e->tag == tag;
}

bool
der_names(struct span certificate, struct der_names *names)
{
	struct element e;
	struct span in = certificate, version;

	if (!take_tag(&in, SEQUENCE, &e))
		return false;
	in = e.content;
	if (!take_tag(&in, SEQUENCE, &e)) /* tbsCertificate */
		return false;
	in = e.content;
	version = in;
	if (take_tag(&version, VERSION, &e))
		in = version;
	if (!take_tag(&in, INTEGER, &e) ||  /* serialNumber */
	    !take_tag(&in, SEQUENCE, &e) || /* signature */
	    !take_tag(&in, SEQUENCE, &e))
		return false;
	names->issuer = e.whole;
	if (!take_tag(&in, SEQUENCE, &e) || /* validity */
	    !take_tag(&in, SEQUENCE, &e))
		return false;
	names->subject = e.whole;
	return true;
}
