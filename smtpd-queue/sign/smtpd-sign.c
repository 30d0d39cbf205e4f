/* SPDX-License-Identifier: ISC */
/* The adviser that signs outgoing mail: the only reader of DKIM keys. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../signed-header.h"
#include "advise.h"
#include "dkim-keys.h"
#include "log.h"
#include "queuefile.h"
#include "serve.h"
#include "signer.h"

#define ENTRANCES 4 /* relay, user, auth and own ask us */
#define REHEARSED 8 /* domains */

#define SIGNING_HEADER_MAX (2 * 1024 * 1024) /* octets, in all */
#define NO_KEY "451 4.3.5 Cannot sign this message now, try again later"
#define WHY_MAX 1024
#define PIECE 65536

struct signing {
	const struct conf *conf;
	bool enabled;           /* there are keys to be asked for */
	char id[QUEUE_ID_SIZE]; /* empty: not known */
	struct sbuf tops;       /* payloads of H, in the order they came */
	struct sbuf sizes;      /* of each of them: a size_t */
	struct sbuf section;    /* the header section, from the top down */
	struct dkim_keys keys;
	struct dkim_key_memory known;
	struct signer signers[DKIM_KEYS_MAX];
	size_t nsigners;
};

static char piece[PIECE];

static void
signing_init(struct signing *s, const struct conf *conf)
{
	s->conf = conf;
	s->enabled = dkim_keys_configured(conf);
	sbuf_init(&s->tops, SIGNING_HEADER_MAX);
	sbuf_init(&s->sizes, SIGNING_HEADER_MAX);
	sbuf_init(&s->section, SIGNING_HEADER_MAX);
}

static void
signing_begin(void *context)
{
	struct signing *s = context;

	s->id[0] = '\0';
	sbuf_reset(&s->tops);
	sbuf_reset(&s->sizes);
}

static void
signing_take_fact(void *context, struct span name, struct span value)
{
	struct signing *s = context;

	if (span_eq(name, SPAN("id")) && queue_id_valid(value)) {
		memcpy(s->id, value.p, value.n);
		s->id[value.n] = '\0';
	}
}

static void
signing_take_fields(void *context, struct span lines)
{
	struct signing *s = context;

	if (!s->enabled)
		return;
	sbuf_addspan(&s->tops, lines);
	sbuf_add(&s->sizes, &lines.n, sizeof(lines.n));
}

/* One log line about a message that is not signed. */
static void
signing_tell(const struct signing *s, const char *event, const char *name,
    struct span value)
{
	struct logline l;

	log_begin(&l, s->id[0] == '\0' ? NULL : s->id, event);
	log_span(&l, name, value);
	log_end(&l);
}

/* It should be signed but cannot be: it has to wait. */
static bool
signing_fail(const struct signing *s, const char *why)
{
	signing_tell(s, "unsignable", "error", span_str(why));
	return false;
}

static bool
signing_fail_unread(const struct signing *s)
{
	return signing_fail(s, strerror(errno));
}

/* --- the header section -------------------------------------------------- */

/* The last H frame is the topmost. */
static void
signing_take_tops(struct signing *s)
{
	size_t at = s->tops.len, i = s->sizes.len / sizeof(size_t), size;

	if (s->tops.bad || s->sizes.bad)
		s->section.bad = true;
	while (i-- > 0 && !s->section.bad) {
		memcpy(&size, s->sizes.s + i * sizeof(size), sizeof(size));
		at -= size;
		sbuf_add(&s->section, s->tops.s + at, size);
	}
}

/* Adds the section of the text itself; *body: where it ends. */
static bool
signing_read_header(struct signing *s, const struct advise_text *t,
    struct header *h, uint64_t *body)
{
	uint64_t at = 0;
	size_t used;
	ssize_t n;

	while (!h->done && !s->section.bad) {
		struct span in;

		n = advise_read(t, at, piece, sizeof(piece));
		if (n == -1)
			return signing_fail_unread(s);
		if (n == 0)
			break;
		in = span_of(piece, (size_t)n);
		while (header_push(h, in, &used) == HEADER_FIELD) {
			sbuf_add(&s->section, in.p, used);
			in = span_skip(in, used);
			at += used;
		}
		sbuf_add(&s->section, in.p, used);
		at += used;
	}
	while (header_finish(h) == HEADER_FIELD)
		;
	if (s->section.bad || h->field.bad)
		return signing_fail(s, "the header section is too large");
	/* The machine still holds the start of the first line of the body. */
	sbuf_truncate(&s->section, s->section.len - h->field.len);
	*body = at - h->field.len;
	return true;
}

static bool
take_section(struct signing *s, const struct advise_text *t, uint64_t *body)
{
	struct header h;
	bool good;

	sbuf_reset(&s->section);
	signing_take_tops(s);
	header_init(&h);
	good = signing_read_header(s, t, &h, body);
	header_free(&h);
	return good;
}

