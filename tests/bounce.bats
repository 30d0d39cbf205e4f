#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-bounce: what senders are told, and that nothing a stranger says can
# change more of it than his own words.

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	OLD=$BATS_TEST_TMPDIR/old
	PIDS=()
	as_user mkdir "$OLD"
}

# original [FRAME...]: a queue file made of standard input, for $FILE. Its
# sender is $SENDER (a user elsewhere) unless the frames say otherwise.
original() {
	FILE=$(as_user python3 "$SMTPD_TOP/tests/tools/deliver.py" make "$OLD" \
		"C:entrance=${FROM:-in}" "C:version=1" \
		"S:${SENDER-<joe@sender.example>}" \
		'R:remote <ann@far.example>' "$@")
}

plain_original() {
	original "$@" < <(printf '%s\r\n' 'Subject: lunch' \
		'From: Joe <joe@sender.example>' '' 'body')
}

# bounce WORD...: one conversation with smtpd-bounce in front of the queue.
bounce() {
	as_user python3 "$SMTPD_TOP/tests/tools/deliver.py" "$@" -- \
		"$SMTPD_BIN/smtpd-bounce" -c "$CONF" \
		"${DOWN[@]:-$SMTPD_BIN/smtpd-queue}" "${ENTRANCE_OWN:-own}"
}

# The notice in the queue, and what an independent parser says of it.
report() {
	as_user python3 "$SMTPD_TOP/tests/tools/queuefile.py" body \
		"$(only_queued)" >"$BATS_TEST_TMPDIR/notice"
	python3 "$SMTPD_TOP/tests/tools/report.py" \
		<"$BATS_TEST_TMPDIR/notice" >"$BATS_TEST_TMPDIR/report"
	cat "$BATS_TEST_TMPDIR/report"
}

says() {
	grep -qxF -- "$1" "$BATS_TEST_TMPDIR/report" || {
		printf 'does not say: %s\n' "$1" >&2
		return 1
	}
}

frames_of() {
	as_user python3 "$SMTPD_TOP/tests/tools/queuefile.py" frames \
		"$(only_queued)"
}

@test "bounce: a sender is told which recipient failed, and why" {
	plain_original
	run -0 --separate-stderr bounce "msg:$FILE:failed" \
		$'F:failed mx.far.example[192.0.2.7] <ann@far.example> 550-5.1.1 No such user\n550 5.1.1 here' E
	[[ $output == "K "* ]]
	[[ $stderr == *"id=${FILE##*/} prog=smtpd-bounce event=notice kind=failed nrcpt=1 to=<joe@sender.example> notice=${output#K }"* ]]
	run -0 frames_of
	[[ $output == *$'\nS <>\nR remote <joe@sender.example>' ]]
	[[ $output == "C entrance=own"$'\n'* ]]
	[[ $output == *$'\n'"C about=${FILE##*/}"$'\n'* ]]
	report
	says 'from Mail Delivery System <MAILER-DAEMON@example.com>'
	says 'to <joe@sender.example>'
	says 'subject Undelivered Mail Returned to Sender'
	says 'mta mail.example.com'
	says "queue-id ${FILE##*/}"
	says 'rcpt 0 final ann@far.example'
	says 'rcpt 0 action failed'
	says 'rcpt 0 status 5.1.1'
	says 'rcpt 0 mta mx.far.example'
	says 'rcpt 0 said 550-5.1.1 No such user | 550 5.1.1 here'
	says 'text <ann@far.example>:'
	says 'text  mx.far.example[192.0.2.7] said:'
	says 'text  550-5.1.1 No such user'
	says 'header Subject: lunch'
	run -1 grep -q body "$BATS_TEST_TMPDIR/report"
}

