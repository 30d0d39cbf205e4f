#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-lspawn: becomes the recipient and nobody else, for whom it obeys.

load lib/smtpd
load lib/delivery

setup() {
	setup_delivery
}

teardown() {
	stop_all
}

# root LOCAL [-o ...]: smtpd-lspawn as root at $D/s, with these users.
root_lspawn() {
	local program=$1
	shift
	need_mounts
	make_users
	configure
	chown "$TEST_UID" "$D/queue"
	start with_passwd "$D/passwd" "$SMTPD_BIN/smtpd-listen" -m 666 "$D/s" \
		"$SMTPD_BIN/smtpd-lspawn" -c "$D/conf" "$@" "$program"
	wait_for test -S "$D/s"
}

# A program in place of smtpd-local, made of standard input.
fake_local() {
	cat >"$D/local"
	chmod 755 "$D/local"
	printf '%s\n' "$D/local"
}

ask() {
	as_user "$DELIVER" "$@" "@$D/s"
}

message() {
	queue_file <<<$'Subject: test\r\n\r\nhello\r'
}

logged() {
	grep -q -e "$1" "$D/log"
}

@test "lspawn: delivers as the user, with his ownership and no one else's" {
	root_lspawn "$SMTPD_BIN/smtpd-local"
	M=$(message)
	run -0 ask U:joe "mail:$M" Q
	[[ $output == "K 7 maildir - 250 2.0.0 Delivered" ]]
	run -0 ask U:ann "mail:$M" "mail:$(message)"
	file=$(only_in "$D/home/joe/Maildir/new")
	[[ $(stat -c '%u:%g %a' "$file") == "$JOE:$JOE 600" ]]
	for d in . tmp new cur; do
		[[ $(stat -c '%u:%g %a' "$D/home/joe/Maildir/$d") == \
			"$JOE:$JOE 700" ]]
	done
	[[ $(count_in "$D/home/ann/Maildir/new") -eq 2 ]]
	run -0 find "$D/home/ann/Maildir" ! '(' -uid "$ANN" -gid "$ANN" ')'
	[[ -z $output ]]
}

@test "lspawn: the child has nothing of root's" {
	program=$(fake_local <<-'EOF2'
	#!/usr/bin/env python3
	import os, sys
	lines = []
	for line in open("/proc/self/status"):
	    name, _, value = line.partition(":")
	    if name in ("Uid", "Gid", "Groups", "NoNewPrivs", "SigBlk", "CapEff",
	                "CapPrm", "CapInh"):
	        lines.append(" ".join([name] + value.split()))
	for fd in os.listdir("/proc/self/fd"):
	    try:
	        lines.append("fd %s" % (os.fstat(int(fd)) and fd))
	    except OSError:
	        pass                    # the one that listed them
	environment = open("/proc/self/environ").read().split("\0")
	lines += ["env " + e for e in environment if e]
	lines.append("cwd " + os.getcwd())
	lines.append("argv " + " ".join(sys.argv[1:]))
	if os.getsid(0) == os.getpid():
	    lines.append("own session")
	with open("report.new", "w") as f:
	    f.write("".join(l + "\n" for l in sorted(lines)))
	os.rename("report.new", "report")
	EOF2
	)
	root_lspawn "$program"
	SECRET=x run -1 ask U:joe
	wait_for test -e "$D/home/joe/report"
	# A build with sanitizers does not confine itself.
	confined=$((1 - ${SMTPD_ASAN:-0}))
	diff - "$D/home/joe/report" <<-EOF
	CapEff 0000000000000000
	CapInh 0000000000000000
	CapPrm 0000000000000000
	Gid $JOE $JOE $JOE $JOE
	Groups
	NoNewPrivs $confined
	SigBlk 0000000000000000
	Uid $JOE $JOE $JOE $JOE
	argv -c $D/conf $D/home/joe
	cwd $D/home/joe
	fd 0
	fd 1
	fd 2
	own session
	EOF
}

@test "lspawn: system accounts, nobody and unknown names get no process" {
	root_lspawn "$SMTPD_BIN/smtpd-local"
	M=$(message)
	for name in root toor daemon www-data nobody jim JOE joe+x ../joe '' \
	    'joe x' "$(printf '%0100d' 0)"; do
		run -65 ask "U:$name" "mail:$M"
		[[ $output == "X 550 5.1.1 No such mailbox" ]]
	done
	run -65 ask Z:joe
	[[ $output == "X 554 5.5.0 Unknown request" ]]
}

