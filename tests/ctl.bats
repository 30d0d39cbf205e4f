#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-ctl: the operator looks at the queue and tells smtpd-send.

setup() {
	load lib/smtpd
	setup_dir
	load lib/send
	send_setup
	CTL=("$SMTPD_BIN/smtpd-ctl" -c "$D/conf" -o "confine=kill"
		-o "queue=$D/queue" -o "control=$D/control")
	if [[ -n ${SMTPD_ASAN-} ]]; then
		CTL+=(-o confine=off)
	fi
}

teardown() {
	send_teardown
}

ctl() {
	as_user "${CTL[@]}" "$@"
}

# json EXPRESSION WORD...: of what list --json, or another command, gives as j.
json() {
	local expression=$1
	shift
	ctl "$@" | "$PYTHON" -c 'import json, sys
j = json.load(sys.stdin)
m = j.get("messages", [])
print(eval(sys.argv[1]))' "$expression"
}

gone() {
	[[ ! -e $D/queue/new/${1: -1}/$1 && ! -e $D/queue/msg/${1: -1}/$1 &&
		! -e $D/queue/msg/${1: -1}/$1.log ]]
}

# notice_of ID ADDRESS: the notice that settled it.
notice_of() {
	sed -n "s/^id=$1 .*event=bounced rcpt=<$2> .* notice=\\([0-9a-f]*\\).*/\\1/p" \
		"$D/send.log"
}

# state ID WORD: does the list say it?
is_state() {
	[[ $(ctl show --json "$1" 2>&1) == *"\"state\":\"$2\",\"reason\""* ]]
}

# talk OCTETS...: says that on the socket, prints what is answered.
talk() {
	as_user "$PYTHON" -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
try:
    for word in sys.argv[2:]:
        s.sendall(os.fsencode(word))
    s.shutdown(socket.SHUT_WR)
except BrokenPipeError:
    pass
try:
    while data := s.recv(65536):
        sys.stdout.write(data.decode("latin-1"))
except ConnectionResetError:
    pass' "$D/control" "$@"
}

# many N: as many messages in msg/, each for an address at its own domain.
many() {
	as_user "$PYTHON" -c 'import os, sys
sys.path.insert(0, sys.argv[1])
import send_parts as parts
queue, n = sys.argv[2], int(sys.argv[3])
for i in range(n):
    ident = parts.new_id()
    shard = os.path.join(queue, "new", ident[-1])
    os.makedirs(shard, 0o700, exist_ok=True)
    path = os.path.join(shard, ident)
    with open(path, "wb") as f:
        f.write(parts.queue_file(ident, "<from@example.org>",
            ["remote <go@d%d.test>" % i], b"Hi.\r\n"))
    os.chmod(path, 0o400)' "$SMTPD_TOP/tests/tools" "$D/queue" "$1"
}

@test "ctl: list says all of a message that waits, with the verbatim reply" {
	start_all_helpers
	start_send
	run ctl list
	[ "$status" -eq 0 ]
	[ "$output" = 'The queue is empty' ]
	id=$(put -s '<sender@example.org>' 'remote <full@example.net>' \
		'remote <ann@example.net>' 'local <full@example.com>')
	wait_for logged "$id" 'tried 1'
	wait_for is_state "$id" waiting
	run ctl list
	[ "$status" -eq 0 ]
	[[ $output == "$id  5 octets, "*"s old, 1 try, next in "*"  <sender@example.org>"* ]]
	[[ $output == *"    <full@example.net>  example.net"$'\n'"        452 4.2.2 Mailbox full"* ]]
	[[ $output == *"<full@example.com>  local:full"*"452 4.2.2 Disk quota exceeded"* ]]
	[[ $output != *ann@* ]]
	[ "$(json '[len(m), j["count"], m[0]["id"], m[0]["sender"], m[0]["tries"], m[0]["size"], m[0]["state"], 55 < m[0]["next"] < 67, m[0]["age"] < 60]' list --json)" = \
		"[1, 1, '$id', 'sender@example.org', 1, 5, 'waiting', True, True]" ]
	[ "$(json 'sorted((r["address"], r["destination"], r["reply"]) for r in m[0]["recipients"])' list --json)" = \
		"[('full@example.com', 'local:full', '452 4.2.2 Disk quota exceeded'), ('full@example.net', 'example.net', '452 4.2.2 Mailbox full')]" ]
	# One is shown with those who have it, and how it came here.
	[ "$(json 'sorted((r["address"], r["state"]) for r in j["recipients"])' show --json "$id")" = \
		"[('ann@example.net', 'delivered'), ('full@example.com', 'waiting'), ('full@example.net', 'waiting')]" ]
	[ "$(json 'j["facts"]' show --json "$id")" = "['version=1']" ]
	run ctl show "$id"
	[[ $output == *'    version=1'*'<ann@example.net>  example.net  delivered'* ]]
}

