#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The filter of the user entrance: who it is from, and what it lacks.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	DOWN=("$SMTPD_BIN/smtpd-queue" -c "$CONF" user)
	HEAD=(C:version=1 'S:<me@example.com>' 'R:local <user@example.com>')
	FULL=$'Date: d\r\nFrom: f\r\nMessage-ID: m\r\n\r\n'
}

teardown() {
	if [[ -e $BATS_TEST_TMPDIR/pid ]]; then
		kill "$(<"$BATS_TEST_TMPDIR/pid")" 2>/dev/null || true
	fi
}

submit() {
	as_user python3 "$SMTPD_TOP/tests/tools/inject.py" "$@" -- \
		"${UNDER[@]}" "$SMTPD_BIN/smtpd-submit" -c "$CONF" \
		"${OPTIONS[@]}" "${DOWN[@]}"
}

# As submit, and shows the message as it will be read: the H frames, the last
# first, then the body; without the Received field.
show() {
	rm -rf "$Q/new"
	run -0 --separate-stderr submit "$@"
	python3 - "$SMTPD_TOP/tests/tools" "$(only_queued)" <<-'EOT'
	import sys
	sys.path.insert(0, sys.argv[1])
	from queuefile import Message
	m = Message(sys.argv[2])
	top = [p for t, p in m.frames() if t == b"H"]
	assert top.pop().startswith(b"Received: by mail.example.com (smtpd, from")
	sys.stdout.buffer.write(b"".join(top[::-1]) + m.body)
	EOT
}

facts() {
	queue_tool frames "$(only_queued)" | sed -n 's/^C //p'
}

@test "submit: the user is who the kernel says, whatever he says" {
	uid=$(as_user id -u)
	run -0 --separate-stderr submit C:version=1 C:uid=0 C:user=root \
		C:ip=127.0.0.1 C:tls=yes peer:tcp C:helo=me C:protocol=ESMTP \
		"${HEAD[@]:1}" "B:$FULL" E
	diff - <(facts) <<-EOT
	entrance=user
	version=1
	helo=me
	protocol=ESMTP
	uid=$uid
	EOT
	rm -r "$Q/new"
	run -65 submit C:version=1 C:entrance=own "${HEAD[@]:1}" E
	nothing_queued
}

@test "submit: on a socket the user is who connected" {
	[[ $(id -u) -eq 0 ]] || skip_loudly "a second user needs root"
	chmod 755 "$BATS_TEST_TMPDIR"
	sock=$BATS_TEST_TMPDIR/s
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" -m 666 "$sock" \
		"$SMTPD_BIN/smtpd-submit" -c "$CONF" "${DOWN[@]}" \
		2>"$BATS_TEST_TMPDIR/log" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for test -S "$sock"
	for uid in 0 61234; do
		run -0 setpriv --reuid=$uid --regid=$uid --clear-groups \
			/usr/bin/python3 "$SMTPD_TOP/tests/tools/inject.py" \
			"${HEAD[@]}" "B:$FULL" E "@$sock"
		facts | grep -x "uid=$uid"
		rm -r "$Q/new"
	done
}

@test "submit: nobody comes in from a network" {
	port=$(free_port)
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "127.0.0.1:$port" \
		"$SMTPD_BIN/smtpd-submit" -c "$CONF" "${DOWN[@]}" \
		2>"$BATS_TEST_TMPDIR/log" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for bash -c ": 3<>/dev/tcp/127.0.0.1/$port"
	run bash -c "exec 4<>/dev/tcp/127.0.0.1/$port
		printf '10:Cversion=1,3:S<>,1:E,' >&4; cat <&4 2>/dev/null"
	[[ -z $output ]]
	nothing_queued
	grep "the client is no local user" "$BATS_TEST_TMPDIR/log"
}

