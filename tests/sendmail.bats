#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The sendmail command: its flags, its input, its exit codes.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	chmod 755 "$BATS_TEST_TMPDIR"
	# Without an adviser: the text in the queue is what sendmail made of it.
	SUBMIT=submit:delete,put,top,refuse:$SMTPD_BIN/smtpd-submit
	cat >>"$CONF" <<-EOT
	submitter = $SMTPD_BIN/smtpd-queue user
	EOT
	ME=(-f me)
}

teardown() {
	if [[ -e $BATS_TEST_TMPDIR/pid ]]; then
		kill "$(<"$BATS_TEST_TMPDIR/pid")" 2>/dev/null || true
	fi
}

# mail INPUT FLAG...: INPUT as of printf.
mail() {
	# shellcheck disable=SC2059
	printf "$1" | as_user "$SMTPD_BIN/sendmail" -C "$CONF" "${ME[@]}" "${@:2}"
}

# accepted INPUT FLAG...: and the body and envelope are then shown.
body_of() {
	rm -rf "$Q/new"
	mail "$@"
	queue_tool body "$(only_queued)"
}

envelope_of() {
	rm -rf "$Q/new"
	mail "$@" >&2
	queue_tool frames "$(only_queued)" | grep '^[RS] '
}

# refused STATUS MESSAGE INPUT FLAG...
refused() {
	rm -rf "$Q/new"
	run "-$1" --separate-stderr mail "${@:3}"
	[[ $stderr == *"sendmail: "*"$2"* ]]
	nothing_queued
}

@test "sendmail: a message in, a queued message out, and no word" {
	run -0 --separate-stderr mail 'Subject: x\n\nhello\n' user@example.com
	# The injector, a command here, may write its log line later.
	[[ -z $output && (-z $stderr || $stderr == id=*event=queued*) ]]
	[[ $(queue_tool body "$(only_queued)") == $'Subject: x\r\n\r\nhello\r' ]]
	queue_tool frames "$(only_queued)" | grep -x "C uid=$(as_user id -u)"
	queue_tool frames "$(only_queued)" | grep -x "C entrance=user"
	run -0 --separate-stderr mail x -v user@example.com
	[[ $output == "queued as "* ]]
}

@test "sendmail: LF and CRLF end a line, and the last one gets its end" {
	body_of 'a: b\n\nx\r\ny\n\r\nz' u | cmp - <(
		printf 'a: b\r\n\r\nx\r\ny\r\n\r\nz\r\n')
	body_of '' u | cmp - /dev/null
	body_of '\n' u | cmp - <(printf '\r\n')
	printf 'x: y\n\n%0200000d\n' 0 >"$BATS_TEST_TMPDIR/long"
	rm -r "$Q/new"
	as_user "$SMTPD_BIN/sendmail" -C "$CONF" -f me u <"$BATS_TEST_TMPDIR/long"
	queue_tool body "$(only_queued)" | tr -d '\r' |
		cmp - "$BATS_TEST_TMPDIR/long"
}

@test "sendmail: a lone dot ends the message, but with -i" {
	dots='x: y\n\n..\n.a\n. \n.\nnot this\n'
	text='x: y\r\n\r\n..\r\n.a\r\n. \r\n'
	body_of "$dots" u | cmp - <(printf '%b' "$text")
	body_of 'x: y\r\n\r\n.\r\nz' u | cmp - <(printf 'x: y\r\n\r\n')
	body_of 'x: y\n\n.' u | cmp - <(printf 'x: y\r\n\r\n')
	for flag in -i -oi -ti -mi; do
		body_of "$dots" "$flag" u | cmp - <(
			printf '%b.\r\nnot this\r\n' "$text")
		body_of 'x: y\n\n.' "$flag" u | cmp - <(printf 'x: y\r\n\r\n.\r\n')
	done
}

@test "sendmail: bare CR and NUL are refused, not changed" {
	refused 65 'a CR without LF' 'x\ry\n' u
	refused 65 'a CR without LF' 'x\n\r' u
	refused 65 'a CR without LF' 'x\r\r\n' u
	refused 65 'a CR without LF' 'x\n.\r.\n' u
	refused 65 'a NUL' 'x\000y\n' u
	refused 65 'a NUL' '\n\000' -t u
}

@test "sendmail: an mbox line on top is no header" {
	body_of 'From joe Mon Jan 1\nX: y\n\nFrom z\n' u | cmp - <(
		printf 'X: y\r\n\r\nFrom z\r\n')
}

