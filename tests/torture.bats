# SPDX-License-Identifier: ISC
# The long loops of torture/run, shortened. `make torture` runs them in full.

setup() {
	load lib/smtpd
	[[ -z ${SMTPD_TORTURE-} ]] || skip 'torture/run follows in full'
}

@test "torture: whatever is killed under load, every 250 comes to its ends" {
	N=300 "$BATS_TEST_DIRNAME/torture/run" kills 3>&-
}

@test "torture: resident programs do not grow" {
	[[ -z ${SMTPD_ASAN-} ]] || skip 'a sanitizer keeps what was freed'
	SOAK=3000 "$BATS_TEST_DIRNAME/torture/run" soak 3>&-
}

@test "torture: a backlog waits for smtpd-lspawn and then goes out" {
	BACKLOG=500 "$BATS_TEST_DIRNAME/torture/run" backlog 3>&-
}
