#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The adviser on mail of our own users: whose it is, and what it lacks.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	ENTRANCE=user
	SUBMIT="submit:delete,put,top,refuse:$SMTPD_BIN/smtpd-submit"
	echo 'relay_clients = 127.0.0.1' >>"$CONF"
	HEAD=(C:version=1 'S:<me@example.com>' 'R:local <user@example.com>')
	FULL=$'Date: d\r\nFrom: f\r\nMessage-ID: m\r\n\r\n'
}

teardown() {
	if [[ -e $BATS_TEST_TMPDIR/pid ]]; then
		kill "$(<"$BATS_TEST_TMPDIR/pid")" 2>/dev/null || true
	fi
}

# submit WORD...: through smtpd-queue at $ENTRANCE. A user that has logged in
# is $WHO.
submit() {
	as_user python3 "$SMTPD_TOP/tests/tools/inject.py" \
		${WHO:+"C:user=$WHO"} "$@" -- \
		"${UNDER[@]}" "$SMTPD_BIN/smtpd-queue" -c "$CONF" \
		"${OPTIONS[@]}" "$ENTRANCE" "$SUBMIT"
}

# advise WORD...: the adviser alone.
advise() {
	as_user python3 "$SMTPD_TOP/tests/tools/advise.py" "$@" -- \
		"${UNDER[@]}" "$SMTPD_BIN/smtpd-submit" -c "$CONF" \
		"${OPTIONS[@]}"
}

# As submit, and shows the message as it will be read: the H frames, the last
# first, then the body; of a local user's without the Received field.
show() {
	rm -rf "$Q/new"
	run -0 --separate-stderr submit "$@"
	python3 - "$SMTPD_TOP/tests/tools" "$(only_queued)" "$ENTRANCE" <<-'EOT'
	import sys
	sys.path.insert(0, sys.argv[1])
	from queuefile import Message
	m = Message(sys.argv[2])
	top = [p for t, p in m.frames() if t == b"H"]
	if sys.argv[3] == "user":
	    assert top.pop().startswith(
	        b"Received: by mail.example.com (smtpd, from uid ")
	sys.stdout.buffer.write(b"".join(top[::-1]) + m.body)
	EOT
}

facts() {
	queue_tool frames "$(only_queued)" | sed -n 's/^C //p'
}

# refused REPLY WORD...
refused() {
	run -65 submit "${@:2}"
	[[ $output == *"X $1"* ]]
	nothing_queued
}

@test "submit: the user is who the kernel says, whatever he says" {
	uid=$(as_user id -u)
	run -0 --separate-stderr submit C:version=1 C:uid=0 C:user=root \
		C:ip=127.0.0.1 C:tls=yes peer:tcp C:helo=me C:protocol=ESMTP \
		"${HEAD[@]:1}" "B:$FULL" E
	diff - <(facts) <<-EOT
	entrance=user
	version=1
	helo=me
	protocol=ESMTP
	uid=$uid
	EOT
	rm -r "$Q/new"
	run -65 submit C:version=1 C:entrance=own "${HEAD[@]:1}" E
	nothing_queued
}

@test "submit: on a socket the user is who connected" {
	[[ $(id -u) -eq 0 ]] || skip_loudly "a second user needs root"
	chmod 755 "$BATS_TEST_TMPDIR"
	sock=$BATS_TEST_TMPDIR/s
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" -m 666 "$sock" \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" user "$SUBMIT" \
		2>"$BATS_TEST_TMPDIR/log" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for test -S "$sock"
	for uid in 0 61234; do
		run -0 setpriv --reuid=$uid --regid=$uid --clear-groups \
			/usr/bin/python3 "$SMTPD_TOP/tests/tools/inject.py" \
			"${HEAD[@]}" "B:$FULL" E "@$sock"
		facts | grep -x "uid=$uid"
		rm -r "$Q/new"
	done
}

@test "submit: nobody comes in from a network" {
	port=$(free_port)
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "127.0.0.1:$port" \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" user "$SUBMIT" \
		2>"$BATS_TEST_TMPDIR/log" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for bash -c ": 3<>/dev/tcp/127.0.0.1/$port"
	run bash -c "exec 4<>/dev/tcp/127.0.0.1/$port
		printf '10:Cversion=1,3:S<>,1:E,' >&4; cat <&4 2>/dev/null"
	[[ $output != *[KZX]* ]]
	nothing_queued
	grep "the client is not a local user" "$BATS_TEST_TMPDIR/log"
}

