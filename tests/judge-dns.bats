#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# When smtpd-judge asks the DNS: at once what can be asked at once, once what
# was answered, and with ids that nobody can guess.

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
	setup_dir
	ASKED=$BATS_TEST_TMPDIR/asked
}

teardown() {
	[[ ! -e $BATS_TEST_TMPDIR/dns.pid ]] ||
		kill "$(<"$BATS_TEST_TMPDIR/dns.pid")"
}

# dns TOOL [ARGUMENT...]: one of our own, with the zone; its words are in ASKED.
dns() {
	"${AS_USER[@]}" setpriv --pdeathsig TERM /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/$1" "$D/zone" "${@:2}" >"$ASKED" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/dns.pid"
	wait_for [ -s "$ASKED" ]
	JUDGE=("$SMTPD_BIN/smtpd-judge" -c /dev/null -o hostname=mx.example.com
		-o "resolver=127.0.0.1:$(head -n 1 "$ASKED")")
	[[ -n ${SMTPD_ASAN-} ]] || JUDGE+=(-o confine=kill)
}

# cases: standard input as a file of them, in one conversation.
cases() {
	cat >"$BATS_TEST_TMPDIR/cases"
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/judge_cases.py" play \
		"$D" "$BATS_TEST_TMPDIR/cases" -- "$@" "${JUDGE[@]}"
}

# asked NAME TYPE: how often.
asked() {
	grep -cx "udp $1 $2" "$ASKED" || true
}

@test "judge-dns: about the client, and about the text, all at once" {
	dns dns_gather.py 1.2.0.192.in-addr.arpa,mail.ok.test,ok.test \
		rsa._domainkey.ok.test,ed._domainkey.ok.test,_dmarc.ok.test
	JUDGE+=(-o judge_timeout=5)
	cases <<-EOT
	case at once
	sign rsa ok.test relaxed/relaxed
	sign ed ok.test relaxed/relaxed
	want iprev=pass spf=pass spf=pass dkim=pass dkim=pass dmarc=pass
	EOT
}

@test "judge-dns: the walk up from an author of three labels or more at once" {
	dns dns_gather.py \
		rsa._domainkey.ok.test,_dmarc.a.b.ok.test,_dmarc.b.ok.test,_dmarc.ok.test,_dmarc.test
	JUDGE+=(-o judge_timeout=5)
	cases <<-EOT
	case at once
	from a@a.b.ok.test
	sign rsa ok.test relaxed/relaxed
	want dkim=pass dmarc=pass,header.from=a.b.ok.test
	EOT
}

# A test of the tests: who asks one after the other gets nothing.
@test "judge-dns: what is not asked ahead is asked one after the other" {
	dns dns_gather.py _dmarc.q.test,_dmarc.none.test
	JUDGE+=(-o judge_timeout=2)
	cases <<-EOT
	case one after the other
	from a@q.test, b@none.test
	want dmarc=temperror
	EOT
}

@test "judge-dns: an answer is good for the whole conversation" {
	dns dns_faults.py
	cases <<-EOT
	case the first
	sign rsa ok.test relaxed/relaxed
	want iprev=pass spf=pass spf=pass dkim=pass dmarc=pass
	case the second
	sign rsa ok.test relaxed/relaxed
	want iprev=pass spf=pass spf=pass dkim=pass dmarc=pass
	case the same from elsewhere
	ip 192.0.2.66
	sign rsa ok.test relaxed/relaxed broken
	want spf=fail,smtp.mailfrom=a@ok.test spf=fail dkim=fail dmarc=fail
	answer X ^550
	case a domain that is not there
	sender <a@nowhere.test>
	from a@none.test
	want spf=none,smtp.mailfrom=a@nowhere.test spf=pass
	case still not there
	sender <a@nowhere.test>
	from a@none.test
	want spf=none,smtp.mailfrom=a@nowhere.test spf=pass
	EOT
	for question in '1.2.0.192.in-addr.arpa PTR' 'ok.test TXT' \
	    'mail.ok.test TXT' 'mail.ok.test A' 'rsa._domainkey.ok.test TXT' \
	    '_dmarc.ok.test TXT' 'nowhere.test TXT'; do
		# shellcheck disable=SC2086 # two words
		[ "$(asked $question)" -eq 1 ] || { echo "$question"; false; }
	done
}

@test "judge-dns: no answer is nothing to keep" {
	dns dns_faults.py
	cases <<-EOT
	case the first
	sender <a@servfail.test>
	from a@none.test
	want spf=temperror,smtp.mailfrom=a@servfail.test spf=pass
	case the second
	sender <a@servfail.test>
	from a@none.test
	want spf=temperror,smtp.mailfrom=a@servfail.test spf=pass
	EOT
	[ "$(asked servfail.test TXT)" -ge 2 ]
	[ "$(asked mail.ok.test TXT)" -eq 1 ]
}

# Each message has 10 signatures of its own: more names than are kept.
@test "judge-dns: more answers than can be kept" {
	dns dns_faults.py
	for ((n = 0; n < 12; n++)); do
		echo "case $n"
		for ((i = 0; i < 10; i++)); do
			echo "field DKIM-Signature: v=1; a=rsa-sha256;" \
				"d=ok.test; s=s$((n * 10 + i)); h=From; bh=eA==; b=eA=="
		done
		echo "want spf=pass spf=pass dmarc=pass"
		for ((i = 0; i < 10; i++)); do
			echo "says header.s=s$((n * 10 + i)) "
		done
	done | cases
	for ((n = 0; n < 120; n++)); do
		[ "$(asked "s$n._domainkey.ok.test" TXT)" -eq 1 ]
	done
	[ "$(asked ok.test TXT)" -lt 12 ]
}

# udns alone would draw them from the microsecond at which it was started.
@test "judge-dns: the ids of questions are the kernel's randomness" {
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly 'strace and a sanitizer'
	command -v strace >/dev/null || skip_loudly 'no strace'
	dns dns_faults.py
	cases strace -f -xx -o "$BATS_TEST_TMPDIR/trace" <<-EOT
	case watched
	sign rsa ok.test relaxed/relaxed
	want dkim=pass dmarc=pass
	EOT
	python3 - "$BATS_TEST_TMPDIR/trace" <<-'EOT'
	import re, sys
	random, asked = set(), 0
	for line in open(sys.argv[1]):
	    m = re.search(r'getrandom\("((?:\\x..){4})", 4, 0\)', line)
	    if m:
	        random |= {m[1][:8], m[1][8:]}
	    m = re.search(r'sendto\(\d+, "((?:\\x..){2})', line)
	    if m:
	        asked += 1
	        assert m[1] in random, line
	assert asked >= 6, asked
	EOT
}
