#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The chain under a real systemd, installed as the README says.

setup_file() {
	load lib/smtpd
	load lib/container
	if container_start >"$BATS_FILE_TMPDIR/why" 2>&1; then
		container_install >"$BATS_FILE_TMPDIR/why" 2>&1
		container_boot >"$BATS_FILE_TMPDIR/why" 2>&1 || return 0
		inside sh -c 'systemd-sysusers && systemd-tmpfiles --create &&
			systemctl daemon-reload &&
			systemctl enable --now smtpd.socket smtpd-auth.socket \
				smtpd-submission.socket'
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
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED-}" ] || [ -z "${INIT-}" ] ||
		inside journalctl --no-pager -n 40 -o cat >&2
}

# send_mail ADDRESS SUBJECT [SWAKS-OPTION...]
send_mail() {
	on_its_net swaks --silent 2 --server 127.0.0.1 --from a@example.org \
		--to "$1" --header "Subject: $2" "${@:3}"
}

# has_subject USER SUBJECT: the file in his Maildir that bears it.
has_subject() {
	grep -rlx "Subject: $2" "$ROOT/home/$1/Maildir/new"
}

services() {
	printf 'smtpd-%s.service\n' rcpt queue-in queue-relay queue-user \
		queue-auth queue-own judge submit sign tls auth bounce lspawn \
		remote send
}

@test "systemd: mail through the socket unit lands as the user's own" {
	send_mail alice@example.com hello
	wait_for has_subject alice hello
	file=$(has_subject alice hello)
	[ "$(stat -c '%u %g %a' "$file")" = '1001 1001 600' ]
	[ "$(stat -c '%u %g %a' "$ROOT/home/alice/Maildir")" = '1001 1001 700' ]
	run -0 inside systemctl --failed --no-legend
	[ -z "$output" ]
}

@test "systemd: mail is judged, by who can see nothing of the queue" {
	send_mail bob@example.com 'a judged one'
	wait_for has_subject bob 'a judged one'
	grep -q '^Authentication-Results: mail.example.com' \
		"$(has_subject bob 'a judged one')"
	run -0 inside journalctl -o cat -t smtpd-judge
	[[ $output == *event=judged* ]]
	pid=$(inside systemctl show --value -p MainPID smtpd-judge.service)
	[ "$(inside stat -c %U "/proc/$pid")" = smtpd-judge ]
	run -2 inside nsenter -t "$pid" -m setpriv --reuid=smtpd-judge \
		--regid=smtpd-judge --clear-groups ls /var/lib/smtpd/
	[[ $output == *'Permission denied'* ]]
}

# The file of settings counts for the next connection, also where processes
# have read it before.
@test "systemd: mail of a relay client is completed and signed, not judged" {
	inside /usr/local/sbin/smtpd-dkim-key example.org s1
	send_mail bob@example.com 'before it was one'
	echo 'relay_clients = 127.0.0.1' >>"$ROOT/etc/smtpd/smtpd.conf"
	send_mail bob@example.com 'of a relay client'
	sed -i '/^relay_clients/d' "$ROOT/etc/smtpd/smtpd.conf"
	send_mail bob@example.com 'no relay client any more'
	for subject in 'before it was one' 'of a relay client' \
	    'no relay client any more'; do
		wait_for has_subject bob "$subject"
	done
	file=$(has_subject bob 'of a relay client')
	grep -q '^DKIM-Signature: .*d=example.org' "$file"
	run -1 grep '^Authentication-Results' "$file"
	for subject in 'before it was one' 'no relay client any more'; do
		file=$(has_subject bob "$subject")
		run -1 grep '^DKIM-Signature' "$file"
		grep -q '^Authentication-Results: mail.example.com' "$file"
	done
	run -0 inside journalctl -o cat -t smtpd-queue
	[[ $output == *'event=queued entrance=relay '*' by=sign top=1'* ]]
	inside rm -r /etc/smtpd/dkim/example.org
}

@test "systemd: mail over IPv6 lands too" {
	send_mail_v6 alice@example.com v6
	wait_for has_subject alice v6
	grep -q '\[IPv6:::1\]' "$(has_subject alice v6)"
}

@test "systemd: an alias and a name in capitals land" {
	send_mail 'POSTMASTER@Example.COM' alias
	wait_for has_subject alice alias
	send_mail 'Bob+list@example.com' detail
	wait_for has_subject bob detail
}

@test "systemd: system accounts and unknown users are refused" {
	for user in root daemon nobody smtpd-queue no.such; do
		[ "$user" != root ] || continue		# it has an alias
		run send_mail "$user@example.com" refused
		[ "$status" -ne 0 ]
	done
}

