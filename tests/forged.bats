#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Mail of strangers through smtpd-queue with smtpd-judge as its adviser: what
# is forged goes, and every other octet stays.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	echo 'checks = no' >>"$CONF"
	judge_is "$SMTPD_BIN/smtpd-judge"
	HEAD=(C:version=1 C:ip=198.51.100.7 C:helo=client.example C:protocol=ESMTP
		'S:<a@client.example> SIZE=9' 'R:local <user@example.com>')
	BODY=$'From: a@client.example\r\nSubject: x\r\n\r\nhello\r\n'
	OURS=$'Authentication-Results: mail.example.com; spf=pass\r\n'
	THEIRS=${OURS/mail./other.}
}

# judge_is HELPER
judge_is() {
	ADVISERS=("judge:delete,top,mark,refuse:$1")
}

# The text of the only queued message.
text() {
	python3 - "$SMTPD_TOP/tests/tools" "$(only_queued)" <<-'EOT'
	import sys
	sys.path.insert(0, sys.argv[1])
	from queuefile import Message
	sys.stdout.buffer.write(Message(sys.argv[2]).body)
	EOT
}

@test "forged: a message without any goes through as it is" {
	run -0 --separate-stderr inject "${HEAD[@]}" $'H:X: y\r\n' "B:$BODY" \
		x:y E
	[[ $stderr == *event=queued* && $stderr != *by=judge* ]]
	[[ $stderr != *event=judged* ]]
	text | cmp - <(printf %s "$BODY")
	queue_tool frames "$(only_queued)" | tr -s '\r\n' '\n' | diff - <(cat <<-EOT
	C entrance=in
	C version=1
	C ip=198.51.100.7
	C helo=client.example
	C protocol=ESMTP
	S <a@client.example> SIZE=9
	R local <user@example.com>
	H X: y
	x y
	EOT
	)
}

@test "forged: fields that claim to be ours go, whatever comes after" {
	run -0 --separate-stderr inject "${HEAD[@]}" \
		"B:${OURS:0:30}" "B:${OURS:30}$THEIRS$OURS$OURS$BODY$OURS" E
	text | cmp - <(printf %s "$THEIRS$BODY$OURS")
	# Two that follow one another are one change.
	[[ $stderr == *'event=queued '*' by=judge deleted=2 '* ]]
	rm -r "$Q/new"
	run -0 inject "${HEAD[@]}" "B:${BODY%hello*}Authentication-Resul" E \
		"${HEAD[@]}" "B:Authentication-Resul" A
	text | tail -c 20 | cmp - <(printf Authentication-Resul)
}

@test "forged: in any case, folding, quoting, with comments or a version" {
	while IFS= read -r field; do
		eval "field=\$'$field'"
		run -0 inject "${HEAD[@]}" "B:A: b"$'\r\n'"$field"$'\r\n'"$BODY" E
		text | cmp - <(printf %s $'A: b\r\n'"$BODY") ||
			{ echo "$field"; false; }
		rm -r "$Q/new"
	done <<-'EOT'
	AUTHENTICATION-RESULTS:MAIL.EXAMPLE.COM
	Authentication-Results :\r\n\tmail.example.com\r\n ; x
	Authentication-Results: (a (b) \\) c) mail.(d)example.com (e) 1; x
	Authentication-Results: "mail.example.com"; x
	Authentication-Results: "ma\\il".example.com; x
	Authentication-Results: mail.example.com.; x
	Authentication-Results: mail.example.com/1; x
	Authentication-Results: =?us-ascii?q?mail.example.com?=; x
	Authentication-Results: mail.example.com\xc2\xa0; x
	Authentication-Results: (without end; x
	EOT
}

@test "forged: fields of others, and of other names, stay" {
	text=$THEIRS
	for field in 'Authentication-Results: example.com; x' \
	    'Authentication-Results: sub.mail.example.com; x' \
	    'Authentication-Results: mail.example.community; x' \
	    'Authentication-Results: spf=pass (mail.example.com)' \
	    'X-Authentication-Results: mail.example.com; x' \
	    'ARC-Authentication-Results: i=1; mail.example.com; x' \
	    'Received-SPF: pass (mail.example.com: x)'; do
		text+=$field$'\r\n'
	done
	run -0 --separate-stderr inject "${HEAD[@]}" "B:$text$BODY" E
	text | cmp - <(printf %s "$text$BODY")
	[[ $stderr != *by=judge* ]]
}

@test "forged: not even the client can put such a field on top" {
	run -65 inject "${HEAD[@]}" "H:$OURS" "B:$BODY" E
	[[ $output == *'X 5'* ]]
	run -65 inject "${HEAD[@]}" $'H:X: y\r\n'"$OURS" "B:$BODY" E
	nothing_queued
	run -0 inject "${HEAD[@]}" "H:$THEIRS" "B:$BODY" E
}

