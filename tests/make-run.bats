#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# `make run`: a whole server in the foreground, as an ordinary user.

setup() {
	load lib/smtpd
	setup_dir
	CO=$BATS_TEST_TMPDIR/checkout
	OWN=$BATS_TEST_TMPDIR/own
	PORT=$(free_port)
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED-}" ] ||
		tail -n 30 "$BATS_TEST_TMPDIR"/{out,*/run/log} >&2 || true
	stop_make_run
}

# A checkout of its own at $1, owned by $2, with what is built already.
checkout() {
	copy_checkout "$1"
	[ -z "${2-}" ] || chown -R "$2" "$1"
	chmod 755 "$1" "${1%/*}"
}

make_run() {
	SMTPD_RUN_DIR=$OWN setsid env --default-signal=INT make -C "$1" run PORT="$PORT" \
		</dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	RUN_PID=$!
	wait_for is_up_or_gone
	grep -q 'Ctrl-C stops' "$BATS_TEST_TMPDIR/out" || {
		cat "$BATS_TEST_TMPDIR/out" "$1"/run/log >&2
		return 1
	}
}

is_up_or_gone() {
	grep -q 'Ctrl-C stops' "$BATS_TEST_TMPDIR/out" ||
		! kill -0 "$RUN_PID"
}

# As the terminal does it: to everybody in the foreground.
ctrl_c() {
	kill -INT -- "-$RUN_PID"
	wait_for nothing_left
	wait "$RUN_PID" || true
	RUN_PID=
}

stop_make_run() {
	[[ -n ${RUN_PID-} ]] || return 0
	kill -TERM -- "-$RUN_PID" || true
	wait "$RUN_PID" || true
}

nothing_left() {
	! pgrep -f "$BATS_TEST_TMPDIR/.*/smtpd-" >/dev/null
}

line_with() {
	sed -n "s/^ *\\(.*$1.*\\)\$/\\1/p" "$BATS_TEST_TMPDIR/out"
}

@test "make run: the swaks and the curl line work when pasted" {
	checkout "$CO" "$( [ "$(id -u)" -ne 0 ] || echo daemon:daemon)"
	make_run "$CO"
	bash -ec "$(line_with 'swaks --server')"
	bash -ec "$(line_with '| curl ')"
	bash -ec "$(line_with 'swaks --tls')"
	wait_for has_mail "$CO/run/mail/user/Maildir" 4
	grep -rq 'with ESMTPSA' "$CO/run/mail/user/Maildir/new"
	[ -s "$CO/run/log" ]
	[[ $(line_with 'arrives in') == *"$CO/run/mail/user/Maildir/new/" ]]
	[[ $(line_with 'log is') == *"$CO/run/log" ]]
	ctrl_c
}

@test "make run: mail for postmaster lands, for nobody is refused" {
	checkout "$CO" "$( [ "$(id -u)" -ne 0 ] || echo daemon:daemon)"
	make_run "$CO"
	swaks --silent 2 --server "127.0.0.1:$PORT" --from a@example.org \
		--to postmaster@example.com
	wait_for has_mail "$CO/run/mail/postmaster/Maildir" 1
	run ! swaks --server "127.0.0.1:$PORT" --from a@example.org \
		--to nobody@example.com
	[[ $output == *"550 5.1.1"* ]]
	ctrl_c
}

@test "make run: root becomes the checkout's owner" {
	[ "$(id -u)" -eq 0 ] || skip_loudly "only root can"
	checkout "$CO" daemon:daemon
	make_run "$CO"
	run -0 find "$CO/run" ! -user daemon
	[ -z "$output" ]
	ctrl_c
}

@test "make run: root in a checkout of root's becomes nobody" {
	[ "$(id -u)" -eq 0 ] || skip_loudly "only root can"
	checkout "$CO" root:root
	make_run "$CO"
	bash -c "$(line_with 'swaks --server')"
	wait_for has_mail "$CO/run/mail/user/Maildir" 1
	[ "$(stat -c %U "$CO/run/mail/user/Maildir")" = nobody ]
	[ ! -e "$OWN" ]
	ctrl_c
}

@test "make run: nobody gets a place of his own where he cannot come" {
	[ "$(id -u)" -eq 0 ] || skip_loudly "only root can"
	checkout "$CO" root:root
	chmod 700 "$CO"
	make_run "$CO"
	bash -c "$(line_with 'swaks --server')"
	wait_for has_mail "$CO/run/mail/user/Maildir" 1
	[ "$(readlink "$CO/run")" = "$OWN/run" ]
	[ "$(stat -c %U "$OWN/run/mail/user/Maildir")" = nobody ]
	[ "$(stat -c %U "$OWN/bin")" = root ]
	ctrl_c
}

@test "make run: the second on a port says that it is in use" {
	checkout "$CO" "$( [ "$(id -u)" -ne 0 ] || echo daemon:daemon)"
	checkout "$CO-2" "$( [ "$(id -u)" -ne 0 ] || echo daemon:daemon)"
	make_run "$CO"
	run ! make -C "$CO-2" run PORT="$PORT"
	[[ $output == *"port $PORT is already in use"* ]]
	run ! make -C "$CO" run PORT="$(free_port)"
	[[ $output == *"another smtpd-run is running"* ]]
	ctrl_c
}

@test "make run: a setting that is wrong is told of at once" {
	checkout "$CO" "$( [ "$(id -u)" -ne 0 ] || echo daemon:daemon)"
	make_run "$CO"
	ctrl_c
	echo 'judge = /run/smtpd/judge' >>"$CO/run/smtpd.conf"
	run -2 make -C "$CO" run PORT="$PORT"
	[[ $output == *"$CO/run/smtpd.conf:"*": unknown setting 'judge'"* ]]
	[[ $output != *'did not start'* ]]
}

@test "make run: a long path with a blank is no obstacle" {
	long=$BATS_TEST_TMPDIR/a\ rather$(printf '/%020d' 1 2 3 4)
	checkout "$long/co"
	[ "$(id -u)" -ne 0 ] || chown -R daemon: "$BATS_TEST_TMPDIR/a rather"*
	chmod -R a+X "$BATS_TEST_TMPDIR/a rather"*
	make_run "$long/co"
	bash -c "$(line_with 'swaks --server')"
	wait_for has_mail "$long/co/run/mail/user/Maildir" 1
	ctrl_c
}

@test "make run: what dies comes back, and mail goes on" {
	checkout "$CO" "$( [ "$(id -u)" -ne 0 ] || echo daemon:daemon)"
	make_run "$CO"
	for program in rcpt queue judge submit sign lspawn remote send session
	do
		pkill -KILL -f "^$CO/build/smtpd-$program -c $CO/run"
	done
	WAIT_SECONDS=30 wait_for bash -c "$(line_with 'swaks --server')"
	wait_for has_mail "$CO/run/mail/user/Maildir" 1
	ctrl_c
}

@test "make run: an open session does not keep Ctrl-C waiting" {
	checkout "$CO" "$( [ "$(id -u)" -ne 0 ] || echo daemon:daemon)"
	make_run "$CO"
	exec {smtp}<>"/dev/tcp/127.0.0.1/$PORT"
	read -r -u "$smtp" greeting
	[[ $greeting == 220* ]]
	ctrl_c
	read -r -u "$smtp" farewell
	[[ $farewell == 421* ]]
}