@test "sendmail: recipients as arguments, with names and commas" {
	diff - <(envelope_of 'x\n' 'a@example.com,b@client.example' \
		'"X, Y" <c@example.org>' 'd@client.example (comment)' \
		'grp: e, f;' root A@example.com a@example.com \
		'"q s"@example.com' 'undisclosed:;' '<@h,@i:g@client.example>') \
		<<-EOT
	S <me@example.com>
	R local <a@example.com>
	R remote <b@client.example>
	R local <c@example.org>
	R remote <d@client.example>
	R local <e@example.com>
	R local <f@example.com>
	R local <root@example.com>
	R local <A@example.com>
	R local <"q s"@example.com>
	R remote <g@client.example>
	EOT
	diff - <(envelope_of 'x\n' -- -dash) <<-EOT
	S <me@example.com>
	R local <-dash@example.com>
	EOT
}

@test "sendmail: what is no address is refused" {
	for bad in 'a b' '<a' 'a>' 'a@b@c' '@example.com' 'a@' 'a@exa_mple.com' \
	    '"a' 'a (b' 'a@[1.2.3' $'a\nb' 'ö@example.com' '"|rm"|' 'a;b' \
	    "$(printf '%065d' 0)"; do
		refused 65 'malformed address on the command line' 'x\n' "$bad"
		refused 65 'malformed address as sender' 'x\n' -f "$bad" u
	done
	refused 65 'malformed address on the command line' 'x\n' '<>'
	refused 65 'not one sender' 'x\n' -f 'a, b' u
	refused 65 'malformed address in the header' 'To: good@example.com, a b\n\n' -t
	refused 65 'malformed address in the header' 'To: x\nBcc: a b\n\n' -t
}

@test "sendmail: -t reads To, Cc and Bcc, and takes Bcc out" {
	input='From: z\nto: "Doe, J." <j@example.com>,\n u (x, y),\nX-To: no\n'
	input+='BCC : s1,\n\ts2\nCc: g: h, i;\nbcc:\nSubject: To: z\n\nTo: no\n'
	diff - <(envelope_of "$input" -t extra) <<-EOT
	S <me@example.com>
	R local <extra@example.com>
	R local <j@example.com>
	R local <u@example.com>
	R local <s1@example.com>
	R local <s2@example.com>
	R local <h@example.com>
	R local <i@example.com>
	EOT
	queue_tool body "$(only_queued)" | tr -d '\r' | diff - <(
		printf '%b' "${input/BCC*s2\\n/}" | sed '/^bcc:/d')
	# without -t nothing is taken, nor taken out
	body_of 'To: a@x.example\nBcc: b\n\n' u | grep '^Bcc: b'
	refused 64 'no recipients in To, Cc and Bcc' 'Subject: x\n\nTo: a\n' -t
	refused 64 'no recipients in To' 'To: undisclosed-recipients:;\n\n' -t
	refused 64 'no recipients: name some, or use -t' 'To: a\n\n'
}

@test "sendmail: -t reads long fields whole" {
	{
		echo 'To: first,'
		for n in {1..998}; do
			echo "	Somebody Whose Name Is Long <user$n@example.com>,"
		done
		echo '	last'
		echo
	} >"$BATS_TEST_TMPDIR/long"
	as_user "$SMTPD_BIN/sendmail" -C "$CONF" -f me -t \
		<"$BATS_TEST_TMPDIR/long"
	[[ $(queue_tool frames "$(only_queued)" | grep -c '^R ') -eq 1000 ]]
	rm -r "$Q/new"
	sed 's/last/last, one-more/' "$BATS_TEST_TMPDIR/long" \
		>"$BATS_TEST_TMPDIR/longer"
	run -69 --separate-stderr as_user "$SMTPD_BIN/sendmail" -C "$CONF" \
		-f me -t <"$BATS_TEST_TMPDIR/longer"
	[[ $stderr == *"too many recipients"* ]]
	nothing_queued
}

@test "sendmail: -t of a message sent again takes the newest Resent- block" {
	input='Resent-From: me\nResent-To: new1\nResent-Cc: new2\n'
	input+='Resent-Bcc: new3\nResent-From: you\nResent-To: old\n'
	input+='Resent-Bcc: old2\nFrom: x\nTo: oldest\nBcc: oldest2\n\n'
	diff - <(envelope_of "$input" -t) <<-EOT
	S <me@example.com>
	R local <new1@example.com>
	R local <new2@example.com>
	R local <new3@example.com>
	EOT
	queue_tool body "$(only_queued)" | grep -aic bcc | grep -x 0
}

