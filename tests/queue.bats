#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The injector: the conversation, what a stranger may say, the file.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
}

teardown() {
	local file
	for file in "$BATS_TEST_TMPDIR"/{pid,adviser.pid}; do
		[[ ! -e $file ]] || kill "$(<"$file")" 2>/dev/null || true
	done
}

# The id of the n-th message that was acknowledged, the first if n is not given.
acknowledged() {
	sed -n 's/^K //p' <<<"$output" | sed -n "${1:-1}p"
}

# refused REPLY WORD...: the message gets this verdict, and leaves nothing.
refused() {
	run -65 --separate-stderr inject "${@:2}"
	[[ $output == *"X $1"* ]]
	nothing_queued
}

@test "queue: a committed message is one file that holds all of it" {
	run -0 --separate-stderr inject C:version=1 C:ip=192.0.2.1 C:helo=me \
		'S:<a@client.example> SIZE=100 BODY=8BITMIME' \
		'R:local <user@example.com>' 'R:local <other@example.org> X=Y' \
		$'H:Received: from me\r\n' x:later $'B:Subject: ' $'B:x\r\n' \
		$'H:X-Later: one\r\nX-Later: two\r\n' B: E
	id=$(acknowledged)
	[[ $output == $'W \nK '$id && ${#id} -eq 22 ]]
	file=$(only_queued)
	[[ $file == "$Q/new/${id: -1}/$id" ]]
	[[ $(stat -c %a "$file") == 400 ]]
	[[ $(stat -c %a "$Q/new" "${file%/*}") == $'700\n700' ]]
	[[ $(queue_tool body "$file"; echo .) == $'Subject: x\r\n.' ]]
	diff - <(queue_tool frames "$file") <<-EOT
	C entrance=in
	C version=1
	C ip=192.0.2.1
	C helo=me
	S <a@client.example> SIZE=100 BODY=8BITMIME
	R local <user@example.com>
	R local <other@example.org> X=Y
	H Received: from me$(printf '\r')

	x later
	H X-Later: one$(printf '\r')
	X-Later: two$(printf '\r')

	EOT
}

@test "queue: one log line for each message, with what is known of it" {
	run -0 --separate-stderr inject C:version=1 C:ip=192.0.2.1 \
		'C:helo=a b"c' C:protocol=ESMTPS C:tls=TLS1.2 "${MAIL[@]:1}"
	[[ $stderr == "id=$(acknowledged) prog=smtpd-queue event=queued \
entrance=in from=<a@client.example> nrcpt=1 size=21 ip=192.0.2.1 \
helo=\"a b\\\"c\" protocol=ESMTPS tls=TLS1.2 to=<user@example.com>" ]]
}

@test "queue: a closed log changes nothing" {
	run -0 --separate-stderr inject "${MAIL[@]}" 2>&-
	only_queued
	UNDER=(setpriv bash -c 'exec "$@" 2>/dev/full' --)
	run -0 --separate-stderr inject "${MAIL[@]}"
	[[ $(queued | wc -l) -eq 2 ]]
}

@test "queue: many messages in one conversation, each with its own envelope" {
	run -0 --separate-stderr inject "${MAIL[@]}" C:version=1 'S:<>' \
		'R:local <second@example.org>' B:two E "${MAIL[@]}"
	[[ $(grep -c ^K <<<"$output") -eq 3 ]]
	second=$(acknowledged 2)
	file=$Q/new/${second: -1}/$second
	[[ $(queue_tool body "$file") == two ]]
	diff - <(queue_tool frames "$file") <<-EOT
	C entrance=in
	C version=1
	S <>
	R local <second@example.org>
	EOT
}

@test "queue: an empty body and one of many chunks arrive as they are" {
	run -0 --separate-stderr inject "${HEAD[@]}" E
	[[ -z $(queue_tool body "$(only_queued)") ]]
	rm -r "$Q/new"
	python3 -c 'import random, sys
random.seed(4)
sys.stdout.buffer.write(random.randbytes(3000001))' >"$BATS_TEST_TMPDIR/body"
	run -0 --separate-stderr inject "${HEAD[@]}" \
		B@"$BATS_TEST_TMPDIR/body" E
	queue_tool body "$(only_queued)" | cmp - "$BATS_TEST_TMPDIR/body"
}

@test "queue: end of file before E queues nothing" {
	for n in 1 2 3 4; do
		run -1 --separate-stderr inject "${MAIL[@]:0:n}"
		[[ $output != *K* ]]
		[[ $stderr == *"ended before commit"* ]]
		[[ $stderr != *"the program ended with"* ]]
		nothing_queued
	done
}

@test "queue: a client that leaves without reading its answer is no trouble" {
	run -0 --separate-stderr as_user python3 - "$SMTPD_BIN/smtpd-queue" \
		-c "$CONF" in <<-'PY'
	import select, socket, subprocess, sys
	ours, its = socket.socketpair()
	queue = subprocess.Popen(sys.argv[1:], stdin=its, stdout=its)
	its.close()
	ours.sendall(b"10:Cversion=1,3:S<>,1:Q,1:A,")
	assert select.select([ours], [], [], 20)[0]
	ours.close()
	assert queue.wait(20) == 0
	PY
	[[ -z $stderr ]]
	nothing_queued
}

@test "queue: A abandons one message and not the conversation" {
	run -0 --separate-stderr inject "${MAIL[@]:0:4}" A "${MAIL[@]}"
	[[ $(grep -c ^K <<<"$output") -eq 1 ]]
	only_queued
	run -1 --separate-stderr inject A
	[[ $output == 'W ' && -z $stderr ]]
}

@test "queue: what is no frame ends the conversation, and queues nothing" {
	for junk in 'raw:12' raw:x 'raw:0:,' 'raw:3:Bxy;' 'raw:65537:B' \
	    'raw:01:E,' 'raw:2:1x,' 'raw:1:E' 'raw:-1:E,'; do
		run -1 --separate-stderr inject "${MAIL[@]:0:4}" "$junk"
		[[ $stderr == *"ended with 111"* ]]
		nothing_queued
	done
}

@test "queue: frames out of order are refused, after E" {
	sender='S:<a@client.example>' rcpt='R:local <user@example.com>'
	refused '554 5.5.0' E
	refused '554 5.5.0' "$sender" "$rcpt" B:x E
	refused '554 5.5.0' C:version=1 "$rcpt" "$sender" B:x E
	refused '554 5.5.0' C:version=1 "$sender" B:x "$rcpt" E
	refused '554 5.5.0' C:version=1 "$sender" C:ip=192.0.2.1 "$rcpt" B:x E
	refused '554 5.5.0' C:version=1 "$sender" "$sender" "$rcpt" B:x E
	refused '554 5.5.0' C:version=1 B:x E
	refused '554 5.5.0' C:version=1 $'H:A: b\r\n' "$sender" "$rcpt" B:x E
	refused '554 5.5.1' C:version=1 "$sender" B:x E
	[[ ${lines[0]} == 'W ' && ${lines[1]} == X* && ${#lines[@]} -eq 2 ]]
}

@test "queue: malformed payloads are refused" {
	sender='S:<a@client.example>' rcpt='R:local <user@example.com>'
	refused '554 5.5.0 Unknown format version' C:version=2 "${MAIL[@]:1}"
	refused '554 5.5.0 Unknown format version' C:ip=1 "${MAIL[@]:1}"
	refused '554 5.5.0' C:version=1 C:nothing "${MAIL[@]:1}"
	refused '554 5.5.0' C:version=1 'S:a@client.example' "$rcpt" E
	refused '554 5.5.0' C:version=1 S: "$rcpt" E
	refused '554 5.5.0' C:version=1 "$sender" 'R:<user@example.com>' E
	refused '554 5.5.0' C:version=1 "$sender" 'R:local user@example.com' E
	refused '554 5.5.0' C:version=1 "$sender" 'R:lokal <u@example.com>' E
	refused '554 5.5.0' C:version=1 "$sender" 'R:local <>' E
	refused '554 5.5.0' C:version=1 "$sender" $'R:local <u@example.com> a\nb' E
}

@test "queue: fields on top are whole, printable and not this host's finding" {
	long=$(printf '%0994d' 0)
	for fields in '' 'X: y' $'X: y\n' $'X: y\r\n\r\n' $'X y\r\n' \
	    $' X: y\r\n' $'X : y\r\n' $': y\r\n' $'X: y\r\n.\r\n' \
	    $'X: y\rz\r\n' $'X: y\nZ: y\r\n' $'X: caf\xc3\xa9\r\n' \
	    $'X: \x1b\r\n' $'X: \x7f\r\n' "X: 12$long"$'\r\n' \
	    $'Authentication-Results: mail.example.com; spf=pass\r\n' \
	    $'X: y\r\nauthentication-RESULTS:\r\n (c) "Mail.Example.com." 1; x\r\n'
	do
		refused '554 5.5.0' "${HEAD[@]}" "H:$fields" B:x E
		refused '554 5.5.0' "${HEAD[@]}" B:x "H:$fields" E
	done
	for fields in $'X:\r\n' $'X: y\r\n\tz\r\nY: z\r\n' "X: $long"$'\r\n' \
	    $'Authentication-Results: mail.example.org; spf=pass\r\n'; do
		run -0 --separate-stderr inject "${HEAD[@]}" "H:$fields" B:x E
	done
}

@test "queue: a mark is believed only of ourselves" {
	refused '554 5.5.0' "${HEAD[@]}" M:junk B:x E
	ENTRANCE=user refused '554 5.5.0' "${HEAD[@]}" M:junk B:x E
	ENTRANCE=own
	refused '554 5.5.0' C:version=1 M:junk "${MAIL[@]:1}"
	run -0 --separate-stderr inject "${HEAD[@]}" B:x M:junk E
	queue_tool frames "$(only_queued)" | grep -x 'M junk'
}

@test "queue: an unknown frame is refused in upper case, kept in lower" {
	refused '554 5.5.0' "${HEAD[@]}" Y:x E
	run -0 --separate-stderr inject "${HEAD[@]}" y:x B: z E
	queue_tool frames "$(only_queued)" | grep -x 'y x'
	queue_tool frames "$(only_queued)" | grep -x 'z '
}

@test "queue: a refused message does not harm the next" {
	run -0 --separate-stderr inject "${HEAD[@]}" Y B:x E "${MAIL[@]}"
	[[ ${lines[1]} == X* && ${lines[2]} == K* ]]
	only_queued
}

@test "queue: a client may name its message itself, when it has just begun" {
	ident=$(python3 "$SMTPD_TOP/tests/tools/inject.py" new-id)
	run -0 --separate-stderr inject C:version=1 "C:id=$ident" "${MAIL[@]:1}"
	[[ $(acknowledged) == "$ident" ]]
	[[ $(only_queued) == "$Q/new/${ident: -1}/$ident" ]]
	[[ $stderr == "id=$ident "*event=queued* ]]
	run ! grep -a "Cid=" "$(only_queued)"
	# the next one gets one of its own
	rm -r "$Q/new"
	run -0 --separate-stderr inject C:version=1 id "${MAIL[@]:1}" "${MAIL[@]}"
	[[ $(queued | wc -l) -eq 2 ]]
	rm -r "$Q/new"
	run -0 --separate-stderr inject C:version=1 id-50 "${MAIL[@]:1}" \
		C:version=1 id+50 "${MAIL[@]:1}"
	rm -r "$Q/new"
	for word in id-70 id+70 id-100000 id+100000; do
		run -75 --separate-stderr inject C:version=1 "$word" \
			"${MAIL[@]:1}"
		[[ $output == *'Z 451 4.3.0 '* ]]
		nothing_queued
	done
	for word in C:id= C:id=x "C:id=${ident}0" "C:id=${ident:1}" \
	    "C:id=${ident:0:21}G" "C:id=${ident:0:21}/"; do
		refused '554 5.5.0' C:version=1 "$word" "${MAIL[@]:1}"
	done
	refused '554 5.5.0' C:version=1 C:ip=192.0.2.1 id "${MAIL[@]:1}"
	refused '554 5.5.0' id "${MAIL[@]}"
	# those who do not speak for a session name nothing
	for ENTRANCE in user own; do
		run -0 --separate-stderr inject C:version=1 "C:id=$ident" \
			"${MAIL[@]:1}"
		[[ $(acknowledged) != "$ident" && $output == *K\ * ]]
		run ! grep -a "Cid=" "$(only_queued)"
		rm -r "$Q/new"
	done
}

@test "queue: no message takes the name and the place of another" {
	ident=$(python3 "$SMTPD_TOP/tests/tools/inject.py" new-id)
	run -0 --separate-stderr inject C:version=1 "C:id=$ident" "${MAIL[@]:1}"
	file=$(only_queued)
	cp "$file" "$BATS_TEST_TMPDIR/first"
	other=(C:version=1 "C:id=$ident" 'S:<b@client.example>'
		'R:local <other@example.com>' B:other E)
	run -75 --separate-stderr inject "${other[@]}"
	[[ $output == *'Z 451 4.3.0 '* ]]
	cmp "$(only_queued)" "$BATS_TEST_TMPDIR/first"
	# nor when it waits for its next try
	as_user mkdir -p "$Q/msg/${ident: -1}"
	mv "$file" "$Q/msg/${ident: -1}"
	run -75 --separate-stderr inject "${other[@]}"
	[[ $output == *'Z 451 4.3.0 '* ]]
	[[ $(only_queued) == "$Q/msg/"* ]]
	cmp "$(only_queued)" "$BATS_TEST_TMPDIR/first"
	# and neither leaves a trace that would keep the next from its own
	run -75 --separate-stderr inject "${other[@]}" "${MAIL[@]}" "${other[@]}"
	[[ $(queued | wc -l) -eq 2 ]]
}

@test "queue: Q is K where nobody wants to be asked" {
	run -0 --separate-stderr inject Q get get C:version=1 Q 'S:<>' Q get \
		'R:local <user@example.com>' Q Q get B:x Q E
	[[ $(cut -c 1 <<<"$output") == $'W\nK\nK\nK\nK\nK\nK\nK' ]]
	only_queued
	# of a message that is refused already it says so
	run -65 --separate-stderr inject "${HEAD[@]}" Y Q get get E
	[[ ${lines[1]} == 'X 554 5.5.0'* && ${lines[1]} == "${lines[2]}" ]]
}

@test "queue: a stranger's entrance takes no remote recipient" {
	for to in x@client.example x@sub.example.com '"a@b"@example.com' \
	    'a%b@example.com' 'b!a@example.com' 'x@[127.0.0.1]'; do
		refused '550 5.7.1 Relay access denied' "${HEAD[@]}" \
			"R:remote <$to>" B:x E
		refused '550 5.7.1 Relay access denied' "${HEAD[@]}" \
			"R:local <$to>" B:x E
	done
}

@test "queue: a stranger's entrance takes no word for who he is" {
	OPTIONS=(-o 'relay_clients=127.0.0.0/8 ::/0 0.0.0.0/1 128.0.0.0/1')
	local remote=('S:<>' 'R:remote <x@client.example>' B:x E)
	refused '550 5.7.1 Not authorized' C:version=1 C:user=root "${MAIL[@]:1}"
	refused '550 5.7.1 Not authorized' C:version=1 \
		C:about=0660ee029bdfc00c7da957 "${MAIL[@]:1}"
	refused '550 5.7.1 Not authorized' C:version=1 \
		C:bounce=postmaster "${MAIL[@]:1}"
	refused '550 5.7.1 Not authorized' C:version=1 C:uid=0 "${MAIL[@]:1}"
	refused '550 5.7.1 Not authorized' C:version=1 C:entrance=own \
		"${MAIL[@]:1}"
	refused '550 5.7.1' C:version=1 C:ip=127.0.0.1 "${remote[@]}"
	refused '550 5.7.1' C:version=1 C:ip=127.0.0.1 C:peer=socket "${remote[@]}"
	for kind in none unix udp file tcp; do
		refused '550 5.7.1' C:version=1 C:ip=127.0.0.1 \
			"peer:$kind" "${remote[@]}"
	done
}

@test "queue: descriptors that nobody asked for are dropped" {
	words=()
	for _ in {1..40}; do
		words+=(peer:tcp)
	done
	UNDER=(prlimit --nofile=24)
	run -0 --separate-stderr inject "${MAIL[@]}" C:version=1 "${words[@]}" \
		"${MAIL[@]:1}" "${MAIL[@]}"
	[[ $(queued | wc -l) -eq 3 ]]
}

@test "queue: where settings changed meanwhile the client comes again" {
	run -75 --separate-stderr inject "${HEAD[@]:0:2}" \
		'R:remote <user@example.com>' B:x E
	[[ $output == *"Z 451 4.3.0"* ]]
	nothing_queued
}

@test "queue: no more than 1000 recipients" {
	words=()
	for n in {1..999}; do
		words+=("R:local <user$n@example.com>")
	done
	run -0 --separate-stderr inject "${HEAD[@]}" "${words[@]}" B:x E
	[[ $(queue_tool frames "$(only_queued)" | grep -c ^R) -eq 1000 ]]
	rm -r "$Q/new"
	refused '554 5.5.3' "${HEAD[@]}" "${words[@]}" \
		'R:local <one@example.com>' B:x E
}

@test "queue: no more than max_size octets" {
	head -c 65536 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	OPTIONS=(-o max_size=65536)
	run -0 --separate-stderr inject "${HEAD[@]}" \
		B@"$BATS_TEST_TMPDIR/body" B: E
	rm -r "$Q/new"
	refused '552 5.3.4' "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" B:x E
	refused '552 5.3.4' "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" B:x \
		B@"$BATS_TEST_TMPDIR/body" B: E
}

@test "queue: no more than 4 MiB of envelope and headers" {
	{
		printf 'X: %0995d\r\n' 0
		printf ' %0997d\r\n' {2..32}
		printf ' %0765d\r\n' 33
	} >"$BATS_TEST_TMPDIR/one"
	[[ $(stat -c %s "$BATS_TEST_TMPDIR/one") -eq 32768 ]]
	for _ in {1..127}; do
		cat "$BATS_TEST_TMPDIR/one"
	done >"$BATS_TEST_TMPDIR/fields"
	run -0 --separate-stderr inject "${HEAD[@]}" \
		H@"$BATS_TEST_TMPDIR/fields" E
	rm -r "$Q/new"
	cat "$BATS_TEST_TMPDIR/one" >>"$BATS_TEST_TMPDIR/fields"
	refused '552 5.3.4' "${HEAD[@]}" H@"$BATS_TEST_TMPDIR/fields" E
}

@test "queue: there is no file before all of a message is there" {
	mark=$BATS_TEST_TMPDIR/mark go=$BATS_TEST_TMPDIR/go
	head -c 300000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	inject "${HEAD[@]}" Q get get B@"$BATS_TEST_TMPDIR/body" B:x Q get \
		touch:"$mark" wait:"$go" E >"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for test -e "$mark"
	nothing_queued
	touch "$go"
	wait $!
	only_queued
}

is_written() {
	[[ -n $(find "$Q/new" -type f -size +0) ]]
}

# For wait_for: lets a process go on that has stopped or soon does.
goes_on_to_its_end() {
	! kill -CONT "$1" 2>/dev/null
}

@test "queue: the file is locked, and not readable, until it is committed" {
	needs_strace
	# It stops with all written and nothing else done.
	UNDER=(bash -c 'echo $$ >"$0"; exec "$@"' "$BATS_TEST_TMPDIR/pid"
		strace -D -qq -o /dev/null -e inject=writev:signal=STOP:when=1)
	inject "${MAIL[@]}" >"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for is_written
	file=$(only_queued)
	[[ $(stat -c %a "$file") == 200 ]]
	run -1 bash -c 'flock --nonblock 9 9>>"$0"' "$file"
	[[ $(queue_tool state "$file") == torn* ]]
	wait_for goes_on_to_its_end "$(<"$BATS_TEST_TMPDIR/pid")"
	wait $!
	[[ $(queue_tool state "$file") == whole* ]]
	flock --nonblock "$file" true
}

@test "queue: the scheduler is told the id, and only when it may have it" {
	as_user python3 - "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/told" 3>&- <<-'EOT' &
	import fcntl, os, socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1] + "/wakeup")
	s.settimeout(60)
	open(sys.argv[1] + "/ready", "w").close()
	ident = s.recv(100).decode()
	f = open("%s/queue/new/%s/%s" % (sys.argv[1], ident[-1], ident))
	fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
	print(ident)
	EOT
	wait_for test -e "$BATS_TEST_TMPDIR/ready"
	run -0 --separate-stderr inject "${MAIL[@]}"
	wait $!
	[[ $(<"$BATS_TEST_TMPDIR/told") == "$(acknowledged)" ]]
	# its socket is still there, and nobody behind it
	run -0 --separate-stderr inject "${MAIL[@]}"
	[[ -z ${stderr##id=*} ]]
}

@test "queue: a scheduler that does not listen holds nobody up" {
	as_user python3 - "$BATS_TEST_TMPDIR" 3>&- <<-'EOT' &
	import os, socket, sys, time
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1] + "/wakeup")
	fill = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	fill.setblocking(False)
	try:
	    while True:
	        fill.sendto(b"x", sys.argv[1] + "/wakeup")
	except BlockingIOError:
	    pass
	open(sys.argv[1] + "/ready", "w").close()
	for _ in range(6000):
	    if not os.path.exists(sys.argv[1] + "/over"):
	        time.sleep(0.01)
	EOT
	wait_for test -e "$BATS_TEST_TMPDIR/ready"
	run -0 --separate-stderr inject "${MAIL[@]}" "${MAIL[@]}"
	touch "$BATS_TEST_TMPDIR/over"
	wait $!
}

@test "queue: two injectors at once" {
	pids=()
	for n in 1 2; do
		words=()
		for _ in {1..100}; do
			words+=("${HEAD[@]}" "B:from $n" E)
		done
		inject "${words[@]}" >"$BATS_TEST_TMPDIR/out$n" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	sed -n 's/^K //p' "$BATS_TEST_TMPDIR"/out[12] | sort >"$BATS_TEST_TMPDIR/ids"
	[[ $(uniq "$BATS_TEST_TMPDIR/ids" | wc -l) -eq 200 ]]
	queued | sed 's,.*/,,' | sort | diff "$BATS_TEST_TMPDIR/ids" -
	queued | xargs -n 50 python3 "$SMTPD_TOP/tests/tools/queuefile.py" \
		state | awk '$1 != "whole" { bad = 1 } END { exit bad }'
}

@test "queue: SIGTERM ends it between two messages, never within one" {
	mark=$BATS_TEST_TMPDIR/mark go=$BATS_TEST_TMPDIR/go
	UNDER=(bash -c 'echo $$ >"$0"; exec "$@"' "$BATS_TEST_TMPDIR/pid")
	inject "${HEAD[@]}" Q get get touch:"$mark" wait:"$go" B:x E \
		"${MAIL[@]}" >"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for test -e "$mark"
	kill -TERM "$(<"$BATS_TEST_TMPDIR/pid")"
	touch "$go"
	wait $!
	[[ $(grep -c '^K .' "$BATS_TEST_TMPDIR/out") -eq 1 ]]
	only_queued
	# between two messages it goes at once
	rm "$mark" "$go"
	inject "${MAIL[@]}" Q get get get touch:"$mark" wait:"$go" \
		>"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	wait_for test -e "$mark"
	pid=$(<"$BATS_TEST_TMPDIR/pid")
	kill -TERM "$pid"
	wait_for bash -c "[[ ! -e /proc/$pid/exe ]]"
	touch "$go"
	wait $!
	[[ $(<"$BATS_TEST_TMPDIR/err") != *"the program ended with"* ]]
}

@test "queue: a stranger who writes a commit record commits nothing" {
	# It chooses the id when smtpd-session is its own; the mode it has not.
	needs_strace
	run -0 --separate-stderr as_user python3 - "$SMTPD_TOP" \
		strace -qq -o /dev/null -e inject=writev:signal=KILL:when=3 \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" in 3>&- <<-'EOT'
	import os, socket, subprocess, sys
	sys.path.insert(0, sys.argv[1] + "/tests/tools")
	from inject import Client, frame, new_id
	from queuefile import crc32c
	ours, theirs = socket.socketpair()
	child = subprocess.Popen(sys.argv[2:], stdin=theirs, stdout=theirs)
	theirs.close()
	client = Client(ours)
	ident = new_id()
	frames = frame(b"C", b"entrance=user") + frame(b"S", b"<>") + \
	    frame(b"R", b"remote <x@client.example>")
	body = b"x" * 70000
	footer = b"smtpd-queue 1 %s %016x %08x %016x %08x " % (
	    ident, len(body), len(frames), 1, crc32c(body))
	footer += b"%08x\n" % crc32c(frames + footer)
	data = body + frames + footer
	for word in "C:version=1", "C:id=" + ident.decode(), "S:<>", \
	    "R:local <user@example.com>":
	    client.do(word)
	for at in 0, 60000:
	    client.send(frame(b"B", data[at:at + 60000]))
	client.do("E")
	client.flush()
	assert client.next() == ("W", b"") and client.next() is None
	assert child.wait() != 0
	print(len(data))
	EOT
	file=$(only_queued)
	[[ $(queue_tool state "$file") == torn* ]]
	# it has all that the stranger sent, but for the mode
	[[ $(stat -c %s "$file") -eq $output ]]
	as_user chmod 400 "$file"
	[[ $(queue_tool state "$file") == whole* ]]
}

@test "queue: any order of frames gets a verdict for each E and Q" {
	seed=${SEED:-$RANDOM}
	echo "SEED=$seed" >&2
	run -0 --separate-stderr as_user python3 - "$SMTPD_TOP/tests/tools" \
		"$seed" "$SMTPD_BIN/smtpd-queue" -c "$CONF" in <<-'EOT'
	import random, socket, subprocess, sys
	sys.path.insert(0, sys.argv[1])
	from inject import Client
	random.seed(int(sys.argv[2]))
	ours, theirs = socket.socketpair()
	child = subprocess.Popen(sys.argv[3:], stdin=theirs, stdout=theirs)
	theirs.close()
	good = ["C:version=1", "S:<a@client.example>",
	        "R:local <user@example.com>", "B:text", "E"]
	odd = ["C:ip=192.0.2.1", "C:user=x", "C:", "S:", "S:<>", "R:", "Y:y",
	       "R:remote <x@client.example>", "H:A: b\r\n", "H:x", "B:", "M:junk",
	       "x:y", "id", "A", "E", "E", "Q", "Q", "peer:udp", "peer:tcp"]
	client, sent = Client(ours), {"Q": 0, "E": 0}
	for _ in range(500):
	    words = list(good)
	    for _ in range(random.choice([0, 0, 1, 2, 4])):
	        at = random.randrange(len(words) + 1)
	        if random.random() < 0.3 and at < len(words):
	            del words[at]
	        else:
	            words.insert(at, random.choice(odd))
	    for word in words:
	        client.do(word)
	        if word[0] in sent:
	            sent[word[0]] += 1
	client.flush()
	ours.shutdown(socket.SHUT_WR)
	got = []
	while (frame := client.next()) is not None:
	    got.append(frame)
	assert child.wait() == 0
	assert got[0] == ("W", b""), got[0]
	assert sum(t in "KXZ" for t, _ in got) == sent["E"] + sent["Q"], got
	assert len(got) == 1 + sent["E"] + sent["Q"], got
	print("\n".join(p.decode() for t, p in got if t == "K" and p))
	EOT
	sort <<<"$output" >"$BATS_TEST_TMPDIR/ids"
	queued | sed 's,.*/,,' | sort | diff "$BATS_TEST_TMPDIR/ids" -
	[[ $(wc -l <"$BATS_TEST_TMPDIR/ids") -gt 150 ]]
	queued | xargs python3 "$SMTPD_TOP/tests/tools/queuefile.py" state |
		awk '$1 != "whole" { bad = 1 } END { exit bad }'
}

# listen: $SOCK leads to the entrance; what it says is in $LOG.
listen() {
	SOCK=$BATS_TEST_TMPDIR/s LOG=$BATS_TEST_TMPDIR/log
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "$SOCK" \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" "${OPTIONS[@]}" \
		"$ENTRANCE" "${ADVISERS[@]}" 3>&- 2>"$LOG" &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for test -S "$SOCK"
}

through() {
	as_user python3 "$SMTPD_TOP/tests/tools/inject.py" "$@" "@$SOCK"
}

@test "queue: serves a listening socket, a process for each conversation" {
	listen
	run -0 through "${MAIL[@]}"
	run -0 through "${MAIL[@]}" "${MAIL[@]}"
	# one that has not ended holds up no other
	mark=$BATS_TEST_TMPDIR/mark go=$BATS_TEST_TMPDIR/go
	through "${MAIL[@]:0:3}" Q get get touch:"$mark" wait:"$go" \
		"${MAIL[@]:3}" 3>&- &
	wait_for test -e "$mark"
	run -0 through "${MAIL[@]}"
	touch "$go"
	wait $!
	kill "$(<"$BATS_TEST_TMPDIR/pid")"
	wait "$(<"$BATS_TEST_TMPDIR/pid")"
	[[ $(queued | wc -l) -eq 5 ]]
	run ! grep -v ' event=queued ' "$LOG"
}

@test "queue: a process that serves many asks its advisers for each" {
	for kind in command socket; do
		ADVISERS=()
		adviser "$kind" top <<-'PY'
		def advise(text):
		    return [(b"H", b"X-Asked: %d\r\n" % os.getpid())] + K
		PY
		if [[ $kind == socket ]]; then
			"${AS_USER[@]}" "$SMTPD_TOP/tests/tools/counsel.py" \
				listen "$BATS_TEST_TMPDIR/a" \
				"$BATS_TEST_TMPDIR/socket" 3>&- &
			echo $! >"$BATS_TEST_TMPDIR/adviser.pid"
			wait_for test -S "$BATS_TEST_TMPDIR/a"
			ADVISERS=("socket:top:$BATS_TEST_TMPDIR/a")
		fi
		listen
		for _ in 1 2 3; do
			run -0 through "${MAIL[@]}"
		done
		[[ $(queued | wc -l) -eq 3 ]]
		[[ $(queued | xargs grep -ah 'X-Asked: ' | sort -u |
			wc -l) -eq 3 ]]
		kill "$(<"$BATS_TEST_TMPDIR/pid")"
		wait "$(<"$BATS_TEST_TMPDIR/pid")"
		rm -rf "${Q:?}/new" "$SOCK"
	done
	# Without the adviser it is not now, and with it again it goes on.
	listen
	run -0 through "${MAIL[@]}"
	kill "$(<"$BATS_TEST_TMPDIR/adviser.pid")"
	mv "$BATS_TEST_TMPDIR"/a "$BATS_TEST_TMPDIR"/b
	run -75 through "${MAIL[@]}" Q get
	[[ $output == *'Z 451 4.7.1 '* ]]
	[[ $(<"$LOG") == *"cannot reach adviser socket"* ]]
	"${AS_USER[@]}" "$SMTPD_TOP/tests/tools/counsel.py" listen \
		"$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/socket" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/adviser.pid"
	wait_for test -S "$BATS_TEST_TMPDIR/a"
	run -0 through "${MAIL[@]}"
	kill "$(<"$BATS_TEST_TMPDIR/adviser.pid")"
}

# scheduler: a datagram socket for the wake-up; in told is what comes first.
scheduler() {
	rm -f "$BATS_TEST_TMPDIR"/{wakeup,ready,told}
	as_user python3 - "$BATS_TEST_TMPDIR" 3>&- <<-'EOT' &
	import os, socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1] + "/wakeup")
	s.settimeout(60)
	open(sys.argv[1] + "/ready", "w").close()
	with open(sys.argv[1] + "/told.new", "w") as f:
	    f.write(s.recv(100).decode())
	os.rename(sys.argv[1] + "/told.new", sys.argv[1] + "/told")
	EOT
	wait_for test -e "$BATS_TEST_TMPDIR/ready"
}

@test "queue: a scheduler that comes later is told as well" {
	listen
	run -0 through "${MAIL[@]}"
	for _ in 1 2; do
		scheduler
		run -0 through "${MAIL[@]}"
		wait_for test -e "$BATS_TEST_TMPDIR/told"
		[[ $(<"$BATS_TEST_TMPDIR/told") == "$(acknowledged)" ]]
	done
}

@test "queue: mail goes into the queue of this moment" {
	listen
	run -0 through "${MAIL[@]}"
	mv "$Q" "$Q.old"
	as_user mkdir -m 700 "$Q"
	run -0 through "${MAIL[@]}"
	only_queued
	[[ $(find "$Q.old" -type f | wc -l) -eq 1 ]]
}

@test "queue: says at the start what is wrong, and serves nobody" {
	ENTRANCE=sideways
	run -1 --separate-stderr inject "${MAIL[@]}"
	[[ -z $output && $stderr == *"ended with 100"* ]]
	ENTRANCE=in OPTIONS=(-o queue=/nonexistent)
	run -1 --separate-stderr inject "${MAIL[@]}"
	[[ -z $output && $stderr == *"ended with 111"* ]]
	[[ $stderr == *"cannot open '/nonexistent'"* ]]
	run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-queue" -c "$CONF" \
		</dev/null
	run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-queue" -c "$CONF" \
		in user </dev/null
}

@test "queue: refuses to be root" {
	[[ $(id -u) -eq 0 ]] || skip "needs root"
	run -100 --separate-stderr "$SMTPD_BIN/smtpd-queue" -c "$CONF" in \
		</dev/null
	[[ $stderr == *"must not run as root"* ]]
}

@test "queue: needs no call that it has given away" {
	needs_confinement
	OPTIONS=(-o confine=kill)
	head -c 300000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	run -0 --separate-stderr inject "${MAIL[@]}" "${MAIL[@]:0:4}" A \
		"${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E "${HEAD[@]}" Y E \
		C:version=1 peer:tcp "${MAIL[@]:1}"
	[[ $(queued | wc -l) -eq 3 ]]
	ENTRANCE=user
	run -1 --separate-stderr inject "${MAIL[@]:0:4}"
	[[ $stderr != *"the program ended with"* ]]
}
