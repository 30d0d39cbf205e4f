#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The command that makes DKIM keys: what it makes smtpd-sign takes, and what
# it prints a name server takes.

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	setup_dir
	CONF=$BATS_TEST_TMPDIR/conf DKIM=$BATS_TEST_TMPDIR/dkim
	as_user mkdir -m 755 "$DKIM"
	printf '%s\n' 'hostname = mail.example.com' "dkim_keys = $DKIM" >"$CONF"
	chmod 644 "$CONF"
}

key() {
	as_user "$SMTPD_BIN/smtpd-dkim-key" -c "$CONF" "$@"
}

# The public half of a key in a file, by openssl: base64 of its DER form.
public() {
	as_user openssl pkey -in "$1" -pubout -outform DER | base64 -w 0
}

@test "dkim-key: an RSA key, its record in strings of 255 octets at most" {
	run -0 --separate-stderr key Example.COM S1
	[[ -z $stderr ]]
	file=$DKIM/example.com/s1.key
	[[ $(stat -c '%a %u' "$file") == "400 $(as_user id -u)" ]]
	[[ $(as_user openssl pkey -in "$file" -noout -text) == *"(2048 bit"* ]]
	[[ ${lines[0]} == 's1._domainkey.example.com. IN TXT (' ]]
	[[ ${#lines[1]} -eq 258 ]]
	joined=$(tr -d '\n\t"' <<<"$output")
	[[ $joined == *"TXT (v=DKIM1; k=rsa; p=$(public "$file") )" ]]
	# the same again, from the key that is there
	record=$output
	run -0 key example.com
	[[ $output == "$record" ]]
	run -0 key host.example.com
	[[ $output == "$record" ]]
}

@test "dkim-key: keys of 4096 bits and of Ed25519, RSA first" {
	key example.com e ed25519 >"$BATS_TEST_TMPDIR/zone.e"
	key example.com r rsa 4096 >"$BATS_TEST_TMPDIR/zone.r"
	run -0 key example.com
	[[ $output == "$(cat "$BATS_TEST_TMPDIR"/zone.{r,e})" ]]
	[[ ${lines[-1]} == 'e._domainkey.example.com. IN TXT "v=DKIM1; k=ed25519; p='*'"' ]]
	[[ ${lines[-1]} == *"p=$(as_user openssl pkey -pubout -outform DER \
		-in "$DKIM/example.com/e.key" | tail -c 32 | base64)\"" ]]
	# a name server reads it
	command -v ldns-read-zone >/dev/null ||
		skip_loudly 'ldns-read-zone is not installed'
	{
		echo 'example.com. 60 IN SOA ns. hostmaster. 1 2 3 4 5'
		sed 's/ IN / 60 IN /' <<<"$output"
	} >"$BATS_TEST_TMPDIR/zone"
	run -0 ldns-read-zone "$BATS_TEST_TMPDIR/zone"
	[[ $(grep -c '"v=DKIM1; k=' <<<"$output") -eq 2 ]]
}

@test "dkim-key: what it makes signs, and verifies with what it prints" {
	key example.com r >"$BATS_TEST_TMPDIR/zone"
	key example.com e ed25519 >>"$BATS_TEST_TMPDIR/zone"
	cat >"$BATS_TEST_TMPDIR/verify.py" <<-'EOT'
	import re, sys
	import dkim
	zone = open(sys.argv[1]).read()
	def txt(name, timeout=0):
	    m = re.search(re.escape(name.decode()) + r" IN TXT (\(.*?\)|\".*?\"$)",
	        zone, re.S | re.M)
	    return "".join(re.findall(r'"(.*?)"', m[1])).encode()
	text = sys.stdin.buffer.read()
	for i in range(2):
	    print(dkim.DKIM(text).verify(idx=i, dnsfunc=txt))
	EOT
	as_user mkdir "$BATS_TEST_TMPDIR/queue"
	printf '%s\n' "queue = $BATS_TEST_TMPDIR/queue" 'min_free = 0' \
		'local_domains = example.com' >>"$CONF"
	as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/inject.py" \
		C:version=1 'S:<>' 'R:local <user@example.com>' \
		$'B:From: joe@example.com\r\n\r\nx\r\n' E -- \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" user \
		"sign:top:$SMTPD_BIN/smtpd-sign"
	file=$(find "$BATS_TEST_TMPDIR/queue" -type f)
	/usr/bin/python3 "$SMTPD_TOP/tests/tools/dkim_check.py" message \
		"$file" >"$BATS_TEST_TMPDIR/m"
	run -0 /usr/bin/python3 "$BATS_TEST_TMPDIR/verify.py" \
		"$BATS_TEST_TMPDIR/zone" <"$BATS_TEST_TMPDIR/m"
	[[ $output == $'True\nTrue' ]]
}

@test "dkim-key: a key that is there stays as it is" {
	key example.com s
	before=$(public "$DKIM/example.com/s.key")
	run -100 key example.com s ed25519
	[[ $output == *"'example.com/s.key' exists already: give the new key another selector"* ]]
	[[ $(public "$DKIM/example.com/s.key") == "$before" ]]
	[[ $(ls -A "$DKIM/example.com") == s.key ]]
}

@test "dkim-key: what it cannot do it says, and makes nothing" {
	run -100 key
	[[ $output == *usage:* ]]
	for words in "example.com s dsa" "example.com s rsa 2048 x" \
	    "example.com s ed25519 x"; do
		# shellcheck disable=SC2086 # words
		run -100 key $words
		[[ $output == *usage:* ]]
	done
	for bits in 1024 4097 2048x -1; do
		run -100 key example.com s rsa $bits
		[[ $output == *"has 2048 to 4096 bits"* ]]
	done
	run -100 key ../x s
	[[ $output == *"'../x' is not a domain name"* ]]
	run -100 key example.com ../s
	[[ $output == *"'../s' is not a selector"* ]]
	run -100 key example.org
	[[ $output == *"no key for 'example.org'"* ]]
	run -100 key -o dkim_keys=/nonexistent example.com s
	[[ $output == *"cannot open dkim_keys '/nonexistent': No such file"* ]]
	run -100 key -o dkim_keys= example.com s
	[[ $output == *"dkim_keys is empty"* ]]
	[[ -z $(ls -A "$DKIM") ]]
	# a link in place of the domain's directory leads nowhere
	as_user mkdir "$BATS_TEST_TMPDIR/away"
	as_user ln -s ../away "$DKIM/example.com"
	run -111 key example.com s
	[[ $output == *"cannot open directory 'example.com'"* ]]
	[[ -z $(ls -A "$BATS_TEST_TMPDIR/away") ]]
}

@test "dkim-key: root makes keys that the group can read and not change" {
	[[ $(id -u) -eq 0 ]] || skip_loudly 'needs root'
	chown "0:$TEST_UID" "$DKIM"
	chmod 750 "$DKIM"
	"$SMTPD_BIN/smtpd-dkim-key" -c "$CONF" example.com s
	[[ $(stat -c '%u:%g %a' "$DKIM/example.com") == "0:$TEST_UID 750" ]]
	[[ $(stat -c '%u:%g %a' "$DKIM/example.com/s.key") == "0:$TEST_UID 440" ]]
	as_user cat "$DKIM/example.com/s.key" >/dev/null
	run ! as_user touch "$DKIM/example.com/s.key"
	# whose directory it is, his are the keys
	chown "$TEST_UID:$TEST_UID" "$DKIM"
	"$SMTPD_BIN/smtpd-dkim-key" -c "$CONF" example.org s
	[[ $(stat -c '%u:%g %a' "$DKIM/example.org/s.key") == "$TEST_UID:$TEST_UID 400" ]]
	"$SMTPD_BIN/smtpd-dkim-key" -c "$CONF" example.org
	chown 0:0 "$DKIM"
	run -0 "$SMTPD_BIN/smtpd-dkim-key" -c "$CONF" example.net s
	[[ $output == *"smtpd-sign will not be able to read the key"* ]]
}