@test "sendmail: the sender is -f or -r, else the account" {
	diff - <(envelope_of 'x\n' -f 'Joe <joe@client.example>' u) <<-EOT
	S <joe@client.example>
	R local <u@example.com>
	EOT
	envelope_of 'x\n' -rjoe u | grep -x 'S <joe@example.com>'
	for null in '<>' ''; do
		envelope_of 'x\n' -f "$null" u | grep -x 'S <>'
	done
	envelope_of 'x\n' -B8BITMIME u | grep -x 'S <me@example.com> BODY=8BITMIME'
	envelope_of 'x\n' -B 7bit u | grep -x 'S <me@example.com> BODY=7BIT'
	ME=()
	if [[ $(id -u) -eq 0 ]]; then
		refused 67 'has no account' 'x\n' u
	fi
	[[ $(id -u) -eq 0 ]] || return 0
	become 65534
	chown -R 65534:65534 "$BATS_TEST_TMPDIR"
	envelope_of 'x\n' u | grep -x "S <$(as_user id -un)@example.com>"
}

@test "sendmail: root may send, as root" {
	[[ $(id -u) -eq 0 ]] || skip_loudly "needs root"
	sock=$BATS_TEST_TMPDIR/s
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" -m 666 "$sock" \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" user "$SUBMIT" \
		2>"$BATS_TEST_TMPDIR/log" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for test -S "$sock"
	"$SMTPD_BIN/sendmail" -FCronDaemon -i -odi -oem -oi -t -c "$CONF" \
		-o "submitter=$sock" <<-EOT
	From: root (Cron Daemon)
	To: root
	Subject: cron
	EOT
	queue_tool frames "$(only_queued)" | grep -x "C uid=0"
	queue_tool frames "$(only_queued)" | grep -x "S <root@example.com>"
	queue_tool frames "$(only_queued)" | grep -x "R local <root@example.com>"
}

@test "sendmail: the full name is -F, or the account's" {
	from_of() {
		rm -rf "$Q/new"
		mail "$1" -o "submitter=$SMTPD_BIN/smtpd-queue user $SUBMIT" "${@:2}"
		queue_tool body "$(only_queued)" | sed -n 's/\r$//; s/^From: //p'
	}
	[[ $(from_of 'x\n' -F 'Joe U' u) == "Joe U <me@example.com>" ]]
	[[ $(from_of 'x\n' -F $'a\nBcc: b' u) == '"a Bcc: b" <me@example.com>' ]]
	[[ $(from_of 'x\n' -F '' u) == "<me@example.com>" ]]
	[[ $(id -u) -eq 0 ]] || return 0
	become 65534
	chown -R 65534:65534 "$BATS_TEST_TMPDIR"
	name=$(getent passwd 65534 | cut -d: -f5 | cut -d, -f1)
	[[ $(from_of 'x\n' u) == "${name:+$name }<me@example.com>" ]]
}

@test "sendmail: flags of long ago are taken, alone, together and apart" {
	for flags in -oem -oee '-om -oi' -odb -oMrESMTP '-O DeliveryMode=b' \
	    '-p ESMTP' '-h 20' '-L tag' '-X /nowhere' '-A c' -Ac -G -U -n -m -v \
	    '-N never' '-R hdrs' '-V id' '-e m' -em -d0.1 '-D /x' -bm -iGm \
	    -itfroot -ti '-iF name'; do
		# shellcheck disable=SC2086
		run -0 mail 'To: u\n\n' $flags u
	done
}

@test "sendmail: modes that it does not have are refused" {
	for mode in -bd -bD -bt -bv -ba -bh; do
		refused 64 "$mode" 'x\n' "$mode" u
	done
	refused 64 '-b: option requires an argument' 'x\n' -b
	refused 64 '-z: unknown option' 'x\n' -z u
	refused 64 '-F: option requires an argument' 'x\n' -f u -F
	refused 64 'not 7BIT or 8BITMIME' 'x\n' -BASCII u
}

@test "sendmail: -q, -bi and newaliases have nothing to do" {
	for flag in -q -q15m -bi -I -bs\ -q; do
		# shellcheck disable=SC2086
		run -0 mail 'x\n' $flag
		[[ -z $output ]]
	done
	ln -s "$SMTPD_BIN/sendmail" "$BATS_TEST_TMPDIR/newaliases"
	run -0 as_user "$BATS_TEST_TMPDIR/newaliases" </dev/null
	nothing_queued
}

