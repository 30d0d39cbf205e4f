#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The adviser that signs: what it signs with which key, and what it never lets
# out. Signatures are checked by dkimpy and by OpenDKIM's own tool.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup_file() {
	K=$BATS_FILE_TMPDIR/k
	export K
	mkdir "$K"
	openssl genrsa -out "$K/rsa" 2048
	openssl genrsa -out "$K/rsa4096" 4096
	openssl genrsa -out "$K/weak" 512
	openssl genpkey -algorithm ed25519 -out "$K/ed"
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
		-out "$K/ec"
	openssl rsa -in "$K/rsa" -aes128 -passout pass:x -out "$K/encrypted"
	head -n 5 "$K/rsa" >"$K/broken"
	: >"$K/empty"
	chmod 644 "$K"/*
	chmod 755 "$K" "$BATS_FILE_TMPDIR"
} 2>/dev/null

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	DKIM=$BATS_TEST_TMPDIR/dkim
	as_user mkdir "$DKIM"
	echo "dkim_keys = $DKIM" >>"$CONF"
	# the library forgets the key of each Ed25519 signature
	printf 'leak:%s\n' libopendkim libcrypto >"$BATS_TEST_TMPDIR/leaks"
	export LSAN_OPTIONS=suppressions=$BATS_TEST_TMPDIR/leaks:print_suppressions=0
	ENTRANCE=user
	SIGN=(sign:top:"$SMTPD_BIN/smtpd-sign")
	HEAD=(C:version=1 'S:<joe@example.com>' 'R:remote <ann@client.example>')
	TEXT=$'From: Joe <joe@example.com>\r\nSubject: x\r\n\r\nhello\r\n'
	BUSY=$'451 4.3.5 Cannot sign this message now, try again later'
}

teardown() {
	stop_chain
	if [[ -e $BATS_TEST_TMPDIR/pid ]]; then
		kill "$(<"$BATS_TEST_TMPDIR/pid")" 2>/dev/null || true
	fi
}

# key DOMAIN SELECTOR KEY [MODE]
key() {
	as_user mkdir -p "$DKIM/$1"
	as_user install -m "${4:-400}" "$K/$3" "$DKIM/$1/$2.key"
}

# sign WORD...: through smtpd-queue, with $SIGN as its advisers.
sign() {
	as_user python3 "$SMTPD_TOP/tests/tools/inject.py" "$@" -- \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" "${OPTIONS[@]}" \
		"$ENTRANCE" "${SIGN[@]}"
}

# advise WORD...: the adviser alone, under the command in UNDER.
advise() {
	as_user python3 "$SMTPD_TOP/tests/tools/advise.py" \
		C:id=0123456789abcdef012345 "C:entrance=$ENTRANCE" \
		"${HEAD[@]:1}" "$@" -- \
		"${UNDER[@]}" "$SMTPD_BIN/smtpd-sign" -c "$CONF" \
		"${OPTIONS[@]}"
}

# send OCTETS: a message of them alone, in an empty queue.
send() {
	rm -rf "$Q/new"
	run --separate-stderr sign "${HEAD[@]}" "B:$1" E
}

check() {
	python3 "$SMTPD_TOP/tests/tools/dkim_check.py" "$@"
}

# The signatures of the only message: "SELECTOR ALGORITHM pass" each.
verdicts() {
	check verify "$DKIM" "$(only_queued)"
}

@test "sign: with both keys, RSA on top, and both verify" {
	key example.com e ed
	key example.com r rsa
	send "$TEXT"
	[[ $status -eq 0 ]]
	diff - <(verdicts) <<-EOT
	r rsa-sha256 pass
	e ed25519-sha256 pass
	EOT
	[[ $stderr == *"event=signed domain=example.com ed25519=e rsa=r"* ]]
	queue_tool body "$(only_queued)" | cmp - <(printf %s "$TEXT")
	run -0 check tags "$(only_queued)"
	[[ $output == *$'c relaxed/relaxed\nd example.com\ns r\n'* ]]
	[[ $output != *$'\nl '* && $output != *$'\nx '* ]]
	[[ $output == *$'\nh From:Subject:From:To:Cc:Subject:Date:Message-ID:Reply-To:MIME-Version:Content-Type:Content-Transfer-Encoding:Content-Disposition\n'* ]]
}

@test "sign: covers List fields that are there, and one more of each" {
	key example.com e ed
	send $'List-Id: <l>\r\nX-Foo: y\r\nReceived: z\r\nSender: s\r\n'"$TEXT"
	run -0 check tags "$(only_queued)"
	[[ $output == *$'\nh List-Id:Sender:From:Subject:From:'*':Sender:List-Id'* ]]
	[[ $output != *X-Foo* && $output != *Received* ]]
	[[ $output != *List-Post* ]]
}

@test "sign: what is changed or added afterwards does not verify" {
	key example.com e ed
	send "$TEXT"
	check message "$(only_queued)" >"$BATS_TEST_TMPDIR/m.eml"
	verify() { run check verify "$DKIM" "$BATS_TEST_TMPDIR/n.eml"; }
	for edit in s/hello/hullo/ 's/^Subject: x/Subject: y/' \
	    '/^From/i Subject: y\r' '/^From/i To: y\r' \
	    '/^From/i Content-Type: y\r' '/^From/i From: y\r' 's/joe@/jo@/'; do
		sed "$edit" "$BATS_TEST_TMPDIR/m.eml" >"$BATS_TEST_TMPDIR/n.eml"
		verify
		[[ $status -eq 1 && $output == "e ed25519-sha256 fail" ]] || {
			echo "$edit: $output"
			return 1
		}
	done
	# blanks, and what is not covered, may change on the way
	sed -e 's/^Subject: /subject:\t /' -e '/^From/i List-Id: y\r' \
		-e '1i Received: z\r' "$BATS_TEST_TMPDIR/m.eml" \
		>"$BATS_TEST_TMPDIR/n.eml"
	verify
	[[ $output == "e ed25519-sha256 pass" ]]
}

@test "sign: covers the fields that stand on top so far, whenever they came" {
	key example.com e ed
	rm -rf "$Q/new"
	run -0 sign "${HEAD[@]}" $'H:Subject: y\r\n' \
		$'H:From: joe@example.com\r\nDate: d\r\n' \
		$'B:To: t\r\n\r\nx\r\n' $'H:Received: z\r\n' \
		$'H:Reply-To: r\r\n' E
	[[ $(verdicts) == "e ed25519-sha256 pass" ]]
	run -0 check tags "$(only_queued)"
	[[ $output == *$'\nh Reply-To:From:Date:Subject:To:From:To:'* ]]
	# the signature stands above them
	[[ $(queue_tool frames "$(only_queued)" | grep '^H' | tail -n 1) == \
		"H DKIM-Signature: "* ]]
}

@test "sign: every odd message passes unchanged and verifies" {
	key example.com r rsa
	key example.com e ed
	echo 'max_size = 50M' >>"$CONF"
	folders=(odd)
	if [[ -d $SMTPD_SUITES/messages ]]; then
		folders+=("$SMTPD_SUITES/messages")
	else
		echo "# SKIPPED: messages of $SMTPD_SUITES" >&3
	fi
	for folder in "${folders[@]}"; do
		rm -rf "$Q/new"
		run --separate-stderr \
			as_user env PYTHONDONTWRITEBYTECODE=1 python3 \
			"$SMTPD_TOP/tests/tools/sign_many.py" "$DKIM" "$Q" \
			"$folder" -- "$SMTPD_BIN/smtpd-queue" -c "$CONF" \
			user "${SIGN[@]}"
		printf "%s\n" "$output" "$stderr"
		[[ $status -eq 0 ]]
		[[ ${lines[-1]} == *' 0 bad' ]]
	done
}

@test "sign: blanks before a colon do not keep a message here" {
	key example.com e ed
	send $'From: joe@example.com\r\nSubject \t : x\r\n\r\nhello\r\n'
	[[ $status -eq 0 && $stderr == *event=signed* ]]
}

@test "sign: the examples of RFC 6376 and RFC 8463" {
	as_user mkdir -p "$DKIM/football.example.com"
	{
		printf '302e020100300506032b657004220420'
		printf nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A= |
			base64 -d | od -An -tx1 | tr -d ' \n'
	} | python3 -c 'import sys
sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' | openssl pkey -inform DER \
		-out "$BATS_TEST_TMPDIR/brisbane"
	chmod 644 "$BATS_TEST_TMPDIR/brisbane"
	as_user install -m 400 "$BATS_TEST_TMPDIR/brisbane" \
		"$DKIM/football.example.com/brisbane.key"
	[[ ! -r $SMTPD_SUITES/dkim/dkimpy_test.private ]] || as_user install \
		-m 400 "$SMTPD_SUITES/dkim/dkimpy_test.private" \
		"$DKIM/football.example.com/test.key"
	sed 's/$/\r/' >"$BATS_TEST_TMPDIR/m" <<-'EOT'
	From: Joe SixPack <joe@football.example.com>
	To: Suzie Q <suzie@shopping.example.net>
	Subject: Is dinner ready?
	Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
	Message-ID: <20030712040037.46341.5F8J@football.example.com>

	Hi.

	We lost the game.  Are you hungry yet?

	Joe.
	EOT
	run -0 sign "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/m" E
	run -0 verdicts
	[[ $output == *"brisbane ed25519-sha256 pass"* && $output != *fail* ]]
	run -0 check tags "$(only_queued)"
	[[ $output == *$'\nbh 2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=\n'* ]]
	# the very record that the RFC publishes
	[[ $(openssl pkey -in "$BATS_TEST_TMPDIR/brisbane" -pubout -outform DER |
		tail -c 32 | base64) == 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= ]]
	if [[ ! -r $SMTPD_SUITES/dkim/dns.tsv ]]; then
		echo "# SKIPPED: the RSA half: no $SMTPD_SUITES/dkim" >&3
		return
	fi
	[[ ${output%%bh*} == *$'a rsa-sha256\n'* ]]
	[[ $(openssl pkey -in "$SMTPD_SUITES/dkim/dkimpy_test.private" -pubout |
		sed '/-----/d' | tr -d '\n') == \
		"$(sed -n 's/^test._domainkey.football.*p=//p' \
		"$SMTPD_SUITES/dkim/dns.tsv")" ]]
}

# What opendkim-testmsg says of each file, with a name server of our own in a
# network of its own: "NAME STATUS".
opendkim_says() {
	echo 'nameserver 127.0.0.1' >"$BATS_TEST_TMPDIR/resolv"
	cat >"$BATS_TEST_TMPDIR/serve.py" <<-'EOT'
	import socket, sys
	import dns.flags, dns.message, dns.rrset
	sys.path.insert(0, sys.argv[1])
	from dkim_check import record
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("127.0.0.1", 53))
	open(sys.argv[3], "w").close()
	while True:
	    data, peer = s.recvfrom(4096)
	    q = dns.message.from_wire(data)
	    r = dns.message.make_response(q)
	    text = record(sys.argv[2], q.question[0].name.to_text().encode())
	    parts = [text[i:i + 255].decode() for i in range(0, len(text), 255)]
	    r.answer.append(dns.rrset.from_text(q.question[0].name, 60, "IN",
	        "TXT", " ".join('"%s"' % p for p in parts)))
	    s.sendto(r.to_wire(), peer)
	EOT
	chmod 755 "$BATS_TEST_TMPDIR"
	unshare -mn --propagation private timeout 60 bash -c '
		cd "$1" && ip link set lo up && touch -a /etc/resolv.conf &&
		mount --bind resolv /etc/resolv.conf || exit
		/usr/bin/python3 serve.py "$2" dkim ready 3>&- & pid=$!
		until [ -e ready ]; do sleep 0.05; done
		for file in "${@:3}"; do
			opendkim-testmsg -C <"$file" >&2
			echo "${file##*/} $?"
		done
		kill $pid' - \
		"$BATS_TEST_TMPDIR" "$SMTPD_TOP/tests/tools" "$@"
}

