#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# TLS with real clients, through the whole chain, confined in earnest.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets
# variables

# One chain for all: two certificates of its own name, two of others.
setup_file() {
	load lib/smtpd
	load lib/tls
	export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
	setup_dir
	export TLS=$BATS_FILE_TMPDIR/certs
	as_user mkdir "$TLS"
	make_cert ec ec mail.example.com
	make_cert rsa rsa mail.example.com
	make_cert other ec mx.example.net
	make_cert wild rsa '*.example.org' example.org
	start_chain "tls_timeout=2" \
		"tls_cert=$TLS/ec.pem $TLS/rsa.pem $TLS/other.pem $TLS/wild.pem" \
		"tls_key=$TLS/ec.key $TLS/rsa.key $TLS/other.key $TLS/wild.key"
	export CHAIN PORT CHAIN_PID
}

teardown_file() {
	load lib/smtpd
	BATS_TEST_COMPLETED=1 stop_chain
}

setup() {
	load lib/smtpd
	load lib/tls
	RECEIVED='ESMTPS.*\(TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256\)'
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED-}" ] || tail -n 20 "$CHAIN/log" >&2
}

tool() {
	timeout 120 /usr/bin/python3 "$SMTPD_TOP/tests/tools/tls.py" "$@"
}

# arrives SUBJECT [ADDRESS]: with what Received says of TLS.
arrives() {
	wait_for is_there "$1"
	grep -zqE "$RECEIVED" <<<"$(tr -d '\r\n\t' <"$(is_there "$1")")"
}

is_there() {
	grep -rlx "Subject: $1.\\?" "$(maildir)/new"
}

send() {
	swaks --silent 2 --from a@example.org --to user@example.com \
		--header "Subject: $1" --server "127.0.0.1:$2" "${@:3}"
}

# --- clients ----------------------------------------------------------------

@test "tls: swaks, STARTTLS and from the first octet" {
	send 'swaks starttls' "$PORT" --tls
	arrives 'swaks starttls'
	send 'swaks at once' $((PORT + 1)) --tls-on-connect --auth-user user \
		--auth-password secret --from user@example.com
	arrives 'swaks at once'
}

@test "tls: curl, STARTTLS and from the first octet" {
	for url in "smtp://127.0.0.1:$PORT" "smtps://127.0.0.1:$((PORT + 1))"; do
		printf 'Subject: curl %s\r\n\r\nx\r\n' "${url%%:*}" |
			curl -sS --ssl-reqd -k "$url" --user user:secret \
			--mail-from user@example.com --mail-rcpt \
			user@example.com -T -
		arrives "curl ${url%%:*}"
	done
}

@test "tls: Python's smtplib verifies the certificate and its name" {
	/usr/bin/python3 - "$PORT" "$TLS/ec.pem" <<-'PY'
	import smtplib, ssl, sys
	port, ca = int(sys.argv[1]), sys.argv[2]
	text = b"Subject: python %s\r\n\r\nx\r\n"
	c = ssl.create_default_context(cafile=ca)
	class Named(smtplib.SMTP):
	    def starttls(self, **more):
	        self._host = "mail.example.com"
	        return super().starttls(**more)
	with Named("127.0.0.1", port) as s:
	    s.starttls(context=c)
	    assert s.sock.version() == "TLSv1.2"
	    s.sendmail("a@example.org", ["user@example.com"], text % b"starttls")
	c.check_hostname = False
	with smtplib.SMTP_SSL("127.0.0.1", port + 1, context=c) as s:
	    s.login("user", "secret")
	    s.sendmail("user@example.com", ["user@example.com"], text % b"at once")
	PY
	arrives 'python starttls'
	arrives 'python at once'
}

@test "tls: gnutls-cli, STARTTLS and from the first octet" {
	run -0 gnutls-cli --no-ca-verification --starttls-proto=smtp \
		--port="$PORT" 127.0.0.1 < <(say 'EHLO c' QUIT)
	[[ $output == *'TLS1.2'*'ECDHE'* && $output == *'221 2.0.0'* ]]
	run -0 gnutls-cli --no-ca-verification --port=$((PORT + 1)) \
		127.0.0.1 < <(say 'EHLO c' QUIT)
	[[ $output == *'220 mail'* && $output == *'221 2.0.0'* ]]
}

@test "tls: a message of 10 MB arrives, byte for byte" {
	{
		printf 'Subject: large\n\n'
		head -c 7000000 /dev/urandom | base64 -w 76
	} >"$BATS_TEST_TMPDIR/large"
	sed 's/$/\r/' "$BATS_TEST_TMPDIR/large" | curl -sS --ssl-reqd -k \
		"smtp://127.0.0.1:$PORT" --mail-from a@example.org \
		--mail-rcpt postmaster@example.com -T -
	wait_for has_mail "$(maildir postmaster)" 1
	arrived_exactly "$BATS_TEST_TMPDIR/large" \
		"$(only_mail "$(maildir postmaster)")"
}

# --- what is spoken ---------------------------------------------------------

@test "tls: only TLS 1.2" {
	for version in -tls1 -tls1_1 -tls1_3; do
		run s_client "$version" -cipher DEFAULT@SECLEVEL=0
		[[ $output == *'Cipher is (NONE)'* && $output != *'221 '* ]]
	done
	grep -q 'reason=.*protocol version older than TLS 1.2' "$CHAIN/log"
	run -0 s_client -tls1_2
	[[ $output == *'221 2.0.0'* ]]
	grep -q 'reason=.*TLS 1.3 is not supported' "$CHAIN/log"
}