@test "systemd: sendmail of a user and of root's cron" {
	printf 'Subject: from bob\n\nhi\n' |
		inside setpriv --reuid=bob --regid=bob --init-groups -- \
		/usr/local/sbin/sendmail -i alice@example.com
	wait_for has_subject alice 'from bob'
	grep -q 'from uid 1002' "$(has_subject alice 'from bob')"
	printf 'Subject: from cron\n\nhi\n' |
		inside /usr/local/sbin/sendmail -i -FCronDaemon bob@example.com
	wait_for has_subject bob 'from cron'
}

@test "systemd: a session is the user smtpd, without rights" {
	mkfifo "$BATS_TEST_TMPDIR/hold"
	on_its_net bash -c 'exec 4<>/dev/tcp/127.0.0.1/25
		read -r -u 4 && echo "$REPLY" && read -r <"$1"' \
		session "$BATS_TEST_TMPDIR/hold" >"$BATS_TEST_TMPDIR/up" 3>&- &
	wait_for grep -q ^220 "$BATS_TEST_TMPDIR/up"
	pid=$(inside pgrep -u smtpd smtpd-session | head -n 1)
	run -0 inside grep -E '^(NoNewPrivs|Seccomp|CapEff):' "/proc/$pid/status"
	: >"$BATS_TEST_TMPDIR/hold"
	[[ $output == *$'NoNewPrivs:\t1'* ]]
	[[ $output == *$'Seccomp:\t2'* ]]
	[[ $output == *$'CapEff:\t0000000000000000'* ]]
}

@test "systemd: who has an account sends with its password, as himself" {
	echo alice:secret | inside chpasswd
	echo 'auth_without_tls = yes' >>"$ROOT/etc/smtpd/smtpd.conf"
	as_alice() {
		on_its_net swaks --silent 2 --server 127.0.0.1:587 \
			--auth-user alice --auth-password "$1" --from "$2" \
			--to bob@example.com --header "Subject: $3"
	}
	as_alice secret alice@example.com 'by alice'
	wait_for has_subject bob 'by alice'
	run as_alice wrong alice@example.com wrong
	[ "$status" -ne 0 ]
	run as_alice secret bob@example.com forged
	[ "$status" -ne 0 ]
	run on_its_net swaks --silent 2 --server 127.0.0.1:587 \
		--from a@example.org --to bob@example.com
	[ "$status" -ne 0 ]
	sed -i '/^auth_without_tls/d' "$ROOT/etc/smtpd/smtpd.conf"
	[ "$(inside id -nG smtpd-auth)" = 'smtpd-auth shadow' ]
	# Nothing is setuid or setgid, and nobody else is near the passwords.
	run -0 inside find /usr/local -perm /6000
	[ -z "$output" ]
	for user in smtpd smtpd-tls smtpd-rcpt smtpd-submit smtpd-sign \
	    smtpd-queue smtpd-remote; do
		run inside setpriv --reuid="$user" --regid="$user" \
			--init-groups -- cat /etc/shadow
		[ "$status" -ne 0 ]
	done
}

@test "systemd: a file of passwords instead of accounts" {
	inside systemctl disable --now smtpd-auth.socket smtpd-auth.service
	inside systemctl enable --now smtpd-auth-file.socket
	echo pass | inside /usr/local/sbin/smtpd-passwd bob
	[ "$(inside stat -c '%U %a' /etc/smtpd/passwords)" = 'smtpd-auth 600' ]
	echo 'auth_without_tls = yes' >>"$ROOT/etc/smtpd/smtpd.conf"
	on_its_net swaks --silent 2 --server 127.0.0.1:587 --auth-user bob \
		--auth-password pass --from bob@example.com \
		--to alice@example.com --header 'Subject: by bob'
	wait_for has_subject alice 'by bob'
	sed -i '/^auth_without_tls/d' "$ROOT/etc/smtpd/smtpd.conf"
	inside systemctl disable --now smtpd-auth-file.socket \
		smtpd-auth-file.service
	inside systemctl enable --now smtpd-auth.socket
}