@test "sendmail: 75 when the injector is away or has no room" {
	refused 75 "cannot reach '/nonexistent'" 'x\n' -o submitter=/nonexistent u
	refused 75 'not queued: ' 'x\n' -o submitter=/bin/true u
	printf '#!/bin/sh\nexec cat >/dev/null\n' >"$BATS_TEST_TMPDIR/mute"
	chmod 755 "$BATS_TEST_TMPDIR/mute"
	refused 75 'no answer in time' 'x\n' \
		-o helper_timeout=1 -o "submitter=$BATS_TEST_TMPDIR/mute" u
	refused 75 '452 4.3.1 Insufficient system storage' 'x\n' \
		-o min_free=1024G u 2>/dev/null
	python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$BATS_TEST_TMPDIR/dead"
	chmod 777 "$BATS_TEST_TMPDIR/dead"
	refused 75 'Connection refused' 'x\n' \
		-o "submitter=$BATS_TEST_TMPDIR/dead" u
}

@test "sendmail: 75 when the settings are wrong: the mail is not" {
	run -75 mail 'x\n' -C /nonexistent u
	run -75 mail 'x\n' -o nosuch=1 u
	[[ $output == *nosuch* ]]
}

# answer FRAMES [COMMAND]: from an injector that says this at once, and then
# runs the command; and the flags that make it ours.
answer() {
	printf '#!/bin/bash\nprintf %%s %q\n%s\n' "$1" "${2-cat >/dev/null}" \
		>"$BATS_TEST_TMPDIR/down"
	chmod 755 "$BATS_TEST_TMPDIR/down"
	flags=(-o "submitter=$BATS_TEST_TMPDIR/down" u)
}

HELLO='1:W,'

# with_answer REPLY: as X, behind a greeting.
with_answer() {
	answer "$HELLO$((${#1} + 1)):X$1,"
}

@test "sendmail: refusals have their exit codes" {
	with_answer '550 5.1.1 No such user'
	refused 67 'refused: 550 5.1.1' 'x\n' "${flags[@]}"
	with_answer '550 5.7.1 Not you'
	refused 77 'refused: 550 5.7.1' 'x\n' "${flags[@]}"
	with_answer '554 5.6.0 Not this'
	refused 69 'refused: 554 5.6.0' 'x\n' "${flags[@]}"
	with_answer 554 # is no whole reply
	refused 75 'malformed answer' 'x\n' "${flags[@]}"
}

@test "sendmail: one that wants to be asked need not be: it may say no later" {
	answer "4:Wask,23:K0123456789abcdef012345,"
	run -0 --separate-stderr mail 'x\n' -v "${flags[@]}"
	[[ $output == 'queued as 0123456789abcdef012345' ]]
}

@test "sendmail: a refusal is read although the text could not be written" {
	head -c 3000000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/big"
	for frames in "$HELLO" ''; do
		answer "${frames}23:X550 5.7.1 Not from you," :
		run -77 --separate-stderr as_user "$SMTPD_BIN/sendmail" \
			-C "$CONF" -f me "${flags[@]}" <"$BATS_TEST_TMPDIR/big"
		[[ $stderr == *'refused: 550 5.7.1 Not from you'* ]]
	done
}

@test "sendmail: 75 when the answer is malformed" {
	for frames in '1:W,' "$HELLO" '1:Q,' "${HELLO}1:D," x "${HELLO}1:"; do
		answer "$frames" :
		refused 75 'not queued: ' 'x\n' "${flags[@]}"
		answer "$frames"
		refused 75 'not queued: ' 'x\n' -o helper_timeout=1 \
			"${flags[@]}"
	done
}

@test "sendmail: a message over max_size is 65" {
	head -c 70000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/big"
	run -65 --separate-stderr as_user "$SMTPD_BIN/sendmail" -C "$CONF" -f me \
		-o max_size=65536 u <"$BATS_TEST_TMPDIR/big"
	[[ $stderr == *"larger than max_size, 65536"* ]]
	nothing_queued
}

