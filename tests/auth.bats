#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# AUTH in the session, with a helper that does as it is told.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets
# variables

load lib/smtpd
load lib/session

setup() {
	setup_session
	cat >>"$CONF" <<-EOT
	auth = $FAKES/auth
	auth_without_tls = yes
	max_errors = 100
	EOT
}

teardown() {
	teardown_session
}

@test "auth: the dialogue" {
	dialogue auth.txt
	grep -qF 'stage=auth reply="535 5.7.8 Wrong, it says"' "$LOG"
	grep -q 'event=session-end .*user=user .*end=quit' "$LOG"
	grep -q 'event=session-end .*end=authentication' "$LOG"
}

@test "auth: the dialogue, octet by octet" {
	dialogue --octets 'auth.txt:PLAIN without one' auth.txt:LOGIN \
		'auth.txt:an exchange that is given up'
}

@test "auth: mail of users goes where the helper says, and nowhere else" {
	dialogue --tcp auth.txt:LOGIN
	run grep -v '^EOF' <<<"$(frames)"
	[ "${lines[0]}" = 'C user=user' ]
	[ "${lines[1]}" = 'C version=1' ]
	[ "${lines[3]}" = 'C ip=127.0.0.1' ]
	[ "${lines[5]}" = 'C protocol=ESMTPA' ]
	[ "${lines[6]}" = 'S <user@example.com>' ]
	[ "${lines[7]}" = 'R remote <x@external.test>' ]
	[ "${lines[8]}" = 'R local <user@example.com>' ]
	[[ ${lines[10]} == 'H Received: from client.example.org ([127.0.0.1])\r\n\tby mx.example.com (smtpd) with ESMTPA id '* ]]
	# One conversation: the entrance for strangers was never used.
	[ "$(grep -v EOF "$FAKES/log" | cut -d ' ' -f 1 | uniq | wc -l)" -eq 1 ]
}

@test "auth: relay_clients need no socket to show once they are known" {
	dialogue --tcp auth.txt:LOGIN -- -o relay_clients=127.0.0.0/8
	run -1 grep -E '^(C peer|fd)' <<<"$(frames)"
}

@test "auth: hide_client says nothing of a user's client, but of others" {
	dialogue --tcp auth.txt:LOGIN -- -o hide_client=yes
	frames | grep -F 'H Received: by mx.example.com (smtpd) with ESMTPA id '
	dialogue --tcp honest.txt -- -o hide_client=yes
	frames | grep -F 'H Received: from '
}

@test "auth: AUTH of MAIL goes no further" {
	cat >"$BATS_TEST_TMPDIR/mail" <<-'EOT'
	== x
	S: 220 .*
	C: EHLO c
	S* 250.*
	C= MAIL FROM:<a@b.example> SIZE=5 AUTH=<> BODY=8BITMIME\r\nRCPT TO:<user@example.com>\r\nDATA\r\n
	S: 250 .*
	S: 250 .*
	S: 354 .*
	C= x\r\n.\r\nQUIT\r\n
	S: 250 .*
	S: 221 .*
	EOT
	dialogue "$BATS_TEST_TMPDIR/mail"
	frames | grep -xF 'S <a@b.example> SIZE=5 BODY=8BITMIME'
}

@test "auth: it is offered only where somebody knows passwords" {
	dialogue 'auth-fails.txt:it is not offered' -- -o auth=
	dialogue 'auth-fails.txt:it is not offered' -- -o "auth=$FAKES/none"
	[ "$(grep -c 'cannot open auth' "$LOG")" -eq 0 ]
	dialogue 'auth-fails.txt:it is not offered' -- -o auth_without_tls=no
}

@test "auth: helpers that fail are 454, never 535" {
	for kind in z die mute odd bare; do
		dialogue 'auth-fails.txt:nobody can tell' -- \
			-o "auth=$FAKES/auth-$kind" -o helper_timeout=1
	done
}

@test "auth: in the profile submission nobody may send without" {
	dialogue 'auth-fails.txt:nobody may send before it' -- \
		-o profile=submission -o injector=/nonexistent
	dialogue 'auth-fails.txt:nobody may send, and it is our fault' -- \
		-o profile=submission -o "auth=$FAKES/none"
	grep -qF "cannot open auth '$FAKES/none'" "$LOG"
}

@test "auth: nothing of a password stays in the session's memory" {
	[[ $(id -u) -eq 0 && -z ${SMTPD_ASAN-} ]] ||
		skip_loudly "reads another's memory: needs root"
	python3 - "${AS_USER[@]}" "${SESSION[@]}" <<-'PY'
	import base64, re, socket, subprocess, sys
	ours, theirs = socket.socketpair()
	p = subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=theirs)
	f = ours.makefile("rb")
	def say(line, last=b"334 |235 |535 |250 "):
	    ours.sendall(line + b"\r\n")
	    while not re.match(last, f.readline()):
	        pass
	def memory():
	    out = b""
	    for line in open("/proc/%d/maps" % p.pid):
	        a, b, perms = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
	        if perms[:2] == "rw":
	            with open("/proc/%d/mem" % p.pid, "rb") as m:
	                m.seek(int(a, 16))
	                out += m.read(int(b, 16) - int(a, 16))
	    return out
	f.readline()
	say(b"EHLO marker-that-stays")
	for word in (b"wrong-0123456789abcdef", b"secret"):
	    say(b"AUTH LOGIN")
	    say(base64.b64encode(b"user"))
	    say(base64.b64encode(word))
	    now = memory()
	    assert b"marker-that-stays" in now
	    if word != b"secret":
	        assert word not in now, "in clear"
	    assert b"user\0" + word not in now, "the frame"
	    assert base64.b64encode(word)[:-4] not in now, "in base64"
	say(b"NOOP")
	p.kill()
	PY
}
