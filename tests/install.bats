#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# What `make install` puts where, the sample configuration, the unit files,
# and what the build says when something is missing.

setup() {
	load lib/smtpd
	setup_dir
	D=$BATS_TEST_TMPDIR/root
}

install_there() {
	copy_checkout "$BATS_TEST_TMPDIR/checkout"
	make -s -C "$BATS_TEST_TMPDIR/checkout" DESTDIR="$D" install "$@"
}

mode_of() {
	stat -c %a "$D$1"
}

@test "install: every program, page and unit, with its mode" {
	install_there
	[ "$(mode_of /usr/local/lib/smtpd/smtpd-session)" = 755 ]
	[ "$(mode_of /usr/local/sbin/sendmail)" = 755 ]
	[ "$(mode_of /usr/local/share/man/man5/smtpd.conf.5)" = 644 ]
	[ "$(mode_of /usr/local/lib/systemd/system/smtpd@.service)" = 644 ]
	[ "$(mode_of /usr/local/lib/sysusers.d/smtpd.conf)" = 644 ]
	[ "$(mode_of /usr/local/lib/tmpfiles.d/smtpd.conf)" = 644 ]
	[ "$(mode_of /etc/smtpd/smtpd.conf)" = 644 ]
	for program in session tls auth auth-file rcpt queue judge submit \
	    sign send lspawn local remote bounce; do
		[ -x "$D/usr/local/lib/smtpd/smtpd-$program" ]
		[ -f "$D/usr/local/share/man/man8/smtpd-$program.8" ]
	done
	for program in listen conf; do
		[ -x "$D/usr/local/sbin/smtpd-$program" ]
		[ -f "$D/usr/local/share/man/man8/smtpd-$program.8" ]
	done
	[ -f "$D/usr/local/share/man/man8/sendmail.8" ]
}

@test "manual: apropos finds every page" {
	install_there
	man=$D/usr/local/share/man
	makewhatis "$man"
	mapropos -M "$man" smtpd mail >"$BATS_TEST_TMPDIR/found"
	while read -r page; do
		grep -qwF "$page" "$BATS_TEST_TMPDIR/found" ||
			{ echo "not found: $page"; false; }
	done < <(find "$man" -type f -printf '%f\n' | sed -n 's/\.[0-9]$//p')
}

# The way of one message, and where each idea is.
@test "manual: every file that smtpd(7) and the README name is there" {
	cd "$SMTPD_TOP"
	grep -E '^\.P[aq] ' common/smtpd.7 | grep -oE '[a-z-]+/[a-z/-]+\.[ch]' |
		sort -u >"$BATS_TEST_TMPDIR/tour"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/tour")" -gt 30 ]
	sed -n '/^## Where each idea/,/^## Licence/p' README.md |
		grep -oE '[a-z-]+/[a-z/-]+\.[ch]' >>"$BATS_TEST_TMPDIR/tour"
	while read -r file; do
		[ -f "$file" ] || { echo "no $file"; false; }
	done <"$BATS_TEST_TMPDIR/tour"
}

@test "install: nothing is setuid, setgid or writable by others" {
	install_there
	run -0 find "$D" -perm /6022 ! -type l
	[ -z "$output" ]
}

@test "install: a restrictive umask changes nothing" {
	(umask 077 && install_there)
	[ "$(mode_of /usr/local/lib/smtpd)" = 755 ]
	[ "$(mode_of /etc/smtpd/aliases)" = 644 ]
}

@test "install: configuration that is there is never written over" {
	mkdir -p "$D/etc/smtpd"
	echo 'hostname = mine.example.com' >"$D/etc/smtpd/smtpd.conf"
	install_there
	[ "$(cat "$D/etc/smtpd/smtpd.conf")" = 'hostname = mine.example.com' ]
	[ -f "$D/etc/smtpd/aliases" ]
}

@test "install: prefix is honoured, in the units too" {
	install_there prefix=/opt/mail
	[ -x "$D/opt/mail/lib/smtpd/smtpd-send" ]
	grep -qx 'ExecStart=/opt/mail/lib/smtpd/smtpd-send' \
		"$D/opt/mail/lib/systemd/system/smtpd-send.service"
	run -1 grep -rE '@[a-z]+dir@' "$D"
}

@test "sample smtpd.conf: every setting in it is known" {
	grep -c '^#[a-z_]* = ' "$SMTPD_TOP/conf/smtpd.conf"
	sed 's/^#\([a-z_]* = \)/\1/' "$SMTPD_TOP/conf/smtpd.conf" \
		>"$BATS_TEST_TMPDIR/smtpd.conf"
	as_user "$SMTPD_BIN/smtpd-conf" -c "$BATS_TEST_TMPDIR/smtpd.conf" check
	as_user "$SMTPD_BIN/smtpd-conf" -c "$SMTPD_TOP/conf/smtpd.conf" check
}

