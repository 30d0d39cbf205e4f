# SPDX-License-Identifier: ISC
# A private instance of Debian's Postfix; nothing of the system's is touched.

# postfix_install: as Debian configures it under "No configuration", and
# without starting it. Never in the place of another mail server.
postfix_install() {
	local held

	command -v postfix smtp-source >/dev/null && return
	held=$(dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Provides}\n' |
		awk '/^i.*mail-transport-agent/ { print $2 }')
	if [[ -n $held ]]; then
		echo "postfix: not installed: it would replace '$held'" >&2
		return 1
	fi
	echo 'postfix postfix/main_mailer_type select No configuration' |
		debconf-set-selections &&
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qy \
		--no-install-recommends postfix >/dev/null
}

# postfix_make CONFIG QUEUE PORT [NAME=VALUE...]: Debian's own master.cf and
# defaults, but for chroots (they need copies of /etc) and the port.
postfix_make() {
	local config=$1 queue=$2 port=$3
	shift 3

	mkdir -p "$config" "$queue" "$queue-data"
	chown postfix "$queue-data"
	cp /usr/share/postfix/master.cf.dist "$config/master.cf"
	cp /etc/postfix/dynamicmaps.cf "$config"
	: >"$config/main.cf"
	postconf -c "$config" -e compatibility_level=3.6 \
		queue_directory="$queue" data_directory="$queue-data" \
		myhostname=bench.test mydestination=bench.test \
		inet_interfaces=127.0.0.1 inet_protocols=ipv4 \
		home_mailbox=Maildir/ alias_maps= alias_database= "$@"
	postconf -c "$config" -F '*/*/chroot=n'
	postconf -c "$config" -MX smtp/inet
	postconf -c "$config" -M \
		"$port/inet=$port inet n - n - - smtpd"
}

# postfix_queued QUEUE: how many messages it still has.
postfix_queued() {
	find "$1"/{maildrop,incoming,active,deferred} -type f | wc -l
}
