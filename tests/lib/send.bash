# SPDX-License-Identifier: ISC
# smtpd-send with fake helpers, below $D. Load it after lib/smtpd.

PYTHON=/usr/bin/python3

tool() {
	as_user "$PYTHON" "$SMTPD_TOP/tests/tools/send_parts.py" "$@"
}

send_setup() {
	D=$BATS_TEST_TMPDIR
	SEND_PID='' RCPT_PID='' LSPAWN_PID='' FULL_PID='' SEND_STATUS=''
	REMOTE_PID='' BOUNCE_PID=''
	as_user mkdir -p "$D/out" "$D/queue"
	as_user touch "$D/conf" "$D/helpers" "$D/send.log"
	SEND=("$SMTPD_BIN/smtpd-send" -c "$D/conf" -o "confine=kill"
		-o "queue=$D/queue" -o "rcpt=$D/rcpt" -o "lspawn=$D/lspawn"
		-o "wakeup=$D/wakeup" -o "remote=$D/remote"
		-o "bouncer=$D/bounce" -o "control=$D/control")
	if [[ -n ${SMTPD_ASAN-} ]]; then
		SEND+=(-o confine=off)
	fi
}

send_teardown() {
	local pid
	for pid in $SEND_PID $RCPT_PID $LSPAWN_PID $FULL_PID $REMOTE_PID \
		$BOUNCE_PID; do
		kill -CONT "$pid" 2>/dev/null || true
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	if [[ -z ${BATS_TEST_COMPLETED-} ]]; then
		tail -n 40 "$D/send.log" "$D/helpers" >&2
	fi
}

# The scheduler once more, with these settings too; in the foreground.
send_once() {
	local options=() setting
	for setting; do
		options+=(-o "$setting")
	done
	as_user "${SEND[@]}" "${options[@]}"
}

# as_user leaves its own process in the way of signals: exec past it.
background() {
	local log=$1
	shift
	if [[ $(id -u) -eq 0 ]]; then
		exec setpriv --reuid="$TEST_UID" --regid="$TEST_UID" \
			--clear-groups -- "$@" >>"$log" 2>&1 3>&- 4>&-
	else
		exec "$@" >>"$log" 2>&1 3>&- 4>&-
	fi
}

has_started() {
	[[ $(grep -c event=started "$D/send.log") -gt $1 ]]
}

start_send() {
	local options=() setting before
	before=$(grep -c event=started "$D/send.log" || true)
	for setting; do
		options+=(-o "$setting")
	done
	background "$D/send.log" "${SEND[@]}" "${options[@]}" </dev/null &
	SEND_PID=$!
	wait_for has_started "$before"
}

start_send_activated() {
	background "$D/send.log" "$PYTHON" -c '
import os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])' "$D/wakeup" "${SEND[@]}" \
		-o wakeup=/nonexistent/wakeup </dev/null &
	SEND_PID=$!
	wait_for has_started 0
}

# For wait_for; sets SEND_STATUS.
sent_has_ended() {
	if kill -0 "$SEND_PID" 2>/dev/null; then
		return 1
	fi
	SEND_STATUS=0
	# shellcheck disable=SC2034 # the tests look at it
	wait "$SEND_PID" || SEND_STATUS=$?
}

stop_send() {
	kill -TERM "$SEND_PID"
	wait_for sent_has_ended
}

restart_send() {
	stop_send
	start_send "$@"
}

start_rcpt() {
	background "$D/helpers.err" "$PYTHON" \
		"$SMTPD_TOP/tests/tools/send_parts.py" rcpt "$D/rcpt" \
		"$D/helpers" &
	RCPT_PID=$!
	wait_for can_connect "$D/rcpt"
}

start_lspawn() {
	background "$D/helpers.err" "$PYTHON" \
		"$SMTPD_TOP/tests/tools/send_parts.py" lspawn "$D/lspawn" \
		"$D/helpers" "$D/out" &
	LSPAWN_PID=$!
	wait_for can_connect "$D/lspawn"
}

start_remote() {
	background "$D/helpers.err" "$PYTHON" \
		"$SMTPD_TOP/tests/tools/send_parts.py" remote "$D/remote" \
		"$D/helpers" "$D/out" &
	REMOTE_PID=$!
	wait_for can_connect "$D/remote"
}

start_bounce() {
	background "$D/helpers.err" "$PYTHON" \
		"$SMTPD_TOP/tests/tools/send_parts.py" bounce "$D/bounce" \
		"$D/helpers" "$D/out" &
	BOUNCE_PID=$!
	wait_for can_connect "$D/bounce"
}

can_connect() {
	[[ -S $1 ]] && "$PYTHON" -c 'import socket, sys
socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$1"
}

# Somebody listens there, and his backlog is full.
start_full_lspawn() {
	background "$D/helpers.err" "$PYTHON" -c 'import socket, sys, time
sock = socket.socket(socket.AF_UNIX)
sock.bind(sys.argv[1])
sock.listen(0)
held = [socket.socket(socket.AF_UNIX) for _ in range(2)]
for s in held:
    s.setblocking(False)
    try:
        s.connect(sys.argv[1])
    except BlockingIOError:
        open(sys.argv[2], "w")
time.sleep(600)' "$D/lspawn" "$D/full" &
	FULL_PID=$!
	wait_for [ -e "$D/full" ]
}

start_helpers() {
	start_rcpt
	start_lspawn
}

start_all_helpers() {
	start_helpers
	start_remote
	start_bounce
}

stop_helpers() {
	kill "$RCPT_PID" "$LSPAWN_PID"
	wait "$RCPT_PID" "$LSPAWN_PID" 2>/dev/null || true
}

# put [-a AGE] RCPT...: a message in the queue, and a hint. Prints its id.
put() {
	tool put "$D/queue" -w "$D/wakeup" "$@"
}

put_quietly() {
	tool put "$D/queue" "$@"
}

hint() {
	as_user "$PYTHON" -c 'import socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for text in sys.argv[2:]:
    sock.sendto(text.encode(), sys.argv[1])' "$D/wakeup" "$@"
}

# event ID EVENT [REGEX]: was it said of the message?
event() {
	grep -Eq "^id=$1 .*event=($2) .*${3-}" "$D/send.log"
}

# logged ID TEXT: does the message's log say it?
logged() {
	grep -q "^........ $2" "$D/queue/msg/${1: -1}/$1.log"
}

# Every line of the message's log has the right sum.
log_is_sound() {
	local line
	while IFS= read -r line || [[ -n $line ]]; do
		[[ $(tool crc "${line#* }") == "$line" ]] || return 1
	done <"$D/queue/msg/${1: -1}/$1.log"
}

count_is() {
	[[ $(grep -c "$2" "$D/helpers") -eq $1 ]]
}
