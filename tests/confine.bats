#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Programs that give away what they do not need, on kernels of every age.

CONFINING=landlock_create_ruleset,landlock_restrict_self,seccomp

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	needs_confinement
	D=$BATS_TEST_TMPDIR
	QUEUE=$D/queue
	as_user mkdir "$QUEUE"
	printf '%s\n' 'hostname = mx.example.com' \
		'local_domains = example.com' "queue = $QUEUE" \
		"wakeup = $D/wakeup" >"$D/conf"
	MAIL=10:Cversion=1,3:S\<\>,25:Rlocal\ \<user@example.com\>,1:E,
}

# strace goes when the listener below it does; not the other way round.
teardown() {
	[[ -z ${PID-} ]] || pkill -TERM -P "$PID" || true
	[[ -z ${PID-} ]] || wait "$PID" || true
}

# listener STRACE-OPTION...: smtpd-queue at $D/sock, the log in $D/log.
listener() {
	"${AS_USER[@]}" strace -f -qq -o "$D/trace" -e trace="$CONFINING" \
		"$@" \
		"$SMTPD_BIN/smtpd-listen" -m 0600 "$D/sock" \
		"$SMTPD_BIN/smtpd-queue" -c "$D/conf" own \
		>"$D/log" 2>&1 3>&- &
	PID=$!
	wait_for test -S "$D/sock"
}

hand_in() {
	run -0 as_user socat -t 10 - "UNIX-CONNECT:$D/sock" <<<"$MAIL"
	[[ $output == *:K* ]]
}

@test "confine: what is forbidden is an error, unless tests want death" {
	run -0 "$SMTPD_BIN/smtpd-conf" -c "$D/conf" show confine
	[ "$output" = deny ]
}

@test "confine: without Landlock a listener says so once, and goes on" {
	listener -e inject=landlock_create_ruleset:error=ENOSYS
	hand_in
	hand_in
	[ "$(grep -c 'has no Landlock' "$D/log")" -eq 1 ]
	[ "$(queue_count "$QUEUE")" -eq 2 ]
}

@test "confine: Landlock that is switched off is no Landlock" {
	listener -e inject=landlock_create_ruleset:error=EOPNOTSUPP
	hand_in
	[ "$(grep -c 'has no Landlock' "$D/log")" -eq 1 ]
}

@test "confine: without seccomp a listener says so once, and goes on" {
	listener -e inject=seccomp:error=ENOSYS
	hand_in
	hand_in
	[ "$(grep -c 'has no seccomp' "$D/log")" -eq 1 ]
}

@test "confine: where the kernel fails to confine, nobody is served" {
	listener -e inject=landlock_restrict_self:error=EPERM
	run as_user socat -t 10 - "UNIX-CONNECT:$D/sock" <<<"$MAIL"
	[[ $output != *:K* ]]
	grep -q 'cannot confine' "$D/log"
}

@test "confine: this kernel lacks nothing, and nothing is said" {
	listener
	hand_in
	run -1 grep 'this kernel' "$D/log"
}
