#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-session: the SMTP dialogue, with helpers that do as they are told.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets
# variables

load lib/smtpd
load lib/session

setup() {
	setup_session
}

teardown() {
	teardown_session
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
	run frames
	[ "${lines[0]}" = 'C version=1' ]
	[ "${lines[1]}" = 'C ip=127.0.0.1' ]
	[ "${lines[2]}" = 'C helo=client.example.org' ]
	[ "${lines[3]}" = 'C protocol=ESMTP' ]
	[ "${lines[4]}" = 'S <a@example.org> size=100 BODY=8BITMIME' ]
	[ "${lines[5]}" = 'R local <user@example.com>' ]
	[ "${lines[6]}" = 'R local <PoStMaStEr@example.com>' ]
	[ "${lines[7]}" = 'R local <USER+x@Example.NET>' ]
	[ "${lines[8]}" = 'B Subject: x\r\n\r\nbody\r\n' ]
	[[ ${lines[9]} == 'H Received: from client.example.org ([127.0.0.1])\r\n\tby mx.example.com (smtpd) with ESMTP id '??????????????????????';\r\n\t'[MTWFS]* ]]
	[[ ${lines[9]} != *' for '* ]]
	[ "${lines[10]}" = 'E ' ]
	[ "${lines[11]}" = 'EOF ' ]
	grep -qE '^id=- prog=smtpd-session event=session-end ip=127.0.0.1 helo=client.example.org messages=1 refused=0 end=quit$' "$LOG"
}

@test "session: Received names the one recipient, and HELO says SMTP" {
	HELLO='HELO client.example.org'
	transaction '<user@example.com>'
	dialogue "$BATS_TEST_TMPDIR/transaction"
	run frames
	[ "${lines[0]}" = 'C version=1' ]
	[ "${lines[1]}" = 'C helo=client.example.org' ]
	[ "${lines[2]}" = 'C protocol=SMTP' ]
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

# --- relay_clients ----------------------------------------------------------

@test "session: relay_clients may relay, and their socket goes along" {
	transaction '<user@example.com>' '<x@external.test>'
	dialogue --tcp "$BATS_TEST_TMPDIR/transaction" -- \
		-o relay_clients=127.0.0.0/8
	frames >"$BATS_TEST_TMPDIR/frames"
	# The descriptor may be noticed before the frame that it came with.
	[ "$(grep -m 1 '^C ' "$BATS_TEST_TMPDIR/frames")" = 'C version=1' ]
	grep -qx 'fd 127.0.0.1' "$BATS_TEST_TMPDIR/frames"
	grep -qx 'C peer=socket' "$BATS_TEST_TMPDIR/frames"
	grep -qxF 'R local <user@example.com>' "$BATS_TEST_TMPDIR/frames"
	grep -qxF 'R remote <x@external.test>' "$BATS_TEST_TMPDIR/frames"
}

@test "session: it goes along when nothing is relayed, and nobody else's does" {
	transaction '<user@example.com>'
	dialogue --tcp "$BATS_TEST_TMPDIR/transaction" -- \
		-o relay_clients=127.0.0.0/8
	frames | grep -qx 'C peer=socket'
	: >"$FAKES/log"
	dialogue --tcp "$BATS_TEST_TMPDIR/transaction" -- \
		-o relay_clients=192.0.2.0/24
	run -1 grep -E '^(C peer|fd)' <<<"$(frames)"
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
	for tag in B H E; do
		dialogue 'deferred.txt:the injector fails under the text' -- \
			-o "injector=$FAKES/queue-die-$tag"
	done
	for tag in C S R; do
		dialogue 'deferred.txt:the injector may fail under the envelope' \
			-- -o "injector=$FAKES/queue-die-$tag"
	done
	dialogue 'deferred.txt:the injector fails under a long text' -- \
		-o "injector=$FAKES/queue-die-B"
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

@test "session: an injector that is late with its id is in time" {
	transaction '<user@example.com>'
	dialogue "$BATS_TEST_TMPDIR/transaction" -- \
		-o "injector=$FAKES/queue-late"
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
	[[ $stderr == *"'x' is no role"* ]]
}

@test "session: root is refused" {
	[[ $(id -u) -eq 0 ]] || skip 'needs root to be refused'
	run -100 --separate-stderr "${SESSION[@]}" </dev/null
	[[ $stderr == *'must not run as root'* ]]
}

@test "session: on a listening socket each connection has its own" {
	local port
	port=$(free_port)
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "127.0.0.1:$port" \
		"${SESSION[@]}" 2>"$BATS_TEST_TMPDIR/listen" 3>&- &
	listener=$!
	wait_for as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/dialogue.py" \
		--connect "127.0.0.1:$port" \
		"$SMTPD_TOP/tests/dialogue/hello.txt:the greeting names the host"
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/dialogue.py" \
		--connect "127.0.0.1:$port" "$SMTPD_TOP"/tests/dialogue/{hello,mail,rcpt}.txt
	# A mistake in the file counts at once, and the client hears of it.
	echo 'nonsense = 1' >>"$CONF"
	printf '== x\nS: 421 4\\.3\\.0 .*\nS.\n' >"$BATS_TEST_TMPDIR/421"
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/dialogue.py" \
		--connect "127.0.0.1:$port" "$BATS_TEST_TMPDIR/421"
	kill "$listener"
	wait "$listener"
}