@test "lspawn: when NSS cannot read, mail waits" {
	root_lspawn "$SMTPD_BIN/smtpd-local"
	run -65 ask U:jim "mail:$(message)"
	: >"$D/passwd"
	run -75 ask U:joe "mail:$(message)"
	[[ $output == "Z 451 4.3.0 Mailbox cannot be looked up now" ]]
	make_users
	run -0 ask U:joe "mail:$(message)"
}

@test "lspawn: obeys root and the owner of the queue alone" {
	root_lspawn "$SMTPD_BIN/smtpd-local"
	run -65 setpriv --reuid="$JOE" --regid="$JOE" --clear-groups \
		"$DELIVER" U:joe "@$D/s"
	[[ $output == "X 554 5.7.1 Access denied" ]]
	logged 'refused a connection'
	M=$(message)
	chmod 755 "$D/q"
	run -0 "$DELIVER" U:joe "mail:$M" "@$D/s"
	# Another owner, another master.
	chown "$ANN" "$D/queue"
	run -65 ask U:joe
	[[ ! -e $D/home/ann/Maildir ]]
}

@test "lspawn: takes its frame and not an octet more, however it comes" {
	root_lspawn "$SMTPD_BIN/smtpd-local"
	run -0 ask octets U:joe "mail:$(message)" "mail:$(message)"
	[[ ${#lines[@]} -eq 2 ]]
	[[ $(count_in "$D/home/joe/Maildir/new") -eq 2 ]]
}

@test "lspawn: what is no request costs nothing" {
	root_lspawn "$SMTPD_BIN/smtpd-local"
	printf -v long '%02000d' 0
	for words in 'raw:GET / HTTP/1.0' 'raw:0:,' "raw:1999:$long" \
	    'raw:99999:U' 'raw:4:Ujoe;' 'raw:4:Ujo' 'raw:4'; do
		run -1 ask "$words"
		[[ -z $output ]]
	done
	[[ $(grep -c 'a request is malformed or too long' "$D/log") -eq 5 ]]
	run -0 ask U:joe "mail:$(message)"
}

@test "lspawn: a silent connection is not waited for" {
	root_lspawn "$SMTPD_BIN/smtpd-local"
	start as_user "$DELIVER" "touch:$D/q/one" "wait:$D/q/end" "@$D/s"
	start as_user "$DELIVER" raw:4:U "touch:$D/q/two" "wait:$D/q/end" "@$D/s"
	wait_for test -e "$D/q/one" -a -e "$D/q/two"
	run -0 ask U:joe "mail:$(message)"
}

@test "lspawn: a home that is missing, or not his, is for later" {
	root_lspawn "$SMTPD_BIN/smtpd-local"
	run -75 ask U:lost "mail:$(message)"
	[[ $output == "Z 451 4.3.0 Mailbox is unavailable, try again later" ]]
	logged "delivery to 'lost': cannot enter '$D/home/lost'"
	chown root:root "$D/home/joe"
	run -75 ask U:joe "mail:$(message)"
	rmdir "$D/home/joe"
	ln -s "$D/home/ann" "$D/home/joe"
	run -75 ask U:joe "mail:$(message)"
	rm "$D/home/joe"
	ln -s /root "$D/home/joe"
	run -75 ask U:joe "mail:$(message)"
	[[ $(count_in "$D/home/ann") -eq 0 ]]
}

@test "lspawn: links in a home lead where its owner may go, no further" {
	root_lspawn "$SMTPD_BIN/smtpd-local"
	run -0 ask U:ann "mail:$(message)"
	# Another's Maildir, also when it lets him look but not write.
	ln -s "$D/home/ann/Maildir" "$D/home/joe/Maildir"
	run -75 ask U:joe "mail:$(message)"
	chmod -R a+rx "$D/home/ann"
	run -75 ask U:joe "mail:$(message)"
	[[ $output == "Z 7 maildir - 451 4.2.0 "* ]]
	[[ $(count_in "$D/home/ann/Maildir/new") -eq 1 ]]
	[[ $(count_in "$D/home/ann/Maildir/tmp") -eq 0 ]]
	# One of his own elsewhere.
	rm "$D/home/joe/Maildir"
	mkdir "$D/disk"
	chown "$JOE" "$D/disk"
	ln -s "$D/disk" "$D/home/joe/Maildir"
	run -0 ask U:joe "mail:$(message)"
	[[ $(count_in "$D/disk/new") -eq 1 ]]
	# new is his, what it leads to is not.
	rm -r "$D/disk/new"
	ln -s "$D/home/ann/Maildir/new" "$D/disk/new"
	run -75 ask U:joe "mail:$(message)"
	[[ $(count_in "$D/home/ann/Maildir/new") -eq 1 ]]
}

@test "lspawn: tells how a child died, unless it chose its end" {
	program=$(fake_local <<-'EOF2'
	#!/bin/bash
	read -r -n1 how
	case $how in
	s) kill -SEGV $$ ;;
	k) kill -KILL $$ ;;
	b) exit 101 ;;
	o) exit 1 ;;
	*) exit "10$how" ;;
	esac
	EOF2
	)
	root_lspawn "$program"
	run -1 ask U:joe raw:s
	[[ $output == "D signal=11" ]]
	run -1 ask U:joe raw:k
	[[ $output == "D signal=9" ]]
	run -1 ask U:joe raw:b
	[[ $output == "D exit=101" ]]
	run -1 ask U:joe raw:o
	[[ $output == "D exit=1" ]]
	run -1 ask U:joe raw:0
	[[ -z $output ]]
	logged "delivery to 'joe' died: signal=11"
}

