#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-listen: what it binds, what it leaves open, whom it becomes.

# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets

load lib/smtpd

setup() {
	setup_dir
	d=$BATS_TEST_TMPDIR
	listener=$BATS_TEST_DIRNAME/tools/listener.py
}

teardown() {
	[[ -z ${pid-} ]] || stop_it TERM
}

# Becomes smtpd-listen, so that a pid is its own and not a waiting shell's.
listen_as() {
	local who=$1
	shift
	if [[ $who == user && $(id -u) -eq 0 ]]; then
		exec setpriv --reuid="$TEST_UID" --regid="$TEST_UID" \
			--clear-groups -- "$SMTPD_BIN/smtpd-listen" "$@"
	fi
	exec "$SMTPD_BIN/smtpd-listen" "$@"
}

# Starts smtpd-listen with these arguments; what it runs says in $d/said.
launch() {
	local who=user
	[[ $1 != --root ]] || { who=root; shift; }
	: >"$d/said"
	listen_as "$who" "$@" >"$d/said" 2>"$d/errors" 3>&- &
	pid=$!
	wait_for test -s "$d/said" || { cat "$d/errors" >&2; return 1; }
}

stop_it() {
	kill "-$1" "$pid"
	wait "$pid" 2>/dev/null || true
	pid=
}

said() {
	python3 -c 'import json, sys
print(json.loads(open(sys.argv[1]).read())[sys.argv[2]])' "$d/said" "$1"
}

dial() {
	socat -u "$1" - </dev/null
}

@test "listen: a UNIX socket, mode 0600" {
	launch "$d/s" "$listener" one "two words"
	[ "$(stat -c %a "$d/s")" = 600 ]
	[ "$(said listening)" = 1 ]
	[ "$(dial "UNIX:$d/s")" = "one two words" ]
}

@test "listen: just the descriptors 0, 1 and 2" {
	listen_as user "$d/s" "$listener" \
		>"$d/said" 2>/dev/null 3>&1 5</dev/null 40</dev/null &
	pid=$!
	wait_for test -s "$d/said"
	# fds is seen while python has nothing else open
	[ "$(said fds)" = "[0, 1, 2]" ]
}

@test "listen: the socket is 0 even when 0 to 2 were closed" {
	as_user "$SMTPD_BIN/smtpd-listen" "$d/s" "$BASH" -c \
		"exec >'$d/said'; readlink /proc/self/fd/0 /proc/\$\$/fd/1" \
		<&- >&- 2>&- 3>&-
	grep -q '^socket:' "$d/said"
}

@test "listen: -m sets the mode whatever the umask" {
	umask 077
	launch -m 0666 "$d/s" "$listener"
	[ "$(stat -c %a "$d/s")" = 666 ]
}

@test "listen: the program keeps the umask and the environment" {
	umask 027
	run as_user env MARK=x "$SMTPD_BIN/smtpd-listen" "$d/s" \
		"$BASH" -c 'umask; echo "$MARK"'
	[ "$status" -eq 0 ]
	[ "$output" = $'0027\nx' ]
}

@test "listen: IPv4" {
	port=$(free_port)
	launch "127.0.0.1:$port" "$listener" four
	[ "$(said family)" = AF_INET ]
	[ "$(dial "TCP4:127.0.0.1:$port")" = four ]
}

@test "listen: IPv6, and only IPv6" {
	python3 -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' \
		2>/dev/null || skip_loudly "no IPv6 here"
	port=$(free_port)
	launch "[::]:$port" "$listener" six
	[ "$(dial "TCP6:[::1]:$port")" = six ]
	run dial "TCP4:127.0.0.1:$port"
	[ "$status" -ne 0 ]
}

@test "listen: an address left in TIME_WAIT is bound again" {
	port=$(free_port)
	launch "127.0.0.1:$port" "$listener" first
	[ "$(dial "TCP4:127.0.0.1:$port")" = first ]
	stop_it TERM
	launch "127.0.0.1:$port" "$listener" second
	[ "$(dial "TCP4:127.0.0.1:$port")" = second ]
}

@test "listen: a stale socket is replaced" {
	launch "$d/s" "$listener" first
	stop_it KILL
	[ -S "$d/s" ]
	launch "$d/s" "$listener" second
	[ "$(dial "UNIX:$d/s")" = second ]
}

@test "listen: a socket in use stays" {
	launch "$d/s" "$listener" first
	run -111 --separate-stderr as_user "$SMTPD_BIN/smtpd-listen" "$d/s" true
	[ "$stderr" = "smtpd-listen: fatal: '$d/s' is in use" ]
	[ "$(dial "UNIX:$d/s")" = first ]
}

