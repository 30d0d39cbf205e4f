# SPDX-License-Identifier: ISC
# What it costs to have strangers' mail judged, for measure: the same message,
# signed by DKIM, straight to the queue, through smtpd-verify alone, and with
# smtpd-judge, who asks a resolver that has every answer at hand.
# shellcheck disable=SC2154 # measure's

# judging_make PORT: the message, in $WORLD/dns, and that resolver.
judging_make() {
	local dns=$WORLD/dns tests=$here/..
	local cases=(/usr/bin/python3 -B "$tests/tools/judge_cases.py")

	mkdir "$dns"
	"${cases[@]}" keys "$dns" >"$dns/keys"
	"${cases[@]}" message "$dns" 'text 4k' 'from A <b@here.test>' \
		'sign rsa here.test relaxed/relaxed' | tr -d '\r' >"$dns/message"
	{
		cat <<-EOT
		server:
		  interface: 127.0.0.1
		  port: $1
		  username: ""
		  chroot: ""
		  directory: "$dns"
		  pidfile: ""
		  use-syslog: no
		  module-config: iterator
		  local-zone: 127.in-addr.arpa. static
		  local-zone: test. static
		EOT
		grep -hE '^(mail\.|_dmarc\.|rsa\._domainkey\.)?here |^1\.0\.0\.127' \
			"$tests/dialogue/judge.zone" "$dns/keys" |
			sed -E "/^[^ ]*\. /!s/ /.test. /; s/.*/  local-data: '&'/"
	} >"$dns/unbound.conf"
	unbound -d -c "$dns/unbound.conf" >"$dns/log" 2>&1 &
	wait_until listens "$1"
}

# judging_conf NAME=VALUE...: counts for the next connection.
judging_conf() {
	sed -i -E '/^(injector|judge|resolver|relay_clients) =/d' \
		"$CHAIN_DIR/smtpd.conf"
	printf '%s\n' "$@" | sed 's/=/ = /' >>"$CHAIN_DIR/smtpd.conf"
}

# judging KEY SETTING...: a rate, and CPU time, with these settings.
judging() {
	local n=$((2000 * SCALE / 100)) out before

	judging_conf "${@:2}"
	settle smtpd
	before=$(cpu_us smtpd)
	out=$(flood smtpd "$n" smtp-source -s 10 -m "$n" \
		-F "$WORLD/dns/message" -M mail.here.test -f a@here.test \
		-t bench@bench.test)
	[[ $out =~ client=(.*)\ arrived=(.*) ]]
	record accept-judging "$1" "$(per "$n" "${BASH_REMATCH[1]}")"
	record cpu-judging "$1" \
		"$(per $(($(cpu_us smtpd) - before)) $((n * 1000)))"
}

# judging_round PORT: all three, and then as it was.
judging_round() {
	local sock=$CHAIN_DIR/sock saved

	saved=$(<"$CHAIN_DIR/smtpd.conf")
	judging direct "injector=$sock/queue-in"
	judging verify "injector=$sock/verify" judge=
	judging judge "injector=$sock/verify" "judge=$sock/judge" \
		"resolver=127.0.0.1:$1"
	[[ $(tail -n 200 "$log" | grep -c 'event=judged spf=pass .*dkim=pass') \
		-gt 0 ]] || die 'nothing was judged'
	printf '%s\n' "$saved" >"$CHAIN_DIR/smtpd.conf"
}