# The one table of who may speak to whom.
@test "systemd: only the right users can open an internal socket" {
	while read -r socket allowed; do
		for user in smtpd smtpd-tls smtpd-auth smtpd-rcpt \
		    smtpd-judge smtpd-submit smtpd-sign smtpd-queue smtpd-remote bob; do
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
	rcpt smtpd smtpd-queue
	queue-in smtpd
	queue-relay smtpd
	queue-user smtpd smtpd-tls smtpd-auth smtpd-rcpt smtpd-judge smtpd-submit smtpd-sign smtpd-queue smtpd-remote bob
	queue-auth smtpd-auth
	queue-own smtpd-queue
	judge smtpd-queue
	submit smtpd-queue
	sign smtpd-queue
	bounce smtpd-queue
	lspawn smtpd-queue
	remote smtpd-queue
	EOT
	[ "$(inside stat -c '%U %a' /run/smtpd/wakeup)" = 'smtpd-queue 600' ]
	[ "$(inside stat -c '%U %a' /run/smtpd/send/control)" = \
		'smtpd-queue 600' ]
	[[ $(inside /usr/local/sbin/smtpd-ctl list --json) == *'"count":'* ]]
	[ "$(inside stat -c '%U %a' /var/lib/smtpd/queue)" = 'smtpd-queue 700' ]
	[ "$(inside stat -c '%U %a' /etc/smtpd/dkim)" = 'root 750' ]
	[ "$(inside stat -c '%U %G %a' /etc/smtpd/tls)" = 'root smtpd-tls 750' ]
}

@test "systemd: STARTTLS on 587, TLS on 465, and a key of smtpd-tls alone" {
	dir=$ROOT/etc/smtpd/tls
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-subj /CN=mail.example.com -keyout "$dir/key.pem" \
		-out "$dir/cert.pem" 2>/dev/null
	inside chown smtpd-tls /etc/smtpd/tls/key.pem
	inside chmod 400 /etc/smtpd/tls/key.pem
	printf '%s\n' 'tls_cert = /etc/smtpd/tls/cert.pem' \
		'tls_key = /etc/smtpd/tls/key.pem' >>"$ROOT/etc/smtpd/smtpd.conf"
	inside systemctl enable --now smtpd-submission.socket \
		smtpd-submissions.socket
	run -0 inside /usr/local/sbin/smtpd-conf check
	[ -z "$output" ]
	send_mail bob@example.com 'port 25' --tls
	wait_for has_subject bob 'port 25'
	grep -q ESMTPS "$(has_subject bob 'port 25')"
	run -0 send_mail bob@example.com x --tls --port 587 --quit-after EHLO
	run -0 send_mail bob@example.com x --tls-on-connect --port 465 \
		--quit-after EHLO
	for user in smtpd smtpd-sign smtpd-queue bob; do
		run -1 inside setpriv --reuid="$user" --regid="$user" \
			--init-groups -- cat /etc/smtpd/tls/key.pem
	done
	pid=$(inside systemctl show --value -p MainPID smtpd-tls.service)
	[ "$(inside stat -c %U "/proc/$pid")" = smtpd-tls ]
}

@test "systemd: a key that others can read takes TLS away, and no mail" {
	inside chmod 440 /etc/smtpd/tls/key.pem
	send_mail bob@example.com 'in clear' --tls-optional
	wait_for has_subject bob 'in clear'
	run -1 grep -q ESMTPS "$(has_subject bob 'in clear')"
	run inside /usr/local/sbin/smtpd-conf check
	[[ $output == *'mode 0440 lets others in'* ]]
	run send_mail bob@example.com 'none' --tls-on-connect --port 465
	[ "$status" -ne 0 ]
	run -0 inside journalctl -o cat -t smtpd-tls
	[[ $output == *"TLS is not offered: key '/etc/smtpd/tls/key.pem': mode 0440"* ]]
	run -0 inside journalctl -o cat -t smtpd-session
	[[ $output == *'TLS is not available: the connection is refused'* ]]
	inside chmod 400 /etc/smtpd/tls/key.pem
	send_mail bob@example.com 'again' --tls
	wait_for has_subject bob 'again'
}

@test "systemd: killed five times, no socket closes and no mail is lost" {
	for round in 1 2 3 4 5 6; do
		send_mail alice@example.com "round $round"
		for service in $(services); do
			inside systemctl kill --kill-who=main -s KILL "$service" ||
				true
		done
	done
	send_mail alice@example.com 'round 7'
	for round in 1 2 3 4 5 6 7; do
		WAIT_SECONDS=60 wait_for has_subject alice "round $round"
	done
	for unit in smtpd.socket smtpd-tls.socket smtpd-rcpt.socket \
	    smtpd-queue-in.socket smtpd-queue-relay.socket \
	    smtpd-queue-user.socket smtpd-queue-auth.socket \
	    smtpd-queue-own.socket smtpd-judge.socket smtpd-submit.socket \
	    smtpd-sign.socket smtpd-lspawn.socket smtpd-bounce.socket \
	    smtpd-remote.socket smtpd-send.socket; do
		[ "$(inside systemctl is-active "$unit")" = active ]
	done
	WAIT_SECONDS=60 wait_for nothing_waits ||
		{ find "$ROOT/var/lib/smtpd/queue" -type f -ls; false; }
}

