#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Who knows passwords: smtpd-auth with PAM, smtpd-auth-file, smtpd-passwd; and
# what can be done with the entrance that they hand out.
# shellcheck disable=SC2154 # run sets variables

load lib/smtpd

NO='X 535 5.7.8 Authentication credentials invalid late'
LATER='Z 454 4.7.0 Temporary authentication failure, try again later late'

setup() {
	PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
	setup_dir
	CONF=$BATS_TEST_TMPDIR/conf
	# It waits for mail, which never comes.
	ENTRANCE=("$SMTPD_BIN/smtpd-queue" auth)
	PASSWORDS=$BATS_TEST_TMPDIR/passwords
	as_user mkdir -m 700 "$BATS_TEST_TMPDIR/queue"
	printf '%s\n' 'hostname = mx.example.com' "passwords = $PASSWORDS" \
		"queue = $BATS_TEST_TMPDIR/queue" \
		"session_user = $(id -un)" >"$CONF"
	[[ -n ${SMTPD_ASAN-} ]] || echo 'confine = kill' >>"$CONF"
}

teardown() {
	stop_chain
}

passwd() {
	as_user "$SMTPD_BIN/smtpd-passwd" -c "$CONF" "$@"
}

ask() {
	/usr/bin/python3 "$SMTPD_TOP/tests/tools/ask_auth.py" "$@"
}

# ask_file USER:PASSWORD...: one line of answer for each.
ask_file() {
	run -0 --separate-stderr ask "$@" -- "${AS_USER[@]}" \
		"$SMTPD_BIN/smtpd-auth-file" -c "$CONF" "${ENTRANCE[@]}"
}

@test "auth-file: right is K with a descriptor, all else one late answer" {
	passwd joe <<<secret
	passwd 'ann@example.com' <<<'pass:word 1'
	echo 'off:!$y$j9T$x' | as_user tee -a "$PASSWORDS" >/dev/null
	ask_file joe:secret 'ann@example.com:pass:word 1' joe:Secret joe: \
		:secret nobody:secret off:secret $'jo\te:secret' \
		joe:secretsecret
	[ "${lines[0]}" = 'K joe' ]
	[ "${lines[1]}" = 'K ann@example.com' ]
	for i in 2 3 4 5 6 7 8; do
		[ "${lines[$i]}" = "$NO" ]
	done
	[[ $stderr == *'event=authenticated ip=192.0.2.1 user=joe'* ]]
	[[ $stderr == *'event=auth-failed ip=192.0.2.1 user=nobody why="unknown user"'* ]]
	[[ $stderr != *secret* ]]
}

@test "auth-file: hashes of other kinds than our own" {
	for kind in 1 5 6; do
		printf 'u%s:%s\n' "$kind" \
			"$(openssl passwd "-$kind" secret)"
	done | as_user tee "$PASSWORDS" >/dev/null
	as_user chmod 400 "$PASSWORDS"
	ask_file u1:secret u5:secret u6:secret u6:other
	[ "$output" = $'K u1\nK u5\nK u6\n'"$NO" ]
}

@test "auth-file: a file that is lax, gone or malformed is never a 535" {
	passwd joe <<<secret
	as_user chmod 640 "$PASSWORDS"
	ask_file joe:secret
	[ "$output" = 'exit 100' ]
	[[ $stderr == *": mode 0640 lets others in: chmod 0400"* ]]
	as_user chmod 600 "$PASSWORDS"
	echo 'no colon' | as_user tee -a "$PASSWORDS" >/dev/null
	ask_file joe:secret eve:secret
	[ "$output" = $'K joe\n'"$LATER" ]
	[[ $stderr == *'passwords:2: malformed line: not user:hash'* ]]
	rm "$PASSWORDS"
	ask_file joe:secret
	[ "$output" = 'exit 111' ]
}

@test "passwd: sets, replaces, removes, and leaves the rest alone" {
	passwd joe <<<one
	[ "$(stat -c %a "$PASSWORDS")" = 600 ]
	printf '# kept\n' | as_user tee -a "$PASSWORDS" >/dev/null
	passwd ann <<<two
	passwd joe <<<three
	[ "$(cut -d : -f 1 "$PASSWORDS" | tr '\n' ' ')" = '# kept ann joe ' ]
	run -1 grep -E 'one|two|three' "$PASSWORDS"
	ask_file joe:one joe:three ann:two
	[ "$output" = "$NO"$'\nK joe\nK ann' ]
	passwd remove joe </dev/null
	run -100 passwd remove joe
	[ "$(cut -d : -f 1 "$PASSWORDS" | tr '\n' ' ')" = '# kept ann ' ]
	run -100 passwd 'a:b' <<<x
	run -100 passwd ann </dev/null
	run -100 passwd
	[ "$(ls "$BATS_TEST_TMPDIR"/passwords* | wc -l)" -eq 1 ]
}

