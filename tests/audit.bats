#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-audit: over what a real chain has done it finds nothing; when a line
# or a queue file is missing, or there twice, it finds just that. smtpd-trace
# tells the life of each of those messages.

setup_file() {
	load lib/smtpd
	export PYTHONDONTWRITEBYTECODE=1
	BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
	chmod a+x "$BATS_RUN_TMPDIR" "${BATS_FILE_TMPDIR%/*}"
	setup_dir
	T=$BATS_FILE_TMPDIR
	export T
	live
	as_user "$SMTPD_BIN/smtpd-audit" -c "$T/chain/smtpd.conf" "$T/early" \
		"$T/chain/log" >"$T/base" || [[ $? -eq 2 ]]
}

teardown_file() {
	stop_chain
	kill "$(<"$T/sink.pid")" 2>/dev/null || true
}

setup() {
	load lib/smtpd
	setup_dir
	LOG=$BATS_TEST_TMPDIR/log Q=$BATS_TEST_TMPDIR/queue
	as_user cp -a "$T/chain/queue" "$Q"
	cat "$T/early" "$T/chain/log" >"$LOG"
	chmod a+r "$LOG"
	CONFINE=(-o confine=kill)
	[[ -z ${SMTPD_ASAN-} ]] || CONFINE=()
}

# The id of the first message of a log whose line says it.
id_at() {
	sed -nE "/$2/{s/^id=([0-9a-f]+) .*/\1/p;q}" "$1"
}

post() {
	swaks --silent 2 --server "127.0.0.1:$PORT" --from "$1" --to "$2" \
		--header "Subject: $3"
}

logged() {
	[[ $(grep -cE "$2" "$CHAIN/log") -ge $1 ]]
}

again() {
	local pid
	pid=$(pgrep -o -f "^$SMTPD_BIN/smtpd-send .*$CHAIN/") &&
		kill -HUP "$pid"
}

ctl() {
	as_user "$SMTPD_BIN/smtpd-ctl" -c "$CHAIN/smtpd.conf" "$@"
}

