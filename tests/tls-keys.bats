#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-tls and its files, and sessions whose helper for TLS is in trouble.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets
# variables

load lib/smtpd
load lib/session
load lib/tls

setup() {
	setup_session
	TLS=$BATS_TEST_TMPDIR/certs
	as_user mkdir "$TLS"
	make_cert good ec mx.example.com
	printf '%s\n' "tls = $TLS/socket" "tls_cert = $TLS/good.pem" \
		"tls_key = $TLS/good.key" >>"$CONF"
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED-}" ] || cat "$TLS/log" >&2 || true
	[ -z "${LISTEN_PID-}" ] || kill "$LISTEN_PID" || true
	teardown_session
}

start_tls() {
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "$TLS/socket" \
		"$SMTPD_BIN/smtpd-tls" -c "$CONF" "$@" 2>"$TLS/log" 3>&- &
	LISTEN_PID=$!
	wait_for test -S "$TLS/socket"
}

# bad_key WORDS: check and the log say so, sessions go on without TLS.
bad_key() {
	run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-tls" -c "$CONF" \
		check
	[[ $stderr == "smtpd-tls: fatal: "*"'$TLS/good."*"': "$1* ]]
	dialogue --tcp 'starttls.txt:not offered, and mail goes on'
	grep -qF "smtpd-tls: warning: TLS is not offered: ${stderr#smtpd-tls: fatal: }" \
		"$TLS/log"
	run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-conf" -c "$CONF" \
		check
	[[ $stderr == "smtpd-conf: fatal: TLS is not offered: "*"$1"* ]]
	dialogue --tcp 'starttls.txt:port 465 closes' -- -o profile=submissions
	grep -q 'TLS is not available: the connection is refused' "$LOG"
	grep -q 'end="no tls"' "$LOG"
}

# replace FILE: by what comes in, in one step, as a good deploy hook does it.
replace() {
	as_user rm -f "$TLS/new"
	as_user tee "$TLS/new" >/dev/null
	as_user chmod "${2:-400}" "$TLS/new"
	as_user mv -f "$TLS/new" "$TLS/$1"
}

good_again() {
	as_user chmod 600 "$TLS/kept.key" "$TLS/kept.pem"
	replace good.key <"$TLS/kept.key"
	replace good.pem <"$TLS/kept.pem"
	dialogue --tcp 'starttls.txt:offered'
}

@test "tls-keys: what is wrong of a key is said, and repaired without a restart" {
	start_tls
	make_cert another ec mx.example.com
	as_user cp "$TLS/good.key" "$TLS/kept.key"
	as_user cp "$TLS/good.pem" "$TLS/kept.pem"
	dialogue --tcp 'starttls.txt:offered'
	run -0 as_user "$SMTPD_BIN/smtpd-conf" -c "$CONF" check

	as_user rm "$TLS/good.key"
	bad_key 'No such file or directory'
	good_again
	as_user chmod 440 "$TLS/good.key"
	bad_key 'mode 0440 lets others in: chmod 0400'
	as_user chmod 604 "$TLS/good.key"
	bad_key 'mode 0604 lets others in: chmod 0400'
	as_user chmod 0 "$TLS/good.key"
	bad_key 'Permission denied'
	good_again
	replace good.key < <(as_user openssl pkcs8 -topk8 \
		-in "$TLS/kept.key" -passout pass:x)
	bad_key 'is encrypted'
	replace good.key < <(as_user openssl ec -aes128 -in "$TLS/kept.key" \
		-passout pass:x 2>/dev/null)
	bad_key 'is encrypted'
	replace good.key < <(as_user cat "$TLS/another.key")
	bad_key "does not belong to certificate '$TLS/good.pem'"
	good_again
	replace good.key < <(head -c 3000 /dev/urandom)
	bad_key 'contains no private key'
	replace good.key </dev/null
	bad_key 'contains no private key'
	replace good.key < <(openssl genpkey -algorithm ed25519)
	bad_key "not an RSA key or an EC key on a NIST curve, or damaged"
	replace good.key < <(sed 's/^M/!/' "$TLS/kept.key")
	bad_key 'invalid PEM'
	replace good.key < <(sed '2,$d' "$TLS/kept.key")
	bad_key 'contains no private key'
	good_again
	replace good.pem < <(as_user cat "$TLS/kept.key")
	bad_key 'contains no certificate'
	replace good.pem < <(printf '%s\n' '-----BEGIN CERTIFICATE-----' AAAA \
		'-----END CERTIFICATE-----')
	bad_key 'its first certificate is damaged'
	good_again
}

