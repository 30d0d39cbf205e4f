#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The injector: the conversation, the rules of the entrances, the file.
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
	if [[ -e $BATS_TEST_TMPDIR/pid ]]; then
		kill "$(<"$BATS_TEST_TMPDIR/pid")" 2>/dev/null || true
	fi
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
		M:junk $'H:X-Judge: ham\r\n' B: E
	id=${lines[0]#I }
	[[ ${lines[1]} == "K $id" && ${#id} -eq 22 ]]
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
	M junk
	H X-Judge: ham$(printf '\r')

	EOT
}

@test "queue: one log line for each message, with what is known of it" {
	run -0 --separate-stderr inject C:version=1 C:ip=192.0.2.1 \
		'C:helo=a b"c' C:protocol=ESMTPS C:tls=TLS1.2 "${MAIL[@]:1}"
	[[ $stderr == "id=${lines[0]#I } prog=smtpd-queue event=queued \
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
	second=$(sed -n 's/^K //p' <<<"$output" | sed -n 2p)
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

@test "queue: a client who leaves without reading his id is no trouble" {
	run -0 --separate-stderr as_user python3 - "$SMTPD_BIN/smtpd-queue" \
		-c "$CONF" in <<-'PY'
	import select, socket, subprocess, sys
	ours, its = socket.socketpair()
	queue = subprocess.Popen(sys.argv[1:], stdin=its, stdout=its)
	its.close()
	ours.sendall(b"10:Cversion=1,3:S<>,1:A,")
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
	[[ $(grep -c ^I <<<"$output") -eq 2 ]]
	only_queued
	run -1 --separate-stderr inject A
	[[ -z $output$stderr ]]
}

@test "queue: what is no frame ends the conversation, and queues nothing" {
	for junk in 'raw:12' raw:x 'raw:0:,' 'raw:3:Bxy;' 'raw:65537:B' \
	    'raw:01:E,' 'raw:2:1x,' 'raw:1:E' 'raw:-1:E,'; do
		run -1 --separate-stderr inject "${MAIL[@]:0:4}" "$junk"
		[[ $stderr == *"ended with 111"* ]]
		nothing_queued
	done
}

@test "queue: frames out of order are refused, after E and with an id" {
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
	[[ $output == "I "* ]]
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
	refused '554 5.5.0' "${HEAD[@]}" 'H:X: y' E
	refused '554 5.5.0' "${HEAD[@]}" H: E
}

@test "queue: an unknown frame is refused in upper case, kept in lower" {
	refused '554 5.5.0' "${HEAD[@]}" Y:x E
	run -0 --separate-stderr inject "${HEAD[@]}" y:x B: z E
	queue_tool frames "$(only_queued)" | grep -x 'y x'
	queue_tool frames "$(only_queued)" | grep -x 'z '
}

@test "queue: a refused message does not harm the next" {
	run -0 --separate-stderr inject "${HEAD[@]}" Y B:x E "${MAIL[@]}"
	[[ ${lines[1]} == X* && ${lines[3]} == K* ]]
	only_queued
}

@test "queue: the id is sent when we wait, not only at the end" {
	run -0 --separate-stderr inject "${MAIL[@]:0:2}" get "${MAIL[@]:2}"
	[[ ${lines[0]} == I* ]]
	run -65 --separate-stderr inject C:bad 'S:<>' get E
	[[ ${lines[0]} == I* ]]
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
	ENTRANCE=user refused '550 5.7.1 Not authorized' C:version=1 \
		C:bounce=postmaster "${MAIL[@]:1}"
	refused '550 5.7.1 Not authorized' C:version=1 C:uid=0 "${MAIL[@]:1}"
	refused '550 5.7.1 Not authorized' C:version=1 C:entrance=own \
		"${MAIL[@]:1}"
	refused '550 5.7.1' C:version=1 C:ip=127.0.0.1 "${remote[@]}"
	refused '550 5.7.1' C:version=1 C:ip=127.0.0.1 C:peer=socket "${remote[@]}"
	for kind in none unix udp file; do
		refused '550 5.7.1' C:version=1 C:ip=127.0.0.1 \
			"peer:$kind" "${remote[@]}"
	done
}

@test "queue: a client that relay_clients names may relay, by his socket" {
	local mail=(C:version=1 C:ip=192.0.2.9 peer:tcp 'S:<>'
		'R:remote <x@client.example>' B:x E)
	refused '550 5.7.1' "${mail[@]}"
	OPTIONS=(-o 'relay_clients=10.0.0.0/8 127.0.0.0/8')
	run -0 --separate-stderr inject "${mail[@]}"
	[[ $stderr == *" ip=127.0.0.1"* ]]
	only_queued
	# and what one message showed is not believed of the next
	run -65 --separate-stderr inject "${mail[@]}" C:version=1 "${mail[@]:3}"
	[[ $(queued | wc -l) -eq 2 ]]
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
	ENTRANCE=user
	run -75 --separate-stderr inject "${HEAD[@]:0:2}" \
		'R:local <user@client.example>' B:x E
	nothing_queued
}

@test "queue: users and bounces go anywhere" {
	for ENTRANCE in user own; do
		run -0 --separate-stderr inject C:version=1 C:uid=7 C:user=joe \
			'S:<>' 'R:remote <x@client.example>' \
			'R:local <user@example.com>' B:x E
		queue_tool frames "$(only_queued)" | grep -x "C entrance=$ENTRANCE"
		rm -r "$Q/new"
		refused '550 5.7.1' C:version=1 C:entrance=in "${MAIL[@]:1}"
	done
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
	for _ in {1..127}; do
		printf 'X: %032763d\r\n' 0
	done >"$BATS_TEST_TMPDIR/fields"
	run -0 --separate-stderr inject "${HEAD[@]}" \
		H@"$BATS_TEST_TMPDIR/fields" E
	rm -r "$Q/new"
	printf 'X: %032763d\r\n' 0 >>"$BATS_TEST_TMPDIR/fields"
	refused '552 5.3.4' "${HEAD[@]}" H@"$BATS_TEST_TMPDIR/fields" E
}

@test "queue: the file is locked, and not readable, until it is committed" {
	mark=$BATS_TEST_TMPDIR/mark go=$BATS_TEST_TMPDIR/go
	inject "${HEAD[@]}" get touch:"$mark" wait:"$go" B:x E \
		>"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for test -e "$mark"
	file=$(only_queued)
	[[ $(stat -c %a "$file") == 200 ]]
	run -1 bash -c 'flock --nonblock 9 9>>"$0"' "$file"
	[[ $(queue_tool state "$file") == torn* ]]
	touch "$go"
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
	[[ $(<"$BATS_TEST_TMPDIR/told") == "${lines[1]#K }" ]]
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
	inject "${HEAD[@]}" get touch:"$mark" wait:"$go" B:x E "${MAIL[@]}" \
		>"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for test -e "$mark"
	kill -TERM "$(<"$BATS_TEST_TMPDIR/pid")"
	touch "$go"
	wait $!
	[[ $(grep -c ^K "$BATS_TEST_TMPDIR/out") -eq 1 ]]
	only_queued
	# between two messages it goes at once
	rm "$mark" "$go"
	inject "${MAIL[@]}" get get touch:"$mark" wait:"$go" \
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
	# He knows the id as soon as smtpd-session is his; the mode he has not.
	mark=$BATS_TEST_TMPDIR/mark
	UNDER=(bash -c 'echo $$ >"$0"; exec "$@"' "$BATS_TEST_TMPDIR/pid")
	as_user python3 - "$SMTPD_TOP" "$BATS_TEST_TMPDIR" "${UNDER[@]}" \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" in 3>&- <<-'EOT' &
	import os, socket, subprocess, sys
	sys.path.insert(0, sys.argv[1] + "/tests/tools")
	from inject import frame
	from queuefile import crc32c
	ours, theirs = socket.socketpair()
	child = subprocess.Popen(sys.argv[3:], stdin=theirs, stdout=theirs)
	ours.sendall(frame(b"C", b"version=1") + frame(b"S", b"<>"))
	ident = ours.recv(100)[4:26]
	frames = frame(b"C", b"entrance=user") + frame(b"S", b"<>") + \
	    frame(b"R", b"remote <x@client.example>")
	body = b"x" * 70000
	footer = b"smtpd-queue 1 %s %016x %08x %016x %08x " % (
	    ident, len(body), len(frames), 1, crc32c(body))
	footer += b"%08x\n" % crc32c(frames + footer)
	data = body + frames + footer
	ours.sendall(frame(b"R", b"local <user@example.com>"))
	ours.sendall(frame(b"B", data[:60000]) + frame(b"B", data[60000:]))
	print(os.path.join("new", chr(ident[-1]), ident.decode()), len(data),
	    file=open(sys.argv[2] + "/mark.new", "w"))
	os.rename(sys.argv[2] + "/mark.new", sys.argv[2] + "/mark")
	child.wait()
	EOT
	wait_for test -e "$mark"
	read -r path size <"$mark"
	wait_for bash -c "[[ \$(stat -c %s '$Q/$path') -eq $size ]]"
	kill -KILL "$(<"$BATS_TEST_TMPDIR/pid")"
	wait $!
	[[ $(queue_tool state "$(only_queued)") == torn* ]]
	# the file is as he wanted it, but for its mode
	as_user chmod 400 "$(only_queued)"
	[[ $(queue_tool state "$(only_queued)") == whole* ]]
}

@test "queue: any order of frames gets an id for S and a verdict for E" {
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
	       "x:y", "A", "E", "E", "peer:udp", "peer:tcp"]
	client, sent = Client(ours), {"S": 0, "E": 0}
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
	        if word[0] in sent and word[1:2] in ("", ":"):
	            sent[word[0]] += 1
	client.flush()
	ours.shutdown(socket.SHUT_WR)
	got = []
	while (frame := client.next()) is not None:
	    got.append(frame)
	assert child.wait() == 0
	assert sum(t == "I" for t, _ in got) == sent["S"], got
	assert sum(t in "KXZ" for t, _ in got) == sent["E"], got
	print("\n".join(p.decode() for t, p in got if t == "K"))
	EOT
	sort <<<"$output" >"$BATS_TEST_TMPDIR/ids"
	queued | sed 's,.*/,,' | sort | diff "$BATS_TEST_TMPDIR/ids" -
	[[ $(wc -l <"$BATS_TEST_TMPDIR/ids") -gt 150 ]]
	queued | xargs python3 "$SMTPD_TOP/tests/tools/queuefile.py" state |
		awk '$1 != "whole" { bad = 1 } END { exit bad }'
}

@test "queue: serves a listening socket, a process for each conversation" {
	sock=$BATS_TEST_TMPDIR/s
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "$sock" "$SMTPD_BIN/smtpd-queue" \
		-c "$CONF" in 3>&- 2>"$BATS_TEST_TMPDIR/log" &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for test -S "$sock"
	run -0 as_user python3 "$SMTPD_TOP/tests/tools/inject.py" \
		"${MAIL[@]}" "@$sock"
	run -0 as_user python3 "$SMTPD_TOP/tests/tools/inject.py" \
		"${MAIL[@]}" "@$sock"
	kill "$(<"$BATS_TEST_TMPDIR/pid")"
	wait "$(<"$BATS_TEST_TMPDIR/pid")"
	[[ $(queued | wc -l) -eq 2 ]]
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
