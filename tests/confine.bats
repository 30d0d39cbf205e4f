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

# What no program may do, whatever else it is allowed: NAME:ARGUMENT=VALUE.
ATTACKS='fsopen fsconfig fsmount fspick move_mount open_tree mount_setattr mount
	umount2 pivot_root chroot mknod mknodat clock_settime clock_adjtime
	adjtimex add_key request_key keyctl kexec_load kexec_file_load iopl
	ioperm io_uring_setup io_uring_enter io_uring_register pidfd_getfd
	ptrace process_vm_readv process_vm_writev perf_event_open bpf
	userfaultfd unshare setns init_module reboot listen
	clone:0=0x10000011 clone:0=0x20011 clone:0=0x20000011
	clone:0=0x40000011 clone:0=0x8000011 clone:0=0x4000011
	clone:0=0x2000011'

# filter_of PROGRAM ARGUMENT...: what its filter says of $CALLS, in $output.
filter_of() {
	as_user strace -f -v -o "$D/trace" -e trace=seccomp \
		"$SMTPD_BIN/$1" -c "$D/conf" "${@:2}" </dev/null || true
	# shellcheck disable=SC2086
	run -0 python3 "$SMTPD_TOP/tests/tools/refused.py" $ATTACKS $CALLS \
		<"$D/trace"
}

all_refused() {
	[[ $output != *allowed* ]]
	[[ $output == *'fsopen EPERM'*'clone:0=0x10000011 EPERM'* ]]
}

@test "confine: static programs are refused each attack, and new code" {
	CALLS='execve execveat pkey_mprotect personality mmap:2=5 mmap:2=7
		mprotect:2=4 mprotect:2=5 clone3 ptrace'
	as_user mkdir -p "$D/home/Maildir/"{tmp,new,cur}
	for program in 'smtpd-queue own' smtpd-submit smtpd-clean smtpd-judge \
		"smtpd-local $D/home"; do
		# shellcheck disable=SC2086
		filter_of $program
		all_refused
	done
	CALLS='mmap:2=3 mprotect:2=1 read writev exit_group'
	ATTACKS='' filter_of smtpd-submit
	[ "$(grep -c allowed <<<"$output")" -eq 5 ]
}

@test "confine: what runs the system's modules is refused each attack too" {
	CALLS='execve execveat'
	filter_of smtpd-rcpt
	all_refused
	CALLS='clone3 clone:0=0x11 mmap:2=5 mprotect:2=5 socket read'
	ATTACKS='' filter_of smtpd-rcpt
	[[ $output == *'clone3 ENOSYS'* ]]
	[ "$(grep -c allowed <<<"$output")" -eq 5 ]
}

@test "confine: filters are short, as every process pays for its own" {
	CALLS=
	filter_of smtpd-queue own
	[ "${output##* }" -le 50 ]
	filter_of smtpd-submit
	[ "${output##* }" -le 30 ]
}
