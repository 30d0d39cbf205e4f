#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-send between queue files and helpers that misbehave on command.

setup() {
	load lib/smtpd
	setup_dir
	load lib/send
	send_setup
}

teardown() {
	send_teardown
}

@test "send: it takes no operands and does not run as root" {
	run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-send" \
		-c "$D/conf" operand
	# shellcheck disable=SC2154 # run sets it
	[[ $stderr == *"no operands"* ]]
	[[ $(id -u) -eq 0 ]] || return 0
	run -100 --separate-stderr "$SMTPD_BIN/smtpd-send" -c "$D/conf"
	[[ $stderr == *"must not run as root"* ]]
}

@test "send: a message is delivered, logged and removed" {
	start_helpers
	start_send
	id=$(put 'local <joe@example.com>')
	wait_for queue_is_empty "$D/queue"
	[ "$(cat "$D/out/joe-$id.0")" = $'Hi.\r' ] ||
		cmp <(printf 'Hi.\r\n') <(head -c 5 "$D/out/joe-$id.0")
	event "$id" delivered 'rcpt=<joe@example.com> user=joe attempt=1'
	grep -q "got joe $id attempt=0 index=0 <from@example.org>" "$D/helpers"
	[ ! -e "$D/queue/msg/${id: -1}/$id.log" ]
}

@test "send: a lost hint is made good by the listing" {
	start_helpers
	start_send
	id=$(put_quietly 'local <joe@example.com>')
	wait_for event "$id" delivered
	grep -q "got joe $id attempt=0" "$D/helpers"
}

@test "send: hints that are none do no harm" {
	start_helpers
	start_send
	hint '' 'x' '0123456789abcdef012345' '../../../../etc/passwd' \
		"$(printf '%0500d' 0)" '0660ee1b34b9c83eee1a42' \
		'0660EE1B34B9C83EEE1A42'
	id=$(put 'local <joe@example.com>')
	wait_for event "$id" delivered
	kill -0 "$SEND_PID"
}

@test "send: what waits at the start counts as tried" {
	start_helpers
	id=$(put_quietly 'local <joe@example.com>')
	start_send
	wait_for event "$id" delivered
	grep -q "got joe $id attempt=1" "$D/helpers"
}

@test "send: a second scheduler is sent away" {
	start_helpers
	start_send
	run -111 --separate-stderr send_once
	[[ $stderr == *"has a scheduler already"* ]]
	[ -S "$D/wakeup" ]
	id=$(put 'local <joe@example.com>')
	wait_for event "$id" delivered
}

@test "send: the queue's directories are made, for us alone" {
	start_helpers
	rm -rf "$D/queue"
	start_send
	[ "$(find "$D/queue" -type d | wc -l)" -eq 36 ]
	[ -z "$(find "$D/queue" -type d ! -perm 0700)" ]
	[ -f "$D/queue/lock" ]
}

@test "send: SIGTERM waits for the running delivery, then exits 0" {
	start_helpers
	start_send
	id=$(put 'local <wait@example.com>')
	wait_for grep -q "got wait $id" "$D/helpers"
	kill -TERM "$SEND_PID"
	second=$(put 'local <joe@example.com>')
	touch "$D/out/wait"
	wait_for sent_has_ended
	[ "$SEND_STATUS" -eq 0 ]
	event "$id" delivered
	[ -e "$D/queue/new/${second: -1}/$second" ]
	start_send
	wait_for event "$second" delivered
}

@test "send: an expansion is asked once, recorded, and delivered in parts" {
	start_helpers
	start_send
	id=$(put 'local <alias+a.full.c@example.com>')
	wait_for event "$id" deferred
	wait_for logged "$id" 'tried 1'
	logged "$id" 'rcpt 0 0 user a <a@example.com>'
	logged "$id" 'rcpt 1 0 user full <full@example.com>'
	logged "$id" 'rcpt 2 0 user c <c@example.com>'
	logged "$id" 'done 0 1' && logged "$id" 'done 2 1'
	log_is_sound "$id"
	kill -HUP "$SEND_PID"
	wait_for logged "$id" 'tried 2'
	[ "$(grep -c '^L <alias' "$D/helpers")" -eq 1 ]
	[ "$(grep -c "got a $id" "$D/helpers")" -eq 1 ]
	[ "$(grep -c "got full $id" "$D/helpers")" -eq 2 ]
}

