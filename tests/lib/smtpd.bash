# SPDX-License-Identifier: ISC
# What the tests share: load it with `load lib/smtpd`, call setup_dir first.
#
# Every path is below $BATS_TEST_TMPDIR. The programs refuse to be root, so
# under root all of it belongs to an unprivileged uid and as_user becomes it.

bats_require_minimum_version 1.5.0

SMTPD_TOP=$(cd "$BATS_TEST_DIRNAME/.." && pwd -P)
SMTPD_BIN=$(cd "${SMTPD_BIN:-$SMTPD_TOP/build}" && pwd -P)
SMTPD_SUITES=${SMTPD_SUITES:-$SMTPD_TOP/../shared/suites}
SMTPD_TOOLS=${SMTPD_TOOLS:-$SMTPD_TOP/../shared/tools}
export SMTPD_TOP SMTPD_BIN SMTPD_SUITES SMTPD_TOOLS

# The unprivileged uid and gid that root's tests run as.
TEST_UID=${TEST_UID:-60001}

# Runs a command as an ordinary user. For one in the background, whose pid is
# to be killed, write "${AS_USER[@]}" COMMAND... &: then $! is the command's.
AS_USER=(env)
[[ $(id -u) -ne 0 ]] || AS_USER=(setpriv --reuid="$TEST_UID"
	--regid="$TEST_UID" --clear-groups --)
as_user() {
	"${AS_USER[@]}" "$@"
}

# tests/run copies a checkout that this user cannot read; bats alone does not.
as_user test -r "$SMTPD_TOP/Makefile" -a -x "$SMTPD_BIN/smtpd-listen" || {
	printf "uid %s cannot read '%s' and '%s': use tests/run %s\n" \
		"$TEST_UID" "$SMTPD_TOP" "$SMTPD_BIN" \
		"$(basename "${BATS_TEST_FILENAME-NAME}" .bats)" >&2
	exit 1
}

# Makes $BATS_TEST_TMPDIR the user's, and the way to it passable.
setup_dir() {
	[[ $(id -u) -eq 0 ]] || return 0
	chmod a+x "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}"
	chown "$TEST_UID:$TEST_UID" "$BATS_TEST_TMPDIR"
}

# Skips, and says so where it is seen: `skip` alone is quiet in a summary.
skip_loudly() {
	printf '# SKIPPED: %s\n' "$1" >&3
	skip "$1"
}

# wait_for CONDITION...: until the command succeeds, at most
# $WAIT_SECONDS (20) of them; then shows what it waited for and fails.
wait_for() {
	local end=$((SECONDS + ${WAIT_SECONDS:-20}))
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS >= end)); then
			printf 'waited in vain for: %s\n' "$*" >&2
			return 1
		fi
		sleep 0.02
	done
}

# A TCP port of 127.0.0.1 that nobody had a moment ago, and the next one, where
# a chain speaks TLS. None is where the kernel takes the ports of clients from,
# or one of them might come first.
free_port() {
	python3 -c 'import random, socket
while True:
    port = random.randrange(10000, 32000, 2)
    try:
        for p in port, port + 1:
            socket.socket().bind(("127.0.0.1", p))
        break
    except OSError:
        pass
print(port)'
}

# start_chain [NAME=VALUE...]: the complete chain below $CHAIN, with these
# settings too; a call that is not allowed kills. Sets CHAIN, PORT, CHAIN_PID.
start_chain() {
	# A build with sanitizers cannot be confined.
	[[ -n ${SMTPD_ASAN-} ]] || set -- confine=kill "$@"
	CHAIN=$BATS_TEST_TMPDIR/chain
	PORT=${PORT:-$(free_port)}
	as_user mkdir -p "$CHAIN"
	"${AS_USER[@]}" setpriv --pdeathsig TERM "$SMTPD_TOP/conf/smtpd-run" \
		"$CHAIN" "$PORT" "$SMTPD_BIN" "$@" \
		>"$BATS_TEST_TMPDIR/chain.out" 2>&1 3>&- &
	CHAIN_PID=$!
	wait_for chain_is_up || true
	if ! [[ -e $CHAIN/ready ]]; then
		cat "$BATS_TEST_TMPDIR/chain.out" "$CHAIN/log" >&2
		return 1
	fi
}

chain_is_up() {
	[[ -e $CHAIN/ready ]] || ! kill -0 "$CHAIN_PID" 2>/dev/null
}

# Stops it and all of it; for teardown too, where it may never have run.
stop_chain() {
	[[ -n ${CHAIN_PID-} ]] || return 0
	kill -TERM "$CHAIN_PID" 2>/dev/null || true
	wait "$CHAIN_PID" 2>/dev/null || true
	CHAIN_PID=
	if [[ -z ${BATS_TEST_COMPLETED-} && -e $CHAIN/log ]]; then
		tail -n 40 "$CHAIN/log" >&2
	fi
}

# chain_kill SIGNAL PROGRAM...: to all processes of them in this chain.
chain_kill() {
	local program pids
	for program in "${@:2}"; do
		pids=$(pgrep -f "^$SMTPD_BIN/smtpd-$program .*$CHAIN/") ||
			continue
		# shellcheck disable=SC2086 # numbers; some may be gone by now
		kill -s "$1" $pids 2>/dev/null || true
	done
}

# The Maildir of a mailbox of the running chain.
maildir() {
	printf '%s/mail/%s/Maildir\n' "$CHAIN" "${1:-user}"
}

# How many messages a Maildir (new and cur) holds.
maildir_count() {
	local dir=$1
	find "$dir/new" "$dir/cur" -type f 2>/dev/null | wc -l
}

# has_mail DIR N: does the Maildir hold N messages or more?
has_mail() {
	[[ $(maildir_count "$1") -ge $2 ]]
}

# The path of the only message in a Maildir.
only_mail() {
	[[ $(maildir_count "$1") -eq 1 ]] || return 1
	find "$1/new" "$1/cur" -type f
}

# How many acknowledged messages a queue directory holds (new and msg); those
# of mode 0200 are being written, or were when something died.
queue_count() {
	find "$1/new" "$1/msg" -type f -perm 400 ! -name '*.log' 2>/dev/null |
		wc -l
}

queue_is_empty() {
	[[ $(queue_count "$1") -eq 0 ]]
}

# arrived_exactly MESSAGE FILE: is the delivered file the message (LF line
# ends) below nothing but trace fields?
arrived_exactly() {
	local size
	size=$(stat -c %s "$1")
	tail -c "$size" "$2" | cmp - "$1" || return 1
	! head -c "-$size" "$2" |
		grep -vE '^(Return-Path|Delivered-To|Received|Received-SPF|Authentication-Results): |^[[:blank:]]'
}

# copy_checkout DIR: what `make run` and `make install` need, with the programs
# under test as its build/. One time for all: nothing is to be built again.
copy_checkout() {
	mkdir -p "$1"
	(cd "$SMTPD_TOP" && cp -a Makefile common conf smtpd-* systemd "$1")
	mkdir -p "$1/build"
	find "$SMTPD_BIN" -maxdepth 1 -type f -exec cp -a -t "$1/build" {} +
	cp -a "$SMTPD_BIN"/{static,dynamic,kernel} "$1/build"
	find "$1" -exec touch -h -r "$1/Makefile" {} +
}
