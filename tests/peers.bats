# SPDX-License-Identifier: ISC
# Mail from the client side of the servers that most of the world runs.
#
# Debian's packages are unpacked beside the system, not installed, and run as
# root in a world of their own: see bench/unpack and bench/private.

setup() {
	load lib/smtpd
	setup_dir
	[[ $(id -u) -eq 0 ]] || skip_loudly 'Postfix and Exim need root'
	"$BATS_TEST_DIRNAME/bench/private" nobody2:59990:/ true 2>/dev/null ||
		skip_loudly 'no namespaces of our own to be had here'
	start_chain
}

teardown() {
	stop_chain
}

# needs_peer PACKAGE: sets OVERLAY to its files.
needs_peer() {
	OVERLAY=$("$BATS_TEST_DIRNAME/bench/unpack" "$1" \
		2>"$BATS_TEST_TMPDIR/unpack") || {
		cat "$BATS_TEST_TMPDIR/unpack" >&2
		skip_loudly "Debian's $1 cannot be fetched"
	}
	export OVERLAY PORT
	export HOST_NET=1
}

# A message in which much can go wrong on the way; with all the fields that a
# sender would add when they are missing.
message() {
	printf '%s\n' 'From: sender@example.org' 'To: user@example.com' \
		'Subject: leading dots, blanks, 8 bits' \
		'Date: Mon, 23 Nov 2026 09:00:00 +0000' \
		'Message-ID: <peer@example.org>' 'MIME-Version: 1.0' \
		'Content-Type: text/plain; charset=utf-8' \
		'Content-Transfer-Encoding: 8bit' \
		$'X-Folded: one\n\ttwo' '' \
		. .. '.leading' 'trailing  ' $'\ttab' 'Grüße aus Köln' '' \
		'From the start of a line' "$(printf '%0900d' 7)" ''
}

peer_mail_is_exact() {
	local file

	wait_for has_mail "$(maildir "$1")" 1
	file=$(only_mail "$(maildir "$1")")
	arrived_exactly "$BATS_TEST_TMPDIR/message" "$file"
	grep -q '^Return-Path: <sender@example.org>$' "$file"
}

@test "peers: Postfix delivers a message to two mailboxes" {
	needs_peer postfix
	message >"$BATS_TEST_TMPDIR/message"
	"$BATS_TEST_DIRNAME/bench/private" \
		postfix:59993:/,postdrop:59994:/ \
		"$BATS_TEST_DIRNAME/bench/peer" postfix \
		user@example.com postmaster@example.com \
		<"$BATS_TEST_TMPDIR/message"
	peer_mail_is_exact user
	peer_mail_is_exact postmaster
	grep -q 'by bench.test (Postfix' "$(only_mail "$(maildir user)")"
}

@test "peers: Exim delivers a message to two mailboxes" {
	needs_peer exim4-daemon-light
	message >"$BATS_TEST_TMPDIR/message"
	"$BATS_TEST_DIRNAME/bench/private" Debian-exim:59993:/ \
		"$BATS_TEST_DIRNAME/bench/peer" exim \
		user@example.com postmaster@example.com \
		<"$BATS_TEST_TMPDIR/message"
	peer_mail_is_exact user
	peer_mail_is_exact postmaster
	grep -q '(Exim 4' "$(only_mail "$(maildir user)")"
}

@test "peers: Postfix keeps what is refused and says our reason" {
	needs_peer postfix
	message >"$BATS_TEST_TMPDIR/message"
	run ! "$BATS_TEST_DIRNAME/bench/private" \
		postfix:59993:/,postdrop:59994:/ \
		"$BATS_TEST_DIRNAME/bench/peer" postfix \
		nobody-here@example.com <"$BATS_TEST_TMPDIR/message"
	[[ $output == *'550 5.1.1'* ]]
}
