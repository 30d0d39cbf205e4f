#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-judge and smtpd-queue, killed or stopped at each moment of a message,
# with a DNS that never answers: so all of them wait where they are.

setup() {
	load lib/smtpd
	load lib/judge
	setup_dir
	silent_dns_start
}

# Those that still wait, or are stopped, would hold it up.
teardown() {
	[[ -z ${CHAIN_PID-} ]] || chain_kill KILL judge queue
	stop_chain
	silent_dns_stop
}

# hit SIGNAL PROGRAM CODE: with this end of the message, whatever the stage.
hit() {
	python3 "$SMTPD_TOP/tests/tools/stages.py" "$PORT" "$1" \
		"$SMTPD_BIN/$2" "$CHAIN" | tee "$BATS_TEST_TMPDIR/codes"
	diff - "$BATS_TEST_TMPDIR/codes" <<-EOT
	data $3
	half $3
	dot $3
	EOT
}

# Each has the field that smtpd-queue writes itself.
all_unjudged() {
	wait_for queue_is_empty "$CHAIN/queue"
	[ "$(maildir_count "$(maildir)")" -eq 3 ]
	[ "$(cat "$(maildir)"/new/* | grep -c '^	dmarc=temperror$')" -eq 3 ]
	[ "$(grep -c 'event=queued .* unjudged=yes' "$CHAIN/log")" -eq 3 ]
}

none_arrives() {
	[ "$(queue_count "$CHAIN/queue")" -eq 0 ]
	[ "$(maildir_count "$(maildir)")" -eq 0 ]
}

@test "judge-stages: a judge that is killed at any stage: 451, no mail" {
	start_chain "resolver=$SILENT_DNS" dmarc=enforce
	hit KILL smtpd-judge 451
	none_arrives
	[ "$(grep -c 'event=no-advice by=judge' "$CHAIN/log")" -eq 3 ]
}

@test "judge-stages: a judge that stops at any stage: 451, in time" {
	start_chain "resolver=$SILENT_DNS" dmarc=enforce helper_timeout=4
	hit STOP smtpd-judge 451
	none_arrives
	[ "$(grep -c 'event=no-advice by=judge why="no answer in time"' \
		"$CHAIN/log")" -eq 3 ]
}

@test "judge-stages: killed, where unjudged mail may pass: temperror" {
	start_chain "resolver=$SILENT_DNS" dmarc=enforce unjudged=accept
	hit KILL smtpd-judge 250
	all_unjudged
}

@test "judge-stages: stopped, where unjudged mail may pass: temperror" {
	start_chain "resolver=$SILENT_DNS" dmarc=enforce unjudged=accept helper_timeout=4
	hit STOP smtpd-judge 250
	all_unjudged
}

@test "judge-stages: a queue that is killed at any stage: 451, no mail" {
	start_chain "resolver=$SILENT_DNS" dmarc=enforce
	hit KILL smtpd-queue 451
	none_arrives
}

@test "judge-stages: a queue that stops at any stage: 451, no mail" {
	start_chain "resolver=$SILENT_DNS" dmarc=enforce helper_timeout=2
	hit STOP smtpd-queue 451
	none_arrives
}
