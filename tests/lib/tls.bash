# SPDX-License-Identifier: ISC
# For tests of TLS: load it after lib/smtpd.

# make_cert NAME TYPE DNS-NAME... [-- REQ-OPTION...]: NAME.pem and NAME.key in
# $TLS, self-signed; TYPE is ec or rsa.
make_cert() {
	local name=$1 type=$2 host=$3 names=''
	local -a new=(-newkey ec -pkeyopt ec_paramgen_curve:P-256)
	[[ $type == ec ]] || new=(-newkey rsa:2048)
	shift 2
	while [[ $# -gt 0 && $1 != -- ]]; do
		names+=${names:+,}DNS:$1
		shift
	done
	as_user openssl req -x509 "${new[@]}" -nodes -days 30 \
		-subj "/CN=$host" -addext "subjectAltName=$names" \
		-keyout "$TLS/$name.key" -out "$TLS/$name.pem" "${@:2}" \
		2>/dev/null
	as_user chmod 400 "$TLS/$name.key"
}

# say LINE...: with pauses that let a client which reads a terminal keep up.
say() {
	local line
	for line; do
		sleep 0.1
		printf '%s\r\n' "$line"
	done
	sleep 0.1
}

# s_client ARG...: openssl's client, STARTTLS on $PORT, all it says.
s_client() {
	printf 'EHLO c\r\nQUIT\r\n' | timeout 20 openssl s_client \
		-connect "127.0.0.1:$PORT" -starttls smtp -ign_eof "$@" 2>&1
}
# no_tls_left: have all smtpd-tls ended but the listener and its warm process?
no_tls_left() {
	[[ $(pgrep -fc "^$SMTPD_BIN/smtpd-tls .*${1:-$CHAIN/}") -eq 2 ]]
}

