/* SPDX-License-Identifier: ISC */
/* All settings: the parser, the manual and the sample come from this table. */
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
	"Name of this host in the greeting and in Received; if empty, the system's") \
X(DOMAINS, local_domains, "", "optional", 0, \
	"Domains whose mail is delivered here; if empty, only hostname") \
X(CIDRS, relay_clients, "", "optional", 0, \
	"Networks whose hosts may send to any domain without authentication") \
X(HELPER, auth, "/run/smtpd/auth", "optional", 0, \
	"smtpd-auth or smtpd-auth-file, which check passwords; AUTH is not offered if it cannot be reached") \
X(FLAG, auth_without_tls, "no", "no yes", 0, \
	"Whether AUTH is also offered without TLS, which sends passwords in clear text") \
X(NUMBER, auth_concurrency, "4", 1, 1000, \
	"Passwords checked at the same time") \
X(PATH, passwords, SYSCONFDIR "/smtpd/passwords", "required", 0, \
	"File in which smtpd-auth-file and smtpd-passwd keep passwords") \
X(PATH, senders, "", "optional", 0, \
	"File that says which addresses users may send from, besides their own") \
X(FLAG, hide_client, "no", "no yes", 0, \
	"Whether Received omits the name and address of an authenticated client") \
X(WORD, session_user, "smtpd", "required", 0, \
	"User that sessions run as; smtpd-auth answers only this user") \
X(SIZE, max_size, "10485760", 65536, 2147483647, \
	"Largest message that is accepted") \
X(NUMBER, max_recipients, "100", 100, 1000, \
	"Recipients allowed in one message from the network") \
X(NUMBER, max_errors, "20", 1, 10000, \
	"Refused commands after which a session is closed") \
X(NUMBER, max_messages, "1000", 1, 1000000, \
	"Messages allowed in one session") \
X(NUMBER, max_sessions, "200", 1, 100000, \
	"Sessions at the same time under the resident listener") \
X(TIME, command_timeout, "5m", 1, 86400, \
	"How long a session waits for a command (RFC 5321 advises 5 minutes)") \
X(TIME, data_timeout, "3m", 1, 86400, \
	"How long a session waits for more of a message (RFC 5321 advises 3 minutes)") \
X(TIME, helper_timeout, "60s", 1, 3600, \
	"How long a program waits for an answer of another program of the chain") \
X(CHOICE, profile, "mx", "mx submission submissions", 0, \
	"Purpose of a listener: mx takes mail from anyone (port 25), submission takes it from users, who must authenticate (587), and submissions does so with TLS from the first octet (465)") \
X(FLAG, require_tls, "no", "no yes", 0, \
	"Whether a session accepts mail only under TLS") \
X(PATHS, tls_cert, "", "optional", 0, \
	"Certificate files (PEM), each with its chain after its certificate, the default one first; if empty, TLS is not offered") \
X(PATHS, tls_key, "", "optional", 0, \
	"Files of their private keys (PEM), in the same order") \
X(TIME, tls_timeout, "30s", 1, 3600, \
	"How long a TLS handshake may take") \
X(WORD, junk_folder, ".Junk", "optional", 0, \
	"Folder in the Maildir for mail that is marked as junk; if empty, the inbox") \
X(PATH, aliases, SYSCONFDIR "/smtpd/aliases", "optional", 0, \
	"File of aliases; if empty, there are no aliases") \
X(NUMBER, min_uid, "1000", 1, 4294967293, \
	"Lowest uid of the users that receive mail without an alias") \
X(WORD, nss_sentinel, "daemon", "required", 0, \
	"Account that always exists: if it cannot be found, no recipient is rejected as unknown (do not use root, which nss-systemd makes up)") \
X(PATH, mailbox_root, "", "optional", 0, \
	"Directory with one folder for each mailbox; if set, mail is delivered there instead of to system users") \
X(WORD, maildir, "Maildir", "required", 0, \
	"Name of the Maildir in the home or mailbox directory") \
X(PATH, queue, "/var/lib/smtpd/queue", "required", 0, \
	"The queue directory") \
X(SIZE, min_free, "64M", 0, 1099511627776, \
	"Free space on the queue's file system below which no mail is accepted") \
X(TIME, queue_lifetime, "24h", 60, 31536000, \
	"How long delivery is tried (RFC 5321 advises 4 to 5 days)") \
X(NUMBER, local_concurrency, "4", 1, 1000, \
	"Local deliveries at the same time") \
X(NUMBER, user_concurrency, "2", 1, 100, \
	"Deliveries to one user at the same time") \
X(TIME, local_timeout, "5m", 1, 86400, \
	"How long one local delivery may take") \
X(TIME, delay_notice, "4h", 0, 31536000, \
	"After how long the sender is told that a message is delayed; 0: never") \
X(NUMBER, remote_concurrency, "100", 1, 10000, \
	"Deliveries to other hosts at the same time") \
