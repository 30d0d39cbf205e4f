#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-queue and its advisers: what they are told, what is made of what they
# say, and that one that is away, late or mad can change nothing and lose
# nothing.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup_file() {
	load lib/smtpd
	PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
	chmod a+x "$BATS_RUN_TMPDIR" "${BATS_FILE_TMPDIR%/*}" "$BATS_FILE_TMPDIR"
	export FAKES=$BATS_FILE_TMPDIR/f
	mkdir -m 777 "$FAKES"
	"${AS_USER[@]}" /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/fakes.py" "$FAKES" \
		>"$BATS_FILE_TMPDIR/out" 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/pid"
	wait_for test -e "$FAKES/ready"
}

teardown_file() {
	kill "$(<"$BATS_FILE_TMPDIR/pid")"
}

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	ALL=delete,put,top,mark,refuse
	HEAD=(C:version=1 C:ip=198.51.100.7 C:helo=client.example C:protocol=ESMTP
		'S:<a@client.example> SIZE=9' 'R:local <user@example.com>')
	BODY=$'From: a@client.example\r\nSubject: x\r\n\r\nhello\r\n'
	OURS=$'Authentication-Results: mail.example.com; spf=pass\r\n'
	adviser_is adviser
	: >"$FAKES/advised"
}

# adviser_is FAKE [NAME [RIGHTS]]: the only one there is.
adviser_is() {
	ADVISERS=("${2:-fake}:${3:-$ALL}:$FAKES/$1")
}

# answer FRAME...: what it says: T:PAYLOAD, as frames; raw:OCTETS as they are.
answer() {
	local word
	for word; do
		if [[ $word == raw:* ]]; then
			printf %s "${word#raw:}"
		else
			[[ $word == ?:* ]] || word=$word:
			printf '%d:%s%s,' "$((${#word} - 1))" "${word:0:1}" \
				"${word:2}"
		fi
	done >"$FAKES/answer"
}

# The queued message as it will be read: H frames, the last first, and body.
show() {
	python3 - "$SMTPD_TOP/tests/tools" "$(only_queued)" <<-'EOT'
	import sys
	sys.path.insert(0, sys.argv[1])
	from queuefile import Message
	m = Message(sys.argv[2])
	top = [p for t, p in m.frames() if t == b"H"]
	sys.stdout.buffer.write(b"".join(top[::-1]) + m.body)
	EOT
}

# What the adviser heard, "TAG PAYLOAD" a line.
heard() {
	wait_for grep -q ' EOF $' "$FAKES/advised"
	sed -n 's/^[0-9]* //p' "$FAKES/advised" | grep -v '^EOF'
}

# escaped TEXT: as the fakes write it.
escaped() {
	printf %s "$1" | sed 's/\r$/\\r\\n/' | tr -d '\n'
}

# no_advice [WHY]: the client is to come again, the log says who is to blame,
# and nothing is queued. After "run inject".
no_advice() {
	[ "$status" -eq 75 ]
	[[ $output == *$'\nZ 451 4.7.1 '* ]]
	[[ $stderr == *"event=no-advice by=fake why=\"${1-}"* ]]
	[[ $stderr == *'event=refused '*' by=fake '*'reply="451 4.7.1 '* ]]
	nothing_queued
}

