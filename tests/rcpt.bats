#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-rcpt: who exists, who gets the mail, and nobody unknown by accident.

load lib/smtpd
load lib/delivery

LOAD=$SMTPD_TOP/tests/tools/rcpt-load.py

setup() {
	setup_delivery
}

teardown() {
	stop_all
}

rcpt() {
	as_user "$DELIVER" "$@" -- "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf"
}

# One that others connect to, at $D/s.
serve() {
	start as_user "$SMTPD_BIN/smtpd-listen" "$D/s" \
		"$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" "$@"
	wait_for test -S "$D/s"
}

ask() {
	as_user "$DELIVER" "$@" "@$D/s"
}

answers() {
	local got
	got=$(ask "$1" 2>&1) || true
	[[ $got == "$2" ]] || { printf '%s: %s\n' "$1" "$got"; return 1; }
}

readonly UNKNOWN="X 550 5.1.1 No such mailbox"
readonly CANNOT="Z 451 4.3.0 Recipient cannot be looked up now"

@test "rcpt: the folders of mailbox_root are mailboxes, in any case" {
	run -0 rcpt 'Q:<user@example.com>' 'Q:<USER@EXAMPLE.org>' \
		'Q:<user+detail@example.com>' 'Q:<User+a+b@example.com>' \
		'Q:<"user"@example.com>' 'Q:<postmaster>' 'Q:<PostMaster>'
	[[ $output == $'K \nK \nK \nK \nK \nK \nK ' ]]
}

@test "rcpt: who is not there is unknown" {
	run -65 rcpt 'Q:<nobody@example.com>' 'Q:<user.x@example.com>' \
		'Q:<+user@example.com>' 'Q:<us@example.com>'
	[[ $output == "$UNKNOWN"$'\n'"$UNKNOWN"$'\n'"$UNKNOWN"$'\n'"$UNKNOWN" ]]
}