@test "ctl: list chooses, sorts and counts" {
	start_all_helpers
	start_send
	old=$(put -a 9000 -s '<a@one.example>' 'remote <full@b.test>' \
		'remote <full@c.test>')
	new=$(put -s '<b@two.example>' 'remote <full@c.test>')
	wait_for logged "$old" 'tried 1'
	wait_for logged "$new" 'tried 1'
	[ "$(json '[x["id"] for x in m]' list --json)" = "['$old', '$new']" ]
	[ "$(json '[x["id"] for x in m]' list --json --to b.test)" = "['$old']" ]
	[ "$(json '[x["id"] for x in m]' list --json --older 1h)" = "['$old']" ]
	[ "$(json '[x["id"] for x in m]' list --json --from b@two.example)" = \
		"['$new']" ]
	[ "$(json '[x["id"] for x in m]' list --json --from two.example)" = \
		"['$new']" ]
	[ "$(json '[(g["name"], g["messages"]) for g in j["groups"]]' \
		list --json --count --by destination)" = \
		"[('b.test', 1), ('c.test', 2)]" ]
	run ctl list --by destination
	[[ $output == "b.test: 1"$'\n'"$old"*"c.test: 2"$'\n'"$old"*"$new"* ]]
	run ctl list --by sender --count
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[1]} == *'<a@one.example>' && ${lines[2]} == *'<b@two.example>' ]]
}