@test "bounce: several recipients, each with its own end" {
	plain_original
	run -0 bounce "msg:$FILE:failed" \
		'F:failed - <ann@far.example> 554 5.4.6 Mail loops' \
		'F:expired mx.b.example[2001:db8::1] <bob@b.example> 451 4.7.1 Greylisted' \
		'F:failed mx.c.example[192.0.2.9] <"a b>c"@c.example> 550 no' \
		'O:<list@example.com>' \
		'F:ordered - <dan@d.example> 452 4.2.2 Full' E
	report
	says 'rcpt 0 status 5.4.6'
	says 'rcpt 3 action failed'
	says 'rcpt 3 status 5.0.0'
	says 'rcpt 3 said 452 4.2.2 Full'
	says 'text  Cancelled by the administrator of this mail server. Last reply:'
	says 'rcpt 1 final bob@b.example'
	says 'rcpt 1 action failed'
	says 'rcpt 1 status 4.4.7'
	says 'rcpt 1 mta mx.b.example'
	says 'rcpt 1 said 451 4.7.1 Greylisted'
	says 'text  Given up after many attempts. Last reply:'
	says 'rcpt 2 final "a b>c"@c.example'
	says 'rcpt 2 original list@example.com'
	says 'rcpt 2 status 5.0.0'
	says 'text <"a b>c"@c.example> (expanded from <list@example.com>):'
	run -1 grep -q 'rcpt 0 mta' "$BATS_TEST_TMPDIR/report"
}

@test "bounce: a delay notice says so, and until when" {
	plain_original
	run -0 bounce "msg:$FILE:delayed" \
		'F:delayed mx.far.example[192.0.2.7] <ann@far.example> 451 4.7.1 Later' E
	report
	says 'subject Delayed Mail (still being retried)'
	says 'rcpt 0 action delayed'
	says 'rcpt 0 status 4.7.1'
	grep -q '^rcpt 0 until ' "$BATS_TEST_TMPDIR/report"
}

@test "bounce: of what is held, postmaster hears and not the sender" {
	plain_original
	run -0 --separate-stderr bounce "msg:$FILE:held" \
		'F:delayed - <ann@far.example> 451 4.3.0 Delivery died' E
	[[ $stderr == *"event=notice kind=held nrcpt=1 to=<postmaster@example.com>"* ]]
	report
	says 'subject Mail on hold: delivery crashes'
	says 'to <postmaster@example.com>'
	says 'rcpt 0 action delayed'
}

@test "bounce: to a sender here it is local mail" {
	SENDER='<user@example.com>'
	plain_original
	run -0 bounce "msg:$FILE:failed" 'F:failed - <ann@far.example> 550 5.0.0 x' E
	run -0 frames_of
	[[ $output == *$'\nR local <user@example.com>' ]]
}

@test "bounce: a sender's source route and parameters are left out" {
	SENDER='<@a.example,@b.example:joe@sender.example> BODY=8BITMIME'
	plain_original
	run -0 bounce "msg:$FILE:failed" 'F:failed - <ann@far.example> 550 5.0.0 x' E
	run -0 frames_of
	[[ $output == *$'\nS <>\nR remote <joe@sender.example>' ]]
	report
	says 'to <joe@sender.example>'
}

@test "bounce: one that fails goes to postmaster once, and then to nobody" {
	SENDER='<>' FROM=own
	plain_original
	run -0 bounce "msg:$FILE:failed" 'F:failed - <joe@sender.example> 550 5.0.0 x' E
	run -0 frames_of
	[[ $output == *$'C bounce=postmaster\nS <>\nR local <postmaster@example.com>' ]]
	report
	says 'to <postmaster@example.com>'
	rm -f "$(only_queued)"

	plain_original C:bounce=postmaster
	run -0 --separate-stderr bounce "msg:$FILE:failed" \
		'F:failed - <postmaster@example.com> 550 5.0.0 x' E
	[[ $output == "K -" ]]
	[[ $stderr == *"id=${FILE##*/} prog=smtpd-bounce event=dropped kind=failed"* ]]
	nothing_queued
}

@test "bounce: what came from elsewhere cannot say that it is the last one" {
	SENDER='<>' FROM=in
	plain_original C:bounce=postmaster
	run -0 bounce "msg:$FILE:failed" 'F:failed - <joe@sender.example> 550 5.0.0 x' E
	run -0 frames_of
	[[ $output == *"R local <postmaster@example.com>" ]]
}

@test "bounce: nobody is told of the delay of a message without a sender" {
	SENDER='<>'
	plain_original
	run -0 --separate-stderr bounce "msg:$FILE:delayed" \
		'F:delayed - <ann@far.example> 451 4.0.0 x' E
	[[ $output == "K -" && $stderr == *"event=dropped kind=delayed"* ]]
	nothing_queued
}

