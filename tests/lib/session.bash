# SPDX-License-Identifier: ISC
# For tests of smtpd-session: load it after lib/smtpd.

# Fakes of both helpers below $FAKES, and SESSION: the program that talks to
# those that work, killed at the first system call it should not make.
setup_session() {
	# The system's python3: one below a home is not the user's to run.
	PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
	setup_dir
	FAKES=$BATS_TEST_TMPDIR/f
	CONF=$BATS_TEST_TMPDIR/conf
	cat >"$CONF" <<-EOT
	hostname = mx.example.com
	local_domains = example.com example.net
	injector = $FAKES/queue
	relay_injector = $FAKES/queue-relay
	rcpt = $FAKES/rcpt
	EOT
	# A build with sanitizers cannot be confined.
	[[ -n ${SMTPD_ASAN-} ]] || echo 'confine = kill' >>"$CONF"
	as_user mkdir "$FAKES"
	"${AS_USER[@]}" /usr/bin/python3 "$SMTPD_TOP/tests/tools/fakes.py" \
		"$FAKES" >"$FAKES.out" 2>&1 3>&- &
	FAKES_PID=$!
	wait_for test -e "$FAKES/ready"
	SESSION=("$SMTPD_BIN/smtpd-session" -c "$CONF")
}

teardown_session() {
	[[ -z ${FAKES_PID-} ]] || kill "$FAKES_PID" || true
	FAKES_PID=
}

# dialogue OPTION... FILE[:NAME]... [-- OPTION...]: plays dialogues of
# tests/dialogue with $SESSION and the options after --. What the program
# says on stderr goes to $LOG.
dialogue() {
	local word
	local -a play=() more=()
	while [[ $# -gt 0 && $1 != -- ]]; do
		word=$1
		[[ ! -e $SMTPD_TOP/tests/dialogue/${word%%:*} ]] ||
			word=$SMTPD_TOP/tests/dialogue/$word
		play+=("$word")
		shift
	done
	[[ $# -eq 0 ]] || more=("${@:2}")
	LOG=$BATS_TEST_TMPDIR/stderr
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/dialogue.py" \
		"${play[@]}" -- "${SESSION[@]}" "${more[@]}" 2>"$LOG" || {
		cat "$LOG"
		return 1
	}
}

# The frames that the fake injector was told, as lines "TAG PAYLOAD", once
# all its conversations are over.
frames() {
	wait_for all_over
	sed 's/^[0-9]* //' "$FAKES/log"
}

all_over() {
	[[ -e $FAKES/log ]] &&
		[[ $(cut -d' ' -f1 "$FAKES/log" | sort -u | wc -l) -eq \
			$(grep -c ' EOF $' "$FAKES/log") ]]
}
