# SPDX-License-Identifier: ISC
# Other servers from the image of lib/image, in its directory, on this
# machine's loopback. Load it after lib/smtpd.

# Sets IMAGE.
need_image() {
	IMAGE=$("$SMTPD_TOP/tests/lib/image" 2>"$BATS_FILE_TMPDIR/why") ||
		skip_loudly "no image: $(tail -n 1 "$BATS_FILE_TMPDIR/why")"
	export IMAGE
}

# in_image DIR COMMAND...: with DIR as /mnt and a /dev and /proc.
in_image() {
	unshare --mount --propagation private sh -c '
		mount --bind "$1" "$2/mnt" &&
		mount --rbind /dev "$2/dev" &&
		mount --rbind /proc "$2/proc" || exit 111
		image=$2
		shift 2
		exec chroot "$image" "$@"' \
		in_image "$1" "$IMAGE" "${@:2}"
}

# postfix_make DIR [SETTING...]: the configuration of one below DIR/etc that
# listens on no port.
postfix_make() {
	mkdir -p "$1"/{etc,queue,data,mail}
	chmod 755 "$1" "$1/mail"
	sed '/^smtp  *inet/d' "$IMAGE/usr/share/postfix/master.cf.dist" |
		awk '/^[a-z]/ { $5 = "n" } { print }' >"$1/etc/master.cf"
	printf '%s\n' 'compatibility_level = 3.6' \
		'queue_directory = /mnt/queue' 'data_directory = /mnt/data' \
		'mydestination =' 'inet_interfaces = 127.0.0.1' \
		'inet_protocols = ipv4' 'alias_maps =' \
		'maillog_file = /mnt/data/log' 'maillog_file_prefixes = /mnt' \
		'smtp_host_lookup = native' "${@:2}" >"$1/etc/main.cf"
}

postfix_start() {
	in_image "$1" sh -c 'chown postfix /mnt/data &&
		postfix -c /mnt/etc start' 3>&- >&2
}

# For teardown too.
postfix_stop() {
	in_image "$1" postfix -c /mnt/etc stop >/dev/null 2>&1 || true
}
