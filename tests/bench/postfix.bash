# SPDX-License-Identifier: ISC
# A private instance of Debian's Postfix, in a world made by private with
# OVERLAY=$(unpack postfix) and the accounts below.

# shellcheck disable=SC2034 # for who sources this
readonly postfix_accounts=postfix:59993:/,postdrop:59994:/

# postfix_make CONFIG QUEUE PORT [NAME=VALUE...]: Debian's own master.cf and
# defaults, but for chroots (they need copies of /etc) and the port.
postfix_make() {
	local config=$1 queue=$2 port=$3
	shift 3

	mkdir -p "$config" "$queue" "$queue-data"
	chown postfix "$queue-data"
	cp -r "$OVERLAY/etc/postfix/." "$config"
	cp /usr/share/postfix/master.cf.dist "$config/master.cf"
	cp /usr/share/postfix/dynamicmaps.cf "$config"
	: >"$config/main.cf"
	postconf -c "$config" -e compatibility_level=3.6 \
		meta_directory="$config" queue_directory="$queue" \
		data_directory="$queue-data" \
		myhostname=bench.test mydestination=bench.test \
		inet_interfaces=127.0.0.1 inet_protocols=ipv4 \
		home_mailbox=Maildir/ alias_maps= alias_database=
	[[ $# -eq 0 ]] || postconf -c "$config" -e "$@"
	postconf -c "$config" -F '*/*/chroot=n'
	postconf -c "$config" -MX smtp/inet
	postconf -c "$config" -M \
		"$port/inet=$port inet n - n - - smtpd"
}

# postfix_queued QUEUE: how many messages it still has.
postfix_queued() {
	find "$1"/{maildrop,incoming,active,deferred} -type f | wc -l
}
