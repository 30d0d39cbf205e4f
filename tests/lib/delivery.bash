# SPDX-License-Identifier: ISC
# What the tests of smtpd-rcpt, smtpd-lspawn and smtpd-local share.

DELIVER=$SMTPD_TOP/tests/tools/deliver.py

# Settings and mailboxes below $D, which is short: sockets have little room.
setup_delivery() {
	setup_dir
	D=$BATS_TEST_TMPDIR
	MAIL=$D/mail
	as_user mkdir -p "$MAIL/user" "$MAIL/postmaster" "$D/queue" "$D/q"
	configure "mailbox_root = $MAIL"
	PIDS=()
}

# configure LINE...: writes $D/conf; an aliases file too if there is none.
configure() {
	{
		printf '%s\n' 'hostname = mx.example.com' \
			'local_domains = example.com example.org' \
			"aliases = $D/aliases" "queue = $D/queue" "$@"
		# What a program may not do is its death here.
		[[ -n ${SMTPD_ASAN-} ]] || echo 'confine = kill'
	} >"$D/conf"
	[[ -e $D/aliases ]] || echo '# none' >"$D/aliases"
	chmod 644 "$D/conf" "$D/aliases"
}

aliases() {
	cat >"$D/aliases.new"
	chmod 644 "$D/aliases.new"
	mv "$D/aliases.new" "$D/aliases"
}

need_root() {
	[[ $(id -u) -eq 0 ]] ||
		skip_loudly "$BATS_TEST_DESCRIPTION: needs root"
}

# Mount namespaces, for an /etc/passwd of our own.
need_mounts() {
	need_root
	unshare -m --propagation private true 2>/dev/null ||
		skip_loudly "$BATS_TEST_DESCRIPTION: needs mount namespaces"
}

need_strace() {
	[[ -z ${SMTPD_ASAN-} ]] ||
		skip_loudly "$BATS_TEST_DESCRIPTION: strace and a sanitizer"
	strace -o /dev/null true 2>/dev/null ||
		skip_loudly "$BATS_TEST_DESCRIPTION: needs strace that works"
}

# with_passwd FILE COMMAND...: where FILE is /etc/passwd.
with_passwd() {
	local file=$1
	shift
	# shellcheck disable=SC2016 # for that shell, not this one
	unshare -m --propagation private sh -c \
		'mount --bind "$0" /etc/passwd && exec "$@"' "$file" "$@"
}

# Two users and what no mail may reach. Their homes are below $D/home.
make_users() {
	JOE=61001 ANN=61002
	cat >"$D/passwd" <<-EOF
	root:x:0:0:root:/root:/bin/sh
	daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
	toor:x:0:0:another root:/root:/bin/sh
	www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
	nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
	joe:x:$JOE:$JOE:Joe:$D/home/joe:/bin/sh
	ann:x:$ANN:$ANN:Ann:$D/home/ann:/bin/sh
	Sue:x:61003:61003:Sue:$D/home/sue:/bin/sh
	lost:x:61004:61004:Lost:$D/home/lost:/bin/sh
	joe+fan:x:61005:61005:whole name:$D/home/ann:/bin/sh
	EOF
	chmod 644 "$D/passwd"
	mkdir -p "$D/home/joe" "$D/home/ann"
	chmod 755 "$D/home"
	chown "$JOE:$JOE" "$D/home/joe"
	chown "$ANN:$ANN" "$D/home/ann"
	chmod 700 "$D/home/joe" "$D/home/ann"
}

# Starts a program in a process group of its own, which is kept in PIDS (the
# shell that runs a function is in it too); what it says is in $D/log.
start() {
	set -m
	"$@" >>"$D/log" 2>&1 3>&- &
	PIDS+=($!)
	set +m
}

stop_all() {
	local pid
	for pid in "${PIDS[@]-}"; do
		[[ -z $pid ]] || kill -KILL -- "-$pid" 2>/dev/null || true
	done
	# Those alone: a child of bats' own sleeps here till BATS_TEST_TIMEOUT.
	for pid in "${PIDS[@]-}"; do
		[[ -z $pid ]] || wait "$pid" 2>/dev/null || true
	done
	PIDS=()
	if [[ -z ${BATS_TEST_COMPLETED-} && -e $D/log ]]; then
		tail -n 40 "$D/log" >&2
	fi
}

# Prints the path of a queue file made of standard input; frames as arguments.
queue_file() {
	as_user "$DELIVER" make "$D/q" "$@"
}

# deliver WORD...: one conversation with a smtpd-local of its own.
deliver() {
	as_user "$DELIVER" "$@" -- "$SMTPD_BIN/smtpd-local" -c "$D/conf" \
		"${BOX:-$MAIL/user}"
}

# The only file in a directory.
only_in() {
	local files=("$1"/*)
	[[ ${#files[@]} -eq 1 && -e ${files[0]} ]] || {
		printf '%s holds: %s\n' "$1" "${files[*]}" >&2
		return 1
	}
	printf '%s\n' "${files[0]}"
}

count_in() {
	find "$1" -mindepth 1 2>/dev/null | wc -l
}
