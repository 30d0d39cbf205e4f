#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The command that prints zone lines, and checks what is published, against a
# real name server that is given what the command printed.

bats_require_minimum_version 1.5.0

zones=(good.example empty.example worse.example)

setup_file() {
	load lib/smtpd
	D=$BATS_FILE_TMPDIR/d PORT=$(free_port)
	export D PORT
	command -v nsd >/dev/null || return 0
	chmod a+x "$BATS_RUN_TMPDIR" "${BATS_FILE_TMPDIR%/*}" "$BATS_FILE_TMPDIR"
	mkdir -m 755 "$D" "$D/dkim"
	[[ $(id -u) -ne 0 ]] || chown -R "$TEST_UID:$TEST_UID" "$D"
	cat >"$D/conf" <<-EOT
	hostname = mail.good.example
	dkim_keys = $D/dkim
	resolver = 127.0.0.1:$PORT
	local_domains = ${zones[*]}
	EOT
	[[ -n ${SMTPD_ASAN-} ]] || echo 'confine = kill' >>"$D/conf"
	make_keys
	make_zones
	serve_zones
}

make_keys() {
	local key=("$SMTPD_BIN/smtpd-dkim-key" -c "$D/conf")
	as_user "${key[@]}" good.example r rsa 4096
	as_user "${key[@]}" good.example e ed25519
	as_user "${key[@]}" worse.example w ed25519
}

start_of() {
	printf '%s\n' '$TTL 60' "$1. IN SOA ns hostmaster 1 60 60 60 60" \
		"$1. IN NS ns.$1." "ns.$1. IN A 192.0.2.1"
}

make_zones() {
	start_of good.example >"$D/good.example"
	as_user "$SMTPD_BIN/smtpd-dns" -c "$D/conf" zone good.example \
		>>"$D/good.example"
	sed -i 's/^; fill in the address, .*: \(.*\) ADDRESS$/\1 192.0.2.1/' \
		"$D/good.example"
	start_of empty.example >"$D/empty.example"
	{
		start_of worse.example
		cat <<-'EOT'
		@ IN MX 10 mail.other.example.
		@ IN TXT "v=spf1 mx -all"
		@ IN TXT "v=spf1 a" " -all"
		w._domainkey IN TXT "v=DKIM1; k=ed25519; p=" "AAAA\027[2J"
		_dmarc IN TXT "v=DMARC1; p=none"
		_mta-sts IN TXT "v=STSv1; id=1"
		_smtp._tls IN TXT "v=TLSRPTv1"
		EOT
	} >"$D/worse.example"
	{
		start_of 2.0.192.in-addr.arpa
		echo '1.2.0.192.in-addr.arpa. IN PTR mail.good.example.'
	} >"$D/2.0.192.in-addr.arpa"
}

serve_zones() {
	local zone
	{
		printf '%s\n' server: 'ip-address: 127.0.0.1' "port: $PORT" \
			'username: ""' 'pidfile: ""' 'database: ""' \
			"zonesdir: $D" "xfrdfile: $D/xfrd" "xfrdir: $D" \
			"zonelistfile: $D/list" "logfile: $D/log" \
			remote-control: 'control-enable: no'
		for zone in "${zones[@]}" 2.0.192.in-addr.arpa; do
			printf '%s\n' zone: "name: $zone" "zonefile: $D/$zone"
		done
	} >"$D/nsd.conf"
	"${AS_USER[@]}" setpriv --pdeathsig TERM nsd -d -c "$D/nsd.conf" \
		>"$D/out" 2>&1 3>&- &
	echo $! >"$D/pid"
	wait_for dns check good.example || cat "$D/out" "$D/log" >&2
}

teardown_file() {
	[[ ! -e $D/pid ]] || kill "$(<"$D/pid")"
}

setup() {
	load lib/smtpd
	command -v nsd >/dev/null || skip_loudly 'nsd is not installed'
}

dns() {
	as_user "$SMTPD_BIN/smtpd-dns" -c "$D/conf" "$@"
}

@test "dns: what zone prints is complete, and check finds all of it right" {
	run -0 --separate-stderr dns check good.example
	[[ -z $stderr ]]
	diff - <(sed 's/ p=[^ ]*/ p=.../; s/id=.*/id=.../' <<<"$output") <<-'EOT'
	right   good.example. MX: 10 mail.good.example.
	right   good.example. TXT: v=spf1 mx -all
	right   r._domainkey.good.example. TXT: v=DKIM1; k=rsa; p=...
	right   e._domainkey.good.example. TXT: v=DKIM1; k=ed25519; p=...
	right   _dmarc.good.example. TXT: v=DMARC1; p=... rua=mailto:postmaster@good.example
	right   _mta-sts.good.example. TXT: v=STSv1; id=...
	right   mta-sts.good.example. address: 192.0.2.1
	right   _smtp._tls.good.example. TXT: v=TLSRPTv1; rua=mailto:postmaster@good.example
	right   mail.good.example. address: 192.0.2.1
	right   mail.good.example. TXT: v=spf1 a -all
	EOT
}

@test "dns: for each line that is missing it prints the line" {
	run -100 --separate-stderr dns check empty.example
	[[ $(grep -c '^wrong .*: not found$' <<<"$output") -eq 6 ]]
	[[ $output == *'wrong   empty.example. DKIM: its mail is not signed'* ]]
	# those lines together are what zone prints
	diff <(sed -n 's/^        should be: //p' <<<"$output") \
		<(dns zone empty.example 2>/dev/null |
			sed '/^; for the host/,$d')
}