@test "sign: OpenDKIM's own tool finds all signatures good" {
	[[ $(id -u) -eq 0 ]] || skip_loudly 'needs root for port 53'
	key example.com r rsa
	key example.com e ed
	echo 'max_size = 50M' >>"$CONF"
	as_user env PYTHONDONTWRITEBYTECODE=1 python3 \
		"$SMTPD_TOP/tests/tools/sign_many.py" "$DKIM" "$Q" odd -- \
		"$SMTPD_BIN/smtpd-queue" -c "$CONF" user "${SIGN[@]}" 2>/dev/null
	mkdir "$BATS_TEST_TMPDIR/m"
	cd "$BATS_TEST_TMPDIR/m"
	for file in $(queued | sort); do
		check message "$file" >"${file##*/}.eml"
		# the tool takes no second Subject, and cuts fields of 64 KB
		if grep -q '^Subject: z' "${file##*/}.eml"; then
			rm "${file##*/}.eml"
			continue
		fi
		[[ $(awk -v RS='\r\n' '/^$/ { exit }
			/^[ \t]/ { n += length }
			!/^[ \t]/ { n = length }
			n > max { max = n } END { print max + 0 }' \
			"${file##*/}.eml") -lt 65000 ]] || rm "${file##*/}.eml"
	done
	sed 's/^Subject: x/Subject: y/' "$(grep -l '^Subject: x' -- *.eml |
		sed 1q)" >changed
	run -0 --separate-stderr opendkim_says "$PWD"/*.eml "$PWD/changed"
	echo "$output" "$stderr"
	[[ $(grep -c ' 0$' <<<"$output") -eq $(ls -- *.eml | wc -l) ]]
	[[ $(grep -c ' 0$' <<<"$output") -gt 20 ]]
	[[ ${lines[-1]} == "changed 70" ]]
}

@test "sign: the nearest domain above the author's that has a key" {
	key example.com r rsa
	key b.example.com e ed
	for from in joe@example.com=r joe@a.example.com=r joe@B.Example.Com=e \
	    joe@a.b.example.com=e; do
		send $'From: '"${from%=*}"$'\r\n\r\nx\r\n'
		[[ $(verdicts) == "${from#*=} "*pass ]]
	done
	for from in joe@example.org joe@xexample.com joe@com joe@[192.0.2.1]; do
		send $'From: '"$from"$'\r\n\r\nx\r\n'
		[[ $status -eq 0 && -z $(verdicts) ]]
		[[ $stderr == *"event=unsigned no_key_for="* ]]
	done
}

@test "sign: a From that cannot be read, or that is not one, is not signed" {
	key example.com r rsa
	for from in '' $'From: joe\r\n' $'From: <>\r\n' $'From: a b@example.com\r\n' \
	    $'From: joe@example.com\r\nfrom: ann@example.com\r\n' \
	    $'From: joe@../example.com\r\n' $'From: joe@example.com <\r\n'; do
		send "$from"$'To: x\r\n\r\nx\r\n'
		[[ $status -eq 0 && -z $(verdicts) ]]
		[[ $stderr == *event=unsigned* ]]
	done
}

@test "sign: one line each for the usual single domain" {
	as_user install -m 400 "$K/rsa4096" "$BATS_TEST_TMPDIR/one"
	OPTIONS=(-o "dkim_key=$BATS_TEST_TMPDIR/one" -o dkim_domain=Example.COM
		-o dkim_selector=s1)
	as_user mkdir -p "$DKIM/example.com"
	as_user ln -s ../../one "$DKIM/example.com/s1.key"
	send "$TEXT"
	check tags "$(only_queued)" >"$BATS_TEST_TMPDIR/tags"
	grep -x 's s1' "$BATS_TEST_TMPDIR/tags"
	grep -x 'd example.com' "$BATS_TEST_TMPDIR/tags"
	verdicts
	# and one of the other kind beside it
	key example.com e ed
	send "$TEXT"
	[[ $(check tags "$(only_queued)" | grep '^s ') == $'s s1\ns e' ]]
	# without any directory
	OPTIONS+=(-o dkim_keys=/nonexistent)
	send "$TEXT"
	[[ $(check tags "$(only_queued)" | grep '^s ') == 's s1' ]]
}

# waits_for WHY: the message is not taken, and the log says why.
waits_for() {
	send "$TEXT"
	[[ $status -eq 75 && $output == *"Z $BUSY"* ]]
	[[ $stderr == *"event=bad-key error=\"$DKIM/example.com"*"$1"* ]] || {
		echo "$stderr"
		return 1
	}
	nothing_queued
}

@test "sign: a key that must not be used keeps the message waiting" {
	for mode in 444 404 420 410 402 401; do
		key example.com s rsa $mode
		waits_for "s.key: mode 0$mode lets others in"
	done
	key example.com s weak
	waits_for "512 bits, but at least 1024 are needed"
	key example.com s ec
	waits_for "not an RSA or Ed25519 key"
	key example.com s encrypted
	waits_for "encrypted, which is not"
	for file in broken empty; do
		key example.com s $file
		waits_for "no private key in PEM format"
	done
	as_user rm "$DKIM/example.com/s.key"
	key example.com s_1 rsa
	waits_for "s_1.key: its name is not a selector"
	as_user rm "$DKIM/example.com/s_1.key"
	as_user mkfifo -m 400 "$DKIM/example.com/s.key"
	waits_for "s.key: not a regular file"
	as_user rm "$DKIM/example.com/s.key"
	head -c 20000 /dev/zero >"$K/large"
	key example.com s large
	waits_for "larger than"
	as_user rm "$DKIM/example.com/s.key"
	# what lies outside cannot be reached, not even through a link
	as_user install -m 400 "$K/rsa" "$BATS_TEST_TMPDIR/elsewhere"
	as_user ln -s ../../elsewhere "$DKIM/example.com/s.key"
	[[ -n ${SMTPD_ASAN-} ]] ||
		waits_for "s.key: Permission denied"
	as_user rm "$DKIM/example.com/s.key"
	for n in 1 2 3 4 5; do
		key example.com k$n ed
	done
	waits_for "one key too many"
	# one bad key beside a good one: it is not left out in silence
	as_user rm "$DKIM/example.com"/k[2-5].key
	key example.com s broken
	waits_for "no private key"
}

@test "sign: a key of somebody else's keeps the message waiting" {
	[[ $(id -u) -eq 0 ]] || skip_loudly 'needs root'
	key example.com s rsa
	chown 61234 "$DKIM/example.com/s.key"
	waits_for "s.key: Permission denied"
	chmod 444 "$DKIM/example.com/s.key"
	waits_for "belongs to uid 61234, not to uid"
	# root's, for our group alone, as a packager might have it
	chown "0:$TEST_UID" "$DKIM/example.com/s.key"
	chmod 440 "$DKIM/example.com/s.key"
	send "$TEXT"
	[[ $(verdicts) == "s rsa-sha256 pass" ]]
	chown 0:0 "$DKIM/example.com/s.key"
	waits_for "s.key: Permission denied"
}

@test "sign: a directory that cannot be read keeps the message waiting" {
	key example.com s rsa
	chmod 0 "$DKIM/example.com"
	if as_user ls "$DKIM/example.com" 2>/dev/null; then
		skip 'nothing is closed to this user'
	fi
	waits_for "Permission denied"
	chmod 755 "$DKIM/example.com"
	chmod 0 "$DKIM"
	waits_for "Permission denied"
	chmod 755 "$DKIM"	# or an ordinary user cannot clean up
}

@test "sign: a dkim_key that is not there keeps the message waiting" {
	OPTIONS=(-o "dkim_key=$BATS_TEST_TMPDIR/gone" -o dkim_domain=example.com
		-o dkim_selector=s)
	send "$TEXT"
	[[ $status -eq 75 && $stderr == *"gone: No such file"* ]]
	OPTIONS[1]="dkim_key=$BATS_TEST_TMPDIR/no/gone"
	send "$TEXT"
	[[ $status -eq 75 && $stderr == *"dkim_key: cannot open '$BATS_TEST_TMPDIR/no': No such file"* ]]
	# mail of another domain goes on
	send $'From: joe@example.org\r\n\r\nx\r\n'
	[[ $status -eq 0 ]]
}

@test "sign: a key that is mended counts for the next message" {
	key example.com s broken
	sign "${HEAD[@]}" "B:$TEXT" E sync wait:"$BATS_TEST_TMPDIR/go" \
		"${HEAD[@]}" "B:$TEXT" E >"$BATS_TEST_TMPDIR/out" \
		2>"$BATS_TEST_TMPDIR/log" 3>&- &
	wait_for grep -q event=bad-key "$BATS_TEST_TMPDIR/log"
	key example.com s rsa
	touch "$BATS_TEST_TMPDIR/go"
	wait $!
	[[ $(cut -c1 "$BATS_TEST_TMPDIR/out" | tr -d '\n') == WZK ]]
	[[ $(verdicts) == "s rsa-sha256 pass" ]]
}

@test "sign: what cannot be signed as a whole keeps waiting" {
	key example.com e ed
	unsignable() {	# WHY
		run -75 --separate-stderr sign "${HEAD[@]}" \
			B@"$BATS_TEST_TMPDIR/m" E
		[[ $output == *"Z $BUSY"* ]]
		[[ $stderr == *"event=unsignable error=\"$1"* ]]
		nothing_queued
	}
	printf 'Subject: a\0b\r\nFrom: joe@example.com\r\n\r\nx\r\n' \
		>"$BATS_TEST_TMPDIR/m"
	unsignable 'NUL in a header field'
	{
		printf 'To: a\r\n%.0s' {1..201}
		printf %s "$TEXT"
	} >"$BATS_TEST_TMPDIR/m"
	unsignable 'too many header fields'
	for _ in {1..65}; do
		printf 'X: %032763d\r\n' 0
	done >"$BATS_TEST_TMPDIR/m"
	unsignable 'the header section is too large'
	# smtpd-submit, which is asked before, refuses them
	SIGN=("submit:delete,put,top,refuse:$SMTPD_BIN/smtpd-submit" "${SIGN[@]}")
	run -65 sign "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/m" E
	# of no domain of ours, it is not for us to sign
	SIGN=("${SIGN[1]}")
	printf 'Subject: a\0b\r\nFrom: joe@example.net\r\n\r\nx\r\n' \
		>"$BATS_TEST_TMPDIR/m"
	run -0 sign "${HEAD[@]}" B@"$BATS_TEST_TMPDIR/m" E
}

@test "sign: many messages, some abandoned, in one conversation" {
	key example.com e ed
	key example.org r rsa
	run -0 --separate-stderr sign "${HEAD[@]}" "B:$TEXT" E \
		"${HEAD[@]}" $'H:Subject: y\r\n' B:x A \
		"${HEAD[@]}" "B:${TEXT/.com/.org}" E \
		"${HEAD[@]}" $'B:X: y\r\n\r\n' E "${HEAD[@]}" "B:$TEXT" E
	[[ $(grep -c ^K <<<"$output") -eq 4 && $(queued | wc -l) -eq 4 ]]
	for file in $(queued); do
		check verify "$DKIM" "$file"
	done | sort | diff - <(printf '%s pass\n' 'e ed25519-sha256' \
		'e ed25519-sha256' 'r rsa-sha256')
	# each line of the log has the id of its message
	for event in event=signed event=queued; do
		grep "$event" <<<"$stderr" | cut -d' ' -f1 |
			sort >"$BATS_TEST_TMPDIR/$event"
	done
	[[ $(grep -c . "$BATS_TEST_TMPDIR/event=signed") -eq 3 ]]
	[[ -z $(comm -23 "$BATS_TEST_TMPDIR"/event={signed,queued}) ]]
	# and it ends in peace
	run -0 --separate-stderr advise "text:$TEXT" advice A \
		C:id=0123456789abcdef012346 "${HEAD[@]:1}" "text:$TEXT" advice
	[[ $(grep -c ^K <<<"$output") -eq 2 && $stderr != *"ended with"* ]]
}

@test "sign: mail of all entrances but that of strangers is signed" {
	key example.com e ed
	echo 'relay_clients = 127.0.0.1' >>"$CONF"
	SIGN=("submit:delete,put,top,refuse:$SMTPD_BIN/smtpd-submit" "${SIGN[@]}")
	for ENTRANCE in user auth relay; do
		words=(C:version=1 peer:tcp "${HEAD[@]:1}")
		[[ $ENTRANCE != auth ]] || words=(C:user=joe "${words[@]}")
		rm -rf "$Q/new"
		# what smtpd-submit completes and deletes, it signs
		run -0 --separate-stderr sign "${words[@]}" \
			$'B:Authentication-Results: mail.example.com; x\r\nSubject: y\r\nhello\r\n' E
		[[ $(verdicts) == "e ed25519-sha256 pass" ]]
		run -0 check tags "$(only_queued)"
		[[ $output == *$'\nh Date:From:Message-ID:Subject:From:'* ]]
		[[ $(queue_tool body "$(only_queued)" | tail -n 3) == \
			$'Subject: y\r\n\r\nhello\r' ]]
	done
	ENTRANCE=own SIGN=("${SIGN[1]}")
	send "$TEXT"
	[[ $(verdicts) == "e ed25519-sha256 pass" ]]
}

@test "sign: behind a socket a change counts for the next connection" {
	sock=$BATS_TEST_TMPDIR/s
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "$sock" \
		"$SMTPD_BIN/smtpd-sign" -c "$CONF" \
		2>"$BATS_TEST_TMPDIR/log" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for test -S "$sock"
	SIGN=("sign:top:$sock")
	send "$TEXT"
	[[ $status -eq 0 && -z $(verdicts) ]]
	run -1 grep event= "$BATS_TEST_TMPDIR/log"
	key example.com e ed
	send "$TEXT"
	[[ $(verdicts) == "e ed25519-sha256 pass" ]]
	# a key that must not be used concerns its own domain
	key example.org r rsa 444
	send "${TEXT/.com/.org}"
	[[ $status -eq 75 && $output == *"Z $BUSY"* ]]
	send "$TEXT"
	[[ $(verdicts) == "e ed25519-sha256 pass" ]]
	as_user chmod 400 "$DKIM/example.org/r.key"
	send "${TEXT/.com/.org}"
	[[ $(verdicts) == "r rsa-sha256 pass" ]]
	as_user chmod 440 "$DKIM/example.com/e.key"
	send "$TEXT"
	[[ $(verdicts) == "e ed25519-sha256 pass" ]]
	as_user chmod 644 "$DKIM/example.com/e.key"
	send "$TEXT"
	[[ $status -eq 75 ]]
	# another key of the same name, then another directory
	key example.com e rsa4096
	send "$TEXT"
	[[ $(verdicts) == "e rsa-sha256 pass" ]]
	as_user mv "$DKIM" "$DKIM.old"
	as_user mkdir "$DKIM"
	key example.com n rsa
	send "$TEXT"
	[[ $(verdicts) == "n rsa-sha256 pass" ]]
	as_user rm -r "$DKIM"
	send "$TEXT"
	[[ $status -eq 0 && -z $(queue_tool frames "$(only_queued)" | grep ^H) ]]
}

@test "sign: many at once, of forks of one process" {
	key example.com r rsa
	key example.com e ed
	sock=$BATS_TEST_TMPDIR/s
	"${AS_USER[@]}" "$SMTPD_BIN/smtpd-listen" "$sock" \
		"$SMTPD_BIN/smtpd-sign" -c "$CONF" \
		2>"$BATS_TEST_TMPDIR/log" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pid"
	wait_for test -S "$sock"
	SIGN=("sign:top:$sock") pids=()
	for i in {1..40}; do
		sign "${HEAD[@]}" "B:$TEXT$i" E "${HEAD[@]}" "B:$TEXT$i$i" E \
			>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	for file in $(queued); do
		check verify "$DKIM" "$file"
	done | sort | uniq -c | sed 's/^ *//' | diff - <(printf '80 %s pass\n' \
		'e ed25519-sha256' 'r rsa-sha256')
}

@test "sign: killed while it is asked, it leaves nothing" {
	key example.com e ed
	mail=("${HEAD[@]}" "B:$TEXT")
	for n in 2 3 4; do
		rm -f "$BATS_TEST_TMPDIR"/{at,go}
		sign "${mail[@]:0:n}" sync touch:"$BATS_TEST_TMPDIR/at" \
			wait:"$BATS_TEST_TMPDIR/go" "${mail[@]:n}" E \
			>"$BATS_TEST_TMPDIR/out" 2>/dev/null 3>&- &
		client=$!
		wait_for pgrep -f "^$SMTPD_BIN/smtpd-sign -c $CONF"
		wait_for test -e "$BATS_TEST_TMPDIR/at"
		pkill -KILL -f "^$SMTPD_BIN/smtpd-sign -c $CONF"
		touch "$BATS_TEST_TMPDIR/go"
		wait "$client" && status=0 || status=$?
		[[ $status -eq 75 ]]
		grep '^Z 451 4.7.1' "$BATS_TEST_TMPDIR/out"
		nothing_queued
	done
}

@test "sign: 25 MiB, and memory for the header section only" {
	key example.com e ed
	key example.com r rsa
	{
		printf %s "$TEXT"
		head -c 19600000 /dev/urandom | base64 | sed 's/$/\r/'
	} >"$BATS_TEST_TMPDIR/m"
	[[ $(stat -c %s "$BATS_TEST_TMPDIR/m") -gt 26214400 ]]
	as_user touch "$BATS_TEST_TMPDIR/n.eml"
	[[ -n ${SMTPD_ASAN-} ]] || UNDER=(prlimit "--as=$((24 << 20))")
	run -0 advise text@"$BATS_TEST_TMPDIR/m" \
		apply@"$BATS_TEST_TMPDIR/n.eml"
	size=$(stat -c %s "$BATS_TEST_TMPDIR/m")
	tail -c "$size" "$BATS_TEST_TMPDIR/n.eml" | cmp - "$BATS_TEST_TMPDIR/m"
	[[ $(check verify "$DKIM" "$BATS_TEST_TMPDIR/n.eml" | grep -c pass) -eq 2 ]]
}

@test "sign: without a key nothing is read, and nothing of OpenSSL is started" {
	needs_strace
	sed -i /confine/d "$CONF"
	trace() {
		UNDER=(strace -o "$BATS_TEST_TMPDIR/trace")
		run -0 --separate-stderr advise "text:$TEXT" advice
		wc -l <"$BATS_TEST_TMPDIR/trace"
	}
	count() { grep -c "$1" "$BATS_TEST_TMPDIR/trace"; }
	without=$(trace)
	run -1 count 'pread64\|futex'
	key example.net r rsa
	another=$(trace)
	run -0 count pread64
	run -1 count futex
	key example.com e ed
	with=$(trace)
	run -0 count futex
	echo "calls: $without without a key, $another with another's, $with with one"
	[[ $without -lt 70 && $another -lt 90 ]]
	# no file but those of keys, the settings and what libc looks for
	run -1 grep -E 'open.*(openssl|ssl/|engines)' "$BATS_TEST_TMPDIR/trace"
}

@test "sign: says at the start what is wrong" {
	OPTIONS=(-o dkim_selector=s)
	run -1 --separate-stderr advise "text:$TEXT" advice
	[[ $stderr == *"configuration: dkim_selector is set, but dkim_domain is not"* ]]
	[[ $stderr == *"ended with 100"* ]]
	OPTIONS=(/bin/true)
	run -1 --separate-stderr advise "text:$TEXT" advice
	[[ $stderr == *"takes no operands"*"ended with 100"* ]]
}

@test "sign: in the chain, what users send and what bounces is signed" {
	start_chain
	DKIM=$CHAIN/dkim
	key example.com r rsa
	for to in user nobody.there; do
		printf 'Subject: to %s\n\nhi\n' "$to" | as_user \
			"$SMTPD_BIN/sendmail" -C "$CHAIN/smtpd.conf" \
			-f user@example.com "$to@example.com"
	done
	swaks --silent 2 --tls --server "127.0.0.1:$PORT" \
		--from user@example.com \
		--to user@example.com --auth PLAIN --auth-user user \
		--auth-password secret
	wait_for has_mail "$(maildir)" 3
	for file in "$(maildir)"/new/*; do
		cp "$file" "$BATS_TEST_TMPDIR/m.eml"
		[[ $(check verify "$DKIM" "$BATS_TEST_TMPDIR/m.eml") == \
			"r rsa-sha256 pass" ]]
	done
	grep -l '^From: .*MAILER-DAEMON@' "$(maildir)"/new/*
	# and when the key is not right, the sender keeps it
	chmod 644 "$DKIM/example.com/r.key"
	run -75 as_user "$SMTPD_BIN/sendmail" -C "$CHAIN/smtpd.conf" \
		-f user@example.com user@example.com <<<'Subject: waits'
	grep "event=bad-key error=.*r.key: mode 0644 lets others in" "$CHAIN/log"
}
