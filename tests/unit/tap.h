/* SPDX-License-Identifier: ISC */
/* What a unit test says, in the Test Anything Protocol, and its exit code. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "span.h"

/*
 *	int main(void) { ok(1 + 1 == 2, "sums"); return done(); }
 *
 * plan(n) at the start makes done() fail when not n tests were counted; leave
 * it out where a table says how many there are. Names are format strings.
 */
static unsigned tap_count, tap_failed, tap_planned;

__attribute__((unused)) static void
plan(unsigned n)
{
	tap_planned = n;
	printf("1..%u\n", n);
	(void)fflush(stdout);
}

__attribute__((unused, format(printf, 1, 2))) static void
note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

__attribute__((format(printf, 2, 0))) static bool
tap_result(bool good, const char *fmt, va_list ap)
{
	tap_count++;
	tap_failed += !good;
	printf("%sok %u - ", good ? "" : "not ", tap_count);
	vprintf(fmt, ap);
	printf("\n");
	/* A child of the test must not print it again. */
	(void)fflush(stdout);
	return good;
}

__attribute__((unused, format(printf, 2, 3))) static bool
ok(bool good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)tap_result(good, fmt, ap);
	va_end(ap);
	return good;
}

__attribute__((unused)) static void
tap_show(const char *what, struct span s)
{
	printf("# %s: \"", what);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= ' ' && s.p[i] <= '~')
			putchar(s.p[i]);
		else
			printf("\\x%02x", (unsigned char)s.p[i]);
	printf("\"\n");
}

__attribute__((unused, format(printf, 3, 4))) static bool
is_span(struct span got, struct span want, const char *fmt, ...)
{
	va_list ap;
	bool good = span_eq(got, want);

	va_start(ap, fmt);
	(void)tap_result(good, fmt, ap);
	va_end(ap);
	if (!good) {
		tap_show(" got", got);
		tap_show("want", want);
	}
	return good;
}

#define is_str(got, want, ...) \
	is_span(span_str(got), span_str(want), __VA_ARGS__)

__attribute__((unused, format(printf, 3, 4))) static bool
is_num(long long got, long long want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)tap_result(got == want, fmt, ap);
	va_end(ap);
	if (got != want)
		printf("#  got: %lld\n# want: %lld\n", got, want);
	return got == want;
}

__attribute__((unused, format(printf, 1, 2))) static void
skipped(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("ok %u - # SKIP ", ++tap_count);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

/* At the end of main: its exit code. */
__attribute__((unused)) static int
done(void)
{
	if (tap_planned == 0)
		printf("1..%u\n", tap_count);
	else if (tap_planned != tap_count)
		printf("# planned %u, ran %u\n", tap_planned, tap_count);
	if (tap_failed > 0)
		printf("# %u of %u failed\n", tap_failed, tap_count);
	return tap_failed > 0 || tap_count == 0 ||
	    (tap_planned != 0 && tap_planned != tap_count);
}

#endif
