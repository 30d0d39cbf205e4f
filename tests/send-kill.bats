#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-send struck at every system call: nothing is lost.

setup() {
	load lib/smtpd
	setup_dir
	command -v strace >/dev/null || skip_loudly 'strace is not installed'
	# Under torture all of them, else a few of each name.
	MOST=$([ -n "${SMTPD_TORTURE-}" ] && echo 100000 || echo 4)
}

strike() {
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/send_inject.py" \
		"$SMTPD_BIN/smtpd-send" "$BATS_TEST_TMPDIR" "$1" "$MOST" \
		2>"$BATS_TEST_TMPDIR/stderr"
}

@test "send: killed at any system call, it loses nothing" {
	strike kill
}

@test "send: no space at any system call, it loses nothing" {
	strike ENOSPC
}

@test "send: an input/output error at any system call, it loses nothing" {
	strike EIO
}

@test "send: no descriptors at any system call, it loses nothing" {
	strike EMFILE
}

@test "send: no memory at any system call, it loses nothing" {
	strike ENOMEM
}