nothing_waits() {
	[ -z "$(find "$ROOT/var/lib/smtpd/queue/new" \
		"$ROOT/var/lib/smtpd/queue/msg" -type f ! -name '*.log')" ]
}

main_pid() {
	inside systemctl show --value -p MainPID smtpd-send.service
}

# There is another scheduler than $1, and systemd says that it runs.
another_than() {
	local now
	now=$(main_pid) && [ "$now" != 0 ] && [ "$now" != "$1" ] &&
		inside systemctl is-active --quiet smtpd-send.service
}

has_child() {
	inside pgrep -P "$1"
}

# hold PID: a debugger stops it, so that it cannot end, until let_go.
hold() {
	nsenter --target "$INIT" --pid -- python3 - "$1" <<-'PY' &
	import ctypes, signal, sys
	PR_SET_PDEATHSIG, PTRACE_ATTACH = 1, 16
	libc = ctypes.CDLL(None, use_errno=True)
	libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)	# nsenter's end is ours
	if libc.ptrace(PTRACE_ATTACH, int(sys.argv[1]), 0, 0) != 0:
	    sys.exit("ptrace: %d" % ctypes.get_errno())
	signal.pause()
	PY
	holder=$!
	wait_for is_held "$1"
}

is_held() {
	inside grep -q 'TracerPid:[[:space:]]*[1-9]' "/proc/$1/status"
}

# let_go PID: it ends now.
let_go() {
	kill -KILL "$holder"
	wait "$holder" || true
	wait_for eval "! is_held $1"
	inside kill -KILL "$1"
}

# Its child, which syncs, may be waiting for a disk, and cannot end.
@test "systemd: a killed scheduler is back, whatever its child does" {
	local rounds=${SMTPD_TORTURE:+200}
	for ((round = 0; round < ${rounds:-3}; round++)); do
		pid=$(main_pid)
		wait_for has_child "$pid"
		child=$(has_child "$pid")
		hold "$child"
		inside kill -KILL "$pid"
		wait_for another_than "$pid"
		let_go "$child"
	done
	send_mail alice@example.com 'after the last scheduler'
	wait_for has_subject alice 'after the last scheduler'
}

@test "systemd: 300 connections in a row do not close the port" {
	on_its_net python3 - <<-'PY'
	import socket
	for i in range(300):
	    with socket.create_connection(("127.0.0.1", 25), 10) as s:
	        assert s.recv(512).startswith(b"220 "), i
	        s.sendall(b"QUIT\r\n")
	        assert s.recv(512).startswith(b"221 "), i
	PY
	[ "$(inside systemctl is-active smtpd.socket)" = active ]
}

@test "systemd: reload tries everything now" {
	inside systemctl reload smtpd-send.service
	[ "$(inside systemctl is-active smtpd-send.service)" = active ]
}

@test "systemd: the resident listener instead of an instance each" {
	inside systemctl disable --now smtpd.socket
	inside systemctl enable --now smtpd-listener.socket
	send_mail bob@example.com 'through the listener'
	wait_for has_subject bob 'through the listener'
	pid=$(inside systemctl show --value -p MainPID smtpd-listener.service)
	inside kill -KILL "$pid"
	send_mail bob@example.com 'through the next'
	wait_for has_subject bob 'through the next'
	inside systemctl disable --now smtpd-listener.socket
	inside systemctl enable --now smtpd.socket
}

@test "systemd: the journal accounts for all mail, and follows one" {
	ours=(-o cat -t smtpd-queue -t smtpd-send -t smtpd-bounce)
	journal() {
		inside journalctl -q "${ours[@]}" >"$BATS_TEST_TMPDIR/journal"
		inside "$@" <"$BATS_TEST_TMPDIR/journal"
	}
	accounts() {
		run journal /usr/local/sbin/smtpd-audit
		[[ $status -eq 0 || $status -eq 2 ]] &&
			grep -Eqx 'delivered +[1-9][0-9]*' <<<"$output"
	}
	wait_for accounts
	id=$(sed -n '/event=delivered/{s/^id=\([0-9a-f]*\) .*/\1/p;q}' \
		"$BATS_TEST_TMPDIR/journal")
	run -0 journal /usr/local/sbin/smtpd-trace "$id"
	[[ $output == *' delivered   <'* ]]
}

@test "systemd: stopping the target stops all of it" {
	inside systemctl stop smtpd.target smtpd.socket
	wait_for eval '! inside pgrep smtpd-' ||
		{ inside ps axo pid,ppid,stat,cgroup,args; false; }
	inside systemctl start smtpd.socket
	send_mail bob@example.com 'started again'
	wait_for has_subject bob 'started again'
}
