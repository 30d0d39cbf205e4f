#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The entrances of smtpd-queue: who is believed what.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	TEXT=($'B:Subject: x\r\n\r\nhello\r\n' E)
	REMOTE=('S:<a@client.example>' 'R:remote <x@client.example>'
		"${TEXT[@]}")
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

# taken WORD...: the message is queued, and here are the frames of its file.
taken() {
	run -0 --separate-stderr inject "$@"
	queue_tool frames "$(only_queued)" >"$BATS_TEST_TMPDIR/frames"
	rm -r "$Q/new"
}

# frames_are LINE...: C, S and R of the message that was taken last.
frames_are() {
	diff <(printf '%s\n' "$@") "$BATS_TEST_TMPDIR/frames"
}

# listen: $SOCK leads to a smtpd-queue with $ENTRANCE.
listen() {
	SOCK=$BATS_TEST_TMPDIR/s
	rm -f "$SOCK"
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" -m 0666 "$SOCK" \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" "${OPTIONS[@]}" \
		"$ENTRANCE" "${ADVISERS[@]}" 3>&- 2>"$BATS_TEST_TMPDIR/log" &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for test -S "$SOCK"
}

# through WORD...: by that socket.
through() {
	as_user python3 "$SMTPD_TOP/tests/tools/inject.py" "$@" "@$SOCK"
}

# --- relay ---------------------------------------------------------------------

@test "entrance: relay is for those that show a socket in relay_clients" {
	ENTRANCE=relay
	OPTIONS=(-o 'relay_clients=127.0.0.9 10.0.0.0/8')
	for kind in none unix udp file tcp tcp=127.0.0.8; do
		refused '550 5.7.1 Not authorized' C:version=1 C:ip=127.0.0.9 \
			"peer:$kind" "${REMOTE[@]}"
		# not even to here
		refused '550 5.7.1 Not authorized' C:version=1 C:ip=127.0.0.9 \
			"peer:$kind" C:ip=127.0.0.9 "${MAIL[@]:1}"
	done
	refused '550 5.7.1 Not authorized' C:version=1 C:ip=127.0.0.9 \
		"${REMOTE[@]}"
	refused '550 5.7.1 Not authorized' C:version=1 C:ip=127.0.0.9 \
		C:peer=socket "${REMOTE[@]}"
	# a descriptor that comes with another fact shows nothing
	refused '550 5.7.1 Not authorized' C:version=1 C:peer=socket \
		peer:none "${REMOTE[@]}"
	taken C:version=1 peer:tcp=127.0.0.9 "${REMOTE[@]}"
	OPTIONS=()
	refused '550 5.7.1 Not authorized' C:version=1 peer:tcp=127.0.0.9 \
		"${REMOTE[@]}"
}

@test "entrance: of a relay client the socket says where it is" {
	ENTRANCE=relay
	OPTIONS=(-o 'relay_clients=127.0.0.0/8')
	taken C:version=1 C:ip=192.0.2.9 peer:tcp=127.0.0.9 C:ip=192.0.2.8 \
		C:helo=me C:protocol=ESMTPS C:tls=TLS1.2 "${REMOTE[@]:0:2}" \
		'R:remote <user@example.com>' "${TEXT[@]}"
	[[ $stderr == *" event=queued entrance=relay "*" ip=127.0.0.9 "* ]]
	frames_are 'C entrance=relay' 'C version=1' 'C ip=192.0.2.9' \
		'C peer=socket' 'C ip=127.0.0.9' 'C helo=me' \
		'C protocol=ESMTPS' 'C tls=TLS1.2' 'S <a@client.example>' \
		'R remote <x@client.example>' 'R local <user@example.com>'
}

@test "entrance: what one message showed is not believed of the next" {
	ENTRANCE=relay
	OPTIONS=(-o 'relay_clients=127.0.0.0/8')
	run -65 --separate-stderr inject C:version=1 peer:tcp "${REMOTE[@]}" \
		C:version=1 "${REMOTE[@]}" C:version=1 C:peer=socket \
		"${REMOTE[@]}"
	[[ $(grep -c '^K' <<<"$output") -eq 1 ]]
	only_queued
}

@test "entrance: nothing is relayed at in, whatever socket is shown" {
	OPTIONS=(-o 'relay_clients=127.0.0.0/8')
	refused '550 5.7.1 Relay access denied' C:version=1 peer:tcp \
		"${REMOTE[@]}"
	refused '550 5.7.1 Relay access denied' C:version=1 peer:tcp \
		"${REMOTE[@]:0:1}" 'R:local <x@client.example>' "${TEXT[@]}"
	taken C:version=1 C:ip=192.0.2.9 peer:tcp=127.0.0.7 "${MAIL[@]:1}"
	[[ $stderr == *" ip=127.0.0.7 "* ]]
	grep -x 'C ip=127.0.0.7' "$BATS_TEST_TMPDIR/frames"
}

