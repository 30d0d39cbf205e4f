#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Ours beside Postfix and Exim from the image of lib/image, all three at once:
# mail both ways under TLS, and bounces both ways.
#
# ours.test has the user `user`, the others `ann` in postfix.test and
# exim.test. What is for away@ours.test goes on to nobody at the server that
# it came from, what is for away@ theirs goes on to nobody@ours.test: so a
# bounce has to travel.

setup_file() {
	load lib/smtpd
	load lib/peers
	load lib/tls
	[[ $(id -u) -eq 0 ]] || skip_loudly 'Postfix and Exim need root'
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly 'covered without sanitizers'
	need_image
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
	T=$BATS_FILE_TMPDIR
	chmod a+x "$BATS_RUN_TMPDIR" "${T%/*}"
	setup_dir
	chmod 755 "$T"
	POSTFIX_PORT=$(free_port) EXIM_PORT=$(free_port)
	TLS=$T
	make_cert peer rsa peer.test
	as_user mkdir -p "$T/chain/mail/"{user,postmaster}
	printf '%s\n' 'away-postfix: nobody@postfix.test' \
		'away-exim: nobody@exim.test' |
		as_user tee "$T/chain/aliases" >/dev/null
	echo '127.0.0.1 verify peer.test' |
		as_user tee "$T/chain/tls_policy" >/dev/null
	start_chain hostname=mx.ours.test local_domains=ours.test \
		"tls_policy=$T/chain/tls_policy" "tls_authorities=$T/peer.pem" \
		"routes=postfix.test=[127.0.0.1]:$POSTFIX_PORT exim.test=[127.0.0.1]:$EXIM_PORT"
	start_postfix
	start_exim
	export T CHAIN CHAIN_PID PORT
}

teardown_file() {
	[[ -z ${CHAIN_PID-} ]] || stop_chain
	[[ ! -e $T/postfix ]] || postfix_stop "$T/postfix"
	[[ ! -e $T/exim/pid ]] || kill "$(<"$T/exim/pid")"
}

setup() {
	load lib/smtpd
	load lib/peers
	setup_dir
	MESSAGE=$BATS_TEST_TMPDIR/message
	printf '%s\n' "Subject: test $BATS_TEST_NUMBER" \
		'Date: Thu, 01 Jan 2026 00:00:00 +0000' \
		"Message-ID: <$BATS_TEST_NUMBER@example.org>" \
		'From: A Sender <a@example.org>' 'To: you@example.org' '' \
		'.dot' '..' 'From me' 'end' >"$MESSAGE"
}

teardown() {
	if [[ -z ${BATS_TEST_COMPLETED-} ]]; then
		tail -n 20 "$CHAIN/log" "$T/postfix/data/log" \
			"$T/exim/spool/mainlog" >&2
	fi
}

start_postfix() {
	postfix_make "$T/postfix" 'myhostname = mx.postfix.test' \
		"relayhost = [127.0.0.1]:$PORT" \
		'virtual_mailbox_domains = postfix.test' \
		'virtual_mailbox_maps = inline:{ ann@postfix.test=ann/ }' \
		'virtual_alias_maps = inline:{ away@postfix.test=nobody@ours.test }' \
		'virtual_mailbox_base = /mnt/mail' \
		'virtual_uid_maps = static:101' \
		'virtual_gid_maps = static:101' \
		'smtp_tls_security_level = may' 'smtp_tls_loglevel = 1' \
		'smtpd_tls_security_level = may' 'smtpd_tls_loglevel = 1' \
		'smtpd_tls_received_header = yes' \
		'smtpd_tls_cert_file = /mnt/etc/cert.pem' \
		'smtpd_tls_key_file = /mnt/etc/key.pem'
	echo "$POSTFIX_PORT inet n - n - - smtpd" \
		>>"$T/postfix/etc/master.cf"
	install -m 644 "$T/peer.pem" "$T/postfix/etc/cert.pem"
	install -m 600 "$T/peer.key" "$T/postfix/etc/key.pem"
	chown 101:101 "$T/postfix/mail"
	postfix_start "$T/postfix"
	wait_for listens "$POSTFIX_PORT"
}

