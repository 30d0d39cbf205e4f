#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Warm helpers: forked for each connection, from a process that is replaced.
# (What goes wrong in bad moments is in tests/unit/warm.c.)
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

load lib/smtpd
load lib/queue

setup() {
	setup_dir
	setup_queue
	D=$BATS_TEST_TMPDIR
	pids=() unseen=
	# A sanitizer has its own end for a process with a fault.
	died="died: $([[ -z ${SMTPD_ASAN-} ]] && echo signal=11 || echo exit=1)"
}

teardown() {
	[[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null || true
	[[ ${#pids[@]} -eq 0 ]] || wait "${pids[@]}" || true
	[[ -z ${BATS_TEST_COMPLETED-} ]] || return 0
	printf '%s\n' "${output-}" >&2
	[[ ! -e $D/log ]] || tail -n 20 "$D/log" >&2
}

# launch ADDRESS PROGRAM ARGUMENT...: a listener; its pid in $pid, and what it
# says in $D/log. The pid is the program's: no shell waits for it.
launch() {
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "$1" \
		"$SMTPD_BIN/$2" -c "$CONF" "${@:3}" >>"$D/log" 2>&1 3>&- &
	pid=$!
	pids+=("$pid")
	wait_for is_warm "$pid"
}

is_warm() {
	[[ $(</proc/"$1"/comm) != smtpd-listen* && $(workers "$1") -ge 1 ]]
}

workers() {
	wc -w <"/proc/$1/task/$1/children"
}

queue_entrance() {
	S=$D/in
	launch "$S" smtpd-queue "${OPTIONS[@]}" "${1:-in}" "${@:2}"
}

warm() {
	/usr/bin/python3 "$SMTPD_TOP/tests/tools/warm.py" "$1" "$S" "$pid" \
		"${@:2}"
}

# Only root sees all of others: the last word of a test.
all_seen() {
	[[ $output != "unseen: "* ]] ||
		skip_loudly "$BATS_TEST_DESCRIPTION: $output"
	[[ -z $output ]]
}

said() {
	grep -c -- "$1" "$D/log"
}

set_conf() {
	as_user sed -i "$1" "$CONF"
}

own_conf() {
	[[ $(id -u) -ne 0 ]] || chown "$TEST_UID:$TEST_UID" "$CONF"
}

@test "warm: a fork is no oracle" {
	queue_entrance
	run -0 warm oracle
	[ "$(said "$died")" -eq 1 ]
	[ "$(said 'warm process')" -eq 0 ]
	[ "$(queued | wc -l)" -eq 2 ]
	all_seen
}

@test "warm: nobody who waits is lost by a crash, nor what is under way" {
	queue_entrance
	run -0 warm silent
	[ -z "$output" ]
	[ "$(queued | wc -l)" -eq 71 ]
}

@test "warm: crashes in a row leave the service up" {
	queue_entrance
	run -0 warm crashes "$([[ -z ${SMTPD_ASAN-} ]] && echo 1000 || echo 100)"
	echo "# $output" >&3
	[ "$(queued | wc -l)" -eq 1 ]
}

@test "warm: after 1,000 children it is renewed" {
	queue_entrance
	run -0 warm thousand
	all_seen
}

@test "warm: the ids of many at once differ" {
	queue_entrance
	run -0 warm many
	[ "$(queued | wc -l)" -eq 300 ]
}

# Sockets to connect to, which hear nothing and say nothing.
fake_sockets() {
	"${AS_USER[@]}" /usr/bin/python3 -c 'import signal, socket, sys
kept = []
for path in sys.argv[1:]:
    kind = socket.SOCK_DGRAM if path.endswith("wakeup") else socket.SOCK_STREAM
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(path)
    if kind == socket.SOCK_STREAM:
        s.listen(1000)
    kept.append(s)
signal.pause()' "$@" 3>&- &
	pids+=("$!")
	wait_for test -S "${!#}"
}

@test "warm: who has which descriptors" {
	local advisers=()

	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly "a sanitizer has its own"
	# They are dialled, and that is all: nothing is asked of them.
	fake_sockets "$D/wakeup" "$D/one" "$D/two"
	queue_entrance in "one:top:$D/one" "two:top:$D/two"
	run -0 warm fds "$Q" "$D/log"
	[ -z "$output" ]
}

@test "warm: who is confined how far" {
	needs_confinement
	queue_entrance
	run -0 warm filters
	[[ $output != *'?'* ]] ||
		skip_loudly "warm: this kernel does not count filters"
	read -r listener warm child <<<"$output"
	[[ $warm -eq $((listener + 1)) && $child -eq $((listener + 2)) ]]
}

@test "warm: a changed configuration counts for the next connection" {
	own_conf
	queue_entrance
	run -0 warm changed "$CONF"
	[ -z "$output" ]
	run -1 said fatal
}

@test "warm: over a broken configuration the service goes on" {
	own_conf
	queue_entrance
	run -0 warm broken "$CONF"
	[ "$(said "$CONF:.*nonsense")" -eq 1 ]
	[ "$(said "cannot read '$CONF'")" -eq 1 ]
	[ "$(said fatal)" -eq 2 ]
}

@test "warm: with a broken configuration nothing starts" {
	echo 'nonsense = 1' >>"$CONF"
	run -100 as_user "$SMTPD_BIN/smtpd-listen" "$D/in" \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" in
	[[ $output == "smtpd-queue: fatal: $CONF:"*nonsense* ]]
}

@test "warm: after a crash, over a broken configuration, all wait" {
	own_conf
	queue_entrance
	run -0 warm crash_when_broken "$CONF"
	[ -z "$output" ]
	[ "$(queued | wc -l)" -eq 21 ]
}

@test "warm: children of retired processes count for the limit" {
	OPTIONS=(-o max_sessions=1)
	queue_entrance
	run -0 warm limit
	[ -z "$output" ]
}

@test "warm: SIGTERM ends it when all conversations have ended" {
	queue_entrance
	run -0 warm term
	[ -z "$output" ]
	wait "$pid"
	pids=()
	[ "$(queued | wc -l)" -eq 2 ]
}

@test "warm: a warm process that is killed is replaced" {
	queue_entrance
	run -0 warm killed_warm
	[ "$(said 'the warm process died: signal 9')" -eq 1 ]
	[ "$(queued | wc -l)" -eq 2 ]
	all_seen
}

# Keeps the listening socket $1, and starts the rest on it at each line.
keeper() {
	"${AS_USER[@]}" /usr/bin/python3 -c 'import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(100)
for line in sys.stdin:
    p = subprocess.Popen(sys.argv[2:], stdin=s)
    print(p.pid, flush=True)' "$@" <"$D/start" >"$D/started" 2>>"$D/log" 3>&- &
	pids+=("$!")
}

started() {
	[[ $(wc -l <"$D/started") -eq $1 ]] &&
		is_warm "$(tail -n 1 "$D/started")"
}

@test "warm: a listener that is killed can be started again at once" {
	mkfifo "$D/start" "$D/talk"
	S=$D/in
	keeper "$S" "$SMTPD_BIN/smtpd-queue" -c "$CONF" in
	exec 6>"$D/start"
	echo >&6
	wait_for started 1
	pid=$(<"$D/started")
	warm killed_listener <"$D/talk" >"$D/said" 2>&1 6>&- &
	client=$!
	exec 7>"$D/talk"
	wait_for grep -q 'accepts no more' "$D/said"
	echo >&6
	wait_for started 2
	pids+=("$(tail -n 1 "$D/started")")
	echo 'go on' >&7
	wait "$client" || { cat "$D/said"; return 1; }
	exec 6>&- 7>&-
	[ "$(queued | wc -l)" -eq 2 ]
}

# --- the others --------------------------------------------------------------

# forks ADDRESS SPEECH PROGRAM ARGUMENT...
forks() {
	S=$1
	launch "$1" "${@:3}"
	run -0 warm forks "$2"
	grep -q "^${3##*/}: warning: process [0-9]* $died" "$D/log"
	[[ -z $output ]] || unseen="unseen: ${unseen#unseen: } $3"
}

@test "warm: no fork of a session is an oracle" {
	local port
	fake_sockets "$D/rcpt" "$D/queue-in"
	printf '%s\n' "rcpt = $D/rcpt" "injector = $D/queue-in" 'checks = no' \
		>>"$CONF"
	port=$(free_port)
	forks "127.0.0.1:$port" '' smtpd-session
	all_seen
}

@test "warm: no fork of an adviser is an oracle" {
	printf '%s\n' "dkim_keys = $D/dkim" >>"$CONF"
	as_user mkdir "$D/dkim"
	for program in judge submit sign; do
		forks "$D/$program" '5:Cid=1,' "smtpd-$program"
	done
	output=$unseen
	all_seen
}

@test "warm: no fork of a helper is an oracle" {
	load lib/tls
	TLS=$D
	fake_sockets "$D/own" "$D/queue-auth"
	[[ $(id -u) -ne 0 ]] || echo 'session_user = root' >>"$CONF"
	printf '%s\n' "tls_cert = $D/mx.pem" "tls_key = $D/mx.key" \
		"passwords = $D/passwords" >>"$CONF"
	make_cert mx ec mail.example.com mail.example.com
	echo secret | as_user "$SMTPD_BIN/smtpd-passwd" -c "$CONF" user
	forks "$D/tls" 1 smtpd-tls
	forks "$D/bounce" 1 smtpd-bounce "$D/own"
	forks "$D/auth" 1 smtpd-auth-file "$D/queue-auth"
	output=$unseen
	all_seen
}