@test "passwd: twenty at once lose no entry" {
	pids=()
	for i in {1..20}; do
		passwd "user$i" <<<x 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	[ "$(wc -l <"$PASSWORDS")" -eq 20 ]
}

# pam AUTH ACCOUNT: what smtpd-auth answers when PAM says so, into a file.
pam() {
	local dir=$BATS_TEST_TMPDIR/$1-$2
	mkdir "$dir"
	printf '%s\n' "auth required pam_debug.so auth=$1" \
		"account required pam_debug.so acct=$2" |
		tee "$dir/smtpd" >"$dir/other"
	ask user:secret -- "${AS_USER[@]}" env LD_PRELOAD="$WRAPPER" \
		PAM_WRAPPER=1 PAM_WRAPPER_SERVICE_DIR="$dir" \
		"$SMTPD_BIN/smtpd-auth" -c "$CONF" "${ENTRANCE[@]}" \
		>"$dir/answer"
}

@test "auth: what PAM's codes come to" {
	WRAPPER=$(find /usr/lib -name libpam_wrapper.so | head -n 1)
	[[ -n $WRAPPER ]] || skip_loudly 'no libpam-wrapper'
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly 'a build with asan'
	pids=()
	while read -r auth account; do
		pam "$auth" "$account" 3>&- &
		pids+=($!)
	done <<-'EOT'
	success success
	auth_err success
	user_unknown success
	perm_denied success
	maxtries success
	cred_insufficient success
	success acct_expired
	success new_authtok_reqd
	success authtok_expired
	authinfo_unavail success
	system_err success
	service_err success
	success authinfo_unavail
	EOT
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	cd "$BATS_TEST_TMPDIR"
	[ "$(cat success-success/answer)" = 'K user' ]
	for no in auth_err-success user_unknown-success perm_denied-success \
	    maxtries-success cred_insufficient-success success-acct_expired \
	    success-new_authtok_reqd success-authtok_expired; do
		[ "$(cat "$no/answer")" = "$NO" ]
	done
	for later in authinfo_unavail-success system_err-success \
	    service_err-success success-authinfo_unavail; do
		[ "$(cat "$later/answer")" = "$LATER" ]
	done
}

# What the users of the host have in this test only.
with_users() {
	local etc=$BATS_TEST_TMPDIR/etc
	rm -rf "$etc"
	cp -a /etc "$etc"
	unshare --mount bash -euc '
		mount --bind "$1" /etc
		cat >/etc/pam.d/smtpd <"$2"
		for user in right locked expired stale empty; do
			useradd -M -s /usr/sbin/nologin "u-$user"
			[ "$user" = empty ] || echo "u-$user:secret" | chpasswd
		done
		useradd -r smtpd-a
		echo smtpd-a:secret | chpasswd
		passwd -q -l u-locked
		usermod -e 2000-01-01 u-expired
		chage -d 0 u-stale
		passwd -q -d u-empty
		shift 2
		exec "$@"' with_users "$etc" "$SMTPD_TOP/conf/pam" "$@"
}

@test "auth: real PAM: right, wrong, locked, expired, stale, empty, unknown" {
	[ "$(id -u)" -eq 0 ] || skip_loudly 'making users needs root'
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly 'a build with asan'
	command -v useradd chpasswd >/dev/null || skip_loudly 'no useradd'
	run -0 --separate-stderr with_users /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/ask_auth.py" \
		u-right:secret u-right:wrong u-locked:secret u-expired:secret \
		u-stale:secret u-empty: u-empty:secret u-none:secret \
		root:secret smtpd-a:secret -- setpriv --reuid="$TEST_UID" \
		--regid="$TEST_UID" --groups=shadow --no-new-privs -- \
		"$SMTPD_BIN/smtpd-auth" -c "$CONF" "${ENTRANCE[@]}"
	[ "${lines[0]}" = 'K u-right' ]
	for i in {1..9}; do
		[ "${lines[$i]}" = "$NO" ]
	done
	[[ $stderr == *'user=smtpd-a why="uid below min_uid"'* ]]
	# Without the group nobody can tell, and nobody is told he is wrong. (It
	# is pam_unix that then tries to run a helper, which must fail, not die:
	# a helper that was killed it takes for a wrong password.)
	run -0 --separate-stderr with_users /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/ask_auth.py" u-right:secret -- \
		"${AS_USER[@]}" "$SMTPD_BIN/smtpd-auth" -c "$CONF" \
		"${ENTRANCE[@]}"
	[ "$output" = "$LATER" ]
}

