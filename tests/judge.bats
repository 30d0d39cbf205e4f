#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-judge: SPF, DKIM and DMARC of whole messages, by a DNS that fails on
# command; its answers are read by authres, its signatures made by dkimpy.

setup_file() {
	load lib/smtpd
	load lib/judge
	judge_dns_start
}

teardown_file() {
	judge_dns_stop
}

setup() {
	load lib/smtpd
	load lib/judge
	JUDGE=("$SMTPD_BIN/smtpd-judge" -c /dev/null -o hostname=mx.example.com
		-o "resolver=$(judge_resolver)")
	[[ -n ${SMTPD_ASAN-} ]] || JUDGE+=(-o confine=kill)
}

# play CASES [UNDER...]
play() {
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/judge_cases.py" play \
		"$D" "$1" -- "${@:2}" "${JUDGE[@]}" 2>"$D/log"
}

# cases: standard input as a file of them.
cases() {
	cat >"$D/cases"
	play "$D/cases" "$@"
}

@test "judge: every case of judge.cases" {
	play "$SMTPD_TOP/tests/dialogue/judge.cases" >"$D/out" || {
		grep -A 20 '^not ok' "$D/out"
		cat "$D/log"
		false
	}
	[ "$(grep -c '^ok' "$D/out")" -gt 45 ]
	grep -q 'event=judged spf=pass' "$D/log"
}

@test "judge: every odd signature of judge-dkim.cases" {
	play "$SMTPD_TOP/tests/dialogue/judge-dkim.cases" >"$D/out" || {
		grep -A 20 '^not ok' "$D/out"
		cat "$D/log"
		false
	}
	[ "$(grep -c '^ok' "$D/out")" -gt 20 ]
}

@test "judge: report only says what enforce would have done" {
	JUDGE+=(-o dmarc=report)
	cases <<-EOT
	case reject
	ip 192.0.2.66
	want dmarc=fail
	case quarantine
	ip 192.0.2.66
	from a@q.test
	want dmarc=fail
	EOT
}

@test "judge: spf_reject refuses, whatever DKIM says" {
	JUDGE+=(-o spf_reject=yes)
	cases <<-EOT
	case fail
	ip 192.0.2.66
	sign rsa ok.test relaxed/relaxed
	want spf=fail,smtp.mailfrom=a@ok.test spf=fail dkim=pass dmarc=pass
	answer X ^550 5\.7\.23 .*ok\.test
	case softfail
	ip 192.0.2.66
	sender <a@q.test>
	from a@none.test
	want spf=softfail,smtp.mailfrom=a@q.test spf=fail
	EOT
}

# udns alone would ask for half a minute, and the next name as long again.
@test "judge: with no DNS at all mail goes on, as temperror, and at once" {
	JUDGE+=(-o "resolver=127.0.0.1:1 [::1]:1" -o judge_timeout=300)
	cases timeout 20 <<-EOT
	case dead
	sign rsa ok.test relaxed/relaxed
	want iprev=temperror spf=temperror,smtp.mailfrom=a@ok.test spf=temperror
	want dkim=temperror dmarc=temperror
	EOT
}

@test "judge: the second resolver is asked when the first is dead" {
	JUDGE+=(-o "resolver=127.0.0.1:1 $(judge_resolver)")
	cases timeout 20 <<-EOT
	case second
	sign rsa ok.test relaxed/relaxed
	want dkim=pass dmarc=pass
	EOT
}

# Once, and not again and again: each time takes a second.
@test "judge: the second resolver is asked when the first is silent" {
	silent_dns_start
	JUDGE+=(-o "resolver=$SILENT_DNS $(judge_resolver)" -o judge_timeout=3)
	cases <<-EOT
	case second
	sign rsa ok.test relaxed/relaxed
	want spf=pass spf=pass dkim=pass dmarc=pass
	case and then it is the first
	want iprev=pass spf=pass spf=pass dkim=none dmarc=pass
	EOT
	silent_dns_stop
}

# Who can make us wait must not get through by it.
@test "judge: slow servers of his keep nobody from those of the author" {
	JUDGE+=(-o judge_timeout=5)
	local slow='field DKIM-Signature: v=1; a=rsa-sha256; d=slow.test; s=a; h=From; bh=eA==; b=eA=='
	cases <<-EOT
	case the sender is said to be the author
	ip 192.0.2.77
	helo slow.test
	want iprev=temperror spf=fail,smtp.mailfrom=a@ok.test spf=temperror
	want dmarc=fail
	answer X ^550
	case and so is the signer
	ip 192.0.2.77
	helo slow.test
	sender <a@slow.test>
	$slow
	$slow
	sign rsa ok.test relaxed/relaxed broken
	want dkim=temperror dkim=temperror dkim=fail,header.d=ok.test
	want dmarc=fail
	answer X ^550
	case and so is another author
	ip 192.0.2.66
	from a@1.2.3.slow.test, b@slow.test, c@ok.test
	want dmarc=fail
	answer X ^550
	EOT
}

