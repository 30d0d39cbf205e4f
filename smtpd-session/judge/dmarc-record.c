/* SPDX-License-Identifier: ISC */
/* One DMARC policy record: a strict front, and libopendmarc behind it. */
#include <opendmarc/dmarc.h>

#include "dmarc.h"
#include "sbuf.h"

/*
 * The library takes p=r for p=reject, the last of two tags for the right one,
 * and drops a whole record for one bad tag. So it never sees a stranger's
 * octet: the tags that it knows and that are well-formed are written anew, as
 * in "v=DMARC1;p=reject;adkim=s". It does not know np, t and psd.
 */
enum tag { TAG_P, TAG_SP, TAG_ADKIM, TAG_ASPF, TAG_NP, TAG_T, TAG_PSD, TAGS };

#define KNOWN_TAGS TAG_NP /* those before it */
#define WORDS_MAX 3
#define WISHES \
	{ \
		SPAN("none"), SPAN("quarantine"), SPAN("reject") \
	}

static const struct {
	struct span name, words[WORDS_MAX];
} registered[TAGS] = {
	[TAG_P] = { SPAN("p"), WISHES }, /* as in enum dmarc_wish */
	[TAG_SP] = { SPAN("sp"), WISHES },
	[TAG_NP] = { SPAN("np"), WISHES },
	[TAG_ADKIM] = { SPAN("adkim"), { SPAN("r"), SPAN("s") } },
	[TAG_ASPF] = { SPAN("aspf"), { SPAN("r"), SPAN("s") } },
	[TAG_T] = { SPAN("t"), { SPAN("n"), SPAN("y") } },
	[TAG_PSD] = { SPAN("psd"), { SPAN("u"), SPAN("y"), SPAN("n") } },
};

/* What a tag says: the index of its word, or one of these. */
enum { SAYS_WRONG = -2, SAYS_NOTHING = -1 };

static DMARC_POLICY_T *library;
static struct sbuf library_text;

const char *
dmarc_wish_text(enum dmarc_wish w)
{
	return registered[TAG_P].words[w].p;
}

bool
dmarc_record_init(void)
{
	static unsigned char client[] = "192.0.2.1"; /* of no importance */

	sbuf_init(&library_text, 128);
	library = opendmarc_policy_connect_init(client,
	    DMARC_POLICY_IP_TYPE_IPV4);
	return library != NULL;
}

/* --- the front ------------------------------------------------------------ */

/* The version comes first, and in this very case. */
static bool
is_version(struct span tag)
{
	struct span name = span_trim(span_cut(&tag, '='));

	return span_ieq(name, SPAN("v")) &&
	    span_eq(span_trim(tag), SPAN("DMARC1"));
}

static int
word_index(const struct span words[WORDS_MAX], struct span value)
{
	for (int i = 0; i < WORDS_MAX; i++)
		if (words[i].n > 0 && span_ieq(words[i], value))
			return i;
	return SAYS_WRONG;
}

/* One that is there twice is wrong, whatever it says. */
static void
take_record_tag(struct span tag, int says[TAGS])
{
	struct span name = span_trim(span_cut(&tag, '='));

	for (size_t i = 0; i < TAGS; i++)
		if (span_ieq(name, registered[i].name))
			says[i] = says[i] == SAYS_NOTHING ?
			    word_index(registered[i].words, span_trim(tag)) :
			    SAYS_WRONG;
}

/* --- the library ---------------------------------------------------------- */

static enum dmarc_wish
wish_of(int letter, enum dmarc_wish otherwise)
{
	switch (letter) {
	case DMARC_RECORD_P_REJECT:
		return DMARC_WISH_REJECT;
	case DMARC_RECORD_P_QUARANTINE:
		return DMARC_WISH_QUARANTINE;
	case DMARC_RECORD_P_NONE:
		return DMARC_WISH_NONE;
	default:
		return otherwise;
	}
}

/* What the library refuses is left at its defaults: RFC 9989 section 4.8. */
static void
ask_libopendmarc(struct dmarc_record *r)
{
	static unsigned char domain[] = "a.example"; /* of no importance */
	int p = 0, sp = 0, adkim = 0, aspf = 0;

	(void)opendmarc_policy_connect_rset(library);
	if (library_text.bad ||
	    opendmarc_policy_parse_dmarc(library, domain,
		(unsigned char *)library_text.s) != DMARC_PARSE_OKAY)
		return;
	(void)opendmarc_policy_fetch_p(library, &p);
	(void)opendmarc_policy_fetch_sp(library, &sp);
	(void)opendmarc_policy_fetch_adkim(library, &adkim);
	(void)opendmarc_policy_fetch_aspf(library, &aspf);
	r->p = wish_of(p, DMARC_WISH_NONE);
	r->sp = wish_of(sp, r->p);
	r->strict_dkim = adkim == DMARC_RECORD_A_STRICT;
	r->strict_spf = aspf == DMARC_RECORD_A_STRICT;
}

/* Without a p, RFC 9989 says p=none; the library, as RFC 7489, refuses. */
static void
parse_known(const int says[TAGS], struct dmarc_record *r)
{
	struct sbuf *to = &library_text;

	sbuf_reset(to);
	sbuf_adds(to, "v=DMARC1");
	if (says[TAG_P] < 0)
		sbuf_adds(to, ";p=none");
	for (size_t i = 0; i < KNOWN_TAGS; i++)
		if (says[i] >= 0)
			sbuf_addf(to, ";%s=%s", registered[i].name.p,
			    registered[i].words[says[i]].p);
	ask_libopendmarc(r);
}

bool
dmarc_record_parse(struct span text, struct dmarc_record *r)
{
	int says[TAGS];

	for (size_t i = 0; i < TAGS; i++)
		says[i] = SAYS_NOTHING;
	if (!is_version(span_cut(&text, ';')))
		return false;
	while (text.n > 0)
		take_record_tag(span_cut(&text, ';'), says);
	if (says[TAG_P] < 0 || says[TAG_SP] == SAYS_WRONG ||
	    says[TAG_NP] == SAYS_WRONG)
		says[TAG_P] = says[TAG_SP] = says[TAG_NP] = SAYS_NOTHING;
	*r = (struct dmarc_record){ .p = DMARC_WISH_NONE };
	parse_known(says, r);
	r->np = says[TAG_NP] < 0 ? r->sp : (enum dmarc_wish)says[TAG_NP];
	r->testing = says[TAG_T] == 1;
	r->psd = says[TAG_PSD] < 0 ?
	    'u' :
	    registered[TAG_PSD].words[says[TAG_PSD]].p[0];
	return true;
}
