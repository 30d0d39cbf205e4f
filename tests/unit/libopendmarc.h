/* SPDX-License-Identifier: ISC */
/* What libopendmarc by itself makes of a record: a second opinion. */
#ifndef LIBOPENDMARC_H
#define LIBOPENDMARC_H

#include <stdlib.h>
#include <opendmarc/dmarc.h>

#include "dmarc.h"

#define LIBOPENDMARC_MAX 8000 /* octets of a record that it takes whole */

/*
 * The library is lenient with what we leave out or refuse, but where it takes
 * a record and we see a policy in it, the two are the same. True: so it is,
 * or the record is not one that it can be asked about.
 */
__attribute__((unused)) static bool
libopendmarc_agrees(struct span text)
{
	static unsigned char client[] = "192.0.2.1", domain[] = "a.example";
	static const char letters[] = { [DMARC_WISH_NONE] = DMARC_RECORD_P_NONE,
		[DMARC_WISH_QUARANTINE] = DMARC_RECORD_P_QUARANTINE,
		[DMARC_WISH_REJECT] = DMARC_RECORD_P_REJECT };
	static DMARC_POLICY_T *library;
	static unsigned char copy[LIBOPENDMARC_MAX];
	struct dmarc_record ours;
	int p = 0, status;

	if (library == NULL)
		library = opendmarc_policy_connect_init(client,
		    DMARC_POLICY_IP_TYPE_IPV4);
	if (library == NULL || text.n >= sizeof(copy))
		return library != NULL;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	for (size_t i = 0; i < text.n; i++)
		if (copy[i] != '\t' && (copy[i] < ' ' || copy[i] > '~'))
			copy[i] = '?';
	text = span_of((char *)copy, text.n);
	if (!dmarc_record_parse(text, &ours))
		ours.p = DMARC_WISH_NONE;
	(void)opendmarc_policy_connect_rset(library);
	status = opendmarc_policy_parse_dmarc(library, domain, copy);
	(void)opendmarc_policy_fetch_p(library, &p);
	return status != DMARC_PARSE_OKAY || ours.p == DMARC_WISH_NONE ||
	    p == letters[ours.p];
}

#endif
