#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# What smtpd-queue does with the advice on a sender and on one recipient, and
# with mail from strangers when smtpd-judge gives none.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	S='S:<a@client.example>'
	TEXT=($'B:Subject: x\r\n\r\nhello\r\n' E)
}

# rcpt NAME: that R.
rcpt() {
	printf 'R:local <%s@example.com>' "$1"
}

# frames_are LINE...: S and R of the one message.
frames_are() {
	diff <(printf '%s\n' "$@") \
		<(queue_tool frames "$(only_queued)" | grep '^[SR]')
}

# said_to NAME LINE...: what that adviser was told, but for facts.
said_to() {
	diff <(printf '%s\n' "${@:2}") <(told "$1" | grep -v '^C')
}

# An adviser that refuses what has "no" in it for good, and "late" for now.
policy() {
	adviser "$1" "${2:-ask,refuse}" <<-'PY'
	def ask(tag, payload):
	    if b"no" in payload:
	        return b"X", b"550 5.7.1 Not " + payload
	    if b"late" in payload:
	        return b"Z", b"450 4.7.1 Later " + payload
	    return b"K", b""
	PY
}

@test "ask: the client hears at once that an adviser wants to be asked" {
	adviser first top </dev/null
	run -0 --separate-stderr inject "${MAIL[@]}"
	[[ ${lines[0]} == 'W ' ]]
	policy second ask
	run -0 --separate-stderr inject "${MAIL[@]}"
	[[ ${lines[0]} == 'W ask' ]]
	run -1 --separate-stderr inject get
	[[ $output == 'W ask' ]]
}

@test "ask: a recipient that is refused is forgotten, and no other" {
	adviser before top </dev/null
	policy judge
	adviser after top </dev/null
	run -0 --separate-stderr inject C:version=1 "$S" Q get get \
		"$(rcpt a)" Q get "$(rcpt no1)" Q get "$(rcpt late2)" Q get \
		"$(rcpt b)" Q get "$(rcpt no3)" Q get "${TEXT[@]}"
	id=$(sed -n 's/^K \(.\)/\1/p' <<<"$output")
	diff - <(echo "$output") <<-EOT
	W ask
	K 
	K 
	X 550 5.7.1 Not local <no1@example.com>
	Z 450 4.7.1 Later local <late2@example.com>
	K 
	X 550 5.7.1 Not local <no3@example.com>
	K $id
	EOT
	frames_are 'S <a@client.example>' 'R local <a@example.com>' \
		'R local <b@example.com>'
	[[ $stderr == *" nrcpt=2 "*" to=<a@example.com> to=<b@example.com>"* ]]
	for other in before after; do
		said_to "$other" 'S <a@client.example>' \
			'R local <a@example.com>' 'R local <no1@example.com>' \
			'F ' 'R local <late2@example.com>' 'F ' \
			'R local <b@example.com>' 'R local <no3@example.com>' \
			'F ' 'E 21'
	done
	# It knows itself what it has refused.
	run ! grep '^F' "$BATS_TEST_TMPDIR/judge/log"
	[[ $(told judge | grep -c '^Q') -eq 6 ]]
}

@test "ask: a sender that is refused is forgotten, and another may come" {
	adviser other top </dev/null
	policy judge
	ENTRANCE=user
	run -0 --separate-stderr inject C:version=1 C:helo=me \
		'S:<no@client.example>' Q get get 'S:<late@client.example>' Q \
		get "$S" Q get "$(rcpt a)" Q get "${TEXT[@]}"
	diff - <(cut -c -40 <<<"$output" | head -n 5) <<-'EOT'
	W ask
	X 550 5.7.1 Not <no@client.example>
	Z 450 4.7.1 Later <late@client.example>
	K 
	K 
	EOT
	frames_are 'S <a@client.example>' 'R local <a@example.com>'
	# whose mail it is stands there once
	[[ $(queue_tool frames "$(only_queued)" | grep -c '^C uid=') -eq 1 ]]
	said_to other 'S <no@client.example>' 'F ' 'S <late@client.example>' \
		'F ' 'S <a@client.example>' 'R local <a@example.com>' 'E 21'
}

