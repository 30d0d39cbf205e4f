#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-remote: against servers and a DNS that misbehave by script. The cases
# are in tests/dialogue/remote-*.cases, all under confine=kill.
# shellcheck disable=SC2030,SC2031 # each test is a subshell

load lib/smtpd

setup() {
	setup_dir
	D=$BATS_TEST_TMPDIR
	as_user touch "$D/conf"
	REMOTE=("$SMTPD_BIN/smtpd-remote" -c "$D/conf" -o confine=kill)
	if [[ -n ${SMTPD_ASAN-} ]]; then
		REMOTE+=(-o confine=off)
	fi
	export PYTHONDONTWRITEBYTECODE=1
}

teardown() {
	[[ -z ${PID-} ]] || kill "$PID" 2>/dev/null || true
}

# play CASES[:NAME]: all of them, side by side.
play() {
	local dialogue=$SMTPD_TOP/tests/dialogue
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/remote_cases.py" "$D" \
		"$dialogue/dns.zone" "$dialogue/$1" -- "${REMOTE[@]}"
}

deliver() {
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/deliver.py" "$@"
}

@test "remote: what servers say at every stage, and what is made of it" {
	play remote-smtp.cases
}

@test "remote: where mail goes by a DNS that is well or not" {
	play remote-dns.cases
}

@test "remote: TLS as it can be had, as it must be, and passwords" {
	as_user bash "$SMTPD_TOP/tests/tools/certificates" "$D"
	play remote-tls.cases
}

@test "remote: a thousand recipients in one transaction" {
	{
		echo '== many'
		echo '@ ehlo=250-x\r\n250 PIPELINING'
		for i in {1..1000}; do
			echo "R <user$i@example.net>"
			echo "= K $((i + 6)) dot 250 2.0.0 taken"
		done
	} >"$D/many.cases"
	chmod a+r "$D/many.cases"
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/remote_cases.py" "$D" \
		"$SMTPD_TOP/tests/dialogue/dns.zone" "$D/many.cases" -- \
		"${REMOTE[@]}"
}

@test "remote: no destination, and the end, is no failure" {
	run -1 deliver -- "${REMOTE[@]}"
	[[ -z $output ]]
}

@test "remote: what is no destination, no message, no frame" {
	run -1 deliver U:nowhere get -- "${REMOTE[@]}"
	[[ $output == *"malformed destination"*"exit status 111" ]]
	run -1 deliver 'U:host 127.0.0.1' S:x get -- "${REMOTE[@]}"
	[[ $output == *"the conversation broke off"*"exit status 111" ]]
	run -1 deliver 'U:host 127.0.0.1' E get -- "${REMOTE[@]}"
	[[ $output == *"exit status 111" ]]
	run -1 deliver 'U:host 127.0.0.1' W get -- "${REMOTE[@]}"
	[[ $output == *"exit status 111" ]]
	run -1 deliver 'U:host 127.0.0.1' w:ignored raw:x get -- "${REMOTE[@]}"
	[[ $output == *"exit status 111" ]]
	run -1 deliver 'U:host 127.0.0.1' Q -- "${REMOTE[@]}"
	[[ -z $output ]]
}

@test "remote: refuses operands, root, and a resolver that is none" {
	run -100 as_user "${REMOTE[@]}" operand </dev/null
	[[ $output == *"takes no operands"* ]]
	run -100 as_user "${REMOTE[@]}" -o resolver=localhost </dev/null
	[[ $output == *"resolver"* ]]
	if [[ $(id -u) -eq 0 ]]; then
		run -100 "${REMOTE[@]}" </dev/null
		[[ $output == *"root"* ]]
	fi
}

@test "remote: a delivery that is killed is reported on its socket" {
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "$D/sock" "${REMOTE[@]}" \
		>"$D/log" 2>&1 3>&- &
	PID=$!
	wait_for [ -S "$D/sock" ]
	deliver 'U:host 127.0.0.1' "touch:$D/mark" "wait:$D/killed" get \
		"@$D/sock" >"$D/out" 2>&1 3>&- &
	wait_for [ -e "$D/mark" ]
	wait_for pgrep -P "$PID"
	pkill -ABRT -P "$PID"
	as_user touch "$D/killed"
	wait $! || true
	[[ $(<"$D/out") == "D signal=6" ]]
}