@test "send: what is marked as junk is expanded as such, and not sent on" {
	start_all_helpers
	start_send
	id=$(put -m junk 'local <away@example.com>')
	other=$(put -m other 'local <away@example.com>')
	wait_for event "$id" removed
	event "$id" delivered 'rcpt=<kept@example.com>'
	wait_for event "$other" removed
	event "$other" delivered 'rcpt=<far@example.net>'
	[ "$(grep -c '^J <away@' "$D/helpers")" -eq 1 ]
}

@test "send: a plain recipient of several needs no expansion record" {
	start_helpers
	start_send
	id=$(put 'local <a@example.com>' 'local <b@example.com>' \
		'local <b+x@example.com>')
	wait_for event "$id" removed
	[ "$(grep -c "got . $id attempt=0" "$D/helpers")" -eq 3 ]
	grep -q "got b $id attempt=0 index=1 .*<b@example.com>" "$D/helpers"
	grep -q "got b $id attempt=0 index=2 .*<b+x@example.com>" "$D/helpers"
	[ -z "$(find "$D/queue/msg" -type f)" ]
}

@test "send: what is deferred stays queued, for the next try" {
	start_helpers
	start_remote
	start_send
	full=$(put 'local <full@example.com>')
	far=$(put 'remote <full@example.net>')
	unsure=$(put 'local <unsure@example.com>')
	empty=$(put 'local <empty@example.com>')
	many=$(put 'local <thousands@example.com>')
	odd=$(put 'local <nonsense@example.com>')
	nss=$(put 'local <nss@example.com>')
	for id in "$full" "$far" "$unsure" "$empty" "$many" "$odd" "$nss"; do
		wait_for logged "$id" 'tried 1'
		log_is_sound "$id"
		[ -e "$D/queue/msg/${id: -1}/$id" ]
	done
	event "$full" deferred 'next=6.*stage=maildir.*452 4.2.2'
	event "$far" deferred 'next=6.*stage=rcpt host=mx.example.net.*452'
	event "$unsure" deferred 'stage=rcpt.*451 4.3.0'
	event "$empty" deferred 'stage=rcpt'
	event "$many" deferred 'stage=rcpt.*too large'
	event "$odd" deferred 'stage=rcpt'
	event "$nss" deferred 'stage=lspawn.*451 4.3.0'
}

@test "send: a delivery without a sound verdict is deferred" {
	start_helpers
	start_send local_timeout=1
	for user in die-1 junk wrong huge never killed odd; do
		id=$(put "local <$user@example.com>")
		wait_for event "$id" deferred 'reply="451 4'
		[ -e "$D/queue/msg/${id: -1}/$id" ]
	done
	event "$id" deferred 'two.nlines'
	log_is_sound "$id"
	kill -0 "$SEND_PID"
}

@test "send: three crashes put a message on hold" {
	start_helpers
	start_send
	segv=$(put 'local <segv@example.com>')
	bug=$(put 'local <bug@example.com>')
	killed=$(put 'local <killed@example.com>')
	for try in 1 2 3; do
		wait_for logged "$segv" "tried $try"
		wait_for logged "$bug" "tried $try"
		wait_for logged "$killed" "tried $try"
		[ "$try" -eq 3 ] || kill -HUP "$SEND_PID"
	done
	event "$segv" held 'reason="its delivery crashes"'
	event "$bug" held
	run event "$killed" held
	[ "$status" -ne 0 ]
	logged "$segv" 'crash 3 signal=11'
	logged "$segv" 'held crash'
	restart_send
	wait_for event "$killed" deferred
	id=$(put 'local <joe@example.com>')
	wait_for event "$id" delivered
	[ "$(grep -c "got segv $segv" "$D/helpers")" -eq 3 ]
	kill -HUP "$SEND_PID"	# the operator may insist
	wait_for logged "$segv" 'tried 4'
	logged "$segv" 'crash 4 signal=11'
}