@test "entrance: a relay client is no user, and sends no notices" {
	ENTRANCE=relay
	OPTIONS=(-o 'relay_clients=127.0.0.0/8')
	for fact in user=joe uid=0 about=0660ee029bdfc00c7da957 \
	    bounce=postmaster entrance=user; do
		refused '550 5.7.1 Not authorized' C:version=1 peer:tcp \
			"C:$fact" "${REMOTE[@]}"
	done
}

# --- user ----------------------------------------------------------------------

@test "entrance: the kernel says who a local user is, whatever frames say" {
	ENTRANCE=user
	taken C:version=1 C:uid=0 C:user=root "${REMOTE[@]}" 
	frames_are 'C entrance=user' 'C version=1' "C uid=$(as_user id -u)" \
		'S <a@client.example>' 'R remote <x@client.example>'
	[[ $stderr == *" uid=$(as_user id -u) "* ]]
	# The same of a second message, and of one that names nobody.
	run -0 --separate-stderr inject C:version=1 C:uid=1 "${REMOTE[@]}" \
		C:version=1 "${REMOTE[@]}"
	[[ $(grep -c " uid=$(as_user id -u) " <<<"$stderr") -eq 2 ]]
}

@test "entrance: who connected is who it is, not who serves" {
	[[ $(id -u) -eq 0 ]] || skip "needs root"
	ENTRANCE=user
	listen
	for uid in 0 61007 "$TEST_UID"; do
		AS_USER=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups --)
		run -0 through C:version=1 C:uid=0 "${REMOTE[@]}"
		queue_tool frames "$(only_queued)" | grep -x "C uid=$uid"
		rm -r "$Q/new"
	done
}

@test "entrance: a pipe is of whoever started the program" {
	run -0 --separate-stderr as_user bash -c \
		'printf %s "10:Cversion=1,6:Cuid=0,3:S<>,22:Rlocal <u@example.com>,1:E," |
			"$@" | cat' -- "$SMTPD_BIN/smtpd-queue" -c "$CONF" user
	[[ $output == *:K* ]]
	queue_tool frames "$(only_queued)" | grep -x "C uid=$(as_user id -u)"
}

@test "entrance: a network brings no local users" {
	run -0 as_user python3 - "$SMTPD_BIN/smtpd-queue" -c "$CONF" user \
		<<-'EOT'
	import socket, subprocess, sys
	listener = socket.create_server(("127.0.0.1", 0))
	ours = socket.create_connection(listener.getsockname())
	its, _ = listener.accept()
	queue = subprocess.Popen(sys.argv[1:], stdin=its, stdout=its)
	its.close()
	ours.sendall(b"10:Cversion=1,3:S<>,22:Rlocal <u@example.com>,1:E,")
	assert queue.wait(20) == 100, queue.returncode
	EOT
	[[ $output == *"the client is not a local user"* ]]
	nothing_queued
}

@test "entrance: of a local user nothing is believed that a network says" {
	ENTRANCE=user
	taken C:version=1 C:ip=192.0.2.1 C:tls=TLS1.2 peer:tcp C:helo=me \
		C:protocol=local "${REMOTE[@]}"
	frames_are 'C entrance=user' 'C version=1' 'C helo=me' \
		'C protocol=local' "C uid=$(as_user id -u)" \
		'S <a@client.example>' 'R remote <x@client.example>'
	for fact in about=0660ee029bdfc00c7da957 bounce=postmaster \
	    entrance=own; do
		refused '550 5.7.1 Not authorized' C:version=1 "C:$fact" \
			"${REMOTE[@]}"
	done
}

# --- auth ----------------------------------------------------------------------

@test "entrance: the first word of smtpd-auth says who it is, and no other" {
	ENTRANCE=auth
	taken C:user=alice C:version=1 C:user=root C:uid=0 C:ip=192.0.2.1 \
		C:protocol=ESMTPSA C:tls=TLS1.2 C:user=bob "${REMOTE[@]}"
	frames_are 'C entrance=user' 'C version=1' 'C ip=192.0.2.1' \
		'C protocol=ESMTPSA' 'C tls=TLS1.2' 'C user=alice' \
		'S <a@client.example>' 'R remote <x@client.example>'
	[[ $stderr == *" entrance=user "*" user=alice "* ]]
	# for each message of the conversation, also after a broken one
	run -0 --separate-stderr inject C:user=alice C:version=1 "${REMOTE[@]}" \
		C:user=bob "${REMOTE[@]}" C:version=1 C:user=bob \
		"${REMOTE[@]:0:1}" A C:version=1 C:user=bob "${REMOTE[@]}"
	[[ $(grep -c ' event=queued .* user=alice ' <<<"$stderr") -eq 2 ]]
	[[ $stderr != *user=bob* ]]
}

