#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# smtpd-conf, and what a wrong configuration gets from every program.

load lib/smtpd

setup() {
	setup_dir
	CONF=$BATS_TEST_TMPDIR/smtpd.conf
}

# Puts the lines into the file of settings.
settings() {
	printf '%s\n' "$@" >"$CONF"
	chmod 644 "$CONF"
}

conf() {
	"$SMTPD_BIN/smtpd-conf" "$@"
}

# refused EXPECTED LINE...: the file is wrong, the error is exactly this.
refused() {
	local expected=$1
	shift
	settings "$@"
	run -100 --separate-stderr conf -c "$CONF" check
	[[ -z $output ]]
	if [[ $stderr != "smtpd-conf: fatal: $CONF$expected" ]]; then
		printf 'got:  %s\nwant: %s\n' "$stderr" \
			"smtpd-conf: fatal: $CONF$expected" >&2
		return 1
	fi
}

@test "conf: a right file is silence and 0" {
	settings '# a comment' '' 'hostname = mx.example.com' \
		'local_domains = example.com Example.ORG' \
		'relay_clients = 127.0.0.0/8 ::1' 'max_size=25M'
	run -0 --separate-stderr conf -c "$CONF" check
	[[ -z $output && -z $stderr ]]
}

@test "conf: check reads tls_policy, and looks at the passwords" {
	printf '%s\n' '# for whom' 'example.org verify mx.example.org' '* may' \
		>"$BATS_TEST_TMPDIR/policy"
	settings "tls_policy = $BATS_TEST_TMPDIR/policy" \
		"tls_authorities = $BATS_TEST_TMPDIR/policy"
	run -0 --separate-stderr conf -c "$CONF" check
	[[ -z $stderr ]]
	echo 'example.com always' >>"$BATS_TEST_TMPDIR/policy"
	run -100 --separate-stderr conf -c "$CONF" check
	[[ $stderr == *"policy:4: expected 'DESTINATION none|may|encrypt|verify"* ]]

	echo 'mx.example.org joe secret' >"$BATS_TEST_TMPDIR/passwords"
	chmod 440 "$BATS_TEST_TMPDIR/passwords"
	settings "remote_passwords = $BATS_TEST_TMPDIR/passwords" \
		'tls_authorities = /nonexistent'
	run -0 --separate-stderr conf -c "$CONF" check
	[[ $stderr == *"passwords' must belong to smtpd-remote's user"* ]]
	[[ $stderr == *"tls_authorities '/nonexistent'"* ]]
}

@test "conf: a resolver that is not on this host is a warning" {
	settings 'resolver = 127.0.0.1 [::1]:5353'
	run -0 --separate-stderr conf -c "$CONF" check
	[[ -z $output && -z $stderr ]]
	settings 'resolver = 127.0.0.1 [2001:db8::1]:5353'
	run -0 --separate-stderr conf -c "$CONF" check
	[[ -z $output ]]
	[[ $stderr == "smtpd-conf: warning: resolver '[2001:db8::1]:5353' is"* ]]
	[[ $stderr == *unbound* ]]
}

@test "conf: letting mail in that nobody has judged is a warning" {
	settings 'hostname = a' 'unjudged = accept'
	run -0 --separate-stderr conf -c "$CONF" check
	[[ -z $output ]]
	[[ $stderr == "smtpd-conf: warning: unjudged = accept: while smtpd-judge is not running"* ]]
	for option in dmarc=report checks=no unjudged=defer; do
		run -0 --separate-stderr conf -c "$CONF" -o "$option" check
		[[ -z $output && -z $stderr ]]
	done
	settings 'hostname = a' 'spf_reject = yes' 'checks = no'
	run -0 --separate-stderr conf -c "$CONF" check
	[[ -z $output ]]
	[[ $stderr == "smtpd-conf: warning: spf_reject = yes has no effect with checks = no"* ]]
	run -0 --separate-stderr conf -c "$CONF" -o checks=yes check
	[[ -z $stderr ]]
}

@test "conf: the setting that named the judge is told of" {
	refused ":1: unknown setting 'judge'" 'judge = /run/smtpd/judge'
}

