# SPDX-License-Identifier: ISC
# What Postfix checks and signs mail with: Debian's opendkim and opendmarc, on
# UNIX sockets, in a world made by private with
# OVERLAY=$(unpack postfix opendkim opendmarc dbconfig-no-thanks).
#
# Their settings are Debian's where they can be: hosts on the loopback, where
# all clients are, must not be spared; no log, as nobody would keep it;
# opendkim asks the resolver that all ask, and opendmarc checks SPF itself, and
# refuses what p=reject asks to refuse.
# shellcheck disable=SC2154 # measure's

# shellcheck disable=SC2034 # for who sources this
readonly milter_accounts=opendkim:59981:/,opendmarc:59980:/

# milters_make DIR DOMAIN KEY: their configuration; KEY, a file in PEM, signs
# for DOMAIN.
milters_make() {
	local dir=$1

	install -d -m 755 "$dir" "$dir/dkim" "$dir/sign" "$dir/dmarc"
	chown opendkim: "$dir/dkim" "$dir/sign"
	chown opendmarc: "$dir/dmarc"
	install -m 400 -o opendkim "$3" "$dir/sign/key"
	echo 192.0.2.1 >"$dir/spared"
	cat >"$dir/dkim.conf" <<-EOT
	Syslog no
	UserID opendkim
	UMask 000
	Socket local:$dir/dkim/socket
	Mode v
	Nameservers 127.0.0.1
	AuthservID bench.test
	InternalHosts $dir/spared
	EOT
	cat >"$dir/sign.conf" <<-EOT
	Syslog no
	UserID opendkim
	UMask 000
	Socket local:$dir/sign/socket
	Mode s
	Canonicalization relaxed/relaxed
	Domain $2
	Selector s1
	KeyFile $dir/sign/key
	EOT
	cat >"$dir/dmarc.conf" <<-EOT
	Syslog false
	UserID opendmarc
	UMask 000
	Socket local:$dir/dmarc/socket
	AuthservID bench.test
	IgnoreHosts $dir/spared
	SPFIgnoreResults true
	SPFSelfValidate true
	RejectFailures true
	EOT
}

# milter_service NAME DIR: its command, in place of this shell.
milter_service() {
	case $1 in
	dkim | sign)
		exec opendkim -f -x "$2/$1.conf" ;;
	dmarc)
		exec opendmarc -f -c "$2/$1.conf" ;;
	esac
}

# milters_attach CONFIG DIR PORT: Postfix listens there twice more: two ports
# further on it checks, four ports further on it signs.
milters_attach() {
	local checks=unix:$2/dkim/socket,unix:$2/dmarc/socket
	local at=$(($3 + 2))

	postconf -c "$1" -M "$at/inet=$at inet n - n - - smtpd -o smtpd_milters=$checks"
	at=$(($3 + 4))
	postconf -c "$1" -M "$at/inet=$at inet n - n - - smtpd -o smtpd_milters=unix:$2/sign/socket"
}