@test "sendmail: nothing is dialled before the message is there" {
	needs_strace
	mkfifo "$BATS_TEST_TMPDIR/in"
	as_user bash -c 'exec strace -f -qq -e trace=execve,socket,socketpair,read \
		-o "$0" "$@"' "$BATS_TEST_TMPDIR/trace" "$SMTPD_BIN/sendmail" \
		-C "$CONF" -f me u <"$BATS_TEST_TMPDIR/in" 3>&- &
	exec 5>"$BATS_TEST_TMPDIR/in"
	echo hello >&5
	wait_for grep 'read(0, "hello' "$BATS_TEST_TMPDIR/trace"
	run -1 grep socketpair "$BATS_TEST_TMPDIR/trace"
	exec 5>&-
	wait $!
	grep socketpair "$BATS_TEST_TMPDIR/trace"
	only_queued
}

@test "sendmail: -bs becomes the session beside it, in its local role" {
	cp "$SMTPD_BIN/sendmail" "$BATS_TEST_TMPDIR/sendmail"
	cat >"$BATS_TEST_TMPDIR/smtpd-session" <<-'EOT'
	#!/bin/sh
	printf '%s\n' "$@"
	cat
	EOT
	chmod 755 "$BATS_TEST_TMPDIR/smtpd-session"
	run -0 as_user "$BATS_TEST_TMPDIR/sendmail" -bs -oi -C "$CONF" \
		-o hostname=x.example <<<QUIT
	[[ $output == "-c"$'\n'"$CONF"$'\n-o\nhostname=x.example\nlocal\nQUIT' ]]
	chmod 644 "$BATS_TEST_TMPDIR/smtpd-session"
	run -75 as_user "$BATS_TEST_TMPDIR/sendmail" -bs -C "$CONF" </dev/null
	[[ $output == *"cannot run '/"* ]]
}

@test "sendmail: -bs takes mail to anywhere, for the user who calls it" {
	run -0 --separate-stderr as_user "$SMTPD_BIN/sendmail" -bs -C "$CONF" \
		-o rcpt=/nonexistent -o injector=/nonexistent \
		-o "submitter=$SMTPD_BIN/smtpd-queue user $SUBMIT" <<-EOT
	EHLO me$(printf '\r')
	MAIL FROM:<me@example.com>$(printf '\r')
	RCPT TO:<x@client.example>$(printf '\r')
	RCPT TO:<user@example.com>$(printf '\r')
	DATA$(printf '\r')
	Subject: x$(printf '\r')
	$(printf '\r')
	hello$(printf '\r')
	.$(printf '\r')
	QUIT$(printf '\r')
	EOT
	[[ $output == *"250 2.0.0 Message accepted"* ]]
	file=$(only_queued)
	queue_tool frames "$file" | grep -x "C uid=$(as_user id -u)"
	diff - <(queue_tool frames "$file" | grep '^[SR] ') <<-EOT
	S <me@example.com>
	R remote <x@client.example>
	R local <user@example.com>
	EOT
	queue_tool body "$file" | grep '^Message-ID: '
}

@test "sendmail: the session's local role is not for clients on the network" {
	run -100 as_user "$SMTPD_BIN/smtpd-session" -c "$CONF" relay </dev/null
	[[ $output == *"'relay' is not a role"* ]]
	run -0 as_user python3 - "$SMTPD_BIN/smtpd-session" "$CONF" <<-'PY'
	import socket, subprocess, sys
	listener = socket.create_server(("127.0.0.1", 0))
	client = socket.create_connection(listener.getsockname())
	server, _ = listener.accept()
	p = subprocess.run([sys.argv[1], "-c", sys.argv[2], "local"],
	    stdin=server, stdout=server, stderr=subprocess.PIPE)
	server.close()
	assert p.returncode == 100 and b"not a local user" in p.stderr, p
	assert client.recv(100).startswith(b"421 4.3.0"), "no farewell"
	PY
}