@test "conf: an empty file is right" {
	settings
	run -0 --separate-stderr conf -c "$CONF" -o hostname=a.example check
	[[ -z $output && -z $stderr ]]
}

@test "conf: an unknown name is refused with the nearest" {
	refused ":2: unknown setting 'quue': did you mean 'queue'?" \
		'hostname = a' 'quue = /q'
	refused ":1: unknown setting 'local-domains': did you mean 'local_domains'?" \
		'local-domains = a'
	refused ":1: unknown setting 'max_recipient': did you mean 'max_recipients'?" \
		'max_recipient = 100'
}

@test "conf: a name that is near to none is refused without a guess" {
	refused ":1: unknown setting 'wibble'" 'wibble = 1'
}

@test "conf: a line that is none is refused" {
	refused ":3: expected 'name = value'" '' '# x' 'hostname mx.example'
}

@test "conf: the same setting twice is refused, and the first is named" {
	refused ":4: 'queue' was already set on line 2" '' 'queue = /a' '' \
		'queue = /a'
}

@test "conf: a DKIM key, its domain and its selector come together" {
	settings 'hostname = a' 'dkim_key = /k'
	run -100 --separate-stderr conf -c "$CONF" check
	[[ $stderr == *": dkim_key is set, but dkim_selector is not" ]]
	settings 'hostname = a' 'dkim_domain = b' 'dkim_selector = c'
	run -100 --separate-stderr conf -c "$CONF" check
	[[ $stderr == *": dkim_selector is set, but dkim_key is not" ]]
	settings 'hostname = a' 'dkim_selector = c_d' 'dkim_key = /k' \
		'dkim_domain = b'
	run -100 --separate-stderr conf -c "$CONF" check
	[[ $stderr == *":2: dkim_selector: 'c_d' is not a domain name"* ]]
}

@test "conf: signing that cannot work is a warning, without reading a key" {
	settings 'hostname = a' 'local_domains = example.com' \
		"dkim_key = $BATS_TEST_TMPDIR/k" 'dkim_domain = example.com' \
		'dkim_selector = s' "dkim_keys = $BATS_TEST_TMPDIR/d"
	run -0 --separate-stderr conf -c "$CONF" check
	[[ $stderr == *"warning: DKIM key '$BATS_TEST_TMPDIR/k': No such file"* ]]
	[[ $stderr == *"warning: dkim_keys '$BATS_TEST_TMPDIR/d': No such file"* ]]
	mkdir "$BATS_TEST_TMPDIR/d"
	install -m 600 /dev/null "$BATS_TEST_TMPDIR/k"
	run -0 --separate-stderr conf -c "$CONF" check
	[[ -z $stderr ]]
	chmod 644 "$BATS_TEST_TMPDIR/k"
	run -0 --separate-stderr conf -c "$CONF" -o dkim_domain=example.org check
	[[ $stderr == *"DKIM key '$BATS_TEST_TMPDIR/k' can be accessed by other users: mail of its domain will wait"* ]]
	[[ $stderr == *"dkim_domain 'example.org' is neither one of local_domains nor above one"* ]]
	run -0 --separate-stderr conf -c "$CONF" -o dkim_key= -o dkim_domain= \
		-o dkim_selector= -o dkim_keys=/nonexistent check
	[[ -z $stderr ]]
}

@test "conf: so are keys that make mail wait, or sign nothing" {
	settings 'hostname = a' "dkim_keys = $BATS_TEST_TMPDIR/d"
	cd "$BATS_TEST_TMPDIR"
	mkdir -p d/example.com d/Example.org d/e_x
	install -m 400 /dev/null d/example.com/good.key
	install -m 644 /dev/null d/example.com/.new
	install -m 644 /dev/null d/example.com/good.key.orig
	run -0 --separate-stderr conf -c "$CONF" check
	[[ $(wc -l <<<"$stderr") -eq 2 ]]
	for name in Example.org e_x; do
		[[ $stderr == *"warning: dkim_keys: '$name' is not a domain name in lower case: its keys sign nothing"* ]]
	done
	rm -r d/Example.org d/e_x
	: >d/file
	ln -s /nonexistent d/example.com/gone.key
	mkdir d/example.com/dir.key
	install -m 440 /dev/null d/example.com/b_d.key
	install -m 444 /dev/null d/example.com/open.key
	run -0 --separate-stderr conf -c "$CONF" check
	for text in "dkim_keys: 'file': Not a directory" \
	    "DKIM key 'example.com/gone.key': No such file" \
	    "DKIM key 'example.com/dir.key' is not a regular file: mail of its domain will wait" \
	    "DKIM key 'example.com/b_d.key' is not named after a selector: mail of its domain will wait" \
	    "DKIM key 'example.com/open.key' can be accessed by other users: mail of its domain will wait"; do
		[[ $stderr == *"warning: $text"* ]]
	done
	[[ $(wc -l <<<"$stderr") -eq 5 ]]
}