@test "submit: adds Date, Message-ID and From where they are missing" {
	show "${HEAD[@]}" $'B:Subject: x\r\n\r\nhello\r\n' E >"$BATS_TEST_TMPDIR/m"
	id=${lines[0]#I }
	sed -i '1s/^Date: [A-Z][a-z][a-z], .* +0000/Date: now/' "$BATS_TEST_TMPDIR/m"
	diff -a "$BATS_TEST_TMPDIR/m" - <<-EOT
	Date: now$(printf '\r')
	Message-ID: <$id@mail.example.com>$(printf '\r')
	From: <me@example.com>$(printf '\r')
	Subject: x$(printf '\r')
	$(printf '\r')
	hello$(printf '\r')
	EOT
}

@test "submit: its Date is now" {
	show "${HEAD[@]}" E >"$BATS_TEST_TMPDIR/m"
	then=$(date -d "$(sed -n 's/^Date: //p' "$BATS_TEST_TMPDIR/m")" +%s)
	now=$(date +%s)
	((now - then >= 0 && now - then < 60))
}

@test "submit: leaves alone what is there, in any case, folded or empty" {
	for have in "$FULL" $'DATE : x\r\nmessage-id:\r\n\r\nFROM: a\r\n\tb\r\n\r\n' \
	    $'fRom:\r\n x\r\nX: y\r\ndate:\r\nMESSAGE-ID:z\r\n' ; do
		[[ $have != *$'id:\r\n\r\n'* ]] || continue
		show "${HEAD[@]}" "B:$have" E >"$BATS_TEST_TMPDIR/m"
		printf %s "$have" | cmp - "$BATS_TEST_TMPDIR/m"
	done
	# what stands in the body is none of the header's
	show "${HEAD[@]}" $'B:X: y\r\n\r\nDate: x\r\nFrom: y\r\n' E |
		grep -c '^From: <me'
}

@test "submit: the header may be cut anywhere" {
	text=$'Subject: x\r\nDATE: d\r\n e\r\nX: y\r\n\r\nbody: text\r\n'
	for text in "$text" $'X: y\r\nDate: d\r\nno field here: no\r\n\r\nz\r\n' \
	    $'no header at all\r\n'; do
		rm -rf "$Q/new"
		words=()
		for ((n = 0; n <= ${#text}; n++)); do
			words+=("${HEAD[@]}" "B:${text:0:n}" "B:${text:n}" E)
		done
		for ((n = 0; n < ${#text}; n++)); do
			one+=("B:${text:n:1}")
		done
		run -0 --separate-stderr submit "${words[@]}" "${HEAD[@]}" \
			"${one[@]}" E
		one=()
		mapfile -t files < <(queued)
		python3 - "$SMTPD_TOP/tests/tools" $((${#text} + 2)) \
			"${files[@]}" <<-'EOT'
		import re, sys
		sys.path.insert(0, sys.argv[1])
		from queuefile import Message
		seen = set()
		for path in sys.argv[3:]:
		    m = Message(path)
		    fields = b"".join(p for t, p in m.frames() if t == b"H")
		    fields = re.sub(rb"(?m)^((\t|Date: ).*|.*[0-9a-f]{22}.*)$", b"",
		                    fields)
		    seen.add((m.body, fields))
		assert len(sys.argv) - 3 == int(sys.argv[2]), sys.argv
		assert len(seen) == 1, seen
		EOT
	done
}

@test "submit: leaves out Authentication-Results that claim to be ours" {
	ours=$'authentication-results :\r\n\t(c) "Mail.example.com" 1; dkim=pass\r\n'
	other=$'Authentication-Results: other.example; dkim=pass\r\n'
	show "${HEAD[@]}" "H:$ours" $'H:A: b\r\n'"$ours$other" \
		"B:$ours$other${FULL%$'\r\n'}${ours:0:20}" \
		"B:${ours:20}"$'\r\n'"$ours" E >"$BATS_TEST_TMPDIR/m"
	printf %s $'A: b\r\n'"$other$other$FULL$ours" |
		cmp - "$BATS_TEST_TMPDIR/m"
	# one that may yet become one, at the end of a message
	show "${HEAD[@]}" "B:${FULL%$'\r\n'}Authentication-Results" E |
		tail -n 1 | cmp - <(printf Authentication-Results)
	show "${HEAD[@]}" "B:${FULL%$'\r\n'}${ours%??}" E |
		cmp - <(printf %s "${FULL%$'\r\n'}")
}

@test "submit: keeps text apart from the fields that it puts on top" {
	show "${HEAD[@]}" $'B:hello world\r\n' E | tail -n 2 | cmp - <(
		printf '\r\nhello world\r\n')
	show "${HEAD[@]}" $'B:X: y\r\nhello world\r\n\r\nz\r\n' E | tail -n 5 |
		cmp - <(printf 'X: y\r\n\r\nhello world\r\n\r\nz\r\n')
	show "${HEAD[@]}" $'B:\r\nhello\r\n' E | tail -n 2 | cmp - <(
		printf '\r\nhello\r\n')
	show "${HEAD[@]}" $'B:X: y\r\n' E | tail -n 2 | cmp - <(
		printf 'From: <me@example.com>\r\nX: y\r\n')
	show "${HEAD[@]}" B:text E | tail -n 2 | cmp - <(printf '\r\ntext')
	show "${HEAD[@]}" E | tail -n 1 | cmp - <(
		printf 'From: <me@example.com>\r\n')
}

@test "submit: From carries the full name, quoted or encoded as it must be" {
	from_is() {
		show "C:version=1" "C:name=$1" "${HEAD[@]:1}" E |
			sed -n '/^From/,$p' | cmp - <(printf '%b\r\n' "$2")
	}
	from_is 'Joe User' 'From: Joe User <me@example.com>'
	from_is ' x ' 'From: x <me@example.com>'
	from_is 'J. "Q" \U' 'From: "J. \\"Q\\" \\\\U" <me@example.com>'
	from_is '=?x?Q?y?=' 'From: "=?x?Q?y?=" <me@example.com>'
	from_is 'Jö <x>' 'From: =?UTF-8?Q?J=C3=B6=20=3Cx=3E?= <me@example.com>'
	from_is "$(printf 'ö%.0s' {1..12})" \
		'From: =?UTF-8?Q?=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6?=\r
 =?UTF-8?Q?=C3=B6=C3=B6=C3=B6=C3=B6?= <me@example.com>'
	show C:version=1 'S:<>' "${HEAD[2]}" E |
		grep -Fx $'From: <MAILER-DAEMON@mail.example.com>\r'
	# no name adds a field, and the fact itself goes no further
	run -65 submit C:version=1 $'C:name=x\r\nBcc: y' "${HEAD[@]:1}" E
	show "C:version=1" "C:name=x" "${HEAD[@]:1}" E
	[[ $(facts) != *name* ]]
}

@test "submit: tells local recipients from remote ones itself" {
	run -0 submit "${HEAD[@]}" 'R:remote <a@EXAMPLE.org> X=Y' \
		'R:local <b@client.example>' 'R:remote <c@sub.example.com>' E
	diff - <(queue_tool frames "$(only_queued)" | grep ^R) <<-EOT
	R local <user@example.com>
	R local <a@EXAMPLE.org> X=Y
	R remote <b@client.example>
	R remote <c@sub.example.com>
	EOT
}

@test "submit: passes on what it does not know, and every verdict" {
	run -0 submit "${HEAD[@]}" x:y M:junk $'H:X: y\r\n' "B:$FULL" z E
	[[ $(queue_tool frames "$(only_queued)") == *"x y"*"M junk"*"H X: y"*"z "* ]]
	rm -r "$Q/new"
	run -65 submit "${HEAD[@]}" Y:y "B:$FULL" E
	[[ $output == *"X 554 5.5.0"* ]]
	run -65 submit "${HEAD[@]:0:2}" "B:$FULL" E
	[[ $output == *"X 554 5.5.1"* ]]
	run -65 submit "${HEAD[@]}" "B:$FULL" "${HEAD[2]}" E
	[[ $output == *"X 554 5.5.0"* ]]
	run -65 submit E
	OPTIONS=(-o max_size=65536)
	DOWN+=(-o max_size=65536)
	DOWN=("$SMTPD_BIN/smtpd-queue" -c "$CONF" -o max_size=65536 user)
	head -c 65537 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	run -65 submit "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E
	[[ $output == *"X 552 5.3.4"* ]]
	DOWN=("$SMTPD_BIN/smtpd-queue" -c "$CONF" -o min_free=1024G user)
	run -75 submit "${HEAD[@]}" "B:$FULL" E
	[[ $output == *"Z 452 4.3.1"* ]]
	nothing_queued
}

@test "submit: passes the octets of a message on as they are" {
	python3 -c 'import random, sys
random.seed(5)
sys.stdout.buffer.write(b"Date: d\r\nFrom: f\r\nMessage-ID: m\r\n\r\n" +
    random.randbytes(3000001))' >"$BATS_TEST_TMPDIR/body"
	run -0 submit "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E
	queue_tool body "$(only_queued)" | cmp - "$BATS_TEST_TMPDIR/body"
}

@test "submit: holds a header section of 1 MiB and no more" {
	for _ in {1..32}; do
		printf 'X: %032763d\r\n' 0
	done >"$BATS_TEST_TMPDIR/header"
	run -0 submit "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/header" E
	queue_tool body "$(only_queued)" | cmp - "$BATS_TEST_TMPDIR/header"
	rm -r "$Q/new"
	run -65 submit "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/header" B:X E
	[[ $output == *"X 552 5.3.4 Header section too big"* ]]
	nothing_queued
	run -0 submit "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/header" B:X \
		B@"$BATS_TEST_TMPDIR/header" E "${HEAD[@]}" "B:$FULL" E
	only_queued
}

@test "submit: many messages, some abandoned, in one conversation" {
	run -0 submit "${HEAD[@]}" "B:$FULL" E "${HEAD[@]}" B:x A \
		"${HEAD[@]}" $'B:X: y\r\n\r\n' E
	[[ $(grep -c ^K <<<"$output") -eq 2 && $(queued | wc -l) -eq 2 ]]
	# the second lacked what the first one had
	last=$(sed -n 's/^K //p' <<<"$output" | tail -n 1)
	queue_tool frames "$Q/new/${last: -1}/$last" | grep '^H Date: '
}

@test "submit: end of file before E queues nothing" {
	for n in 1 2 3 4; do
		mail=("${HEAD[@]}" "B:$FULL" E)
		run -1 submit "${mail[@]:0:n}"
		nothing_queued
	done
}

@test "submit: a program downstream that dies makes it a 451" {
	for DOWN in /bin/true /bin/false; do
		DOWN=("$DOWN")
		run -75 --separate-stderr submit "${HEAD[@]}" get "B:$FULL" E
		[[ ${lines[0]} == I* && $output == *"Z 451 4.3.0"* ]]
		[[ $stderr == *"lost the program downstream"* ]]
	done
	cat >"$BATS_TEST_TMPDIR/down" <<-'EOT'
	#!/usr/bin/python3
	import os, sys
	got = b""
	while b"S<" not in got:
	    got += os.read(0, 65536)
	os.write(1, b"23:I0123456789abcdef012345,")
	while b"stop" not in got:
	    got = got[-4:] + os.read(0, 65536)
	os.write(1, os.fsencode(sys.argv[3]))
	EOT
	chmod 755 "$BATS_TEST_TMPDIR/down"
	head -c 3000000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	DOWN=("$BATS_TEST_TMPDIR/down" '')
	run -75 --separate-stderr submit "${HEAD[@]}" "B:$FULL" B:stop \
		B@"$BATS_TEST_TMPDIR/body" E
	[[ ${lines[0]} == "I 0123456789abcdef012345" ]]
	[[ $output == *"Z 451 4.3.0"* ]]
	# what it said last is its verdict
	DOWN=("$BATS_TEST_TMPDIR/down" '17:X554 5.6.0 Virus!,')
	run -65 submit "${HEAD[@]}" "B:$FULL" B:stop \
		B@"$BATS_TEST_TMPDIR/body" E
	[[ $output == *"X 554 5.6.0 Virus!"* ]]
	# one that never was there
	DOWN=(/nonexistent)
	run -1 --separate-stderr submit "${HEAD[@]}" "B:$FULL" E
	[[ $stderr == *"cannot reach '/nonexistent'"* && $stderr == *"with 111"* ]]
}

@test "submit: a program downstream that hangs makes it a 451" {
	printf '#!/bin/sh\nexec cat >/dev/null\n' >"$BATS_TEST_TMPDIR/mute"
	chmod 755 "$BATS_TEST_TMPDIR/mute"
	DOWN=("$BATS_TEST_TMPDIR/mute") OPTIONS=(-o helper_timeout=1)
	run -75 submit "${HEAD[@]}" "B:$FULL" E
	[[ $output == *"Z 451 4.3.0"* ]]
}

@test "submit: filters stand in a row" {
	DOWN=("$SMTPD_BIN/smtpd-submit" -c "$CONF" "${DOWN[@]}")
	run -0 submit "${HEAD[@]}" $'B:X: y\r\n\r\nz\r\n' E
	[[ $(queue_tool frames "$(only_queued)" | grep -c '^H Date:') -eq 1 ]]
}

@test "submit: SIGTERM ends it between two messages, never within one" {
	mark=$BATS_TEST_TMPDIR/mark go=$BATS_TEST_TMPDIR/go
	UNDER=(bash -c 'echo $$ >"$0"; exec "$@"' "$BATS_TEST_TMPDIR/pid")
	submit "${HEAD[@]}" get touch:"$mark" wait:"$go" "B:$FULL" E \
		"${HEAD[@]}" "B:$FULL" E >"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for test -e "$mark"
	kill -TERM "$(<"$BATS_TEST_TMPDIR/pid")"
	touch "$go"
	wait $!
	[[ $(grep -c ^K "$BATS_TEST_TMPDIR/out") -eq 1 ]]
	only_queued
}

@test "submit: needs no call that it has given away" {
	needs_confinement
	OPTIONS=(-o confine=kill)
	run -0 --separate-stderr submit "${HEAD[@]}" "B:$FULL" E "${HEAD[@]}" B:x A \
		"${HEAD[@]}" $'B:X: y\r\n\r\n' E
	[[ $stderr != *"the program ended with"* ]]
	DOWN=(/bin/true)
	run -75 --separate-stderr submit "${HEAD[@]}" "B:$FULL" E
	[[ $stderr == *"ended with 111"* ]]
}

@test "submit: says at the start what is wrong" {
	DOWN=()
	run -1 --separate-stderr submit "${HEAD[@]}" E
	[[ $stderr == *"ended with 100"* ]]
	[[ $(id -u) -eq 0 ]] || skip "the rest needs root"
	run -100 "$SMTPD_BIN/smtpd-submit" -c "$CONF" /bin/true </dev/null
}
