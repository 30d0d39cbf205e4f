/* SPDX-License-Identifier: ISC */
/* Every setting there is: the one table that all else about them comes from. */
#ifndef SETTINGS_H
#define SETTINGS_H

#ifndef CONFINE_DEFAULT /* a build with sanitizers says "off" */
#define CONFINE_DEFAULT "deny"
#endif

/*
 * X(TYPE, name, default, min, max, meaning), in the order of the man page.
 *
 * DOMAIN	a domain name			DOMAINS	blank-separated
 * WORD		no blanks			CIDRS	ADDRESS[/BITS] ...
 * ENDPOINTS	ADDRESS[:PORT] ...
 * ROUTE		HOST[:PORT]			ROUTES	DOMAIN=HOST[:PORT] ...
 * PATH		absolute			PATHS	blank-separated
 * HELPER	socket path or command
 * NUMBER	decimal, min to max		CHOICE	one of the words in min
 * SIZE		octets; K, M, G may follow	TIME	seconds; s m h d may follow
 *
 * FLAG		one of the two words in min: false, true
 *
 * For the other types of text min is "optional" (may be empty) or "required".
 */
/* clang-format off */
#define SETTINGS(X) \
X(DOMAIN, hostname, "", "optional", 0, \
	"Name of this host in the greeting and in Received; the system's when empty") \
X(DOMAINS, local_domains, "", "optional", 0, \
	"Domains whose mail is delivered here; hostname when empty") \
X(CIDRS, relay_clients, "", "optional", 0, \
	"Networks whose hosts may send to any domain without authentication") \
X(HELPER, auth, "/run/smtpd/auth", "optional", 0, \
	"smtpd-auth or smtpd-auth-file, who know passwords; AUTH is not offered where it is not there") \
X(FLAG, auth_without_tls, "no", "no yes", 0, \
	"Whether AUTH is offered without TLS too, with passwords in clear") \
X(NUMBER, auth_concurrency, "4", 1, 1000, \
	"Passwords that are checked at once") \
X(PATH, passwords, SYSCONFDIR "/smtpd/passwords", "required", 0, \
	"Where smtpd-auth-file and smtpd-passwd keep passwords") \
X(PATH, senders, "", "optional", 0, \
	"File that says which addresses users may send from, besides their own") \
X(FLAG, hide_client, "no", "no yes", 0, \
	"Whether Received is silent about where an authenticated client is") \
X(WORD, session_user, "smtpd", "required", 0, \
	"User that sessions run as: smtpd-auth answers nobody else") \
X(SIZE, max_size, "10485760", 65536, 2147483647, \
	"Largest message that is accepted") \
X(NUMBER, max_recipients, "100", 100, 1000, \
	"Recipients of one message from the network") \
X(NUMBER, max_errors, "20", 1, 10000, \
	"Refused commands after which a session ends") \
X(NUMBER, max_messages, "1000", 1, 1000000, \
	"Messages that one session may send") \
X(NUMBER, max_sessions, "200", 1, 100000, \
	"Sessions at once under the resident listener") \
X(TIME, command_timeout, "5m", 1, 86400, \
	"How long a session waits for a command (RFC 5321 advises 5 minutes)") \
X(TIME, data_timeout, "3m", 1, 86400, \
	"How long a session waits for more of a message (RFC 5321 advises 3 minutes)") \
X(TIME, helper_timeout, "60s", 1, 3600, \
	"How long a program waits for the answer of another one") \
X(CHOICE, profile, "mx", "mx submission submissions", 0, \
	"What a listener is for: mail from anybody (port 25), from users, who must authenticate (587), or the same with TLS from the first octet (465)") \
X(FLAG, require_tls, "no", "no yes", 0, \
	"Whether a session takes mail only under TLS") \
X(PATHS, tls_cert, "", "optional", 0, \
	"Files of certificates (PEM), each with its chain below it, the default one first; no TLS when empty") \
X(PATHS, tls_key, "", "optional", 0, \
	"Files of their private keys (PEM), in the same order") \
X(TIME, tls_timeout, "30s", 1, 3600, \
	"How long a TLS handshake may take") \
X(WORD, junk_folder, ".Junk", "optional", 0, \
	"Folder below the Maildir for mail that is marked as junk; the inbox when empty") \
X(PATH, aliases, SYSCONFDIR "/smtpd/aliases", "optional", 0, \
	"File of aliases; none when empty") \
X(NUMBER, min_uid, "1000", 1, 4294967293, \
	"Lowest uid that has a mailbox without an alias") \
X(WORD, nss_sentinel, "daemon", "required", 0, \
	"Account that must exist: if it is not found, nobody is called unknown (not root, which nss-systemd makes up)") \
X(PATH, mailbox_root, "", "optional", 0, \
	"Deliver below this directory, one folder a mailbox, instead of to system users") \
X(WORD, maildir, "Maildir", "required", 0, \
	"Name of the Maildir in the home (or mailbox) directory") \
X(PATH, queue, "/var/lib/smtpd/queue", "required", 0, \
	"The queue directory") \
X(SIZE, min_free, "64M", 0, 1099511627776, \
	"Free space in the queue's file system below which no mail is accepted") \
X(TIME, queue_lifetime, "24h", 60, 31536000, \
	"How long delivery is tried (RFC 5321 advises 4 to 5 days)") \