@test "conf: numbers out of bounds are refused with the bounds" {
	refused ":1: max_recipients: '99' is not a number from 100 to 1000" \
		'max_recipients = 99'
	refused ":1: max_recipients: '1001' is not a number from 100 to 1000" \
		'max_recipients = 1001'
	refused ":1: max_recipients: '10x' is not a number from 100 to 1000" \
		'max_recipients = 10x'
	refused ":1: max_recipients: '' is not a number from 100 to 1000 (it may not be empty)" \
		'max_recipients ='
	refused ":1: max_errors: '18446744073709551617' is not a number from 1 to 10000" \
		'max_errors = 18446744073709551617'
}

@test "conf: sizes and times are refused with their units" {
	refused ":1: max_size: '1k' is not a size from 64K to 2147483647 (octets; K, M or G may follow)" \
		'max_size = 1k'
	refused ":1: max_size: '17179869185G' is not a size from 64K to 2147483647 (octets; K, M or G may follow)" \
		'max_size = 17179869185G'
	refused ":1: command_timeout: '5 m' is not a time from 1s to 1d (seconds; s, m, h or d may follow)" \
		'command_timeout = 5 m'
	refused ":1: queue_lifetime: '59' is not a time from 1m to 365d (seconds; s, m, h or d may follow)" \
		'queue_lifetime = 59'
}

@test "conf: malformed texts are refused, of a list the word" {
	refused ":1: hostname: 'mx_1' is not a domain name" 'hostname = mx_1'
	refused ":1: hostname: 'mx.example.' is not a domain name" \
		'hostname = mx.example.'
	refused ":1: local_domains: '[192.0.2.1]' is not a domain name" \
		'local_domains = a.example [192.0.2.1]'
	refused ":1: relay_clients: '10.0.0.1/8' is not a network (ADDRESS or ADDRESS/BITS)" \
		'relay_clients = ::1 10.0.0.1/8'
	refused ":1: queue: 'queue' is not an absolute path" 'queue = queue'
	refused ":1: queue: '' is not an absolute path (it may not be empty)" \
		'queue ='
	refused ":1: rcpt: 'smtpd-rcpt' is not the absolute path of a socket, or a command with an absolute path" \
		'rcpt = smtpd-rcpt'
	refused ":1: nss_sentinel: 'a b' is not a word without blanks" 'nss_sentinel = a b'
	refused ":1: confine: 'yes' is not one of: deny kill off" \
		'confine = yes'
}

@test "conf: a comment behind a value is refused with a hint" {
	refused ":1: max_errors: '5 # few' is not a number from 1 to 10000; a comment needs a line of its own" \
		'max_errors = 5 # few'
}

@test "conf: DOS lines, control characters and NUL are refused" {
	refused ':1: carriage return: lines must end in LF only' $'queue = /q\r'
	refused ':1: control character 0x1b' $'queue = /q\e[1m'
	printf '\n#\0\n' >"$CONF"
	run -100 --separate-stderr conf -c "$CONF" check
	[[ $stderr == "smtpd-conf: fatal: $CONF:2: control character 0x00" ]]
}

@test "conf: a file larger than 1 MiB is refused" {
	head -c 1048577 /dev/zero | tr '\0' '#' >"$CONF"
	run -100 --separate-stderr conf -c "$CONF" check
	[[ $stderr == "smtpd-conf: fatal: $CONF: larger than 1048576 octets" ]]
}

