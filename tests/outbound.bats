#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# What users hand in, and what becomes of it at other hosts.

setup() {
	load lib/smtpd
	setup_dir
	export PYTHONDONTWRITEBYTECODE=1
}

teardown() {
	stop_chain
	[[ -z ${SINK_PID-} ]] || kill "$SINK_PID"
}

# start_sink ADDRESS=SCRIPT...: sets SINK, its port.
start_sink() {
	"${AS_USER[@]}" setpriv --pdeathsig TERM /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/sink.py" "$@" \
		>"$BATS_TEST_TMPDIR/sink" 2>&1 3>&- &
	SINK_PID=$!
	wait_for grep -qE '^[0-9]+$' "$BATS_TEST_TMPDIR/sink"
	SINK=$(<"$BATS_TEST_TMPDIR/sink")
}

# The fields of the one report in the Maildir, by Python's parser and ours.
report() {
	wait_for has_mail "$(maildir)" 1
	file=$(only_mail "$(maildir)")
	[ "$(sed -n 1p "$file")" = 'Return-Path: <>' ]
	/usr/bin/python3 "$SMTPD_TOP/tests/tools/report.py" \
		< <(sed 's/$/\r/' "$file") | tee /dev/stderr
}

@test "outbound: who used sendmail gets his bounce" {
	start_sink '127.0.0.1=rcpt=250 ok; 550 5.2.1 <gone> has moved; 450 4.3.0 x | ehlo=250-sink\r\n250 8BITMIME'
	start_chain "routes=away.test=[127.0.0.1]:$SINK"
	printf 'Subject: to them\nX-Mine: yes\n\nHello.\n' |
		as_user "$SMTPD_BIN/sendmail" -c "$CHAIN/smtpd.conf" \
		-f user here@away.test gone@away.test
	text=$(report)
	grep -qE '^to .*user@' <<<"$text"
	grep -qx 'mta mail.example.com' <<<"$text"
	grep -qx 'rcpt 0 final gone@away.test' <<<"$text"
	grep -qx 'rcpt 0 action failed' <<<"$text"
	grep -qx 'rcpt 0 status 5.2.1' <<<"$text"
	grep -qx 'rcpt 0 said 550 5.2.1 <gone> has moved' <<<"$text"
	grep -qE '^rcpt 0 mta ' <<<"$text"
	grep -qx 'header Subject: to them' <<<"$text"
	grep -qx 'header X-Mine: yes' <<<"$text"
	run ! grep -E '^rcpt 1|here@away' <<<"$text"
	wait_for queue_is_empty "$CHAIN/queue"
	# Mail and bounce are in balance, or it could not say so.
	as_user "$SMTPD_BIN/smtpd-audit" -c "$CHAIN/smtpd.conf" "$CHAIN/log"
}

@test "outbound: who used sendmail hears of what is given up at once, too" {
	start_sink '127.0.0.1=data=554 5.6.0 no such content here'
	start_chain "routes=away.test=[127.0.0.1]:$SINK" mx_loopback=refuse
	printf 'Subject: x\n\nHello.\n' |
		as_user "$SMTPD_BIN/sendmail" -c "$CHAIN/smtpd.conf" \
		-f user a@away.test b@away.test
	text=$(report)
	for n in 0 1; do
		grep -qx "rcpt $n status 5.6.0" <<<"$text"
		grep -qx "rcpt $n said 554 5.6.0 no such content here" <<<"$text"
	done
}

@test "outbound: no message becomes two, and no bare CR or LF leaves" {
	sink=$(free_port)
	start_chain "routes=away.test=[127.0.0.1]:$sink" \
		auth_without_tls=yes max_errors=10000 max_messages=100000
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/smuggle.py" 200 \
		"$sink" "$PORT" you@away.test \
		"$SMTPD_BIN/sendmail" -c "$CHAIN/smtpd.conf" >&2
	wait_for queue_is_empty "$CHAIN/queue"
}
