#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Who has no password, or one that is not enough, at the whole chain: a client
# that does what no decent one does.
# shellcheck disable=SC2030,SC2031 # each test is a subshell

# One chain for all; max_errors does not end what is being tried.
setup_file() {
	load lib/smtpd
	export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
	setup_dir
	start_chain auth_without_tls=yes max_errors=100 command_timeout=20
	export CHAIN PORT CHAIN_PID
}

teardown_file() {
	load lib/smtpd
	BATS_TEST_COMPLETED=1 stop_chain
}

setup() {
	load lib/smtpd
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED-}" ] || tail -n 20 "$CHAIN/log" >&2
}

# attack NAME: one of tests/tools/auth_attack.py.
attack() {
	timeout 60 /usr/bin/python3 "$SMTPD_TOP/tests/tools/auth_attack.py" \
		"$PORT" "$1"
}

all_delivered() {
	[ -z "$(find "$CHAIN/queue/new" "$CHAIN/queue/msg" -type f)" ]
}

# None of these words is in the log, in clear or in base64, nor on any disk.
nobody_wrote() {
	local word
	for word; do
		run -1 grep -rqaF "$word" "$CHAIN/log" "$CHAIN/queue"
		run -1 grep -qaF "$(printf %s "$word" | base64)" "$CHAIN/log"
	done
}

@test "auth-attack: From and Sender are one's own, however they are written" {
	attack authors
	wait_for all_delivered
	run -1 grep -rq forged "$(maildir)/new"
	[ "$(grep -rl honest "$(maildir)/new" | wc -l)" -ge 1 ]
}

@test "auth-attack: a login does not outlive STARTTLS, nor come before it" {
	attack starttls
}

@test "auth-attack: responses with NUL, too long, or not ended" {
	attack responses
	nobody_wrote 'hunter2' 'correct-horse'
}

@test "auth-attack: guesses in parallel are slow, and end" {
	attack guesses
	nobody_wrote 'guess-number'
	[ "$(grep -c 'end=authentication' "$CHAIN/log")" -ge 8 ]
}

@test "auth-attack: who is gone in the middle leaves nothing behind" {
	attack honest
	wait_for only_listeners
	attack vanish
	wait_for only_listeners
	attack honest
}

# Nobody is served: below each listener there is the process that forks, and
# nothing below that.
only_listeners() {
	local pid parent
	local -A parent_of=()
	for pid in $(pgrep -f \
	    "^$SMTPD_BIN/smtpd-(session|tls|auth-file) .*$CHAIN/"); do
		parent_of[$pid]=$(ps -o ppid= -p "$pid" | tr -d ' ')
	done
	[ "${#parent_of[@]}" -ge 8 ] || return 1
	for parent in "${parent_of[@]}"; do
		[ -z "$parent" ] || [ -z "${parent_of[$parent]-}" ] ||
			[ -z "${parent_of[${parent_of[$parent]}]-}" ] ||
			return 1
	done
}
