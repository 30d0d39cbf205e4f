#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The complete chain: from real clients' sockets to a Maildir.

setup() {
	load lib/smtpd
	setup_dir
	MESSAGE=$BATS_TEST_TMPDIR/message
	printf '%s\n' 'From: A Sender <a@example.org>' \
		'To: user@example.com' 'Subject: odd bytes' \
		'Date: Thu, 01 Jan 2026 00:00:00 +0000' \
		'Message-ID: <1@example.org>' 'MIME-Version: 1.0' \
		'Content-Type: text/plain; charset=utf-8' \
		'Content-Transfer-Encoding: 8bit' '' \
		'.a line that begins with a dot' '.' '..' \
		$'Gr\xc3\xbc\xc3\x9fe \t ' '' 'From the end' >"$MESSAGE"
	head -c -1 "$MESSAGE" >"$MESSAGE.swaks"		# it ends the line itself
}

teardown() {
	stop_chain
}

arrives_exactly() {
	wait_for has_mail "$(maildir)" 1
	wait_for queue_is_empty "$CHAIN/queue"
	arrived_exactly "$MESSAGE" "$(only_mail "$(maildir)")"
}

@test "chain: a message from swaks arrives, byte for byte" {
	start_chain
	swaks --silent 2 --server "127.0.0.1:$PORT" --from a@example.org \
		--to user@example.com --data "@$MESSAGE.swaks"
	arrives_exactly
	file=$(only_mail "$(maildir)")
	[ "$(sed -n 1p "$file")" = 'Return-Path: <a@example.org>' ]
	[ "$(sed -n 2p "$file")" = 'Delivered-To: user@example.com' ]
	grep -q '^Received: from' "$file"
}

@test "chain: a message from curl arrives, byte for byte" {
	start_chain
	sed 's/$/\r/' "$MESSAGE" | curl -sS "smtp://127.0.0.1:$PORT" \
		--mail-from a@example.org --mail-rcpt user@example.com -T -
	arrives_exactly
}

@test "chain: a message from Python's smtplib arrives, byte for byte" {
	start_chain
	python3 - "$PORT" "$MESSAGE" <<-'PY'
	import smtplib, sys
	with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as smtp:
	    # What is not text to smtplib it sends as it is: CRLF is up to us.
	    lines = open(sys.argv[2], "rb").read().replace(b"\n", b"\r\n")
	    assert not smtp.sendmail("a@example.org", ["user@example.com"],
	        lines, ["BODY=8BITMIME"])
	PY
	arrives_exactly
}

@test "chain: a message from msmtp arrives, byte for byte" {
	start_chain
	msmtp --host=127.0.0.1 --port="$PORT" --from=a@example.org --tls=off \
		--auth=off user@example.com <"$MESSAGE"
	arrives_exactly
}

@test "chain: a message from sendmail arrives" {
	start_chain
	as_user "$SMTPD_BIN/sendmail" -c "$CHAIN/smtpd.conf" -oi \
		-f a@example.org user@example.com <"$MESSAGE"
	wait_for has_mail "$(maildir)" 1
	arrived_exactly "$MESSAGE" "$(only_mail "$(maildir)")"
}

@test "chain: two recipients, one of them an alias, get one each" {
	as_user mkdir -p "$BATS_TEST_TMPDIR/chain"
	echo 'sales: postmaster' | as_user tee "$BATS_TEST_TMPDIR/chain/aliases"
	start_chain
	swaks --silent 2 --server "127.0.0.1:$PORT" --from a@example.org \
		--to user@example.com,sales@example.com
	wait_for has_mail "$(maildir user)" 1
	wait_for has_mail "$(maildir postmaster)" 1
	wait_for queue_is_empty "$CHAIN/queue"
	[ "$(maildir_count "$(maildir user)")" -eq 1 ]
	[ "$(maildir_count "$(maildir postmaster)")" -eq 1 ]
}

@test "chain: strangers cannot relay, and nobody unknown is taken" {
	start_chain
	run swaks --server "127.0.0.1:$PORT" --from a@example.com \
		--to b@elsewhere.example
	[ "$status" -ne 0 ]
	[[ $output == *"550 5.7.1 Relay access denied"* ]]
	run swaks --server "127.0.0.1:$PORT" --from a@example.org \
		--to nosuchuser@example.com
	[ "$status" -ne 0 ]
	[[ $output == *"550 5.1.1"* ]]
	[ "$(queue_count "$CHAIN/queue")" -eq 0 ]
}

@test "chain: a message of 10 MB arrives" {
	{
		printf 'Subject: large\n\n'
		head -c 7000000 /dev/urandom | base64 -w 76
	} >"$MESSAGE"
	start_chain
	sed 's/$/\r/' "$MESSAGE" | curl -sS "smtp://127.0.0.1:$PORT" \
		--mail-from a@example.org --mail-rcpt user@example.com -T -
	arrives_exactly
}

# flood MESSAGES CLIENTS PER-CONNECTION: each message that got a 250 is in the
# Maildir once, and no other.
flood() {
	python3 "$SMTPD_TOP/tests/tools/flood.py" "$PORT" "$1" "$2" "$3" \
		user@example.com >"$BATS_TEST_TMPDIR/accepted"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/accepted")" -eq "$1" ]
	WAIT_SECONDS=120 wait_for queue_is_empty "$CHAIN/queue"
	find "$(maildir)/new" -type f -exec grep -h '^X-Flood: ' {} + |
		cut -d ' ' -f 2 | sort -n >"$BATS_TEST_TMPDIR/delivered"
	cmp "$BATS_TEST_TMPDIR/accepted" "$BATS_TEST_TMPDIR/delivered"
}