@test "judge: who sends slowly is judged no less" {
	JUDGE+=(-o judge_timeout=2)
	cases <<-EOT
	case slow, and somebody else's
	pause 1.5
	ip 192.0.2.66
	want dmarc=fail
	answer X ^550
	EOT
}

@test "judge: no library opens a file or a socket of its own" {
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly 'strace and a sanitizer'
	command -v strace >/dev/null || skip_loudly 'no strace'
	cases strace -f -o "$D/trace" <<-EOT
	case watched
	sign rsa ok.test relaxed/relaxed
	sign ed ok.test relaxed/relaxed
	want dkim=pass dkim=pass dmarc=pass
	EOT
	port=$(head -n 1 "$D/dns")
	for limit in 'prlimit64\(0, RLIMIT_AS' 'prlimit64\(0, RLIMIT_CORE' \
	    'setitimer\(ITIMER_PROF'; do
		grep -qE "$limit, \{" "$D/trace"
	done
	# Everything behind the filter.
	sed '1,/seccomp(/d' "$D/trace" >"$D/confined"
	[ -s "$D/confined" ]
	run -1 grep -E '^[0-9]* *(open|openat|execve)\(' "$D/confined"
	grep -E 'socket\(' "$D/trace" >"$D/sockets"
	run -1 grep -vE 'AF_INET, SOCK_(DGRAM|STREAM)' "$D/sockets"
	grep -E '(connect|sendto)\(' "$D/trace" | grep sin_port >"$D/asked"
	[ -s "$D/asked" ]
	run -1 grep -v "sin_port=htons($port), sin_addr=inet_addr(\"127.0.0.1\")" \
		"$D/asked"
}

@test "judge: what makes no sense ends the conversation, not the mail" {
	for words in 'B:text' 'S:<a@b>' 'C:id=1|S:<a@b>|S:<c@d>' 'C:id=1|E:0' \
	    'C:id=1|S:<a@b>|C:ip=192.0.2.1' 'C:id=1|S:<a@b>|E:0' 'C:id' 'Y:x' \
	    'C:id=1|S:a@b' 'H:X: y' 'M:junk'; do
		IFS='|' read -ra frames <<<"$words"
		run -1 as_user /usr/bin/python3 \
			"$SMTPD_TOP/tests/tools/deliver.py" "${frames[@]}" -- \
			"${JUDGE[@]}"
		[[ $output != *K* ]]
	done
}

@test "judge: what is forged goes, and the rest is judged as it came" {
	cases <<-EOT
	case two places, one of two fields
	field Authentication-Results: mx.example.com; dmarc=pass
	field Authentication-Results: mx.example.com; spf=pass
	field Authentication-Results: other.example; spf=pass
	field Authentication-Results: MX.example.com; spf=pass
	sign rsa ok.test relaxed/relaxed
	gone 2
	want dkim=pass dmarc=pass
	case none
	field Authentication-Results: other.example; spf=pass
	gone 0
	want dmarc=pass
	EOT
	as_user /usr/bin/python3 - "$SMTPD_TOP/tests/tools" "$D" "${JUDGE[@]}" <<-'PY'
	import sys
	sys.path.insert(0, sys.argv[1])
	import dkim
	from judge_cases import Adviser
	forged = b"Authentication-Results: mx.example.com; x\r\n"
	message = b"From: a@ok.test\r\n" + forged + b"\r\nx\r\n"
	with open(sys.argv[2] + "/rsa.pem", "rb") as f:
	    signature = dkim.sign(message, b"rsa", b"ok.test", f.read(),
	        include_headers=[b"From", b"Authentication-Results"])
	judge = Adviser(sys.argv[3:])
	judge.tell(b"C", b"id=0660ee029bdfc00c7da957")
	judge.tell(b"S", b"<>")
	judge.hand(signature + message)
	deletion, field, verdict = judge.advice()
	at = (signature + message).index(forged)
	assert deletion == (b"D", b"%d %d" % (at, len(forged))), deletion
	assert b"dkim=pass header.d=ok.test" in field[1], field
	assert verdict == (b"K", b"") and judge.end() == 0
	PY
}

