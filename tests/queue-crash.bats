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
	# More than the injector's buffer, so that it writes more than once.
	python3 -c 'print("x" * 998 + "\r\n", end="")' >"$BATS_TEST_TMPDIR/line"
	for _ in {1..200}; do
		cat "$BATS_TEST_TMPDIR/line"
	done >"$BATS_TEST_TMPDIR/body"
	BIG=("${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E)
}

# The calls of a run without faults, each with how often it occurs.
calls_of() {
	UNDER=(strace -f -qq -o "$BATS_TEST_TMPDIR/trace")
	inject "$@" >/dev/null 2>&1
	awk '{ sub(/\(.*/, "", $2); n[$2]++ } END { for (c in n) print c, n[c] }
	' "$BATS_TEST_TMPDIR/trace" | grep -v '^[^a-z]'
}

# sound BODY: every id that was acknowledged is there and whole; what is
# there beside them is whole or shows that it is torn.
sound() {
	local id file state
	while read -r id; do
		[[ $(queue_tool state "$Q/new/${id: -1}/$id") == "whole $id" ]]
		queue_tool body "$Q/new/${id: -1}/$id" | cmp - "$1"
	done < <(sed -n 's/^K //p' <<<"$output")
	for file in $(queued); do
		state=$(queue_tool state "$file")
		[[ $state == whole* || $state == torn* ]] || {
			echo "$state" >&2
			return 1
		}
	done
	# A new injector works in what the dead one has left.
	UNDER=()
	inject "${MAIL[@]}" >/dev/null 2>&1
}