@test "send: a death among several is held against none of them" {
	start_helpers
	start_send user_concurrency=1
	first=$(put 'local <trap@example.com>')
	wait_for count_is 1 '^got trap'
	ids=()
	for _ in 1 2 3; do
		ids+=("$(put 'local <trap@example.com>')")
	done
	wait_for count_is 4 '^L <trap@'
	other=$(put 'local <joe@example.com>')	# all answers were read before
	wait_for event "$other" delivered
	touch "$D/out/trap"
	wait_for event "$first" delivered
	for id in "${ids[@]}"; do
		wait_for logged "$id" 'tried 1'
		run logged "$id" 'crash 1'
		[ "$status" -ne 0 ]
	done
	[ "$(grep -c '^got trap' "$D/helpers")" -eq 2 ]
	kill -HUP "$SEND_PID"	# now each goes alone
	for id in "${ids[@]}"; do
		wait_for logged "$id" 'tried 2'
		logged "$id" 'crash 1 signal=11'
	done
	[ "$(grep -c '^got trap' "$D/helpers")" -eq 5 ]
}

@test "send: a log decides when a message is due after a restart" {
	start_helpers
	start_send
	id=$(put 'local <full@example.com>')
	wait_for logged "$id" 'tried 1'
	restart_send
	other=$(put 'local <joe@example.com>')
	wait_for event "$other" delivered
	[ "$(grep -c "got full $id" "$D/helpers")" -eq 1 ]
	kill -HUP "$SEND_PID"
	wait_for logged "$id" 'tried 2'
	grep -q "got full $id attempt=1" "$D/helpers"
}

@test "send: a torn log goes on where it was whole" {
	start_helpers
	start_send
	id=$(put 'local <a@example.com>' 'local <full@example.com>')
	wait_for logged "$id" 'tried 1'
	stop_send
	log=$D/queue/msg/${id: -1}/$id.log
	{
		printf 'deadbeef tried 99 1\nhalf a record '
		head -c 5000 /dev/zero | tr '\0' x
	} >>"$log"
	start_send
	kill -HUP "$SEND_PID"
	wait_for logged "$id" 'tried 2'
	log_is_sound "$id"
	[ "$(grep -c "got a $id" "$D/helpers")" -eq 1 ]
}

@test "send: another message's log is not believed" {
	start_helpers
	start_send
	id=$(put 'local <a@example.com>' 'local <full@example.com>')
	wait_for logged "$id" 'tried 1'
	stop_send
	log=$D/queue/msg/${id: -1}/$id.log
	{
		tool crc "log 1 $id 0123456789abcdef"
		tool crc 'rcpt 0 0 user a <a@example.com>'
		tool crc 'rcpt 1 1 user full <full@example.com>'
		tool crc 'done 0 1 1 250 ok'
		tool crc 'done 1 1 1 250 ok'
		tool crc 'tried 1 9999999999'
	} >"$log"
	start_send
	wait_for logged "$id" 'done 0'
	[ "$(grep -c "got a $id" "$D/helpers")" -eq 2 ]
	log_is_sound "$id"
}

@test "send: a damaged queue file is held and reported at each start" {
	start_helpers
	id=$(put_quietly 'local <joe@example.com>')
	file=$D/queue/new/${id: -1}/$id
	chmod 600 "$file"
	sed -i 's/<joe@/<jox@/' "$file"
	chmod 400 "$file"
	[ "$(id -u)" -ne 0 ] || chown "$TEST_UID" "$file"
	start_send
	wait_for event "$id" held 'damaged'
	other=$(put 'local <joe@example.com>')
	wait_for event "$other" delivered
	restart_send
	wait_for [ "$(grep -c "id=$id .*event=held" "$D/send.log")" -eq 2 ]
	[ -e "$file" ]
}

@test "send: what was never committed is left alone, then put aside" {
	start_helpers
	young=$(tool id 0) old=$(tool id 4000) busy=$(tool id 4000)
	half=$(tool id 4000)
	for id in "$young" "$old" "$busy" "$half"; do
		as_user mkdir -p -m 0700 "$D/queue/new/${id: -1}"
		as_user sh -c "printf 'Hi.\r\n' >'$D/queue/new/${id: -1}/$id'"
		chmod 0200 "$D/queue/new/${id: -1}/$id"
	done
	chmod 0400 "$D/queue/new/${half: -1}/$half"
	as_user sh -c 'exec 9>>"$1"; flock -x 9; touch "$2/locked"
		until [ -e "$2/unlock" ]; do sleep 0.02; done' sh \
		"$D/queue/new/${busy: -1}/$busy" "$D" 3>&- &
	wait_for [ -e "$D/locked" ]
	start_send
	wait_for event "$old" torn
	wait_for event "$half" torn
	[ -e "$D/queue/torn/$old" ]
	[ -e "$D/queue/new/${young: -1}/$young" ]
	[ -e "$D/queue/new/${busy: -1}/$busy" ]
	touch "$D/unlock"
	wait_for event "$busy" torn
	[ -e "$D/queue/new/${young: -1}/$young" ]
}

