#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-local: one Maildir, exact octets, and never a message lost or halved.
# shellcheck disable=SC2030,SC2031,SC2153 # each test is a subshell; DELIVER is
# of lib/delivery

load lib/smtpd
load lib/delivery

setup() {
	setup_delivery
	BOX=$MAIL/user
	DIR=$BOX/Maildir
}

teardown() {
	stop_all
	if [[ -n ${FULL-} ]]; then
		umount -l "$FULL"
	fi
}

message() {
	queue_file "$@" <<<$'Subject: test\r\n\r\nhello\r'
}

# What the file of a message without H frames must be, the message on stdin.
expected() {
	printf 'Return-Path: <sender@example.org>\nDelivered-To: user@example.com\n'
	python3 -c 'import sys
sys.stdout.buffer.write(sys.stdin.buffer.read().replace(b"\r\n", b"\n"))'
}

nothing_left() {
	[[ $(count_in "$DIR/new") -eq 0 && $(count_in "$DIR/tmp") -eq 0 &&
		$(count_in "$DIR/cur") -eq 0 ]]
}

readonly DELIVERED="K 7 maildir - 250 2.0.0 Delivered"
readonly EARLIER="K 7 maildir - 250 2.0.0 Delivered by an earlier attempt"

@test "local: makes the Maildir, and a file that names its message" {
	configure "mailbox_root = $MAIL" 'checks = no'
	M=$(message C:version=1 S:x 'H:Received: first
' 'M:junk' 'H:X-Folded: second
	more
')
	run -0 deliver "mail:$M"
	[[ $output == "$DELIVERED" ]]
	file=$(only_in "$DIR/new")
	id=${M##*/}
	[[ ${file##*/} == "$((16#${id:0:14} / 1000000)).Q${id}R7.mx.example.com" ]]
	[[ $(stat -c %a "$file") == 600 ]]
	[[ $(stat -c %a "$DIR" "$DIR/tmp" "$DIR/new" "$DIR/cur") == \
		$'700\n700\n700\n700' ]]
	[[ $(count_in "$DIR/tmp") -eq 0 ]]
	diff "$file" - <<-EOF
	Return-Path: <sender@example.org>
	Delivered-To: user@example.com
	X-Folded: second
	$(printf '\tmore')
	Received: first
	Subject: test

	hello
	EOF
}

@test "local: the Maildir's name is a setting" {
	configure "mailbox_root = $MAIL" 'maildir = .in box'
	run -1 deliver Q
	[[ $output == *"conf:"*"maildir: "*"exit status 100"* ]]
	configure "mailbox_root = $MAIL" 'maildir = inbox'
	run -0 deliver "mail:$(message)"
	[[ $(count_in "$BOX/inbox/new") -eq 1 ]]
}

@test "local: what is marked as junk goes to its folder, once" {
	configure "mailbox_root = $MAIL" 'checks = yes'
	run -0 deliver "mail:$(message)"
	[[ $output == "$DELIVERED" && $(count_in "$DIR/new") -eq 1 ]]
	M=$(message C:version=1 'M:junk')
	run -0 deliver "mail:$M"
	[[ $output == "$DELIVERED" && $(count_in "$DIR/new") -eq 1 ]]
	[[ $(count_in "$DIR/.Junk/new") -eq 1 ]]
	[[ -f $DIR/.Junk/maildirfolder && $(count_in "$DIR/.Junk/tmp") -eq 0 ]]
	[[ $(stat -c %a "$DIR/.Junk" "$DIR/.Junk/tmp" "$DIR/.Junk/new" \
		"$DIR/.Junk/cur" | sort -u) == 700 ]]
	run -0 deliver "mail:$M:1"
	[[ $output == "$EARLIER" ]]
	# when no judge is set any more it is still there
	configure "mailbox_root = $MAIL" 'checks = no'
	run -0 deliver "mail:$M:1"
	[[ $output == "$EARLIER" ]]
	run -0 deliver "mail:$(message 'M:junk')"
	[[ $(count_in "$DIR/.Junk/new") -eq 2 ]]
	configure "mailbox_root = $MAIL" 'checks = yes' 'junk_folder ='
	run -0 deliver "mail:$(message 'M:junk')"
	[[ $(count_in "$DIR/new") -eq 2 ]]
}

@test "local: a folder that cannot be made defers what is junk, and no other" {
	configure "mailbox_root = $MAIL" 'checks = yes'
	run -0 deliver "mail:$(message)"
	rm -r "$DIR/.Junk"
	: >"$DIR/.Junk"
	run -0 deliver "mail:$(message)"
	[[ ${lines[-1]} == "$DELIVERED" ]]
	run -75 deliver "mail:$(message 'M:junk')"
	[[ $output == *"451 4.2.0 Mailbox cannot be written: Not a directory"* ]]
	for name in Junk . .. ./ .a/b "$(printf '.%064d' 0)"; do
		configure "mailbox_root = $MAIL" "junk_folder = $name"
		run -1 deliver Q
		[[ $output == *"junk_folder: '"*"is not a folder name"* ]]
	done
}

# --- octets -------------------------------------------------------------------

@test "local: odd messages come out octet for octet, CRLF as LF" {
	as_user mkdir "$D/m"
	as_user env python3 - "$D/m" <<-'EOF'
	import random, sys
	r = random.Random(1)
	piece = 65536
	all = {
	    "empty": b"",
	    "newline": b"\r\n",
	    "no-header": b"\r\nbody\r\n",
	    "no-body": b"Subject: x\r\n",
	    "no-end": b"Subject: x\r\n\r\nno newline",
	    "dots": b"A: b\r\n\r\n.\r\n..\r\n.x\r\n",
	    "eight-bit": b"A: b\r\n\r\n" + bytes(range(256)) * 3,
	    "long-line": b"A: b\r\n\r\n" + b"x" * 100000 + b"\r\n",
	    "bare": b"\r\r\n\n\r\r\r\n\n\n\r x\r\n\r",
	    "cr-end": b"A: b\r\n\r\nx\r",
	    "odd-header": b"From x\r\nnot a field\r\n: y\r\n\r\n",
	    "long-field": b"A:" + b" x" * 50000 + b"\r\nB: c\r\n\r\nd\r\n",
	    "lines": b"A: b\r\n\r\n" + b"\r\n" * 70000,
	}
	for n in range(piece - 2, piece + 3):
	    all["cut-%d" % n] = b"x" * n + b"\r\n" + b"y" * n + b"\r" + b"z\r\n"
	for n in range(20):
	    all["any-%d" % n] = bytes(r.choice(b"\r\n\r\na:. ")
	                              for _ in range(r.randrange(200)))
	for name in all:
	    with open(sys.argv[1] + "/" + name, "wb") as f:
	        f.write(all[name])
	EOF
	as_user mkdir "$D/want"
	as_user "$DELIVER" make-all "$D/q" "$D/want" "$D"/m/* >"$D/made"
	mapfile -t words < <(sed 's/^/mail:/' "$D/made")
	deliver "${words[@]}" >"$D/out"
	[[ $(grep -cx "$DELIVERED" "$D/out") -eq ${#words[@]} ]]
	[[ ${#words[@]} -gt 30 ]]
	for m in "$D"/want/*; do
		cmp "$m" "$DIR"/new/*".Q${m##*/}R"*
	done
}

@test "local: the suites' messages come out octet for octet" {
	[[ -d $SMTPD_SUITES/messages ]] ||
		skip_loudly "no $SMTPD_SUITES/messages"
	as_user mkdir "$D/m"
	as_user "$DELIVER" make-all "$D/q" "$D/m" "$SMTPD_SUITES"/messages/* \
		>"$D/made"
	mapfile -t words < <(sed 's/^/mail:/' "$D/made")
	deliver "${words[@]}" >"$D/out"
	[[ $(grep -cx "$DELIVERED" "$D/out") -eq ${#words[@]} ]]
	for m in "$D"/m/*; do
		cmp "$m" "$DIR"/new/*".Q${m##*/}R"*
	done
}

@test "local: a large message passes through constant memory" {
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly "a sanitizer needs memory"
	as_user env python3 -c 'import random, sys
line = b"A: b\r\n" + random.Random(2).randbytes(57).hex().encode() + b"\r\n"
sys.stdout.buffer.write(line * 130000)' >"$D/m"
	[[ $(stat -c %s "$D/m") -gt 15000000 ]]
	M=$(queue_file <"$D/m")
	run -0 as_user "$DELIVER" "mail:$M" -- prlimit --as=9000000 \
		"$SMTPD_BIN/smtpd-local" -c "$D/conf" "$BOX"
	[[ $output == "$DELIVERED" ]]
	cmp "$(only_in "$DIR/new")" <(expected <"$D/m")
}

@test "local: top fields without a last newline, and a thousand of them" {
	words=()
	for ((i = 0; i < 1000; i++)); do
		words+=("H:F$i: x"$'\r\n')
	done
	M=$(queue_file "${words[@]}" <<<$'\r\nbody')
	run -0 deliver "mail:$M"
	file=$(only_in "$DIR/new")
	[[ $(sed -n '3p;1002p' "$file") == $'F999: x\nF0: x' ]]
}

# --- damage -------------------------------------------------------------------

@test "local: an octet that has changed in the queue is never delivered" {
	for at in 0 1 30 45 100 140; do
		M=$(message C:version=1 'H:Received: x
')
		as_user env python3 - "$M" "$at" <<-'EOF'
		import os, sys
		path, at = sys.argv[1], int(sys.argv[2])
		os.chmod(path, 0o600)
		with open(path, "r+b") as f:
		    f.seek(at)
		    octet = f.read(1)
		    f.seek(at)
		    f.write(bytes([octet[0] ^ 4]))
		os.chmod(path, 0o400)
		EOF
		run -75 deliver "mail:$M"
		[[ $output == "Z 7 maildir - 451 4.3.0 Queue file is damaged" ]]
		nothing_left
	done
}

@test "local: what was never committed is never delivered" {
	M=$(message)
	chmod 600 "$M"
	run -75 deliver "mail:$M"
	chmod 400 "$M"
	# under the name of another
	other=${M%?}0
	[[ $M != "$other" ]] || other=${M%?}1
	mv "$M" "$other"
	run -75 deliver "mail:$other"
	as_user sh -c ": >$D/q/0123456789abcdef012345; chmod 400 $D/q/0*5"
	run -75 deliver "mail:$D/q/0123456789abcdef012345"
	nothing_left
}

@test "local: a queue file that cannot be read is for later" {
	need_strace
	M=$(message C:version=1)
	for call in 1 2 3; do
		run -75 as_user "$DELIVER" "mail:$M" -- strace -o /dev/null \
			-e "inject=pread64:error=EIO:when=$call" \
			"$SMTPD_BIN/smtpd-local" -c "$D/conf" \
			-o confine=deny "$BOX"
		[[ $output == *"Z 7 maildir - 451 4.3.0 Queue file cannot be read"* ]]
		nothing_left
	done
	run -0 deliver "mail:$M"
}

# --- loops --------------------------------------------------------------------

@test "local: a message that was here before is refused" {
	for field in 'Delivered-To: user@example.com' \
	    'DELIVERED-TO:   USER@Example.COM  ' \
	    'delivered-to: <user@example.com>' \
	    $'Delivered-To:\r\n  user@example.com'; do
		M=$(queue_file <<<$'Subject: x\r\n'"$field"$'\r\n\r\nbody\r')
		run -65 deliver "mail:$M"
		[[ $output == "X 7 maildir - 554 5.4.6 Delivered-To loop" ]]
		nothing_left
	done
	# A header without a body, and a field that a piece's end cuts in two.
	M=$(queue_file <<<$'Delivered-To: user@example.com\r')
	run -65 deliver "mail:$M"
	pad=$(printf 'X: %01000d\r\n.' 0)
	pad=$(for ((i = 0; i < 66; i++)); do printf %s "${pad%.}"; done; echo .)
	pad=${pad:0:65530}
	pad=${pad%$'\n'*}$'\n'
	for ((n = 65480; n < 65540; n += 7)); do
		field=$(printf 'X: %0*d\r\n.' $((n - 5 - ${#pad})) 0)
		[[ $((n - 5 - ${#pad})) -gt 0 ]] || continue
		M=$(queue_file <<<"$pad${field%.}"$'Delivered-To: user@example.com\r')
		run -65 deliver "mail:$M"
	done
	nothing_left
}

@test "local: other Delivered-To fields are none of its business" {
	for text in $'Delivered-To: user@example.org\r\n\r\n' \
	    $'Subject: x\r\n\r\nDelivered-To: user@example.com\r\n' \
	    $'X-Delivered-To: user@example.com\r\n\r\n' \
	    $'Delivered-To: user+x@example.com\r\n\r\n' \
	    $'Delivered-To: \r\n\r\n'; do
		M=$(queue_file <<<"$text")
		run -0 deliver "mail:$M"
	done
}

# --- repeats ------------------------------------------------------------------

@test "local: a repeat is recognised in new, and in cur whatever its flags" {
	M=$(message)
	run -0 deliver "mail:$M"
	[[ $output == "$DELIVERED" ]]
	file=$(only_in "$DIR/new")
	run -0 deliver "mail:$M:1"
	[[ $output == "$EARLIER" ]]
	only_in "$DIR/new"
	name=${file##*/}
	for flags in '' ':2,' ':2,RS' ',S=130,W=135:2,S'; do
		as_user mv "$file" "$DIR/cur/$name$flags"
		file=$DIR/cur/$name$flags
		run -0 deliver "mail:$M:2"
		[[ $output == "$EARLIER" ]]
		[[ $(count_in "$DIR/new") -eq 0 && $(count_in "$DIR/cur") -eq 1 ]]
	done
	# Longer names are other messages; and what he deleted comes again.
	as_user mv "$file" "$DIR/cur/$name.net:2,S"
	run -0 deliver "mail:$M:1"
	[[ $output == "$DELIVERED" ]]
	only_in "$DIR/new"
}

@test "local: a first attempt replaces what cannot be there" {
	M=$(message)
	run -0 deliver "mail:$M"
	file=$(only_in "$DIR/new")
	: >"$file"
	run -0 deliver "mail:$M"
	[[ $output == "$DELIVERED" ]]
	[[ $(wc -c <"$(only_in "$DIR/new")") -gt 50 ]]
}

@test "local: what an attempt left in tmp is replaced, links not followed" {
	M=$(message)
	run -0 deliver "mail:$M"
	file=$(only_in "$DIR/new")
	as_user mv "$file" "$DIR/tmp/"
	run -0 deliver "mail:$M:1"
	[[ $(count_in "$DIR/tmp") -eq 0 ]]
	file=$(only_in "$DIR/new")
	echo precious >"$D/precious"
	chmod 666 "$D/precious"
	as_user rm "$file"
	as_user ln -s "$D/precious" "$DIR/tmp/${file##*/}"
	run -0 deliver "mail:$M:1"
	[[ $(<"$D/precious") == precious && ! -L $file ]]
	# In tmp something that cannot go.
	as_user rm "$file"
	as_user mkdir "$DIR/tmp/${file##*/}"
	run -75 deliver "mail:$M:1"
	[[ $output == *"Z 7 maildir - 451 4.2.0 "* ]]
}

@test "local: two recipients of a message are two files" {
	M=$(message)
	run -0 deliver "msg:$M" 'S:<>' 'R:0 <user@example.com>' E get \
		"msg:$M" 'S:<>' 'R:1 <user+x@example.com>' E get
	[[ $(count_in "$DIR/new") -eq 2 ]]
	[[ $(cat "$DIR"/new/*R1.*) == *'Return-Path: <>'*'Delivered-To: user+x@example.com'* ]]
}

# --- the conversation ---------------------------------------------------------

@test "local: message after message, each answered" {
	words=()
	for ((i = 0; i < 20; i++)); do
		words+=("mail:$(message)")
	done
	run -0 deliver "${words[@]}" x:ignored Q "${words[0]}"
	[[ ${#lines[@]} -eq 20 ]]
	[[ $(count_in "$DIR/new") -eq 20 ]]
}

# given MESSAGE: the words that hand it over and wait for no answer.
given() {
	words+=("msg:$1" 'S:<sender@example.org>' 'R:7 <user@example.com>' E)
}

@test "local: messages that wait together have a verdict each, in order" {
	words=()
	for name in one two three; do
		given "$(queue_file <<<"Subject: $name"$'\r\n\r\nhello\r')"
	done
	as_user sh -c 'chmod 600 "$0" && printf x | dd of="$0" bs=1 seek=3 \
		conv=notrunc status=none && chmod 400 "$0"' "${words[4]#msg:}"
	run -0 deliver "${words[@]}"
	[[ ${#lines[@]} -eq 3 ]]
	[[ ${lines[0]} == "$DELIVERED" && ${lines[2]} == "$DELIVERED" ]]
	[[ ${lines[1]} == 'Z 7 maildir - 451 4.3.0 Queue file is damaged' ]]
	[[ $(count_in "$DIR/new") -eq 2 && $(count_in "$DIR/tmp") -eq 0 ]]
}

@test "local: messages that wait together are written before the first sync" {
	need_strace
	words=()
	for _ in 1 2 3; do
		given "$(message)"
	done
	as_user "$DELIVER" "${words[@]}" "touch:$D/q/go" -- sh -c '
		until [ -e "$0" ]; do sleep 0.01; done
		exec "$@"' "$D/q/go" strace -o "$D/q/trace" \
		"$SMTPD_BIN/smtpd-local" -c "$D/conf" "$BOX" >"$D/q/out"
	[[ $(count_in "$DIR/new") -eq 3 ]]
	# w: a file in tmp, s: a sync, r: a rename; the Maildir comes first.
	steps=$(grep -oE '"tmp/.*O_CREAT|^fsync|^rename' "$D/q/trace" |
		sed 's/^"tmp.*/w/; s/fsync/s/; s/rename.*/r/' | tr -d '\n')
	[[ $steps =~ ^s*www(s+r)+s*$ ]]
}

@test "local: a message stays locked until its delivery is done" {
	need_strace
	configure "mailbox_root = $MAIL" 'checks = no'
	words=()
	for _ in 1 2 3; do
		given "$(message)"
	done
	start as_user "$DELIVER" "${words[@]}" "touch:$D/q/go" -- sh -c '
		until [ -e "$0" ]; do sleep 0.01; done
		exec "$@"' "$D/q/go" strace -o "$D/q/trace" \
		-e inject=fsync:signal=STOP:when="${1-3}" \
		"$SMTPD_BIN/smtpd-local" -c "$D/conf" "$BOX"
	wait_for grep -q 'stopped by SIGSTOP' "$D/q/trace"
	[[ $(count_in "$DIR/tmp") -eq 3 ]]
	for word in "${words[@]}"; do
		[[ $word != msg:* ]] || ! flock -n "${word#msg:}" true
	done
}

@test "local: a scheduler that leaves gets no verdict, the messages stay" {
	words=()
	given "$(message)"
	given "$(message)"
	run -0 deliver "${words[@]}" "msg:$(message)" cut
	[[ $(count_in "$DIR/new") -eq 2 && $(count_in "$DIR/tmp") -eq 0 ]]
}

@test "local: end of file before the end of a message delivers nothing" {
	M=$(message)
	for words in "msg:$M" "msg:$M S:<>" "msg:$M S:<> R:0_<user@example.com>" \
	    "raw:4:D" "msg:$M raw:1:"; do
		read -ra words <<<"$words"
		run -1 deliver "${words[@]//_/ }"
		[[ $output == *"exit status 111"* ]]
	done
	nothing_left
	run -1 deliver
	[[ -z $output ]]
}

@test "local: frames out of place end it without a verdict" {
	M=$(message)
	S='S:<>' R='R:0 <user@example.com>'
	ended() {
		run -1 deliver "$@"
		[[ $output == *"exit status 111"* ]]
	}
	ended "$S"
	ended "$R"
	ended E
	ended "msg:$M" E
	ended "msg:$M" "$S" E
	ended "msg:$M" "$R" E
	ended "msg:$M" "$S" "$S" "$R" E
	ended "msg:$M" "$S" "$R" "$R" E
	ended "nofd:$M" "$S" "$R" E
	ended "D:../../../../etc/passwd 0" "$S" "$R" E
	ended "msg:$M:x" "$S" "$R" E
	N=${M%/*}/0660EE0788B1BD43A17948
	as_user cp -p "$M" "$N"
	ended "msg:$N" "$S" "$R" E
	ended "msg:$M" 'S:sender' "$R" E
	ended "msg:$M" $'S:<a@b>\nX: y' "$R" E
	ended "msg:$M" "$S" $'R:0 <user@example.com>\nX: y' E
	ended "msg:$M" "$S" 'R:-1 <user@example.com>' E
	ended "msg:$M" "$S" 'R:user@example.com' E
	ended "msg:$M" G
	ended 'raw:nonsense'
	nothing_left
}

@test "local: refuses root, and operands that are not one" {
	run -100 as_user "$SMTPD_BIN/smtpd-local" -c "$D/conf" </dev/null
	[[ $output == *"expected one operand, the home directory"* ]]
	run -100 as_user "$SMTPD_BIN/smtpd-local" -c "$D/conf" a b </dev/null
	need_root
	run -100 "$SMTPD_BIN/smtpd-local" -c "$D/conf" "$BOX" </dev/null
	[[ $output == *"must not run as root"* ]]
	[[ ! -e $DIR ]]
}

# --- trouble ------------------------------------------------------------------

@test "local: a Maildir out of reach is for later, each message is answered" {
	M=$(message)
	BOX=$MAIL/gone run -75 deliver "mail:$M" "mail:$M"
	[[ ${lines[0]} == *"cannot enter '$MAIL/gone/Maildir': No such file"* ]]
	[[ $(grep -c '^Z 7 maildir - 451 4.2.0 ' <<<"$output") -eq 2 ]]
	as_user touch "$DIR"
	run -75 deliver "mail:$M"
	as_user rm "$DIR"
	run -0 deliver "mail:$M"
	for d in "$DIR/tmp" "$DIR/new"; do
		chmod 500 "$d"
		run -75 deliver "mail:$(message)"
		[[ $output == *"Z 7 maildir - 451 4.2.0 "* ]]
		chmod 700 "$d"
	done
	[[ $(count_in "$DIR/new") -eq 1 && $(count_in "$DIR/tmp") -eq 0 ]]
	as_user rmdir "$DIR/cur"
	run -0 deliver "mail:$(message)"
	[[ -d $DIR/cur ]]
}

@test "local: writes below tmp and new, and nowhere else once it is confined" {
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly "not confined in this build"
	[[ -e /sys/kernel/security/landlock || \
	    $(cat /sys/kernel/security/lsm 2>/dev/null) == *landlock* ]] ||
		landlock_works || skip_loudly "no Landlock in this kernel"
	M=$(message)
	N=$(message)
	as_user mkdir "$D/elsewhere"
	start as_user sh -c "'$DELIVER' 'mail:$M' 'touch:$D/q/one' \
		'wait:$D/q/go' 'mail:$N' 'mail:$N:1' -- '$SMTPD_BIN/smtpd-local' \
		-c '$D/conf' '$BOX' >'$D/q/out'"
	wait_for test -e "$D/q/one"
	as_user mv "$DIR/new" "$DIR/old"
	as_user ln -s "$D/elsewhere" "$DIR/new"
	as_user rmdir "$DIR/cur"
	as_user ln -s "$D/elsewhere" "$DIR/cur"
	as_user touch "$D/q/go"
	wait_for three_answers
	[[ $(grep -c '^Z 7 maildir - 451 4.2.0 ' "$D/q/out") -eq 2 ]]
	[[ $(count_in "$D/elsewhere") -eq 0 ]]
}

three_answers() {
	[[ $(wc -l <"$D/q/out") -eq 3 ]]
}

landlock_works() {
	python3 -c 'import ctypes, sys
sys.exit(ctypes.CDLL(None).syscall(444, 0, 0, 1) < 2)'
}

# small OPTIONS: the mailbox is a tmpfs with these limits.
small() {
	need_root
	FULL=$MAIL/user
	mount -t tmpfs -o "mode=777,$1" tmpfs "$FULL" || {
		FULL=
		skip_loudly "cannot mount a tmpfs"
	}
}

@test "local: a full disk is for later, and leaves nothing behind" {
	small size=256k
	run -0 deliver "mail:$(message)"
	M=$(head -c 300000 /dev/zero | tr '\0' x | queue_file)
	run -0 deliver "mail:$M" "mail:$(message)"
	[[ $output == *"Z 7 maildir - 452 4.3.1 Disk is full"*"$DELIVERED" ]]
	[[ $(count_in "$DIR/new") -eq 2 && $(count_in "$DIR/tmp") -eq 0 ]]
}

@test "local: inodes that have run out are a full disk" {
	configure "mailbox_root = $MAIL" 'checks = no'
	small nr_inodes=6
	run -0 deliver "mail:$(message)"
	run -75 deliver "mail:$(message)"
	[[ $output == *"Z 7 maildir - 452 4.3.1 Disk is full"* ]]
	[[ $(count_in "$DIR/new") -eq 1 && $(count_in "$DIR/tmp") -eq 0 ]]
}

# injected SYSCALLS ERROR [WHEN]: a delivery in which that call fails so. (The
# call that strace puts in its place is one that kills when that is set.)
injected() {
	as_user "$DELIVER" "mail:$M" -- strace -o /dev/null \
		-e "inject=$1:error=$2:when=${3-1}" \
		"$SMTPD_BIN/smtpd-local" -c "$D/conf" -o confine=deny "$BOX"
}

@test "local: quota and failing writes are for later, at every step" {
	need_strace
	M=$(message)
	run -0 deliver "mail:$(message)"
	for call in write,writev fsync rename,renameat,renameat2; do
		run -75 injected "$call" EDQUOT
		[[ $output == *"Z 7 maildir - 452 4.2.2 Disk quota exceeded"* ]]
		run -75 injected "$call" ENOSPC
		[[ $output == *"Z 7 maildir - 452 4.3.1 Disk is full"* ]]
		run -75 injected "$call" EIO
		[[ $output == *"Z 7 maildir - 451 4.2.0 Mailbox cannot be written"* ]]
		[[ $(count_in "$DIR/new") -eq 1 && $(count_in "$DIR/tmp") -eq 0 ]]
	done
	run -0 deliver "mail:$M:1"
}

@test "local: without a journal the directory is synced, or it is for later" {
	need_strace
	M=$(message)
	run -0 deliver "mail:$(message)"
	# No /sys: nothing is known of a journal.
	run -75 as_user "$DELIVER" "mail:$M" -- strace -o "$D/q/trace" \
		-e inject=readlink,readlinkat:error=ENOENT \
		-e inject=fsync:error=EIO:when=2 \
		"$SMTPD_BIN/smtpd-local" -c "$D/conf" -o confine=deny "$BOX"
	[[ $(grep -c '^fsync' "$D/q/trace") -eq 2 ]]
	# It is in new: the next attempt finds it, and syncs again.
	run -0 as_user "$DELIVER" "mail:$M:1" -- strace -o "$D/q/trace" \
		"$SMTPD_BIN/smtpd-local" -c "$D/conf" "$BOX"
	[[ $output == "$EARLIER" ]]
	[[ $(grep -c '^fsync' "$D/q/trace") -eq 1 ]]
	[[ $(count_in "$DIR/new") -eq 2 ]]
}

@test "local: the queue in another file system orders nothing" {
	need_strace
	need_root
	M=$(message)
	mkdir "$D/other"
	mount -t tmpfs -o mode=777 tmpfs "$D/other" ||
		skip_loudly "cannot mount a tmpfs"
	FULL=$D/other
	as_user cp -p "$M" "$D/other"
	run -0 deliver "mail:$(message)"
	run -0 as_user "$DELIVER" "mail:$D/other/${M##*/}" -- \
		strace -o "$D/q/trace" "$SMTPD_BIN/smtpd-local" \
		-c "$D/conf" "$BOX"
	[[ $(grep -c '^fsync' "$D/q/trace") -eq 2 ]]
}

# --- death --------------------------------------------------------------------

# Every system call of a delivery, as NAME and how often before and with it.
steps() {
	awk '/^[a-z_0-9]+\(/ {
		sub(/\(.*/, "")
		if (seen++ && !/^exit/)
			print $0, ++n[$0]
	}' "$1"
}

@test "local: killed at any system call, a repeat finds or makes it whole" {
	need_strace
	M=$(queue_file 'H:Received: x
' < <(printf 'Subject: x\r\n\r\n'; head -c 150000 /dev/zero | tr '\0' y))
	run -0 deliver "mail:$M"
	file=$(only_in "$DIR/new")
	as_user mv "$file" "$D/q/whole"
	local died=0 call n
	for attempt in 0 1; do
		as_user rm -rf "$DIR"
		as_user "$DELIVER" "mail:$M:$attempt" -- strace -o "$D/q/trace" \
			"$SMTPD_BIN/smtpd-local" -c "$D/conf" "$BOX"
		while read -r call n; do
			# The Maildir is new to half of them.
			if ((n % 2)); then
				as_user rm -rf "$DIR"
			else
				as_user find "$DIR" -type f -delete
			fi
			as_user "$DELIVER" "mail:$M:$attempt" -- \
				strace -o /dev/null \
				-e "inject=$call:signal=KILL:when=$n" \
				"$SMTPD_BIN/smtpd-local" -c "$D/conf" "$BOX" \
				>"$D/q/out" 2>"$D/q/err" || true
			if grep -q 'exit status' "$D/q/err"; then
				died=$((died + 1))
			fi
			whole "$call $n"
			if grep -q ^K "$D/q/out"; then
				only_in "$DIR/new" >"$D/q/found"
			fi
			deliver "mail:$M:1" >"$D/q/out"
			grep -q ^K "$D/q/out"
			only_in "$DIR/new" >"$D/q/found"
			whole "$call $n, then again"
			[[ $(count_in "$DIR/tmp") -eq 0 ]]
		done < <(steps "$D/q/trace")
	done
	echo "# died at $died calls" >&2
	[[ $died -gt 80 ]]
}

# Nothing in new is less than the whole message.
whole() {
	local f
	for f in "$DIR"/new/*; do
		[[ ! -e $f ]] || cmp "$f" "$D/q/whole" || {
			echo "after $1" >&2
			return 1
		}
	done
}
