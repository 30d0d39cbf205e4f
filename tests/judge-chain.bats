#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# What SPF, DKIM and DMARC say of a message, from the socket to the Maildir.

setup_file() {
	load lib/smtpd
	load lib/judge
	judge_dns_start
}

teardown_file() {
	judge_dns_stop
}

setup() {
	load lib/smtpd
	load lib/judge
	setup_dir
	MESSAGE=$BATS_TEST_TMPDIR/message
}

teardown() {
	stop_chain
	silent_dns_stop
}

# judged_chain [SETTING...]: the chain, with our DNS.
judged_chain() {
	start_chain "resolver=$(judge_resolver)" dmarc=enforce "$@"
}

# send REVERSE-PATH WORD...: a message as judge_cases.py makes it.
send() {
	judge_cases message "$D" "${@:2}" >"$MESSAGE"
	curl -sS "${CURL[@]}" "smtp://127.0.0.1:$PORT/mail.here.test" --mail-from "$1" \
		--mail-rcpt user@example.com -T "$MESSAGE"
}

# lands_in FOLDER ("" is the inbox): one message, nothing elsewhere.
lands_in() {
	wait_for queue_is_empty "$CHAIN/queue"
	LANDED=$(only_mail "$(maildir)$1")
	[ "$(find "$(maildir)" -path '*/new/*' -type f | wc -l)" -eq 1 ]
}

# has_result HOST WORDS: as another program reads Authentication-Results.
has_result() {
	judge_cases results "$LANDED" >"$BATS_TEST_TMPDIR/results"
	cat "$BATS_TEST_TMPDIR/results"
	grep -qE -- "$1" "$BATS_TEST_TMPDIR/results"
}

@test "judge-chain: what passes arrives with all that was found" {
	judged_chain
	send a@here.test 'from A <b@here.test>' \
		'sign rsa here.test relaxed/relaxed' \
		'sign ed here.test relaxed/simple'
	lands_in ''
	tail -c "$(stat -c %s "$MESSAGE")" <(sed 's/$/\r/' "$LANDED") |
		cmp - "$MESSAGE"
	has_result '^mail\.example\.com$'
	has_result '^spf=pass smtp\.mailfrom=a@here\.test$'
	has_result '^spf=pass smtp\.helo=mail\.here\.test$'
	has_result '^dkim=pass header\.d=here\.test header\.s=rsa header\.a=rsa-sha256 header\.b='
	has_result '^dkim=pass header\.d=here\.test header\.s=ed header\.a=ed25519-sha256 header\.b='
	has_result '^dmarc=pass header\.from=here\.test'
	has_result '^iprev=pass policy\.iprev=127\.0\.0\.1$'
	grep -q '^Received-SPF: pass (mail.example.com:' "$LANDED"
	run -0 grep -nE '^(Authentication-Results|Received-SPF|Received|From):' \
		"$LANDED"
	[[ $output == *:Authentication-Results:*:Received-SPF:*:Received:*:From:* ]]
	grep -q 'prog=smtpd-judge event=judged spf=pass .*dmarc=pass' "$CHAIN/log"
}

@test "judge-chain: p=reject is refused at the dot, and nothing is queued" {
	judged_chain
	run ! send a@evil.test
	run -26 swaks --server "127.0.0.1:$PORT" --from a@evil.test \
		--to user@example.com --data "@$MESSAGE"
	[[ $output == *'550 5.7.26 The DMARC policy of ok.test asks to reject'* ]]
	[ "$(queue_count "$CHAIN/queue")" -eq 0 ]
	[ "$(maildir_count "$(maildir)")" -eq 0 ]
	grep -q 'event=judged .*dmarc=fail policy=reject .*do=refuse' "$CHAIN/log"
	# The connection is good for the next one.
	send a@ok.test 'sign rsa ok.test relaxed/relaxed'
	lands_in ''
}

