# SPDX-License-Identifier: ISC
# What those who check mail are asked about: a message that is signed by DKIM,
# and a resolver, on port 53 of this world, that has every answer at hand. The
# domain is none below test, of which the resolver in opendkim knows better.
# shellcheck disable=SC2154 # measure's

# judging_make DIR: the message, in DIR/message, and that resolver.
judging_make() {
	local dns=$1 tests=$here/..
	local cases=(/usr/bin/python3 -B "$tests/tools/judge_cases.py")

	mkdir "$dns"
	"${cases[@]}" keys "$dns" >"$dns/keys"
	"${cases[@]}" message "$dns" 'text 4k' 'from A <b@here.org>' \
		'sign rsa here.org relaxed/relaxed' | tr -d '\r' >"$dns/message"
	{
		cat <<-EOT
		server:
		  interface: 127.0.0.1
		  username: ""
		  chroot: ""
		  directory: "$dns"
		  pidfile: ""
		  use-syslog: no
		  module-config: iterator
		  local-zone: 127.in-addr.arpa. static
		  local-zone: org. static
		EOT
		grep -hE '^(mail\.|_dmarc\.|rsa\._domainkey\.)?here |^1\.0\.0\.127' \
			"$tests/dialogue/judge.zone" "$dns/keys" |
			sed -E "/^[^ ]*\. /!s/ /.org. /; s/\.test\./.org./g
				s/.*/  local-data: '&'/"
	} >"$dns/unbound.conf"
	rm -f /etc/resolv.conf
	echo 'nameserver 127.0.0.1' >/etc/resolv.conf
	unbound -d -c "$dns/unbound.conf" >"$dns/log" 2>&1 &
	wait_until listens 53
}