@test "tls: six ciphers, and none of the weak" {
	for cipher in ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 \
	    ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-AES128-GCM-SHA256 \
	    ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-CHACHA20-POLY1305; do
		run -0 s_client -tls1_2 -cipher "$cipher"
		[[ $output == *"Cipher is $cipher"* ]]
		wait_for grep -q "tls=\"TLSv1.2 $cipher\"" "$CHAIN/log"
	done
	for cipher in AES128-GCM-SHA256 AES128-SHA ECDHE-RSA-AES128-SHA256 \
	    ECDHE-ECDSA-AES256-SHA DHE-RSA-AES128-GCM-SHA256 NULL aNULL \
	    ECDHE-ECDSA-AES128-CCM; do
		run s_client -tls1_2 -cipher "$cipher:@SECLEVEL=0"
		[[ $output == *'alert handshake failure'* ]]
	done
}

@test "tls: our order of ciphers counts, not the client's" {
	run -0 s_client -tls1_2 -cipher \
		ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256
	[[ $output == *'Cipher is ECDHE-ECDSA-AES128-GCM-SHA256'* ]]
}

@test "tls: no renegotiation" {
	run timeout 20 openssl s_client -connect "127.0.0.1:$PORT" \
		-starttls smtp -tls1_2 < <(
		sleep 0.2
		echo R
		sleep 0.5
	)
	[[ $output == *'no renegotiation'* ]]
}

# --- which certificate ------------------------------------------------------

# subject_of NAME [ARG...]: what stands in the certificate that we get.
subject_of() {
	local name=(-noservername)
	[ -z "$1" ] || name=(-servername "$1")
	s_client -tls1_2 "${name[@]}" "${@:2}" |
		sed -n 's/^subject=//p'
}

@test "tls: the certificate of the name that is asked for" {
	[ "$(subject_of '')" = 'CN = mail.example.com' ]
	[ "$(subject_of mail.example.com)" = 'CN = mail.example.com' ]
	[ "$(subject_of mx.example.NET)" = 'CN = mx.example.net' ]
	[ "$(subject_of www.example.org)" = 'CN = *.example.org' ]
	[ "$(subject_of a.b.example.org)" = 'CN = mail.example.com' ]
	[ "$(subject_of elsewhere.test)" = 'CN = mail.example.com' ]
}

@test "tls: RSA for who has no ECDSA, of another name if need be" {
	run -0 s_client -tls1_2 -sigalgs RSA+SHA256
	[[ $output == *'ECDHE-RSA-AES128-GCM-SHA256'* ]]
	[[ $output == *'subject=CN = mail.example.com'* ]]
	[ "$(subject_of mx.example.net -cipher ECDHE-RSA-AES128-GCM-SHA256)" = \
		'CN = mail.example.com' ]
	[ "$(subject_of www.example.org -cipher ECDHE-ECDSA-AES128-GCM-SHA256)" = \
		'CN = mail.example.com' ]
}

# --- the dialogue around it -------------------------------------------------

@test "tls: what was said in clear is forgotten, and TLS not offered twice" {
	tool forget "$PORT"
	run -1 grep liar "$CHAIN/log"
}

@test "tls: octets behind STARTTLS are never obeyed" {
	tool inject "$PORT"
	run -1 grep evil "$CHAIN/log"
	grep -q 'end="octets behind starttls"' "$CHAIN/log"
}

@test "tls: a client that closes its sending side is still answered" {
	tool half-close "$PORT"
}

# --- strangers --------------------------------------------------------------

@test "tls: 200 sessions at once" {
	tool crowd "$PORT" 200
	wait_for no_tls_left
	[ "$(grep -c 'event=queued.*protocol=ESMTPS' "$CHAIN/log")" -ge 200 ]
}

@test "tls: a client that vanishes anywhere in the handshake leaves nothing" {
	tool vanish "$PORT" "$([ -n "${SMTPD_TORTURE-}" ] && echo 1 || echo 7)"
	wait_for no_tls_left
}

@test "tls: a handshake drop by drop is cut" {
	tool slow "$PORT" 5
	grep -q 'reason=.*took too long' "$CHAIN/log"
}

@test "tls: what is no TLS on the port for TLS gets nothing" {
	run timeout 10 bash -c "exec 4<>/dev/tcp/127.0.0.1/$((PORT + 1))
		printf 'EHLO c\r\nMAIL FROM:<>\r\n' >&4; cat <&4"
	[[ $output != *250* && $output != *220* ]]
}

# All sessions of smtpd-tls are forks of one process: its random numbers must
# not be.
@test "tls: no two sessions have the same random numbers" {
	/usr/bin/python3 - "$((PORT + 1))" <<-'PY'
	import socket, ssl, sys
	port = int(sys.argv[1])

	def hello():
	    """ServerHello: the random, and the key exchange behind it."""
	    context = ssl.create_default_context()
	    context.check_hostname = False
	    context.verify_mode = ssl.CERT_NONE
	    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
	    tls = context.wrap_bio(incoming, outgoing)
	    try:
	        tls.do_handshake()
	    except ssl.SSLWantReadError:
	        pass
	    with socket.create_connection(("127.0.0.1", port), 20) as s:
	        s.sendall(outgoing.read())
	        octets = b""
	        while len(octets) < 43:
	            octets += s.recv(4096)
	    assert octets[0] == 22 and octets[5] == 2, octets[:6]
	    return octets[11:43]

	assert len({hello() for _ in range(200)}) == 200
	PY
}
