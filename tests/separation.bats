#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# No program can hurt another: each is taken over, in a booted systemd where
# users, modes and units are real, and made to do what it should not.

setup_file() {
	load lib/smtpd
	load lib/container
	if [[ $(uname -m) != x86_64 ]]; then
		echo 'what takes them over knows x86-64 alone' \
			>"$BATS_FILE_TMPDIR/why"
		return 0
	fi
	container_start >"$BATS_FILE_TMPDIR/why" 2>&1 || return 0
	{
		container_install
		prepare_secrets
		container_boot
	} >"$BATS_FILE_TMPDIR/why" 2>&1 || return 0
	inside sh -c 'systemd-sysusers && systemd-tmpfiles --create &&
		/usr/local/sbin/smtpd-dkim-key example.com s1 &&
		echo file | /usr/local/sbin/smtpd-passwd bob &&
		chown smtpd-tls /etc/smtpd/tls/key.pem &&
		chown smtpd-remote /etc/smtpd/remote-passwords &&
		for user in alice bob; do
			runuser -u $user -- sh -c "umask 077 && cd &&
				mkdir -p Maildir/new && echo >.netrc"
		done &&
		systemctl daemon-reload &&
		systemctl start smtpd.socket smtpd-auth.socket \
			smtpd-submission.socket' >"$BATS_FILE_TMPDIR/why" 2>&1
}

teardown_file() {
	load lib/smtpd
	load lib/container
	container_stop
}

setup() {
	load lib/smtpd
	load lib/container
	[ -n "${INIT-}" ] ||
		skip_loudly "no container: $(cat "$BATS_FILE_TMPDIR/why")"
}

teardown() {
	[ -n "${BATS_TEST_COMPLETED-}" ] || [ -z "${INIT-}" ] ||
		inside journalctl --no-pager -n 40 -o cat >&2
}

prepare_secrets() {
	local etc=$ROOT/etc/smtpd

	mkdir -p "$etc/tls"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-subj /CN=mail.example.com -keyout "$etc/tls/key.pem" \
		-out "$etc/tls/cert.pem"
	chmod 400 "$etc/tls/key.pem"
	echo 'smtp.example.net user password' >"$etc/remote-passwords"
	chmod 400 "$etc/remote-passwords"
	printf '%s\n' 'tls_cert = /etc/smtpd/tls/cert.pem' \
		'tls_key = /etc/smtpd/tls/key.pem' 'auth_without_tls = yes' \
		'remote_passwords = /etc/smtpd/remote-passwords' \
		>>"$etc/smtpd.conf"
	echo alice:secret | chroot "$ROOT" chpasswd
}

separation() {
	on_its_net timeout 100 /usr/bin/python3 \
		"$SMTPD_TOP/tests/tools/separation.py" "$1" "$INIT" "${@:2}"
}

# expect COMMAND...: it prints just what stands on our input.
expect() {
	diff -u - <("$@" 2>&1) >&2
}

# program | user | calls, files and secrets | sockets it was given | sockets
# that it can open besides
table() {
	cat <<-'EOT'
	unconfined | smtpd | read write create inet unix netlink listen exec fork kill ptrace spy bpf | - | auth queue-in queue-relay queue-user rcpt tls
	session | smtpd | - | auth queue-in rcpt tls | -
	session-587 | smtpd | - | auth rcpt tls | -
	tls | smtpd-tls | - | - | -
	auth | smtpd-auth | read inet unix netlink fork kill passwords shadow | queue-auth | queue-auth queue-user
	rcpt | smtpd-rcpt | read inet unix netlink fork kill | - | -
	queue-in | smtpd-queue | queue queue-write | judge wakeup | -
	queue-relay | smtpd-queue | queue queue-write | sign submit wakeup | -
	queue-user | smtpd-queue | queue queue-write | sign submit wakeup | -
	queue-auth | smtpd-queue | queue queue-write | sign submit wakeup | -
	queue-own | smtpd-queue | queue queue-write | sign wakeup | -
	judge | smtpd-judge | inet | - | -
	submit | smtpd-submit | - | - | -
	sign | smtpd-sign | dkim-key | - | -
	send | smtpd-queue | unix fork queue queue-write | - | bounce judge lspawn queue-own queue-user rcpt remote sign submit
	send's child | smtpd-queue | - | - | -
	bounce | smtpd-queue | - | queue-own | -
	lspawn | root capabilities | read write create inet unix netlink exec fork kill dkim-key shadow | - | -
	local | alice | alice alice-write | - | -
	remote | smtpd-remote | inet | - | -
	EOT
}

parents() {
	cat <<-'EOT'
	queue-in's parent | smtpd-queue | unix fork queue queue-write | - | bounce judge lspawn queue-own queue-user rcpt remote sign submit
	queue-user's parent | smtpd-queue | unix fork queue queue-write | - | bounce judge lspawn queue-own queue-user rcpt remote sign submit
	judge's parent | smtpd-judge | inet fork | - | -
	submit's parent | smtpd-submit | fork | - | -
	sign's parent | smtpd-sign | fork dkim-key | - | -
	bounce's parent | smtpd-queue | unix fork | - | bounce judge lspawn queue-own queue-user rcpt remote sign submit
	tls's parent | smtpd-tls | fork | - | -
	EOT
}

