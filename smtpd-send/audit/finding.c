/* SPDX-License-Identifier: ISC */
/* What the audit has found: listed as it is found, counted at the end. */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[] = {
	[FINDING_LOST] = "lost",
	[FINDING_UNTOLD] = "untold",
	[FINDING_UNLOGGED] = "unlogged",
	[FINDING_DAMAGED] = "damaged",
	[FINDING_GAP] = "gap",
	[FINDING_TWICE] = "twice",
	[FINDING_TOLD_TWICE] = "told-twice",
	[FINDING_BOTH] = "both",
	[FINDING_UNACCEPTED] = "unaccepted",
};

void
finding_add(struct findings *f, enum finding what, const struct mailid *id,
    struct span who, const char *fmt, ...)
{
	char text[QUEUE_ID_SIZE] = "-";
	va_list ap;

	f->count[what]++;
	if (id != NULL)
		mailid_text(id, text);
	(void)printf("%-10s  %s", names[what], text);
	if (who.n > 0)
		(void)printf("  %.*s", (int)who.n, who.p);
	(void)printf(": ");
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
}

void
finding_print(const struct findings *f)
{
	for (size_t i = 0; i < FINDINGS; i++)
		(void)printf("%-10s  %llu\n", names[i],
		    (unsigned long long)f->count[i]);
}

int
finding_status(const struct findings *f)
{
	for (size_t i = 0; i < FINDINGS; i++)
		if (f->count[i] > 0)
			return i < FINDING_TWICE ? 1 : 2;
	return 0;
}