start_exim() {
	mkdir "$T/exim" "$T/exim/spool" "$T/exim/mail"
	chmod 755 "$T/exim"
	cat >"$T/exim/conf" <<-EOT
	primary_hostname = mx.exim.test
	spool_directory = /mnt/spool
	log_file_path = /mnt/spool/%slog
	pid_file_path = /mnt/pid
	exim_user = Debian-exim
	exim_path = /opt/exim/usr/sbin/exim4
	trusted_users = root
	disable_ipv6
	local_interfaces = 127.0.0.1
	daemon_smtp_ports = $EXIM_PORT
	tls_advertise_hosts = *
	tls_certificate = /mnt/cert.pem
	tls_privatekey = /mnt/key.pem
	acl_smtp_rcpt = rcpt
	keep_environment =
	begin acl
	rcpt:
	  accept domains = exim.test
	    verify = recipient
	  deny message = No such person here
	begin routers
	away:
	  driver = redirect
	  domains = exim.test
	  local_parts = away
	  data = nobody@ours.test
	local:
	  driver = accept
	  domains = exim.test
	  local_parts = ann
	  transport = maildir
	ours:
	  driver = manualroute
	  domains = ! exim.test
	  transport = smtp
	  route_list = * 127.0.0.1
	  self = send
	begin transports
	maildir:
	  driver = appendfile
	  directory = /mnt/mail/ann
	  maildir_format
	  user = Debian-exim
	  return_path_add
	smtp:
	  driver = smtp
	  port = $PORT
	  hosts_try_fastopen =
	EOT
	chmod 644 "$T/exim/conf"
	install -m 644 "$T/peer.pem" "$T/exim/cert.pem"
	install -m 644 "$T/peer.key" "$T/exim/key.pem"
	in_image "$T/exim" sh -c 'chown Debian-exim: /mnt/spool /mnt/mail &&
		/opt/exim/usr/sbin/exim4 -C /mnt/conf -bd -odb' 3>&- >&2
	wait_for listens "$EXIM_PORT"
}

listens() {
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

from_postfix() {
	in_image "$T/postfix" sendmail -C /mnt/etc -i -f ann@postfix.test \
		"$1" <"$MESSAGE" 3>&- >&2
}

from_exim() {
	in_image "$T/exim" /opt/exim/usr/sbin/exim4 -C /mnt/conf -odf -i \
		-f ann@exim.test "$1" <"$MESSAGE" 3>&- >&2
}

from_ours() {
	as_user "$SMTPD_BIN/sendmail" -c "$CHAIN/smtpd.conf" -i \
		-f user@ours.test "$1" <"$MESSAGE"
}

maildir_of() {
	case $1 in
	ours) maildir user ;;
	*)    echo "$T/$1/mail/ann" ;;
	esac
}

# Sets MAIL: the file in that server's Maildir which has the line.
find_mail() {
	MAIL=$(grep -rlE -- "$2" "$(maildir_of "$1")/new" | head -n 1)
	[[ -n $MAIL ]]
}

# The message came to be there, once, and with its body.
arrives() {
	wait_for find_mail "$1" "^Subject: test $BATS_TEST_NUMBER\$"
	find_mail "$1" "^Subject: test $BATS_TEST_NUMBER\$"
	cmp <(sed '1,/^$/d' "$MAIL") <(sed '1,/^$/d' "$MESSAGE")
}

# A report about this message came to the Maildir there, with REGEX in what
# Python's parser finds in its delivery-status.
bounce_arrives() {	# AT REGEX
	wait_for find_mail "$1" "<$BATS_TEST_NUMBER@example.org>"
	find_mail "$1" "<$BATS_TEST_NUMBER@example.org>"
	grep -qx 'Return-[Pp]ath: <>' "$MAIL"
	/usr/bin/python3 - "$MAIL" >"$BATS_TEST_TMPDIR/status" <<-'EOT'
	import email, email.policy, sys
	with open(sys.argv[1], "rb") as f:
	    report = email.message_from_binary_file(f, policy=email.policy.default)
	assert report.get_content_type() == "multipart/report", report.items()
	assert report.get_param("report-type") == "delivery-status"
	text, status = list(report.iter_parts())[:2]
	assert status.get_content_type() == "message/delivery-status"
	for group in status.get_payload()[1:]:
	    assert group["Action"] == "failed", group.items()
	    print(group["Final-Recipient"], group["Status"],
	          " ".join(group["Diagnostic-Code"].split()))
	EOT
	cat "$BATS_TEST_TMPDIR/status" >&2
	grep -qE "$2" "$BATS_TEST_TMPDIR/status"
}

# They speak TLS to each other, and each says so of this very message.
readonly CIPHER='ECDHE-(RSA|ECDSA)-AES(128|256)-GCM-SHA(256|384)'