@test "send: logs without a message are swept at the start" {
	start_helpers
	start_send
	id=$(put 'local <full@example.com>')
	wait_for logged "$id" 'tried 1'
	stop_send
	dir=$D/queue/msg/${id: -1}
	as_user cp "$dir/$id.log" "$dir/000000000000010000f0${id: -2}.log"
	as_user touch "$dir/a stray file"
	start_send
	[ -e "$dir/$id.log" ]
	[ ! -e "$dir/000000000000010000f0${id: -2}.log" ]
	[ -e "$dir/a stray file" ]
}

@test "send: at most two at once to a user, four in all" {
	start_helpers
	start_send
	for user in wait-a wait-b wait-c; do
		for _ in 1 2 3; do
			put "local <$user@example.com>" >/dev/null
		done
	done
	wait_for count_is 4 '^got wait'
	other=$(put 'local <joe@example.com>')
	wait_for count_is 1 '^L <joe@'
	[ "$(grep -c '^got wait' "$D/helpers")" -eq 4 ]
	for user in wait-a wait-b wait-c; do
		[ "$(grep -c "^got $user" "$D/helpers")" -le 2 ]
		touch "$D/out/$user"
	done
	wait_for event "$other" delivered
	wait_for queue_is_empty "$D/queue"
}

@test "send: who stops his deliveries stops nobody else's" {
	start_helpers
	start_send local_timeout=60
	for _ in 1 2 3 4 5; do
		put 'local <wait-a@example.com>' 'local <wait-b@example.com>' \
			>/dev/null
	done
	wait_for count_is 4 '^got wait'
	id=$(put 'local <joe@example.com>')
	wait_for event "$id" delivered
	[ "$(grep -c '^got wait' "$D/helpers")" -eq 4 ]
	touch "$D/out/wait-a" "$D/out/wait-b"
	wait_for queue_is_empty "$D/queue"
}

@test "send: one process delivers many messages of a user" {
	start_helpers
	for _ in {1..50}; do
		put_quietly 'local <joe@example.com>'
	done
	start_send
	wait_for queue_is_empty "$D/queue"
	[ "$(grep -c '^done joe' "$D/helpers")" -eq 50 ]
	[ "$(grep -c '^user joe' "$D/helpers")" -le 4 ]
}

@test "send: it waits for helpers that are not there, and for their return" {
	start_send
	id=$(put 'local <joe@example.com>')
	wait_for grep -q 'smtpd-rcpt.*cannot be used' "$D/send.log"
	start_rcpt
	wait_for grep -q 'smtpd-lspawn.*cannot be reached' "$D/send.log"
	start_lspawn
	wait_for event "$id" delivered 'attempt=1'
	stop_helpers
	id=$(put 'local <joe@example.com>')
	start_helpers
	wait_for event "$id" delivered 'attempt=1'
}

@test "send: smtpd-rcpt that dies, is silent or talks nonsense" {
	start_helpers
	start_send helper_timeout=1
	for name in die mute garbage; do
		bad=$(put "local <$name@example.com>")
		id=$(put 'local <joe@example.com>')
		wait_for event "$id" delivered
		[ -e "$D/queue/new/${bad: -1}/$bad" ]
		run event "$bad" 'delivered|failed'
		[ "$status" -ne 0 ]
	done
}

@test "send: a full backlog of smtpd-lspawn is waited for" {
	start_rcpt
	start_full_lspawn
	start_send
	id=$(put 'local <joe@example.com>')
	wait_for grep -q '^L <joe' "$D/helpers"
	kill -0 "$SEND_PID"
	kill "$FULL_PID"
	wait "$FULL_PID" || true
	start_lspawn
	wait_for event "$id" delivered
}

