#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Two whole servers of ours, which find each other by MX.

setup() {
	load lib/smtpd
	setup_dir
	T=$BATS_TEST_TMPDIR
	printf '%s\n' \
		'a.test. 60 MX 10 mx.a.test.' 'b.test. 60 MX 10 mx.b.test.' \
		'mx.a.test. 60 A 127.0.0.1' 'mx.b.test. 60 A 127.0.0.1' >"$T/zone"
	chmod a+r "$T/zone"
	"${AS_USER[@]}" setpriv --pdeathsig TERM /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/dns_faults.py" "$T/zone" \
		>"$T/dns" 2>&1 3>&- &
	DNS_PID=$!
	wait_for grep -qE '^[0-9]+$' "$T/dns"
	RESOLVER=127.0.0.1:$(head -n 1 "$T/dns")
	PORT_a=$(free_port) PORT_b=$(free_port)
}

teardown() {
	local pid
	for pid in ${PID_a-} ${PID_b-}; do
		CHAIN_PID=$pid
		stop_chain
	done
	kill "$DNS_PID" 2>/dev/null || true
	if [[ -z ${BATS_TEST_COMPLETED-} ]]; then
		tail -n 20 "$T"/?/chain/log >&2
	fi
}

# start_server NAME PORT PORT-OF-THE-OTHER [SETTING...]: of NAME.test, below
# $T/NAME. They share an address, so a port has to tell them apart.
start_server() {
	local BATS_TEST_TMPDIR=$T/$1 PORT=$2
	as_user mkdir "$BATS_TEST_TMPDIR"
	start_chain "hostname=mx.$1.test" "local_domains=$1.test" \
		"resolver=$RESOLVER" "smtp_port=$3" mx_loopback=allow \
		max_messages=100000 "${@:4}"
	printf -v "PID_$1" %s "$CHAIN_PID"
}

@test "two chains: 1,000 messages each way arrive once and as they were" {
	start_server a "$PORT_a" "$PORT_b"
	start_server b "$PORT_b" "$PORT_a"
	as_user mkdir -p "$T"/{a,b}/chain/mail/user/Maildir/new
	/usr/bin/python3 "$SMTPD_TOP/tests/tools/exchange.py" 1000 \
		"$PORT_a" a.test "$T/a/chain/mail/user/Maildir" \
		"$PORT_b" b.test "$T/b/chain/mail/user/Maildir" >&2
	for name in a b; do
		wait_for queue_is_empty "$T/$name/chain/queue"
		grep -q 'event=delivered rcpt=<user@[ab].test> .*host=mx.* tls="TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 unverified"' \
			"$T/$name/chain/log"
		run ! grep -E 'event=(deferred|failed|bounced|crash)' \
			"$T/$name/chain/log"
		# There is no TLS on the way to a mailbox.
		run ! grep -E 'event=delivered .* user=.* tls=' \
			"$T/$name/chain/log"
	done
	# By TLS, and by MX.
	grep -qx 'udp b.test MX' "$T/dns"
	grep -q '^Received: from mx.a.test .*ESMTPS' \
		<(cat "$T"/b/chain/mail/user/Maildir/new/* | tr -d '\n' |
			sed 's/Received:/\n&/g')
}