@test "separation: each program is who it should be, and can no more" {
	table | expect separation table
}

# Under daemontools, say: what keeps rcpt and lspawn from the socket that
# everybody may open is their unit's alone.
@test "separation: programs need no unit for that, but confine themselves" {
	dir=$ROOT/etc/systemd/system/smtpd-.service.d
	mkdir -p "$dir"
	printf '%s\n' '[Service]' NoNewPrivileges=no SystemCallFilter= \
		RestrictAddressFamilies= InaccessiblePaths= SystemCallArchitectures= \
		{MemoryDenyWriteExecute,LockPersonality,PrivateNetwork}=no \
		Protect{System,Home,Clock,Hostname,ControlGroups}=no \
		ProtectKernel{Logs,Modules,Tunables}=no \
		Private{Devices,Tmp,IPC}=no ProtectProc=default ProcSubset=all \
		Restrict{Namespaces,Realtime,SUIDSGID}=no >"$dir/bare.conf"
	inside sh -c "systemctl daemon-reload && systemctl stop --quiet 'smtpd-*.service'"
	inside systemctl start smtpd-send.service
	table | sed '/^rcpt\|^lspawn/s/-$/queue-user/' | expect separation table
	mapfile -t names < <(parents | cut -d '|' -f 1 | sed 's/ *$//')
	parents | expect separation table "${names[@]}"
	rm -r "$dir"
	inside sh -c "systemctl daemon-reload && systemctl stop --quiet 'smtpd-*.service'"
	inside systemctl start smtpd-send.service
}

@test "separation: each secret has one reader" {
	expect separation secrets <<-'EOT'
	alice alice alice-home
	bob bob
	smtpd -
	smtpd-auth passwords shadow
	smtpd-judge -
	smtpd-queue queue
	smtpd-rcpt -
	smtpd-remote remote-passwords
	smtpd-sign dkim-key
	smtpd-submit -
	smtpd-tls tls-key
	EOT
}

@test "separation: a stolen session injects for local users, and no more" {
	expect separation session 25 <<-'EOT'
	holds: auth queue-in rcpt tls
	local: taken
	relay: 550
	relay called local: 550
	local called remote: 451
	relay of a user: 550
	relay from another address: 550
	relay with its client's socket: 550
	relay as if from inside: 550
	a user's to local: 550
	a notice to local: 550
	rcpt: b'1:K,'
	and goes on: 250 2.0.0 Ok
	EOT
	wait_for grep -rq 'Subject: stolen-in' "$ROOT/home/alice/Maildir/new"
	file=$(grep -rl 'Subject: stolen-in' "$ROOT/home/alice/Maildir/new")
	run -1 grep -i '^DKIM-Signature' "$file"
	grep -q '^Authentication-Results: mail.example.com' "$file"
	run -1 grep -r 'stolen-as-alice\|stolen-notice' "$ROOT/home/alice/Maildir"
}

@test "separation: a stolen session of port 587 is who can log in" {
	expect separation submission 587 <<-'EOT'
	holds: auth rcpt tls
	wrong password: X535 no way
	right password: K way
	as alice: taken
	as bob: 550
	as bob, by fact: 550
	EOT
}

# What stands behind the places where users are told from each other.
@test "separation: stolen programs get what their place in the chain gives" {
	expect separation places <<-'EOT'
	auth local: taken
	auth relay: taken
	bounce local: taken
	bounce relay: taken
	EOT
}

@test "separation: a stolen adviser can answer, and no more than it may" {
	local never='another mark; no field; a field that ends the header; octets of nobody; octets twice; backwards; no octets away; a recipient; a sender; a fact; octets of its own; a commit; an id; no frame; nothing, and dies'
	expect separation advisers <<-EOT
	judge, 450: later
	judge, 451: octets put; later, as 550; $never
	judge, 550: refused
	judge, taken: that is all; a mark; a field; octets away
	submit, 450: later
	submit, 451: a mark; later, as 550; $never
	submit, 550: refused
	submit, taken: that is all; a field; octets away; octets put
	sign, 450: later
	sign, 451: a mark; octets away; octets put; refused; later, as 550; $never
	sign, taken: that is all; a field
	a large text: taken
	EOT
	run -0 inside journalctl --no-pager -o cat -t smtpd-queue
	# What each changed is in the log, and so is who made no sense.
	for what in 'by=judge deleted=1' 'by=judge top=1' 'by=judge mark=junk' \
	    'by=submit put=1' 'by=sign top=1' 'event=refused .* by=judge' \
	    'event=no-advice by=judge why="a change beyond its rights"' \
	    'event=no-advice by=submit why="an unexpected frame"' \
	    'event=no-advice by=sign why="it has closed the connection"'; do
		grep -q "$what" <<<"$output"
	done
}