@test "auth: a session that is no session is told nothing" {
	[ "$(id -u)" -eq 0 ] || skip_loudly 'other users need root'
	start_chain session_user=daemon
	as_user chmod 711 "$CHAIN" "$CHAIN/sock"
	chmod 666 "$CHAIN/sock/auth"
	run setpriv --reuid=2 --regid=2 --clear-groups -- /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/ask_auth.py" --as user:secret \
		"$CHAIN/sock/auth"
	[ "$status" -ne 0 ]
	grep -q "uid 2 is not 'daemon'" "$CHAIN/log"
}

@test "auth: swaks, curl and smtplib log in, and relay is for them alone" {
	start_chain auth_without_tls=yes
	for kind in PLAIN LOGIN; do
		swaks --silent 2 --server "127.0.0.1:$PORT" --auth "$kind" \
			--auth-user user --auth-password secret \
			--from user@example.com --to user@example.com
	done
	printf 'From: user@example.com\r\nSubject: curl\r\n\r\nx\r\n' |
		curl -sS "smtp://127.0.0.1:$PORT" --user user:secret \
		--mail-from user@example.com --mail-rcpt user@example.com -T -
	/usr/bin/python3 - "$PORT" <<-'PY'
	import smtplib, sys
	with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as s:
	    s.ehlo()
	    s.mail("user@example.com")
	    assert s.rcpt("x@external.invalid")[0] == 550
	    s.rset()
	    try:
	        s.login("user", "wrong")
	        sys.exit("wrong is right")
	    except smtplib.SMTPAuthenticationError as e:
	        assert e.smtp_code == 535, e
	    s.login("user", "secret")
	    s.mail("user@example.com")
	    assert s.rcpt("x@external.invalid")[0] == 250
	    s.rset()
	    s.sendmail("user@example.com", ["user@example.com"],
	               "From: user@example.com\r\n\r\nsmtplib\r\n")
	    for sender, author in (("boss@example.com", "user@example.com"),
	                           ("user@example.com", "boss@example.com")):
	        try:
	            s.sendmail(sender, ["user@example.com"],
	                       "From: %s\r\n\r\nforged\r\n" % author)
	            sys.exit("forged as " + author)
	        except smtplib.SMTPResponseException as e:
	            assert (e.smtp_code, e.smtp_error[:5]) == (550, b"5.7.1"), e
	    s.sendmail("", ["user@example.com"],
	               "From: user@example.com\r\n\r\nreceipt\r\n")
	PY
	wait_for has_mail "$(maildir)" 5
	run -1 grep -rq forged "$(maildir)/new"
	[ "$(grep -rl 'with ESMTPA id' "$(maildir)/new" | wc -l)" -eq 5 ]
	[ "$(grep -rlE '^Message-I[Dd]:' "$(maildir)/new" | wc -l)" -eq 5 ]
	run -1 grep -q secret "$CHAIN/log"
}

@test "auth: who took a session over is still only the user that logged in" {
	start_chain auth_without_tls=yes
	steal() {			# FRAME...
		as_user /usr/bin/python3 "$SMTPD_TOP/tests/tools/ask_auth.py" \
			--as user:secret "$CHAIN/sock/auth" "$@"
	}
	run -0 steal 'C:version=1' 'C:user=boss' 'C:uid=0' 'S:<boss@example.com>' \
		'R:remote <x@external.invalid>' 'B:From: boss@example.com\r\n\r\nx\r\n' E:
	[[ $output == 'X 550 5.7.1 '* ]]
	run -0 steal 'C:version=1' 'C:user=boss' 'S:<user@example.com>' \
		'R:remote <x@external.invalid>' 'B:From: boss@example.com\r\n\r\nx\r\n' E:
	[[ $output == 'X 550 5.7.1 '* ]]
	run -0 steal 'C:version=1' 'C:user=boss' 'C:ip=192.0.2.1' 'S:<user@example.com>' \
		'R:local <user@example.com>' 'B:From: user@example.com\r\n\r\nx\r\n' E:
	[[ $output == 'K '* ]]
	wait_for has_mail "$(maildir)" 1
}

@test "auth: a senders map says who may write as whom" {
	echo 'user boss@example.com @lists.example' |
		as_user tee "$BATS_TEST_TMPDIR/senders" >/dev/null
	start_chain auth_without_tls=yes "senders=$BATS_TEST_TMPDIR/senders"
	send() {
		swaks --silent 2 --server "127.0.0.1:$PORT" --auth-user user \
			--auth-password secret --from "$1" --to user@example.com
	}
	send boss@example.com
	send a@lists.example
	send user+tag@example.com
	run -26 send other@example.com
	wait_for has_mail "$(maildir)" 3
}
