# SPDX-License-Identifier: ISC
# The chain split over its users, as in production, below one directory.

# chain_make DIR QUEUE PORT SINK: its configuration, which changes no default
# but names and places; mail for elsewhere goes to port SINK.
chain_make() {
	CHAIN_DIR=$1 CHAIN_QUEUE=$2 CHAIN_PORT=$3
	mkdir -p "$1/sock" "$2"
	chown smtpd-queue:smtpd-queue "$1/sock" "$2"
	chmod 755 "$1" "$1/sock"
	cat >"$1/smtpd.conf" <<-EOT
	hostname = bench.test
	local_domains = bench.test
	aliases = $1/aliases
	queue = $2
	injector = $1/sock/verify
	judge = $1/sock/judge
	rcpt = $1/sock/rcpt
	lspawn = $1/sock/lspawn
	remote = $1/sock/remote
	bouncer = $1/sock/bounce
	wakeup = $1/sock/wakeup
	relay_clients = 127.0.0.1
	smarthost = [127.0.0.1]:$4
	EOT
	echo 'postmaster: bench' >"$1/aliases"
	chmod 644 "$1/smtpd.conf" "$1/aliases"
}

# chain_service NAME [WRAPPER...]: its command, in place of this shell. The
# launcher of sessions is the resident listener, or tcpserver a port further.
chain_service() {
	local name=$1 bin=$SMTPD_BIN sock=$CHAIN_DIR/sock
	local conf=(-c "$CHAIN_DIR/smtpd.conf") listen
	shift
	listen=("$@" "$bin/smtpd-listen" -m 0666)

	case $name in
	rcpt)
		exec "${listen[@]}" -u smtpd-rcpt "$sock/rcpt" \
			"$bin/smtpd-rcpt" "${conf[@]}" ;;
	queue)
		exec "${listen[@]}" -u smtpd-queue "$sock/queue-in" \
			"$bin/smtpd-queue" "${conf[@]}" in ;;
	verify)
		exec "${listen[@]}" -u smtpd-verify "$sock/verify" \
			"$bin/smtpd-verify" "${conf[@]}" "$sock/queue-in" ;;
	judge)
		exec "${listen[@]}" -u smtpd-judge "$sock/judge" \
			"$bin/smtpd-judge" "${conf[@]}" ;;
	queue-own)
		exec "${listen[@]}" -u smtpd-queue "$sock/queue-own" \
			"$bin/smtpd-queue" "${conf[@]}" own ;;
	bounce)
		exec "${listen[@]}" -u smtpd-queue "$sock/bounce" \
			"$bin/smtpd-bounce" "${conf[@]}" "$sock/queue-own" ;;
	remote)
		exec "${listen[@]}" -u smtpd-remote "$sock/remote" \
			"$bin/smtpd-remote" "${conf[@]}" ;;
	lspawn)
		exec "${listen[@]}" "$sock/lspawn" \
			"$bin/smtpd-lspawn" "${conf[@]}" "$bin/smtpd-local" ;;
	send)
		exec "$@" setpriv --reuid=smtpd-queue --regid=smtpd-queue \
			--clear-groups "$bin/smtpd-send" "${conf[@]}" ;;
	session)
		exec "${listen[@]}" -u smtpd "127.0.0.1:$CHAIN_PORT" \
			"$bin/smtpd-session" "${conf[@]}" ;;
	tcpserver)
		exec "$@" tcpserver -HRl0 -c 200 -b 1024 -u "$(id -u smtpd)" \
			-g "$(id -g smtpd)" 127.0.0.1 $((CHAIN_PORT + 1)) \
			"$bin/smtpd-session" "${conf[@]}" ;;
	esac
}

# chain_queued: how many messages it still has.
chain_queued() {
	find "$CHAIN_QUEUE"/{new,msg} -type f 2>/dev/null | wc -l
}