@test "judge-chain: p=quarantine lands in the folder for junk, not elsewhere" {
	judged_chain
	echo 'both: user, far@elsewhere.test' | as_user tee "$CHAIN/aliases"
	send a@evil.test 'from A <a@q.test>'
	lands_in /.Junk
	has_result '^dmarc=fail .*header\.from=q\.test'
	rm "$LANDED"
	until swaks --silent 3 --server "127.0.0.1:$PORT" --from a@evil.test \
		--to both@example.com --data "@$MESSAGE"; do :; done
	wait_for queue_is_empty "$CHAIN/queue"
	only_mail "$(maildir)/.Junk"
	run ! grep -E 'rcpt=<far@elsewhere.test>' "$CHAIN/log"
}

@test "judge-chain: dmarc=report takes all to the inbox, and says it" {
	judged_chain dmarc=report
	send a@evil.test
	lands_in ''
	has_result '^dmarc=fail .*header\.from=ok\.test'
}

@test "judge-chain: spf_reject refuses what only DKIM vouches for" {
	judged_chain spf_reject=yes
	run ! send a@ok.test 'sign rsa ok.test relaxed/relaxed'
	grep -q 'event=judged spf=fail .*dmarc=pass .*do=refuse' "$CHAIN/log"
	grep -q 'reply="550 5.7.23 The SPF policy of ok.test' "$CHAIN/log"
	send a@here.test 'from A <b@here.test>'
	lands_in ''
	has_result '^spf=pass'
}

@test "judge-chain: forged results go, at every entrance, and only those" {
	judged_chain
	forged='field Authentication-RESULTS: (c) "mail.Example.com" ; dmarc=pass'
	kept='field Authentication-Results: other.example; dmarc=pass'
	send a@ok.test "$kept" "$forged" 'sign rsa ok.test relaxed/relaxed'
	lands_in ''
	[ "$(grep -ci '^authentication-results:' "$LANDED")" -eq 2 ]
	grep -q '^Authentication-Results: other.example; dmarc=pass' "$LANDED"
	sed -e '/^Authentication-RESULTS/d' "$MESSAGE" >"$MESSAGE.kept"
	tail -c "$(stat -c %s "$MESSAGE.kept")" <(sed 's/$/\r/' "$LANDED") |
		cmp - "$MESSAGE.kept"
	rm "$LANDED"
	# A known user's, and sendmail's.
	printf '%s\r\n' 'Authentication-Results: mail.EXAMPLE.com (x);' \
		' spf=pass' 'Subject: forged' '' hi >"$MESSAGE"
	curl -sS --insecure --ssl-reqd -u user:secret \
		"smtp://127.0.0.1:$PORT" --mail-from user@example.com \
		--mail-rcpt user@example.com -T "$MESSAGE"
	lands_in ''
	run ! grep -i '^authentication-results:' "$LANDED"
	rm "$LANDED"
	as_user "$SMTPD_BIN/sendmail" -C "$CHAIN/smtpd.conf" -f user@example.com user@example.com \
		<"$MESSAGE"
	lands_in ''
	run ! grep -i '^authentication-results:' "$LANDED"
}

@test "judge-chain: known users and relay_clients are not judged" {
	judged_chain relay_clients=127.0.0.1
	# Under TLS the socket that shows who it is has been given to another.
	CURL=(--ssl-reqd -k)
	send a@evil.test
	lands_in ''
	run ! grep -i '^authentication-results:' "$LANDED"
	run ! grep event=judged "$CHAIN/log"
}

@test "judge-chain: a bounce of ours is not judged" {
	judged_chain
	echo 'gone: nobody-here, user' | as_user tee "$CHAIN/aliases"
	until swaks --silent 3 --server "127.0.0.1:$PORT" \
		--from user@example.com --to gone@example.com; do :; done
	wait_for has_mail "$(maildir)" 2
	wait_for queue_is_empty "$CHAIN/queue"
	[ "$(grep -c event=judged "$CHAIN/log")" -eq 1 ]
}

# judge_leaves: its socket stays, with nobody behind it.
judge_leaves() {
	rm "$CHAIN/sock/judge"
	as_user /usr/bin/python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$CHAIN/sock/judge"
}

# The judge may be absent, die, or hang at each of its moments: what its
# domain's policy may forbid must not pass by that.
@test "judge-chain: no judge, and mail waits with its sender" {
	judged_chain
	judge_leaves
	run ! send a@evil.test
	run -26 swaks --server "127.0.0.1:$PORT" --from a@evil.test \
		--to user@example.com --data "@$MESSAGE"
	[[ $output == *'451 4.7.1 The message cannot be checked now'* ]]
	[ "$(queue_count "$CHAIN/queue")" -eq 0 ]
	grep -q 'event=no-advice by=judge why=' "$CHAIN/log"
}

