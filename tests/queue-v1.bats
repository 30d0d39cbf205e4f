#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# A queue of format version 1 as released programs have left it is read: it is
# in data/queue-v1. Those wrote it by the injection conversation of their time,
# in which smtpd-verify and smtpd-submit had changed the messages before.

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	SINK_PID='' SEND_PID=''
	mapfile -t IDS < <(cd "$BATS_TEST_DIRNAME/data/queue-v1" &&
		find new msg -type f ! -name '*.log' -printf '%f\n' | sort)
	[[ ${#IDS[@]} -eq 7 ]]
}

teardown() {
	stop_chain
	[[ -z $SINK_PID ]] || kill "$SINK_PID" 2>/dev/null || true
	[[ -z $SEND_PID ]] || kill "$SEND_PID" 2>/dev/null || true
}

# take_over DIR: that queue, with the modes that a checkout does not keep.
take_over() {
	mkdir -p "$1"
	cp -R "$BATS_TEST_DIRNAME"/data/queue-v1/{new,msg} "$1"
	find "$1" -type d -exec chmod 700 {} +
	find "$1" -type f -exec chmod 400 {} +
	find "$1" -type f -name '*.log' -exec chmod 600 {} +
	[[ $(id -u) -ne 0 ]] || chown -R "$TEST_UID:$TEST_UID" "$1"
}

file_of() {
	find "$BATS_TEST_TMPDIR/v1" -name "$1" -type f
}

# text_of ID: what its recipients are to get.
text_of() {
	as_user python3 - "$SMTPD_TOP/tests/tools" "$(file_of "$1")" <<-'EOT'
	import sys
	sys.path.insert(0, sys.argv[1])
	sys.dont_write_bytecode = True
	from queuefile import Message
	m = Message(sys.argv[2])
	top = [p for t, p in m.frames() if t == b"H"]
	sys.stdout.buffer.write(b"".join(reversed(top)) + m.body)
	EOT
}

@test "queue v1: each file is whole" {
	take_over "$BATS_TEST_TMPDIR/v1"
	for id in "${IDS[@]}"; do
		[[ $(queue_tool state "$(file_of "$id")") == "whole $id" ]]
		text_of "$id" >"$BATS_TEST_TMPDIR/text"
	done
}

@test "queue v1: sendmail and smtpd-ctl list it" {
	take_over "$Q"
	run -0 as_user "$SMTPD_BIN/sendmail" -C "$CONF" -bp
	for id in "${IDS[@]}"; do
		[[ $output == *"$id"* ]]
	done
	[[ $output == *'<"q s"@away.example>'* ]]
	[[ $output == *'451 4.4.1 Cannot connect: Connection refused'* ]]
	for name in rcpt lspawn remote bouncer control; do
		echo "$name = $BATS_TEST_TMPDIR/$name" >>"$CONF"
	done
	# Nobody is there to deliver it.
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-send" -c "$CONF" </dev/null \
		>"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	SEND_PID=$!
	wait_for grep event=started "$BATS_TEST_TMPDIR/log"
	run -0 as_user "$SMTPD_BIN/smtpd-ctl" -c "$CONF" list
	for id in "${IDS[@]}"; do
		[[ $output == *"$id"* ]]
	done
	run -0 as_user "$SMTPD_BIN/smtpd-ctl" -c "$CONF" show \
		06616738677514ca7b6f8a
	for fact in '82 octets' '<a@client.example>' entrance=in ip=192.0.2.1 \
	    helo=client.example protocol=ESMTPS \
	    'tls=TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256' '<user@example.com>' \
	    '<postmaster@example.com>'; do
		[[ $output == *"$fact"* ]]
	done
	run -0 as_user "$SMTPD_BIN/smtpd-ctl" -c "$CONF" show \
		0661673837c49431e1c9bf
	[[ $output == *'<later@slow.example>'* ]]
	[[ $output == *'<user@example.com>'*' delivered'* ]]
	[[ $output == *'<nobody-here@example.com>'*' bounced'* ]]
}

@test "queue v1: all of it comes where it was to come" {
	local port chain=$BATS_TEST_TMPDIR/chain
	take_over "$BATS_TEST_TMPDIR/v1"
	as_user mkdir "$chain" "$BATS_TEST_TMPDIR/sink"
	take_over "$chain/queue"
	port=$(free_port)
	"${AS_USER[@]}" /usr/bin/python3 \
		"$BATS_TEST_DIRNAME/torture/sink.py" "$port" \
		"$BATS_TEST_TMPDIR/sink" 3>&- &
	SINK_PID=$!
	start_chain mx_loopback=allow \
		"routes=away.example=[127.0.0.1]:$port slow.example=[127.0.0.1]:$port"
	wait_for queue_is_empty "$chain/queue"
	run ! grep -E 'event=(failed|bounced|expired|held|torn)' "$chain/log"
	# ID MAILBOX...: in each, below the fields of the delivery.
	while read -r id boxes; do
		text_of "$id" | tr -d '\r' >"$BATS_TEST_TMPDIR/text"
		for box in $boxes; do
			file=$(find "$chain/mail/$box" -type f -name "*$id*")
			tail -n "+$(($(grep -n '^Delivered-To: ' "$file" |
				head -n 1 | cut -d: -f1) + 1))" "$file" |
				cmp - "$BATS_TEST_TMPDIR/text"
		done
	done <<-'EOT'
	06616738677514ca7b6f8a user/Maildir/new postmaster/Maildir/new
	0661673867e573f2b48db0 user/Maildir/.Junk/new
	0661673868c75c692f451b user/Maildir/new
	0661673869422596b547ce postmaster/Maildir/new
	0661673869b38998338500 user/Maildir/new
	EOT
	[[ $(find "$chain/mail" -type f -path '*/Maildir/*new/*' | wc -l) -eq 6 ]]
	# and at the other host
	while read -r id to; do
		file=$(grep -lF "$to" "$BATS_TEST_TMPDIR"/sink/*)
		tail -n +2 "$file" | tr -d '\r' |
			cmp - <(text_of "$id" | tr -d '\r')
	done <<-'EOT'
	066167386858071fc882bb far@away.example
	0661673868c75c692f451b s"@away.example
	0661673837c49431e1c9bf later@slow.example
	EOT
	[[ $(find "$BATS_TEST_TMPDIR/sink" -type f | wc -l) -eq 3 ]]
}