@test "conf: maildir is the name of one folder" {
	settings 'maildir = ../x' 'hostname = a'
	run -100 --separate-stderr conf -c "$CONF" check
	[[ $stderr == *"maildir: '../x' is not the name of a single folder" ]]
}

@test "conf: a file that cannot be read is temporary" {
	run -111 --separate-stderr conf -c "$CONF" check
	[[ $stderr == "smtpd-conf: fatal: cannot read '$CONF': No such file or directory" ]]
	run -111 --separate-stderr conf -c "$BATS_TEST_TMPDIR" check
	[[ $stderr == *"Is a directory" ]]
}

@test "conf: options win over files, later ones over earlier ones" {
	settings 'hostname = a' 'max_errors = 5'
	run -0 conf -c "$CONF" -o max_errors=6 -o max_errors=7 show max_errors
	[[ $output == 7 ]]
	printf 'max_errors = 8\n' >"$BATS_TEST_TMPDIR/second"
	run -0 conf -c "$CONF" -c "$BATS_TEST_TMPDIR/second" show max_errors
	[[ $output == 8 ]]
}

@test "conf: a wrong option is refused" {
	settings 'hostname = a'
	run -100 --separate-stderr conf -c "$CONF" -o quue=/q check
	[[ $stderr == *"unknown setting 'quue': did you mean 'queue'?" ]]
	run -100 --separate-stderr conf -c "$CONF" -o queue=q check
	[[ $stderr == *"queue: 'q' is not an absolute path" ]]
	run -100 --separate-stderr conf -c "$CONF" -o queue check
	[[ $stderr == *"not name=value" ]]
}

@test "conf: show gives what holds, defaults and derived values too" {
	settings 'hostname = mx.example' 'min_free = 2048K'
	run -0 --separate-stderr conf -c "$CONF" show
	[[ $output == *$'hostname = mx.example\nlocal_domains = mx.example\n'* ]]
	[[ $output == *$'\nmin_free = 2M\n'* ]]
	[[ $output == *$'\ncommand_timeout = 5m\n'* ]]
	[[ $output == *$'\nrelay_clients =\n'* ]]
	printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/again"
	run -0 diff "$BATS_TEST_TMPDIR/again" \
		<(conf -c "$BATS_TEST_TMPDIR/again" show)
}

@test "conf: show NAME gives one value, and knows no other" {
	settings 'hostname = mx.example'
	run -0 conf -c "$CONF" show hostname
	[[ $output == mx.example ]]
	run -100 --separate-stderr conf -c "$CONF" show host_name
	[[ $stderr == *"unknown setting 'host_name': did you mean 'hostname'?" ]]
}

