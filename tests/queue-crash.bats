#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The injector is killed at every system call, and every call fails in turn.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	FAULTS=1 setup_queue
	needs_strace
	COUNSEL_PID=
	BODY=$BATS_TEST_TMPDIR/body SMALL=$BATS_TEST_TMPDIR/small
	# More than is kept in memory, so that it goes through a file.
	python3 -c 'print("x" * 998 + "\r\n", end="")' >"$BATS_TEST_TMPDIR/line"
	for _ in {1..200}; do
		cat "$BATS_TEST_TMPDIR/line"
	done >"$BODY"
	printf 'Subject: x\r\n\r\nhello\r\n' >"$SMALL"
	BIG=("${HEAD[@]}" B@"$BODY" E)
}

teardown() {
	[[ -z $COUNSEL_PID ]] || kill "$COUNSEL_PID" 2>/dev/null || true
}

# An adviser that is no child of the injector; its plan is standard input.
judge() {
	adviser judge delete,put,top,refuse
	"${AS_USER[@]}" "$SMTPD_TOP/tests/tools/counsel.py" listen \
		"$BATS_TEST_TMPDIR/s" "$BATS_TEST_TMPDIR/judge" 3>&- &
	COUNSEL_PID=$!
	wait_for test -S "$BATS_TEST_TMPDIR/s"
	ADVISERS=("judge:delete,put,top,refuse:$BATS_TEST_TMPDIR/s")
}

# The same, and it deletes, puts and adds.
changes_all() {
	judge <<-'PY'
	def advise(text):
	    n = text.length
	    return [(b"D", b"1 5"), (b"P", b"%d SEEN" % n),
	            (b"H", b"X-Seen: yes\r\n")] + K
	PY
	for file in "$BODY" "$SMALL"; do
		{
			head -c 1 "$file"
			tail -c +7 "$file"
			printf SEEN
		} >"$file.changed"
	done
}

# Every shard is there, so that all runs make the same calls.
fresh_queue() {
	rm -rf "${Q:?}"/*
	as_user mkdir -m 700 "$Q/new" "$Q"/new/{0..9} "$Q"/new/{a..f}
}

# The calls of a run without faults, each with how often it occurs.
calls_of() {
	UNDER=(strace -qq -o "$BATS_TEST_TMPDIR/trace")
	inject "$@" >/dev/null 2>&1
	UNDER=()
	awk '{ sub(/\(.*/, "", $1); n[$1]++ } END { for (c in n) print c, n[c] }
	' "$BATS_TEST_TMPDIR/trace" | grep -v '^[^a-z]'
}

# How often this one occurs.
count_of() {
	awk -v c="$1" '$1 == c { print $2 }' <<<"$CALLS"
}

# sound BODY: every id that was acknowledged is there and whole; what is
# there beside them is whole or shows that it is torn. What is whole has this
# text, and no other.
sound() {
	local id file state
	while read -r id; do
		[[ $(queue_tool state "$Q/new/${id: -1}/$id") == "whole $id" ]]
	done < <(sed -n 's/^K \(.\)/\1/p' <<<"$output")
	for file in $(queued); do
		state=$(queue_tool state "$file")
		case $state in
		torn*) torn=$((torn + 1)) ;;
		whole*)
			whole=$((whole + 1))
			queue_tool body "$file" | cmp - "$1"
			[[ ${#ADVISERS[@]} -eq 0 ]] ||
				queue_tool frames "$file" | grep -q '^H X-Seen'
			;;
		*)
			echo "$state" >&2
			return 1
			;;
		esac
	done
	# A new injector works in what the dead one has left.
	UNDER=()
	inject "${MAIL[@]}" >/dev/null 2>&1
}

# strikes BODY WORD...: killed at each of its calls in turn; sets how often it
# had acknowledged the message, and what was left.
strikes() {
	local call count n
	acknowledged=0 torn=0 whole=0
	fresh_queue
	CALLS=$(calls_of "${@:2}")
	while read -r call count; do
		for ((n = 1; n <= count; n++)); do
			fresh_queue
			UNDER=(strace -qq -o /dev/null
				-e "inject=$call:signal=KILL:when=$n")
			run inject "${@:2}"
			[[ $output != *K\ ?* ]] ||
				acknowledged=$((acknowledged + 1))
			sound "$1"
		done
	done < <(grep -v -e '^execve ' -e '^exit_group ' <<<"$CALLS")
	echo "# acknowledged $acknowledged torn $torn whole $whole" >&3
}

@test "queue: killed at every system call of a small message" {
	strikes "$SMALL" "${HEAD[@]}" B@"$SMALL" E
	# Where a file's sync does not bring its name, the directory's does.
	case $(stat -f -c %T "$Q") in
	ext2/ext3 | xfs | btrfs) syncs=1 ;;
	*)                       syncs=2 ;;
	esac
	[[ $(count_of fsync) -eq $syncs && $(count_of fchmod) -eq 1 ]]
	# All three kinds were seen, and some died between fsync and K.
	((torn > 2 && acknowledged > 2 && whole > acknowledged))
}

