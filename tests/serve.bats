#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Programs with a listening socket: a process a connection, and no more. It is
# a child of the warm process, which is one of the listener's.
# (What the listener does in every corner is in tests/unit/serve.c and warm.c.)

# shellcheck disable=SC2030,SC2031 # each test is a subshell

load lib/smtpd

setup() {
	setup_dir
	d=$BATS_TEST_TMPDIR
	as_user mkdir -p "$d/queue"
	pids=()
}

teardown() {
	[[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null || true
	[[ ${#pids[@]} -eq 0 ]] || wait "${pids[@]}" || true
}

options() {
	printf '%s\n' -c /dev/null -o "queue=$d/queue" -o "wakeup=$d/w" \
		-o "rcpt=$d/rcpt" -o "injector=$d/in" -o "aliases=" \
		-o "hostname=mx.example.org" "$@"
}

# The pid is the program's: exec, not a shell that waits.
listen_as_user() {
	local as=()
	[[ $(id -u) -ne 0 ]] || as=(setpriv "--reuid=$TEST_UID"
		"--regid=$TEST_UID" --clear-groups --)
	exec "${as[@]}" "$SMTPD_BIN/smtpd-listen" "$@"
}

# launch ADDRESS PROGRAM ARGUMENT...: a listener; its pid in $pid.
launch() {
	listen_as_user "$@" >>"$d/log" 2>&1 3>&- &
	pid=$!
	pids+=("$pid")
	wait_for serves "$1" || { cat "$d/log" >&2; return 1; }
}

serves() {
	[[ $(tr '\0' ' ' <"/proc/$pid/cmdline") != *smtpd-listen* ]] &&
		socat -u OPEN:/dev/null "$(address "$1")"
}

address() {
	case $1 in
	/*) echo "UNIX-CONNECT:$1" ;;
	*) echo "TCP4:$1" ;;
	esac
}

# Connects descriptor $1 to the address $2, both ways.
dial() {
	coproc_in=$d/client.$1.in
	mkfifo "$coproc_in"
	socat -t 20 "$(address "$2")" - <"$coproc_in" >"$d/client.$1.out" 3>&- &
	pids+=("$!")
	eval "exec $1>\$coproc_in"
}

heard() {
	grep -q "$2" "$d/client.$1.out"
}

# Those of its warm process, or of several.
children_are() {
	local warm n=0
	for warm in $(<"/proc/$pid/task/$pid/children"); do
		n=$((n + $(wc -w <"/proc/$warm/task/$warm/children")))
	done
	[[ $n -eq $1 ]]
}

queue_entrance() {
	mapfile -t args < <(options)
	launch "$d/in" "$SMTPD_BIN/smtpd-queue" "${args[@]}" in
}

@test "serve: an injector is started by the first octet" {
	queue_entrance
	dial 6 "$d/in"
	dial 7 "$d/in"
	printf '10:Cversion=1,' >&7
	wait_for children_are 1
	exec 6>&- 7>&-
	wait_for children_are 0
	[ -z "$(find "$d/queue" -type f)" ]
}

@test "serve: sessions beyond max_sessions wait for a place" {
	queue_entrance
	launch "$d/rcpt" sleep 1000	# answers nobody
	port=$(free_port)
	mapfile -t args < <(options -o max_sessions=2)
	launch "127.0.0.1:$port" "$SMTPD_BIN/smtpd-session" "${args[@]}"
	wait_for children_are 0
	dial 6 "127.0.0.1:$port"
	dial 7 "127.0.0.1:$port"
	wait_for heard 6 '^220 '
	wait_for heard 7 '^220 '
	dial 8 "127.0.0.1:$port"
	printf 'NOOP\r\n' >&7
	wait_for heard 7 '^250 '
	run ! heard 8 '^220 '
	printf 'QUIT\r\n' >&6
	wait_for heard 6 '^221 '
	wait_for heard 8 '^220 '
	printf 'QUIT\r\n' >&7
	printf 'QUIT\r\n' >&8
	wait_for heard 8 '^221 '
	wait_for children_are 0
}

@test "serve: SIGTERM ends the listener when its sessions have ended" {
	queue_entrance
	dial 6 "$d/in"
	printf '1' >&6
	wait_for children_are 1
	kill -TERM "$pid"
	wait_for refuses
	kill -0 "$pid"
	exec 6>&-
	wait "$pid"
}

refuses() {
	! socat -u OPEN:/dev/null "UNIX-CONNECT:$d/in"
}

@test "serve: a wrong configuration ends the listener with exit 100" {
	mapfile -t args < <(options -o max_sessions=none)
	run -100 listen_as_user "$d/in" "$SMTPD_BIN/smtpd-queue" "${args[@]}" in
	[[ $output == "smtpd-queue: fatal: -o max_sessions=none: "* ]]
}
