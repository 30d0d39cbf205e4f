# SPDX-License-Identifier: ISC
# The chain split over its users, as in production, below one directory.
#
# A port for each kind of client: CHAIN_PORT for strangers whose mail is not
# checked (forged fields are taken out of it), and on top of that 1 for the
# same under tcpserver, 2 for strangers whose mail is judged, 3 for relay
# clients, 4 for relay clients whose mail is signed.

# chain_make DIR QUEUE PORT SINK: its configuration, which changes no default
# but names, places, the size that 25 MiB need, and the checks; mail for
# elsewhere goes to port SINK.
chain_make() {
	CHAIN_DIR=$1 CHAIN_QUEUE=$2 CHAIN_PORT=$3
	mkdir -p "$1/sock" "$2"
	chown smtpd-queue:smtpd-queue "$1/sock" "$2"
	chmod 755 "$1" "$1/sock"
	cat >"$1/smtpd.conf" <<-EOT
	hostname = bench.test
	local_domains = bench.test
	max_size = 30M
	checks = no
	aliases = $1/aliases
	queue = $2
	injector = $1/sock/queue-in
	relay_injector = $1/sock/queue-relay
	submitter = $1/sock/queue-user
	rcpt = $1/sock/rcpt
	lspawn = $1/sock/lspawn
	remote = $1/sock/remote
	bouncer = $1/sock/bounce
	auth = $1/sock/auth
	passwords = $1/passwords
	tls = $1/sock/tls
	wakeup = $1/sock/wakeup
	control = $1/sock/control
	dkim_keys =
	smarthost = [127.0.0.1]:$4
	EOT
	echo 'postmaster: bench' >"$1/aliases"
	chmod 644 "$1/smtpd.conf" "$1/aliases"
}

# chain_key DOMAIN: an RSA key of 2048 bits that sign-keys signs with.
chain_key() {
	install -d -m 700 -o smtpd-sign -g smtpd-sign "$CHAIN_DIR/dkim"
	"$SMTPD_BIN/smtpd-dkim-key" -c "$CHAIN_DIR/smtpd.conf" \
		-o "dkim_keys=$CHAIN_DIR/dkim" "$1" s1 >/dev/null
}

# What there is, in the order in which it is started.
# shellcheck disable=SC2034 # for who sources this
readonly chain_services=(rcpt judge judge-checks submit sign sign-keys queue-in
	queue-checks queue-relay queue-signed queue-own bounce lspawn remote
	send session session-checks session-relay session-signed tcpserver)

# chain_port NAME: of a listener.
chain_port() {
	local offset=0

	case $1 in
	tcpserver | session-tls)
		offset=1 ;;
	session-checks)
		offset=2 ;;
	session-relay)
		offset=3 ;;
	session-signed)
		offset=4 ;;
	esac
	echo $((CHAIN_PORT + offset))
}

# chain_service NAME [WRAPPER...]: its command, in place of this shell.
chain_service() {
	local name=$1 program=${1%%-*} sock=$CHAIN_DIR/sock conf=$CHAIN_DIR/smtpd.conf
	local at=$sock/$1 user=(-u "smtpd-${1%%-*}") options=() operands=()
	local judge=judge:delete,top,mark,refuse:$sock/judge
	local submit=submit:delete,put,top,refuse:$sock/submit
	local sign=sign:top:$sock/sign relay=relay_clients=127.0.0.1
	shift

	case $name in
	judge-checks)
		options=(checks=yes) ;;
	sign-keys)
		options=("dkim_keys=$CHAIN_DIR/dkim") ;;
	queue-in)
		operands=(in "$judge") ;;
	queue-checks)
		options=(checks=yes) operands=(in "$judge-checks") ;;
	queue-relay)
		options=("$relay") operands=(relay "$submit" "$sign") ;;
	queue-signed)
		options=("$relay") operands=(relay "$submit" "$sign-keys") ;;
	queue-user | queue-auth)
		operands=("${name#queue-}" "$submit" "$sign") ;;
	queue-own)
		operands=(own "$sign") ;;
	bounce)
		user=(-u smtpd-queue) operands=("$sock/queue-own") ;;
	auth)
		program=auth-file operands=("$sock/queue-auth") ;;
	lspawn)
		user=() operands=("$SMTPD_BIN/smtpd-local") ;;
	session-checks)
		options=("injector=$sock/queue-checks") ;;
	session-relay)
		options=("$relay") ;;
	session-signed)
		options=("$relay" "relay_injector=$sock/queue-signed") ;;
	session-tls)
		options=(profile=submissions) ;;
	tcpserver)
		program=session ;;
	esac
	[[ $name != session* ]] ||
		user=(-u smtpd) at=127.0.0.1:$(chain_port "$name")
	operands=("$SMTPD_BIN/smtpd-$program" -c "$conf" "${options[@]/#/-o}"
		"${operands[@]}")
	case $name in
	send)
		exec "$@" setpriv --reuid=smtpd-queue --regid=smtpd-queue \
			--clear-groups "${operands[@]}" ;;
	tcpserver)
		exec "$@" tcpserver -HRl0 -c 200 -b 1024 -u "$(id -u smtpd)" \
			-g "$(id -g smtpd)" 127.0.0.1 "$(chain_port "$name")" \
			"${operands[@]}" ;;
	*)
		exec "$@" "$SMTPD_BIN/smtpd-listen" -m 0666 "${user[@]}" "$at" \
			"${operands[@]}" ;;
	esac
}

# chain_listens NAME: is it there?
chain_listens() {
	case $1 in
	send)
		[[ -S $CHAIN_DIR/sock/wakeup ]] ;;
	session* | tcpserver)
		: <>"/dev/tcp/127.0.0.1/$(chain_port "$1")" ;;
	*)
		[[ -S $CHAIN_DIR/sock/$1 ]] ;;
	esac
}

# chain_queued: how many messages it still has.
chain_queued() {
	find "$CHAIN_QUEUE"/{new,msg} -type f 2>/dev/null | wc -l
}
