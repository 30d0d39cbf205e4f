#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The filter of the entrance for strangers: what is forged goes, what a judge
# says is heeded, and no judge loses or stops a message.
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
	echo 'relay_clients = 192.0.2.0/24 127.0.0.0/8' >>"$CONF"
	DOWN=("$SMTPD_BIN/smtpd-queue" -c "$CONF" in)
	HEAD=(C:version=1 C:ip=198.51.100.7 C:helo=client.example C:protocol=ESMTP
		'S:<a@client.example> SIZE=9' 'R:local <user@example.com>')
	BODY=$'From: a@client.example\r\nSubject: x\r\n\r\nhello\r\n'
	OURS=$'Authentication-Results: mail.example.com; spf=pass\r\n'
	judge_is judge
	: >"$FAKES/judged"
}

teardown() {
	if [[ -e $BATS_TEST_TMPDIR/pid ]]; then
		kill "$(<"$BATS_TEST_TMPDIR/pid")" 2>/dev/null || true
	fi
}

# judge_is NAME [OPTION...]: which of the fakes the judge is; none: no judge.
judge_is() {
	OPTIONS=(-o "judge=${1:+$FAKES/$1}" "${@:2}")
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

# inject.py's words, to a fresh smtpd-verify before smtpd-queue.
verify() {
	as_user python3 "$SMTPD_TOP/tests/tools/inject.py" "$@" -- \
		"${UNDER[@]}" "$SMTPD_BIN/smtpd-verify" -c "$CONF" \
		"${OPTIONS[@]}" "${DOWN[@]}"
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

# What the judge was told, "TAG PAYLOAD" a line.
told() {
	wait_for grep -q ' EOF $' "$FAKES/judged"
	sed -n 's/^[0-9]* //p' "$FAKES/judged" | grep -v '^EOF'
}

# The message that was queued says that nothing is known of it, once.
is_unjudged() {
	show | grep -a -A 3 '^Authentication-Results' | diff -a - <(printf '%s\r\n' \
		'Authentication-Results: mail.example.com;' \
		$'\tspf=temperror smtp.mailfrom=client.example;' \
		$'\tdkim=temperror;' $'\tdmarc=temperror')
	show | tail -c "${#BODY}" | cmp - <(printf %s "$BODY")
}

@test "verify: without a judge a message goes through as it is" {
	judge_is ''
	run -0 --separate-stderr verify "${HEAD[@]}" $'H:X: y\r\n' "B:$BODY" x:y \
		M:z E
	[[ $stderr != *smtpd-verify* && $output == *$'\n'"K "* ]]
	show | cmp - <(printf %s $'X: y\r\n'"$BODY")
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
	M z
	EOT
	)
}

@test "verify: fields that claim to be ours go, whatever comes after" {
	judge_is ''
	other=${OURS/mail./other.}
	run -0 --separate-stderr verify "${HEAD[@]}" \
		"H:$OURS" $'H:X: y\r\n'"$OURS$other" \
		"B:${OURS:0:30}" "B:${OURS:30}$other$OURS$BODY$OURS" E
	show | cmp - <(printf %s $'X: y\r\n'"$other$other$BODY$OURS")
	[[ $stderr == *"event=forged removed=2 domain=client.example"* ]]
	rm -r "$Q/new"
	run -0 verify "${HEAD[@]}" "B:${BODY%hello*}Authentication-Resul" E \
		"${HEAD[@]}" "B:Authentication-Resul" A
	show | tail -c 20 | cmp - <(printf Authentication-Resul)
}

@test "verify: delivered octets are the received ones, forged fields apart" {
	judge_is ''
	[[ -d $SMTPD_SUITES/messages ]] ||
		skip_loudly "no collection of messages in '$SMTPD_SUITES'"
	words=()
	for file in "$SMTPD_SUITES"/messages/*; do
		words+=("${HEAD[@]}")
		# what begins with a blank would be part of that field
		[[ $(head -c 1 "$file") == [[:blank:]] ]] || words+=("B:$OURS")
		words+=("B@$file" E get get)
	done
	chmod a+x "$BATS_TEST_TMPDIR"
	verify "${words[@]}" >"$BATS_TEST_TMPDIR/out"
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

@test "verify: the judge gets the facts and the octets as they came" {
	answer H:$'Authentication-Results: mail.example.com; none\r\n' K
	run -0 --separate-stderr verify "${HEAD[@]:0:4}" C:x=y \
		"${HEAD[@]:4}" "B:$OURS$BODY" $'H:X: y\r\n' E
	id=${lines[0]#I }
	told | diff - <(cat <<-EOT
	C version=1
	C ip=198.51.100.7
	C helo=client.example
	C protocol=ESMTP
	C id=$id
	S <a@client.example> SIZE=9
	B $(printf %s "$OURS$BODY" | sed 's/\r$/\\r\\n/' | tr -d '\n')
	E 
	EOT
	)
}

@test "verify: what the judge says stands on top, in its order, and once" {
	answer H:$'Received-SPF: pass\r\n x=y\r\n' \
		H:$'Authentication-Results: mail.example.com 1;\r\n\tnone\r\n' x:y K
	run -0 --separate-stderr verify "${HEAD[@]}" "B:$OURS$BODY" \
		$'H:Received: z\r\n' E "${HEAD[@]}" B:x A
	show | cmp - <(printf '%s\r\n' 'Authentication-Results: mail.example.com 1;' \
		$'\tnone' 'Received-SPF: pass' ' x=y' 'Received: z'; printf %s "$BODY")
	! queue_tool frames "$(only_queued)" | grep '^[Mx] ' || false
	[[ $stderr != *unjudged* ]]
}

@test "verify: junk is marked, a refusal is the answer" {
	field=H:$'Authentication-Results: mail.example.com; dmarc=fail\r\n'
	answer "$field" M:junk K
	run -0 verify "${HEAD[@]}" "B:$BODY" E
	queue_tool frames "$(only_queued)" | grep -x 'M junk'
	rm -r "$Q/new"
	answer "$field" 'X:550 5.7.1 client.example does not want that'
	run -65 --separate-stderr verify "${HEAD[@]}" "B:$BODY" E
	[[ $output == *"X 550 5.7.1 client.example does not want that" ]]
	[[ $stderr == *'event=refused reply="550 5.7.1'* ]]
	nothing_queued
}

@test "verify: many messages, one conversation with one judge" {
	answer H:$'Authentication-Results: mail.example.com; none\r\n' K
	run -0 --separate-stderr verify "${HEAD[@]}" "B:$BODY" E "${HEAD[@]}" B:x A \
		"${HEAD[@]}" "B:$BODY" E
	[[ $(grep -c ^K <<<"$output") -eq 2 && $(queued | wc -l) -eq 2 ]]
	[[ $(queued | xargs grep -ac Authentication-Results) == *:1*:1 ]]
	[[ $(cut -d' ' -f1 "$FAKES/judged" | sort -u | wc -l) -eq 1 ]]
	[[ $(told | cut -c1 | tr -d '\n') == CCCCCSBECCCCCSBACCCCCSBE ]]
}

@test "verify: relay clients are not judged, and shown to the queue" {
	answer 'X:550 5.7.1 no'
	run -0 verify C:version=1 peer:tcp C:ip=127.0.0.1 "${HEAD[@]:2:3}" \
		'R:remote <x@elsewhere.example>' "B:$OURS$BODY" E
	show | cmp - <(printf %s "$BODY")
	rm -r "$Q/new"
	# whatever his session calls him
	run -0 verify C:version=1 peer:tcp "${HEAD[@]:1}" "B:$BODY" E
	show | cmp - <(printf %s "$BODY")
	[[ -z $(told) ]]
}

@test "verify: who only says that he is one is judged, and may not relay" {
	answer 'X:550 5.7.1 no'
	for claim in C:ip=127.0.0.1 peer:none peer:null peer:udp peer:unix \
	    C:peer=socket 'C:helo=x ip=127.0.0.1'; do
		: >"$FAKES/judged"
		run -65 verify C:version=1 "$claim" "${HEAD[@]:2}" "B:$BODY" E
		[[ $output == *'550 5.7.1 no'* ]]
	done
	run -65 verify C:version=1 C:ip=127.0.0.1 "${HEAD[@]:2:3}" \
		'R:remote <x@elsewhere.example>' "B:$BODY" E
	[[ -z $(queued) ]]
}

@test "verify: a judge that is not there, or dies at any stage: temperror" {
	answer K
	for fake in none judge-die-C judge-die-S judge-die-B judge-die-E; do
		judge_is "$fake"
		rm -rf "$Q/new"
		run -0 --separate-stderr verify "${HEAD[@]}" "B:$BODY" E
		[[ $stderr == *"event=unjudged why="* ]]
		is_unjudged
	done
}

@test "verify: a judge that answers nothing, or does not read: temperror" {
	head -c 3000000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/big"
	for fake in judge-mute judge-deaf; do
		judge_is "$fake" -o judge_timeout=1
		rm -rf "$Q/new"
		run -0 --separate-stderr verify "${HEAD[@]}" \
			B@"$BATS_TEST_TMPDIR/big" "B:$BODY" E
		[[ $stderr == *"event=unjudged why="* ]]
		is_unjudged
		rm -r "$Q/new"
		OPTIONS=(-o "judge=$FAKES/$fake" -o helper_timeout=2)
		run -0 --separate-stderr verify "${HEAD[@]}" "B:$BODY" E
		is_unjudged
	done
}

@test "verify: answers that are none are not believed" {
	ar='Authentication-Results: mail.example.com;'
	long=$(printf '%01000d' 0)
	while IFS= read -r line; do
		eval "answer $line K"
		rm -rf "$Q/new"
		run -0 --separate-stderr verify "${HEAD[@]}" "B:$BODY" E
		[[ $stderr == *"event=unjudged"* ]] ||
			{ echo "$line: $stderr"; false; }
		is_unjudged || { echo "$line"; false; }
	done <<-'EOT'
	H:
	H:"$ar none"
	H:"$ar none"$'\n'
	H:"$ar none"$'\r'
	H:$'\r\n'
	H:"$ar none"$'\r\n\r\n'
	H:"$ar none"$'\r\n\t\r\n'
	H:"$ar none"$'\r\n\r\nBcc: x\r\n'
	H:"$ar none"$'\r\nBcc: x\r\n'
	H:"$ar none"$'\rBcc: x\r\n'
	H:"$ar none"$'\nBcc: x\r\n'
	H:"$ar none"$'\x80\r\n'
	H:"$ar none"$'\x01\r\n'
	H:"$ar $long"$'\r\n'
	H:$' folded: x\r\n'
	H:$'Bcc: x\r\n'
	H:$'Received-SPF-X: x\r\n'
	H:"${ar/mail/other} none"$'\r\n'
	H:$'Authentication-Results: x\r\n'
	H:$'Authentication-Results:\r\n'
	H:"$ar none"$'\r\n' M:spam
	M:
	R:x
	I:0660ee029bdfc00c7da957
	'X:450 4.7.1 later'
	'X:550 no code'
	'X:550 5.7.1 '$'\r\n'
	X:
	Z:
	'Z:451 4.3.0 no DNS'
	raw:nonsense
	raw:0:,
	'raw:9:K'
	EOT
}

@test "verify: a judge that answers before it has read all is not believed" {
	answer 'X:550 5.7.1 no'
	judge_is judge-early
	run -65 verify "${HEAD[@]}" "B:$BODY" E
	answer raw:
	for ((n = 0; n < 3; n++)); do
		printf '65536:H%065535d,' 0
	done >"$FAKES/answer"
	rm -rf "$Q/new"
	run -0 verify "${HEAD[@]}" "B:$BODY" E
	is_unjudged
}

@test "verify: a queue that refuses early, or dies: its word counts" {
	answer H:"$OURS" K
	DOWN=("$SMTPD_BIN/smtpd-queue" -c "$CONF" -o max_size=65536 in)
	head -c 200000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	run -65 verify "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E
	[[ $output == *"X 552 5.3.4"* ]]
	DOWN=(/bin/true)
	run -75 --separate-stderr verify "${HEAD[@]}" "B:$BODY" E
	[[ $output == *"Z 451 4.3.0"* ]]
	DOWN=(/nonexistent)
	run -1 --separate-stderr verify "${HEAD[@]}" "B:$BODY" E
	[[ $stderr == *"cannot reach '/nonexistent'"*"with 111"* ]]
}

@test "verify: end of file before E queues nothing" {
	answer K
	for ((n = 1; n < ${#HEAD[@]} + 2; n++)); do
		mail=("${HEAD[@]}" "B:$BODY" E)
		run -1 verify "${mail[@]:0:n}"
		nothing_queued
	done
}