# All a hostile server can do is to be quoted.
@test "bounce: hostile replies stay inside their field" {
	plain_original
	run -0 bounce "msg:$FILE:failed" \
		$'F:failed mx.evil.example[192.0.2.7] <ann@far.example> 550-x\r\n\n\nFinal-Recipient: rfc822; you@x.example\nAction: delivered\n--=_\n.\n\x1b[2J\x07\x9b 550 \xff\xfe' \
		$'F:failed evil.example\r\nX:[1] <ann@far.example> 550 \xc3\xbcber\xc2\x9b' E
	report
	[[ $(grep -c ' action ' "$BATS_TEST_TMPDIR/report") -eq 2 ]]
	says 'rcpt 0 final ann@far.example'
	says 'rcpt 0 action failed'
	says 'rcpt 0 said 550-x\x0D | Final-Recipient: rfc822; you@x.example | Action: delivered | --=_ | . | \x1B[2J\x07\x9B 550 \xFF\xFE'
	says 'rcpt 1 said 550 \xC3\xBCber\xC2\x9B'
	says $'text  550 \xc3\xbcber\\xC2\\x9B'
}

@test "bounce: long replies and very many of them stay bounded" {
	local word words=() text
	text=$(printf '\377%.0s' {1..8000})
	for word in {1..1000}; do
		words+=("F:failed mx.far.example[192.0.2.7] <a$word@far.example> 550 $text")
	done
	plain_original
	run -0 bounce "msg:$FILE:failed" "F:failed h <a@b.example> 550 ${text//$'\377'/y}" E
	report >/dev/null
	grep -q "^rcpt 0 said 550 y* | y*" "$BATS_TEST_TMPDIR/report"
	[[ $(grep '^rcpt 0 said' "$BATS_TEST_TMPDIR/report" | tr -dc y |
		wc -c) -eq 8000 ]]
	rm -f "$(only_queued)"
	printf 'msg:%s:failed\0' "$FILE" >"$BATS_TEST_TMPDIR/words"
	printf '%s\0' "${words[@]}" E >>"$BATS_TEST_TMPDIR/words"
	run -0 bounce "words:$BATS_TEST_TMPDIR/words"
	report >/dev/null
	[[ $(grep -c ' final ' "$BATS_TEST_TMPDIR/report") -eq 1000 ]]
	[[ $(stat -c %s "$(only_queued)") -lt 8000000 ]]
}

@test "bounce: of the original there is the header section, and no more" {
	original $'H:Received: first\r\n' $'H:Received: second\r\n' \
		$'H:Authentication-Results: third\r\n' < <(
		printf 'Subject: \xfcber =?x?=\r\n'
		printf 'X-Long: %s\r\n' "$(printf 'x%.0s' {1..2000})"
		printf 'X-Cut: %s\r\n' "$(printf 'y%.0s' {1..9000})"
		printf 'Bad: \x01\x1b\r\n'
		printf '\tfolded\r\nX-Blank: a \r\n\r\nSECRET\r\n')
	run -0 bounce "msg:$FILE:failed" 'F:failed - <ann@far.example> 550 5.0.0 x' E
	report >/dev/null
	sed -n 's/^header //p' "$BATS_TEST_TMPDIR/report" |
		head -n 4 >"$BATS_TEST_TMPDIR/top"
	printf '%s\n' 'Authentication-Results: third' 'Received: second' \
		'Received: first' 'Subject: \xfcber =?x?=' |
		cmp - "$BATS_TEST_TMPDIR/top"
	says "header X-Long: $(printf 'x%.0s' {1..2000})"
	says 'header X-Blank: a '
	run -1 grep -qE 'X-Cut|SECRET' "$BATS_TEST_TMPDIR/report"
}