@test "ask: behind a refused sender a recipient makes no sense" {
	policy judge
	run -65 --separate-stderr inject C:version=1 'S:<no@client.example>' Q \
		"$(rcpt a)" "${TEXT[@]}"
	[[ $output == *'X 554 5.5.0 '* ]]
	nothing_queued
}

@test "ask: of those who want to be asked each is, up to the first no" {
	policy one
	policy two ask,refuse,top
	adviser deaf delete </dev/null
	policy three
	cat >"$BATS_TEST_TMPDIR/two/plan" <<-'PY'
	def ask(tag, payload):
	    return (b"X", b"554 5.7.1 Two") if b"two" in payload else (b"K", b"")
	PY
	run -0 --separate-stderr inject C:version=1 "$S" Q get get \
		"$(rcpt two)" Q get "$(rcpt no)" Q get "$(rcpt a)" Q get \
		"${TEXT[@]}"
	[[ $output == *$'\nX 554 5.7.1 Two\nX 550 5.7.1 Not local'* ]]
	frames_are 'S <a@client.example>' 'R local <a@example.com>'
	said_to one 'S <a@client.example>' 'Q ' 'R local <two@example.com>' \
		'Q ' 'F ' 'R local <no@example.com>' 'Q ' \
		'R local <a@example.com>' 'Q ' 'E 21'
	said_to two 'S <a@client.example>' 'Q ' 'R local <two@example.com>' \
		'Q ' 'R local <no@example.com>' 'F ' 'R local <a@example.com>' \
		'Q ' 'E 21'
	said_to three 'S <a@client.example>' 'Q ' 'R local <two@example.com>' \
		'F ' 'R local <no@example.com>' 'F ' 'R local <a@example.com>' \
		'Q ' 'E 21'
	said_to deaf 'S <a@client.example>' 'R local <two@example.com>' \
		'F ' 'R local <no@example.com>' 'F ' 'R local <a@example.com>' \
		'E 21'
}

@test "ask: without a recipient that is left there is no message" {
	policy judge
	run -65 --separate-stderr inject C:version=1 "$S" Q "$(rcpt no)" Q \
		"$(rcpt late)" Q "${TEXT[@]}"
	[[ ${lines[-1]} == 'X 554 5.5.1 No valid recipients' ]]
	[[ $stderr == *event=refused*" nrcpt=0 "* ]]
	nothing_queued
	run ! grep '^E' "$BATS_TEST_TMPDIR/judge/log"
	# and the next message is not in the way of that
	run -0 --separate-stderr inject C:version=1 "$S" "$(rcpt no)" Q \
		"${TEXT[@]}" "${MAIL[@]}"
	only_queued
}

@test "ask: a client that does not ask has its mail taken as a whole" {
	policy judge
	run -0 --separate-stderr inject C:version=1 "$S" "$(rcpt no)" \
		"${TEXT[@]}"
	frames_are 'S <a@client.example>' 'R local <no@example.com>'
	said_to judge 'S <a@client.example>' 'R local <no@example.com>' 'E 21'
}

@test "ask: those who were refused do not count towards 1000" {
	policy judge
	words=()
	for n in {1..20}; do
		words+=("$(rcpt "no$n")" Q)
	done
	for n in {1..1000}; do
		words+=("$(rcpt "a$n")")
	done
	run -0 --separate-stderr inject C:version=1 "$S" "${words[@]}" \
		"${TEXT[@]}"
	[[ $(queue_tool frames "$(only_queued)" | grep -c ^R) -eq 1000 ]]
}

@test "ask: without an answer it is not now, for that one alone" {
	adviser judge ask,refuse <<-'PY'
	def ask(tag, payload):
	    if b"gone" in payload:
	        os._exit(0)
	    return b"K", b""
	PY
	run -75 --separate-stderr inject C:version=1 "$S" Q "$(rcpt a)" Q get \
		get get "$(rcpt gone)" Q get "$(rcpt b)" Q get "${TEXT[@]}"
	[[ ${lines[3]} == 'Z 451 4.7.1 '* && ${lines[4]} == 'Z 451 4.7.1 '* ]]
	# The message cannot have its advice either.
	[[ ${lines[5]} == 'Z 451 4.7.1 '* ]]
	[[ $stderr == *" event=no-advice by=judge why=\"it has closed the connection\""* ]]
	nothing_queued
}

