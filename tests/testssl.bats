#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# testssl.sh, who knows every hole that TLS servers ever had, at both ports.

setup() {
	load lib/smtpd
	load lib/tls
	command -v testssl >/dev/null || skip_loudly 'testssl.sh is not here'
	setup_dir
	TLS=$BATS_TEST_TMPDIR/certs
	as_user mkdir "$TLS"
	make_cert ec ec mail.example.com
	make_cert rsa rsa mail.example.com
	start_chain "tls_cert=$TLS/ec.pem $TLS/rsa.pem" \
		"tls_key=$TLS/ec.key $TLS/rsa.key" max_errors=1000
}

teardown() {
	stop_chain
}

# examine ARG...: what it finds that is neither good nor mere information.
examine() {
	timeout 240 testssl --quiet --color 0 --warnings off --ip one \
		--jsonfile "$BATS_TEST_TMPDIR/found" "$@" \
		</dev/null >"$BATS_TEST_TMPDIR/said" 2>&1 || true
	/usr/bin/python3 - "$BATS_TEST_TMPDIR/found" <<-'PY'
	import json, sys
	found = {f["id"]: f for f in json.load(open(sys.argv[1]))}
	# WARN and DEBUG are about this machine and its openssl.
	bad = [f for f in found.values() if f["severity"] in
	       ("LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL")]
	assert not bad, bad
	assert len(found) > 20, "it has not looked"
	assert found["TLS1_2"]["finding"] == "offered", found["TLS1_2"]
	for i in "SSLv2", "SSLv3", "TLS1", "TLS1_1":
	    assert found[i]["finding"].startswith("not offered"), found[i]
	# The one that is missing, as the README says.
	assert found["TLS1_3"]["finding"].startswith("not offered"), found
	PY
}

@test "testssl: nothing to be found with TLS from the first octet" {
	examine -p -U "127.0.0.1:$((PORT + 1))"
}

@test "testssl: nothing to be found with STARTTLS" {
	[ -n "${SMTPD_TORTURE-}" ] || skip 'the same program, in make torture'
	examine -p -P -f -U -t smtp "127.0.0.1:$PORT"
}
