/* SPDX-License-Identifier: ISC */
/* The header fields that a submitted message gets, or gets when they miss. */
#include "compose.h"

#include "clock.h"

#define ENCODED_TEXT 45 /* octets: a 75 octet word holds 15 in hex */

void
compose_date(struct sbuf *b, time_t t)
{
	sbuf_adds(b, "Date: ");
	clock_date(b, t);
	sbuf_adds(b, "\r\n");
}

void
compose_message_id(struct sbuf *b, const char *id, const char *host)
{
	sbuf_addf(b, "Message-ID: <%s@%s>\r\n", id, host);
}

/* May it stand in a phrase as it is (RFC 5322 atext and blanks)? */
static bool
is_plain(char c)
{
	return ascii_isalnum(c) ||
	    memchr(" !#$%&'*+-/=?^_`{|}~", c, 20) != NULL;
}

static bool
is_ascii(char c)
{
	return c >= ' ' && c <= '~';
}

static void
add_quoted(struct sbuf *b, struct span name)
{
	sbuf_putc(b, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			sbuf_putc(b, '\\');
		sbuf_putc(b, name.p[i]);
	}
	sbuf_putc(b, '"');
}

/* RFC 2047 "Q", in words that end between two characters of UTF-8. */
static void
add_encoded(struct sbuf *b, struct span name)
{
	size_t in_word = 0;

	sbuf_adds(b, "=?UTF-8?Q?");
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (in_word >= ENCODED_TEXT && (c & 0xc0) != 0x80) {
			sbuf_adds(b, "?=\r\n =?UTF-8?Q?");
			in_word = 0;
		}
		if (ascii_isalnum((char)c))
			sbuf_putc(b, (char)c);
		else
			sbuf_addf(b, "=%02X", c);
		in_word += ascii_isalnum((char)c) ? 1 : 3;
	}
	sbuf_adds(b, "?=");
}

static void
add_name(struct sbuf *b, struct span name)
{
	bool plain = true, ascii = true;

	for (size_t i = 0; i < name.n; i++) {
		plain = plain && is_plain(name.p[i]);
		ascii = ascii && is_ascii(name.p[i]);
	}
	/* What looks like an encoded word is quoted, so that it is none. */
	plain = plain && span_find(name, '?') == name.n;
	if (plain)
		sbuf_addspan(b, name);
	else if (ascii)
		add_quoted(b, name);
	else
		add_encoded(b, name);
}

void
compose_from(struct sbuf *b, struct span name, const struct address *from,
    const char *host)
{
	name = span_trim(name);
	if (name.n > COMPOSE_NAME_MAX)
		name.n = COMPOSE_NAME_MAX;
	sbuf_adds(b, "From: ");
	if (name.n > 0) {
		add_name(b, name);
		sbuf_putc(b, ' ');
	}
	sbuf_putc(b, '<');
	if (from->whole.n > 0)
		sbuf_addspan(b, from->whole);
	else
		sbuf_addf(b, "MAILER-DAEMON@%s", host);
	sbuf_adds(b, ">\r\n");
}

void
compose_received(struct sbuf *b, uid_t uid, const char *id, const char *host,
    time_t t)
{
	sbuf_addf(b, "Received: by %s (smtpd, from uid %lu) id %s;\r\n\t", host,
	    (unsigned long)uid, id);
	clock_date(b, t);
	sbuf_adds(b, "\r\n");
}
