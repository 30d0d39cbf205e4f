#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-send struck at every system call: nothing is lost.

setup() {
	load lib/smtpd
	setup_dir
	command -v strace >/dev/null || skip_loudly 'strace is not installed'
	# Under torture all of them, else a few of each name.
	STRIKES=()
	MOST=$([ -n "${SMTPD_TORTURE-}" ] && echo 100000 || echo 4)
}

# strike WHAT [PART/PARTS]
strike() {
	local dir=$BATS_TEST_TMPDIR/$1-${2%/*}
	as_user mkdir "$dir"
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/send_inject.py" \
		"$SMTPD_BIN/smtpd-send" "$dir" "$1" "$MOST" "${@:2}" \
		2>"$dir/stderr" 3>&-
}

# Side by side: most of the time they wait. all_good: those were.
strike_later() {
	strike "$@" &
	STRIKES+=($!)
}

all_good() {
	local pid
	for pid in "${STRIKES[@]}"; do
		wait "$pid"
	done
}

@test "send: killed at any system call, it loses nothing" {
	for part in 0 1 2; do
		strike_later kill "$part/3"
	done
	all_good
}

@test "send: any error at any system call, it loses nothing" {
	for error in ENOSPC EMFILE EIO ENOMEM; do
		strike_later "$error"
	done
	all_good
}
