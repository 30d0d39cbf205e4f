#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-remote with a real DNS: nsd has the zones, some of them signed, and
# unbound resolves and validates.

bats_require_minimum_version 1.5.0

setup_file() {
	load lib/smtpd
	load lib/resolver
	resolver_start "$SMTPD_TOP/tests/dialogue/dns.zone"
	as_user touch "$D/conf"
}

teardown_file() {
	load lib/resolver
	resolver_stop
}

setup() {
	load lib/smtpd
}

play() {
	local confine=kill cases=$SMTPD_TOP/tests/dialogue/remote-resolver.cases
	[[ -z ${SMTPD_ASAN-} ]] || confine=off
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/remote_cases.py" "$D" \
		"$PORT" "$cases${1:+:$1}" -- "$SMTPD_BIN/smtpd-remote" \
		-c "$D/conf" -o "confine=$confine"
}

@test "remote: where mail goes by a real DNS, signed or not" {
	play
}