@test "judge-chain: no judge, and mail goes on if a setting lets it" {
	local setting
	for setting in unjudged=accept dmarc=report; do
		judged_chain "$setting"
		judge_leaves
		send a@evil.test \
			'field Authentication-Results: mail.example.com; dmarc=pass'
		lands_in ''
		has_result '^spf=temperror'
		has_result '^dmarc=temperror'
		[ "$(grep -ci '^authentication-results:' "$LANDED")" -eq 1 ]
		grep -q 'event=queued .* unjudged=yes' "$CHAIN/log"
		stop_chain
		rm -r "$CHAIN"
	done
}

# try N SETTING...: that many messages, while something is killed again and
# again by the command in KILLING; TAKEN is how many got a 250, the others got
# a 4xx.
try() {
	local code n
	judged_chain "${@:2}"
	judge_cases message "$D" 'sign rsa ok.test relaxed/relaxed' >"$MESSAGE"
	(while chain_kill KILL "$KILLING"; do :; done) 3>&- &
	killer=$!
	TAKEN=0
	for ((n = 0; n < $1; n++)); do
		code=$(curl -s "smtp://127.0.0.1:$PORT/mail.ok.test" \
			--mail-from a@ok.test --mail-rcpt user@example.com \
			-T "$MESSAGE" -w '%{response_code}') || true
		[[ $code == [24]?? ]]
		[[ $code != 2?? ]] || TAKEN=$((TAKEN + 1))
	done
	kill "$killer"
	wait_for queue_is_empty "$CHAIN/queue"
}

# fields WORDS: how many of our own fields in the mailbox have such a line.
fields() {
	find "$(maildir)" -path '*/new/*' -type f -exec cat {} + 2>/dev/null |
		grep -c "$1" || true
}

@test "judge-chain: a judge killed again and again: 4xx, or a verdict" {
	KILLING=judge try 40
	[ "$(maildir_count "$(maildir)")" -eq "$TAKEN" ]
	[ "$(fields '^	dmarc=pass')" -eq "$TAKEN" ]
}

@test "judge-chain: the same, where a setting lets mail pass: none waits" {
	KILLING=judge try 25 unjudged=accept
	[ "$TAKEN" -eq 25 ]
	[ "$(maildir_count "$(maildir)")" -eq 25 ]
	[ "$(fields '^Authentication-Results: mail')" -eq 25 ]
}

@test "judge-chain: a queue killed again and again: 4xx, and no lie" {
	KILLING=queue try 40
	# One that died behind its commit took its answer along.
	[ "$(maildir_count "$(maildir)")" -ge "$TAKEN" ]
}

# flood RESOLVER: 100 messages at once; all arrive, and say that nobody knows.
flood() {
	start_chain "resolver=$1" judge_timeout=3 dmarc=enforce
	python3 "$SMTPD_TOP/tests/tools/flood.py" "$PORT" 100 100 1 \
		user@example.com >"$BATS_TEST_TMPDIR/accepted"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/accepted")" -eq 100 ]
	wait_for queue_is_empty "$CHAIN/queue"
	[ "$(maildir_count "$(maildir)")" -eq 100 ]
	[ "$(cat "$(maildir)"/new/* | grep -c '^	spf=temperror smtp.mailfrom=')" -eq 100 ]
}

@test "judge-chain: 100 at once, a DNS that is silent: all arrive" {
	silent_dns_start
	flood "$SILENT_DNS"
}

@test "judge-chain: 100 at once, and no DNS there: all arrive" {
	flood "127.0.0.1:$(free_port)"
}

@test "judge-chain: no signature makes the judge unbelievable" {
	local words='a={40*"}; d={250*\}; s={250*"}; h=From; bh=eA==; b={99*\}'
	judged_chain
	run ! send a@evil.test "field DKIM-Signature: v=1; $words"
	grep -q 'event=judged .*dmarc=fail policy=reject .*do=refuse' "$CHAIN/log"
	run ! grep event=no-advice "$CHAIN/log"
}
