#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-send towards other hosts: one transaction for those who go together,
# connections that are used again, and destinations that cannot be reached.

setup() {
	load lib/smtpd
	setup_dir
	load lib/send
	send_setup
}

teardown() {
	send_teardown
}

@test "remote: recipients of one destination go in one transaction" {
	start_all_helpers
	start_send
	id=$(put 'remote <a@example.net>' 'remote <b@EXAMPLE.net>' \
		'remote <c@other.example>' 'remote <d@example.net>' \
		'local <joe@example.com>')
	wait_for event "$id" removed
	[ "$(grep -c "^relay .* $id" "$D/helpers")" -eq 2 ]
	grep -q "^relay mx example.net $id attempt=0 <from@example.org> <a@example.net> <b@EXAMPLE.net> <d@example.net>" "$D/helpers"
	grep -q "^relay mx other.example $id .* <c@other.example>" "$D/helpers"
	for who in a@example.net b@EXAMPLE.net c@other.example d@example.net; do
		event "$id" delivered "rcpt=<$who> attempt=1 .*host=mx.*250 2.0.0"
	done
}

@test "remote: each of a transaction has a verdict of his own" {
	start_all_helpers
	start_send
	id=$(put 'remote <a@example.net>' 'remote <full@example.net>' \
		'remote <refused@example.net>')
	wait_for logged "$id" 'tried 1'
	wait_for event "$id" bounced 'rcpt=<refused@'
	event "$id" delivered 'rcpt=<a@'
	event "$id" deferred 'rcpt=<full@.*host=mx.example.net'
	kill -HUP "$SEND_PID"
	wait_for logged "$id" 'tried 2'
	grep -q "^relay mx example.net $id attempt=1 <from@example.org> <full@example.net>\$" "$D/helpers"
	[ "$(grep -c "^taken $id <a@" "$D/helpers")" -eq 1 ]
}

@test "remote: routes and a smarthost decide where mail goes" {
	start_all_helpers
	start_send 'routes=direct.example=- .sub.example=hub.example plain.example=[192.0.2.1]:2525' \
		'smarthost=relay.example:587'
	id=$(put 'remote <a@direct.example>' 'remote <b@x.sub.example>' \
		'remote <c@plain.example>' 'remote <d@else.example>' \
		'remote <e@y.sub.example>')
	wait_for event "$id" removed
	grep -q "^relay mx direct.example $id .*<a@" "$D/helpers"
	grep -q "^relay mx hub.example $id .*<b@x.sub.example> <e@y.sub.example>" "$D/helpers"
	grep -q "^relay host 192.0.2.1 2525 $id .*<c@" "$D/helpers"
	grep -q "^relay mx relay.example 587 $id .*<d@" "$D/helpers"
}

@test "remote: who has the connection is handed the next message" {
	start_all_helpers
	start_send destination_concurrency=1
	first=$(put 'remote <wait@example.net>')
	wait_for grep -q "^relay mx example.net $first" "$D/helpers"
	ids=()
	for _ in 1 2 3 4 5 6 7 8 9; do
		ids+=("$(put 'remote <a@example.net>')")
	done
	touch "$D/out/wait"
	for id in "$first" "${ids[@]}"; do
		wait_for event "$id" delivered
	done
	[ "$(grep -c '^to mx example.net' "$D/helpers")" -eq 1 ]
}

@test "remote: its line says how a delivery was secured, and no other line" {
	start_all_helpers
	start_send destination_concurrency=1
	first=$(put 'remote <wait@example.net>')
	wait_for grep -q "^relay mx example.net $first" "$D/helpers"
	secured=$(put 'remote <tls@example.net>' 'remote <full@example.net>')
	clear=$(put 'remote <a@example.net>')
	touch "$D/out/wait"
	for id in "$first" "$secured" "$clear"; do
		wait_for event "$id" delivered
	done
	[ "$(grep -c '^to mx example.net' "$D/helpers")" -eq 1 ]
	facts='tls="TLSv1.2 SOME-CIPHER verified"'
	event "$secured" delivered "rcpt=<tls@.* host=mx.example.net $facts reply="
	event "$secured" deferred "rcpt=<full@.* host=mx.example.net $facts reply="
	[ "$(grep -c 'tls=' "$D/send.log")" -eq 2 ]
}

@test "remote: a destination starts with two connections" {
	start_all_helpers
	start_send
	for _ in 1 2 3 4 5; do
		put 'remote <wait@example.net>'
	done
	wait_for count_is 2 '^relay mx example.net'
	id=$(put 'remote <b@example.org>')	# another one is not in the way
	wait_for event "$id" delivered
	[ "$(grep -c '^relay mx example.net' "$D/helpers")" -eq 2 ]
	touch "$D/out/wait"
	wait_for queue_is_empty "$D/queue"
}

@test "remote: a dead destination is looked at by one, and holds no other up" {
	start_all_helpers
	start_send
	ids=()
	for _ in 1 2 3 4 5 6; do
		ids+=("$(put 'remote <a@x.dead.example>')")
	done
	wait_for grep -q 'event=unreachable dest="mx x.dead.example"' \
		"$D/send.log"
	id=$(put 'remote <a@alive.example>')
	wait_for event "$id" delivered
	later=$(put 'remote <a@x.dead.example>')
	id=$(put 'remote <a@alive.example>')
	wait_for event "$id" delivered
	looks=$(grep -c '^relay mx x.dead.example' "$D/helpers")
	[ "$looks" -le 2 ]	# the two that were open when it died
	touch "$D/out/alive"
	kill -HUP "$SEND_PID"
	for id in "${ids[@]}" "$later"; do
		wait_for event "$id" delivered
	done
	grep -q 'event=reachable dest="mx x.dead.example"' "$D/send.log"
	# Those who only waited have no try against them.
	tried=$(grep -c 'event=deferred .*x.dead.example' "$D/send.log")
	[ "$tried" -eq "$looks" ]
}

@test "remote: nothing is lost with smtpd-remote away, dying, crashing" {
	start_helpers
	start_bounce
	start_send
	id=$(put 'remote <a@example.net>')
	wait_for grep -q "smtpd-remote .* cannot be reached" "$D/send.log"
	start_remote
	wait_for event "$id" delivered
	die=$(put 'remote <die@example.net>' 'remote <a@example.net>')
	wait_for event "$die" deferred 'rcpt=<die@.*ended without a verdict'
	[ -e "$D/queue/msg/${die: -1}/$die" ]
	segv=$(put 'remote <segv@example.org>')
	for try in 1 2 3; do
		wait_for logged "$segv" "tried $try"
		logged "$segv" "crash $try signal=11"
		[ "$try" -eq 3 ] || kill -HUP "$SEND_PID"
	done
	event "$segv" held
}

@test "remote: new mail has places that a backlog does not get" {
	start_all_helpers
	ids=()
	for n in 1 2 3 4 5 6 7 8; do	# from before the start: old
		ids+=("$(put_quietly "remote <wait@old$n.example>")")
	done
	start_send remote_concurrency=5
	wait_for count_is 4 '^relay mx old'
	new=$(put 'remote <b@new.example>')
	wait_for event "$new" delivered
	[ "$(grep -c '^relay mx old' "$D/helpers")" -eq 4 ]
	touch "$D/out/wait"
	wait_for queue_is_empty "$D/queue"
}

@test "remote: an address without a domain is refused, not tried" {
	start_all_helpers
	start_send
	id=$(put 'remote <postmaster>')
	wait_for event "$id" bounced
	grep -q "^told $id failed \[failed - <postmaster> 553 5.1.3" "$D/helpers"
}
