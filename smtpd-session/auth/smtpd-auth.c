/* SPDX-License-Identifier: ISC */
/* smtpd-auth: checks passwords with PAM; no root, no setuid helper. */
#include <sys/syscall.h>

#include <security/pam_appl.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth.h"
#include "confine.h"
#include "log.h"

#define SERVICE "smtpd"

/* Only a prompt without echo asks for a password. */
static int
pam_answer(int n, const struct pam_message **m, struct pam_response **out,
    void *arg)
{
	const struct auth_question *q = arg;
	struct pam_response *r = calloc((size_t)n, sizeof(*r));

	if (r == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		if (m[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			r[i].resp = strdup(q->password);
		if ((m[i]->msg_style == PAM_PROMPT_ECHO_OFF &&
			r[i].resp == NULL) ||
		    m[i]->msg_style == PAM_PROMPT_ECHO_ON) {
			while (i-- > 0)
				if (r[i].resp != NULL) {
					explicit_bzero(r[i].resp,
					    strlen(r[i].resp));
					free(r[i].resp);
				}
			free(r);
			return PAM_CONV_ERR;
		}
	}
	*out = r;
	return PAM_SUCCESS;
}

/* Modules would sleep depending on the failure; auth.c sleeps after each. */
static void
pam_no_delay(int status, unsigned usec, void *arg)
{
	(void)status;
	(void)usec;
	(void)arg;
}

static int
pam_set_items(pam_handle_t *pam, const struct auth_question *q)
{
	union {
		void (*function)(int, unsigned, void *);
		const void *item;
	} delay = { .function = pam_no_delay };
	int rc = pam_set_item(pam, PAM_FAIL_DELAY, delay.item);

	if (rc == PAM_SUCCESS && q->ip[0] != '\0')
		rc = pam_set_item(pam, PAM_RHOST, q->ip);
	return rc;
}

/* The name of the account, which a module may have changed. */
static int
pam_take_user(pam_handle_t *pam, struct auth_question *q)
{
	const void *user = NULL;
	int rc = pam_get_item(pam, PAM_USER, &user);

	if (rc != PAM_SUCCESS)
		return rc;
	if (user == NULL || strlen(user) == 0 || strlen(user) > AUTH_USER_MAX)
		return PAM_SYSTEM_ERR;
	memcpy(q->user, user, strlen(user) + 1);
	return PAM_SUCCESS;
}

static int
pam_ask(struct auth_question *q)
{
	static const int flags = PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK;
	struct pam_conv conv = { .conv = pam_answer, .appdata_ptr = q };
	pam_handle_t *pam = NULL;
	int rc = pam_start(SERVICE, q->user, &conv, &pam);

	if (rc != PAM_SUCCESS)
		return rc;
	rc = pam_set_items(pam, q);
	if (rc == PAM_SUCCESS)
		rc = pam_authenticate(pam, flags);
	/* This finds expired accounts and passwords. */
	if (rc == PAM_SUCCESS)
		rc = pam_acct_mgmt(pam, flags);
	if (rc == PAM_SUCCESS)
		rc = pam_take_user(pam, q);
	if (rc != PAM_SUCCESS)
		q->why = pam_strerror(pam, rc);
	(void)pam_end(pam, rc);
	return rc;
}

static enum auth_verdict
pam_verdict(int rc)
{
	switch (rc) {
	case PAM_SUCCESS:
		return AUTH_YES;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_PERM_DENIED:
	case PAM_CRED_INSUFFICIENT:
	case PAM_MAXTRIES:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_ACCT_EXPIRED:
	case PAM_AUTHTOK_EXPIRED:
		return AUTH_NO;
	default:
		return AUTH_LATER;
	}
}

static enum auth_verdict
pam_check(struct auth_question *q, void *arg)
{
	const struct conf *conf = arg;
	enum auth_verdict v = pam_verdict(pam_ask(q));
	const struct passwd *pw;

	switch (v) {
	case AUTH_YES:
		/*
		 * Never root or a system account, whatever the service file
		 * says.
		 */
		pw = getpwnam(q->user);
		if (pw == NULL || pw->pw_uid >= conf->min_uid)
			break;
		q->why = "uid below min_uid";
		return AUTH_NO;
	case AUTH_NO:
		/*
		 * A process that cannot read the accounts sees only unknown
		 * users.
		 */
		if (getpwnam(conf->nss_sentinel) != NULL)
			break;
		q->why = "nss_sentinel is not found";
		return AUTH_LATER;
	case AUTH_LATER:
		break;
	}
	return v;
}

/*
 * PAM and NSS load modules, read files anywhere and talk to daemons, as the
 * system is set up. So the filter lists what is forbidden, not what is
 * allowed. The program writes no file and executes nothing: the setgid helper
 * that pam_unix would fall back to gets no rights under no_new_privs.
 */
static void
pam_confine(const struct conf *conf)
{
	static const struct confine keep = { .kind = CONFINE_MODULES,
		.paths = { { "/", CONFINE_READ } } };

	confine(&keep, conf);
}

int
main(int argc, char *argv[])
{
	static struct conf conf;
	struct auth a = { .check = pam_check, .arg = &conf };

	auth_start(&a, argc, argv, &conf, NULL, NULL);
	pam_confine(&conf);
	return auth_serve(&a);
}
