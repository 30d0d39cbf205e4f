/* SPDX-License-Identifier: ISC */
/* smtpd-judge without checks: it takes out forged fields, and no more. */
#include "advise.h"
#include "forged.h"

static void
clean_text(void *conf, const struct advise_text *text)
{
	if (forged_advise(text, ((const struct conf *)conf)->hostname))
		advise_pass();
}

int
main(int argc, char *argv[])
{
	static const struct confine keep = { 0 };
	static const struct adviser cleaner = { .text = clean_text };
	static struct conf conf;

	advise_start(argc, argv, &conf);
	advise_warm(argv, &conf, 1);
	return advise_serve(&keep, &cleaner, &conf, &conf);
}