@test "queue: killed at every system call of a large message" {
	strikes "$BODY" "${BIG[@]}"
	[[ $(count_of unlinkat) -eq 1 && $(count_of writev) -gt 3 ]]
	((torn > 6 && acknowledged > 2 && whole > acknowledged))
}

@test "queue: killed at every system call of a small message that is changed" {
	changes_all
	strikes "$SMALL.changed" "${HEAD[@]}" B@"$SMALL" E
	[[ $(count_of memfd_create) -eq 1 ]]
	((torn > 2 && acknowledged > 2 && whole > acknowledged))
}

@test "queue: killed at every system call of a large message that is changed" {
	changes_all
	strikes "$BODY.changed" "${BIG[@]}"
	[[ $(count_of unlinkat) -eq 2 ]]
	((torn > 8 && acknowledged > 2 && whole > acknowledged))
}

@test "queue: killed where the first message makes the directories" {
	for call in mkdirat openat fsync; do
		for n in 1 2 3 4 5; do
			rm -rf "${Q:?}"/*
			UNDER=(strace -qq -o /dev/null
				-e "inject=$call:signal=KILL:when=$n")
			run inject "${BIG[@]}"
			sound "$BODY"
		done
	done
}

@test "queue: killed in the second of two messages, it keeps the first" {
	two=("${BIG[@]}" "${BIG[@]}")
	fresh_queue
	CALLS=$(calls_of "${two[@]}")
	for call in openat flock write writev fchmod fsync unlinkat sendmsg close
	do
		fresh_queue
		UNDER=(strace -qq -o /dev/null
			-e "inject=$call:signal=KILL:when=$(count_of "$call")")
		run inject "${two[@]}"
		[[ $output == *K\ ?* ]]
		sound "$BODY"
	done
}

# old_leftover: gives the path of the one file in the queue, as if it had been
# left two hours ago.
old_leftover() {
	local file id
	file=$(only_queued)
	id=$(printf '%014x%s' $((($(date +%s) - 7200) * 1000000)) \
		"${file: -8}")
	mv "$file" "${file%/*}/$id"
	echo "${file%/*}/$id"
}

@test "queue: what a dead one leaves is put aside, and never delivered" {
	# Of the text, of the message before it is whole and when it is.
	for fault in unlinkat:when=1 writev:when=2 fchmod:when=1; do
		fresh_queue
		UNDER=(strace -qq -o /dev/null -e "inject=$fault:signal=KILL")
		run inject "${BIG[@]}"
		UNDER=()
		[[ $output != *K\ ?* ]]
		left=$(old_leftover)
		case $fault in
		unlinkat*) [[ $(stat -c %a "$left") == 600 ]] ;;
		*) [[ $(stat -c %a "$left") == 200 ]] ;;
		esac
		as_user setpriv --pdeathsig KILL "$SMTPD_BIN/smtpd-send" \
			-c "$CONF" -o "control=$BATS_TEST_TMPDIR/control" \
			</dev/null >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
		wait_for test -e "$Q/torn/${left##*/}"
		wait_for grep -q " event=torn .*never complete" \
			"$BATS_TEST_TMPDIR/log"
		pkill -TERM -f "^$SMTPD_BIN/smtpd-send -c $CONF " || true
		wait $!
		run ! grep -E 'event=(delivered|deferred|expanded)' \
			"$BATS_TEST_TMPDIR/log"
	done
}