@test "servers: Postfix to us, under TLS" {
	from_postfix user@ours.test
	arrives ours
	grep -q '^Received: from mx.postfix.test' "$MAIL"
	grep -qE 'with ESMTPS' "$MAIL"
	grep -qE "TLS connection established to 127.0.0.1.*TLSv1.2.*$CIPHER" \
		"$T/postfix/data/log"
	wait_for grep -qE "event=session-end.*tls=\"?TLSv1.2.*$CIPHER" \
		"$CHAIN/log"
}

@test "servers: we to Postfix, under TLS" {
	from_ours ann@postfix.test
	arrives postfix
	grep -q '^Received: from .*mx.ours.test' "$MAIL"
	grep -qE 'using TLSv1.2 with cipher '"$CIPHER" "$MAIL"
	grep -qE "TLS connection established from .*TLSv1.2.*$CIPHER" \
		"$T/postfix/data/log"
	grep -qE "prog=smtpd-remote event=tls .*$CIPHER verified" "$CHAIN/log"
	wait_for grep -qE "event=delivered rcpt=<ann@postfix.test> .*tls=\"TLSv1.2 $CIPHER verified\"" "$CHAIN/log"
}

@test "servers: Exim to us, under TLS" {
	from_exim user@ours.test
	arrives ours
	grep -q '^Received: from mx.exim.test' "$MAIL"
	grep -qE 'with ESMTPS' "$MAIL"
	grep -qE '=> user@ours.test .*X=TLS1.2:ECDHE' "$T/exim/spool/mainlog"
}

@test "servers: we to Exim, under TLS" {
	from_ours ann@exim.test
	arrives exim
	grep -q '^Received: from .*mx.ours.test' "$MAIL"
	grep -qE '<= user@ours.test H=.*mx.ours.test.* P=esmtps .*X=TLS1.2:ECDHE' \
		"$T/exim/spool/mainlog"
}

@test "servers: whom we refuse, Postfix tells its sender of" {
	from_postfix nobody@ours.test
	bounce_arrives postfix 'nobody@ours.test 5.1.1 .*550 5.1.1'
}

@test "servers: whom we refuse, Exim tells its sender of" {
	from_exim nobody@ours.test
	bounce_arrives exim 'nobody@ours.test 5..* 550 5.1.1'
}

@test "servers: whom Postfix refuses, we tell our sender of" {
	from_ours nobody@postfix.test
	bounce_arrives ours 'nobody@postfix.test 5.1.1 smtp; ?550 5.1.1 .*unknown'
	/usr/bin/python3 "$SMTPD_TOP/tests/tools/report.py" \
		< <(sed 's/$/\r/' "$MAIL") >&2
}

@test "servers: whom Exim refuses, we tell our sender of" {
	from_ours nobody@exim.test
	bounce_arrives ours 'nobody@exim.test 5.* smtp; ?550 .*No such person'
	/usr/bin/python3 "$SMTPD_TOP/tests/tools/report.py" \
		< <(sed 's/$/\r/' "$MAIL") >&2
}

@test "servers: our bounce travels to Postfix" {
	from_postfix away-postfix@ours.test
	bounce_arrives postfix 'nobody@postfix.test 5.1.1 smtp; ?550 5.1.1'
	grep -q '^Received: from .*mx.ours.test' "$MAIL"
	grep -q '^From: .*@ours.test' "$MAIL"
}

@test "servers: our bounce travels to Exim" {
	from_exim away-exim@ours.test
	bounce_arrives exim 'nobody@exim.test 5.* smtp; ?550'
	grep -q '^Received: from .*mx.ours.test' "$MAIL"
}

@test "servers: Postfix' bounce travels to us" {
	from_ours away@postfix.test
	bounce_arrives ours 'nobody@ours.test 5.1.1 .*550 5.1.1'
	grep -q '^Received: from mx.postfix.test' "$MAIL"
}

@test "servers: Exim's bounce travels to us" {
	from_ours away@exim.test
	bounce_arrives ours 'away@exim.test 5.* 550 5.1.1'
	grep -q '^Received: from mx.exim.test' "$MAIL"
}

@test "servers: nothing is left anywhere" {
	wait_for queue_is_empty "$CHAIN/queue"
	[ -z "$(find "$T"/postfix/queue/{maildrop,incoming,active,deferred} \
		-type f)" ]
	[ -z "$(find "$T/exim/spool/input" -type f)" ]
	run ! grep -E 'event=(deferred|unreported|dropped|crash)' "$CHAIN/log"
}