@test "ask: who is late or may not refuse has said nothing" {
	OPTIONS=(-o helper_timeout=1)
	adviser judge ask,refuse <<-'PY'
	def ask(tag, payload):
	    never()
	PY
	run -75 --separate-stderr inject C:version=1 "$S" Q get get
	[[ $output == *'Z 451 4.7.1 '* ]]
	[[ $stderr == *' event=no-advice by=judge why="no answer in time"'* ]]
	ADVISERS=() OPTIONS=()
	policy mild ask
	run -75 --separate-stderr inject C:version=1 "$S" Q get get \
		"$(rcpt no)" Q get
	[[ $output == *'Z 451 4.7.1 '* ]]
	[[ $stderr == *' event=no-advice by=mild why="it has no right to refuse mail"'* ]]
	# but not now may say everybody
	run -75 --separate-stderr inject C:version=1 "$S" Q get get \
		"$(rcpt late)" Q get
	[[ $output == *'Z 450 4.7.1 Later '* ]]
	[[ $stderr != *event=no-advice* ]]
}

@test "ask: a slow client costs an adviser no time" {
	OPTIONS=(-o helper_timeout=1)
	policy judge
	# Until it has been silent for longer than one answer may take.
	run -0 --separate-stderr as_user python3 - "$SMTPD_TOP/tests/tools" \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" "${OPTIONS[@]}" in \
		"${ADVISERS[@]}" <<-'EOT'
	import select, socket, subprocess, sys
	sys.path.insert(0, sys.argv[1])
	from inject import Client
	ours, theirs = socket.socketpair()
	child = subprocess.Popen(sys.argv[2:], stdin=theirs, stdout=theirs)
	theirs.close()
	client = Client(ours)
	client.next()
	for word in ("C:version=1", "S:<>", "Q"):
	    client.do(word)
	client.flush()
	assert client.next()[0] == "K"
	for words in (), ("R:local <a@example.com>", "Q"), \
	    ("R:local <b@example.com>",), ("B:x", "E"):
	    for word in words:
	        client.do(word)
	    client.flush()
	    if words and words[-1] in "QE":
	        assert client.next()[0] == "K"
	    assert not select.select([ours], [], [], 0.7)[0]
	ours.close()
	child.wait()
	EOT
	only_queued
}

# --- unjudged --------------------------------------------------------------------

# A message in which somebody else says what we find: BEFORE, then what is to
# be left of it: AFTER.
forgery() {
	BEFORE=$BATS_TEST_TMPDIR/before AFTER=$BATS_TEST_TMPDIR/after
	printf '%s\r\n' 'Received: from x' \
		'Authentication-Results: mail.example.com;' ' dkim=pass' \
		'From: a@client.example' \
		'authentication-results : (x) "MAIL.example.com" 1; spf=pass' \
		'Authentication-Results: other.example.com; spf=pass' \
		'Subject: x' '' 'Authentication-Results: mail.example.com; no' \
		>"$BEFORE"
	head -c "$1" /dev/zero | tr '\0' x >>"$BEFORE"
	sed -e '2,3d' -e 5d "$BEFORE" >"$AFTER"
}

# unjudged WHY: the message went on, without what is forged; in the log is why.
unjudged() {
	local finding

	run -0 --separate-stderr inject C:version=1 "${SENDER:-$S}" "$(rcpt a)" \
		$'H:Received: by us\r\n' B@"$BEFORE" E
	queue_tool body "$(only_queued)" | cmp - "$AFTER"
	finding=$'Authentication-Results: mail.example.com;\n\tspf=temperror'
	finding+="${SHOWN- smtp.mailfrom=client.example};"
	finding+=$'\n\tdkim=temperror;\n\tdmarc=temperror'
	diff <(printf 'H %s\n' $'Received: by us\n' "$finding"$'\n') \
		<(queue_tool frames "$(only_queued)" | tr -d '\r' |
			sed -n '/^H/,$p')
	[[ $stderr == *" event=queued "*" unjudged=yes"* ]]
	rm -r "$Q/new"
}

