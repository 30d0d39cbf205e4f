/* SPDX-License-Identifier: ISC */
/* STARTTLS (RFC 3207), and the handshake of it or of a secured port. */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "anchors.h"
#include "client-parts.h"
#include "log.h"

/* The whole file, malloc'ed; empty when it cannot be read. */
static struct span
read_authorities(int fd)
{
	struct stat st;
	char *p;
	ssize_t n;

	if (fd == -1 || fstat(fd, &st) != 0 || st.st_size <= 0 ||
	    st.st_size > ANCHORS_FILE_MAX)
		return span_of(NULL, 0);
	p = malloc((size_t)st.st_size);
	n = p == NULL ? -1 : pread(fd, p, (size_t)st.st_size, 0);
	return span_of(p, n > 0 ? (size_t)n : 0);
}

static void
log_tls(const struct client *c, const char *event, const char *name,
    const char *value)
{
	struct logline l;

	log_begin(&l, c->id, event);
	log_str(&l, "host", c->host);
	log_str(&l, name, value);
	log_end(&l);
}

static bool
failed(struct client *c, const char *reason, struct client_failure *why)
{
	(void)snprintf(c->tls, sizeof(c->tls), "failed: %s", reason);
	log_tls(c, "tls-failed", "reason", reason);
	*why = client_deferral("tls",
	    "451 4.7.5 TLS cannot be had with the server (%s)", reason);
	why->tls = true;
	return false;
}

bool
client_handshake(struct client *c, const char *name,
    const struct client_plan *plan, struct client_failure *why)
{
	const struct policy *p = &plan->policy;
	struct tls_demand demand = { .verified = p->tls == POLICY_VERIFY,
		.names = p->names.n > 0 ? p->names : span_str(name),
		.bundle = read_authorities(plan->authorities) };
	struct tls_facts facts;
	const char *reason = "";
	bool ok = tls_start(c->fd, plan->literal ? NULL : name, &demand,
	    client_wait(c, c->conf->tls_timeout * 1000), &c->layer, &facts,
	    &reason);

	free((void *)(uintptr_t)demand.bundle.p);
	if (!ok)
		return failed(c, reason, why);
	c->in.layer = c->out.layer = c->layer;
	(void)snprintf(c->tls, sizeof(c->tls), "%s %s %s", facts.protocol,
	    facts.cipher, facts.verified ? "verified" : "unverified");
	log_tls(c, "tls", "tls", c->tls);
	return true;
}

/*
 * What stands behind the 220 was there before the handshake, and would be
 * taken for an answer under TLS: nothing of this connection is believed then.
 */
bool
client_starttls(struct client *c, const char *name,
    const struct client_plan *plan, struct client_failure *why)
{
	enum io r = client_say(c, "STARTTLS", SPAN(""));

	if (r == IO_OK)
		r = client_hear(c, WAIT_COMMAND);
	if (r != IO_OK)
		return failed(c, r == IO_TIMEOUT ? "timeout" : "closed", why);
	if (c->answer.code != 220) {
		if (plan->policy.tls <= POLICY_MAY)
			return true; /* no octet of TLS has passed */
		*why = client_deferral("tls",
		    "451 4.7.4 TLS is required, and the server refuses it: %s",
		    c->answer.text.s);
		return false;
	}
	if (inbuf_view(&c->in).n > 0)
		return failed(c, "injection", why);
	return client_handshake(c, name, plan, why) && client_hello(c, why);
}
