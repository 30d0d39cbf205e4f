# SPDX-License-Identifier: ISC
# For tests of smtpd-queue and what speaks to it: load it after lib/smtpd.

# A queue directory $Q, settings $CONF (with which a call that is not allowed
# kills), and MAIL: the words of a good message.
setup_queue() {
	# The system's python3: one below a home is not the user's to run.
	PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
	Q=$BATS_TEST_TMPDIR/queue
	CONF=$BATS_TEST_TMPDIR/conf
	ENTRANCE=in
	ADVISERS=()
	as_user mkdir -m 700 "$Q"
	cat >"$CONF" <<-EOT
	hostname = mail.example.com
	local_domains = example.com example.org
	queue = $Q
	wakeup = $BATS_TEST_TMPDIR/wakeup
	min_free = 0
	EOT
	# A build with sanitizers cannot be confined; and a call that strace
	# makes fail (FAULTS) is one of number -1 for the filter.
	[[ -n ${SMTPD_ASAN-}${FAULTS-} ]] || echo 'confine = kill' >>"$CONF"
	HEAD=(C:version=1 'S:<a@client.example>' 'R:local <user@example.com>')
	MAIL=("${HEAD[@]}" $'B:Subject: x\r\n\r\nhello\r\n' E)
}

queue_tool() {
	python3 "$SMTPD_TOP/tests/tools/queuefile.py" "$@"
}

# inject WORD...: to a fresh smtpd-queue, with the options in OPTIONS too and
# under the command in UNDER.
inject() {
	as_user python3 "$SMTPD_TOP/tests/tools/inject.py" "$@" -- \
		"${UNDER[@]}" "$SMTPD_BIN/smtpd-queue" -c "$CONF" \
		"${OPTIONS[@]}" "$ENTRANCE" "${ADVISERS[@]}"
}

# adviser NAME RIGHTS: one more adviser of the entrance, whose plan is standard
# input; see tools/counsel.py. What it is told is in told NAME.
adviser() {
	local dir=$BATS_TEST_TMPDIR/$1
	as_user mkdir -p "$dir"
	cat >"$dir/plan"
	chmod a+r "$dir/plan"
	ADVISERS+=("$1:$2:$SMTPD_TOP/tests/tools/counsel.py $dir")
}

told() {
	cat "$BATS_TEST_TMPDIR/$1/log"
}

# The paths of all files in the queue.
queued() {
	find "$Q" -type f
}

# The one file in the queue.
only_queued() {
	[[ $(queued | wc -l) -eq 1 ]] || return 1
	queued
}

nothing_queued() {
	[[ -z $(queued) ]] || {
		echo "queued: $(queued)" >&2
		return 1
	}
}

# Makes as_user another user; root's tests only.
become() {
	# shellcheck disable=SC2034 # lib/smtpd reads it
	AS_USER=(setpriv "--reuid=$1" "--regid=$1" --clear-groups --)
}

# Skips where nothing can be traced; a sanitizer cannot live under strace.
needs_strace() {
	command -v strace >/dev/null || skip_loudly "strace is not installed"
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly "no strace with a sanitizer"
}

# Skips where the programs are built for a sanitizer, which needs more calls.
needs_confinement() {
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly "not confined in this build"
}