/* --- signatures ---------------------------------------------------------- */

static bool
signing_oversign(const struct signed_header *v)
{
	/* The library looks at the list again when it signs. */
	static const char *names[SIGNED_NAMES_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < signed_count; i++) {
		if (v->seen[i] || signed_fields[i].rule == SIGNED_ALWAYS)
			names[n++] = signed_fields[i].name;
	}
	names[n] = NULL;
	return signer_oversign(names);
}

static bool
sign_fields(struct signer *signer, const struct sbuf *section)
{
	struct header_walk w;
	struct span field;
	bool good = true;

	header_walk_start(&w, sbuf_span(section));
	while (good && header_walk_next(&w, &field)) {
		struct span name = header_name(&w.header);

		if (signed_find(name) < signed_count)
			good = signer_field(signer, name, signed_value(field));
	}
	good = good && !w.header.field.bad && signer_end_header(signer);
	header_walk_stop(&w);
	return good;
}

static bool
open_signers(struct signing *s, const struct signed_header *v)
{
	static const struct signer none;

	/* At most entrances smtpd-submit has refused these. */
	if (v->nul)
		return signing_fail(s, "NUL in a header field");
	if (v->count > SIGNED_FIELDS_MAX)
		return signing_fail(s, "too many header fields");
	if (!signing_oversign(v))
		return signing_fail(s, signer_error(&none));
	for (size_t i = 0; i < s->keys.n; i++) {
		struct signer *signer = &s->signers[s->nsigners++];

		if (!signer_open(signer, &s->keys.key[i]) ||
		    !sign_fields(signer, &s->section))
			return signing_fail(s, signer_error(signer));
	}
	return true;
}

/* Finds the keys. False: it should be signed but cannot be, and has to wait. */
static bool
signing_choose(struct signing *s, const struct signed_header *v)
{
	struct sbuf why;
	bool good = true;

	if (v->from != 1 || !v->good) {
		signing_tell(s, "unsigned", "reason",
		    v->from == 0    ? SPAN("no From") :
			v->from > 1 ? SPAN("more than one From") :
				      SPAN("no address in From"));
		return true;
	}
	sbuf_init(&why, WHY_MAX);
	switch (dkim_keys_find_known(&s->keys, &s->known, s->conf,
	    sbuf_span(&v->author), &why)) {
	case DKIM_KEYS_NONE:
		signing_tell(s, "unsigned", "no_key_for",
		    sbuf_span(&v->author));
		break;
	case DKIM_KEYS_BAD:
		signing_tell(s, "bad-key", "error", sbuf_span(&why));
		good = false;
		break;
	case DKIM_KEYS_FOUND:
		good = open_signers(s, v);
		break;
	}
	sbuf_free(&why);
	return good;
}

static bool
start_signers(struct signing *s)
{
	struct signed_header v;
	bool good;

	signed_survey(&v, sbuf_span(&s->section));
	good = v.bad ? signing_fail(s, "out of memory") : signing_choose(s, &v);
	signed_free(&v);
	return good;
}

static bool
hash_body(struct signing *s, const struct advise_text *t, uint64_t at)
{
	ssize_t n;

	while ((n = advise_read(t, at, piece, sizeof(piece))) > 0) {
		for (size_t i = 0; i < s->nsigners; i++)
			if (!signer_body(&s->signers[i],
				span_of(piece, (size_t)n)))
				return signing_fail(s,
				    signer_error(&s->signers[i]));
		at += (uint64_t)n;
	}
	return n == 0 || signing_fail_unread(s);
}

static bool
add_signatures(struct signing *s)
{
	struct logline l;
	struct sbuf b;
	bool good = true;

	log_begin(&l, s->id[0] == '\0' ? NULL : s->id, "signed");
	log_str(&l, "domain", s->keys.key[0].domain);
	sbuf_init(&b, FRAME_PAYLOAD_MAX);
	/* The last one ends up topmost, and the first key is to be there. */
	for (size_t i = s->nsigners; i-- > 0 && good;) {
		sbuf_reset(&b);
		good = signer_finish(&s->signers[i], &b) ||
		    signing_fail(s, signer_error(&s->signers[i]));
		if (good)
			advise_top(sbuf_span(&b));
		log_str(&l, dkim_key_type(s->keys.key[i].algorithm),
		    s->keys.key[i].selector);
	}
	if (good)
		log_end(&l);
	sbuf_free(&b);
	return good;
}

/* False: it has to wait. The log says why. */
static bool
signing_sign(struct signing *s, const struct advise_text *t)
{
	uint64_t body = 0;

	if (!take_section(s, t, &body) || !start_signers(s))
		return false;
	return s->nsigners == 0 || (hash_body(s, t, body) && add_signatures(s));
}