# What is prepared once hears nobody's words: it accepts, forks and dials.
@test "separation: what forks for each conversation can do little more" {
	mapfile -t names < <(parents | cut -d '|' -f 1 | sed 's/ *$//')
	parents | expect separation table "${names[@]}"
}

@test "separation: a session of the resident listener is like any other" {
	inside systemctl stop smtpd.socket
	inside systemctl start smtpd-listener.socket
	expect separation table session-forked "session-forked's parent" <<-'EOT'
	session-forked | smtpd | - | auth queue-in rcpt tls | -
	session-forked's parent | smtpd | unix fork | - | auth queue-in queue-relay queue-user rcpt tls
	EOT
	inside systemctl stop smtpd-listener.socket smtpd-listener.service
	inside systemctl start smtpd.socket
}

@test "separation: no file gives rights to who runs it" {
	# Also none of /usr/local that was there before.
	run -0 inside find /usr/local /etc/smtpd /var/lib/smtpd /run/smtpd \
		-type f -perm /6000
	[ -z "$output" ]
	# File capabilities; ls of the image would not show them.
	run -0 /usr/bin/python3 - "$ROOT/usr/local" <<-'PY'
	import os, sys
	for top, _, names in os.walk(sys.argv[1]):
	    for path in (os.path.join(top, name) for name in names):
	        if not os.path.islink(path) and "security.capability" in \
	                os.listxattr(path):
	            print(path)
	PY
	[ -z "$output" ]
	[ "$(inside id -nG smtpd-auth)" = 'smtpd-auth shadow' ]
}

# README.md has the figures: better ones may stand here, worse ones not.
@test "separation: no unit is more exposed than README.md says" {
	units=$(cd "$SMTPD_TOP/systemd" && printf '%s\n' smtpd*.service)
	for unit in $units; do
		said=$(sed -n "s/^| ${unit%.service} | \([0-9.]*\) |.*/\1/p" \
			"$SMTPD_TOP/README.md")
		is=$(inside systemd-analyze security --no-pager \
			"${unit/@./@x.}" |
			sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
		echo "$unit: $is, and README.md says ${said:-nothing}"
		[ -n "$is" ] && [ -n "$said" ]
		[ "${is/./}" -le "${said/./}" ]
	done
}

@test "separation: passwords of a file, by who cannot open another" {
	inside systemctl stop smtpd-auth.socket smtpd-auth.service
	inside systemctl start smtpd-auth-file.socket
	expect separation table auth-file <<-'EOT'
	auth-file | smtpd-auth | - | queue-auth | -
	EOT
}

# holds_mail USER TEXT: in some file of his Maildir.
holds_mail() {
	grep -rq "$2" "$ROOT/home/$1/Maildir/new"
}

# as_user_of USER PASSWORD SWAKS-OPTION...: by port 587.
as_user_of() {
	on_its_net swaks --silent 2 --server 127.0.0.1:587 --tls \
		--auth-user "$1" --auth-password "$2" \
		--from "$1@example.com" "${@:3}"
}

# The programs with all of their units' directives, and with death as the price
# of what is forbidden, do all that they are for: a user's mail, signed, goes to
# another host, which is our own port 25 and refuses it, and he is told.
@test "separation: nothing that a program needs is forbidden" {
	since=$(inside date '+%F %T.%6N')
	printf '%s\n' 'confine = kill' 'smarthost = [127.0.0.1]:25' \
		>>"$ROOT/etc/smtpd/smtpd.conf"
	inside sh -c "systemctl stop --quiet 'smtpd-*.service' &&
		systemctl start smtpd-send.service"
	as_user_of bob file --to alice@example.com --header 'Subject: by bob'
	wait_for holds_mail alice 'Subject: by bob'
	inside systemctl stop smtpd-auth-file.socket smtpd-auth-file.service
	inside systemctl start smtpd-auth.socket
	as_user_of alice secret --to x@example.net,bob@example.com \
		--header 'Subject: by alice'
	wait_for holds_mail bob 'Subject: by alice'
	wait_for holds_mail alice 'Relay access denied'
	[ "$(grep -rl '^DKIM-Signature: ' "$ROOT/home/bob/Maildir/new" |
		xargs grep -l 'Subject: by alice' | wc -l)" -eq 1 ]
	on_its_net swaks --silent 2 --server 127.0.0.1 --tls \
		--from a@example.org --to postmaster@example.com \
		--header 'Subject: of a stranger'
	wait_for holds_mail alice 'Subject: of a stranger'
	holds_mail alice '^Authentication-Results: mail.example.com'
	printf 'Subject: of bob\n\nhi\n' | inside runuser -u bob -- \
		/usr/local/sbin/sendmail -i alice@example.com
	wait_for holds_mail alice 'Subject: of bob'
	run -0 inside journalctl --no-pager --since="$since"
	[[ $output == *'reply="550 5.7.1'*'Relay access denied"'* ]]
	run -1 grep -E 'died:|status=31/SYS|smtpd-.*: Operation not permitted' \
		<<<"$output"
}
