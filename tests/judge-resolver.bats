#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-judge with a real DNS that validates: zones that are signed, unsigned,
# and wrongly signed.

bats_require_minimum_version 1.5.0

setup_file() {
	load lib/smtpd
	load lib/resolver
	mkdir -m 755 "$BATS_FILE_TMPDIR/d"
	[[ $(id -u) -ne 0 ]] || chown "$TEST_UID:$TEST_UID" "$BATS_FILE_TMPDIR/d"
	chmod a+x "$BATS_RUN_TMPDIR" "${BATS_FILE_TMPDIR%/*}" "$BATS_FILE_TMPDIR"
	{
		grep -vE '^;|arpa' "$SMTPD_TOP/tests/dialogue/judge.zone"
		as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/judge_cases.py" \
			keys "$BATS_FILE_TMPDIR/d"
	} >"$BATS_FILE_TMPDIR/records"
	resolver_start "$BATS_FILE_TMPDIR/records"
}

teardown_file() {
	load lib/resolver
	resolver_stop
}

setup() {
	load lib/smtpd
}

@test "judge: by a real DNS, signed, unsigned or wrongly signed" {
	local confine=kill
	[[ -z ${SMTPD_ASAN-} ]] || confine=off
	run -0 as_user /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/judge_cases.py" play "$D" \
		"$SMTPD_TOP/tests/dialogue/judge-resolver.cases" -- \
		"$SMTPD_BIN/smtpd-judge" -c /dev/null -o "confine=$confine" \
		-o hostname=mx.example.com -o "resolver=127.0.0.1:$PORT"
	[ "$(grep -c '^ok' <<<"$output")" -eq 6 ]
}
