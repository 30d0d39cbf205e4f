#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-session: the SMTP dialogue, with helpers that do as they are told.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets
# variables

load lib/smtpd
load lib/session

setup() {
	setup_session
	PIDS=()
}

teardown() {
	teardown_session
	[[ ${#PIDS[@]} -eq 0 ]] || kill "${PIDS[@]}" || true
	[[ ${#PIDS[@]} -eq 0 ]] || wait "${PIDS[@]}" || true
}

# --- what the dialogues say -------------------------------------------------

@test "session: greeting, EHLO, HELO and the small commands" {
	dialogue hello.txt
}

@test "session: each command in each state" {
	dialogue order.txt
}

@test "session: MAIL and its parameters" {
	dialogue mail.txt
}

@test "session: RCPT, and nobody relays" {
	dialogue rcpt.txt
	grep -qF 'event=refused ip=unknown helo=localhost stage=rcpt reply="550 5.7.1 Relay access denied" from=<user@example.com>' "$LOG"
	grep -qF 'rcpt=x@external.test' "$LOG"
}

@test "session: the text of messages" {
	dialogue data.txt
	dialogue --tcp data.txt
	dialogue --pipe data.txt
}

@test "session: command lines and their ends" {
	dialogue lines.txt
}

@test "session: pipelining in any grouping" {
	dialogue pipelining.txt
	dialogue --octets pipelining.txt
	dialogue --split pipelining.txt
}

@test "session: a talker before the greeting is dropped politely" {
	dialogue early.txt
	dialogue --tcp early.txt
}

@test "session: an HTTP verb ends it" {
	dialogue http.txt
	dialogue --tcp http.txt
}

# --- smuggling --------------------------------------------------------------

@test "session: no false end of data makes a second message, however cut" {
	dialogue --split smuggling.txt
	frames >"$BATS_TEST_TMPDIR/frames"
	[ "$(grep -c '^S ' "$BATS_TEST_TMPDIR/frames")" -gt 1000 ]
	[ "$(grep -c '^S ' "$BATS_TEST_TMPDIR/frames")" = \
		"$(grep -c '^A $' "$BATS_TEST_TMPDIR/frames")" ]
	run -1 grep '^E $' "$BATS_TEST_TMPDIR/frames"
}

@test "session: no false end of data, octet by octet" {
	dialogue --octets smuggling.txt
	frames >"$BATS_TEST_TMPDIR/frames"
	run -1 grep '^E $' "$BATS_TEST_TMPDIR/frames"
}

@test "session: a good message is the same however it is cut" {
	dialogue --split honest.txt
	frames >"$BATS_TEST_TMPDIR/frames"
	# All B of a message joined, one line a message.
	awk '$1 == "B" { sub(/^B /, ""); body = body $0 }
		$1 == "E" { print body; body = "" }' \
		"$BATS_TEST_TMPDIR/frames" | sort | uniq -c >"$BATS_TEST_TMPDIR/bodies"
	cat "$BATS_TEST_TMPDIR/bodies"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/bodies")" -eq 1 ]
	read -r count body <"$BATS_TEST_TMPDIR/bodies"
	[ "$count" -gt 100 ]
	[ "$body" = 'S: x\r\n\r\n.\r\n.a\r\n..\r\nb.\r\n c\r\n\r\n' ]
}

# --- what the injector is told ----------------------------------------------

# says LINE...: plays one transaction with these lines in place of RCPT.
transaction() {
	{
		printf '== x\nS: 220 .*\nC: %s\nS* 250.*\n' "${HELLO:-EHLO client.example.org}"
		printf 'C: MAIL FROM:%s\nS: 250 .*\n' "${FROM:-<a@example.org>}"
		printf 'C: RCPT TO:%s\nS: 250 .*\n' "$@"
		printf 'C: DATA\nS: 354 .*\nC= %s.\\r\\n\nS: 250 .*\n' \
			'Subject: x\r\n\r\nbody\r\n'
		printf 'C: QUIT\nS: 221 .*\nS.\n'
	} >"$BATS_TEST_TMPDIR/transaction"
}

@test "session: the frames of a message, in order" {
	FROM='<@relay.example:a@example.org>  size=100  BODY=8BITMIME'
	transaction '<@r.example:user@example.com>' '<PoStMaStEr>' \
		'<USER+x@Example.NET>'
	dialogue --tcp "$BATS_TEST_TMPDIR/transaction"
	frames | grep -qxF 'fd 127.0.0.1'
	run grep -v '^fd ' <<<"$(frames)"
	[ "${lines[0]}" = 'C version=1' ]
	[[ ${lines[1]} =~ ^'C id='([0-9a-f]{22})$ ]]
	id=${BASH_REMATCH[1]}
	[ "${lines[2]}" = 'C peer=socket' ]
	[ "${lines[3]}" = 'C ip=127.0.0.1' ]
	[ "${lines[4]}" = 'C helo=client.example.org' ]
	[ "${lines[5]}" = 'C protocol=ESMTP' ]
	[ "${lines[6]}" = 'S <a@example.org> size=100 BODY=8BITMIME' ]
	[ "${lines[7]}" = 'R local <user@example.com>' ]
	[ "${lines[8]}" = 'R local <PoStMaStEr@example.com>' ]
	[ "${lines[9]}" = 'R local <USER+x@Example.NET>' ]
	[ "${lines[10]}" = 'B Subject: x\r\n\r\nbody\r\n' ]
	[[ ${lines[11]} == 'H Received: from client.example.org ([127.0.0.1])\r\n\tby mx.example.com (smtpd) with ESMTP id '$id';\r\n\t'[MTWFS]* ]]
	[[ ${lines[11]} != *' for '* ]]
	[ "${lines[12]}" = 'E ' ]
	[ "${lines[13]}" = 'EOF ' ]
	grep -qE '^id=- prog=smtpd-session event=session-end ip=127.0.0.1 helo=client.example.org messages=1 refused=0 end=quit$' "$LOG"
}

@test "session: Received names the one recipient, and HELO says SMTP" {
	HELLO='HELO client.example.org'
	transaction '<user@example.com>'
	dialogue "$BATS_TEST_TMPDIR/transaction"
	run frames
	[ "${lines[0]}" = 'C version=1' ]
	[ "${lines[2]}" = 'C helo=client.example.org' ]
	[ "${lines[3]}" = 'C protocol=SMTP' ]
	[[ $output =~ 'H Received: from client.example.org (unknown)\r\n\tby mx.example.com (smtpd) with SMTP id '[0-9a-f]{22}'\r\n\tfor <user@example.com>; '[MTWFS][a-z]{2}', '[0-9]{1,2}' '[A-Z][a-z]{2}' 20'[0-9]{2}' '[0-9:]{8}' +0000\r\n' ]]
}

@test "session: a recipient given twice is one" {
	transaction '<user@example.com>' '<user@example.com>' '<user@example.com>'
	dialogue "$BATS_TEST_TMPDIR/transaction"
	frames >"$BATS_TEST_TMPDIR/frames"
	[ "$(grep -c '^R ' "$BATS_TEST_TMPDIR/frames")" -eq 1 ]
	grep -qF 'for <user@example.com>;' "$BATS_TEST_TMPDIR/frames"
}

@test "session: nothing of a HELO name can begin another field" {
	# shellcheck disable=SC1003 # a backslash, as the dialogue writes it
	HELLO='EHLO a_b(c)<d>"e;f@[g:h]%n\\'
	transaction '<user@example.com>'
	dialogue "$BATS_TEST_TMPDIR/transaction"
	frames >"$BATS_TEST_TMPDIR/frames"
	grep -qF 'H Received: from a_b?c??d??e?f??g?h??n? (unknown)' \
		"$BATS_TEST_TMPDIR/frames"
}

@test "session: Received is folded at 78" {
	label=$(printf 'x%.0s' {1..60})
	HELLO="EHLO $label.$label.example"
	transaction "<user+${label:0:50}@example.com>"
	dialogue "$BATS_TEST_TMPDIR/transaction" -- -o "hostname=$label.example"
	frames | sed -n 's/^H //p' | sed 's/\\r\\n/\n/g' |
		sed 's/\\t/\t/g' >"$BATS_TEST_TMPDIR/field"
	cat "$BATS_TEST_TMPDIR/field"
	# Only the word that is longer by itself.
	[ "$(awk 'length > 78' "$BATS_TEST_TMPDIR/field" | wc -l)" -eq 1 ]
	run -1 grep -vE '^(Received:|	[^ 	])|^$' "$BATS_TEST_TMPDIR/field"
}

@test "session: of a launcher's word only the log and Received learn" {
	transaction '<user@example.com>'
	export TCPREMOTEIP=2001:db8::7
	dialogue --pipe "$BATS_TEST_TMPDIR/transaction" -- \
		-o relay_clients=2001:db8::/32
	frames >"$BATS_TEST_TMPDIR/frames"
	grep -qxF 'C ip=2001:db8::7' "$BATS_TEST_TMPDIR/frames"
	grep -qF '([IPv6:2001:db8::7])' "$BATS_TEST_TMPDIR/frames"
	grep -qF 'ip=2001:db8::7' "$LOG"
	cat >"$BATS_TEST_TMPDIR/relay" <<-'EOT'
	== it opens nothing
	S: 220 .*
	C: EHLO c
	S* 250.*
	C= MAIL FROM:<a@b.example>\r\nRCPT TO:<x@external.test>\r\nQUIT\r\n
	S: 250 .*
	S: 550 5\.7\.1 .*
	S: 221 .*
	EOT
	dialogue --pipe "$BATS_TEST_TMPDIR/relay" -- \
		-o relay_clients=2001:db8::/32
}

@test "session: who is told nothing by a socket believes nothing" {
	transaction '<user@example.com>'
	export TCPREMOTEIP=192.0.2.1 REMOTE_ADDR=192.0.2.1
	dialogue "$BATS_TEST_TMPDIR/transaction"
	run -1 grep '^C ip=' <<<"$(frames)"
}

@test "session: a client that is on descriptor 2 too is not told the log" {
	as_user /usr/bin/python3 - "${SESSION[@]}" <<-'PY'
	import socket, subprocess, sys
	for options in ([], ["-o", "no=such"]):
	    listener = socket.create_server(("127.0.0.1", 0))
	    ours = socket.create_connection(listener.getsockname())
	    theirs, _ = listener.accept()
	    p = subprocess.Popen(sys.argv[1:] + options, stdin=theirs,
	                         stdout=theirs, stderr=theirs)
	    theirs.close()
	    f = ours.makefile("rb")
	    said = [f.readline()]
	    if not options:
	        ours.sendall(b"EHLO c\r\nNOOP\0\r\nQUIT\r\n")
	    said += f.read().splitlines()
	    assert p.wait() == (100 if options else 0), p.returncode
	    assert all(line[:3].isdigit() for line in said), said
	    assert options or said[-1].startswith(b"221 "), said
	PY
}

# --- what it costs ------------------------------------------------------------

# writes N DIALOGUE: to the injector, of all that this dialogue is.
writes() {
	local n=$1 plain=("${SESSION[@]}")
	as_user mkdir -p "$BATS_TEST_TMPDIR/traces"
	SESSION=(strace -f -qq -e 'trace=connect,sendmsg'
		-o "$BATS_TEST_TMPDIR/traces/${2##*/}" "${SESSION[@]}")
	dialogue "$2"
	SESSION=("${plain[@]}")
	awk -v name="$FAKES/queue\"" '
		/connect\(/ && index($0, name) { split($0, a, /[(,]/); fd = a[2] }
		fd != "" && index($0, "sendmsg(" fd ",") { n++ }
		END { print n + 0 }' "$BATS_TEST_TMPDIR/traces/${2##*/}" \
		>"$BATS_TEST_TMPDIR/n"
	[ "$(cat "$BATS_TEST_TMPDIR/n")" -eq "$n" ]
}

@test "session: the injector is told in two writes, however many recipients" {
	[[ -z ${SMTPD_ASAN-} ]] || skip 'strace and sanitizers do not mix'
	command -v strace >/dev/null || skip_loudly 'strace is not installed'
	{
		printf '== x\nS: 220 .*\nC: EHLO c\nS* 250.*\n'
		printf 'C= MAIL FROM:<a@b.example>\\r\\n'
		printf 'RCPT TO:<user+%d@example.com>\\r\\n' {1..20}
		printf 'DATA\\r\\n\n'
		printf 'S# 21 | 250 .*\nS: 354 .*\nC= x\\r\\n.\\r\\n\nS: 250 .*\n'
		printf 'C: QUIT\nS: 221 .*\n'
	} >"$BATS_TEST_TMPDIR/many"
	writes 2 "$BATS_TEST_TMPDIR/many"
	[ "$(frames | grep -c '^R ')" -eq 20 ]
	transaction '<user@example.com>'
	writes 2 "$BATS_TEST_TMPDIR/transaction"
	# A message that is there at once is one write.
	{
		printf '== x\nS: 220 .*\nC: EHLO c\nS* 250.*\n'
		printf 'C: MAIL FROM:<>\nS: 250 .*\n'
		printf 'C: RCPT TO:<user@example.com>\nS: 250 .*\n'
		printf 'C: DATA\nS: 354 .*\nC= x\\r\\n.\\r\\n\nS: 250 .*\n'
		printf 'C= MAIL FROM:<>\\r\\nRCPT TO:<user@example.com>\\r\\n'
		printf 'RCPT TO:<postmaster>\\r\\nDATA\\r\\nx\\r\\n.\\r\\n\n'
		printf 'S# 3 | 250 .*\nS: 354 .*\nS: 250 .*\n'
		printf 'C: QUIT\nS: 221 .*\n'
	} >"$BATS_TEST_TMPDIR/next"
	writes 3 "$BATS_TEST_TMPDIR/next"
}

# --- a message that is begun, and given up ------------------------------------

# The tags alone, of all that an injector was told.
tags() {
	frames | cut -c 1 | tr -d '\n'
}

@test "session: who gives up after RCPT has told the injector, and tells it" {
	for end in QUIT RSET 'EHLO d' 'HELO d'; do
		: >"$FAKES/log"
		cat >"$BATS_TEST_TMPDIR/begun" <<-EOT
		== x
		S: 220 .*
		C: EHLO c
		S* 250.*
		C: MAIL FROM:<a@b.example>
		S: 250 .*
		C: RCPT TO:<nobody@example.com>
		S: 550 .*
		C: RCPT TO:<user@example.com>
		S: 250 .*
		C: $end
		S* 2.*
		half-close
		EOT
		dialogue "$BATS_TEST_TMPDIR/begun"
		[ "$(tags)" = CCCCSRAE ]		# the E is that of EOF
		run -1 grep -q '^E $' <<<"$(frames)"
	done
	# Without a recipient nothing was begun, and nothing is said.
	: >"$FAKES/log"
	cat >"$BATS_TEST_TMPDIR/none" <<-'EOT'
	== x
	S: 220 .*
	C: EHLO c
	S* 250.*
	C: MAIL FROM:<a@b.example>
	S: 250 .*
	C: RCPT TO:<nobody@example.com>
	S: 550 .*
	C: RSET
	S: 250 .*
	C: QUIT
	S: 221 .*
	EOT
	dialogue "$BATS_TEST_TMPDIR/none"
	[ "$(tags)" = E ]
}

@test "session: STARTTLS gives up too, and the next message is as ever" {
	cat >"$BATS_TEST_TMPDIR/begun" <<-'EOT'
	== x
	S: 220 .*
	C: EHLO c
	S* 250.*
	C: MAIL FROM:<a@b.example>
	S: 250 .*
	C: RCPT TO:<user@example.com>
	S: 250 .*
	C: STARTTLS
	S: 220 .*
	C: EHLO d
	S* 250.*
	C: MAIL FROM:<c@b.example>
	S: 250 .*
	C: RCPT TO:<user@example.com>
	S: 250 .*
	C: DATA
	S: 354 .*
	C= x\r\n.\r\n
	S: 250 .*
	C: QUIT
	S: 221 .*
	EOT
	dialogue --tcp "$BATS_TEST_TMPDIR/begun" -- -o tls_cert=/some.pem \
		-o tls_key=/some.key -o "tls=$FAKES/tls-plain"
	frames | grep -v '^fd ' >"$BATS_TEST_TMPDIR/frames"
	[ "$(cut -c 1 "$BATS_TEST_TMPDIR/frames" | tr -d '\n')" = \
		CCCCCCSRACCCCCCCSRBHEE ]
	[ "$(grep -c '^C peer=socket' "$BATS_TEST_TMPDIR/frames")" -eq 2 ]
	[ "$(frames | grep -c '^fd 127.0.0.1')" -eq 2 ]
	grep -qF 'S <c@b.example>' "$BATS_TEST_TMPDIR/frames"
}

@test "session: what is given up is not in the next message" {
	{
		printf '== x\nS: 220 .*\nC: EHLO c\nS* 250.*\n'
		printf 'C= MAIL FROM:<one@b.example>\\r\\nRCPT TO:<user+1@example.com>\\r\\nRSET\\r\\n\n'
		printf 'S# 3 | 250 .*\n'
		printf 'C: MAIL FROM:<two@b.example>\nS: 250 .*\n'
		printf 'C: RCPT TO:<user+2@example.com>\nS: 250 .*\n'
		printf 'C: RSET\nS: 250 .*\n'
		for n in 3 4; do
			printf 'C: MAIL FROM:<%s@b.example>\nS: 250 .*\n' $n
			printf 'C: RCPT TO:<user+%s@example.com>\nS: 250 .*\n' $n
			printf 'C: DATA\nS: 354 .*\nC= x\\r\\n.\\r\\n\nS: 250 2.0.0 .*\n'
			printf 'C= MAIL FROM:<>\\r\\nRCPT TO:<user@example.com>\\r\\nRSET\\r\\n\n'
			printf 'S# 3 | 250 .*\n'
		done
		printf 'C: QUIT\nS: 221 .*\n'
	} >"$BATS_TEST_TMPDIR/begun"
	dialogue --tcp "$BATS_TEST_TMPDIR/begun"
	frames >"$BATS_TEST_TMPDIR/frames"
	[ "$(grep -c '^A $' "$BATS_TEST_TMPDIR/frames")" -eq 4 ]
	[ "$(grep -c '^E $' "$BATS_TEST_TMPDIR/frames")" -eq 2 ]
	# Each message shows the socket again.
	[ "$(grep -c '^fd 127.0.0.1' "$BATS_TEST_TMPDIR/frames")" -eq 6 ]
	awk '$1 == "S" { s = $2 } $1 == "R" { r = r $3 } $1 == "A" { r = "" }
		$1 == "E" { print s, r; r = "" }' "$BATS_TEST_TMPDIR/frames" |
		diff - <(printf '<%d@b.example> <user+%d@example.com>\n' 3 3 4 4)
}

@test "session: a hundred messages on one connection, each with its own id" {
	{
		printf '== x\nS: 220 .*\nC: EHLO c\nS* 250.*\n'
		for n in {1..100}; do
			printf 'C= MAIL FROM:<>\\r\\nRCPT TO:<user+%s@example.com>\\r\\nDATA\\r\\n\n' $n
			printf 'S# 2 | 250 .*\nS: 354 .*\nC= x\\r\\n.\\r\\n\n'
			printf 'S: 250 2.0.0 .*\n'
		done
		printf 'C: QUIT\nS: 221 .*\n'
	} >"$BATS_TEST_TMPDIR/hundred"
	dialogue --tcp "$BATS_TEST_TMPDIR/hundred"
	frames >"$BATS_TEST_TMPDIR/frames"
	[ "$(grep -c '^EOF' "$BATS_TEST_TMPDIR/frames")" -eq 1 ]
	# Each has an id of its own, which is the one in its Received.
	sed -n 's/^C id=//p' "$BATS_TEST_TMPDIR/frames" >"$BATS_TEST_TMPDIR/ids"
	[ "$(sort -u "$BATS_TEST_TMPDIR/ids" | wc -l)" -eq 100 ]
	sed -n 's/^H .* id \([0-9a-f]*\).*/\1/p' "$BATS_TEST_TMPDIR/frames" |
		diff - "$BATS_TEST_TMPDIR/ids"
}

# --- an injector that wants to be asked ---------------------------------------

@test "session: an injector that wants to be asked says no to one alone" {
	dialogue --tcp ask.txt -- -o "injector=$FAKES/queue-ask"
	grep -qF 'stage=rcpt reply="550 5.7.1 Never, it says" from=<a@b.example> rcpt=user+never@example.com' "$LOG"
	grep -qF 'stage=rcpt reply="450 4.7.1 Later, it says" from=<later@b.example>' "$LOG"
	frames >"$BATS_TEST_TMPDIR/frames"
	# Behind every S and R, and nowhere else.
	[ "$(grep -c '^[SR] ' "$BATS_TEST_TMPDIR/frames")" -eq \
		"$(grep -A 1 '^[SR] ' "$BATS_TEST_TMPDIR/frames" | grep -c '^Q ')" ]
	[ "$(grep -c '^Q ' "$BATS_TEST_TMPDIR/frames")" -eq \
		"$(grep -c '^[SR] ' "$BATS_TEST_TMPDIR/frames")" ]
	# With one recipient left of three Received names it.
	grep -q '^H .*for <user@example.com>; ' "$BATS_TEST_TMPDIR/frames"
}

@test "session: one that wants to be asked and fails is 451, and the end" {
	for who in die odd; do
		dialogue "ask-fails.txt:at R, $who" "ask-fails.txt:at S, $who" -- \
			-o "injector=$FAKES/queue-ask"
	done
	dialogue 'ask-fails.txt:at R, mute' 'ask-fails.txt:at S, mute' -- \
		-o "injector=$FAKES/queue-ask" -o helper_timeout=1
	grep -qF 'smtpd-session: warning: injector: no answer in time' "$LOG"
	run -1 grep '^E $' <<<"$(frames)"
}

@test "session: the same with smtpd-queue, and an adviser of its own" {
	local d=$BATS_TEST_TMPDIR
	as_user mkdir -m 700 "$d/queue"
	as_user mkdir "$d/counsel"
	cat >"$d/counsel/plan" <<-'EOT'
	def ask(tag, payload):
	    if b"never" in payload:
	        return (b"X", b"550 5.7.1 Never, it says")
	    if b"later" in payload:
	        return (b"Z", b"450 4.7.1 Later, it says")
	    return (b"K", b"")
	EOT
	"${AS_USER[@]}" /usr/bin/python3 "$SMTPD_TOP/tests/tools/counsel.py" \
		listen "$d/adviser" "$d/counsel" 2>"$d/counsel.err" 3>&- &
	PIDS+=("$!")
	wait_for test -S "$d/adviser"
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" -m 0600 "$d/in" \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" -o "queue=$d/queue" \
		-o "wakeup=$d/wakeup" -o min_free=0 in \
		"counsel:ask,refuse:$d/adviser" 2>"$d/queue.log" 3>&- &
	PIDS+=("$!")
	wait_for test -S "$d/in"
	dialogue --tcp ask.txt -- -o "injector=$d/in"
	[ "$(grep -c 'event=queued entrance=in .* ip=127.0.0.1 ' \
		"$d/queue.log")" -eq 3 ]
	grep -q 'nrcpt=1 .* to=<user@example.com>$' "$d/queue.log"
	grep -q 'nrcpt=2 .* to=<user+2@example.com> to=<user+3@example.com>$' \
		"$d/queue.log"
	run -1 grep -E 'died|never|later' "$d/queue.log"
}

# --- relay_clients ----------------------------------------------------------

@test "session: relay_clients may relay, by a way of their own" {
	transaction '<user@example.com>' '<x@external.test>'
	dialogue --tcp "$BATS_TEST_TMPDIR/transaction" -- \
		-o relay_clients=127.0.0.0/8 -o injector=/nonexistent
	run -1 grep -F 'cannot open' "$LOG"
	[ ! -s "$FAKES/log" ]
	mv "$FAKES/relayed" "$FAKES/log"
	frames >"$BATS_TEST_TMPDIR/frames"
	# The descriptor may be noticed before the frame that it came with.
	[ "$(grep -m 1 '^C ' "$BATS_TEST_TMPDIR/frames")" = 'C version=1' ]
	grep -qx 'fd 127.0.0.1' "$BATS_TEST_TMPDIR/frames"
	grep -qx 'C peer=socket' "$BATS_TEST_TMPDIR/frames"
	grep -qxF 'R local <user@example.com>' "$BATS_TEST_TMPDIR/frames"
	grep -qxF 'R remote <x@external.test>' "$BATS_TEST_TMPDIR/frames"
}

@test "session: strangers have no way to relay, and show their socket too" {
	transaction '<user@example.com>'
	dialogue --tcp "$BATS_TEST_TMPDIR/transaction" -- \
		-o relay_clients=192.0.2.0/24 -o relay_injector=/nonexistent
	frames | grep -qx 'fd 127.0.0.1'
	frames | grep -qx 'C peer=socket'
	run -1 grep -F 'cannot open' "$LOG"
	[ ! -s "$FAKES/relayed" ]
}

@test "session: who comes over no TCP socket shows none" {
	transaction '<user@example.com>'
	dialogue "$BATS_TEST_TMPDIR/transaction" -- -o relay_clients=0.0.0.0/0
	dialogue --pipe "$BATS_TEST_TMPDIR/transaction" -- \
		-o relay_clients=0.0.0.0/0
	[ "$(frames | grep -c '^C version')" -eq 2 ]
	run -1 grep -E '^(C peer|fd)' <<<"$(frames)"
	[ ! -s "$FAKES/relayed" ]
}

@test "session: no relay_injector: 451 for its clients alone" {
	dialogue --tcp 'deferred.txt:no injector' -- \
		-o relay_clients=127.0.0.0/8 -o relay_injector=/nonexistent
	grep -qF "smtpd-session: warning: cannot open relay_injector '/nonexistent'" "$LOG"
}

# --- helpers that fail ------------------------------------------------------

@test "session: no injector: 451, and the log says which" {
	dialogue 'deferred.txt:no injector' -- -o injector=/nonexistent
	grep -qF "smtpd-session: warning: cannot open injector '/nonexistent'" "$LOG"
}

@test "session: no rcpt: 451, and the log says which" {
	dialogue 'deferred.txt:no rcpt' -- -o "rcpt=$FAKES/nothing"
	grep -qF "smtpd-session: warning: cannot open rcpt" "$LOG"
}

@test "session: rcpt that cannot tell" {
	dialogue 'deferred.txt:rcpt defers' -- -o "rcpt=$FAKES/rcpt-z"
}

@test "session: rcpt that dies, is mute or makes no sense" {
	dialogue 'deferred.txt:rcpt dies' -- -o "rcpt=$FAKES/rcpt-die"
	dialogue 'deferred.txt:rcpt dies' -- -o "rcpt=$FAKES/rcpt-odd"
	dialogue 'deferred.txt:rcpt dies' -- -o "rcpt=$FAKES/rcpt-mute" \
		-o helper_timeout=1
	grep -qF 'smtpd-session: warning: rcpt: no answer in time' "$LOG"
}

@test "session: an injector's Z and X are passed on word by word" {
	dialogue 'deferred.txt:the injector says try later' -- \
		-o "injector=$FAKES/queue-z"
	grep -qF 'stage=data reply="452 4.3.1 Disk full, it says"' "$LOG"
	dialogue 'deferred.txt:the injector says no' -- \
		-o "injector=$FAKES/queue-x"
}

@test "session: an injector that dies at any frame" {
	for tag in C S R B H E; do
		dialogue 'deferred.txt:the injector fails under the text' -- \
			-o "injector=$FAKES/queue-die-$tag"
	done
	for tag in S B; do
		dialogue 'deferred.txt:the injector fails under a long text' -- \
			-o "injector=$FAKES/queue-die-$tag"
	done
}

@test "session: an injector that dies between two recipients" {
	dialogue 'deferred.txt:the injector fails after RCPT' -- \
		-o "injector=$FAKES/queue-die-R"
}

@test "session: an injector that is gone or mute from the start" {
	dialogue 'deferred.txt:the injector fails at RCPT' -- \
		-o "injector=$FAKES/queue-gone"
	grep -qF 'smtpd-session: warning: injector: it has closed the connection' "$LOG"
	dialogue 'deferred.txt:the injector fails at RCPT' -- \
		-o "injector=$FAKES/queue-silent" -o helper_timeout=1
	grep -qF 'smtpd-session: warning: injector: no answer in time' "$LOG"
}

@test "session: an injector that greets late, or with a malformed greeting" {
	transaction '<user@example.com>'
	dialogue "$BATS_TEST_TMPDIR/transaction" -- \
		-o "injector=$FAKES/queue-slow"
	for kind in odd word; do
		dialogue 'deferred.txt:the injector fails at RCPT' -- \
			-o "injector=$FAKES/queue-w-$kind"
		grep -qF 'injector: malformed greeting' "$LOG"
	done
	dialogue 'deferred.txt:the injector fails at RCPT' -- \
		-o "injector=$FAKES/queue-w-junk"
}

@test "session: an injector that makes no sense" {
	for kind in odd other junk; do
		dialogue 'deferred.txt:the injector fails under the text' -- \
			-o "injector=$FAKES/queue-$kind"
	done
}

@test "session: an injector that does not answer" {
	dialogue 'deferred.txt:the injector fails under the text' -- \
		-o "injector=$FAKES/queue-mute" -o helper_timeout=1
	grep -qF 'smtpd-session: warning: injector: no answer in time' "$LOG"
}

@test "session: an injector that refuses and closes is heard" {
	dialogue 'deferred.txt:the injector refuses early, and is heard' -- \
		-o "injector=$FAKES/queue-x-die"
}

# --- limits -----------------------------------------------------------------

@test "session: max_errors" {
	for name in 'too many errors' 'a line that is none is an error too' \
	    'errors do not cut a transaction that has recipients' \
	    'but twice as many do'; do
		dialogue "limits.txt:$name" -- -o max_errors=3
	done
}

@test "session: max_messages, and commands without mail" {
	dialogue 'limits.txt:too many messages' -- -o max_messages=2
	dialogue 'limits.txt:too many commands and no mail'
}

@test "session: max_recipients, refused ones and doubles" {
	{
		printf '== x\nS: 220 .*\nC: EHLO c\nS* 250.*\n'
		printf 'C: MAIL FROM:<>\nS: 250 .*\n'
		printf 'C: RCPT TO:<nobody@example.com>\nS: 550 .*\n'
		printf 'C: RCPT TO:<user@example.com>\nS: 250 .*\n'
		printf 'C: RCPT TO:<user+%d@example.com>\nS: 250 .*\n' {1..98}
		printf 'C: RCPT TO:<user@example.com>\nS: 250 .*\n'
		printf 'C: RCPT TO:<user@example.com>\nS: 452 4\.5\.3 .*\n'
		printf 'C: RCPT TO:<x@external.test>\nS: 550 5\.7\.1 .*\n'
		printf 'C: DATA\nS: 354 .*\nC= x\\r\\n.\\r\\n\nS: 250 .*\n'
		printf 'C: QUIT\nS: 221 .*\n'
	} >"$BATS_TEST_TMPDIR/many"
	dialogue "$BATS_TEST_TMPDIR/many"
	[ "$(frames | grep -c '^R ')" -eq 99 ]
}

@test "session: a thousand recipients of the longest kind" {
	local label domain
	label=$(printf 'd%.0s' {1..63})
	domain=$label.$label.$label.${label:0:40}.example
	{
		printf '== x\nS: 220 .*\nC: EHLO c\nS* 250.*\n'
		printf 'C: MAIL FROM:<>\nS: 250 .*\n'
		printf "C: RCPT TO:<user+%03d@$domain>\nS: 250 .*\n" {1..999}
		printf 'C: RCPT TO:<postmaster>\nS: 250 .*\n'
		printf 'C: RCPT TO:<user@example.com>\nS: 452 .*\n'
		printf 'C: DATA\nS: 354 .*\nC= x\\r\\n.\\r\\n\nS: 250 .*\n'
		printf 'C: QUIT\nS: 221 .*\n'
	} >"$BATS_TEST_TMPDIR/many"
	dialogue "$BATS_TEST_TMPDIR/many" -- -o max_recipients=1000 \
		-o "local_domains=$domain example.com"
	[ "$(frames | grep -c '^R local <')" -eq 1000 ]
}

@test "session: max_size" {
	dialogue 'limits.txt:a text over the limit' -- -o max_size=64K
	dialogue --tcp 'limits.txt:a text without end' -- -o max_size=64K
	frames >"$BATS_TEST_TMPDIR/frames"
	[ "$(grep -c '^E $' "$BATS_TEST_TMPDIR/frames")" -eq 1 ]
	[ "$(grep -c '^A $' "$BATS_TEST_TMPDIR/frames")" -eq 2 ]
}

@test "session: time-outs" {
	dialogue 'limits.txt:waiting for a command' \
		'limits.txt:a command that comes drop by drop' -- \
		-o command_timeout=1
	dialogue 'limits.txt:waiting for more text' -- -o data_timeout=1
	[ "$(frames | grep -c '^E $')" -eq 0 ]
}

@test "session: 25 MiB go through constant memory" {
	[[ -z ${SMTPD_ASAN-} ]] || skip 'sanitizers need memory'
	{
		printf '== x\nS: 220 .*\nC: EHLO c\nS* 250.*\n'
		printf 'C: MAIL FROM:<>\nS: 250 .*\n'
		printf 'C: RCPT TO:<user@example.com>\nS: 250 .*\n'
		printf 'C: DATA\nS: 354 .*\n'
		printf 'R: 409600 | %062d\\r\\n\n' 0
		printf 'C= .\\r\\n\nS: 250 .*\nC: QUIT\nS: 221 .*\n'
	} >"$BATS_TEST_TMPDIR/large"
	# The data of the program itself are 0.6 MB of that.
	SESSION=(prlimit --data=1500000 -- "${SESSION[@]}")
	dialogue "$BATS_TEST_TMPDIR/large" -- -o max_size=30M
	[ "$(frames | sed -n 's/^B //p' | sed 's/\\r\\n/xx/g' | tr -d '\n' |
		wc -c)" -eq $((409600 * 64)) ]
}

@test "session: the end of file inside the text queues nothing" {
	dialogue 'data.txt:the end of file inside the text'
	[ "$(frames | grep -c '^S ')" -eq 1 ]
	[ "$(frames | grep -c '^E $')" -eq 0 ]
	grep -qF 'end="eof in data"' "$LOG"
}

# --- beginning and end ------------------------------------------------------

@test "session: SIGTERM between commands is answered at once" {
	cat >"$BATS_TEST_TMPDIR/term" <<-'EOT'
	== idle
	S: 220 .*
	term
	S: 421 4\.3\.2 .*
	S.
	== within a transaction
	S: 220 .*
	C= EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user@example.com>\r\n
	S* 250.*
	S: 250 .*
	S: 250 .*
	term
	S: 421 4\.3\.2 .*
	S.
	EOT
	dialogue "$BATS_TEST_TMPDIR/term"
	[ "$(grep -c 'end=stopped' "$LOG")" -eq 2 ]
	[ "$(frames | grep -c '^A $')" -eq 1 ]
}

@test "session: SIGTERM does not cut a message that is coming" {
	cat >"$BATS_TEST_TMPDIR/term" <<-'EOT'
	== in the text
	S: 220 .*
	C= EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user@example.com>\r\nDATA\r\n
	S* 250.*
	S: 250 .*
	S: 250 .*
	S: 354 .*
	C= Subject: x\r\n
	wait
	term
	C= \r\nbody\r\n.\r\nNOOP\r\n
	S: 250 2\.0\.0 Message accepted.*
	S: 421 4\.3\.2 .*
	S.
	EOT
	dialogue "$BATS_TEST_TMPDIR/term"
	[ "$(frames | grep -c '^E $')" -eq 1 ]
}

@test "session: a wrong configuration is 421, exit 100 and a line number" {
	echo 'max_size = many' >>"$CONF"
	run -100 --separate-stderr as_user "${SESSION[@]}" </dev/null
	[[ $output == '421 4.3.0 '* ]]
	[[ $stderr == "smtpd-session: fatal: $CONF:"[0-9]*": "*max_size* ]]
}

@test "session: a configuration that is not there is 421 and exit 111" {
	run -111 --separate-stderr as_user "$SMTPD_BIN/smtpd-session" \
		-c "$CONF.not" </dev/null
	[[ $output == '421 4.3.0 '* ]]
	[[ $stderr == *"cannot read '$CONF.not'"* ]]
}

@test "session: operands are wrong" {
	run -100 --separate-stderr as_user "${SESSION[@]}" x </dev/null
	[[ $stderr == *"'x' is not a role"* ]]
}

@test "session: root is refused" {
	[[ $(id -u) -eq 0 ]] || skip 'needs root to be refused'
	run -100 --separate-stderr "${SESSION[@]}" </dev/null
	[[ $stderr == *'must not run as root'* ]]
}

# greeted PORT NAME: does the session behind the port greet with this name?
greeted() {
	printf '== x\nS: 220 %s ESMTP\nC: QUIT\nS: 221 .*\nS.\n' "$2" \
		>"$BATS_TEST_TMPDIR/greeted"
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/dialogue.py" \
		--connect "127.0.0.1:$1" "$BATS_TEST_TMPDIR/greeted"
}

@test "session: on a listening socket each connection has its own" {
	local port
	port=$(free_port)
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "127.0.0.1:$port" \
		"${SESSION[@]}" 2>"$BATS_TEST_TMPDIR/listen" 3>&- &
	listener=$!
	wait_for greeted "$port" mx.example.com
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/dialogue.py" \
		--connect "127.0.0.1:$port" \
		"$SMTPD_TOP"/tests/dialogue/{hello,mail,rcpt,data}.txt
	[ "$(frames | grep -c '^E $')" -gt 5 ]
	frames | grep -qx 'fd 127.0.0.1'
	# A mistake in the file costs nobody: the last good settings go on.
	echo 'nonsense = 1' >>"$CONF"
	greeted "$port" mx.example.com
	wait_for grep "fatal: $CONF:[0-9]*: .*nonsense" "$BATS_TEST_TMPDIR/listen"
	greeted "$port" mx.example.com
	# Without it, a change counts.
	sed -i '/nonsense/d; s/^hostname = .*/hostname = new.example.com/' "$CONF"
	wait_for greeted "$port" new.example.com
	kill "$listener"
	wait "$listener"
	run -1 grep -E 'died|Operation not permitted' "$BATS_TEST_TMPDIR/listen"
}

@test "session: the listener's own mistake ends it, and it greets nobody" {
	local port
	port=$(free_port)
	echo 'nonsense = 1' >>"$CONF"
	run -100 as_user "$SMTPD_BIN/smtpd-listen" "127.0.0.1:$port" \
		"${SESSION[@]}" </dev/null
	[[ $output != *421* && $output == *nonsense* ]]
	run -100 as_user "$SMTPD_BIN/smtpd-listen" "127.0.0.1:$port" \
		"$SMTPD_BIN/smtpd-session" -c /dev/null local </dev/null
	[[ $output == *'not a local user'* && $output != *421* ]]
}