@test "chain: 10,000 messages from 100 clients at once, counted" {
	start_chain
	flood "$([ -n "${SMTPD_TORTURE-}" ] && echo 10000 || echo 1000)" 100 1
}

@test "chain: 100 clients with many messages each, counted" {
	start_chain
	flood "$([ -n "${SMTPD_TORTURE-}" ] && echo 10000 || echo 1000)" 100 10
}

@test "chain: forged results are left out, and nothing else" {
	start_chain
	{
		printf '%s\r\n' 'Authentication-RESULTS: (x)' \
			' MAIL.example.com; spf=pass'
		sed 's/$/\r/' "$MESSAGE"
	} | curl -sS "smtp://127.0.0.1:$PORT" --mail-from a@example.org \
		--mail-rcpt user@example.com -T -
	arrives_exactly
}

@test "chain: 100 clients at once, and a judge that is silent: all arrive" {
	start_chain helper_timeout=10 judge_timeout=2
	chain_kill STOP judge
	flood 100 100 1
	chain_kill CONT judge
	[ "$(grep -c 'event=no-advice by=judge ' "$CHAIN/log")" -eq 100 ]
	[ "$(grep -c 'event=queued .* unjudged=yes ' "$CHAIN/log")" -eq 100 ]
	[ "$(cat "$(maildir)"/new/* | grep -c '^	spf=temperror')" -eq 100 ]
}

@test "chain: relay_clients relay in clear and under TLS, and are not judged" {
	command -v openssl >/dev/null || skip_loudly 'openssl is not installed'
	start_chain relay_clients=127.0.0.0/8
	# Without a certificate there is no TLS to relay under.
	[ -e "$CHAIN/tls/cert.pem" ]
	n=0
	for how in '' --tls; do
		n=$((n + 1))
		# shellcheck disable=SC2086 # none, or one
		swaks --silent 2 $how --server "127.0.0.1:$PORT" \
			--from a@example.com --data "@$MESSAGE.swaks" \
			--to "x$n@external.test,user@example.com"
		grep -q "event=queued entrance=relay .*ip=127.0.0.1 .*to=<x$n@external.test>" \
			"$CHAIN/log"
	done
	[ "$(grep -c 'event=queued entrance=relay .* tls=' "$CHAIN/log")" -eq 1 ]
	wait_for has_mail "$(maildir)" 2
	run -1 grep -rl '^Authentication-Results: ' "$(maildir)"
	run -1 grep -q 'entrance=in' "$CHAIN/log"
}

@test "chain: an abandoned message is not queued, and is in nobody's way" {
	start_chain
	python3 - "$PORT" <<-'PY'
	import socket, sys
	c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
	f = c.makefile("rb")
	def say(line, code=b"250"):
	    c.sendall(line)
	    while True:
	        got = f.readline()
	        assert got.startswith(code), (line, got)
	        if got[3:4] == b" ":
	            return got
	begin = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<user@example.com>\r\n"
	assert f.readline().startswith(b"220")
	for end in b"RSET\r\n", b"EHLO d\r\n", b"HELO d\r\n", b"RSET\r\nRSET\r\n":
	    say(b"EHLO c\r\n")
	    say(begin); f.readline()
	    say(end)
	    if end.count(b"\n") > 1: f.readline()
	ids = []
	for n in range(3):
	    say(begin); f.readline()
	    say(b"DATA\r\n", b"354")
	    ids.append(say(b"Subject: %d\r\n\r\nx\r\n.\r\n" % n).split()[-1])
	    say(begin); f.readline()
	    say(b"RSET\r\n")
	assert len(set(ids)) == 3, ids
	say(begin); f.readline()
	c.sendall(b"QUIT\r\n")
	f.read()
	PY
	wait_for has_mail "$(maildir)" 3
	wait_for queue_is_empty "$CHAIN/queue"
	[ "$(maildir_count "$(maildir)")" -eq 3 ]
	[ "$(grep -c 'event=queued' "$CHAIN/log")" -eq 3 ]
	run -1 grep -E 'event=refused|fatal|died' "$CHAIN/log"
}

# What a killed delivery left waits for its next try: that is now.
try_now_until_empty() {
	chain_kill HUP send
	queue_is_empty "$CHAIN/queue"
}

@test "chain: residents killed under load: what got a 250 arrives" {
	rounds=$([ -n "${SMTPD_TORTURE-}" ] && echo 50 || echo 5)
	start_chain
	python3 "$SMTPD_TOP/tests/tools/flood.py" "$PORT" $((rounds * 200)) 10 \
		5 user@example.com again >"$BATS_TEST_TMPDIR/accepted" 3>&- &
	flood=$!
	for ((i = 1; i <= rounds; i++)); do
		wait_for has_mail "$(maildir)" $((i * 20))
		chain_kill KILL rcpt judge queue lspawn send local
	done
	wait "$flood"
	WAIT_SECONDS=60 wait_for try_now_until_empty
	find "$(maildir)/new" "$(maildir)/cur" -type f \
		-exec grep -h '^X-Flood: ' {} + | cut -d ' ' -f 2 | sort -n |
		uniq >"$BATS_TEST_TMPDIR/delivered"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/accepted")" -eq $((rounds * 200)) ]
	cmp "$BATS_TEST_TMPDIR/accepted" "$BATS_TEST_TMPDIR/delivered"
}

@test "chain: stopped and started, it delivers what it had accepted" {
	start_chain
	chain_kill STOP send
	swaks --silent 2 --server "127.0.0.1:$PORT" --from a@example.org \
		--to user@example.com --data "@$MESSAGE.swaks"
	[ "$(queue_count "$CHAIN/queue")" -eq 1 ]
	stop_chain
	[ "$(queue_count "$CHAIN/queue")" -eq 1 ]
	start_chain
	arrives_exactly
}