@test "ctl: JSON is one valid document, whatever addresses and replies hold" {
	start_all_helpers
	start_send
	id=$(put -s '<"quo\"te\\ \n"@example.org>' 'local <odd@example.com>')
	wait_for logged "$id" 'tried 1'
	[ "$(json 'm[0]["recipients"][0]["reply"]' list --json)" = \
		'451 4.0.0 two?lines ?[2J' ]
	# shellcheck disable=SC1003
	[ "$(json 'm[0]["sender"].count("\\")' list --json)" -ge 3 ]
	stop_send
	# In the queue's own files everything else can stand.
	log=$D/queue/msg/${id: -1}/$id.log
	for reply in $'451 gr\xc3\xbc\xc3\x9fe' $'451 \xff\xfe\xc3' \
		$'451 \xf0\x9f\x93\xa7 "\\' $'451 \xed\xa0\x80'; do
		as_user "$PYTHON" -c 'import os, sys
sys.path.insert(0, sys.argv[1])
import send_parts as parts
text = b"deferred 0 1 1 " + os.fsencode(sys.argv[3])
with open(sys.argv[2], "ab") as f:
    f.write(b"%08x %s\n" % (parts.crc32c(text), text))' \
			"$SMTPD_TOP/tests/tools" "$log" "$reply"
		start_send
		wait_for is_state "$id" waiting
		json 'ascii(m[0]["recipients"][0]["reply"])' list --json >>"$D/seen"
		stop_send
	done
	[ "$(cat "$D/seen")" = "'451 gr\\xfc\\xdfe'
'451 \\ufffd\\ufffd\\ufffd'
'451 \\U0001f4e7 \"\\\\'
'451 \\ufffd\\ufffd\\ufffd'" ]
}

@test "ctl: retry tries one, those of a destination, or all at once" {
	start_all_helpers
	start_send
	one=$(put 'remote <full@a.test>')
	two=$(put 'remote <full@b.test>')
	three=$(put 'local <full@example.com>')
	for id in "$one" "$two" "$three"; do
		wait_for logged "$id" 'tried 1'
	done
	run ctl retry "$one"
	[ "$output" = "$one: done" ]
	wait_for logged "$one" 'tried 2'
	run ctl retry b.test
	[ "$output" = 'b.test: 1 messages, 0 more after the current attempt, 0 refused' ]
	wait_for logged "$two" 'tried 2'
	run ctl retry local:full
	wait_for logged "$three" 'tried 2'
	run ! logged "$one" 'tried 3'
	ctl retry all
	for id in "$one" "$two" "$three"; do
		wait_for logged "$id" 'tried 3'
	done
	event "$one" order "do=retry age_ms=[0-9]* by=[^ ]* uid=$(as_user id -u)$"
	grep -q '^id=- .*event=order do=retry dest=b.test messages=1 by=' \
		"$D/send.log"
	run -100 ctl retry 0660ee1fab7cbc8298bbea
	[[ $output == *'no such message in the queue' ]]
}

@test "ctl: retry looks at a dead destination now" {
	start_all_helpers
	start_send
	one=$(put 'remote <ann@x.dead.test>')
	wait_for logged "$one" 'tried 1'
	grep -q 'event=unreachable dest="mx x.dead.test"' "$D/send.log"
	two=$(put 'remote <bob@x.dead.test>')
	wait_for is_state "$two" waiting
	[[ $(ctl show "$two") == *'(waits with others for its destination)'* ]]
	touch "$D/out/alive"
	ctl retry "$two"
	wait_for gone "$two"
	# The others for it follow.
	ctl retry x.dead.test
	wait_for gone "$one"
}

@test "ctl: what is being tried is tried again right after" {
	start_all_helpers
	start_send
	id=$(put 'remote <wait@a.test>' 'remote <full@b.test>')
	wait_for is_state "$id" active
	run ctl retry "$id"
	[ "$output" = "$id: after the current attempt" ]
	touch "$D/out/wait"
	wait_for logged "$id" 'tried 2'
}

@test "ctl: a held message stays, through HUP, restart and old age" {
	start_all_helpers
	start_send queue_lifetime=60
	id=$(put -a 100 'remote <full@a.test>')
	wait_for logged "$id" 'tried 1'
	run ctl hold "$id"
	[ "$output" = "$id: done" ]
	event "$id" order 'do=hold age_ms=[0-9]* by='
	wait_for is_state "$id" held
	wait_for logged "$id" 'order [0-9]* hold '
	log_is_sound "$id"
	run -100 ctl hold "$id"
	[[ $output == *'it is held already' ]]
	run -100 ctl retry "$id"
	[[ $output == *'it is held: release it first' ]]
	kill -HUP "$SEND_PID"
	wait_for grep -q event=due-now "$D/send.log"
	ctl retry all
	ctl retry a.test
	restart_send queue_lifetime=60
	wait_for is_state "$id" held
	[[ $(ctl list) == *"held"*"(by "* ]]
	echo "queue = $D/queue" | as_user tee "$D/mailq.conf" >/dev/null
	[[ $(as_user "$SMTPD_BIN/sendmail" -C "$D/mailq.conf" -bp) == *"$id!"* ]]
	run ! logged "$id" 'tried 2'
	ctl release "$id"
	wait_for logged "$id" 'tried 2'
	# With the fifth try it is given up, as it is too old.
	for try in 3 4; do
		ctl retry "$id"
		wait_for logged "$id" "tried $try"
	done
	ctl retry "$id"
	wait_for gone "$id"
	event "$id" expired
	run -100 ctl release "$id"
	[[ $output == *'no such message'* ]]
}

@test "ctl: hold takes effect after the try that runs, also if that is the last" {
	start_all_helpers
	start_send
	id=$(put 'remote <wait@a.test>' 'remote <full@b.test>')
	wait_for is_state "$id" active
	run ctl hold "$id"
	[ "$output" = "$id: after the current attempt" ]
	touch "$D/out/wait"
	wait_for logged "$id" 'tried 1'
	wait_for is_state "$id" held
	event "$id" delivered 'rcpt=<wait@a.test>'
	restart_send
	wait_for is_state "$id" held
	ctl release "$id"
	wait_for logged "$id" 'tried 2'
}

@test "ctl: remove tells nobody, and says so before the file goes" {
	start_all_helpers
	start_send
	id=$(put 'remote <full@a.test>' 'local <full@example.com>')
	wait_for logged "$id" 'tried 1'
	run ctl remove "$id"
	[ "$output" = "$id: done" ]
	wait_for gone "$id"
	for who in full@a.test full@example.com; do
		event "$id" discarded "rcpt=<$who> .*by="
	done
	event "$id" discarded 'left=0'
	event "$id" removed
	run grep -E '^(asked|told)' "$D/helpers"
	[ "$status" -eq 1 ]
	# For who proves that nothing was lost it is an end like others.
	echo "id=$id prog=smtpd-queue event=queued entrance=in from=<a@b.test> nrcpt=2 to=<full@a.test> to=<full@example.com>" |
		cat - "$D/send.log" >"$D/audited"
	chmod a+r "$D/audited"
	run -0 as_user "$SMTPD_BIN/smtpd-audit" -c "$D/conf" \
		-o "queue=$D/queue" "$D/audited"
	[[ $output =~ discarded\ +2 ]]
	# While it is tried: afterwards.
	id=$(put 'remote <wait@a.test>' 'remote <full@b.test>')
	wait_for is_state "$id" active
	[ "$(ctl remove "$id")" = "$id: after the current attempt" ]
	touch "$D/out/wait"
	wait_for gone "$id"
	event "$id" delivered 'rcpt=<wait@a.test>'
	[ "$(grep -c "^id=$id .*event=discarded" "$D/send.log")" -eq 1 ]
}

@test "ctl: what the disk does not take is kept in mind, and stays held" {
	start_all_helpers
	start_send
	ctl pause a.test
	id=$(put 'remote <ann@a.test>')
	wait_for is_state "$id" waiting
	as_user chmod 500 "$D/queue/msg/${id: -1}"
	ctl hold "$id"
	grep -q "warning: cannot write the log of '$id': Permission denied" \
		"$D/send.log"
	is_state "$id" held
	ctl resume a.test
	ctl retry all
	kill -HUP "$SEND_PID"
	wait_for grep -q event=due-now "$D/send.log"
	wait_for is_state "$id" held
	as_user chmod 700 "$D/queue/msg/${id: -1}"
	kill -HUP "$SEND_PID"
	wait_for logged "$id" 'order [0-9]* hold '
	restart_send
	wait_for is_state "$id" held
	ctl release "$id"
	wait_for gone "$id"
	event "$id" delivered
}

@test "ctl: killed between order and removal, it is removed at the next start" {
	start_all_helpers
	start_send
	id=$(put 'remote <wait@a.test>' 'remote <full@b.test>')
	wait_for is_state "$id" active
	ctl remove "$id"
	wait_for logged "$id" 'order [0-9]* remove '
	kill -KILL "$SEND_PID"
	wait_for sent_has_ended
	kill -KILL "$REMOTE_PID"
	wait "$REMOTE_PID" || true
	start_send
	wait_for gone "$id"
	event "$id" removed
	run grep "^told" "$D/helpers"
	[ "$status" -eq 1 ]
}

@test "ctl: bounce tells the sender that the operator gave it up" {
	start_all_helpers
	start_send
	id=$(put 'remote <full@a.test>')
	wait_for logged "$id" 'tried 1'
	touch "$D/out/no-notice"
	ctl bounce "$id"
	wait_for event "$id" unreported
	# It is not forgotten.
	restart_send
	rm "$D/out/no-notice"
	ctl retry all
	wait_for gone "$id"
	grep -q "^told $id failed \[ordered - <full@a.test> 452 4.2.2 Mailbox full\]" \
		"$D/helpers"
	event "$id" bounced 'rcpt=<full@a.test>'
}

@test "ctl: bounce while refusals are told leaves the others to a notice" {
	start_all_helpers
	start_send
	touch "$D/out/wait-notice"
	id=$(put 'remote <refused@a.test>' 'remote <full@b.test>')
	wait_for grep -q "^told $id failed" "$D/helpers"
	run ctl bounce "$id"
	[ "$output" = "$id: after the current attempt" ]
	rm "$D/out/wait-notice"
	wait_for gone "$id"
	[ "$(grep -c "^told $id" "$D/helpers")" -eq 2 ]
	# Nobody is settled by a notice that does not name him.
	run sed -n "s/^told $id failed //p" "$D/helpers"
	[[ ${lines[0]} == "[failed mx.a.test <refused@a.test> 550 "* ]]
	[[ ${lines[0]} != *full@b.test* ]]
	[[ ${lines[1]} == "[ordered mx.b.test <full@b.test> 452 "* ]]
	for who in refused@a.test full@b.test; do
		[ "$(grep -c "id=$id .*event=bounced rcpt=<$who>" \
			"$D/send.log")" -eq 1 ]
	done
	[[ $(notice_of "$id" 'refused@a.test') != \
		"$(notice_of "$id" 'full@b.test')" ]]
}

@test "ctl: reroute sends it to another host, after a restart too" {
	start_all_helpers
	start_send
	one=$(put 'remote <full@a.test>')
	two=$(put 'remote <full@b.test>' 'remote <full@c.test>')
	wait_for logged "$one" 'tried 1'
	wait_for logged "$two" 'tried 1'
	run ctl reroute "$one" '[Relay.Test]:2525'
	[ "$output" = "$one: done" ]
	wait_for grep -q "^relay host relay.test 2525 $one" "$D/helpers"
	wait_for logged "$one" 'route 0 host relay.test 2525'
	wait_for logged "$one" 'tried 2'
	[[ $(ctl show "$one") == *'<full@a.test>  [relay.test]:2525'* ]]
	# Those of one destination, and no others of the message.
	ctl reroute b.test other.test
	wait_for grep -q "^relay mx other.test $two .*<full@b.test>$" "$D/helpers"
	wait_for logged "$two" 'tried 2'
	restart_send
	wait_for is_state "$one" waiting
	ctl retry all
	wait_for logged "$one" 'tried 3'
	wait_for logged "$two" 'tried 3'
	[ "$(grep -c "^relay host relay.test 2525 $one" "$D/helpers")" -eq 2 ]
	[ "$(grep -c "^relay mx c.test $two" "$D/helpers")" -eq 3 ]
	log_is_sound "$two"
	# And back.
	ctl reroute "$one" -
	wait_for grep -q "^relay mx a.test $one attempt=3" "$D/helpers"
	local=$(put 'local <full@example.com>')
	wait_for logged "$local" 'tried 1'
	run -100 ctl reroute "$local" '[x.test]'
	[[ $output == *'no waiting recipient is at another host' ]]
	run -100 ctl reroute "$one" 'x.test:port'
	[[ $output == *'not a host or a domain' ]]
}

@test "ctl: a paused destination gets nothing, also new mail, until resumed" {
	start_all_helpers
	start_send
	old=$(put 'remote <full@a.test>')
	wait_for logged "$old" 'tried 1'
	[ "$(ctl pause a.test)" = 'a.test: done' ]
	[ "$(ctl pause local:joe)" = 'local:joe: done' ]
	run -100 ctl pause A.Test
	[[ $output == *'it is paused already' ]]
	new=$(put 'remote <ann@a.test>' 'local <joe@example.com>' \
		'local <eve@example.com>' 'remote <bob@b.test>')
	wait_for event "$new" delivered 'rcpt=<eve@'
	wait_for event "$new" delivered 'rcpt=<bob@'
	ctl retry all
	[[ $(ctl show "$new") == *'<ann@a.test>  a.test  paused'* ]]
	restart_send
	[ "$(ctl paused | sort)" = $'a.test\nlocal:joe' ]
	ctl retry all
	wait_for is_state "$new" waiting
	run ! logged "$old" 'tried 2'
	run grep 'to mx a.test\|user joe' "$D/helpers"
	[ "${#lines[@]}" -eq 1 ]
	run ctl resume a.test
	[ "$output" = 'a.test: 2 messages, 0 more after the current attempt, 0 refused' ]
	wait_for event "$new" delivered 'rcpt=<ann@'
	wait_for logged "$old" 'tried 2'
	ctl resume local:joe
	wait_for gone "$new"
	run -100 ctl resume a.test
	[[ $output == *'it is not paused' ]]
	restart_send
	[ -z "$(ctl paused)" ]
}

@test "ctl: pausing stops what waits in line for a connection" {
	start_all_helpers
	start_send destination_concurrency=1
	first=$(put 'remote <wait@a.test>')
	wait_for is_state "$first" active
	second=$(put 'remote <ann@a.test>')
	wait_for is_state "$second" active
	ctl pause a.test
	touch "$D/out/wait"
	wait_for gone "$first"
	wait_for is_state "$second" waiting
	[[ $(ctl show "$second") == *'a.test  paused'* ]]
	ctl resume a.test
	wait_for gone "$second"
}

@test "ctl: many ids, from the standard input too; the worst status counts" {
	start_all_helpers
	start_send
	one=$(put 'remote <full@a.test>')
	two=$(put 'remote <full@b.test>')
	wait_for logged "$one" 'tried 1'
	wait_for logged "$two" 'tried 1'
	ctl hold "$one" "$two"
	run -100 ctl release "$one" nonsense
	[[ $output == *'nonsense: not a message id'* ]]
	printf '%s\n' "$one" "$two" | ctl remove -
	wait_for gone "$one"
	wait_for gone "$two"
}

@test "ctl: a damaged message is shown, and can be removed" {
	id=$(put_quietly 'remote <full@a.test>')
	chmod 600 "$D/queue/new/${id: -1}/$id"
	printf X | dd of="$D/queue/new/${id: -1}/$id" bs=1 seek=20 conv=notrunc \
		status=none
	chmod 400 "$D/queue/new/${id: -1}/$id"
	start_all_helpers
	start_send
	wait_for event "$id" held
	[[ $(ctl list) == *"$id"*'damaged'*'(the queue file is damaged)'* ]]
	[ "$(json 'm[0]["state"]' list --json)" = damaged ]
	run -111 ctl hold "$id"
	[[ $output == *'its queue file is damaged' ]]
	ctl remove "$id"
	wait_for gone "$id"
	event "$id" removed
}

@test "ctl: what makes no sense on the socket is refused, and does no harm" {
	start_all_helpers
	start_send
	[ "$(talk '4:Oxyz,')" = '14:Xno such order,' ]
	[ "$(talk '2:Qx,')" = '18:Xmalformed request,' ]
	[ "$(talk 'GET / HTTP/1.1')" = '18:Xmalformed request,' ]
	[ "$(talk '5000:O' "$(printf '%5000s' '')")" = \
		'18:Xmalformed request,' ]
	[ "$(talk '2000000000:Ox')" = '18:Xmalformed request,' ]
	[ "$(talk '6:Olist ,' '5:Olist,')" = '2:K0,2:K0,' ]
	[ "$(talk '7:Olist x,')" = '15:Xtoo many words,' ]
	[ "$(talk '10:Opause a b,')" = '15:Xtoo many words,' ]
	[ "$(talk "$(printf '12:Opause \x01\xff[2J,')")" = \
		'18:Xnot a destination,' ]
	[ "$(talk '7:Oshow x,')" = '17:Xnot a message id,' ]
	# Frames in pieces, the name is a bad one, the end comes early.
	[ "$(talk '3:u' $'\n' x, '5:' Oli st,)" = '2:K0,' ]
	talk '5:Oli'
	ctl list
	if [[ $(id -u) -eq 0 ]]; then
		chmod 755 "$D"
		chmod 666 "$D/control"
		run -100 setpriv --reuid=65533 --regid=65533 --clear-groups -- \
			"${CTL[@]}" -c /dev/null list
		[[ $output == *'permission denied' ]]
		"${CTL[@]}" list
	fi
	kill -0 "$SEND_PID"
}

@test "ctl: silent clients and a slow reader of 5,000 messages stop nobody" {
	many 5000
	start_all_helpers
	start_send remote_concurrency=2
	"$PYTHON" -c 'import socket, sys, time
silent = [socket.socket(socket.AF_UNIX) for _ in range(6)]
for s in silent:
    s.connect(sys.argv[1])
slow = socket.socket(socket.AF_UNIX)
slow.connect(sys.argv[1])
slow.sendall(b"5:Olist,")
slow.recv(100)
open(sys.argv[2], "w")
time.sleep(60)' "$D/control" "$D/slow" &
	slow=$!
	wait_for test -e "$D/slow"
	id=$(put 'local <joe@example.com>')
	wait_for gone "$id"
	[ "$(json '[len(m), len({x["id"] for x in m}), j["count"]]' list --json)" = \
		'[5000, 5000, 5000]' ]
	# What it keeps for the slow one is bounded.
	[ "$(awk '/VmHWM/ { print $2 }' "/proc/$SEND_PID/status")" -lt 30000 ]
	kill "$slow"
	run ctl retry all
	[[ $output == 'all: '* ]]
}

@test "ctl: list and show work without smtpd-send, and say so in one line" {
	run -0 --separate-stderr ctl list
	[ "$output" = 'The queue is empty' ]
	start_all_helpers
	start_send
	ctl pause c.test
	id=$(put -s '<sender@example.org>' 'remote <full@a.test>' \
		'remote <ann@b.test>' 'remote <eve@c.test>' \
		'local <full@example.com>')
	held=$(put 'remote <full@b.test>')
	wait_for logged "$id" 'tried 1'
	wait_for logged "$held" 'tried 1'
	ctl hold "$held"
	wait_for is_state "$id" waiting
	ctl list >"$D/with"
	ctl show "$id" | sed 's/s old//' >"$D/show-with"
	stop_send
	run -0 --separate-stderr ctl list
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == 'smtpd-ctl: warning: smtpd-send is not there ('*"): only the queue's files are shown" ]]
	# All is there as before: who waits, where, why; and when it is due.
	diff <(sed 's/ [0-9]*[sm] old.* next in [0-9]*[sm]/ due/' "$D/with") \
		<(sed 's/ [0-9]*[sm] old.* next in [0-9]*[sm]/ due/' <<<"$output")
	[[ $output == *'<eve@c.test>  c.test  paused'* ]]
	[ "$(ctl paused)" = c.test ]
	[[ $output == *"$held  5 octets, "*', held  '*'(by '* ]]
	[ "$(json '[m[0]["tries"], 0 < m[0]["next"] < 67, m[1]["state"]]' \
		list --json 2>/dev/null)" = "[1, True, 'held']" ]
	run -0 --separate-stderr ctl show "$id"
	[ "${#stderr_lines[@]}" -eq 1 ]
	diff <(sed 1d "$D/show-with") <(sed 1d <<<"$output")
	run -100 --separate-stderr ctl show 0660ee1fab7cbc8298bbea
	[[ $stderr == *'no such message in the queue' ]]
	# A torn log is read as far as it is whole.
	truncate -s -3 "$D/queue/msg/${held: -1}/$held.log"
	[[ $(ctl show "$held" 2>/dev/null) == *', 1 try, next in '* ]]
}

