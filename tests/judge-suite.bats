#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Messages and header fields of other people, through the whole chain: what
# is judged arrives as it was, and what is written can be read by others.

setup() {
	load lib/smtpd
	load lib/judge
	setup_dir
	[[ -d $SMTPD_SUITES/messages ]] ||
		skip_loudly "no collection of messages in '$SMTPD_SUITES'"
	judge_dns_start
}

teardown() {
	stop_chain
	[[ ! -e $BATS_FILE_TMPDIR/d/pid ]] || judge_dns_stop
}

@test "judge-suite: all arrive as they were, forged fields apart, and judged" {
	start_chain "resolver=$(judge_resolver)" dmarc=report junk_folder= \
		max_size=64M max_messages=100000
	/usr/bin/python3 "$SMTPD_TOP/tests/tools/judged_mail.py" "$PORT" \
		"$(maildir)" "$SMTPD_SUITES" | tee "$BATS_TEST_TMPDIR/out"
	[[ $(tail -n 1 "$BATS_TEST_TMPDIR/out") =~ ^([0-9]+)' the same, 0 bad' ]]
	[ "${BASH_REMATCH[1]}" -gt 400 ]
	[ "$(grep -c 'event=judged' "$CHAIN/log")" -ge "${BASH_REMATCH[1]}" ]
	run ! grep -E 'event=no-advice|signal=' "$CHAIN/log"
	# Nothing was had of TLS, and memory that was somebody's says nothing.
	run ! grep -E 'event=delivered .* tls=' "$CHAIN/log"
}