static void
close_signers(struct signing *s)
{
	while (s->nsigners > 0)
		signer_close(&s->signers[--s->nsigners]);
	dkim_keys_free(&s->keys);
}

static void
signing_take_text(void *context, const struct advise_text *t)
{
	struct signing *s = context;
	bool good = !s->enabled || signing_sign(s, t);

	close_signers(s);
	if (good)
		advise_pass();
	else
		advise_later(SPAN(NO_KEY));
}

/*
 * Makes a signature for the domain, if it has keys, and drops it: the first
 * signature of a process takes longer than later ones, also in its forks.
 */
static void
signing_rehearse(struct signing *s, struct span domain)
{
	struct sbuf why, field;

	sbuf_init(&why, WHY_MAX);
	sbuf_init(&field, FRAME_PAYLOAD_MAX);
	if (dkim_keys_find_known(&s->keys, &s->known, s->conf, domain, &why) ==
	    DKIM_KEYS_FOUND)
		for (size_t i = 0; i < s->keys.n; i++) {
			struct signer *signer = &s->signers[s->nsigners++];

			/* An error will occur again, and is logged then. */
			(void)(signer_open(signer, &s->keys.key[i]) &&
			    signer_field(signer, SPAN("From"), SPAN("a@b")) &&
			    signer_end_header(signer) &&
			    signer_finish(signer, &field));
		}
	close_signers(s);
	sbuf_free(&why);
	sbuf_free(&field);
}

static const struct adviser signing_adviser = {
	.begin = signing_begin,
	.fact = signing_take_fact,
	.field = signing_take_fields,
	.text = signing_take_text,
};

/* --- the program -------------------------------------------------------------- */

/* Can it be opened? If not, errno says why. */
static bool
is_there(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd == -1)
		return false;
	(void)close(fd);
	return true;
}

/* Is it missing or empty? If we cannot tell, messages have to wait. */
static bool
is_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	if (dir == NULL)
		return errno == ENOENT;
	while ((e = readdir(dir)) != NULL && e->d_name[0] == '.')
		;
	(void)closedir(dir);
	return e == NULL;
}

/* The directory of a file, so that the file may be replaced. */
static const char *
directory_of(const char *file)
{
	size_t slash = span_rfind(span_str(file), '/');
	char *path;

	if (slash == 0)
		return "/";
	path = strndup(file, slash);
	if (path == NULL)
		die_sys(EXIT_TEMP, "cannot start");
	return path;
}

/*
 * Keeps the keys readable. If their directory is missing or empty there are
 * none, until a successor of this process sees that it changed.
 */
static void
signing_find_keys(struct conf *conf, struct confine_path *paths)
{
	size_t n = 0;
	const char *dir;

	if (conf->dkim_keys[0] != '\0') {
		serve_reads(conf->dkim_keys);
		if (is_empty(conf->dkim_keys))
			conf->dkim_keys = "";
		else if (is_there(conf->dkim_keys))
			paths[n++] = (struct confine_path){ conf->dkim_keys,
				CONFINE_READ };
	}
	if (conf->dkim_key[0] == '\0')
		return;
	dir = directory_of(conf->dkim_key);
	serve_reads(dir);
	if (is_there(dir))
		paths[n] = (struct confine_path){ dir, CONFINE_READ };
	else
		warn_sys("dkim_key: cannot open '%s'", dir);
}

/* With a few keys, so that the libraries are ready for all messages. */
static void
signing_rehearse_all(struct signing *signing, const struct conf *conf)
{
	const struct dirent *e;
	DIR *dir = NULL;
	int left = REHEARSED;

	if (conf->dkim_domain[0] != '\0')
		signing_rehearse(signing, span_str(conf->dkim_domain));
	if (conf->dkim_keys[0] != '\0')
		dir = opendir(conf->dkim_keys);
	if (dir == NULL)
		return;
	while (left > 0 && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.') {
			signing_rehearse(signing, span_str(e->d_name));
			left--;
		}
	(void)closedir(dir);
}

int
main(int argc, char *argv[])
{
	static struct signing signing;
	static struct conf conf;
	struct confine keep = {
		/* to read keys, and libcrypto's */
		.calls = { SYS_getrandom, SYS_openat, SYS_newfstatat, SYS_fstat,
		    SYS_getdents64, SYS_fcntl, SYS_geteuid, SYS_getegid,
		    SYS_futex, SYS_getpid, SYS_gettid, SYS_uname, SYS_ioctl,
		    SYS_prlimit64, SYS_sysinfo },
	};

	advise_start(argc, argv, &conf);
	advise_warm(argv, &conf, ENTRANCES);
	signing_find_keys(&conf, keep.paths);
	signing_init(&signing, &conf);
	if (serve_is_warm())
		signing_rehearse_all(&signing, &conf);
	return advise_serve(&keep, &signing_adviser, &signing, &conf);
}