@test "unjudged: accepted where a setting says so, and nothing forged stays" {
	forgery 0
	ADVISERS=("judge:delete,top,mark,refuse:$BATS_TEST_TMPDIR/none")
	run -75 --separate-stderr inject C:version=1 "$S" "$(rcpt a)" \
		B@"$BEFORE" E
	[[ $output == *'Z 451 4.7.1 '* ]]
	[[ $stderr == *" event=no-advice by=judge "* ]]
	[[ $stderr == *" event=refused "*" by=judge "* ]]
	nothing_queued
	for setting in unjudged=accept dmarc=report; do
		OPTIONS=(-o "$setting")
		for size in 0 300000; do
			forgery "$size"
			unjudged
			[[ $stderr == *" event=no-advice by=judge why="* ]]
		done
	done
}

@test "unjudged: whatever is the matter with smtpd-judge" {
	forgery 100000
	OPTIONS=(-o unjudged=accept -o helper_timeout=1)
	for plan in 'os._exit(0)' 'return [(b"Z", b"451 4.7.1 No DNS")]' \
	    'never()' 'return [(b"D", b"0 x")]' \
	    'return [(b"D", b"0 9"), (b"H", b"X: 1\r\n"), (b"P", b"9 x")]' \
	    'return [(b"D", b"0 9"), (b"M", b"junk"), (b"Z", b"451 4.7.1 No")]'
	do
		ADVISERS=()
		adviser judge delete,top,mark,refuse <<<"def advise(text): $plan"
		unjudged
		[[ $stderr == *event=no-advice* || $plan == *'b"Z"'* ]]
		[[ $stderr != *" by=judge deleted="* ]]
	done
	# But a no is a no.
	ADVISERS=()
	adviser judge refuse <<<'def advise(text): return [(b"X", b"550 5.7.1 No")]'
	run -65 --separate-stderr inject "${MAIL[@]}"
	[[ $output == *'X 550 5.7.1 No' ]]
	[[ $stderr == *" event=refused "*" by=judge reply="* ]]
	nothing_queued
}

@test "unjudged: no domain is shown that cannot be" {
	forgery 0
	ADVISERS=("judge:delete:$BATS_TEST_TMPDIR/none") OPTIONS=(-o dmarc=report)
	SHOWN=
	for SENDER in 'S:<>' 'S:<a@[127.0.0.1]>'; do
		unjudged
	done
}

@test "unjudged: goes past the judge alone" {
	forgery 0
	OPTIONS=(-o unjudged=accept -o dmarc=report)
	for name in milter judge2 Judge submit; do
		ADVISERS=("$name:delete:$BATS_TEST_TMPDIR/none")
		run -75 --separate-stderr inject "${MAIL[@]}"
		[[ $output == *'Z 451 4.7.1 '* ]]
		[[ $stderr == *" event=no-advice by=$name "* ]]
		nothing_queued
	done
	# who comes after it is asked about what is left
	ADVISERS=("judge:delete:$BATS_TEST_TMPDIR/none")
	adviser next delete </dev/null
	unjudged
	cmp "$BATS_TEST_TMPDIR/next/text" "$AFTER"
	told next | grep '^H Authentication-Results: mail.example.com;'
}

@test "unjudged: 10,000 forged fields may go, and no more" {
	ADVISERS=("judge:delete:$BATS_TEST_TMPDIR/none") OPTIONS=(-o dmarc=report)
	BEFORE=$BATS_TEST_TMPDIR/before AFTER=$BATS_TEST_TMPDIR/after
	for _ in {1..10000}; do
		printf '%s: mail.example.com; x\r\nA: b\r\n' \
			Authentication-Results
	done >"$BEFORE"
	grep '^A: ' "$BEFORE" >"$AFTER"
	unjudged
	printf 'Authentication-Results: mail.example.com\r\nA: b\r\n' >>"$BEFORE"
	run -65 --separate-stderr inject "${HEAD[@]}" B@"$BEFORE" E
	[[ $output == *'X 550 5.6.0 '* ]]
	nothing_queued
}
