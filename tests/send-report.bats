#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-send tells senders what became of their mail, and drops none of it.

setup() {
	load lib/smtpd
	setup_dir
	load lib/send
	send_setup
}

teardown() {
	send_teardown
}

# told KIND REGEX: was smtpd-bounce asked to say that of $id, and took it?
told() {
	grep -q "^told $id $1 .*$2" "$D/helpers"
}

gone() {
	[[ ! -e $D/queue/new/${1: -1}/$1 && ! -e $D/queue/msg/${1: -1}/$1 &&
		! -e $D/queue/msg/${1: -1}/$1.log ]]
}

@test "report: refusals are told together, with host and reply, then gone" {
	start_all_helpers
	start_send
	id=$(put 'local <loop@example.com>' 'remote <refused@example.net>' \
		'local <nobody@example.com>' 'local <gone@example.com>' \
		'local <joe@example.com>' 'remote <ann@example.net>')
	wait_for gone "$id"
	[ "$(grep -c "^told $id failed" "$D/helpers")" -eq 1 ]
	told failed '\[failed - <loop@example.com> 554 5.4.6 Delivered-To loop\]'
	told failed '\[failed mx.example.net <refused@example.net> 550 5.1.1 No such user\]'
	told failed '\[failed - <nobody@example.com> 550 5.1.1 no such user\]'
	told failed '\[failed - <gone@example.com> 550 5.1.1 no such account\]'
	run grep -E "^told .*(joe|ann)@" "$D/helpers"
	[ "$status" -eq 1 ]
	for who in loop@example.com refused@example.net nobody@example.com \
		gone@example.com; do
		[ "$(grep -c "id=$id .*event=bounced rcpt=<$who>" "$D/send.log")" \
			-eq 1 ]
	done
	event "$id" delivered 'rcpt=<joe@'
	event "$id" delivered 'rcpt=<ann@'
	event "$id" removed
}

@test "report: one who is refused does not wait for one who is deferred" {
	start_all_helpers
	start_send
	id=$(put 'local <full@example.com>' 'local <loop@example.com>')
	wait_for event "$id" bounced 'rcpt=<loop@example.com>'
	wait_for logged "$id" 'bounced 1'
	log_is_sound "$id"
	restart_send
	kill -HUP "$SEND_PID"
	wait_for logged "$id" 'tried 2'
	[ "$(grep -c "^told $id" "$D/helpers")" -eq 1 ]
	[ "$(grep -c "got loop $id" "$D/helpers")" -eq 1 ]
}

@test "report: while smtpd-bounce is away, or says later, the message stays" {
	start_helpers
	start_send
	id=$(put 'local <loop@example.com>')
	wait_for event "$id" unreported
	wait_for logged "$id" 'failed 0'
	touch "$D/out/no-notice"
	start_bounce
	kill -HUP "$SEND_PID"
	wait_for grep -q "^asked $id failed" "$D/helpers"
	wait_for event "$id" unreported 'reply="451 4.3.0 Not now"'
	restart_send
	rm "$D/out/no-notice"
	kill -HUP "$SEND_PID"
	wait_for gone "$id"
	told failed '554 5.4.6'
	# Refused once for good, it was not tried again.
	[ "$(grep -c "got loop $id" "$D/helpers")" -eq 1 ]
}

@test "report: smtpd-bounce dies after it queued the notice: told again" {
	start_all_helpers
	start_send
	touch "$D/out/die-notice"
	id=$(put 'local <loop@example.com>')
	wait_for event "$id" unreported 'it died'
	[ -e "$D/queue/msg/${id: -1}/$id" ]
	kill -HUP "$SEND_PID"
	wait_for gone "$id"
	[ "$(grep -c "^told $id failed" "$D/helpers")" -eq 2 ]
	[ "$(grep -c "id=$id .*event=bounced" "$D/send.log")" -eq 1 ]
}

@test "report: smtpd-send killed while it is told: told again, then gone" {
	start_all_helpers
	start_send
	touch "$D/out/no-notice"
	id=$(put 'local <loop@example.com>')
	wait_for grep -q "^asked $id" "$D/helpers"
	kill -KILL "$SEND_PID"
	wait_for sent_has_ended
	rm "$D/out/no-notice"
	start_send
	wait_for gone "$id"
	told failed '554 5.4.6'
}

@test "report: what is too old is given up after five tries, its sender told" {
	start_all_helpers
	start_send delay_notice=0
	young=$(put -a 80000 'local <full@example.com>')
	old=$(put -a 100000 'local <full@example.com>' \
		'remote <full@example.net>')
	for try in 1 2 3 4; do
		wait_for logged "$old" "tried $try"
		wait_for logged "$young" "tried $try"
		kill -HUP "$SEND_PID"
	done
	wait_for gone "$old"
	id=$old
	told failed '\[expired - <full@example.com> 452 4.2.2 Disk quota exceeded\]'
	told failed '\[expired mx.example.net <full@example.net> 452 4.2.2'
	[ "$(grep -c "id=$old .*event=expired" "$D/send.log")" -eq 2 ]
	[ "$(grep -c "got full $old" "$D/helpers")" -eq 5 ]
	wait_for logged "$young" 'tried 5'
	run event "$young" expired
	[ "$status" -ne 0 ]
}

@test "report: a delay is told once, to those who have an address" {
	start_all_helpers
	start_send
	id=$(put -a 20000 'local <full@example.com>')
	none=$(put -a 20000 -s '<>' 'local <full@example.com>')
	young=$(put -a 10000 'local <full@example.com>')
	for try in 1 2 3; do
		for m in "$id" "$none" "$young"; do
			wait_for logged "$m" "tried $try"
		done
		[ "$try" -gt 1 ] || wait_for told delayed '452 4.2.2'
		kill -HUP "$SEND_PID"
	done
	wait_for logged "$id" 'tried 4'
	logged "$id" 'told .* delayed'
	restart_send
	kill -HUP "$SEND_PID"
	wait_for logged "$id" 'tried 5'
	[ "$(grep -c '^told' "$D/helpers")" -eq 1 ]
}

@test "report: postmaster is told of what is held, its sender at the end" {
	start_all_helpers
	start_send
	id=$(put 'local <segv@example.com>')
	for try in 1 2 3; do
		wait_for logged "$id" "tried $try"
		[ "$try" -eq 3 ] || kill -HUP "$SEND_PID"
	done
	wait_for told held 'segv@example.com'
	event "$id" held
	restart_send
	# A lifetime that is over already; nothing else is due.
	stop_send
	start_send queue_lifetime=60
	now=$(date +%s%6N)
	[ $((now / 1000000 - 16#${id:0:14} / 1000000)) -lt 60 ]
	[ "$(grep -c "^told $id" "$D/helpers")" -eq 1 ]
	[ -e "$D/queue/msg/${id: -1}/$id" ]
}

@test "report: a held message expires with a bounce" {
	start_all_helpers
	start_send
	id=$(put -a 86000 'local <segv@example.com>')
	for try in 1 2 3; do
		wait_for logged "$id" "tried $try"
		[ "$try" -eq 3 ] || kill -HUP "$SEND_PID"
	done
	wait_for told held segv
	stop_send
	start_send queue_lifetime=80000
	wait_for gone "$id"
	told failed '\[expired - <segv@example.com> 451 4.3.0 the delivery died'
	event "$id" expired
}