@test "tls-keys: files of all forms that tools write" {
	start_tls
	make_cert rsa rsa mx.example.com
	# PKCS#8 is what req writes; then SEC1 with its parameters, PKCS#1.
	as_user cp "$TLS/good.key" "$TLS/kept.key"
	as_user cp "$TLS/good.pem" "$TLS/kept.pem"
	replace good.key < <(openssl ecparam -name prime256v1
		as_user openssl ec -in "$TLS/kept.key" 2>/dev/null)
	dialogue --tcp 'starttls.txt:offered'
	replace good.pem <"$TLS/rsa.pem"
	replace good.key < <(as_user openssl rsa -traditional \
		-in "$TLS/rsa.key" 2>/dev/null)
	dialogue --tcp 'starttls.txt:offered'
	# No line feed at the end; CRLF; text before it; a chain of 16.
	replace good.key < <(as_user cat "$TLS/rsa.key" | head -c -1)
	replace good.pem < <(head -c -1 "$TLS/rsa.pem")
	dialogue --tcp 'starttls.txt:offered'
	replace good.pem < <(sed 's/$/\r/' "$TLS/rsa.pem")
	dialogue --tcp 'starttls.txt:offered'
	replace good.pem < <(openssl x509 -text -in "$TLS/rsa.pem"
		for i in {2..16}; do cat "$TLS/kept.pem"; done)
	dialogue --tcp 'starttls.txt:offered'
	replace good.pem < <(for i in {1..17}; do cat "$TLS/rsa.pem"; done)
	bad_key 'more than 16 certificates'
}

@test "tls-keys: a renewed certificate counts at once, an expired one is served" {
	start_tls
	PORT=$(free_port)
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "127.0.0.1:$PORT" \
		"${SESSION[@]}" 2>"$BATS_TEST_TMPDIR/session.log" 3>&- &
	session=$!
	wait_for bash -c "exec 4<>/dev/tcp/127.0.0.1/$PORT"
	run -0 s_client
	[[ $output == *'CN = mx.example.com'* ]]
	make_cert new ec new.example.com
	replace good.key < <(as_user cat "$TLS/new.key")
	replace good.pem <"$TLS/new.pem"
	run -0 s_client
	[[ $output == *'CN = new.example.com'* ]]
	run -1 grep -q expired "$TLS/log"

	as_user sh -c 'cd "$1" && printf "%s\n" "[ca]" default_ca=x "[x]" \
		database=db new_certs_dir=. serial=sn default_md=sha256 \
		policy=any "[any]" commonName=supplied >ca.conf &&
		: >db && echo 01 >sn &&
		openssl req -new -key new.key -subj /CN=old.example.com -out csr &&
		openssl ca -batch -config ca.conf -selfsign -keyfile new.key \
		-in csr -out old.pem -notext -startdate 200101000000Z \
		-enddate 210101000000Z' ca "$TLS" 2>/dev/null
	replace good.pem <"$TLS/old.pem"
	run -0 s_client
	[[ $output == *'CN = old.example.com'* && $output == *'221 2.0.0'* ]]
	grep -qF "certificate '$TLS/good.pem' has expired" "$TLS/log"
	run -0 as_user "$SMTPD_BIN/smtpd-tls" -c "$CONF" check
	[[ $output == *'until 2021-01-01'* ]]
	kill "$session"
}

# What the listener says first.
greeting() {
	as_user timeout 10 bash -c 'head -c 4 < <(exec socat -u "$1" -)' -- \
		"UNIX-CONNECT:$TLS/socket"
}

@test "tls-keys: a changed configuration counts at once, a broken one never" {
	cp "$CONF" "$CONF.whole"
	sed -i '/^tls_/d' "$CONF"
	start_tls
	local with=(-o "tls_cert=$TLS/good.pem" -o "tls_key=$TLS/good.key")
	dialogue --tcp 'starttls.txt:not offered, and mail goes on' -- \
		"${with[@]}"
	grep -q 'TLS is not offered: tls_cert names no certificate' "$TLS/log"
	cp "$CONF.whole" "$CONF"
	dialogue --tcp 'starttls.txt:offered'
	echo 'tls_cert = /' >>"$CONF"
	# The last good one goes on, and the log says so.
	[ "$(greeting)" = '1:K,' ]
	grep -q "fatal: $CONF:[0-9]*: " "$TLS/log"
	cp "$CONF.whole" "$CONF"
	dialogue --tcp 'starttls.txt:offered'
}

@test "tls-keys: check shows what each certificate is" {
	make_cert two rsa a.example.com '*.b.example.com'
	run -0 --separate-stderr as_user "$SMTPD_BIN/smtpd-tls" -c "$CONF" \
		-o "tls_cert=$TLS/good.pem $TLS/two.pem" \
		-o "tls_key=$TLS/good.key $TLS/two.key" check
	[ "${lines[0]}" = "$TLS/good.pem: ECDSA, until $(date -u -d '30 days' \
		+%F), mx.example.com" ]
	[[ ${lines[1]} == "$TLS/two.pem: RSA, until "*", a.example.com *.b.example.com" ]]
	[ "${#lines[@]}" -eq 2 ]
}

