#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The run scripts of conf/run under daemontools and s6, tcpserver, and the
# line for inetd: as they are, with their own users, on port 25 of a container.

setup_file() {
	load lib/smtpd
	load lib/container
	if container_start >"$BATS_FILE_TMPDIR/why" 2>&1; then
		prepare_root >"$BATS_FILE_TMPDIR/why" 2>&1
		container_boot >"$BATS_FILE_TMPDIR/why" 2>&1 || return 0
	fi
}

teardown_file() {
	load lib/smtpd
	load lib/container
	container_stop
}

setup() {
	load lib/smtpd
	load lib/container
	[ -n "${INIT-}" ] ||
		skip_loudly "no container: $(cat "$BATS_FILE_TMPDIR/why")"
	inside rm -rf /service /run/smtpd
	inside mkdir /service
}

teardown() {
	[ -n "${INIT-}" ] || return 0
	inside systemctl stop launcher.service 2>/dev/null || true
	[ -n "${BATS_TEST_COMPLETED-}" ] ||
		inside sh -c 'tail -n 20 /var/log/smtpd/*/current' >&2
}

prepare_root() {
	copy_checkout "$BATS_FILE_TMPDIR/checkout"
	make -s -C "$BATS_FILE_TMPDIR/checkout" DESTDIR="$ROOT" install
	printf '%s\n' 'hostname = mail.example.com' \
		'local_domains = example.com' >"$ROOT/etc/smtpd/smtpd.conf"
	sed -i 's/^#postmaster:.*/postmaster: alice/' \
		"$ROOT/etc/smtpd/aliases"
	chroot "$ROOT" useradd --create-home --uid 1001 alice
	cp -a "$ROOT/usr/local/share/smtpd/run" "$ROOT/etc/smtpd/run"
	chroot "$ROOT" /etc/smtpd/run/setup
	echo alice:secret | chroot "$ROOT" chpasswd
	make_certificate
}

make_certificate() {
	local dir=/etc/smtpd/tls
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-subj /CN=mail.example.com -keyout "$ROOT$dir/key.pem" \
		-out "$ROOT$dir/cert.pem"
	chroot "$ROOT" chown smtpd-tls "$dir/key.pem"
	chmod 400 "$ROOT$dir/key.pem"
	printf '%s\n' "tls_cert = $dir/cert.pem" "tls_key = $dir/key.pem" \
		>>"$ROOT/etc/smtpd/smtpd.conf"
}

# Starts a supervisor (or inetd) that goes when the test does.
launch() {
	inside systemd-run --quiet --unit=launcher --collect \
		--property=KillMode=control-group "$@"
}

services() {
	inside sh -c 'for s; do ln -s "/etc/smtpd/run/$s" /service/; done' \
		services "$@"
}

inner=(smtpd-tls smtpd-auth smtpd-rcpt smtpd-judge smtpd-submit smtpd-sign
	smtpd-queue-in smtpd-queue-relay smtpd-queue-user smtpd-queue-auth
	smtpd-queue-own smtpd-bounce smtpd-lspawn smtpd-remote smtpd-send)

send_mail() {
	on_its_net swaks --silent 2 --from a@example.org \
		--to alice@example.com --header "Subject: $1" "${@:2}"
}

has_subject() {
	grep -rlx "Subject: $1" "$ROOT/home/alice/Maildir/new"
}

# As alice herself, on a port where nobody else may send.
send_as_alice() {
	send_mail "$@" --server 127.0.0.1 --from alice@example.com \
		--auth-user alice --auth-password secret
}

with_tls() {
	grep -q 'with ESMTPS' "$(has_subject "$1")"
}

lands_as_alices() {
	WAIT_SECONDS=30 wait_for has_subject "$1"
	[ "$(stat -c '%u %a' "$(has_subject "$1")")" = '1001 600' ]
}

@test "supervise: the run scripts under daemontools, IPv4 and IPv6" {
	services "${inner[@]}" smtpd smtpd6
	launch svscan /service
	wait_for send_mail 'daemontools v4' --server 127.0.0.1
	wait_for send_mail_v6 alice@example.com 'daemontools v6'
	lands_as_alices 'daemontools v4'
	lands_as_alices 'daemontools v6'
	inside grep -q 'event=delivered' /var/log/smtpd/smtpd-send/current
	[ "$(inside stat -c %U /var/log/smtpd/smtpd-send)" = smtpd-log ]
}