@test "submit: adds Date, From and Message-ID where they are missing" {
	show "${HEAD[@]}" $'B:Subject: x\r\n\r\nhello\r\n' E >"$BATS_TEST_TMPDIR/m"
	id=$(sed -n 's/^id=\([^ ]*\) .*event=queued .*/\1/p' <<<"$stderr")
	sed -i '1s/^Date: [A-Z][a-z][a-z], .* +0000/Date: now/' "$BATS_TEST_TMPDIR/m"
	diff -a "$BATS_TEST_TMPDIR/m" - <<-EOT
	Date: now$(printf '\r')
	From: <me@example.com>$(printf '\r')
	Message-ID: <$id@mail.example.com>$(printf '\r')
	Subject: x$(printf '\r')
	$(printf '\r')
	hello$(printf '\r')
	EOT
}

@test "submit: its Date is now" {
	show "${HEAD[@]}" E >"$BATS_TEST_TMPDIR/m"
	then=$(date -d "$(sed -n 's/^Date: //p' "$BATS_TEST_TMPDIR/m")" +%s)
	now=$(date +%s)
	((now - then >= 0 && now - then < 60))
}

@test "submit: leaves alone what is there, in any case, folded or empty" {
	for have in "$FULL" \
	    $'fRom:\r\n x\r\nX: y\r\ndate:\r\nMESSAGE-ID :z\r\n'; do
		show "${HEAD[@]}" "B:$have" E >"$BATS_TEST_TMPDIR/m"
		printf %s "$have" | cmp - "$BATS_TEST_TMPDIR/m"
	done
	# what stands on top already is not missing
	show "${HEAD[@]}" $'H:From: f\r\nDate: d\r\n' \
		$'B:Message-ID: m\r\n\r\n' E | cmp - <(
		printf 'From: f\r\nDate: d\r\nMessage-ID: m\r\n\r\n')
	# what stands in the body is none of the header's
	show "${HEAD[@]}" $'B:X: y\r\n\r\nDate: x\r\nFrom: y\r\n' E |
		grep -c '^From: <me'
}

