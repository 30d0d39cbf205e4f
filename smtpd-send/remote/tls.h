/* SPDX-License-Identifier: ISC */
/* TLS as a client, on a socket that is connected. The library lies behind. */
#ifndef TLS_H
#define TLS_H

#include "bufio.h"

/* What the server must prove. */
struct tls_demand {
	bool verified; /* else any certificate will do */
	struct span
	    names; /* blank-separated: its certificate has one of them */
	struct span bundle; /* of certification authorities, PEM */
};

struct tls_facts {
	const char *protocol, *cipher;
	bool verified; /* it would have stood the demand, made or not */
};

/*
 * Shakes hands by the deadline; on success *layer speaks for the socket, until
 * tls_end. sni: the server's name, or NULL. There is one session at a time.
 *
 * On failure *why is a word for the log: "peer-wants-1.3", "timeout", "closed",
 * "untrusted", "name", "expired", "certificate", "alert-N" or "error-N"; the
 * socket is then of no use, least of all in clear.
 */
bool tls_start(int fd, const char *sni, const struct tls_demand *,
    instant deadline, struct io_layer **layer, struct tls_facts *,
    const char **why) MUST_CHECK;

/*
 * Has the server sent anything that was not read yet? IO_OK: yes. IO_TIMEOUT:
 * no. Waits for nothing.
 */
enum io tls_pending(void) MUST_CHECK;

/* Says goodbye by the deadline; the socket stays open. */
void tls_end(instant deadline);

#endif