@test "rcpt: odd names are unknown and never touch the file system" {
	as_user mkdir "$MAIL/.hidden" "$MAIL/a b" "$MAIL/-c"
	printf -v long '%065d' 0
	local q='"' names=('..' '.' '.hidden' 'user/../user' '/etc' 'a b' ''
		'user\x' '-c' 'a:b') words=() n
	for n in "${names[@]}"; do
		words+=("Q:<$q${n//\\/\\\\}$q@example.com>")
	done
	run -65 rcpt "${words[@]}"
	[[ ${#lines[@]} -eq ${#names[@]} ]]
	for n in "${lines[@]}"; do
		[[ $n == "$UNKNOWN" ]]
	done
	run -65 rcpt "Q:<$long@example.com>"
	[[ $output == "X 553 5.1.3 Bad recipient address" ]]
	need_strace
	run -65 as_user "$DELIVER" "${words[@]:0:6}" -- strace -f -o "$D/trace" \
		"$SMTPD_BIN/smtpd-rcpt" -c "$D/conf"
	run -1 grep -F '/mail/.' "$D/trace"
	run -1 grep -F '/mail/user/' "$D/trace"
	run -1 grep -F '/mail/a' "$D/trace"
}

@test "rcpt: a file in mailbox_root is no mailbox" {
	as_user touch "$MAIL/file"
	run -65 rcpt 'Q:<file@example.com>'
}

@test "rcpt: expands a user to himself, an alias to its ends, once each" {
	aliases <<-EOF
	team: user, remote@elsewhere.test, all
	all: user+x@example.org, Remote@elsewhere.test, user, gone
	EOF
	run -0 rcpt 'L:<User+x@example.org>' 'L:<team@example.com>'
	[[ $output == 'T user user <User+x@example.org>
K 
T user user <user@example.com>
T remote <remote@elsewhere.test>
T user user <user+x@example.org>
T user gone <gone@example.com>
K ' ]]
}

@test "rcpt: an alias that lists itself means the mailbox" {
	aliases <<-EOF
	user: user, copy@elsewhere.test
	EOF
	run -0 rcpt 'L:<user@example.com>' 'L:<user+x@example.com>'
	[[ $output == 'T user user <user@example.com>
T remote <copy@elsewhere.test>
K 
T user user <user@example.com>
T remote <copy@elsewhere.test>
K ' ]]
}

@test "rcpt: the whole address counts before the name, the name before the base" {
	aliases <<-EOF
	info: a@elsewhere.test
	info@example.org: b@elsewhere.test
	info+x: c@elsewhere.test
	EOF
	run -0 rcpt 'L:<info@example.com>' 'L:<INFO@Example.Org>' \
		'L:<info+x@example.com>' 'L:<info+y@example.org>'
	[[ $output == 'T remote <a@elsewhere.test>
K 
T remote <b@elsewhere.test>
K 
T remote <c@elsewhere.test>
K 
T remote <b@elsewhere.test>
K ' ]]
}

@test "rcpt: an alias of which nothing is left is unknown" {
	aliases <<-EOF
	old: gone, left
	half: gone, user
	EOF
	run -65 rcpt 'Q:<half@example.com>' 'Q:<old@example.com>' \
		'L:<old@example.com>'
	[[ $output == 'K '$'\n'"$UNKNOWN"$'\n'"$UNKNOWN" ]]
}

@test "rcpt: a thousand recipients of one alias, and all of them answered" {
	{
		printf 'list: r0@elsewhere.test'
		for ((i = 1; i < 1000; i++)); do
			printf ',\n r%d@elsewhere.test' "$i"
		done
		echo
	} | aliases
	rcpt 'L:<list@example.com>' 'Q:<user@example.com>' >"$D/out"
	[[ $(grep -c '^T remote <r[0-9]*@elsewhere.test>$' "$D/out") -eq 1000 ]]
	[[ $(sort -u "$D/out" | wc -l) -eq 1001 ]]
	[[ $(tail -n 1 "$D/out") == 'K ' ]]
}

@test "rcpt: frames it does not know" {
	run -0 rcpt 'z:whatever' 'G:x' 'Q:user@example.com' 'Q:<user@' \
		'Q:<user@example.com> x' 'Q:<user@example.com>'
	[[ $output == 'X 554 5.5.0 Unknown request
X 553 5.1.3 Bad recipient address
X 553 5.1.3 Bad recipient address
X 553 5.1.3 Bad recipient address
K ' ]]
}

@test "rcpt: what is no frame ends the conversation" {
	run -1 rcpt 'raw:GET / HTTP/1.0'
	[[ $output == *"cannot read a request"*"exit status 111"* ]]
}

@test "rcpt: an empty mailbox_root is out of reach, not full of unknowns" {
	serve
	wait_for answers 'Q:<user@example.com>' 'K '
	answers 'Q:<nobody@example.com>' "$UNKNOWN"
	as_user mv "$MAIL" "$D/away"
	answers 'Q:<user@example.com>' "$CANNOT"
	as_user mkdir "$MAIL"
	answers 'Q:<user@example.com>' "$CANNOT"
	answers 'L:<user@example.com>' "$CANNOT"
}

@test "rcpt: refuses root, operands, and a configuration that is wrong" {
	if [[ $(id -u) -eq 0 ]]; then
		run -100 "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" </dev/null
		[[ $output == *"must not run as root"* ]]
	fi
	run -100 as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" x </dev/null
	configure "mailbox_rot = $MAIL"
	run -100 as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" </dev/null
	[[ $output == *"conf:5: "*"mailbox_root"* ]]
}

@test "rcpt: refuses to start when postmaster has no place" {
	as_user rmdir "$MAIL/postmaster"
	run -100 as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" </dev/null
	[[ $output == *"aliases: postmaster@example.com is neither an alias nor a mailbox" ]]
	aliases <<<$'\npostmaster: gone'
	run -100 as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" </dev/null
	[[ $output == *"aliases:2: postmaster@example.com leads to no recipient" ]]
	aliases <<<$'postmaster: user\npostmaster@example.org: gone'
	run -100 as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" </dev/null
	[[ $output == *"aliases:2: postmaster@example.org leads to no recipient" ]]
	aliases <<<$'postmaster: user'
	run -0 as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" </dev/null
	aliases <<<$'postmaster: admin@elsewhere.test'
	run -0 as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" </dev/null
}

@test "rcpt: a missing aliases file is trouble, none configured is none" {
	rm "$D/aliases"
	run -111 as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" </dev/null
	[[ $output == *"cannot read '$D/aliases': No such file or directory" ]]
	run -0 as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" -o aliases= </dev/null
}

# --- system users -------------------------------------------------------------

system_rcpt() {
	with_passwd "$D/passwd" setpriv --reuid="$TEST_UID" \
		--regid="$TEST_UID" --clear-groups -- "$DELIVER" "$@" -- "$SMTPD_BIN/smtpd-rcpt" \
		-c "$D/conf"
}

@test "rcpt: system users from min_uid on, in any case, and nobody else" {
	need_mounts
	make_users
	configure
	aliases <<<'postmaster: joe'
	run -0 system_rcpt 'L:<joe@example.com>' 'L:<JOE+x@example.org>' \
		'L:<joe+fan@example.com>' 'L:<Sue@example.com>'
	[[ $output == 'T user joe <joe@example.com>
K 
T user joe <JOE+x@example.org>
K 
T user joe+fan <joe+fan@example.com>
K 
T user Sue <Sue@example.com>
K ' ]]
	run -65 system_rcpt 'Q:<root@example.com>' 'Q:<toor@example.com>' \
		'Q:<www-data@example.com>' 'Q:<nobody@example.com>' \
		'Q:<daemon+x@example.com>' 'Q:<jo@example.com>'
	[[ ${#lines[@]} -eq 6 ]]
	for l in "${lines[@]}"; do
		[[ $l == "$UNKNOWN" ]]
	done
}

@test "rcpt: a system account has mail through an alias alone" {
	need_mounts
	make_users
	configure
	aliases <<-EOF
	postmaster: root
	root: joe
	daemon: www-data
	EOF
	run -65 system_rcpt 'L:<root@example.com>' 'Q:<postmaster>' \
		'Q:<daemon@example.com>'
	[[ $output == 'T user joe <joe@example.com>
K 
K 
X 550 5.1.1 No such mailbox' ]]
}

@test "rcpt: when NSS cannot read, nobody is unknown" {
	need_mounts
	make_users
	configure
	aliases <<<'postmaster: admin@elsewhere.test'
	start with_passwd "$D/passwd" setpriv --reuid="$TEST_UID" \
		--regid="$TEST_UID" --clear-groups "$SMTPD_BIN/smtpd-listen" \
		"$D/s" "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf"
	wait_for test -S "$D/s"
	wait_for answers 'Q:<joe@example.com>' 'K '
	answers 'Q:<jim@example.com>' "$UNKNOWN"
	chmod 000 "$D/passwd"
	answers 'Q:<joe@example.com>' "$CANNOT"
	answers 'Q:<jim@example.com>' "$CANNOT"
	answers 'L:<joe+x@example.com>' "$CANNOT"
	# Truncated, as by a full disk: it can be read and nobody is in it.
	: >"$D/passwd"
	chmod 644 "$D/passwd"
	answers 'Q:<joe@example.com>' "$CANNOT"
	make_users
	answers 'Q:<joe@example.com>' 'K '
}

@test "rcpt: the sentinel decides, whatever its name" {
	need_mounts
	make_users
	configure 'nss_sentinel = ann'
	aliases <<<'postmaster: joe'
	run -65 system_rcpt 'Q:<jim@example.com>'
	configure 'nss_sentinel = no-such-account'
	run -1 system_rcpt 'Q:<joe@example.com>' 'Q:<jim@example.com>'
	[[ $output == *"account 'no-such-account' does not exist"*"exit status 111"* ]]
	configure 'nss_sentinel = root'
	run -1 system_rcpt 'Q:<joe@example.com>'
	[[ $output == *"nss_sentinel: 'root' is found even"*"exit status 100"* ]]
}

@test "rcpt: does not start, for now, while postmaster cannot be looked up" {
	need_mounts
	make_users
	configure
	aliases <<<'postmaster: joe'
	chmod 000 "$D/passwd"
	run system_rcpt 'Q:<joe@example.com>'
	[[ $output == *"account 'daemon' does not exist, or"*"exit status 111"* ]]
}

@test "rcpt: min_uid is a setting" {
	need_mounts
	make_users
	configure 'min_uid = 61002'
	aliases <<<'postmaster: ann'
	run -65 system_rcpt 'Q:<ann@example.com>' 'Q:<joe@example.com>'
	[[ $output == 'K '$'\n'"$UNKNOWN" ]]
	# However low: never root, never nobody.
	configure 'min_uid = 1'
	run -0 system_rcpt 'Q:<nobody@example.com>' 'Q:<root@example.com>' \
		'Q:<daemon@example.com>'
	[[ $output == "$UNKNOWN"$'\n'"$UNKNOWN"$'\nK ' ]]
}

# --- the loop -----------------------------------------------------------------

@test "rcpt: answers many connections, all open at once" {
	serve -o max_sessions=200
	as_user "$LOAD" "$D/s" many 250
}

@test "rcpt: answers pipelined requests in order, also after half a close" {
	serve
	as_user "$LOAD" "$D/s" \
		pipeline 3000
}

long_list() {
	{
		printf 'list: user'
		for ((i = 1; i < 900; i++)); do
			printf ', a-rather-long-name-%d@elsewhere.test' "$i"
		done
		echo
	} | aliases
}

@test "rcpt: a client that reads late gets all answers" {
	long_list
	serve
	as_user "$LOAD" "$D/s" slow 40
}

@test "rcpt: a client that reads nothing stops nobody, and is dropped" {
	long_list
	serve -o helper_timeout=1
	as_user "$LOAD" "$D/s" deaf 20
	grep -q 'does not read its answers' "$D/log"
}

@test "rcpt: a client that talks nonsense loses its own connection" {
	serve
	as_user "$LOAD" "$D/s" \
		nonsense 0
}

@test "rcpt: beyond the limit the connection idle longest goes" {
	serve -o max_sessions=1
	as_user "$LOAD" "$D/s" crowd 65
	grep -q 'idle longest' "$D/log"
}

@test "rcpt: goes on when descriptors are few" {
	start as_user prlimit --nofile=40:40 "$SMTPD_BIN/smtpd-listen" \
		"$D/s" "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" -o max_sessions=200
	wait_for test -S "$D/s"
	as_user "$LOAD" "$D/s" crowd 8
	grep -q 'raise the limit of descriptors' "$D/log"
}

@test "rcpt: a changed aliases file counts, a wrong one does not" {
	aliases <<<'news: user'
	serve
	wait_for answers 'Q:<news@example.com>' 'K '
	answers 'Q:<info@example.com>' "$UNKNOWN"
	aliases <<<'info: user'
	wait_for answers 'Q:<info@example.com>' 'K '
	answers 'Q:<news@example.com>' "$UNKNOWN"
	aliases <<<$'info: user\nbad line'
	wait_for answered_and_logged "aliases:2: .* the old aliases stay"
	answers 'Q:<info@example.com>' 'K '
	aliases <<<$'info: user\npostmaster: gone'
	wait_for answered_and_logged "aliases:2: .*leads to no recipient: the old"
	answers 'Q:<info@example.com>' 'K '
	rm "$D/aliases"
	answers 'Q:<info@example.com>' 'K '
	aliases <<<'more: user'
	wait_for answers 'Q:<more@example.com>' 'K '
}

# It looks at the file when somebody asks.
answered_and_logged() {
	ask 'Q:<info@example.com>'
	grep -q "$1" "$D/log"
}

closed() {
	[[ $(ask 'Q:<user@example.com>' 2>&1) == *ConnectionRefused* ]]
}

@test "rcpt: ends at SIGTERM" {
	serve
	wait_for answers 'Q:<user@example.com>' 'K '
	kill -TERM -- "-${PIDS[0]}"
	wait_for closed
}