@test "lspawn: a program that cannot be run defers" {
	echo 'no format' >"$D/local"
	chmod 755 "$D/local"
	root_lspawn "$D/local"
	run -75 ask U:joe
	[[ $output == "Z 451 4.3.0 Mailbox is unavailable, try again later" ]]
}

@test "lspawn: at most user_concurrency of a user, the next one waits" {
	program=$(fake_local <<-'EOF2'
	#!/bin/bash
	touch "running.$$"
	until [[ -e go ]]; do read -r -t 0.05 <> <(:); done
	printf '2:Kx,'
	EOF2
	)
	root_lspawn "$program" -o user_concurrency=2
	for i in 1 2 3; do
		start as_user "$DELIVER" U:joe get "touch:$D/q/end$i" "@$D/s"
	done
	wait_for at_least 2 "$D/home/joe/running.*"
	touch "$D/home/ann/go"
	run -0 ask U:ann
	[[ $output == "K x" ]]
	[[ $(compgen -G "$D/home/joe/running.*" | wc -l) -eq 2 ]]
	touch "$D/home/joe/go"
	wait_for test -e "$D/q/end1" -a -e "$D/q/end2" -a -e "$D/q/end3"
}

at_least() {
	[[ $(compgen -G "$2" | wc -l) -ge $1 ]]
}

@test "lspawn: who stops his own delivery is killed, and stops nobody else" {
	program=$(fake_local <<-'EOF2'
	#!/bin/bash
	[[ $PWD == *joe ]] && { touch stopped; kill -STOP $$; }
	printf '2:Kx,'
	EOF2
	)
	root_lspawn "$program" -o local_timeout=1
	start as_user sh -c "'$DELIVER' U:joe '@$D/s' >'$D/q/answer'"
	wait_for test -e "$D/home/joe/stopped"
	run -0 ask U:ann
	wait_for grep -q 'D signal=9' "$D/q/answer"
	logged "delivery to 'joe' takes too long and is killed"
}

@test "lspawn: lets deliveries that run end at SIGTERM, and takes no more" {
	program=$(fake_local <<-'EOF2'
	#!/bin/bash
	touch running
	until [[ -e go ]]; do read -r -t 0.05 <> <(:); done
	printf '2:Kx,'
	EOF2
	)
	root_lspawn "$program"
	start as_user sh -c "'$DELIVER' U:joe '@$D/s' >'$D/q/answer'"
	wait_for test -e "$D/home/joe/running"
	pid=$(pgrep -f "^$SMTPD_BIN/smtpd-lspawn -c $D/conf")
	kill -TERM "$pid"
	wait_for refused
	[[ -d /proc/$pid ]]
	touch "$D/home/joe/go"
	wait_for grep -q 'K x' "$D/q/answer"
	wait_for test ! -d "/proc/$pid"
}

refused() {
	[[ $(ask U:joe 2>&1) == *ConnectionRefused* ]]
}

