/* SPDX-License-Identifier: ISC */
/* Between the files of the resolver: one question, and how it is asked. */
#ifndef DNS_PARTS_H
#define DNS_PARTS_H

#include "dns.h"
#include "dns-tcp.h"

/* One question under way: what udns told of its answer. */
struct question {
	struct dns_question wire;
	dns_parse_fn *parse;
	void *records;    /* malloc'ed by the parser */
	int status;       /* DNS_E_... */
	unsigned context; /* which of the resolver's has it; 0: none */
	bool kept;        /* it outlives the call that asks it */
	bool ahead;       /* and nobody has looked at it yet */
	bool done, truncated, authentic;
	union endpoint answerer; /* once truncated or done with an answer */
};

/* A host or service name. False: nobody could be asked for such a name. */
bool dns_wire_name(struct span name, dnsc_t dn[DNS_MAXDN]) MUST_CHECK;

/* Asks all n at once; each then has its status and, if found, records. */
void dns_ask(struct dns_resolver *, struct question *, size_t n,
    instant deadline);
enum dns_result dns_result_of(const struct question *);

/* The steps of that. dns_send: now, and without waiting. */
void dns_begin(struct question *);
void dns_send(struct dns_resolver *, struct question *);
void dns_wait(struct dns_resolver *, struct question *, size_t n,
    instant deadline);

/* Drops the socket, and with it all that udns still has to answer. */
void dns_hang_up(struct dns_resolver *);

/* dns-kept.c. The answer: a kept one, which stays there, or *q itself. */
const struct question *dns_ask_kept(struct dns_resolver *, struct question *q,
    instant deadline) MUST_CHECK;
void dns_ask_ahead(struct dns_resolver *, const struct question *);
/* Those that have no answer yet: i of them, NULL when there are no more. */
struct question *dns_kept_open(struct dns_resolver *, size_t *i);
void dns_kept_free(struct dns_resolver *);

/* dns-refused.c. The index of a server; nservers when it is none. */
unsigned dns_server_at(const struct dns_resolver *, const union endpoint *);

/* Marks the servers of *r whose host said that none is there. */
void dns_hear_refusals(int fd);
void dns_take_refusals(struct dns_resolver *r);

#endif