@test "supervise: the run scripts under s6" {
	services "${inner[@]}" smtpd
	launch s6-svscan /service
	wait_for send_mail 's6' --server 127.0.0.1
	lands_as_alices s6
}

@test "supervise: sendmail through the run scripts' sockets" {
	services "${inner[@]}"
	launch svscan /service
	wait_for inside test -S /run/smtpd/submit -a \
		-S /run/smtpd/queue-user -a -S /run/smtpd/sign
	printf 'Subject: local\n\nhi\n' | inside setpriv --reuid=alice \
		--regid=alice --init-groups -- \
		/usr/local/sbin/sendmail alice@example.com
	lands_as_alices local
}

@test "supervise: only the right users can open an internal socket" {
	services "${inner[@]}"
	launch svscan /service
	wait_for inside sh -c 'for s in tls auth rcpt judge submit sign \
		queue-in queue-relay queue-user queue-auth queue-own \
		bounce lspawn remote
		do test -S "/run/smtpd/$s" || exit 1; done'
	while read -r socket allowed; do
		for user in smtpd smtpd-tls smtpd-auth smtpd-rcpt \
		    smtpd-judge smtpd-submit smtpd-sign smtpd-queue smtpd-remote alice; do
			run inside setpriv --reuid="$user" --regid="$user" \
				--init-groups -- perl -MIO::Socket::UNIX -e \
				'exit !IO::Socket::UNIX->new($ARGV[0])' \
				"/run/smtpd/$socket"
			case " $allowed " in
			*" $user "*) [ "$status" -eq 0 ] ;;
			*)           [ "$status" -ne 0 ] ;;
			esac
		done
	done <<-EOT
	tls smtpd
	auth smtpd
	queue-in smtpd
	queue-relay smtpd
	queue-user smtpd smtpd-tls smtpd-auth smtpd-rcpt smtpd-judge smtpd-submit smtpd-sign smtpd-queue smtpd-remote alice
	queue-auth smtpd-auth
	queue-own smtpd-queue
	judge smtpd-queue
	submit smtpd-queue
	sign smtpd-queue
	bounce smtpd-queue
	lspawn smtpd-queue
	remote smtpd-queue
	EOT
}

@test "supervise: the port under tcpserver" {
	services "${inner[@]}" smtpd-tcpserver
	launch svscan /service
	wait_for send_mail 'tcpserver' --server 127.0.0.1
	lands_as_alices tcpserver
	send_mail 'tcpserver starttls' --server 127.0.0.1 --tls
	lands_as_alices 'tcpserver starttls'
	with_tls 'tcpserver starttls'
}

@test "supervise: the port under inetd" {
	services "${inner[@]}"
	launch svscan /service
	inside systemd-run --quiet --unit=inetd --collect inetutils-inetd -d \
		/usr/local/share/smtpd/inetd.conf
	wait_for send_mail 'inetd' --server 127.0.0.1
	lands_as_alices inetd
	send_mail 'inetd starttls' --server 127.0.0.1 --tls
	send_as_alice 'inetd submission' --port 587 --tls
	send_as_alice 'inetd submissions' --port 465 --tls-on-connect
	run send_mail 'inetd stranger' --server 127.0.0.1 --port 465 \
		--tls-on-connect
	[ "$status" -ne 0 ]
	for subject in starttls submission submissions; do
		lands_as_alices "inetd $subject"
		with_tls "inetd $subject"
	done
	inside systemctl stop inetd.service
}

@test "supervise: what is killed comes back, and no mail is lost" {
	services "${inner[@]}" smtpd
	launch svscan /service
	wait_for send_mail 'before' --server 127.0.0.1
	for round in 1 2 3 4 5; do
		wait_for send_mail "round $round" --server 127.0.0.1
		for service in "${inner[@]}" smtpd; do
			inside svc -k "/service/$service"
		done
	done
	for round in 1 2 3 4 5; do
		WAIT_SECONDS=60 wait_for has_subject "round $round"
	done
}