@test "judge: one that is forked judges as one that is started" {
	listener=$D/listener
	JUDGE+=(-o max_sessions=1)
	"${AS_USER[@]}" setpriv --pdeathsig TERM "$SMTPD_BIN/smtpd-listen" \
		-m 0600 "$listener" "${JUDGE[@]}" 2>"$D/log" 3>&- &
	pid=$!
	wait_for [ -S "$listener" ]
	as_user /usr/bin/python3 - "$SMTPD_TOP/tests/tools" "$D" "$listener" "$pid" <<-'PY'
	import os, re, signal, sys, threading, time
	sys.path.insert(0, sys.argv[1])
	from judge_cases import Adviser, Case, ask
	def case(*lines):
	    c = Case("")
	    for line in lines:
	        c.take(*line.split(" ", 1))
	    return c
	kinds = [case("sign rsa ok.test relaxed/relaxed"),
	    case("ip 192.0.2.66"), case("sender <a@q.test>", "from a@q.test")]
	ends = [(b"K", b"dkim=pass"), (b"X", b"dmarc=fail"), (b"K", b"junk")]
	texts = [c.message(sys.argv[2]) for c in kinds]
	done, asan = [], "SMTPD_ASAN" in os.environ
	def converse(n):
	    judge = Adviser(sys.argv[3])
	    for i in range(n, n + 6):
	        frames = ask(judge, kinds[i % 3], texts[i % 3])
	        said = b"".join(p for _, p in frames)
	        tag, words = ends[i % 3]
	        assert frames[-1][0] == tag and words in said, frames
	    judge.end()
	    done.append(n)
	threads = [threading.Thread(target=converse, args=(n,)) for n in range(30)]
	for t in threads:
	    t.start()
	for t in threads:
	    t.join()
	assert len(done) == 30, done
	# Each has its limits; one that is killed takes nobody along.
	def children(pid):
	    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
	        return [int(p) for p in f.read().split()]
	one, two = Adviser(sys.argv[3]), Adviser(sys.argv[3])
	for judge in one, two:
	    judge.tell(b"Q", b"")
	    assert judge.next() == (b"K", b"")
	warm, = children(int(sys.argv[4]))
	end = time.monotonic() + 20
	while len(children(warm)) > 2 and time.monotonic() < end:
	    time.sleep(0.01)
	serving = children(warm)
	assert len(serving) == 2, serving
	for pid in serving:
	    with open("/proc/%d/limits" % pid) as f:
	        limits = f.read()
	    assert re.search("Max core file size +0 +0", limits), limits
	    assert asan or re.search("Max address space +536870912", limits), limits
	os.kill(serving[0], signal.SIGKILL)
	answers = []
	for judge in one, two, Adviser(sys.argv[3]):
	    try:
	        answers.append(ask(judge, kinds[0], texts[0])[-1])
	    except OSError:
	        answers.append(None)
	assert sorted(map(str, answers)) == \
	    ["(b'K', b'')", "(b'K', b'')", "None"], answers
	PY
	kill "$pid"
	wait "$pid"
}

@test "judge: refuses operands and root" {
	run -100 as_user "${JUDGE[@]}" x </dev/null
	[[ $(id -u) -ne 0 ]] || run -100 "${JUDGE[@]}" </dev/null
}

@test "judge: the examples of RFC 6376 and RFC 8463" {
	suite=$SMTPD_SUITES/dkim
	[[ -d $suite ]] || skip_loudly "no '$suite'"
	as_user /usr/bin/python3 - "$suite" "$SMTPD_TOP/tests/tools" "$D" \
		"${JUDGE[@]}" <<-'PY'
	import re, subprocess, sys
	suite, tools, scratch, *judge = sys.argv[1:]
	sys.path.insert(0, tools)
	import dkim
	from judge_cases import Adviser, quoted
	zone = []
	with open(suite + "/dns.tsv") as f:
	    for line in f:
	        name, _, text = line.rstrip("\n").partition("\t")
	        zone.append("%s. 60 TXT %s" % (name, quoted(text)))
	path = scratch + "/suite.zone"
	with open(path, "w") as f:
	    f.write("\n".join(zone))
	dns = subprocess.Popen([sys.executable, tools + "/dns_faults.py", path],
	    stdout=subprocess.PIPE, text=True)
	port = dns.stdout.readline().strip()
	judge += ["-o", "resolver=127.0.0.1:" + port]
	def ask(message):
	    adviser = Adviser(judge)
	    adviser.tell(b"C", b"id=0660ee029bdfc00c7da957")
	    adviser.tell(b"S", b"<>")
	    adviser.hand(re.sub(rb"\r?\n", b"\r\n", message))
	    frames = adviser.advice()
	    assert frames[-1][0] == b"K" and adviser.end() == 0, frames
	    return b"".join(payload for _, payload in frames).decode()
	def read(name):
	    with open(suite + "/" + name, "rb") as f:
	        return f.read()
	try:
	    said = ask(read("dkimpy_rfc6376.signed.msg.eml"))
	    assert "dkim=pass" in said, said
	    said = ask(read("dkimpy_rfc6376.msg.eml"))
	    assert "dkim=none" in said, said
	    with open(tools + "/../dialogue/rfc8463.eml", "rb") as f:
	        both = f.read()
	    said = ask(both)
	    assert said.count("dkim=pass") == 2, said
	    assert "header.s=brisbane header.a=ed25519-sha256" in said, said
	    assert "header.s=test header.a=rsa-sha256" in said, said
	    said = ask(both.replace(b"dinner", b"supper"))
	    assert said.count("dkim=fail") == 2, said
	    said = ask(both.replace(b"hungry", b"angry"))
	    assert said.count("dkim=fail reason=\"body hash mismatch") == 2, said
	finally:
	    dns.kill()
	PY
}