# fails CALL ERROR WHEN REPLY [WORD...]: then this is the answer to that
# message, or a large one, and nothing is left. The first openat of all is that
# of the configuration, and does not count.
fails() {
	local words=("${@:5}") when=$3
	[[ $1 != openat ]] || when=$((${3%+} + 1))${3##*[0-9]}
	[[ ${#words[@]} -gt 0 ]] || words=("${BIG[@]}")
	fresh_queue
	UNDER=(strace -qq -o "$BATS_TEST_TMPDIR/trace"
		-e "inject=$1:error=$2:when=$when")
	run --separate-stderr inject "${words[@]}"
	UNDER=()
	echo "$1 $2 $3: $status $output $stderr" >&2
	[[ $status -eq 75 ]]
	[[ $output == *"Z $4"* ]]
	grep -q INJECTED "$BATS_TEST_TMPDIR/trace"
	[[ $stderr == *"cannot queue"* ]]
	nothing_queued
}

# The n-th writing of the text: the log is written to as well.
writes_of_text() {
	grep -c '^write([^2]' "$BATS_TEST_TMPDIR/trace"
}

@test "queue: a disk or table that is full is 452, and nothing is left" {
	# The text's file, twice; the message's.
	for n in 1 2 3; do
		for error in ENOSPC EDQUOT EMFILE ENFILE; do
			fails openat "$error" "$n" '452 4.3.1'
		done
	done
	for error in ENOSPC EDQUOT EFBIG; do
		for n in 1 2 3; do
			fails write "$error" "$n" '452 4.3.1'
		done
		for n in 1 2 3 4 5; do
			fails writev "$error" "$n" '452 4.3.1'
		done
	done
	fails fsync ENOSPC 1 '452 4.3.1'
	fails fsync EDQUOT 1 '452 4.3.1'
	fails fchmod ENOSPC 1 '452 4.3.1'
	fails fstatfs ENOSPC 1 '452 4.3.1'
	fails fstatfs ENOSPC 2 '452 4.3.1'
	fails openat ENOSPC 1 '452 4.3.1' "${MAIL[@]}"
	fails writev ENOSPC 1 '452 4.3.1' "${MAIL[@]}"
}

@test "queue: the same at each step of a change" {
	changes_all
	# The text for the adviser, then the changed one, then the message's.
	for n in 1 2 3 4 5; do
		fails openat ENOSPC "$n" '452 4.3.1'
	done
	fresh_queue
	CALLS=$(calls_of "${BIG[@]}")
	n=$(writes_of_text)
	[[ $n -ge 7 ]]
	for ((; n > 0; n--)); do
		fails write ENOSPC "$n" '452 4.3.1'
	done
	fails fstatfs ENOSPC 2 '452 4.3.1'
	fails pread64 EIO 1 '451 4.3.0'
	fails pread64 EIO 5 '451 4.3.0'
	small=("${HEAD[@]}" B@"$SMALL" E)
	fails memfd_create ENFILE 1 '452 4.3.1' "${small[@]}"
	fails memfd_create ENOMEM 1 '451 4.3.0' "${small[@]}"
	fails write ENOSPC 1 '452 4.3.1' "${small[@]}"
	fresh_queue
	CALLS=$(calls_of "${small[@]}")
	n=$(count_of fcntl)
	tail -n 1 <(grep '^fcntl' "$BATS_TEST_TMPDIR/trace") | grep F_ADD_SEALS
	fails fcntl EPERM "$n" '451 4.3.0' "${small[@]}"
	# And nothing of it was told to the adviser as if it were all.
	run ! grep -v -e '^[CSR]' -e '^E \(200000\|21\)$' -e '^A $' \
		"$BATS_TEST_TMPDIR/judge/log"
}

@test "queue: directories that cannot be made are 452 or 451" {
	for word in B@"$BODY" B@"$SMALL"; do
		for n in 1 2; do
			UNDER=(strace -qq -o /dev/null
				-e "inject=mkdirat:error=ENOSPC:when=$n")
			rm -rf "${Q:?}"/*
			run -75 inject "${HEAD[@]}" "$word" E
			[[ $output == *'Z 452 4.3.1'* ]]
			nothing_queued
		done
		for fault in mkdirat:error=EIO fsync:error=EIO:when=1 \
		    fsync:error=EIO:when=2 openat:error=EIO:when=3; do
			UNDER=(strace -qq -o /dev/null -e "inject=$fault")
			rm -rf "${Q:?}"/*
			run -75 inject "${HEAD[@]}" "$word" E
			[[ $output == *'Z 451 4.3.0'* ]]
			nothing_queued
		done
	done
}

@test "queue: any other fault is 451, and nothing is left" {
	for n in 1 2 3; do
		fails openat EIO "$n" '451 4.3.0'
		fails openat EACCES "$n" '451 4.3.0'
		fails openat EROFS "$n" '451 4.3.0'
	done
	fails openat ENOENT 1+ '451 4.3.0'
	fails openat ENOENT 3+ '451 4.3.0'
	fails flock ENOLCK 1 '451 4.3.0'
	fails fstatfs EIO 1 '451 4.3.0'
	fails fstatfs EIO 2 '451 4.3.0'
	fails getrandom EIO 2 '451 4.3.0'
	fails getrandom EIO 3 '451 4.3.0'
	fails pread64 EIO 1 '451 4.3.0'
	fails write EIO 2 '451 4.3.0'
	for n in 1 2 3 4 5; do
		fails writev EIO "$n" '451 4.3.0'
	done
	fails fchmod EIO 1 '451 4.3.0'
	fails fsync EIO 1 '451 4.3.0'
}

@test "queue: a file whose fsync failed gets no second one" {
	fails fsync EIO 1+ '451 4.3.0'
	[[ $(grep -c 'fsync.*INJECTED' "$BATS_TEST_TMPDIR/trace") -eq 1 ]]
}

@test "queue: a file that cannot be removed does not look committed" {
	fresh_queue
	UNDER=(strace -qq -o "$BATS_TEST_TMPDIR/trace"
		-e inject=unlinkat:error=EIO -e inject=fsync:error=EIO:when=1)
	run -75 --separate-stderr inject "${HEAD[@]}" B@"$SMALL" E
	[[ $stderr == *"cannot remove"* ]]
	[[ $(queue_tool state "$(only_queued)") == torn* ]]
	# Nor does the text of one, and the message is refused.
	rm "$(only_queued)"
	run -75 --separate-stderr inject "${BIG[@]}"
	[[ $output == *'Z 451 4.3.0'* ]]
	[[ $(queue_tool state "$(only_queued)") == torn* ]]
}

@test "queue: no randomness is no id, and a temporary failure" {
	UNDER=(strace -qq -o /dev/null -e inject=getrandom:error=EIO:when=1)
	run -1 --separate-stderr inject "${MAIL[@]}"
	[[ $output == 'W ' && $stderr == *"ended with 111"* ]]
	nothing_queued
}

@test "queue: a limit on the size of files is a full disk" {
	# Beyond it are: the text; the message; the text for an adviser; what
	# that makes of it.
	for limit in 100000 200000; do
		UNDER=(prlimit "--fsize=$limit")
		run -75 --separate-stderr inject "${BIG[@]}"
		[[ $output == *"Z 452 4.3.1"* ]]
		nothing_queued
		run -0 --separate-stderr inject "${MAIL[@]}"
		rm -r "$Q/new"
	done
	UNDER=(prlimit --fsize=100)
	run -75 --separate-stderr inject "${MAIL[@]}"
	[[ $output == *"Z 452 4.3.1"* ]]
	nothing_queued
	judge <<-'PY'
	def advise(text):
	    return [(b"P", b"0 " + 60000 * b"x")] * 60 + K
	PY
	for limit in 10 1000000; do
		UNDER=(prlimit "--fsize=$limit")
		run -75 --separate-stderr inject "${MAIL[@]}"
		[[ $output == *"Z 452 4.3.1"* ]]
		nothing_queued
	done
}

@test "queue: below min_free nothing is accepted" {
	OPTIONS=(-o min_free=1024G)
	run -75 --separate-stderr inject "${MAIL[@]}" "${MAIL[@]}" "${BIG[@]}"
	[[ $(grep -c '^Z 452 4.3.1' <<<"$output") -eq 3 ]]
	nothing_queued
}

@test "queue: where the name needs it, the directory is synced before K" {
	[[ -w /dev/shm && $(stat -fc %T /dev/shm) == tmpfs ]] ||
		skip_loudly "no tmpfs at /dev/shm"
	Q=/dev/shm/smtpd-test.$$
	as_user mkdir -m 700 "$Q" "$Q/new" "$Q"/new/{0..9} "$Q"/new/{a..f}
	OPTIONS=(-o "queue=$Q")
	UNDER=(strace -qq -e 'trace=fsync,sendmsg' -y
		-o "$BATS_TEST_TMPDIR/trace")
	run -0 --separate-stderr inject "${MAIL[@]}"
	id=$(sed -n 's/^K //p' <<<"$output") shard=$Q/new/${output: -1}
	cat "$BATS_TEST_TMPDIR/trace" >&2
	sed 's/([0-9]*</ /; s/>.*"\(.*\)".*/ \1/; s/>).*//' \
		"$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/seen"
	rm "$shard/$id"
	UNDER+=(-e inject=fsync:error=EIO:when=2)
	run -75 --separate-stderr inject "${MAIL[@]}"
	nothing_queued || left=yes
	rm -r "$Q"
	[[ -z ${left-} ]]
	grep -A 2 -Fx "fsync $shard/$id" "$BATS_TEST_TMPDIR/seen" |
		grep -A 1 -Fx "fsync $shard" | grep -F ":K$id"
}