@test "ctl: messages that come and go while it lists harm nothing" {
	many 300
	ctl list --json >"$D/before" 2>/dev/null
	as_user bash -c 'for f in "$0"/new/*/*; do rm -f "$f"; done' \
		"$D/queue" &
	for try in {1..20}; do
		run -0 --separate-stderr ctl list --by destination
		run -0 --separate-stderr ctl list --json
		"$PYTHON" -c 'import json, sys; json.load(sys.stdin)' \
			<<<"$output"
	done
	wait $!
	run -0 --separate-stderr ctl list
	[ "$output" = 'The queue is empty' ]
}

@test "ctl: says when there is nobody to talk to" {
	run -111 ctl retry all
	[[ $output == *"cannot reach smtpd-send at '$D/control'"* ]]
	run -100 ctl
	[[ $output == *'usage: smtpd-ctl list'* ]]
	run -100 ctl nonsense
	run -100 ctl list --by size
	run -100 ctl -o control= list
	[[ $output == *"the setting 'control' is empty"* ]]
	# Mail goes its way without the socket.
	start_all_helpers
	start_send control=/nonexistent/control
	grep -q "warning: smtpd-ctl cannot be used: cannot create '/nonexistent/control'" "$D/send.log"
	id=$(put 'local <joe@example.com>')
	wait_for gone "$id"
}