@test "sample aliases: asks for a postmaster, and takes one" {
	cp "$SMTPD_TOP/conf/aliases" "$BATS_TEST_TMPDIR/aliases"
	chmod a+r "$BATS_TEST_TMPDIR/aliases"
	as_user mkdir -p "$BATS_TEST_TMPDIR/mail/joe"
	rcpt=("$SMTPD_BIN/smtpd-rcpt" -o local_domains=example.com
		-o mailbox_root="$BATS_TEST_TMPDIR/mail"
		-o aliases="$BATS_TEST_TMPDIR/aliases")
	: >"$BATS_TEST_TMPDIR/smtpd.conf"
	chmod a+r "$BATS_TEST_TMPDIR/smtpd.conf"
	run -100 as_user "${rcpt[@]}" -c "$BATS_TEST_TMPDIR/smtpd.conf" \
		</dev/null
	[[ $output == *postmaster* ]]
	sed -i 's/^#postmaster/postmaster/' "$BATS_TEST_TMPDIR/aliases"
	as_user "${rcpt[@]}" -c "$BATS_TEST_TMPDIR/smtpd.conf" </dev/null
}

@test "systemd: systemd-analyze finds nothing wrong with the units" {
	command -v systemd-analyze >/dev/null ||
		skip_loudly "systemd-analyze is not here"
	[ "$(id -u)" -eq 0 ] || skip_loudly "verifies as root only"
	install_there prefix="$D/usr" DESTDIR=
	run -0 env SYSTEMD_LOG_LEVEL=warning SYSTEMD_UNIT_PATH="$D/usr/lib/systemd/system:" \
		MANPATH="$D/usr/share/man" \
		systemd-analyze verify --man=no --recursive-errors=no \
		"$D"/usr/lib/systemd/system/smtpd*
	[ -z "$output" ]
}

@test "systemd: each page that a unit names is installed" {
	install_there
	grep -rhoE 'man:[a-z.-]+\([0-9]\)' \
		"$D/usr/local/lib/systemd/system" | sort -u |
		while IFS='():' read -r _ page section; do
			[ -f "$D/usr/local/share/man/man$section/$page.$section" ]
		done
}

@test "run scripts: paths and users are those of the installation" {
	install_there
	sed -n 's/^u \([a-z-]*\) .*/\1/p' "$SMTPD_TOP/systemd/smtpd.sysusers" |
		while read -r user; do
			sed -n '/^for user in/,/do$/p' \
				"$SMTPD_TOP/conf/run/setup" |
				tr -s ' ;\\' '\n' | grep -qx "$user"
		done
	grep -hoE '/usr/local/[a-z/-]+' "$SMTPD_TOP"/conf/run/*/run \
		"$SMTPD_TOP/conf/inetd.conf" | sort -u |
		while read -r path; do
			[ -x "$D$path" ]
		done
}

# The advisers in a file: NAME:RIGHTS:HELPER.
advisers() {
	tr -s ' \t\\' '\n' <"$1" | grep -E '^[a-z]+:[a-z,]+:/'
}

@test "run scripts: smtpd-queue has the advisers that its units give it" {
	for entrance in in relay user auth own; do
		diff <(advisers "$SMTPD_TOP/systemd/smtpd-queue-$entrance.service") \
			<(advisers "$SMTPD_TOP/conf/run/smtpd-queue-$entrance/run")
	done
	# And smtpd-run gives them the same rights.
	cat "$SMTPD_TOP"/systemd/smtpd-queue-*.service >"$BATS_TEST_TMPDIR/all"
	[ "$(advisers "$BATS_TEST_TMPDIR/all" | sort -u | wc -l)" -eq 3 ]
	for adviser in $(advisers "$BATS_TEST_TMPDIR/all" | sort -u); do
		grep -qF "=${adviser%:*}:\$sock/${adviser%%:*}" \
			"$SMTPD_TOP/conf/smtpd-run"
	done
}

@test "build: what is missing is named by its package" {
	run ! env PATH=/nowhere /bin/sh "$SMTPD_TOP/conf/deps" needs \
		gcc:gcc ar:binutils
	[[ $output == *"gcc is missing: package gcc"* ]]
	[[ $output == *"apt-get install gcc binutils"* ]]
	run ! "$SMTPD_TOP/conf/deps" needs gcc:gcc no-such.h:libno-dev
	[[ $output == *"no-such.h is missing: package libno-dev"* ]]
	[[ $output != *"package gcc"* ]]
}

@test "build: stops before compiling when a compiler is missing" {
	run -2 make -C "$SMTPD_TOP" B="$BATS_TEST_TMPDIR/b" CC=no-such-cc \
		NEEDS=no-such-cc:gcc
	[[ $output == *"no-such-cc is missing: package gcc"* ]]
	[ ! -e "$BATS_TEST_TMPDIR/b/smtpd-conf" ]
}

@test "deps: an ordinary user without sudo is told the command" {
	mkdir "$BATS_TEST_TMPDIR/path"
	for tool in dpkg-query sudo; do
		printf '#!/bin/sh\nexit 1\n' >"$BATS_TEST_TMPDIR/path/$tool"
		chmod 755 "$BATS_TEST_TMPDIR/path/$tool"
	done
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/path"
	run -1 as_user env PATH="$BATS_TEST_TMPDIR/path:$PATH" \
		"$SMTPD_TOP/conf/deps" install swaks curl
	[[ $output == *"apt-get install --no-install-recommends swaks curl"* ]]
}