@test "bounce: the original's header section is bounded" {
	original < <(python3 -c 'for n in range(20000):
    print("X-%d: %s\r" % (n, "z" * 50))
print("\r\nbody\r")')
	run -0 bounce "msg:$FILE:failed" 'F:failed - <ann@far.example> 550 5.0.0 x' E
	report >/dev/null
	says "header X-0: $(printf 'z%.0s' {1..50})"
	[[ $(stat -c %s "$(only_queued)") -lt 100000 ]]
}

@test "bounce: a message without a header, or with nothing at all" {
	original < <(printf 'no header here\r\n')
	run -0 bounce "msg:$FILE:failed" 'F:failed - <ann@far.example> 550 5.0.0 x' E
	report >/dev/null
	rm -f "$(only_queued)"
	original </dev/null
	run -0 bounce "msg:$FILE:failed" 'F:failed - <ann@far.example> 550 5.0.0 x' E
	report >/dev/null
}

@test "bounce: several notices in one conversation" {
	plain_original
	local first=$FILE
	plain_original
	run -0 --separate-stderr bounce "msg:$first:failed" \
		'F:failed - <ann@far.example> 550 5.0.0 x' E get \
		"msg:$FILE:delayed" 'F:delayed - <bob@far.example> 451 4.0.0 y' \
		E get Q
	[[ $(queued | wc -l) -eq 2 ]]
	[[ $stderr == *"id=${first##*/} "*"id=${FILE##*/} "* ]]
}

@test "bounce: what makes no sense is no notice" {
	local words first
	plain_original
	first=$FILE
	plain_original
	for words in 'F:failed~-~<a@b.example>~550' \
		"msg:$FILE:failed" "msg:$FILE:maybe F:failed~-~<a@b.example>~550" \
		"msg:$first:failed msg:$FILE:failed F:failed~-~<a@b.example>~550" \
		"nofd:$FILE F:failed~-~<a@b.example>~550" \
		"msg:$FILE:failed F:lost~-~<a@b.example>~550" \
		"msg:$FILE:failed F:failed" "msg:$FILE:failed O:<a@b.example>" \
		"msg:$FILE:failed J:x F:failed~-~<a@b.example>~550"; do
		read -ra words <<<"$words"
		run -1 --separate-stderr bounce "${words[@]//\~/ }" E
		[[ -z $output ]]
		[[ $stderr == *"smtpd-bounce: fatal: the conversation broke off"* ]]
		[[ $stderr == *"exit status 111"* ]]
	done
	nothing_queued
}

@test "bounce: end of file before E is no notice" {
	plain_original
	run -1 --separate-stderr bounce "msg:$FILE:failed" \
		'F:failed - <ann@far.example> 550 5.0.0 x' cut
	nothing_queued
}

@test "bounce: a damaged original is not quoted" {
	plain_original
	chmod 600 "$FILE"
	printf 'x' | dd of="$FILE" bs=1 seek=80 conv=notrunc status=none
	chmod 400 "$FILE"
	run -1 --separate-stderr bounce "msg:$FILE:failed" \
		'F:failed - <ann@far.example> 550 5.0.0 x' E
	nothing_queued
}

@test "bounce: a queue that refuses, or dies, is a reason to try again" {
	plain_original
	DOWN=("$SMTPD_BIN/smtpd-queue" -o min_free=1024G)
	run -75 --separate-stderr bounce "msg:$FILE:failed" \
		'F:failed - <ann@far.example> 550 5.0.0 x' E
	[[ $output == "Z 4"* && $stderr == *"event=notice-deferred"* ]]
	# Another entrance knows nothing of mail to anywhere: refused for good.
	DOWN=("$SMTPD_BIN/smtpd-queue") ENTRANCE_OWN=in
	run -75 --separate-stderr bounce "msg:$FILE:failed" \
		'F:failed - <ann@far.example> 550 5.0.0 x' E
	[[ $output == "Z 5"* ]]
	DOWN=(/bin/true)
	run -75 --separate-stderr bounce "msg:$FILE:failed" \
		'F:failed - <ann@far.example> 550 5.0.0 x' E
	[[ $output == "Z 451 4.3.0 "* ]]
	[[ $stderr == *"cannot inject the notice"* ]]
	nothing_queued
}

# from_down FRAMES [COMMAND]: what an injector says at once, before it runs the
# command; bounce then has it.
from_down() {
	printf '#!/bin/bash\nprintf %%s %q\n%s\n' "$1" "${2-cat >/dev/null}" \
		>"$BATS_TEST_TMPDIR/down"
	chmod 755 "$BATS_TEST_TMPDIR/down"
	DOWN=("$BATS_TEST_TMPDIR/down")
}

@test "bounce: what the queue says first is no answer, and its last word is" {
	local id=0123456789abcdef012345 text words=() n
	plain_original
	for frames in '1:W,' '4:Wask,'; do
		from_down "${frames}23:K$id,"
		run -0 --separate-stderr bounce "msg:$FILE:failed" \
			'F:failed - <ann@far.example> 550 5.0.0 x' E
		[[ $output == "K $id" ]]
	done
	# It went while we were writing: 512 KiB, which no socket holds.
	text=$(printf '550 %08190d' 0)
	for n in {1..64}; do
		words+=("F:failed h <a$n@far.example> $text")
	done
	printf 'msg:%s:failed\0' "$FILE" >"$BATS_TEST_TMPDIR/words"
	printf '%s\0' "${words[@]}" E >>"$BATS_TEST_TMPDIR/words"
	for frames in '1:W,' ''; do
		from_down "${frames}19:Z451 4.3.0 Full now," :
		run -75 --separate-stderr bounce "words:$BATS_TEST_TMPDIR/words"
		[[ $output == "Z 451 4.3.0 Full now" ]]
	done
}

@test "bounce: a malformed answer ends it, and is no notice" {
	plain_original
	for frames in '1:W,' '1:Q,' '1:W,1:D,' x; do
		from_down "$frames" :
		run -75 --separate-stderr bounce "msg:$FILE:failed" \
			'F:failed - <ann@far.example> 550 5.0.0 x' E
		[[ $output == "Z 451 4.3.0 "* ]]
		[[ $stderr == *"cannot inject the notice"* ]]
	done
}

# listener NAME PROGRAM...: at $BATS_TEST_TMPDIR/NAME; notes its pid.
listener() {
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" -m 0600 \
		"$BATS_TEST_TMPDIR/$1" "${@:2}" \
		>>"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	PIDS+=("$!")
	wait_for test -S "$BATS_TEST_TMPDIR/$1"
}

teardown() {
	[[ ${#PIDS[@]} -eq 0 ]] || kill "${PIDS[@]}" || true
	[[ ${#PIDS[@]} -eq 0 ]] || wait "${PIDS[@]}" || true
}

@test "bounce: at a socket, each conversation has a process of its own" {
	local n
	listener own "$SMTPD_BIN/smtpd-queue" -c "$CONF" own
	listener bounce "$SMTPD_BIN/smtpd-bounce" -c "$CONF" \
		"$BATS_TEST_TMPDIR/own"
	plain_original
	for n in 1 2 3; do
		run -0 as_user python3 "$SMTPD_TOP/tests/tools/deliver.py" \
			"msg:$FILE:failed" \
			'F:failed - <ann@far.example> 550 5.0.0 x' E get \
			"msg:$FILE:delayed" \
			'F:delayed - <ann@far.example> 451 4.0.0 x' E get \
			@"$BATS_TEST_TMPDIR/bounce"
	done
	[[ $(queued | wc -l) -eq 6 ]]
	[[ $(grep -c 'prog=smtpd-bounce event=notice ' \
		"$BATS_TEST_TMPDIR/log") -eq 6 ]]
	# The queue's process went away: the next conversation has a fresh one.
	kill "${PIDS[0]}"
	wait "${PIDS[0]}" || true
	rm "$BATS_TEST_TMPDIR/own"
	run as_user python3 "$SMTPD_TOP/tests/tools/deliver.py" \
		"msg:$FILE:failed" 'F:failed - <ann@far.example> 550 5.0.0 x' \
		E get @"$BATS_TEST_TMPDIR/bounce"
	[[ $status -ne 0 && $output != K* ]]
	PIDS=("${PIDS[1]}")
	listener own "$SMTPD_BIN/smtpd-queue" -c "$CONF" own
	run -0 as_user python3 "$SMTPD_TOP/tests/tools/deliver.py" \
		"msg:$FILE:failed" 'F:failed - <ann@far.example> 550 5.0.0 x' \
		E get @"$BATS_TEST_TMPDIR/bounce"
}

@test "bounce: refuses to be root, and to be without an injector" {
	run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-bounce" -c "$CONF"
	[[ $stderr == *"name an injector"* ]]
	[[ $(id -u) -ne 0 ]] || {
		run -100 --separate-stderr "$SMTPD_BIN/smtpd-bounce" -c "$CONF" \
			/bin/true
	}
}