@test "send: the child that syncs may die" {
	start_helpers
	start_send
	child=$(pgrep -P "$SEND_PID")
	kill -9 "$child"
	id=$(put 'local <alias+a.b@example.com>')
	wait_for event "$id" removed
	grep -q 'child that syncs has died' "$D/send.log"
	child=$(pgrep -P "$SEND_PID")
	kill -STOP "$child"	# a disk that takes its time stops nobody else
	id=$(put 'local <alias+a.b@example.com>')
	other=$(put 'local <joe@example.com>')
	wait_for event "$other" delivered
	run grep -q "got . $id" "$D/helpers"
	[ "$status" -ne 0 ]
	kill -9 "$child"
	wait_for event "$id" removed
}

@test "send: killed, it leaves running deliveries to their end" {
	start_helpers
	start_send
	id=$(put 'local <wait@example.com>')
	wait_for grep -q "got wait $id" "$D/helpers"
	kill -KILL "$SEND_PID"
	wait_for sent_has_ended
	start_send
	other=$(put 'local <joe@example.com>')
	wait_for event "$other" delivered
	[ "$(grep -c "got wait $id" "$D/helpers")" -eq 1 ]
	touch "$D/out/wait"
	wait_for event "$id" delivered
	grep -q "got wait $id attempt=1" "$D/helpers"
}

@test "send: a message that a lost delivery keeps locked is mentioned" {
	start_helpers
	start_send
	id=$(put 'local <full@example.com>')
	wait_for logged "$id" 'tried 1'
	as_user sh -c 'exec 9<"$1"; flock -x 9; touch "$2/locked"
		until [ -e "$2/unlock" ]; do sleep 0.02; done' sh \
		"$D/queue/msg/${id: -1}/$id" "$D" 3>&- &
	wait_for [ -e "$D/locked" ]
	kill -HUP "$SEND_PID"
	wait_for event "$id" locked
	touch "$D/unlock"
	wait_for logged "$id" 'tried 2'
	[ "$(grep -c event=locked "$D/send.log")" -eq 1 ]
}

@test "send: a message that was tried is never taken for torn" {
	start_helpers
	start_send
	id=$(put -a 90000 'local <full@example.com>')
	wait_for logged "$id" 'tried 1'
	as_user chmod 600 "$D/queue/msg/${id: -1}/$id"
	kill -HUP "$SEND_PID"
	wait_for event "$id" held
	[ -e "$D/queue/msg/${id: -1}/$id" ]
	as_user chmod 400 "$D/queue/msg/${id: -1}/$id"
	kill -HUP "$SEND_PID"
	wait_for logged "$id" 'tried 2'
}

@test "send: what cannot be written to a log is kept in mind" {
	start_helpers
	start_send
	as_user chmod 0500 "$D"/queue/msg/?
	id=$(put 'local <a@example.com>' 'local <full@example.com>')
	wait_for event "$id" deferred
	wait_for grep -q "cannot write the log of '$id'" "$D/send.log"
	kill -HUP "$SEND_PID"
	other=$(put 'local <joe@example.com>')
	wait_for event "$other" delivered
	as_user chmod 0700 "$D"/queue/msg/?
	kill -HUP "$SEND_PID"
	wait_for logged "$id" 'tried 2'
	logged "$id" 'done 0'
	log_is_sound "$id"
	[ "$(grep -c "got a $id" "$D/helpers")" -eq 1 ]
}

@test "send: what cannot be removed is not delivered again" {
	start_helpers
	start_send
	id=$(put_quietly 'local <wait@example.com>')
	wait_for grep -q "got wait $id" "$D/helpers"
	as_user chmod 0500 "$D"/queue/new/?
	touch "$D/out/wait"
	wait_for grep -q "cannot remove '$id'" "$D/send.log"
	as_user chmod 0700 "$D"/queue/new/?
	kill -HUP "$SEND_PID"
	wait_for queue_is_empty "$D/queue"
	[ "$(grep -c "got wait $id" "$D/helpers")" -eq 1 ]
}

@test "send: the wake-up socket may come from systemd" {
	start_helpers
	start_send_activated
	id=$(put 'local <joe@example.com>')
	wait_for event "$id" delivered
}

@test "send: helpers may be commands" {
	{
		printf '#!/bin/sh\n'
		printf "exec socat - UNIX-CONNECT:'%s'\n" "$D/rcpt.sock"
	} >"$D/rcpt-command"
	chmod 755 "$D/rcpt-command"
	start_helpers
	mv "$D/rcpt" "$D/rcpt.sock"
	start_send "rcpt=$D/rcpt-command"
	id=$(put 'local <joe@example.com>')
	wait_for event "$id" delivered
}
