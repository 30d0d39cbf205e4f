# SPDX-License-Identifier: ISC
# A DNS with what SPF, DKIM and DMARC ask for, and one that never answers.
# Load it after lib/smtpd.

# For setup_file: $D is where the zone, the keys and the server's words are.
judge_dns_start() {
	export PYTHONDONTWRITEBYTECODE=1
	D=$BATS_FILE_TMPDIR/d
	export D
	chmod a+x "$BATS_RUN_TMPDIR" "${BATS_FILE_TMPDIR%/*}" "$BATS_FILE_TMPDIR"
	mkdir -m 755 "$D"
	[[ $(id -u) -ne 0 ]] || chown "$TEST_UID:$TEST_UID" "$D"
	{
		cat "$SMTPD_TOP/tests/dialogue/judge.zone"
		judge_cases keys "$D"
	} >"$D/zone"
	"${AS_USER[@]}" setpriv --pdeathsig TERM /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/dns_faults.py" "$D/zone" \
		>"$D/dns" 2>&1 3>&- &
	echo $! >"$D/pid"
	wait_for [ -s "$D/dns" ]
}

judge_dns_stop() {
	kill "$(<"$D/pid")"
}

judge_cases() {
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/judge_cases.py" "$@"
}

# As the setting resolver has it.
judge_resolver() {
	echo "127.0.0.1:$(head -n 1 "$D/dns")"
}

# Sets SILENT_DNS.
silent_dns_start() {
	/usr/bin/python3 -c 'import signal, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
signal.pause()' >"$BATS_TEST_TMPDIR/silent" 3>&- &
	SILENT_PID=$!
	wait_for [ -s "$BATS_TEST_TMPDIR/silent" ]
	# shellcheck disable=SC2034 # the tests use it
	SILENT_DNS=127.0.0.1:$(<"$BATS_TEST_TMPDIR/silent")
}

# For teardown too.
silent_dns_stop() {
	[[ -z ${SILENT_PID-} ]] || kill "$SILENT_PID"
	SILENT_PID=
}