@test "entrance: of an authenticated user the socket says where it is" {
	ENTRANCE=auth
	taken C:user=alice C:version=1 C:ip=192.0.2.1 peer:tcp=127.0.0.7 \
		"${REMOTE[@]}"
	grep -x 'C ip=127.0.0.7' "$BATS_TEST_TMPDIR/frames"
	[[ $stderr == *" ip=127.0.0.7 "* ]]
}

@test "entrance: auth without that first word serves nobody" {
	ENTRANCE=auth
	for word in C:version=1 C:uid=0 C:user= C:user C:name=alice S:alice \
	    E A Q c:user=alice "C:user=$(printf '%0600d' 0)" \
	    $'C:user=a\nb' raw:x; do
		run -1 --separate-stderr inject "$word" C:user=alice \
			C:version=1 "${REMOTE[@]}"
		[[ $stderr == *"the program ended with 100"* ]]
		[[ $output != *[KXZ]\ * ]]
		nothing_queued
	done
}

@test "entrance: auth gives no authority but that of a user" {
	ENTRANCE=auth
	for fact in about=0660ee029bdfc00c7da957 bounce=postmaster \
	    entrance=own; do
		refused '550 5.7.1 Not authorized' C:user=alice C:version=1 \
			"C:$fact" "${REMOTE[@]}"
	done
}

@test "entrance: auth through a socket, as smtpd-auth hands it on" {
	ENTRANCE=auth
	listen
	run -0 through C:user=alice sync C:version=1 C:user=bob "${REMOTE[@]}"
	queue_tool frames "$(only_queued)" >"$BATS_TEST_TMPDIR/frames"
	grep -x 'C user=alice' "$BATS_TEST_TMPDIR/frames"
	run ! grep bob "$BATS_TEST_TMPDIR/frames"
	# and what is said to one client is not for the next
	run -1 through C:version=1 "${REMOTE[@]}"
	only_queued
}

# --- own -----------------------------------------------------------------------

@test "entrance: only own says what a notice is about" {
	ENTRANCE=own
	taken C:version=1 C:about=0660ee029bdfc00c7da957 C:bounce=postmaster \
		'S:<>' "${REMOTE[@]:1}"
	frames_are 'C entrance=own' 'C version=1' \
		'C about=0660ee029bdfc00c7da957' 'C bounce=postmaster' \
		'S <>' 'R remote <x@client.example>'
	for fact in user=joe uid=0 entrance=own; do
		refused '550 5.7.1 Not authorized' C:version=1 "C:$fact" \
			"${REMOTE[@]}"
	done
}

# --- all of them -----------------------------------------------------------------

@test "entrance: the class of a recipient is ours to say" {
	local words=('S:<>' 'R:remote <user@example.com>'
		'R:local <x@client.example> X=Y' 'R:local <user@EXAMPLE.org>'
		'R:remote <x@[127.0.0.1]>' "${TEXT[@]}") first
	OPTIONS=(-o relay_clients=127.0.0.1)
	for ENTRANCE in user auth relay; do
		first=(C:version=1)
		[[ $ENTRANCE != auth ]] || first=(C:user=alice C:version=1)
		[[ $ENTRANCE != relay ]] || first+=(peer:tcp)
		taken "${first[@]}" "${words[@]}"
		diff <(grep ^R "$BATS_TEST_TMPDIR/frames") - <<-'EOT'
		R local <user@example.com>
		R remote <x@client.example> X=Y
		R local <user@EXAMPLE.org>
		R remote <x@[127.0.0.1]>
		EOT
	done
	# Who reads the settings as we do agrees with us, or they have changed.
	for to in 'remote <user@example.com>' 'local <x@client.example>'; do
		ENTRANCE=own
		run -75 --separate-stderr inject C:version=1 'S:<>' "R:$to" \
			"${TEXT[@]}"
		[[ $output == *"Z 451 4.3.0"* ]]
		nothing_queued
	done
}