# The life of a mail server in some seconds: every end that a recipient has.
live() {
	local port old user=user@example.com try posts
	"${AS_USER[@]}" setpriv --pdeathsig TERM /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/sink.py" \
		'127.0.0.2=rcpt=550 5.1.1 "no" id=0660ee029bdfc00c7da957 prog=smtpd-send event=delivered n=0' \
		'127.0.0.3=rcpt=450 4.2.0 later' >"$T/sink" 2>&1 3>&- &
	echo $! >"$T/sink.pid"
	wait_for [ -s "$T/sink" ]
	port=$(head -n 1 "$T/sink")
	as_user mkdir -p "$T/chain/mail/"{user,ann,bob,postmaster}
	printf '%s\n' 'one: ann' 'list: ann, bob, far@good.example' \
		'postmaster: gone@bad.example' |
		as_user tee "$T/chain/aliases" >/dev/null
	start_chain relay_clients=127.0.0.0/8 mx_loopback=allow \
		"routes=good.example=[127.0.0.1]:$port bad.example=[127.0.0.2]:$port slow.example=[127.0.0.3]:$port" \
		queue_lifetime=60 delay_notice=2
	post a@good.example user@example.com plain
	post a@good.example user@example.com,ann@example.com two
	post a@good.example one@example.com,list@example.com aliases
	post user@example.com a@good.example remote
	post user@example.com "b@bad.example,bob@example.com" bounced
	post '<>' c@bad.example dropped
	wait_for logged 1 'event=dropped'
	post user@example.com "d@slow.example,bob@example.com" delayed
	wait_for queue_count_is 1
	# One from a minute ago, which has no more time than five tries.
	old=$(as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/send_parts.py" \
		put "$CHAIN/queue" -a 100 -s "<$user>" -w "$CHAIN/sock/wakeup" \
		'remote <e@slow.example>')
	echo "id=$old prog=smtpd-queue event=queued entrance=in" \
		"from=<$user> nrcpt=1 size=5 to=<e@slow.example>" >"$T/early"
	for try in 1 2 3 4 5; do
		wait_for logged 1 "^id=$old .*event=deferred.*attempt=$try"
		again
	done
	wait_for logged 1 'event=expired'
	wait_for logged 1 'event=notice kind=delayed'
	post user@example.com f@slow.example thrown-away
	wait_for logged 1 '<f@slow.example>'
	ctl remove "$(id_at "$CHAIN/log" '<f@slow.example>')"
	wait_for logged 1 'event=discarded'
	ctl hold "$(id_at "$CHAIN/log" '<d@slow.example>')"
	for try in 1 2 3 4; do
		posts=()
		for n in 1 2 3 4; do
			post a@good.example list@example.com "kill $try" &
			posts+=($!)
		done
		chain_kill KILL send
		wait "${posts[@]}"
		chain_kill KILL send
	done
	again || true
	wait_for queue_count_is 1
	stop_chain
}

queue_count_is() {
	[[ $(queue_count "$CHAIN/queue") -eq $1 ]]
}

# audit [LOG...]: $LOG when none is given. "-" is standard input.
audit() {
	[[ $# -gt 0 ]] || set -- "$LOG"
	run --separate-stderr as_user "$SMTPD_BIN/smtpd-audit" \
		-c "$T/chain/smtpd.conf" -o "queue=$Q" "${CONFINE[@]}" "$@"
	printf '%s\n%s\n' "$output" "$stderr"
	[[ -z $stderr ]]
}

# counts NAME N NAME N ...: what the last audit counted. Of what the kills
# left there may be more than once, so these are above what $T/base counted.
counts() {
	local name n base
	while [[ $# -gt 0 ]]; do
		name=$1 n=$2
		base=$(sed -nE "s/^$name  +([0-9]+)$/\1/p" "$T/base")
		[[ $name == twice || $name == told-twice ]] || base=0
		grep -Eqx "$name +$((base + n))" <<<"$output" || {
			printf 'not %s %s\n' "$name" "$n"
			return 1
		}
		shift 2
	done
}

says() {
	grep -Eq -- "$1" <<<"$output" || {
		printf 'does not say: %s\n' "$1"
		return 1
	}
}

id_of() {
	id_at "$LOG" "$1"
}

remove() {
	grep -Eq "$1" "$LOG"
	sed -i -E "0,/$1/{/$1/d}" "$LOG"
}

double() {
	grep -Eq "$1" "$LOG"
	sed -i -E "0,/$1/{/$1/p}" "$LOG"
}

# trace STATUS ID [LOG...]
trace() {
	[[ $# -gt 2 ]] || set -- "$1" "$2" "$LOG"
	run "-$1" --separate-stderr as_user "$SMTPD_BIN/smtpd-trace" \
		-c "$T/chain/smtpd.conf" -o "queue=$Q" "${CONFINE[@]}" "${@:2}"
	printf '%s\n%s\n' "$output" "$stderr"
	[[ -z $stderr ]]
}

# The last output, with what differs from run to run as T(ime), ID and PORT.
told() {
	sed -E 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(\.[0-9]{3})?/T/g
		s/\b[0-9a-f]{22}\b/ID/g; s/\]:[0-9]+/]:PORT/
		s/^(octets +)[0-9]+/\1N/; s/^(helo +).*/\1HOST/; s/ +$//' \
		<<<"$output"
}

# The queue file of the message that still waits.
waiting() {
	find "$Q/new" "$Q/msg" -type f ! -name '*.log'
}

@test "audit: every message of a real chain is accounted for" {
	audit
	[[ $status -eq 0 || $status -eq 2 ]]
	counts lost 0 untold 0 unlogged 0 damaged 0 gap 0 both 0 unaccepted 0 \
		bounced 2 expired 1 dropped 1 discarded 1 waiting 1 held 1 older 0 meanwhile 0
	[[ $(grep -c 'event=queued' "$LOG") -eq \
		$(sed -n 's/^messages *//p' <<<"$output") ]]
	[[ $(sed -n 's/^recipients *//p' <<<"$output") -eq \
		$(($(sed -n 's/^delivered *//p' <<<"$output") + 6)) ]]
}

@test "audit: a delivery that is not in the log: lost" {
	id=$(id_of 'event=delivered rcpt=<ann@.* n=1 ')
	remove "^id=$id.*event=delivered rcpt=<ann@"
	audit
	[[ $status -eq 1 ]]
	counts lost 1 unaccepted 0
	says "^lost +$id +<ann@example.com>: recipient 2 of 2 is not settled, but the message was removed"
}

@test "audit: one of those an alias stands for: lost" {
	id=$(id_of 'event=delivered rcpt=<far@good')
	remove "^id=$id.*event=delivered rcpt=<far@good"
	audit
	[[ $status -eq 1 ]]
	counts lost 1 unaccepted 0
	says "^lost +$id +<list@example.com>: recipient 4 of 4 "
}

@test "audit: without the line of the alias its recipients are unaccepted" {
	remove 'event=expanded rcpt=<list@'
	audit
	counts lost 0
	[[ $status -eq 2 ]]
	run ! counts unaccepted 0
}

@test "audit: a bounce that is not in the log: lost, and told for nothing" {
	id=$(id_of 'event=bounced rcpt=<b@')
	remove "^id=$id.*event=bounced"
	audit
	[[ $status -eq 1 ]]
	counts lost 1 told-twice 1
	says "^lost +$id +<b@bad.example>: "
	says "^told-twice +$id: "
}

@test "audit: a notice that was never accepted: untold" {
	id=$(id_of 'event=expired')
	remove "event=queued .*about=$id .*"
	remove "event=queued .*about=$id .*"	# the first was of the delay
	audit
	[[ $status -eq 1 ]]
	counts lost 0
	says "^untold +$id: its sender was told by [0-9a-f]+, which was never accepted"
}

@test "audit: dropped, but smtpd-bounce does not say so: untold" {
	remove 'event=dropped'
	audit
	[[ $status -eq 1 ]]
	counts lost 0 untold 1
}

@test "audit: dropped although it had a sender: untold" {
	sed -i -E '/event=bounced rcpt=<b@/s/notice=[0-9a-f]+/notice=-/' "$LOG"
	audit
	[[ $status -eq 1 ]]
	counts lost 0 untold 1
	says '^untold .*: its sender was not told of a failure'
}

@test "audit: an end without an acceptance" {
	id=$(id_of 'event=delivered rcpt=<a@good')
	remove "^id=$id.*event=queued"
	audit
	[[ $status -eq 2 ]]
	counts lost 0 unaccepted 1
	says "^unaccepted +$id: is settled"
}

@test "audit: nothing is older than a queue that was empty" {
	sed "/^id=$(sed -nE '/event=queued .*to=<a@good/{s/^id=([0-9a-f]+) .*/\1/p;q}' \
		"$T/chain/log") .*event=queued/d" "$T/chain/log" >"$LOG"
	id=$(id_of 'event=delivered rcpt=<a@good')
	audit
	[[ $status -eq 2 ]]
	says "^unaccepted +$id: is settled"
	sed -i '/event=started messages=0/d' "$LOG"
	audit
	run ! says "^unaccepted +$id: is settled"
}

@test "audit: a queue file without an acceptance" {
	id=$(as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/send_parts.py" \
		put "$Q" 'local <user@example.com>')
	audit
	[[ $status -eq 2 ]]
	counts lost 0 unaccepted 1
	says "^unaccepted +$id: is in the queue"
}

@test "audit: a queue file that is gone: lost" {
	id=$(waiting)
	rm "$id"
	audit
	[[ $status -eq 1 ]]
	counts lost 1 waiting 0
	says "^lost +${id##*/} +<d@slow.example>: recipient 1 of 2 is not settled, and the message is not in the queue"
}

@test "audit: a queue file of which half is there: lost; changed: damaged" {
	id=$(waiting)
	chmod 600 "$id"
	printf x | dd of="$id" bs=1 seek=$(($(stat -c %s "$id") - 120)) \
		conv=notrunc status=none
	chmod 400 "$id"
	audit
	[[ $status -eq 1 ]]
	counts lost 0 damaged 1 waiting 0
	truncate -s -1 "$id"
	audit
	[[ $status -eq 1 ]]
	counts lost 1 damaged 0 waiting 0
	says '^lost .* and its queue file is incomplete'
}

@test "audit: an end that only the queue knows: unlogged" {
	id=$(waiting)
	remove "^id=${id##*/}.*event=delivered rcpt=<bob@"
	audit
	[[ $status -eq 1 ]]
	counts lost 0 unlogged 1
	says "^unlogged +${id##*/} +<bob@example.com>: recipient 2 "
}

@test "audit: doubles are counted, and are no loss" {
	double 'event=delivered rcpt=<a@good'
	double 'event=bounced rcpt=<b@'
	sed -i -E '/event=bounced rcpt=<c@/{p;s/event=bounced/event=delivered/}' \
		"$LOG"
	sed -i -E '/event=delivered rcpt=<user@/{
		p;s/"250 2.0.0 Delivered"/"250 2.0.0 Delivered by an earlier attempt"/
		}' "$LOG"
	audit
	[[ $status -eq 2 ]]
	counts lost 0 twice 1 told-twice 1 both 1
	run ! counts again 0
}

@test "audit: what the log itself lacks is a gap" {
	printf 'id=-  prog=smtpd-send event=started messages=0\n' >>"$LOG"
	printf 'id=- prog=smtpd-send event=stopped messages=0 lost=7\n' >>"$LOG"
	printf 'id=0661242e9bf092fdb21eb8 prog=smtpd-send event=delivered rcpt="<us\n' >>"$LOG"
	printf 'id=0661242e9bf092fdb21eb8 prog=smtpd-se' >>"$LOG"	# comes yet
	audit
	[[ $status -eq 1 ]]
	counts lost 0 gap 3
	says '^gap +- +smtpd-send: 7 lines'
}

@test "audit: files in any order, by standard input too" {
	audit
	before=$output
	for prog in send queue bounce; do
		grep "prog=smtpd-$prog" "$LOG" >"$LOG.$prog"
	done
	cut=$(($(wc -l <"$LOG") / 2))
	head -n "$cut" "$LOG" >"$LOG.0"
	tail -n +$((cut + 1)) "$LOG" >"$LOG.1"
	chmod a+r "$LOG".*
	audit "$LOG.send" "$LOG.bounce" "$LOG.queue"
	diff <(sort <<<"$before") <(sort <<<"$output")
	audit "$LOG.1" "$LOG.0"
	diff <(sort <<<"$before") <(sort <<<"$output")
	gzip "$LOG.0"
	audit - "$LOG.1" < <(zcat "$LOG.0.gz")
	diff <(sort <<<"$before") <(sort <<<"$output")
}

@test "audit: what came before the log begins is older, and no finding" {
	total=$(wc -l <"$LOG")
	for cut in 20 $((total / 3)) $((total / 2)) $((total - 30)); do
		tail -n "+$cut" "$LOG" >"$LOG.cut"
		chmod a+r "$LOG.cut"
		audit "$LOG.cut"
		[[ $status -eq 0 || $status -eq 2 ]]
		counts lost 0 untold 0 unaccepted 0
		run ! counts older 0
	done
}

@test "audit: with a log for each service, each may reach back less" {
	for prog in send queue bounce; do
		grep "prog=smtpd-$prog" "$LOG" >"$LOG.$prog"
	done
	chmod a+r "$LOG".*
	total=$(wc -l <"$LOG.send")
	for cut in 10 20 $((total / 2)) $((total - 20)) $((total - 10)); do
		tail -n "+$cut" "$LOG.send" >"$LOG.cut"
		chmod a+r "$LOG.cut"
		audit "$LOG.queue" "$LOG.cut" "$LOG.bounce"
		[[ $status -eq 0 || $status -eq 2 ]]
		counts lost 0 untold 0 unaccepted 0
		run ! counts older 0
	done
	sed -i '/prog=smtpd-send/d' "$LOG"
	audit
	[[ $status -eq 1 ]]
	run ! counts lost 0
}

@test "audit: prefixes of journalctl, syslog and multilog; others' lines" {
	audit
	before=$output
	sed -E 's/^(id=[^ ]+ prog=([a-z-]+) .*)/Nov  6 01:02:03 host \2[17]: \1/' \
		"$LOG" >"$LOG.short"
	sed -E 's/^id=[^ ]+ prog=([a-z-]+) /2026-11-06T01:02:03.5+00:00 host \1[17]: &/' \
		"$LOG" >"$LOG.iso"
	sed 's/^id=/@4000000065f0c1a20a1b2c3d &/' "$LOG" >"$LOG.tai"
	queued=$(grep -m 1 event=queued "$LOG")
	for kind in short iso tai; do
		{
			echo "Nov  6 01:02:03 host sshd[9]: $queued"
			echo "Nov  6 01:02:03 host sshd[9]: Invalid user $queued"
			echo "Nov  6 01:02:03 host sshd[9]: user smtpd: $queued"
			echo "smtpd-send: warning: cannot open '$queued'"
			echo "Nov  6 01:02:03 host smtpd-send[9]: smtpd-send: $queued"
			echo "Invalid user $queued"
			echo "x=\"$queued"
		} >>"$LOG.$kind"
		chmod a+r "$LOG.$kind"
		audit "$LOG.$kind"
		diff <(echo "$before") <(echo "$output")
	done
}

@test "audit: what cannot be read is said, with status 111" {
	run -111 --separate-stderr as_user "$SMTPD_BIN/smtpd-audit" \
		-c "$T/chain/smtpd.conf" /nonexistent/log
	[[ $stderr == *"cannot open '/nonexistent/log'"* ]]
	run -111 --separate-stderr as_user "$SMTPD_BIN/smtpd-audit" \
		-c "$T/chain/smtpd.conf" -o queue=/nonexistent/queue "$LOG"
	[[ $stderr == *"cannot open '/nonexistent/queue'"* ]]
	run -111 --separate-stderr as_user bash -c '"$@" >/dev/full' -- \
		"$SMTPD_BIN/smtpd-audit" -c "$T/chain/smtpd.conf" \
		-o "queue=$Q" "$LOG"
}

@test "trace: from acceptance to a bounce" {
	trace 0 "$(id_of 'event=bounced rcpt=<b@')"
	run told
	says '^T  notice +kind failed, nrcpt 1, to <user@example.com>, notice ID$'
	# Other programs' lines may come a moment earlier or later.
	diff - <(sed '/^T  delivered/,+2d; /^T  notice/d' <<<"$output") <<-'EOT'
	message     ID
	accepted    T UTC
	entrance    relay
	client      127.0.0.1
	helo        HOST
	protocol    ESMTP
	octets      N
	from        <user@example.com>
	to          <b@bad.example>
	            <bob@example.com>

	time (UTC)               event
	T  failed      <b@bad.example>
	                                     try 1, stage rcpt, host 127.0.0.2[127.0.0.2]:PORT
	                                     550 5.1.1 "no" id=ID prog=smtpd-send event=delivered n=0
	T  bounced     <b@bad.example>
	                                     tries 1, notice ID
	                                     550 5.1.1 "no" id=ID prog=smtpd-send event=delivered n=0
	T  removed

	queue       it is not in the queue
	EOT
}

@test "trace: an alias, and a notice that is dropped" {
	trace 0 "$(id_of 'event=expanded rcpt=<list@')"
	run told
	says '^T  expanded +<list@example.com>$'
	says '^T  delivered +<far@good.example>$'
	[[ $(grep -c '^T  delivered' <<<"$output") -eq 4 ]]
	trace 0 "$(id_of 'event=dropped')"
	run told
	says '^notice of +ID$'
	says 'dropped +kind failed, nrcpt 1, reason a notice to postmaster$'
}

@test "trace: what waits, by log and queue, and by the queue alone" {
	id=$(waiting)
	id=${id##*/}
	trace 0 "$id"
	says '^queue +[0-9]+ tries, held by [^ ]+$'
	told >"$BATS_TEST_TMPDIR/told"
	sed '1,/^queue/d' "$BATS_TEST_TMPDIR/told" | diff - <(cat <<-'EOT'
	T      waits       <d@slow.example>
	                                     450 4.2.0 later
	T      delivered   <bob@example.com>
	                                     250 2.0.0 Delivered
	EOT
	)
	trace 0 "$id" /dev/null
	says '^accepted +not according to the log$'
	diff <(sed '1,/^queue/d' "$BATS_TEST_TMPDIR/told") \
		<(told | sed '1,/^queue/d')
	# As it was before it was held.
	log=$Q/msg/${id: -1}/$id.log
	sed -i '/ order .* hold /,$d' "$log"
	next=$(date -u -d "@$(sed -n 's/.* tried [0-9]* //p' "$log" |
		tail -n 1)" '+%F %T')
	trace 0 "$id"
	says "^queue +[0-9]+ tries, the next is due $next$"
}

@test "trace: each try and each notice of one that expired" {
	trace 0 "$(id_of 'event=expired')"
	for try in 1 2 3 4 5; do
		says "^ +try $try, .*stage rcpt, host 127.0.0.3"
	done
	says 'notice +kind delayed, nrcpt 1, to <user@example.com>, notice [0-9a-f]{22}$'
	says 'notice +kind failed, nrcpt 1, to <user@example.com>, notice [0-9a-f]{22}$'
	[[ $(grep -c '^2.* notice ' <<<"$output") -eq 2 ]]
}

@test "trace: what a peer quotes is no message, and no terminal obeys it" {
	trace 1 0660ee029bdfc00c7da957
	says '^queue +it is not in the queue$'
	id=$(id_of 'event=queued')
	echo "id=$id prog=smtpd-send event=deferred rcpt=<x@example.net> attempt=1 delay_ms=5 left=1 n=0 stage=rcpt reply=\"450-4.2.0 \\x1b[2J\\\"\\\\\\r\\n450 id=$id\\x00\"" \
		>>"$LOG"
	trace 0 "$id"
	says '^ {37}450-4.2.0 \\x1b\[2J"\\$'
	says "^ {37}450 id=$id\\\\x00$"
}

@test "trace: times from the prefix where the event has none" {
	id=$(id_of 'event=queued')
	event="id=$id prog=smtpd-remote event=uncertain host=h reason=timeout"
	{
		echo "@400000006b0795dd1dcd6500 $event"
		echo "2026-11-26T04:13:40.5+0200 host smtpd-remote[7]: $event"
		echo "2026-11-26T02:13:41Z $event"
		echo "Thu 2026-11-26 02:13:42 UTC host smtpd-remote[7]: $event"
		echo "1795659223.250000 host smtpd-remote[7]: $event"
		echo "Nov 26 02:13:44 host smtpd-remote[7]: $event"
	} >>"$LOG"
	trace 0 "$id"
	diff - <(grep uncertain <<<"$output") <<-'EOT'
	2026-11-26 02:13:39.500  uncertain   prog smtpd-remote, host h, reason timeout
	2026-11-26 02:13:40.500  uncertain   prog smtpd-remote, host h, reason timeout
	2026-11-26 02:13:41      uncertain   prog smtpd-remote, host h, reason timeout
	2026-11-26 02:13:42      uncertain   prog smtpd-remote, host h, reason timeout
	2026-11-26 02:13:43.250  uncertain   prog smtpd-remote, host h, reason timeout
	                         uncertain   prog smtpd-remote, host h, reason timeout
	EOT
}

@test "trace: without the queue it says what the log says, and 111" {
	id=$(id_of 'event=dropped')
	Q=/nonexistent/queue trace 111 "$id"
	says '^queue +it cannot be read: No such file or directory$'
	says '^from +<>$'
	for id in '' x 0660EE029BDFC00C7DA957 ../../../etc/passwd; do
		run -100 as_user "$SMTPD_BIN/smtpd-trace" \
			-c "$T/chain/smtpd.conf" "$id" "$LOG"
		[[ $output == *"'$id' is not a queue id" ]]
	done
}

@test "trace: what the operator ordered" {
	trace 0 "$(id_of 'event=discarded')"
	says ' order +do remove, by '
	says ' discarded +<f@slow.example>$'
	trace 0 "$(id_of '<d@slow.example>')"
	says ' order +do hold, by '
}

@test "trace: which adviser changed what" {
	local id=0661664b09c5ccec320d31 log=$BATS_TEST_TMPDIR/advised
	echo "id=$id prog=smtpd-queue event=queued entrance=in from=<a@b.test> nrcpt=1 size=18 unjudged=yes by=judge deleted=2 top=1 mark=junk by=milter put=1 to=<user@example.com>" \
		>"$log"
	chmod 644 "$log"
	trace 0 "$id" "$log"
	run told
	says '^changed by +judge, deleted 2, on top 1, mark junk$'
	says '^ +milter, put 1$'
	says '^unjudged +yes$'
}
