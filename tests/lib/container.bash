# SPDX-License-Identifier: ISC
# A small Debian with a real systemd, booted on a throw-away copy of the image
# that lib/image builds; its network is a loopback of its own.
#
# container_start in setup_file, container_stop in teardown_file.

container_start() {
	local image layer=$BATS_FILE_TMPDIR/layer

	[[ $(id -u) -eq 0 ]] || { echo 'needs root'; return 1; }
	[[ -z ${SMTPD_ASAN-} ]] ||
		{ echo 'it has no libraries of sanitizers'; return 1; }
	command -v systemd-nspawn >/dev/null ||
		{ echo 'package systemd-container is missing'; return 1; }
	image=$("$SMTPD_TOP/tests/lib/image" 2>&1) ||
		{ echo "${image##*$'\n'}"; return 1; }
	export ROOT=$BATS_FILE_TMPDIR/root
	mkdir "$ROOT" "$layer"
	if ! mount -t tmpfs -o mode=755 layer "$layer" ||
	    ! mkdir "$layer/upper" "$layer/work" ||
	    ! mount -t overlay container "$ROOT" -o \
	        "lowerdir=$image,upperdir=$layer/upper,workdir=$layer/work"
	then
		container_unmount
		echo 'an overlay file system cannot be mounted'
		return 1
	fi
}

# The programs under test, installed into $ROOT as the README says, and two
# users, alice (1001) and bob (1002).
container_install() {
	copy_checkout "$BATS_FILE_TMPDIR/checkout"
	make -s -C "$BATS_FILE_TMPDIR/checkout" DESTDIR="$ROOT" install
	printf '%s\n' 'hostname = mail.example.com' \
		'local_domains = example.com' >"$ROOT/etc/smtpd/smtpd.conf"
	sed -i 's/^#postmaster:.*/postmaster: alice/' \
		"$ROOT/etc/smtpd/aliases"
	chroot "$ROOT" useradd --create-home --uid 1001 alice
	chroot "$ROOT" useradd --create-home --uid 1002 bob
}

# Boots what container_start has made; install into $ROOT between the two.
container_boot() {
	local log=$BATS_FILE_TMPDIR/boot.log

	systemd-nspawn --quiet --directory="$ROOT" --register=no --keep-unit \
		--boot --console=pipe --private-network --resolv-conf=off \
		--machine="smtpd-test-$$" \
		--system-call-filter="landlock_create_ruleset
			landlock_add_rule landlock_restrict_self" \
		</dev/null >"$log" 2>&1 3>&- &
	export NSPAWN=$!
	if ! WAIT_SECONDS=60 wait_for container_is_up; then
		tail -n 5 "$log"
		container_stop
		return 1
	fi
}

container_is_up() {
	container_find_init && inside systemctl is-system-running --wait
}

# The child of nspawn that is 1 inside: there is another one before.
container_find_init() {
	local pid

	export INIT=
	for pid in $(pgrep -P "$NSPAWN"); do
		grep -qs '^NSpid:.*[[:space:]]1$' "/proc/$pid/status" && INIT=$pid
	done
	[[ -n $INIT ]]
}

# Runs a command in the container.
inside() {
	nsenter --target "$INIT" --all -- "$@"
}

# Runs a command of the machine's own in the container's network.
on_its_net() {
	nsenter --target "$INIT" --net -- "$@"
}

# send_mail_v6 ADDRESS SUBJECT: swaks needs another package for IPv6.
send_mail_v6() {
	printf 'Subject: %s\r\n\r\nhi\r\n' "$2" |
		on_its_net curl -sS 'smtp://[::1]:25' -T - \
		--mail-from a@example.org --mail-rcpt "$1"
}

container_unmount() {
	umount "$ROOT" 2>/dev/null
	umount "$BATS_FILE_TMPDIR/layer" 2>/dev/null
}

# Nothing in it is worth an orderly shutdown.
container_stop() {
	if [[ -n ${NSPAWN-} ]]; then
		kill -KILL ${INIT:+"$INIT"} "$NSPAWN" 2>/dev/null
		wait "$NSPAWN" 2>/dev/null
		NSPAWN=
	fi
	[[ -z ${ROOT-} ]] || container_unmount
	return 0
}
