/* SPDX-License-Identifier: ISC */
/* smtpd-judge without checks: it takes out forged fields, and no more. */
#include "advise.h"
#include "forged.h"
#include "program.h"
#include "serve.h"

#define SPARE 64 /* conversations beside those of sessions */

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
	struct serve_how how = { .start = SERVE_AT_ACCEPT };

	if (program_start(argc, argv, &conf, PROGRAM_UNPRIVILEGED, "") != argc)
		die(EXIT_PERM, "takes no operands");
	how.limit = (unsigned)conf.max_sessions + SPARE;
	serve_warm(argv, &how);
	serve_connections(&keep, &conf);
	serve_confine(&keep, &conf);
	return advise_run(&cleaner, &conf, &conf);
}