@test "dns: what is published and does not work is wrong, and says why" {
	run -100 --separate-stderr dns check worse.example
	while read -r line; do
		[[ $output == *"$line"* ]] || {
			echo "not there: $line"
			return 1
		}
	done <<-'EOT'
	wrong   worse.example. MX: this host is missing; published: 10 mail.other.example.
	should be: worse.example. IN MX 10 mail.good.example.
	wrong   worse.example. TXT: several records: receivers ignore them all
	wrong   w._domainkey.worse.example. TXT: p= is another key; published: v=DKIM1; k=ed25519; p=AAAA\027[2J
	note    _dmarc.worse.example. TXT: p=none: receivers accept forged mail; published: v=DMARC1; p=none
	note    _mta-sts.worse.example. TXT: id= is not the one of the policy
	wrong   mta-sts.worse.example. address: not found
	wrong   _smtp._tls.worse.example. TXT: no rua=; published: v=TLSRPTv1
	right   mail.good.example. address: 192.0.2.1
	EOT
	[[ $output != *$'\e'* ]]
}

@test "dns: an address that has another name is a note" {
	run -100 dns -o hostname=ns.good.example check good.example
	[[ $output == *"note    ns.good.example. address: 192.0.2.1 has another name (PTR): many servers refuse its mail"* ]]
}

@test "dns: a DMARC record of a domain above is a note" {
	run -100 dns check a.b.good.example
	[[ $output == *"note    _dmarc.a.b.good.example. TXT: v=DMARC1; p=quarantine; rua=mailto:postmaster@good.example (published for good.example)"* ]]
	run -100 dns check sub.worse.example
	[[ $output == *"note    _dmarc.sub.worse.example. TXT: p=none: "*"(published for worse.example)"* ]]
	run -100 dns check sub.empty.example
	[[ $output == *"wrong   _dmarc.sub.empty.example. TXT: not found"* ]]
}

@test "dns: a DNS that does not answer is no verdict" {
	run -111 --separate-stderr dns -o resolver=127.0.0.1:1 \
		check good.example
	[[ $output == "unknown good.example. MX: no answer from the DNS" ]]
	# nor one that refuses
	run -111 --separate-stderr dns check elsewhere.example
	[[ $output == "unknown elsewhere.example. MX: no answer from the DNS" ]]
}

@test "dns: with a smarthost SPF has to let that send" {
	run -0 --separate-stderr dns -o smarthost=relay.example zone good.example
	[[ ${lines[1]} == "; mail leaves through 'relay.example': allow it to send (a:, include:)" ]]
	[[ ${lines[2]} == *'"v=spf1 mx -all"' ]]
}

@test "dns: a policy, another id for another one, and what Caddy serves" {
	run -0 --separate-stderr dns policy good.example
	[[ $output == $'version: STSv1\nmode: testing\nmx: mail.good.example\nmax_age: 604800' ]]
	[[ $stderr == *"tls_cert is not set: the mode of the MTA-STS policy is testing"* ]]
	id=$(dns zone good.example 2>/dev/null | grep -o 'id=[0-9a-f]*')
	# shellcheck disable=SC2030 # for this test
	tls=(-o tls_cert=/c -o tls_key=/k)
	run -0 --separate-stderr dns "${tls[@]}" policy good.example
	[[ $output == *$'\nmode: enforce\n'* && -z $stderr ]]
	policy=$output
	[[ $(dns "${tls[@]}" zone good.example | grep -o 'id=[0-9a-f]*') != "$id" ]]
	run -0 dns "${tls[@]}" caddy good.example
	[[ ${lines[0]} == 'mta-sts.good.example {' ]]
	[[ $output == *"respond /.well-known/mta-sts.txt \`$policy"$'\n`'* ]]
}

@test "dns: what it cannot do it says" {
	for words in '' zone 'zone a.example b.example' 'nonsense a.example'; do
		# shellcheck disable=SC2086 # words
		run -100 dns $words
		[[ $output == *usage:* ]]
	done
	run -100 dns zone -x.example
	[[ $output == *"'-x.example' is not a domain name"* ]]
	label=$(printf 'a%.0s' {1..60})
	run -100 dns zone "$label.$label.$label.$label.example"
	[[ $output == *"a name in its zone would be too long"* ]]
	as_user mkdir -p "$D/dkim/broken.example"
	as_user touch "$D/dkim/broken.example/s.key"
	as_user chmod 400 "$D/dkim/broken.example/s.key"
	run -100 dns zone broken.example
	[[ $output == *"broken.example/s.key: no private key in PEM"* ]]
}

@test "dns: as root it reads the keys and is nobody when it asks" {
	[[ $(id -u) -eq 0 ]] || skip_loudly 'needs root'
	load lib/queue
	needs_strace
	sed /confine/d "$D/conf" >"$BATS_TEST_TMPDIR/conf"
	run -0 strace -o "$BATS_TEST_TMPDIR/trace" -e trace=all \
		"$SMTPD_BIN/smtpd-dns" -c "$BATS_TEST_TMPDIR/conf" \
		check good.example
	[[ $(grep -c '^right' <<<"$output") -eq 10 ]]
	awk '/^openat.*\.key"/ { key = NR }
		/^setresuid\(65534, 65534, 65534\) *= 0/ { left = NR }
		/^seccomp|PR_SET_SECCOMP/ { confined = NR }
		/^sendto|^sendmsg/ && !asked { asked = NR }
		END { exit !(key && key < left && left < confined &&
			confined < asked) }' "$BATS_TEST_TMPDIR/trace"
	run -1 grep -E '^open.*(resolv|nsswitch|hosts)' \
		"$BATS_TEST_TMPDIR/trace"
}
