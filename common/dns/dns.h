/* SPDX-License-Identifier: ISC */
/* The only resolver: udns below one deadline, TCP when an answer is long. */
#ifndef DNS_H
#define DNS_H

#include "clock.h"
#include "ip.h"

#define DNS_SERVERS 2
#define DNS_NAME_MAX 253 /* octets of a name as text */
#define DNS_NAME_SIZE (DNS_NAME_MAX + 1)
#define DNS_WIRE_MAX (DNS_NAME_MAX + 2) /* octets of one as labels */

enum dns_result {
	DNS_FOUND,
	DNS_NXDOMAIN,  /* the name does not exist */
	DNS_NODATA,    /* it does, without such records */
	DNS_TEMPORARY, /* SERVFAIL, no answer in time, garbage */
	DNS_BAD_NAME,  /* not a name that one could ask for */
};

struct dns_ctx;
struct dns_kept;
struct dns_resolver {
	struct dns_ctx *udns;  /* NULL: not open */
	unsigned contexts;     /* how many were opened so far */
	struct dns_kept *kept; /* NULL: answers are not kept */
	union endpoint servers[DNS_SERVERS];
	unsigned nservers;
	bool refused[DNS_SERVERS]; /* no server is there: not asked again */
	unsigned first;            /* the one that is asked first */
	bool trusted;              /* all on loopback: their AD bit counts */
};

/*
 * servers: one or two blank-separated endpoints, as in the setting resolver.
 * The second is asked when the first does not answer, and from then on before
 * it. If the host of one says that no server is there, the other is asked at
 * once. If both say so, every answer is DNS_TEMPORARY at once, for as long as
 * the resolver is open. False with errno; EINVAL: not of that form.
 *
 * dns_init_resolver leaves its socket to the first question: a process that
 * forks before that does not share it.
 */
bool dns_init_resolver(struct dns_resolver *, const char *servers) MUST_CHECK;
bool dns_open_resolver(struct dns_resolver *, const char *servers) MUST_CHECK;
void dns_close_resolver(struct dns_resolver *);

#define DNS_KEPT 64

/*
 * From now on the answers to look-ups (all but dns_lookup_addresses) are kept
 * and not asked for again: DNS_KEPT answers, whatever their TTL, and never
 * DNS_TEMPORARY. dns_refresh, between two messages, forgets all of them when
 * they are a minute old or fill half of the places. False: no memory.
 */
bool dns_keep(struct dns_resolver *) MUST_CHECK;
void dns_refresh(struct dns_resolver *);

/*
 * Asks and does not wait. The look-up then only waits for the rest of the
 * answer's time. Nothing happens when no place is left to keep the answer.
 */
void dns_ahead_txt(struct dns_resolver *, struct span name);
void dns_ahead_ptr(struct dns_resolver *, const struct ip *);

struct dns_mx_host {
	char name[DNS_NAME_SIZE]; /* no dot at its end; "" is a null MX */
	uint16_t preference;
};

/*
 * Each look-up answers by the deadline. *secure: the answer was validated
 * (AD), by a resolver that is on loopback. At most max results are written,
 * *n says how many; the rest is left out.
 */
enum dns_result dns_lookup_mx(struct dns_resolver *, struct span name,
    instant deadline, struct dns_mx_host *, size_t max, size_t *n,
    bool *secure);

/*
 * A and AAAA, asked for at once; IPv6 ones first. TEMPORARY only when one of
 * the answers was and no address was found: half of a host is a host.
 */
enum dns_result dns_lookup_addresses(struct dns_resolver *, struct span name,
    instant deadline, struct ip *, size_t max, size_t *n, bool *secure);

/*
 * Those that follow are for judging mail: a name may hold any octet from ' '
 * to '~', since the macros of SPF make such names.
 */

/* The addresses of one family: size is 4 (A) or 16 (AAAA). */
enum dns_result dns_lookup_family(struct dns_resolver *, struct span name,
    unsigned char size, instant deadline, struct ip *, size_t max, size_t *n,
    bool *secure);

/*
 * TXT records, the strings of each joined. After FOUND free them, before the
 * next dns_refresh.
 */
struct dns_texts {
	struct span *text;
	size_t n;
	void *records;
};
enum dns_result dns_lookup_txt(struct dns_resolver *, struct span name,
    instant deadline, struct dns_texts *, bool *secure);
void dns_free_texts(struct dns_texts *);

/* The names of an address; malformed ones are left out. */
struct dns_host {
	char name[DNS_NAME_SIZE]; /* no dot at its end */
};
enum dns_result dns_lookup_ptr(struct dns_resolver *, const struct ip *,
    instant deadline, struct dns_host *, size_t max, size_t *n, bool *secure);

/* --- for dns-lookup.c: one question and its answer -------------------------- */

struct dns_question {
	unsigned char dn[DNS_WIRE_MAX]; /* the name, as on the wire */
	int type;                       /* class IN */
	int (*parse)(const unsigned char *dn, const unsigned char *packet,
	    const unsigned char *at, const unsigned char *end, void **records);

	/* What is known of the answer. */
	void *records;    /* malloc'ed by parse */
	int status;       /* DNS_E_... */
	unsigned context; /* which of the resolver's has it; 0: none */
	bool kept;        /* it outlives the call that asks it */
	bool ahead;       /* kept, and no look-up has asked for it yet */
	bool done, truncated, authentic;
	union endpoint answerer; /* once truncated or done with an answer */
};

/* Asks all n at once; each then has its status and, if found, records. */
void dns_ask(struct dns_resolver *, struct dns_question *, size_t n,
    instant deadline);
enum dns_result dns_result_of(const struct dns_question *);

/*
 * The same for one, with the answers that are kept: gives the kept answer,
 * which stays there, or *q itself.
 */
const struct dns_question *dns_ask_kept(struct dns_resolver *,
    struct dns_question *q, instant deadline) MUST_CHECK;

/* Asks and does not wait. */
void dns_ask_ahead(struct dns_resolver *, const struct dns_question *);

#endif