@test "entrance: a full name is told to advisers of users, and not stored" {
	OPTIONS=(-o relay_clients=127.0.0.1)
	adviser submit top </dev/null
	for ENTRANCE in in relay user auth own; do
		words=(C:version=1 'C:name=A. Lovelace')
		[[ $ENTRANCE != auth ]] || words=(C:user=alice "${words[@]}")
		[[ $ENTRANCE != relay ]] || words+=(peer:tcp)
		taken "${words[@]}" "${MAIL[@]:1}"
		run ! grep -i lovelace "$BATS_TEST_TMPDIR/frames"
		case $ENTRANCE in
		user | auth) told submit | grep -x 'C name=A. Lovelace' ;;
		*) run ! grep -i lovelace "$BATS_TEST_TMPDIR/submit/log" ;;
		esac
		rm "$BATS_TEST_TMPDIR/submit/log"
	done
}

@test "entrance: an adviser hears what is believed, and nothing else" {
	adviser submit top </dev/null
	ENTRANCE=user
	taken C:version=1 C:uid=0 C:user=root C:ip=192.0.2.1 C:helo=me \
		C:name=Ada C:protocol=local 'S:<a@client.example> BODY=8BITMIME' \
		'R:local <x@client.example> A=B' 'R:remote <user@example.com>' \
		$'H:Received: x\r\n' x:y B:text E
	diff <(told submit | sed 's/^C id=.*/C id=ID/') - <<-EOT
	C id=ID
	C entrance=user
	C version=1
	C helo=me
	C name=Ada
	C protocol=local
	C uid=$(as_user id -u)
	S <a@client.example> BODY=8BITMIME
	R remote <x@client.example> A=B
	R local <user@example.com>
	H Received: x$(printf '\r')

	E 4
	EOT
	[[ "C id=$(sed -n 's/^K //p' <<<"$output")" == \
		"$(told submit | head -n 1)" ]]
}

@test "entrance: each greets at once, and says nothing else unasked" {
	for ENTRANCE in in relay user auth own; do
		listen
		run -0 as_user python3 - "$SMTPD_TOP/tests/tools" "$SOCK" \
			"$ENTRANCE" <<-'EOT'
		import socket, sys
		sys.path.insert(0, sys.argv[1])
		from inject import Client
		sock = socket.socket(socket.AF_UNIX)
		sock.connect(sys.argv[2])
		client = Client(sock)
		assert client.next() == ("W", b"")
		if sys.argv[3] == "auth":
		    client.do("C:user=alice")
		for word in "C:version=1", "S:<>", "A", "Q", "E":
		    client.do(word)
		client.flush()
		assert client.next() == ("K", b"")
		assert client.next()[0] == "X"
		sock.shutdown(socket.SHUT_WR)
		assert client.next() is None
		EOT
		kill "$(<"$BATS_TEST_TMPDIR/pid")"
		wait "$(<"$BATS_TEST_TMPDIR/pid")"
	done
	nothing_queued
}

@test "entrance: one that is none is refused at the start" {
	for words in '' user2 IN queue-in 'judge:top:/bin/true' \
	    'in judge' 'in judge:top' \
	    'in judge:all:/bin/true' 'in judge:top,:/bin/true' \
	    'in :top:/bin/true' 'in judge:top:bin/true' 'in in' \
	    'in judge:top,top2:/bin/true'; do
		# shellcheck disable=SC2086 # words
		run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-queue" \
			-c "$CONF" $words </dev/null
		echo "'$words': $stderr"
		[[ $stderr == *fatal:* && -z $output ]]
	done
}

# What the next message shows may be here before the one before is done.
@test "queue: each of two messages that come at once has its own socket" {
	ENTRANCE=relay
	echo 'relay_clients = 127.0.0.0/8' >>"$CONF"
	"${AS_USER[@]}" /usr/bin/python3 - "$SMTPD_BIN/smtpd-queue" -c "$CONF" \
		relay <<-'PY'
	import array, socket, subprocess, sys
	ours, theirs = socket.socketpair()
	listener = socket.create_server(("127.0.0.1", 0))
	client = socket.create_connection(listener.getsockname())
	peer, _ = listener.accept()
	def frame(s):
	    return b"%d:%s," % (len(s), s)
	message = frame(b"S<a@b.test>") + frame(b"Rremote <x@far.test>") + \
	    frame(b"BX: y\r\n") + frame(b"E")
	fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
	        array.array("i", [peer.fileno()]))]
	for _ in range(4):
	    ours.sendall(frame(b"Cversion=1"))
	    ours.sendmsg([frame(b"Cpeer=socket")], fds)
	    ours.sendall(message)
	ours.shutdown(socket.SHUT_WR)
	queue = subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=theirs)
	theirs.close()
	answers = b""
	while data := ours.recv(65536):
	    answers += data
	assert answers.count(b":K") == 4, answers
	assert queue.wait(20) == 0
	PY
}
