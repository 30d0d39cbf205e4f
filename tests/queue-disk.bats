#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The injector on real file systems: full ones, and one whose power is cut.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	FAULTS=1 setup_queue
	[[ $(id -u) -eq 0 ]] || skip_loudly "mounting needs root"
	DISK=$BATS_TEST_TMPDIR/disk LOOP=
}

teardown() {
	umount "$BATS_TEST_TMPDIR/after" 2>/dev/null || true
	umount "$Q" 2>/dev/null || true
	[[ -z ${LOOP-} ]] || losetup -d "$LOOP"
	rm -f "$DISK" "$DISK.after"
}

# Mounts a tmpfs with these limits at the queue.
small_disk() {
	mount -t tmpfs -o "mode=700,uid=$TEST_UID,gid=$TEST_UID,$1" none "$Q" ||
		skip_loudly "this machine mounts no tmpfs"
}

# How much of the queue's disk is in use.
used() {
	stat -fc '%b %f' "$Q" | awk '{ print $1 - $2 }'
}

# Injects until it is refused; then it is 452, and what is there is whole.
fill() {
	local n
	for n in {1..200}; do
		run --separate-stderr inject "$@"
		[[ $status -eq 0 ]] || break
	done
	echo "after $n: $output" >&2
	[[ $status -eq 75 && $output == *"Z 452 4.3.1"* ]]
	[[ $n -gt 3 && $(queued | wc -l) -eq $((n - 1)) ]]
	queued | xargs python3 "$SMTPD_TOP/tests/tools/queuefile.py" state |
		awk '$1 != "whole" { bad = 1 } END { exit bad }'
}

@test "queue: a full disk leaves whole messages and nothing else" {
	small_disk size=512k
	head -c 50000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	fill "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E
	# a large one, which is written in many pieces
	head -c 9000000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/body"
	before=$(queued | wc -l)
	run -75 --separate-stderr inject "${HEAD[@]}" \
		B@"$BATS_TEST_TMPDIR/body" E
	[[ $output == *"Z 452 4.3.1"* && $(queued | wc -l) -eq $before ]]
	# One of which the text itself has room, but not the message too.
	queued | head -n 4 | xargs rm
	head -c 150000 /dev/zero >"$BATS_TEST_TMPDIR/body"
	before=$(used)
	run -75 --separate-stderr inject "${HEAD[@]}" \
		B@"$BATS_TEST_TMPDIR/body" E
	[[ $output == *"Z 452 4.3.1"* && $(used) -eq $before ]]
	# and with room again it goes on
	queued | head -n 3 | xargs rm
	run -0 --separate-stderr inject "${MAIL[@]}"
}

@test "queue: a disk that a change fills is full as well, and empty after" {
	small_disk size=1M
	adviser judge put <<-'PY'
	def advise(text):
	    return [(b"P", b"0 " + 60000 * b"x")] * 3 + K
	PY
	run -0 --separate-stderr inject "${MAIL[@]}"
	rm -r "$Q/new"
	before=$(used)
	# There is room for both texts but not the message; for one of them.
	for size in 370000 600000; do
		head -c "$size" /dev/zero >"$BATS_TEST_TMPDIR/body"
		run -75 --separate-stderr inject "${HEAD[@]}" \
			B@"$BATS_TEST_TMPDIR/body" E
		[[ $output == *"Z 452 4.3.1"* ]]
		nothing_queued
		(($(used) <= before + 4))	# directories
	done
}

@test "queue: a disk without inodes leaves whole messages and nothing else" {
	small_disk size=10M,nr_inodes=40
	fill "${MAIL[@]}"
}

@test "queue: refuses while few inodes are free, for others need some too" {
	small_disk size=1G,nr_inodes=900
	OPTIONS=(-o min_free=1M)
	run -75 --separate-stderr inject "${MAIL[@]}"
	[[ $output == *"Z 452 4.3.1"* ]]
	mount -o remount,nr_inodes=5000 "$Q"
	run -0 --separate-stderr inject "${MAIL[@]}"
	mount -o remount,nr_inodes=0 "$Q" || return 0
	run -0 --separate-stderr inject "${MAIL[@]}"
}

# power_cut TYPE MKFS...: injects on a fresh file system of this type and
# copies the device as it is when K comes, past all caches. What the copy
# holds after a mount, which replays the journal, is what a power cut leaves.
power_cut() {
	local type=$1
	command -v "$2" >/dev/null || skip_loudly "$2 is not installed"
	truncate -s 320M "$DISK"
	"${@:2}" "$DISK" >/dev/null
	LOOP=$(losetup --find --show --direct-io=on "$DISK") ||
		skip_loudly "no loop device with direct I/O"
	mount -t "$type" "$LOOP" "$Q" || skip_loudly "cannot mount $type"
	chown "$TEST_UID:$TEST_UID" "$Q"
	chmod 700 "$Q"
	as_user mkdir -m 700 "$Q/new" "$Q"/new/{0..9} "$Q"/new/{a..f}
	sync -f "$Q"
	run -0 --separate-stderr inject_and_copy
	id=$(sed -n 's/^K //p' <<<"$output")
	mkdir "$BATS_TEST_TMPDIR/after"
	[[ $type != xfs ]] || after=,nouuid
	mount -t "$type" -o "loop${after-}" "$DISK.after" \
		"$BATS_TEST_TMPDIR/after"
}

# The copy is made while the injector still runs: K has come, nothing after.
inject_and_copy() {
	inject "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/body" E get get \
		touch:"$BATS_TEST_TMPDIR/k" wait:"$BATS_TEST_TMPDIR/copied" 3>&- &
	wait_for test -e "$BATS_TEST_TMPDIR/k"
	dd if="$DISK" of="$DISK.after" bs=1M iflag=direct status=none
	touch "$BATS_TEST_TMPDIR/copied"
	wait $!
}

survived() {
	file=$BATS_TEST_TMPDIR/after/new/${id: -1}/$id
	ls -lR "$BATS_TEST_TMPDIR/after/new/${id: -1}" >&2
	[[ $(queue_tool state "$file") == "whole $id" ]]
	queue_tool body "$file" | cmp - "$BATS_TEST_TMPDIR/body"
}

@test "queue: after K one fsync has kept name and octets on ext4" {
	head -c 200000 /dev/urandom | base64 >"$BATS_TEST_TMPDIR/body"
	power_cut ext4 mkfs.ext4 -q
	survived
}

@test "queue: after K one fsync has kept name and octets on old ext4" {
	head -c 200 /dev/urandom | base64 >"$BATS_TEST_TMPDIR/body"
	power_cut ext4 mkfs.ext4 -q -O '^has_journal'
	survived
}

@test "queue: after K one fsync has kept name and octets on xfs" {
	head -c 200000 /dev/urandom | base64 >"$BATS_TEST_TMPDIR/body"
	power_cut xfs mkfs.xfs -q
	survived
}

@test "queue: after K one fsync has kept name and octets on btrfs" {
	head -c 200 /dev/urandom | base64 >"$BATS_TEST_TMPDIR/body"
	power_cut btrfs mkfs.btrfs -q
	survived
}

@test "queue: the copy of a device shows what was never synced" {
	needs_strace
	# Else the tests above would prove nothing.
	head -c 200000 /dev/urandom | base64 >"$BATS_TEST_TMPDIR/body"
	UNDER=(strace -f -qq -o /dev/null -e inject=fsync:retval=0)
	power_cut ext4 mkfs.ext4 -q
	[[ ! -e $BATS_TEST_TMPDIR/after/new/${id: -1}/$id ]]
}