@test "queue: kill -9 at every system call loses nothing acknowledged" {
	calls=$(calls_of "${BIG[@]}")
	[[ $calls == *"fsync "* && $calls == *"fchmod 1"* ]]
	acknowledged=0 torn=0 whole=0
	while read -r call count; do
		for ((n = 1; n <= count; n++)); do
			rm -rf "${Q:?}"/*
			UNDER=(strace -f -qq -o /dev/null
				-e "inject=$call:signal=KILL:when=$n")
			run inject "${BIG[@]}"
			[[ $output == *K* ]] && acknowledged=$((acknowledged + 1))
			for file in $(queued); do
				[[ $(queue_tool state "$file") == torn* ]] &&
					torn=$((torn + 1))
				[[ $(queue_tool state "$file") == whole* ]] &&
					whole=$((whole + 1))
			done
			sound "$BATS_TEST_TMPDIR/body"
		done
	done < <(grep -v -e '^execve ' -e '^exit_group ' <<<"$calls")
	# All three kinds were seen, and some died between fsync and K.
	echo "acknowledged $acknowledged torn $torn whole $whole" >&3
	((torn > 3 && acknowledged > 3 && whole > acknowledged))
}

@test "queue: kill -9 in the second of two messages keeps the first" {
	two=("${BIG[@]}" "${BIG[@]}")
	calls=$(calls_of "${two[@]}")
	for call in openat flock writev fchmod fsync sendmsg close; do
		count=$(awk -v c="$call" '$1 == c { print $2 }' <<<"$calls")
		rm -rf "${Q:?}"/*
		UNDER=(strace -f -qq -o /dev/null
			-e "inject=$call:signal=KILL:when=$count")
		run inject "${two[@]}"
		sound "$BATS_TEST_TMPDIR/body"
	done
}

# fails CALL ERROR WHEN REPLY: then this is the answer, and nothing is left.
fails() {
	rm -rf "${Q:?}"/*
	as_user mkdir -m 700 "$Q/new"
	UNDER=(strace -f -qq -o "$BATS_TEST_TMPDIR/trace"
		-e "inject=$1:error=$2:when=$3")
	run --separate-stderr inject "${BIG[@]}"
	echo "$1 $2 $3: $status $output $stderr" >&2
	[[ $status -eq 75 ]]
	[[ $output == *"Z $4"* ]]
	grep -q INJECTED "$BATS_TEST_TMPDIR/trace"
	[[ $stderr == *"cannot queue"* ]]
	nothing_queued
}

@test "queue: a disk or table that is full is 452, and nothing is left" {
	for error in ENOSPC EDQUOT EMFILE ENFILE; do
		fails openat "$error" 1 '452 4.3.1'
	done
	for error in ENOSPC EDQUOT EFBIG; do
		fails writev "$error" 1 '452 4.3.1'
		fails writev "$error" 2 '452 4.3.1'
		fails writev "$error" 3 '452 4.3.1'
	done
	fails mkdirat ENOSPC 2 '452 4.3.1'
	fails fsync ENOSPC 1 '452 4.3.1'
	fails fsync ENOSPC 3 '452 4.3.1'
	fails fsync EDQUOT 3 '452 4.3.1'
	fails fchmod ENOSPC 1 '452 4.3.1'
}

@test "queue: any other fault is 451, and nothing is left" {
	fails openat EIO 1 '451 4.3.0'
	fails openat EACCES 1 '451 4.3.0'
	fails openat EROFS 1 '451 4.3.0'
	fails openat ENOENT 2+ '451 4.3.0'
	fails mkdirat EIO 1 '451 4.3.0'
	fails flock ENOLCK 1 '451 4.3.0'
	fails fstatfs EIO 1 '451 4.3.0'
	fails getrandom EIO 2 '451 4.3.0'
	for n in 1 2 3; do
		fails writev EIO "$n" '451 4.3.0'
	done
	fails fchmod EIO 1 '451 4.3.0'
	fails fsync EIO 3 '451 4.3.0'
}

@test "queue: a file whose fsync failed gets no second one" {
	fails fsync EIO 3+ '451 4.3.0'
	[[ $(grep -c 'fsync.*INJECTED' "$BATS_TEST_TMPDIR/trace") -eq 1 ]]
}

@test "queue: a file that cannot be removed does not look committed" {
	UNDER=(strace -f -qq -o "$BATS_TEST_TMPDIR/trace"
		-e inject=unlinkat:error=EIO -e inject=fsync:error=EIO:when=3)
	run -75 --separate-stderr inject "${BIG[@]}"
	[[ $stderr == *"cannot remove"* ]]
	[[ $(queue_tool state "$(only_queued)") == torn* ]]
}

@test "queue: no randomness is no id, and a temporary failure" {
	UNDER=(strace -f -qq -o /dev/null -e inject=getrandom:error=EIO:when=1)
	run -1 --separate-stderr inject "${MAIL[@]}"
	[[ -z $output && $stderr == *"ended with 111"* ]]
	nothing_queued
}

@test "queue: a limit on the size of files is a full disk" {
	UNDER=(prlimit --fsize=100000)
	run -75 --separate-stderr inject "${BIG[@]}"
	[[ $output == *"Z 452 4.3.1"* ]]
	nothing_queued
	run -0 --separate-stderr inject "${MAIL[@]}"
}

@test "queue: below min_free nothing is accepted" {
	OPTIONS=(-o min_free=1024G)
	run -75 --separate-stderr inject "${MAIL[@]}" "${MAIL[@]}"
	[[ $(grep -c '^Z 452 4.3.1' <<<"$output") -eq 2 ]]
	nothing_queued
}

@test "queue: where the name needs it, the directory is synced before K" {
	[[ -w /dev/shm && $(stat -fc %T /dev/shm) == tmpfs ]] ||
		skip_loudly "no tmpfs at /dev/shm"
	Q=/dev/shm/smtpd-test.$$
	as_user mkdir -m 700 "$Q" "$Q/new" "$Q"/new/{0..9} "$Q"/new/{a..f}
	OPTIONS=(-o "queue=$Q")
	UNDER=(strace -f -qq -e 'trace=fsync,sendmsg' -y
		-o "$BATS_TEST_TMPDIR/trace")
	run -0 --separate-stderr inject "${HEAD[@]}" get "${MAIL[@]:3}"
	id=${lines[0]#I } shard=$Q/new/${lines[0]: -1}
	cat "$BATS_TEST_TMPDIR/trace" >&2
	sed 's/[^ ]* *//; s/([0-9]*</ /; s/>.*"\(.*\)".*/ \1/; s/>).*//' \
		"$BATS_TEST_TMPDIR/trace" | grep -v ":I$id" >"$BATS_TEST_TMPDIR/seen"
	rm "$shard/$id"
	UNDER+=(-e inject=fsync:error=EIO:when=2)
	run -75 --separate-stderr inject "${MAIL[@]}"
	nothing_queued || left=yes
	rm -r "$Q"
	[[ -z ${left-} ]]
	grep -A 2 -Fx "fsync $shard/$id" "$BATS_TEST_TMPDIR/seen" |
		grep -A 1 -Fx "fsync $shard" | grep -F ":K$id"
}
