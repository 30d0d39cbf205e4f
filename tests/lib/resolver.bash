# SPDX-License-Identifier: ISC
# A real DNS: nsd has the zones, some of them signed, and unbound resolves and
# validates. Load it after lib/smtpd.

# resolver_start RECORDS: for setup_file. The zones test. (signed), bogus.
# (signed, and out of date) and unsigned. hold the records of that file;
# 127.0.0.1:$PORT resolves.
resolver_start() {
	D=$BATS_FILE_TMPDIR/d NSD=$(free_port) PORT=$(free_port)
	export D NSD PORT PYTHONDONTWRITEBYTECODE=1
	chmod a+x "$BATS_RUN_TMPDIR" "${BATS_FILE_TMPDIR%/*}" "$BATS_FILE_TMPDIR"
	mkdir -p "$D"
	chmod 755 "$D"
	cd "$D" || return 1
	make_zones "$1"
	[[ $(id -u) -ne 0 ]] || chown -R "$TEST_UID:$TEST_UID" "$D"
	serve nsd -d -c "$D/nsd.conf"
	wait_for answers "$NSD"
	serve unbound -d -c "$D/unbound.conf"
	wait_for answers "$PORT" || cat "$D/log" >&2
}

resolver_stop() {
	xargs kill <"$D/pids"
}

# zone RECORDS NAME [OPTION ...]: signed, with its anchor in NAME.anchor.
zone() {
	local key records=$1
	shift
	{
		printf '%s\n' "\$ORIGIN $1." '$TTL 60' \
			'@ SOA ns hostmaster 1 60 60 60 60' '@ NS ns' \
			'ns A 127.0.0.1'
		cat "$records"
	} >"$1.plain"
	key=$(ldns-keygen -a ED25519 "$1")
	ldns-signzone "${@:2}" -f "$1.zone" "$1.plain" "$key"
	mv "$key.key" "$1.anchor"
}

make_zones() {
	zone "$1" test
	zone "$1" bogus -i 20200101 -e 20200201
	# Of unsigned.: who is not signed at all.
	sed 's/ORIGIN test/ORIGIN unsigned/' test.plain >unsigned.zone
	cat >nsd.conf <<-EOT
	server:
	  ip-address: 127.0.0.1
	  port: $NSD
	  username: ""
	  pidfile: ""
	  database: ""
	  zonesdir: "$D"
	  xfrdfile: "$D/xfrd"
	  xfrdir: "$D"
	  zonelistfile: "$D/list"
	remote-control:
	  control-enable: no
	EOT
	cat >unbound.conf <<-EOT
	server:
	  interface: 127.0.0.1
	  port: $PORT
	  username: ""
	  chroot: ""
	  directory: "$D"
	  pidfile: ""
	  use-syslog: no
	  do-not-query-localhost: no
	  local-zone: test. transparent
	  domain-insecure: unsigned.
	  trust-anchor-file: test.anchor
	  trust-anchor-file: bogus.anchor
	  # So that a long answer needs TCP.
	  max-udp-size: 512
	stub-zone:
	  name: lame.
	  stub-addr: 127.0.0.1@$NSD
	EOT
	for name in test bogus unsigned; do
		printf '%s\n' zone: "  name: $name" \
			"  zonefile: $D/$name.zone" >>nsd.conf
		printf '%s\n' stub-zone: "  name: $name." \
			"  stub-addr: 127.0.0.1@$NSD" >>unbound.conf
	done
}

serve() {
	"${AS_USER[@]}" setpriv --pdeathsig TERM "$@" >>"$D/log" 2>&1 3>&- &
	echo $! >>"$D/pids"
}

# Both listen to TCP as well, when they are ready for UDP.
answers() {
	(: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