@test "tls-keys: silent sessions cost no process" {
	start_tls
	dialogue --tcp 'starttls.txt:offered' 'starttls.txt:offered'
	run -1 pgrep -P "$(pgrep -P "$LISTEN_PID")"
}

@test "tls-keys: as a command, one a session" {
	dialogue --tcp 'starttls.txt:offered' -- \
		-o "tls=$SMTPD_BIN/smtpd-tls"
	as_user chmod 644 "$TLS/good.key"
	dialogue --tcp 'starttls.txt:not offered, and mail goes on' -- \
		-o "tls=$SMTPD_BIN/smtpd-tls"
}

@test "tls-keys: the dialogue around STARTTLS" {
	start_tls
	dialogue --tcp 'starttls.txt:its place in the order' \
		'starttls.txt:what follows in the same write ends it'
	dialogue --tcp starttls.txt:required -- -o require_tls=yes
	dialogue --tcp 'starttls.txt:none configured' -- -o tls_cert= \
		-o tls_key=
}

@test "tls-keys: helpers that are not there, die, or make no sense" {
	for name in nothing-at-all odd; do
		dialogue --tcp 'starttls.txt:not offered, and mail goes on' -- \
			-o "tls=$FAKES/tls-$name"
	done
	dialogue --tcp 'starttls.txt:required, and not to be had' -- \
		-o "tls=$FAKES/tls-none" -o require_tls=yes
	dialogue --tcp 'starttls.txt:not offered, and mail goes on' -- \
		-o "tls=$FAKES/tls-mute"
	grep -q 'warning: tls: no answer in time' "$LOG"
	# K may have been read before the end was there, or after.
	dialogue --tcp 'starttls.txt:a helper that goes before it is asked' -- \
		-o "tls=$FAKES/tls-go"
	for name in die z nothing; do
		dialogue --tcp 'starttls.txt:a helper that fails the handshake' \
			-- -o "tls=$FAKES/tls-$name"
		grep -q 'event=tls-failed' "$LOG"
	done
}

@test "tls-keys: facts that are none do not get into the header" {
	printf '%s\n' '== x' 'S: 220 .*' 'C: EHLO c' 'S* 250.*' 'C: STARTTLS' \
		'S: 220 .*' 'C: EHLO c' 'S* 250[ -](?!STARTTLS).*' \
		'C: MAIL FROM:<>' 'S: 250 .*' 'C: RCPT TO:<user@example.com>' \
		'S: 250 .*' 'C: DATA' 'S: 354 .*' 'C= x\r\n.\r\n' 'S: 250 .*' \
		'C: QUIT' 'S: 221 .*' 'S.' >"$BATS_TEST_TMPDIR/plain"
	dialogue --tcp "$BATS_TEST_TMPDIR/plain" -- -o "tls=$FAKES/tls-plain"
	frames >"$BATS_TEST_TMPDIR/frames"
	grep -qxE 'C tls=TLS C{63}' "$BATS_TEST_TMPDIR/frames"
	grep -qx 'C protocol=ESMTPS' "$BATS_TEST_TMPDIR/frames"
	grep -qE 'with ESMTPS\\r\\n\\t\(TLS C{63}\)' "$BATS_TEST_TMPDIR/frames"
}

@test "tls-keys: what is no request is refused" {
	request() {
		timeout 10 "${AS_USER[@]}" "$SMTPD_BIN/smtpd-tls" -c "$CONF" \
			< <(printf '%s' "$1") || true
	}
	run -0 request '1:T,'
	[[ $output == *':X554 5.5.1 Not a TLS request,' ]]
	run -0 request 'rubbish'
	[[ $output == *':X554 5.5.1 '* ]]
	run -0 request ''
	[ "$output" = '1:K,' ] || [ -z "$output" ]
	run -100 as_user "$SMTPD_BIN/smtpd-tls" -c "$CONF" x
	[[ $(id -u) -ne 0 ]] || run -100 "$SMTPD_BIN/smtpd-tls" -c "$CONF"
}

@test "tls-keys: once per connection, under tcpserver and systemd's inetd mode" {
	start_tls
	for launcher in tcpserver systemd-socket-activate; do
		PORT=$(free_port)
		case $launcher in
		tcpserver)
			"${AS_USER[@]}" tcpserver -HRl0 127.0.0.1 "$PORT" \
				"${SESSION[@]}" 2>/dev/null 3>&- & ;;
		*)
			"${AS_USER[@]}" systemd-socket-activate --inetd -a \
				-l "127.0.0.1:$PORT" "${SESSION[@]}" \
				2>/dev/null 3>&- & ;;
		esac
		launched=$!
		wait_for bash -c "exec 4<>/dev/tcp/127.0.0.1/$PORT"
		run -0 s_client
		kill "$launched"
		[[ $output == *'221 2.0.0'* ]]
	done
}