X(NUMBER, destination_concurrency, "20", 1, 1000, \
	"Deliveries to one destination at the same time") \
X(ROUTES, routes, "", "optional", 0, \
	"Where mail for a domain, or for all domains below .DOMAIN, is sent instead of to its MX (host in brackets: without MX look-up; -: to the domain's own MX)") \
X(ROUTE, smarthost, "", "optional", 0, \
	"Where all other mail for other hosts is sent; if empty, to the MX of each domain") \
X(HELPER, injector, "/run/smtpd/queue-in", "required", 0, \
	"Where sessions inject mail from strangers") \
X(HELPER, relay_injector, "/run/smtpd/queue-relay", "required", 0, \
	"Where sessions inject mail from clients in relay_clients") \
X(HELPER, submitter, "/run/smtpd/queue-user", "required", 0, \
	"Where sendmail injects mail from local users") \
X(HELPER, rcpt, "/run/smtpd/rcpt", "required", 0, \
	"smtpd-rcpt, which knows the local recipients") \
X(HELPER, tls, "/run/smtpd/tls", "required", 0, \
	"smtpd-tls, which speaks TLS with clients") \
X(HELPER, lspawn, "/run/smtpd/lspawn", "required", 0, \
	"smtpd-lspawn, which starts local deliveries") \
X(HELPER, remote, "/run/smtpd/remote", "required", 0, \
	"smtpd-remote, which delivers mail to other hosts") \
X(HELPER, bouncer, "/run/smtpd/bounce", "required", 0, \
	"smtpd-bounce, which tells senders what happened to their mail") \
X(PATH, dkim_keys, SYSCONFDIR "/smtpd/dkim", "optional", 0, \
	"Directory of DKIM keys, as DOMAIN/SELECTOR.key; mail of a domain without a key is not signed") \
X(PATH, dkim_key, "", "optional", 0, \
	"One more DKIM key, for dkim_domain: a file with a private key (PEM)") \
X(DOMAIN, dkim_domain, "", "optional", 0, \
	"Domain that dkim_key signs for: the domain in From, or one above it") \
X(DOMAIN, dkim_selector, "", "optional", 0, \
	"Selector of dkim_key, whose DNS record is at SELECTOR._domainkey.DOMAIN") \
X(PATH, wakeup, "/run/smtpd/wakeup", "required", 0, \
	"Datagram socket on which smtpd-send is told of new mail") \
X(PATH, control, "/run/smtpd/send/control", "optional", 0, \
	"Socket on which smtpd-send takes orders from smtpd-ctl; if empty, it takes none") \
X(ENDPOINTS, resolver, "127.0.0.1:53", "required", 0, \
	"One or two DNS resolvers; best is a validating one on this host") \
X(FLAG, checks, "yes", "no yes", 0, \
	"Whether mail from strangers is checked by SPF, DKIM and DMARC; no: only forged fields are removed") \
X(TIME, judge_timeout, "30s", 1, 3600, \
	"How long one message waits for smtpd-judge; at most half of helper_timeout") \
X(CHOICE, unjudged, "defer", "defer accept", 0, \
	"What happens, with dmarc = enforce, to mail that smtpd-judge cannot check because it is not running or has a problem") \
X(CHOICE, dmarc, "enforce", "enforce report", 0, \
	"Whether mail that fails DMARC is refused or marked as junk, as its domain asks; report: the result is only reported") \
X(FLAG, spf_reject, "no", "no yes", 0, \
	"Whether mail that fails SPF is refused, whatever DKIM and DMARC say") \
X(NUMBER, smtp_port, "25", 1, 65535, \
	"Port on which other mail servers are contacted") \
X(TIME, connect_timeout, "30s", 1, 3600, \
	"How long to wait for a connection to one address") \
X(TIME, smtp_timeout, "0", 0, 86400, \
	"How long to wait for each reply of another mail server; 0: as RFC 5321 section 4.5.3.2 says") \
X(TIME, remote_timeout, "1h", 1, 86400, \
	"How long one remote delivery may take") \
X(PATH, tls_policy, "", "optional", 0, \
	"File of the destinations for which TLS is required, or not wanted: lines of DESTINATION none|may|encrypt|verify [NAME ...]; if empty, may for all") \
X(PATH, tls_authorities, "/etc/ssl/certs/ca-certificates.crt", "optional", 0, \
	"File of the certification authorities (PEM) that are trusted where tls_policy says verify") \
X(PATH, remote_passwords, "", "optional", 0, \
	"File of lines HOST USER PASSWORD for hosts that mail is routed to; it belongs to smtpd-remote's user and has mode 0400") \
X(FLAG, mx_loopback, "refuse", "refuse allow", 0, \
	"Whether the MX of a domain may be this host itself; allow is for tests") \
X(CHOICE, confine, CONFINE_DEFAULT, "deny kill off", 0, \
	"What happens when a program makes a forbidden system call: deny returns an error, kill ends the program, off forbids nothing")
/* clang-format on */

#endif