@test "conf: the sample needs no configuration, and is one" {
	run -0 --separate-stderr env - "$SMTPD_BIN/smtpd-conf"
	[[ -z $stderr ]]
	printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/sample"
	run -0 --separate-stderr conf -c "$BATS_TEST_TMPDIR/sample" \
		-o hostname=a check
	# Each setting, with its default, once the comment sign is off.
	sed 's/^#\([a-z]\)/\1/' "$BATS_TEST_TMPDIR/sample" >"$CONF"
	run -0 --separate-stderr conf -c "$CONF" -o hostname=a show
	[[ ${#lines[@]} -eq $(grep -c '^[a-z]' "$CONF") ]]
	[[ $output == "$(conf -c /dev/null -o hostname=a show)" ]]
}

@test "conf: the sample says meaning, value and default" {
	run -0 conf
	[[ ${lines[0]} == '# Name of this host'* ]]
	[[ ${lines[2]} == '#hostname =' ]]
	[[ $output == *$'\n\n# Domains whose mail is delivered here; if empty, only hostname\n# Value: a domain name, or several separated by blanks; may be empty\n#local_domains =\n\n'* ]]
	[[ $output == *$'\n# Largest message that is accepted\n# Value: a size from 64K to 2147483647 (octets; K, M or G may follow)\n#max_size = 10485760\n\n'* ]]
	[[ $output == *$'\n# Value: a number from 100 to 1000\n#max_recipients = 100\n\n'* ]]
	run -0 conf mdoc
	[[ $output == $'.It Ic hostname\n'*$'\nDefault: empty.\n.It Ic local_domains\n'* ]]
	[[ $output == *$'\nValue: a network (ADDRESS or ADDRESS/BITS), or several separated by blanks; may be empty.\nDefault: empty.\n.It '* ]]
	[[ $output == *$'.It Ic queue\nThe queue directory.\nValue: an absolute path.\nDefault:\n.Ql /var/lib/smtpd/queue .\n'* ]]
}

@test "conf: no line of the sample is longer than 80 columns" {
	run -1 grep -nE '^.{81}' <(conf)
}

@test "conf: the manual names every setting, and lints" {
	run -0 conf mdoc
	local name
	while read -r name _; do
		[[ $'\n'$output$'\n' == *$'\n'".It Ic $name"$'\n'* ]]
	done < <(conf -c /dev/null -o hostname=a show)
	command -v mandoc >/dev/null || skip_loudly 'no mandoc'
	[[ -e $SMTPD_BIN/smtpd.conf.5 ]]
	run -0 mandoc -Tlint -W warning "$SMTPD_BIN/smtpd.conf.5" \
		"$SMTPD_TOP/common/smtpd-conf.8"
	run -0 grep -c '^\.It Ic queue$' "$SMTPD_BIN/smtpd.conf.5"
}

@test "conf: what it does not know is a usage error" {
	settings 'hostname = a'
	local words
	for words in foo 'check x' 'show hostname x' 'sample x' 'mdoc x'; do
		# shellcheck disable=SC2086
		run -100 --separate-stderr conf -c "$CONF" $words
		[[ -z $output && $stderr == *usage* ]]
	done
}

@test "conf: a full disk under its output is an error" {
	run -111 --separate-stderr bash -c '"$1" >/dev/full' - \
		"$SMTPD_BIN/smtpd-conf"
	[[ $stderr == "smtpd-conf: fatal: cannot write: No space left on device" ]]
}

# in_uts NAME COMMAND...: where this is the system's name.
in_uts() {
	local new=(unshare --uts)
	[[ $(id -u) -eq 0 ]] || new=(unshare --user --map-root-user --uts)
	"${new[@]}" sh -c 'echo "$1" >/proc/sys/kernel/hostname && shift &&
		exec "$@"' - "$@"
}

@test "conf: the system's name is the hostname, when it is a domain name" {
	in_uts mx.example true || skip_loudly 'cannot change the host name'
	settings '# nothing'
	run -0 in_uts mx.example "$SMTPD_BIN/smtpd-conf" -c "$CONF" show hostname
	[[ $output == mx.example ]]
	run -100 --separate-stderr in_uts bad_name "$SMTPD_BIN/smtpd-conf" \
		-c "$CONF" check
	[[ $stderr == *"this system's name 'bad_name' is not a domain name: set hostname" ]]
	run -0 in_uts bad_name "$SMTPD_BIN/smtpd-conf" -c "$CONF" \
		-o hostname=mx.example check
}

@test "conf: every program refuses a wrong file before it serves" {
	settings 'hostname = a' 'quue = /q'
	local program
	for program in session queue submit sign send local rcpt lspawn remote; do
		program=$SMTPD_BIN/smtpd-$program
		run -100 --separate-stderr as_user "$program" -c "$CONF" \
			</dev/null
		[[ -z $output ]] || [[ $output == 421* ]]
		[[ $stderr == *"$CONF:2: unknown setting 'quue': did you mean 'queue'?"* ]]
	done
}

@test "conf: a start with a file of 200 lines costs few system calls" {
	[[ -z ${SMTPD_ASAN-} ]] || skip_loudly 'strace and a sanitizer'
	command -v strace >/dev/null || skip_loudly 'no strace'
	settings 'hostname = a'
	yes '# a comment that is there to be read' | head -n 200 >>"$CONF" ||
		true
	run -0 --separate-stderr strace -o "$BATS_TEST_TMPDIR/trace" \
		"$SMTPD_BIN/smtpd-conf" -c "$CONF" check
	run -0 grep -c 'smtpd.conf' "$BATS_TEST_TMPDIR/trace"
	[[ $(grep -cE '^(read|pread64)\(' "$BATS_TEST_TMPDIR/trace") -le 2 ]]
}