@test "listen: a socket in use stays though its backlog is full" {
	launch -b 1 "$d/s" /bin/sh -c 'echo ready; exec sleep 1000'
	python3 -c 'import signal, socket, sys
while True:
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    globals().setdefault("all", []).append(s)
    try:
        s.connect(sys.argv[1])
    except BlockingIOError:
        break
print("full", flush=True)
signal.pause()' "$d/s" >"$d/full" 3>&- &
	filler=$!
	wait_for test -s "$d/full"
	run -111 --separate-stderr as_user "$SMTPD_BIN/smtpd-listen" "$d/s" true
	kill "$filler"
	[ "$stderr" = "smtpd-listen: fatal: '$d/s' is in use" ]
	[ -S "$d/s" ]
}

@test "listen: a file in the way is not removed" {
	echo precious >"$d/s"
	run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-listen" "$d/s" true
	[[ $stderr == *"'$d/s' exists and is not a socket" ]]
	[ "$(<"$d/s")" = precious ]
	ln -sfn "$d/elsewhere" "$d/l"
	run -100 as_user "$SMTPD_BIN/smtpd-listen" "$d/l" true
	[ -L "$d/l" ]
}

@test "listen: a port in use is a temporary failure" {
	port=$(free_port)
	launch "127.0.0.1:$port" "$listener" x
	run -111 --separate-stderr as_user "$SMTPD_BIN/smtpd-listen" \
		"127.0.0.1:$port" true
	[[ $stderr == *"cannot bind '127.0.0.1:$port': Address"*"in use" ]]
}

@test "listen: bad usage is exit 100" {
	local address
	cd "$d"
	for address in host:25 localhost:25 127.0.0.1 127.0.0.1: 127.0.0.1:x \
	    127.0.0.1:65536 127.0.0.1:-1 :25 ::1:25 '[::1]' '[127.0.0.1]:25' \
	    '[]:25' 1.2.3:25 relative/path "/$(printf '%0110d' 0)" ''; do
		run -100 --separate-stderr "$SMTPD_BIN/smtpd-listen" \
			"$address" /bin/echo started
		[ -z "$output" ]
		[[ $stderr == "smtpd-listen: fatal: '$address': "* ]]
	done
	run -100 "$SMTPD_BIN/smtpd-listen"
	run -100 "$SMTPD_BIN/smtpd-listen" "$d/s"
	run -100 "$SMTPD_BIN/smtpd-listen" -x "$d/s" true
	run -100 "$SMTPD_BIN/smtpd-listen" -m 8 "$d/s" true
	run -100 "$SMTPD_BIN/smtpd-listen" -m 01777 "$d/s" true
	run -100 "$SMTPD_BIN/smtpd-listen" -m -1 "$d/s" true
	run -100 "$SMTPD_BIN/smtpd-listen" -b 0 "$d/s" true
	run -100 "$SMTPD_BIN/smtpd-listen" -b x "$d/s" true
	run -100 "$SMTPD_BIN/smtpd-listen" -u no-such-user "$d/s" true
	run -100 "$SMTPD_BIN/smtpd-listen" -g no-such-group "$d/s" true
	run -100 "$SMTPD_BIN/smtpd-listen" -g root 127.0.0.1:0 true
	[ ! -e "$d/s" ] || rm "$d/s"
}

@test "listen: a program that is not there is exit 100" {
	run -100 --separate-stderr "$SMTPD_BIN/smtpd-listen" "$d/s" /no/where
	[[ $stderr == *"cannot run '/no/where': No such file or directory" ]]
}

@test "listen: the options of the program are its own" {
	run -0 "$SMTPD_BIN/smtpd-listen" "$d/s" /bin/echo -u nobody -m 1
	[ "$output" = "-u nobody -m 1" ]
}

@test "listen: -u becomes the user, for good" {
	[[ $(id -u) -eq 0 ]] || skip_loudly "needs root"
	launch --root -u nobody -m 0660 -g nogroup "$d/s" "$listener" x
	uid=$(id -u nobody) gid=$(id -g nobody)
	[ "$(said uid)" = "[$uid, $uid, $uid]" ]
	[ "$(said gid)" = "[$gid, $gid, $gid]" ]
	[ "$(said groups)" = "[$gid]" ]
	[ "$(stat -c '%a %U %G' "$d/s")" = "660 root nogroup" ]
}

@test "listen: -u of an ordinary user for another one fails" {
	[[ $(id -u) -eq 0 ]] || skip_loudly "needs root"
	run -111 as_user "$SMTPD_BIN/smtpd-listen" -u nobody "$d/s" true
}