X(NUMBER, local_concurrency, "4", 1, 1000, \
	"Local deliveries at once") \
X(NUMBER, user_concurrency, "2", 1, 100, \
	"Deliveries to one user at once") \
X(TIME, local_timeout, "5m", 1, 86400, \
	"How long one local delivery may take") \
X(TIME, delay_notice, "4h", 0, 31536000, \
	"After how long a sender is told that his mail still waits; 0: never") \
X(NUMBER, remote_concurrency, "100", 1, 10000, \
	"Deliveries to other hosts at once") \
X(NUMBER, destination_concurrency, "20", 1, 1000, \
	"Deliveries to one destination at once") \
X(ROUTES, routes, "", "optional", 0, \
	"Where the mail of a domain, or of all below .DOMAIN, goes instead of to its MX (in brackets: no MX look-up; -: to its own MX)") \
X(ROUTE, smarthost, "", "optional", 0, \
	"Where all other mail for other hosts goes; to the MX of its domain when empty") \
X(HELPER, injector, "/run/smtpd/queue-in", "required", 0, \
	"Where a session injects mail from strangers") \
X(HELPER, relay_injector, "/run/smtpd/queue-relay", "required", 0, \
	"Where a session injects mail of clients in relay_clients") \
X(HELPER, submitter, "/run/smtpd/queue-user", "required", 0, \
	"Where sendmail injects mail of local users") \
X(HELPER, rcpt, "/run/smtpd/rcpt", "required", 0, \
	"smtpd-rcpt, who knows the local recipients") \
X(HELPER, tls, "/run/smtpd/tls", "required", 0, \
	"smtpd-tls, who speaks TLS with clients") \
X(HELPER, lspawn, "/run/smtpd/lspawn", "required", 0, \
	"smtpd-lspawn, who starts local deliveries") \
X(HELPER, remote, "/run/smtpd/remote", "required", 0, \
	"smtpd-remote, who carries mail to other hosts") \
X(HELPER, bouncer, "/run/smtpd/bounce", "required", 0, \
	"smtpd-bounce, who tells senders what became of their mail") \
X(PATH, dkim_keys, SYSCONFDIR "/smtpd/dkim", "optional", 0, \
	"Directory of the DKIM keys: DOMAIN/SELECTOR.key; a domain without one is not signed for") \
X(PATH, dkim_key, "", "optional", 0, \
	"One more DKIM key, for dkim_domain: a file with a private key in PEM") \
X(DOMAIN, dkim_domain, "", "optional", 0, \
	"Domain that dkim_key signs for: that of From, or one above it") \
X(DOMAIN, dkim_selector, "", "optional", 0, \
	"Selector of dkim_key: its record is at SELECTOR._domainkey.DOMAIN") \
X(PATH, wakeup, "/run/smtpd/wakeup", "required", 0, \
	"Datagram socket on which smtpd-send hears of new mail") \
X(PATH, control, "/run/smtpd/send/control", "optional", 0, \
	"Socket on which smtpd-send takes the orders of smtpd-ctl; none when empty") \
X(ENDPOINTS, resolver, "127.0.0.1:53", "required", 0, \
	"One or two DNS resolvers; a validating one on this host is advised") \
X(FLAG, checks, "yes", "no yes", 0, \
	"Whether mail from strangers is checked by SPF, DKIM and DMARC; no: only forged fields are removed from it") \
X(TIME, judge_timeout, "30s", 1, 3600, \
	"How long one message waits for smtpd-judge; at most half of helper_timeout") \
X(CHOICE, unjudged, "defer", "defer accept", 0, \
	"What happens to mail that smtpd-judge cannot judge because it is away or in trouble, with dmarc = enforce") \
X(CHOICE, dmarc, "enforce", "enforce report", 0, \
	"Whether mail that fails DMARC is refused or marked as its domain asks; report: it is only said") \
X(FLAG, spf_reject, "no", "no yes", 0, \
	"Whether mail that fails SPF is refused, whatever DKIM and DMARC say") \
X(NUMBER, smtp_port, "25", 1, 65535, \
	"Port of other mail servers") \
X(TIME, connect_timeout, "30s", 1, 3600, \
	"How long to wait for a connection to one address") \
X(TIME, smtp_timeout, "0", 0, 86400, \
	"How long to wait for each answer of another mail server; 0: as RFC 5321 4.5.3.2 says") \
X(TIME, remote_timeout, "1h", 1, 86400, \
	"How long one remote delivery may take") \
X(PATH, tls_policy, "", "optional", 0, \
	"File that says for which destinations TLS is needed, or not wanted: lines of DESTINATION none|may|encrypt|verify [NAME ...]; may for all when empty") \
X(PATH, tls_authorities, "/etc/ssl/certs/ca-certificates.crt", "optional", 0, \
	"File of the certification authorities (PEM) that the tls_policy verify believes") \
X(PATH, remote_passwords, "", "optional", 0, \
	"File of lines HOST USER PASSWORD for hosts that mail is routed to; smtpd-remote's own, mode 0400") \
X(FLAG, mx_loopback, "refuse", "refuse allow", 0, \
	"Whether an MX may be this host itself: allow is for tests") \
X(CHOICE, confine, CONFINE_DEFAULT, "deny kill off", 0, \
	"What a forbidden system call gets: an error, death, or nothing is forbidden")
/* clang-format on */

#endif
