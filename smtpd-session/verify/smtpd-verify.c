/* SPDX-License-Identifier: ISC */
/* The filter for mail of strangers: takes away what is forged, has it judged. */
#include "verify.h"

int
main(int argc, char *argv[])
{
	static struct verify verify;
	static struct judge judge;
	static struct conf conf;
	static struct filter filter;

	filter_start(&filter, argc, argv, &conf);
	judge_open(&judge, &conf);
	verify_init(&verify, &filter, &judge);
	filter_confine(&conf);
	return filter_run(&filter, verify_take, &verify);
}