@test "submit: the header may be cut anywhere" {
	text=$'Subject: x\r\nDATE: d\r\n e\r\nX: y\r\n\r\nbody: text\r\n'
	for text in "$text" $'X: y\r\nDate: d\r\nno field here: no\r\n\r\nz\r\n' \
	    $'no header at all\r\n'; do
		rm -rf "$Q/new"
		words=()
		for ((n = 0; n <= ${#text}; n++)); do
			words+=("${HEAD[@]}" "B:${text:0:n}" "B:${text:n}" E)
		done
		for ((n = 0; n < ${#text}; n++)); do
			one+=("B:${text:n:1}")
		done
		run -0 --separate-stderr submit "${words[@]}" "${HEAD[@]}" \
			"${one[@]}" E
		one=()
		mapfile -t files < <(queued)
		python3 - "$SMTPD_TOP/tests/tools" $((${#text} + 2)) \
			"${files[@]}" <<-'EOT'
		import re, sys
		sys.path.insert(0, sys.argv[1])
		from queuefile import Message
		seen = set()
		for path in sys.argv[3:]:
		    m = Message(path)
		    seen.add(re.sub(rb"(?m)^(Date: .*00|.*[0-9a-f]{22}.*)\r\n", b"",
		                    m.body))
		assert len(sys.argv) - 3 == int(sys.argv[2]), sys.argv
		assert len(seen) == 1, seen
		EOT
	done
}

@test "submit: leaves out Authentication-Results that claim to be ours" {
	ours=$'authentication-results :\r\n\t(c) "Mail.example.com" 1; dkim=pass\r\n'
	other=$'Authentication-Results: other.example; dkim=pass\r\n'
	show "${HEAD[@]}" $'H:A: b\r\n'"$other" \
		"B:$ours$other${FULL%$'\r\n'}${ours:0:20}" \
		"B:${ours:20}"$'\r\n'"$ours" E >"$BATS_TEST_TMPDIR/m"
	printf %s $'A: b\r\n'"$other$other$FULL$ours" |
		cmp - "$BATS_TEST_TMPDIR/m"
	# one that may yet become one, at the end of a message
	show "${HEAD[@]}" "B:${FULL%$'\r\n'}Authentication-Results" E |
		tail -n 1 | cmp - <(printf Authentication-Results)
	show "${HEAD[@]}" "B:${FULL%$'\r\n'}${ours%??}" E |
		cmp - <(printf %s "${FULL%$'\r\n'}")
	# between what is added at the start and the empty line that is missing
	show "${HEAD[@]}" "B:$ours"$'X: y\r\n'"$ours"$'hello world\r\n'"$ours" E |
		tail -n 4 | sed 's/ <.*>//' | cmp - <(
		printf '%s\r\n' Message-ID: 'X: y' '' 'hello world')
	rm -r "$Q/new"
	refused '554 5.5.0 Malformed envelope' "${HEAD[@]}" "H:$ours" E
}

@test "submit: takes thousands of forged fields out, and no more than can be said" {
	ours=$'Authentication-Results: mail.example.com; dkim=pass\r\n'
	forged() {	# N
		for ((i = 0; i < $1; i++)); do
			printf %s $'A:b\r\n'"$ours"
		done >"$BATS_TEST_TMPDIR/m"
	}
	forged 9990
	show "${HEAD[@]}" "B:${FULL%$'\r\n'}" B@"$BATS_TEST_TMPDIR/m" B:z E \
		>"$BATS_TEST_TMPDIR/n"
	[[ $stderr == *"by=submit deleted=9990 put=1 top=1"* ]]
	{
		printf %s "${FULL%$'\r\n'}"
		grep -v ^Auth "$BATS_TEST_TMPDIR/m"
		printf '\r\nz'
	} | cmp - "$BATS_TEST_TMPDIR/n"
	rm -r "$Q/new"
	forged 9991
	refused '554 5.6.0 Too many forged header fields' "${HEAD[@]}" \
		B@"$BATS_TEST_TMPDIR/m" E
}

@test "submit: keeps text apart from the fields that it puts on top" {
	show "${HEAD[@]}" $'B:hello world\r\n' E | tail -n 2 | cmp - <(
		printf '\r\nhello world\r\n')
	show "${HEAD[@]}" $'B:X: y\r\nhello world\r\n\r\nz\r\n' E | tail -n 5 |
		cmp - <(printf 'X: y\r\n\r\nhello world\r\n\r\nz\r\n')
	show "${HEAD[@]}" $'B:\r\nhello\r\n' E | tail -n 2 | cmp - <(
		printf '\r\nhello\r\n')
	show "${HEAD[@]}" $'B:X: y\r\n' E | tail -n 3 | sed 2d | cmp - <(
		printf 'From: <me@example.com>\r\nX: y\r\n')
	show "${HEAD[@]}" B:text E | tail -n 2 | cmp - <(printf '\r\ntext')
	show "${HEAD[@]}" E | sed -n '2p;$=' | cmp - <(
		printf 'From: <me@example.com>\r\n3\n')
}

@test "submit: From carries the full name, quoted or encoded as it must be" {
	from_is() {
		show "C:version=1" "C:name=$1" "${HEAD[@]:1}" E |
			sed '/^From/,/^Message-ID/!d' | sed '$d' |
			cmp - <(printf '%b\r\n' "$2")
	}
	from_is 'Joe User' 'From: Joe User <me@example.com>'
	from_is ' x ' 'From: x <me@example.com>'
	from_is 'J. "Q" \U' 'From: "J. \\"Q\\" \\\\U" <me@example.com>'
	from_is '=?x?Q?y?=' 'From: "=?x?Q?y?=" <me@example.com>'
	from_is 'Jö <x>' 'From: =?UTF-8?Q?J=C3=B6=20=3Cx=3E?= <me@example.com>'
	from_is "$(printf 'ö%.0s' {1..12})" \
		'From: =?UTF-8?Q?=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6=C3=B6?=\r
 =?UTF-8?Q?=C3=B6=C3=B6=C3=B6=C3=B6?= <me@example.com>'
	show C:version=1 'S:<>' "${HEAD[2]}" E |
		grep -Fx $'From: <MAILER-DAEMON@mail.example.com>\r'
	# no name adds a field, and the fact itself goes no further
	run -65 submit C:version=1 $'C:name=x\r\nBcc: y' "${HEAD[@]:1}" E
	show "C:version=1" "C:name=x" "${HEAD[@]:1}" E
	[[ $(facts) != *name* ]]
}

@test "submit: tells local recipients from remote ones itself" {
	run -0 submit "${HEAD[@]}" 'R:remote <a@EXAMPLE.org> X=Y' \
		'R:local <b@client.example>' 'R:remote <c@sub.example.com>' E
	diff - <(queue_tool frames "$(only_queued)" | grep ^R) <<-EOT
	R local <user@example.com>
	R local <a@EXAMPLE.org> X=Y
	R remote <b@client.example>
	R remote <c@sub.example.com>
	EOT
}

@test "submit: passes the octets of a message on as they are" {
	python3 -c 'import random, sys
random.seed(5)
sys.stdout.buffer.write(b"Date: d\r\nFrom: f\r\nMessage-ID: m\r\n\r\n" +
    random.randbytes(3000001))' >"$BATS_TEST_TMPDIR/body"
	run -0 submit "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E
	queue_tool body "$(only_queued)" | cmp - "$BATS_TEST_TMPDIR/body"
}

@test "submit: holds a header section of 1 MiB and no more" {
	for _ in {1..32}; do
		printf 'X: %032763d\r\n' 0
	done >"$BATS_TEST_TMPDIR/header"
	run -0 submit "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/header" E
	queue_tool body "$(only_queued)" | tail -c 1048576 |
		cmp - "$BATS_TEST_TMPDIR/header"
	rm -r "$Q/new"
	refused '552 5.3.4 Message header size exceeds limit' "${HEAD[@]}" \
		B@"$BATS_TEST_TMPDIR/header" B:X E
	run -0 submit "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/header" B:X \
		B@"$BATS_TEST_TMPDIR/header" E "${HEAD[@]}" "B:$FULL" E
	only_queued
}

@test "submit: many messages, some abandoned, in one conversation" {
	run -0 submit "${HEAD[@]}" "B:$FULL" E "${HEAD[@]}" B:x A \
		"${HEAD[@]}" $'B:X: y\r\n\r\n' E
	[[ $(grep -c ^K <<<"$output") -eq 2 && $(queued | wc -l) -eq 2 ]]
	# the second lacked what the first one had
	last=$(sed -n 's/^K //p' <<<"$output" | tail -n 1)
	queue_tool body "$Q/new/${last: -1}/$last" | grep '^Date: '
}

@test "submit: end of file before E queues nothing" {
	for n in 1 2 3 4; do
		mail=("${HEAD[@]}" "B:$FULL" E)
		run -1 submit "${mail[@]:0:n}"
		nothing_queued
	done
}


@test "submit: an authenticated user writes under its own name" {
	ENTRANCE=auth WHO=joe
	echo "senders = $BATS_TEST_TMPDIR/senders" >>"$CONF"
	printf '%s\n' '# who may' 'ann ann@example.net' 'joe sales@example.net' \
		'joe @lists.example' | as_user tee "$BATS_TEST_TMPDIR/senders"
	# mail FROM FIELDS
	mail() {
		MAIL=(C:version=1 "S:<$1>" "${HEAD[2]}" "B:${*:2}"$'\r\n\r\nx\r\n' E)
	}
	for from in joe@example.com JOE+x@Example.ORG sales@example.net \
	    any@lists.example; do
		mail "$from" "From: J <$from>"$'\r\n'"Sender: $from"
		run -0 submit "${MAIL[@]}"
		facts | grep -x user=joe
		rm -r "$Q/new"
	done
	for from in ann@example.com joe@example.net ann@example.net; do
		mail "$from" "From: joe@example.com"
		refused '550 5.7.1 Sender address rejected: not owned by user' "${MAIL[@]}"
		for field in "From: $from" "From: joe@example.com, $from" \
		    "Sender: $from" "From: joe <$from" $'From: joe@example.com\r\n'"from: $from"; do
			mail joe@example.com "$field"
			refused '550 5.7.1 From or Sender address rejected: not owned by user' \
				"${MAIL[@]}"
		done
	done
	# one that hides below a field that goes
	mail joe@example.com $'Authentication-Results: mail.example.com; x\r\nFrom: ann@example.com'
	refused '550 5.7.1 From' "${MAIL[@]}"
	# one that is too long to be read
	refused '550 5.7.1 From' C:version=1 'S:<joe@example.com>' "${HEAD[2]}" \
		"B:From: $(printf 'joe@example.com,\r\n %.0s' {1..500})joe@example.com" E
	# the last word on a connection about who it is was the first
	mail joe@example.com "From: joe@example.com"
	run -0 submit C:version=1 C:user=ann "${MAIL[@]:1}"
	facts | grep -x user=joe
	# nobody's address is everybody's
	rm -r "$Q/new"
	mail '' 'Subject: receipt'
	show "${MAIL[@]}" | sed -n 2p | cmp - <(printf 'From: <joe@example.com>\r\n')
	WHO=ann@example.org
	show "${MAIL[@]}" | sed -n 2p | cmp - <(printf 'From: <ann@example.org>\r\n')
}

@test "submit: many users of many, in one conversation with the adviser" {
	printf '%s *\n' ann bob | as_user tee "$BATS_TEST_TMPDIR/senders"
	OPTIONS=(-o "senders=$BATS_TEST_TMPDIR/senders")
	for user in joe ann joe bob bob joe; do
		words+=(C:id=0123456789abcdef012345 C:entrance=user
			"C:user=$user" 'S:<eve@example.net>' "${HEAD[2]}"
			"text:$FULL" advice)
	done
	run advise "${words[@]}"
	[[ $(grep -o '^[KXZ]' <<<"$output" | tr -d '\n') == XXXXXX ]]
	words=("${words[@]/text:*/text:From: a@b.example}")
	run advise "${words[@]}"
	[[ $(grep -o '^[KXZ]' <<<"$output" | tr -d '\n') == XKXKKX ]]
}

@test "submit: mail of relay clients is completed, and nothing is checked" {
	ENTRANCE=relay
	show C:version=1 peer:tcp 'S:<boss@example.com>' "${HEAD[2]}" \
		$'B:Subject: x\r\nAuthentication-Results: mail.example.com; x\r\n\r\nx' \
		E >"$BATS_TEST_TMPDIR/m"
	sed -E 's/^(Date|Message-ID): .*/\1/' "$BATS_TEST_TMPDIR/m" | cmp - <(
		printf 'Date\nFrom: <boss@example.com>\r\nMessage-ID\nSubject: x\r\n\r\nx')
	show C:version=1 peer:tcp 'S:<boss@example.com>' "${HEAD[2]}" \
		"B:${FULL/From: f/From: ann@example.net}" E |
		cmp - <(printf %s "${FULL/From: f/From: ann@example.net}")
	show C:version=1 peer:tcp 'S:<>' "${HEAD[2]}" E |
		grep -x $'From: <MAILER-DAEMON@mail.example.com>\r'
}

@test "submit: what could not be signed as a whole is refused" {
	for ENTRANCE in user relay; do
		for name in Subject from List-Id; do
			printf 'X: y\r\n%s: a\0b\r\n\r\nx\r\n' $name \
				>"$BATS_TEST_TMPDIR/m"
			refused '554 5.6.0 NUL not allowed in a header field' C:version=1 \
				peer:tcp "${HEAD[@]:1}" B@"$BATS_TEST_TMPDIR/m" E
		done
		refused '554 5.6.0 Too many header fields' C:version=1 peer:tcp \
			"${HEAD[@]:1}" "B:$(printf 'To: a\r\n%.0s' {1..201})" E
	done
	# beyond what is kept of a field
	printf 'Subject: %09000d\0\r\n\r\n' 0 >"$BATS_TEST_TMPDIR/m"
	ENTRANCE=user
	refused '554 5.6.0 NUL' "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/m" E
	# what is not signed may be as it is
	printf 'X: a\0b\r\nTo: x\r\n\r\na\0b\r\n' >"$BATS_TEST_TMPDIR/m"
	run -0 submit "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/m" E
	run -0 submit "${HEAD[@]}" "B:$(printf 'X: a\r\nTo: b\r\n%.0s' {1..200})" E
}

@test "submit: does not say yes when it is not said whose mail it is" {
	for facts in C:x=y C:entrance=own C:entrance=in C:entrance=user \
	    'C:entrance=user C:uid=x' 'C:entrance=in C:user=joe' \
	    "C:entrance=user C:user=$(printf 'x%.0s' {1..256})"; do
		# shellcheck disable=SC2086 # they are words
		run -75 --separate-stderr advise C:id=0123456789abcdef012345 \
			$facts "${HEAD[@]:1}" "text:$FULL" advice
		[[ $output == "Z 451 4.3.0 "* ]]
		[[ $stderr == *"smtpd-queue did not say whose mail this is"* ]]
	done
}

@test "submit: a change of senders counts for the next connection" {
	ENTRANCE=auth WHO=joe
	senders=$BATS_TEST_TMPDIR/senders sock=$BATS_TEST_TMPDIR/s
	echo "senders = $senders" >>"$CONF"
	echo 'joe boss@example.com' | as_user tee "$senders"
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "$sock" \
		"$SMTPD_BIN/smtpd-submit" -c "$CONF" \
		2>"$BATS_TEST_TMPDIR/log" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for test -S "$sock"
	SUBMIT=submit:delete,put,top,refuse:$sock
	MAIL=(C:version=1 'S:<boss@example.com>' "${HEAD[2]}"
		$'B:From: boss@example.com\r\n\r\nx\r\n' E)
	run -0 submit "${MAIL[@]}"
	rm -r "$Q/new"
	echo 'joe' | as_user tee "$senders.new"
	as_user mv "$senders.new" "$senders"
	refused '550 5.7.1' "${MAIL[@]}"
	# one that cannot be read changes nothing
	echo 'joe boss@example.com' | as_user tee "$senders"
	run -0 submit "${MAIL[@]}"
	as_user rm "$senders"
	run -0 submit "${MAIL[@]}"
}

@test "submit: killed while it is asked, the message waits" {
	UNDER=()
	submit "${HEAD[@]}" sync touch:"$BATS_TEST_TMPDIR/at" \
		wait:"$BATS_TEST_TMPDIR/go" "B:$FULL" E \
		>"$BATS_TEST_TMPDIR/out" 2>/dev/null 3>&- &
	wait_for pgrep -f "^$SMTPD_BIN/smtpd-submit -c $CONF"
	wait_for test -e "$BATS_TEST_TMPDIR/at"
	pkill -KILL -f "^$SMTPD_BIN/smtpd-submit -c $CONF"
	touch "$BATS_TEST_TMPDIR/go"
	wait $! && status=0 || status=$?
	[[ $status -eq 75 ]]
	grep '^Z 451 4.7.1' "$BATS_TEST_TMPDIR/out"
	nothing_queued
}

@test "submit: needs no call that it has given away" {
	needs_confinement
	for ENTRANCE in user relay; do
		run -0 --separate-stderr submit C:version=1 peer:tcp \
			"${HEAD[@]:1}" "B:$FULL" E "${HEAD[@]}" B:x A \
			C:version=1 peer:tcp "${HEAD[@]:1}" $'B:X: y\r\n\r\n' E
		[[ $stderr != *no-advice* ]]
	done
}

@test "submit: says at the start what is wrong" {
	run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-submit" -c "$CONF" \
		auth </dev/null
	[[ $stderr == *"takes no operands"* ]]
	run -111 --separate-stderr as_user "$SMTPD_BIN/smtpd-submit" -c "$CONF" \
		-o senders=/nonexistent/senders </dev/null
	[[ $stderr == *"cannot read '/nonexistent/senders': No such file"* ]]
	[[ $(id -u) -eq 0 ]] || skip "the rest needs root"
	run -100 "$SMTPD_BIN/smtpd-submit" -c "$CONF" </dev/null
}