@test "forged: delivered octets are the received ones, forged fields apart" {
	[[ -d $SMTPD_SUITES/messages ]] ||
		skip_loudly "no collection of messages in '$SMTPD_SUITES'"
	words=()
	for file in "$SMTPD_SUITES"/messages/*; do
		words+=("${HEAD[@]}")
		# what begins with a blank would be part of that field
		[[ $(head -c 1 "$file") == [[:blank:]] ]] || words+=("B:$OURS")
		words+=("B@$file" E get)
	done
	chmod a+x "$BATS_TEST_TMPDIR"
	inject "${words[@]}" >"$BATS_TEST_TMPDIR/out"
	python3 - "$SMTPD_TOP/tests/tools" "$Q" "$BATS_TEST_TMPDIR/out" \
		"$SMTPD_SUITES"/messages/* <<-'EOT'
	import sys
	sys.path.insert(0, sys.argv[1])
	from queuefile import Message
	ids = [line[2:].strip() for line in open(sys.argv[3]) if line[0] == "K"]
	assert len(ids) == len(sys.argv[4:]) > 400, len(ids)
	for id, path in zip(ids, sys.argv[4:]):
	    m = Message("%s/new/%s/%s" % (sys.argv[2], id[-1], id))
	    assert m.body == open(path, "rb").read(), path
	EOT
}

# forged_fields N: so many, and others between them.
forged_fields() {
	python3 -c 'import sys
field = "Authentication-Results: mail.example.com; x\r\nA: b\r\n"
sys.stdout.write(field * int(sys.argv[1]) + "\r\nx\r\n")' "$1"
}

@test "forged: 10,000 places can be cleaned, and no more" {
	forged_fields 10000 >"$BATS_TEST_TMPDIR/text"
	run -0 --separate-stderr inject "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/text" E
	[[ $stderr == *' by=judge deleted=10000 '* ]]
	[ "$(text | sort | uniq -c | tr -s ' \r\n' ' ')" = ' 1 10000 A: b 1 x ' ]
	rm -r "$Q/new"
	forged_fields 10001 >"$BATS_TEST_TMPDIR/text"
	run -65 --separate-stderr inject "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/text" E
	[[ $output == *$'\nX 550 5.6.0 Too many forged header fields'* ]]
	nothing_queued
	# Next to each other they are one place.
	head -c 3000000 <(yes "${OURS%$'\n'}") >"$BATS_TEST_TMPDIR/text"
	run -0 --separate-stderr inject "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/text" \
		$'B:\r\n\r\nx\r\n' E
	[[ $stderr == *' by=judge deleted=1 '* ]]
}

@test "forged: they go as well when there is no judge and mail may pass" {
	judge_is /nonexistent
	echo 'unjudged = accept' >>"$CONF"
	run -0 --separate-stderr inject "${HEAD[@]}" "B:$OURS$THEIRS$OURS$BODY" E
	text | cmp - <(printf %s "$THEIRS$BODY")
	[[ $stderr == *unjudged=yes* ]]
}

@test "forged: without checks the judge asks nobody, and reads the header once" {
	needs_strace
	UNDER=(strace -f -o "$BATS_TEST_TMPDIR/trace")
	sed -i 's/^confine = .*/confine = off/' "$CONF"
	run -0 inject "${HEAD[@]}" "B:$OURS$BODY" E
	judge=$(grep 'execve(.*smtpd-judge' "$BATS_TEST_TMPDIR/trace" |
		cut -d' ' -f1)
	[ -n "$judge" ]
	grep "^$judge " "$BATS_TEST_TMPDIR/trace" |
		sed '0,/execve(.*smtpd-judge/d' >"$BATS_TEST_TMPDIR/judge"
	[ -s "$BATS_TEST_TMPDIR/judge" ]
	run ! grep -E '^[0-9]+ (connect|socket|sendto|sendmmsg)\(' "$BATS_TEST_TMPDIR/judge"
	[ "$(grep -c pread64 "$BATS_TEST_TMPDIR/judge")" -eq 1 ]
}

# is_program LISTENER NAME: is that what its warm process executes?
is_program() {
	[[ $(readlink "/proc/$(pgrep -P "$1")/exe") == */$2 ]]
}

teardown() {
	[[ ! -e $BATS_TEST_TMPDIR/pid ]] ||
		kill "$(<"$BATS_TEST_TMPDIR/pid")" 2>/dev/null || true
}

@test "forged: without checks a program without libraries serves" {
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" -m 0600 \
		"$BATS_TEST_TMPDIR/judge" "$SMTPD_BIN/smtpd-judge" -c "$CONF" \
		2>"$BATS_TEST_TMPDIR/judge.log" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for is_program $! smtpd-clean
	judge_is "$BATS_TEST_TMPDIR/judge"
	run -0 --separate-stderr inject "${HEAD[@]}" "B:$OURS$BODY" E
	[[ $stderr == *by=judge*deleted=1* ]]
	run -1 grep -ai '^Authentication-Results' "$(only_queued)"
	# and with checks again it is smtpd-judge that does
	sed -i 's/^checks = no/checks = yes/' "$CONF"
	run inject "${HEAD[@]}" "B:$BODY" E
	wait_for is_program "$(<"$BATS_TEST_TMPDIR/pid")" smtpd-judge
}