@test "advice: an adviser hears all, and the text with what stands on top" {
	answer K
	run -0 --separate-stderr inject "${HEAD[@]:0:4}" "${HEAD[@]:4}" \
		$'H:X: y\r\n' "B:${BODY:0:9}" "B:${BODY:9}" $'H:Z: z\r\n' E
	id=${lines[-1]#K }
	heard | diff - <(cat <<-EOT
	C id=$id
	C entrance=in
	C version=1
	C ip=198.51.100.7
	C helo=client.example
	C protocol=ESMTP
	S <a@client.example> SIZE=9
	R local <user@example.com>
	H X: y\\r\\n
	H Z: z\\r\\n
	E ${#BODY}
	text $(escaped "$BODY")
	EOT
	)
	show | cmp - <(printf %s $'Z: z\r\nX: y\r\n'"$BODY")
}

@test "advice: without any change the message is as it came, and not logged" {
	answer x:y K
	run -0 --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
	show | cmp - <(printf %s "$BODY")
	[[ $stderr == *event=queued* && $stderr != *by=fake* ]]
	run -0 queue_tool frames "$(only_queued)"
	[[ $output != *'x y'* ]]
}

@test "advice: octets go and come, fields stand on top, a mark is set" {
	text=0123456789
	answer 'D:0 2' 'P:2 ab' 'P:2 cd' 'D:2 1' 'P:5 e' 'D:9 1' 'P:10 f' \
		$'H:A: 1\r\n folded\r\n' $'H:B: 2\r\nC: 3\r\n' M:junk K
	run -0 --separate-stderr inject "${HEAD[@]}" $'H:X: y\r\n' "B:$text" E
	show | cmp - <(printf '%s\r\n' 'B: 2' 'C: 3' 'A: 1' ' folded' 'X: y'
		printf abcd34e5678f)
	queue_tool frames "$(only_queued)" | grep -x 'M junk'
	[[ $stderr == *'event=queued '*' by=fake deleted=3 put=3 top=2 mark=junk'* ]]
}

@test "advice: all that there is may go, and much may come instead" {
	big=$(printf '%070000d' 0)
	answer "D:0 ${#BODY}" "P:${#BODY} ${big:0:60000}" \
		"P:${#BODY} ${big:60000}" K
	run -0 inject "${HEAD[@]}" "B:$BODY" E
	show | cmp - <(printf %s "$big")
}

@test "advice: the next one is asked about what the one before has made" {
	answer 'D:0 5' $'H:A: 1\r\n' M:junk K
	ADVISERS+=("second:delete,top,mark:$FAKES/adviser")
	run -0 --separate-stderr inject "${HEAD[@]}" B:0123456789abcdefghij E
	show | cmp - <(printf 'A: 1\r\nA: 1\r\nabcdefghij')
	wait_for [ "$(grep -c EOF "$FAKES/advised")" -eq 2 ]
	grep -E '^[0-9]+ (H|M|E|text) ' "$FAKES/advised" | cut -d' ' -f2- |
		diff - <(printf '%s\n' 'E 20' 'text 0123456789abcdefghij' \
			'H A: 1\r\n' 'M junk' 'E 15' 'text 56789abcdefghij')
	[[ $stderr == *' by=fake deleted=1 top=1 mark=junk by=second deleted=1 top=1'* ]]
}

@test "advice: many messages, one conversation with one adviser" {
	answer $'H:A: 1\r\n' K
	run -0 inject "${HEAD[@]}" "B:$BODY" E "${HEAD[@]}" B:x A \
		"${HEAD[@]}" "B:$BODY" E
	[[ $(grep -c ^K <<<"$output") -eq 2 && $(queued | wc -l) -eq 2 ]]
	[[ $(queued | xargs grep -ac '^4:\|A: 1') == *:1*:1 ]]
	[[ $(cut -d' ' -f1 "$FAKES/advised" | sort -u | wc -l) -eq 1 ]]
	heard | grep -v ^text >"$BATS_TEST_TMPDIR/heard"
	[[ $(cut -c1 "$BATS_TEST_TMPDIR/heard" | tr -d '\n') == \
		CCCCCCSRECCCCCCSRACCCCCCSRE ]]
}

@test "advice: a refusal and a delay are the answer, and change nothing" {
	answer 'D:0 1' $'H:A: 1\r\n' M:junk \
		'X:550 5.7.1 client.example does not want that'
	run -65 --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
	[[ $output == *$'\nX 550 5.7.1 client.example does not want that'* ]]
	[[ $stderr == *'event=refused '*' by=fake '*'reply="550 5.7.1 client'* ]]
	nothing_queued
	answer 'Z:450 4.7.1 Greylisted'
	run -75 --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
	[[ $output == *$'\nZ 450 4.7.1 Greylisted'* ]]
	[[ $stderr == *'event=refused '*' by=fake '*'reply="450 4.7.1 Grey'* ]]
	nothing_queued
}

@test "advice: a refusal counts although the adviser reads nothing and closes" {
	printf '#!/bin/sh\nprintf "19:X550 5.7.1 Not this,"\n' \
		>"$BATS_TEST_TMPDIR/early"
	chmod 755 "$BATS_TEST_TMPDIR/early"
	ADVISERS=("early:refuse:$BATS_TEST_TMPDIR/early")
	run -65 --separate-stderr inject "${HEAD[@]}" $'H:X: y\r\n' \
		"B:$BODY" E
	[[ $output == *'X 550 5.7.1 Not this' ]]
	nothing_queued
}

@test "advice: after a refusal no other adviser is asked" {
	answer 'X:550 5.7.1 no'
	ADVISERS+=("second:delete,top,mark:$FAKES/adviser")
	run -65 inject "${HEAD[@]}" "B:$BODY" E
	wait_for [ "$(grep -c EOF "$FAKES/advised")" -eq 2 ]
	[ "$(grep -c ' E ' "$FAKES/advised")" -eq 1 ]
	[ "$(grep -c ' A ' "$FAKES/advised")" -eq 1 ]
}

@test "advice: nobody is asked about what would be refused anyway" {
	answer K
	run -65 inject "${HEAD[@]}" M:junk "B:$BODY" E
	OPTIONS=(-o max_size=65536)
	head -c 200000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	run -65 inject "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E
	[[ $output == *'X 552 5.3.4'* ]]
	run ! grep ' E ' "$FAKES/advised"
}

@test "advice: an adviser that is not there, or dies at any stage: 451" {
	answer K
	adviser_is none
	run --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
	no_advice 'it could not be reached"'
	for fake in adviser-die-C adviser-die-S adviser-die-R adviser-die-H \
	    adviser-die-E; do
		adviser_is "$fake"
		run --separate-stderr inject "${HEAD[@]}" $'H:X: y\r\n' \
			"B:$BODY" E
		no_advice 'it has closed the connection"'
	done
}

@test "advice: one that answers nothing, or does not read: 451, in time" {
	head -c 300000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/field"
	OPTIONS=(-o helper_timeout=2)
	adviser_is adviser-mute
	run --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
	no_advice 'no answer in time"'
	adviser_is adviser-deaf
	words=()
	for ((n = 0; n < 40; n++)); do
		words+=("H:X-$n: $(printf '%0900d' 0)"$'\r\n')
	done
	run --separate-stderr inject "${HEAD[@]}" "${words[@]}" "B:$BODY" E
	no_advice 'no answer in time"'
}

@test "advice: a broken adviser is not asked again by that conversation" {
	answer K
	adviser_is adviser-die-E
	run --separate-stderr inject "${HEAD[@]}" "B:$BODY" E get get get sync \
		"${HEAD[@]}" "B:$BODY" E
	no_advice 'it has closed the connection"'
	[ "$(grep -c ' E ' "$FAKES/advised")" -eq 1 ]
	[[ $stderr == *'ended with 111'* ]]
	adviser_is adviser
	run -0 inject "${HEAD[@]}" "B:$BODY" E
	show | cmp - <(printf %s "$BODY")
}

# The change before each of them is not made, and the K behind it does not help.
@test "advice: malformed answers change nothing" {
	ar='X: y'
	long=$(printf '%01000d' 0)
	while IFS='|' read -r line why; do
		eval "answer 'D:0 1' $line K"
		run --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
		no_advice "$why" || { echo "$line: $output $stderr"; false; }
	done <<-'EOT'
	D:|a malformed deletion
	D:1|a malformed deletion
	'D:1 '|a malformed deletion
	'D:1 0'|a malformed deletion
	'D:1 -1'|a malformed deletion
	'D:01x 1'|a malformed deletion
	'D:1 1 '|a malformed deletion
	'D:18446744073709551616 1'|a malformed deletion
	'D:0 1'|a change out of order
	'D:1 18446744073709551615'|a change out of order
	'D:18446744073709551615 1'|a change out of order
	'D:1 2' 'D:2 1'|a change out of order
	'D:9 1' 'D:5 1'|a change out of order
	'D:9 1' 'P:5 x'|a change out of order
	'P:5 x' 'D:4 1'|a change out of order
	'D:1 1000'|a change out of order
	"D:${#BODY} 1"|a change out of order
	"P:$((${#BODY} + 1)) x"|a change out of order
	P:|a malformed insertion
	P:1|a malformed insertion
	'P:1 '|a malformed insertion
	'P: x'|a malformed insertion
	H:|a header field
	H:"$ar"|a header field
	H:"$ar"$'\n'|a header field
	H:"$ar"$'\r'|a header field
	H:$'\r\n'|a header field
	H:"$ar"$'\r\n\r\n'|a header field
	H:"$ar"$'\r\n\t\r\n'|a header field
	H:"$ar"$'\r\n\r\nBcc: x\r\n'|a header field
	H:"$ar"$'\r\nno field\r\n'|a header field
	H:"$ar"$'\rBcc: x\r\n'|a header field
	H:"$ar"$'\nBcc: x\r\n'|a header field
	H:"$ar"$'\x80\r\n'|a header field
	H:"$ar"$'\x01\r\n'|a header field
	H:"$ar $long"$'\r\n'|a header field
	H:$' folded: x\r\n'|a header field
	H:$'no field\r\n'|a header field
	H:$': x\r\n'|a header field
	M:|an unknown mark
	M:spam|an unknown mark
	M:junk\ |an unknown mark
	R:'local <other@example.com>'|an unexpected frame
	S:'<>'|an unexpected frame
	C:entrance=own|an unexpected frame
	B:x|an unexpected frame
	E:|an unexpected frame
	A:|an unexpected frame
	I:0660ee029bdfc00c7da957|an unexpected frame
	'X:450 4.7.1 later'|malformed answer
	'X:no code'|malformed answer
	'X:550 no enhanced code'|malformed answer
	'X:550 5.7.1 '$'\r\n'|malformed answer
	'X:550 5.7.1 '$'\x80'|malformed answer
	X:|malformed answer
	Z:|malformed answer
	'Z:550 5.7.1 no'|malformed answer
	raw:nonsense|malformed frame
	raw:0:,|malformed frame
	raw:99999:K|malformed frame
	EOT
}

@test "advice: no right, no change" {
	while IFS='|' read -r rights line; do
		adviser_is adviser fake "$rights"
		eval "answer $line K"
		run --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
		if [[ $line == X:* ]]; then
			no_advice 'it has no right to refuse mail"'
		else
			no_advice 'a change beyond its rights"'
		fi || { echo "$rights $line: $output $stderr"; false; }
	done <<-'EOT'
	put,top,mark,refuse|'D:0 1'
	delete,top,mark,refuse|'P:0 x'
	delete,put,mark,refuse|H:$'X: y\r\n'
	delete,put,top,refuse|M:junk
	delete,put,top,mark|'X:550 5.7.1 no'
	top|'D:0 1'
	EOT
	# To ask for time is anybody's right.
	answer 'Z:450 4.7.1 later'
	run -75 inject "${HEAD[@]}" "B:$BODY" E
	[[ $output == *$'\nZ 450 4.7.1 later'* ]]
}

# many TAG N PAYLOAD: the answer is so many of them, and K; %d counts by twos.
many() {
	python3 - "$@" >"$FAKES/answer" <<-'EOT'
	import sys
	tag, n, payload = sys.argv[1:]
	for i in range(int(n)):
	    said = tag + payload.replace("%d", str(2 * i))
	    print("%d:%s," % (len(said), said), end="")
	print("1:K,", end="")
	EOT
}

@test "advice: at most 10,000 changes and 4 MiB of octets" {
	head -c 50000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	many D 10000 '%d 1'
	run -0 inject "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E
	[ "$(show | wc -c)" -eq 40000 ]
	rm -r "$Q/new"
	many D 10001 '%d 1'
	run --separate-stderr inject "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E
	no_advice 'too many changes"'
	many P 64 "0 $(printf '%065530d' 0)"
	run -0 inject "${HEAD[@]}" "B:$BODY" E
	[ "$(show | wc -c)" -eq $((64 * 65530 + ${#BODY})) ]
	rm -r "$Q/new"
	many P 65 "0 $(printf '%065530d' 0)"
	run --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
	no_advice 'too many octets to put"'
	many H 17 "X: $(printf '%0900d' 0)"$'\r\n'
	run -0 inject "${HEAD[@]}" "B:$BODY" E
	rm -r "$Q/new"
	many H 2000 "X: $(printf '%0900d' 0)"$'\r\n'
	run --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
	no_advice 'too many octets of header fields"'
}

@test "advice: who has seen enough may answer before it is asked" {
	adviser_is adviser-early
	answer 'X:550 5.7.1 no'
	run -65 inject "${HEAD[@]}" "B:$BODY" E
	[[ $output == *$'\nX 550 5.7.1 no'* ]]
	answer 'D:0 1000' K
	run --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
	no_advice 'a change out of order'
}

# The judge alone has a setting that lets mail pass without it.
@test "advice: unjudged mail passes when a setting lets it, and says so" {
	text=$OURS$BODY
	cat >"$BATS_TEST_TMPDIR/want" <<-EOT
	Authentication-Results: mail.example.com;
	$(printf '\t')spf=temperror smtp.mailfrom=client.example;
	$(printf '\t')dkim=temperror;
	$(printf '\t')dmarc=temperror
	EOT
	sed -i 's/$/\r/' "$BATS_TEST_TMPDIR/want"
	for setting in unjudged=accept dmarc=report; do
		OPTIONS=(-o "$setting")
		for fake in none adviser-die-E adviser; do
			answer 'Z:451 4.3.0 Out of memory'
			adviser_is "$fake" judge
			run -0 --separate-stderr inject "${HEAD[@]}" \
				$'H:X: y\r\n' "B:$text" E
			show | cmp - <(cat "$BATS_TEST_TMPDIR/want"
				printf %s $'X: y\r\n'"$BODY")
			[[ $stderr == *'event=queued '*' unjudged=yes'* ]]
			rm -r "$Q/new"
		done
		# A word of its own is not that.
		answer 'X:550 5.7.1 no'
		run -65 inject "${HEAD[@]}" "B:$text" E
		# And another adviser is not the judge.
		adviser_is none fake
		run --separate-stderr inject "${HEAD[@]}" "B:$text" E
		no_advice
	done
}

@test "advice: by default unjudged mail has to wait" {
	for fake in none adviser-die-S adviser-die-E; do
		adviser_is "$fake" judge
		run -75 --separate-stderr inject "${HEAD[@]}" "B:$BODY" E
		[[ $output == *$'\nZ 451 4.7.1 '* ]]
		[[ $stderr == *'event=no-advice by=judge why="it '* ]]
		nothing_queued
	done
	adviser_is adviser judge
	answer 'Z:451 4.3.0 Out of memory'
	run -75 inject "${HEAD[@]}" "B:$BODY" E
	[[ $output == *$'\nZ 451 4.3.0 Out of memory'* ]]
	nothing_queued
}

@test "advice: who may be asked has a say on sender and recipients" {
	answer K
	ADVISERS=("fake:ask,refuse:$FAKES/adviser-ask" "other:top:$FAKES/adviser")
	run -0 --separate-stderr inject "${HEAD[@]:0:4}" 'S:<a@client.example>' \
		Q 'R:local <never@example.com>' Q 'R:local <later@example.com>' \
		Q 'R:local <user@example.com>' Q "B:$BODY" E
	diff - <(grep '^[WKZX]' <<<"$output" | sed '$s/ .*//') <<-EOT
	W ask
	K 
	X 550 5.7.1 Never, it says
	Z 450 4.7.1 Later, it says
	K 
	K
	EOT
	queue_tool frames "$(only_queued)" | grep '^[SR] ' | diff - <(cat <<-EOT
	S <a@client.example>
	R local <user@example.com>
	EOT
	)
	wait_for [ "$(grep -c EOF "$FAKES/advised")" -eq 2 ]
	other=$(grep ' F ' "$FAKES/advised" | head -n 1 | cut -d' ' -f1)
	grep "^$other [SRFQ] " "$FAKES/advised" | cut -d' ' -f2- | diff - <(cat <<-EOT
	S <a@client.example>
	R local <never@example.com>
	F 
	R local <later@example.com>
	F 
	R local <user@example.com>
	EOT
	)
	rm -r "$Q/new"
	# A sender that is refused can be followed by another one.
	run -0 inject "${HEAD[@]:0:4}" 'S:<never@client.example>' Q \
		'S:<a@client.example>' Q 'R:local <user@example.com>' Q "B:$BODY" E
	queue_tool frames "$(only_queued)" | grep -x 'S <a@client.example>'
}

@test "advice: who dies of such a question, or answers nonsense: 451" {
	answer K
	adviser_is adviser-ask fake ask
	for who in die odd; do
		run --separate-stderr inject "${HEAD[@]:0:4}" \
			'S:<a@client.example>' Q "R:local <$who@example.com>" Q
		[[ $output == *$'\nK \nZ 451 4.7.1 '* ]]
		[[ $stderr == *'event=no-advice by=fake why='* ]]
	done
}

@test "advice: without anybody to ask W is empty, and Q means nothing" {
	answer K
	run -0 inject "${HEAD[@]:0:5}" Q "${HEAD[5]}" Q "B:$BODY" E
	[[ ${lines[0]} == 'W ' ]]
	[ "$(grep -c '^K ' <<<"$output")" -eq 3 ]
	run ! grep ' Q ' "$FAKES/advised"
}

@test "advice: operands that make no sense are refused at the start" {
	for operand in x fake:top fake:top: fake:top:relative :top:/x \
	    fake:tops:/x fake:top,,put:/x; do
		run -100 --separate-stderr as_user "$SMTPD_BIN/smtpd-queue" \
			-c "$CONF" in "$operand" </dev/null
		[[ $stderr == *fatal:* ]] || { echo "$operand: $stderr"; false; }
	done
}

@test "advice: the example of smtpd-frames(5) does what the page says" {
	page=$SMTPD_TOP/smtpd-queue/smtpd-frames.5
	adviser=$BATS_TEST_TMPDIR/adviser
	sed -n '/^#!/,/^\.Ed/{/^\.Ed/!p}' "$page" | sed 's/\\e/\\/g' >"$adviser"
	cmp "$adviser" "$SMTPD_TOP/tests/tools/example_adviser.py"
	[ "$(wc -l <"$adviser")" -le 20 ]
	chmod 755 "$adviser"
	chmod a+x "$BATS_TEST_TMPDIR"
	ADVISERS=("example:delete,top:$adviser")
	text=$'From: a@b\r\n\r\none\r\nmy secret\r\ntwo\r\na secret'
	run -0 --separate-stderr inject "${HEAD[@]}" "B:$text" E \
		"${HEAD[@]}" "B:$BODY" E
	[[ $stderr == *' by=example deleted=2 top=1'* ]]
	[[ $stderr == *' by=example top=1'* ]]
	[ "$(queued | wc -l)" -eq 2 ]
	id=$(grep '^K ' <<<"$output" | head -n 1)
	rm "$(queued | grep -v "/${id#K }$")"
	show | cmp - <(printf %s $'X-Advised: yes\r\nFrom: a@b\r\n\r\none\r\ntwo\r\n')
}

@test "advice: end of file before E queues nothing, and tells the adviser" {
	answer K
	for ((n = 1; n < ${#HEAD[@]} + 2; n++)); do
		mail=("${HEAD[@]}" "B:$BODY" E)
		run -1 inject "${mail[@]:0:n}"
		nothing_queued
	done
	wait_for [ "$(grep -c EOF "$FAKES/advised")" -ge 5 ]
	run ! grep ' E ' "$FAKES/advised"
}
