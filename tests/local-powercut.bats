#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The power is cut after a delivery: the queue's file or the Maildir's is there.
# shellcheck disable=SC2154 # run sets variables

load lib/smtpd
load lib/delivery

setup() {
	setup_delivery
	need_root
	DISK=$D/disk FS=$D/fs AFTER=$D/after LOOP=
	mkdir "$FS" "$AFTER"
}

teardown() {
	umount "$AFTER" 2>/dev/null || true
	umount "$FS" 2>/dev/null || true
	[[ -z ${LOOP-} ]] || losetup -d "$LOOP"
	rm -f "$DISK" "$DISK.after"
}

# make_disk TYPE MKFS...: queue and Maildir in one fresh file system at $FS.
make_disk() {
	TYPE=$1
	command -v "$2" >/dev/null || skip_loudly "$2 is not installed"
	truncate -s 320M "$DISK"
	"${@:2}" "$DISK" >/dev/null
	LOOP=$(losetup --find --show --direct-io=on "$DISK") ||
		skip_loudly "no loop device with direct I/O"
	mount -t "$TYPE" "$LOOP" "$FS" || skip_loudly "cannot mount $TYPE"
	mkdir "$FS/q" "$FS/q/new" "$FS/box"
	chown -R "$TEST_UID:$TEST_UID" "$FS"
	# The Maildir is made now and not in the test.
	BOX=$FS/box
	M=$(as_user "$DELIVER" make "$D/q" <<<x)
	run -0 deliver "mail:$M"
	sync -f "$FS"
}

# committed: a message in the queue that is on disk; sets M and NAME.
committed() {
	M=$(as_user "$DELIVER" make "$FS/q/new" <"$D/body")
	sync "$M" "$FS/q/new"
}

# The device as it is now, past all caches, mounted; the journal is replayed.
cut_power() {
	local options=loop
	[[ $TYPE != xfs ]] || options+=,nouuid
	dd if="$DISK" of="$DISK.after" bs=1M iflag=direct conv=sparse \
		status=none
	mount -t "$TYPE" -o "$options" "$DISK.after" "$AFTER"
}

restore_power() {
	umount "$AFTER"
	rm "$DISK.after"
}

# The message is there, once or more, and nothing in new is less than it.
# Says where.
survived() {
	local id=${M##*/} where=() f
	if [[ -e $AFTER/q/new/$id ]]; then
		[[ $(python3 "$SMTPD_TOP/tests/tools/queuefile.py" state \
			"$AFTER/q/new/$id") == "whole $id" ]] || return 1
		where+=(queue)
	fi
	for f in "$AFTER"/box/Maildir/new/*".Q${id}R"*; do
		[[ -e $f ]] || continue
		tail -n +3 "$f" | cmp - "$D/body" || return 1
		where+=(maildir)
	done
	printf '%s\n' "${where[*]-}"
	[[ ${#where[@]} -gt 0 ]]
}

# As the scheduler does after the verdict, then whatever may write some of what
# is not on disk yet, and not the rest.
unlink_and() {
	rm "$M"
	case $1 in
	nothing) ;;
	queue-directory) sync "$FS/q/new" ;;
	queue-file)
		as_user touch "$FS/q/new/other"
		echo x >"$FS/q/new/other"
		sync "$FS/q/new/other"
		;;
	everything) sync -f "$FS" ;;
	esac
}

readonly WAYS="nothing queue-directory queue-file everything"

# How many fsyncs a delivery makes; the verdict must be K.
fsyncs() {
	as_user "$DELIVER" "mail:$M" -- strace -f -o "$D/q/trace" \
		"$SMTPD_BIN/smtpd-local" -c "$D/conf" "$BOX" >"$D/q/out"
	grep -q '^K' "$D/q/out" || return 1
	grep -c 'fsync(' "$D/q/trace"
}

# never_lost N: after a delivery with N fsyncs.
never_lost() {
	local way
	head -c 20000 /dev/urandom | base64 -w 70 >"$D/body"
	if strace -o /dev/null true 2>/dev/null; then
		committed
		[[ $(fsyncs) -eq $1 ]]
	fi
	for way in $WAYS; do
		committed
		run -0 deliver "mail:$M"
		cut_power
		survived
		restore_power
		unlink_and "$way"
		cut_power
		echo "after $way: $(survived)"
		survived
		restore_power
	done
}

@test "local: ext4 keeps the queue's file or the Maildir's, by one fsync" {
	make_disk ext4 mkfs.ext4 -q
	never_lost 1
}

@test "local: ext4 with fast commits does too" {
	make_disk ext4 mkfs.ext4 -q -O fast_commit
	never_lost 1
}

@test "local: xfs keeps the queue's file or the Maildir's, by one fsync" {
	make_disk xfs mkfs.xfs -q
	never_lost 1
}

@test "local: ext4 without a journal keeps it by two" {
	make_disk ext4 mkfs.ext4 -q -O '^has_journal'
	never_lost 2
}

@test "local: ext2, which is ext4 to statfs, keeps it by two" {
	make_disk ext4 mkfs.ext2 -q
	never_lost 2
}

@test "local: btrfs keeps it by two" {
	make_disk btrfs mkfs.btrfs -q
	never_lost 2
}

@test "local: a Maildir in another file system than the queue: by two" {
	make_disk ext4 mkfs.ext4 -q
	head -c 20000 /dev/urandom | base64 -w 70 >"$D/body"
	M=$(as_user "$DELIVER" make "$D/q" <"$D/body")
	run -0 deliver "mail:$M"
	rm "$M"
	cut_power
	[[ $(survived) == maildir ]]
}

@test "local: a Maildir that was made for this message survives with it" {
	make_disk ext4 mkfs.ext4 -q
	head -c 20000 /dev/urandom | base64 -w 70 >"$D/body"
	M=$(as_user "$DELIVER" make "$D/q" <"$D/body")
	rm -r "$FS/box/Maildir"
	sync -f "$FS"
	run -0 deliver "mail:$M"
	rm "$M"
	cut_power
	[[ $(survived) == maildir ]]
}

@test "local: the copy of a device shows what was never synced" {
	make_disk ext4 mkfs.ext4 -q
	as_user touch "$FS/q/new/never-synced"
	cut_power
	[[ ! -e $AFTER/q/new/never-synced && -e $AFTER/box/Maildir/new ]]
}