@test "sendmail: -bp and mailq show the queue to those who may see it" {
	run -0 as_user "$SMTPD_BIN/sendmail" -C "$CONF" -bp
	[[ $output == "The queue is empty" ]]
	ENTRANCE=user
	run -0 inject C:version=1 'S:<me@example.com>' \
		'R:remote <x@client.example>' 'R:local <"a b"@example.com>' B:hello E
	id=$(sed -n 's/^K //p' <<<"$output")
	run -0 inject "${MAIL[@]}"
	as_user bash -c 'd=$0/new/f; mkdir -p "$d"
		: >"$d/0123456789abcdef01234f"; : >"$d/x"
		chmod 200 "$d/0123456789abcdef01234f"' "$Q"
	run -0 --separate-stderr as_user "$SMTPD_BIN/sendmail" -C "$CONF" -bp
	[[ ${lines[1]} =~ ^$id\*\ +5\ +20[0-9-]+T[0-9:]+Z\ +\<me@example.com\>$ ]]
	[[ ${lines[2]} =~ ^\ +\<x@client.example\>$ ]]
	[[ ${lines[3]} =~ ^\ +\<\"a\ b\"@example.com\>$ ]]
	[[ ${lines[-1]} == "2 messages, 26 octets" ]]
	ln -s "$SMTPD_BIN/sendmail" "$BATS_TEST_TMPDIR/mailq"
	shown=$output
	run -0 --separate-stderr as_user "$BATS_TEST_TMPDIR/mailq" -C "$CONF"
	[[ $output == "$shown" ]]
	[[ $(id -u) -eq 0 ]] || return 0
	run -0 --separate-stderr "$SMTPD_BIN/sendmail" -C "$CONF" -bp
	[[ $output == "$shown" ]]
	become 61234
	run -77 --separate-stderr as_user "$SMTPD_BIN/sendmail" -C "$CONF" -bp
	[[ $stderr == *"only root and the owner"* ]]
}

@test "sendmail: -bp leaves out who has got it, and says what came last" {
	ENTRANCE=user
	words=()
	for n in {0..6}; do
		words+=("R:local <r$n@example.com>")
	done
	run -0 inject C:version=1 'S:<me@example.com>' "${words[@]}" B:hello E
	python3 - "$SMTPD_TOP/tests/tools" "$(only_queued)" "$Q" <<-'EOT'
	import os, sys
	sys.path.insert(0, sys.argv[1])
	from queuefile import crc32c
	ident = os.path.basename(sys.argv[2])
	nonce = open(sys.argv[2], "rb").read()[-98:].split()[5].decode()
	shard = "%s/msg/%s/" % (sys.argv[3], ident[-1])
	os.makedirs(shard)
	os.rename(sys.argv[2], shard + ident)
	records = ["log 1 %s %s" % (ident, nonce)]
	for n in range(6):
	    records.append("rcpt %d %d user r <r%d@example.com>" % (n + 10, n, n))
	records += [
	    "rcpt 20 2 remote <x@client.example>",
	    "done 10 1 1 250 2.0.0 Delivered",
	    "deferred 11 1 1 451 4.3.0 First",
	    "deferred 11 2 1 451 4.3.0 Later \x07",
	    "done 12 1 1 250 2.0.0 Delivered",
	    "failed 13 1 1 550 5.1.1 Gone",
	    "done 15 1 1 250 2.0.0 Delivered",
	    "refused 6 1 1 550 5.1.1 Nobody",
	    "held crash"]
	with open(shard + ident + ".log", "w") as f:
	    for r in records:
	        f.write("%08x %s\n" % (crc32c(r.encode()), r))
	    f.write("deadbeef done 14 1 1 250 torn")
	EOT
	chown -R --reference="$Q" "$Q"/*
	run -0 --separate-stderr as_user "$SMTPD_BIN/sendmail" -C "$CONF" -bp
	diff - <(sed '1,2d; $d; s/^ *//' <<<"$output") <<-EOT
	<r1@example.com>
	(451 4.3.0 Later ?)
	<r2@example.com>
	<r3@example.com>
	(550 5.1.1 Gone)
	<r4@example.com>
	<r6@example.com>
	(550 5.1.1 Nobody)

	EOT
	[[ ${lines[1]} == [0-9a-f]*"!         5 "* ]]
	# another file's log says nothing
	log=$(find "$Q/msg" -name '*.log')
	sed -i '1y/0123456789abcdef/123456789abcdef0/' "$log"
	run -0 --separate-stderr as_user "$SMTPD_BIN/sendmail" -C "$CONF" -bp
	[[ $(grep -c '<r.@' <<<"$output") -eq 7 ]]
}

@test "sendmail: root reads the queue as its owner" {
	needs_strace
	[[ $(id -u) -eq 0 ]] || skip_loudly "needs root"
	run -0 inject "${MAIL[@]}"
	strace -f -qq -o "$BATS_TEST_TMPDIR/trace" "$SMTPD_BIN/sendmail" \
		-C "$CONF" -bp
	sed -n '/setresuid/,/openat.*new/p' "$BATS_TEST_TMPDIR/trace" |
		grep "setresuid($TEST_UID, $TEST_UID, $TEST_UID) *= 0"
	chown root "$Q"
	run -77 "$SMTPD_BIN/sendmail" -C "$CONF" -bp
}