@test "lspawn: a drop that fails defers, one that proves false is a bug" {
	need_strace
	root_lspawn "$SMTPD_BIN/smtpd-local"
	stop_all
	M=$(message)
	for call in setgroups setresgid setresuid; do
		run -75 with_passwd "$D/passwd" "$DELIVER" U:joe "mail:$M" -- \
			strace -f -o /dev/null -e "inject=$call:error=EPERM:when=1" \
			"$SMTPD_BIN/smtpd-lspawn" -c "$D/conf" \
			"$SMTPD_BIN/smtpd-local"
		[[ $output == *"Z 451 4.3.0 "* ]]
	done
	# They seem to work and do nothing; or root comes back.
	for call in setgroups:when=1 setresgid:when=1 setresuid:when=1 \
	    setuid setreuid,setresuid:when=2+ setgid; do
		run -1 with_passwd "$D/passwd" setpriv --groups 4,24 \
			"$DELIVER" U:joe "mail:$M" -- strace -f -o /dev/null \
			-e "inject=${call%%:*}:retval=0${call#"${call%%:*}"}" \
			"$SMTPD_BIN/smtpd-lspawn" -c "$D/conf" \
			"$SMTPD_BIN/smtpd-local"
		[[ $output == *"D exit=101"* ]]
	done
	[[ $(count_in "$D/home/joe") -eq 0 ]]
}

@test "lspawn: a fork that fails defers, and the next one may work" {
	need_strace
	root_lspawn "$SMTPD_BIN/smtpd-local"
	stop_all
	rm "$D/s"
	start with_passwd "$D/passwd" strace -o /dev/null \
		-e inject=clone,clone3,fork,vfork:error=EAGAIN:when=1 \
		"$SMTPD_BIN/smtpd-listen" -m 666 "$D/s" \
		"$SMTPD_BIN/smtpd-lspawn" -c "$D/conf" "$SMTPD_BIN/smtpd-local"
	wait_for test -S "$D/s"
	run -75 ask U:joe "mail:$(message)"
	[[ $output == "Z 451 4.3.0 Delivery cannot start now" ]]
	run -0 ask U:joe "mail:$(message)"
}

@test "lspawn: with mailbox_root it delivers as the user it is" {
	start as_user "$SMTPD_BIN/smtpd-listen" "$D/s" \
		"$SMTPD_BIN/smtpd-lspawn" -c "$D/conf" "$SMTPD_BIN/smtpd-local"
	wait_for test -S "$D/s"
	run -0 ask U:user "mail:$(message)"
	file=$(only_in "$MAIL/user/Maildir/new")
	[[ $(stat -c %a "$file") == 600 ]]
	run -65 ask U:gone "mail:$(message)"
	run -65 ask U:../mail/user "mail:$(message)"
	as_user mv "$MAIL" "$D/away"
	run -75 ask U:user "mail:$(message)"
}

@test "lspawn: serves one connection on descriptor 0 as well" {
	run -0 as_user "$DELIVER" U:user "mail:$(message)" -- \
		"$SMTPD_BIN/smtpd-lspawn" -c "$D/conf" "$SMTPD_BIN/smtpd-local"
	[[ $output == "K 7 maildir - 250 2.0.0 Delivered" ]]
}

@test "lspawn: refuses what cannot be meant" {
	local lspawn=("$SMTPD_BIN/smtpd-lspawn" -c "$D/conf")
	run -100 as_user "${lspawn[@]}" </dev/null
	[[ $output == *"expected one operand, the path of smtpd-local"* ]]
	run -100 as_user "${lspawn[@]}" smtpd-local </dev/null
	run -100 as_user "${lspawn[@]}" "$D/not-there" </dev/null
	[[ $output == *"is not the absolute path of a program" ]]
	run -100 as_user "${lspawn[@]}" -o mailbox_root= \
		"$SMTPD_BIN/smtpd-local" </dev/null
	run -100 as_user "$SMTPD_BIN/smtpd-lspawn" -c "$D/conf" \
		-o mailbox_root= "$SMTPD_BIN/smtpd-local" </dev/null
	[[ $output == *"must run as root"* ]]
	need_root
	run -100 "${lspawn[@]}" "$SMTPD_BIN/smtpd-local" </dev/null
	[[ $output == *"mailbox_root is set: must not run as root" ]]
	configure 'nss_sentinel = root'
	run -100 "${lspawn[@]}" "$SMTPD_BIN/smtpd-local" </dev/null
	[[ $output == *"name another account" ]]
}
