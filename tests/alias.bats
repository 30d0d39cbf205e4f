#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The aliases file: what it may say, and what is said to one that is wrong.
# shellcheck disable=SC2154 # run sets variables

load lib/smtpd
load lib/delivery

setup() {
	setup_delivery
}

teardown() {
	stop_all
}

check() {
	as_user "$SMTPD_BIN/smtpd-rcpt" -c "$D/conf" </dev/null
}

# refused LINE:WHAT: a file that is wrong there, and why; the file on stdin.
refused() {
	aliases
	run -100 --separate-stderr check
	[[ $stderr == "smtpd-rcpt: fatal: $D/aliases:$1"* ]] || {
		printf 'wanted: %s\ngot:    %s\n' "$1" "$stderr"
		return 1
	}
}

# expands NAME ANSWER; keeps: the same for a message that is junk.
expands() {
	answers L "$@"
}

keeps() {
	answers J "$@"
}

answers() {
	local tag=$1
	shift
	run -0 as_user "$DELIVER" "$tag:<$1@example.com>" -- \
		"$SMTPD_BIN/smtpd-rcpt" -c "$D/conf"
	local got=${output//$'\n'/, }
	[[ $got == "$2, K " ]] || {
		printf 'wanted: %s\ngot:    %s\n' "$2" "$got"
		return 1
	}
}

@test "alias: comments, blank lines, continuations, blanks of all kinds" {
	aliases <<-EOF
	# a comment

	   # another one
	one:user
	two :   user  ,	remote@elsewhere.test   # and one more
	three:
	  user,

	# in between
	    	remote@elsewhere.test
	four: user
	  remote@elsewhere.test,
	a#b: user,user#x@elsewhere.test
	EOF
	printf 'last: user' >>"$D/aliases"
	check
	expands one 'T user user <user@example.com>'
	for n in two three four; do
		expands $n 'T user user <user@example.com>, T remote <remote@elsewhere.test>'
	done
	expands 'a#b' 'T user user <user@example.com>, T remote <user#x@elsewhere.test>'
	expands last 'T user user <user@example.com>'
}

@test "alias: names in any case, with a domain or not, quoted or not" {
	aliases <<-EOF
	MixedCase: user
	Info@Example.COM: user
	"a b": user
	"plain": user
	"a\\:b,c#": user, "x, y"@elsewhere.test
	joe.o'neil+x=y: USER
	EOF
	check
	expands mixedcase 'T user user <user@example.com>'
	expands INFO 'T user user <user@example.com>'
	expands '"a b"' 'T user user <user@example.com>'
	expands plain 'T user user <user@example.com>'
	expands '"a:b,c#"' 'T user user <user@example.com>, T remote <"x, y"@elsewhere.test>'
	expands "joe.o'neil+x=y" 'T user user <USER@example.com>'
}

@test "alias: targets here and elsewhere" {
	aliases <<-EOF
	x: user@EXAMPLE.org, a@sub.example.com, b@[192.0.2.1], c@[IPv6:2001:db8::1]
	EOF
	check
	expands x 'T user user <user@EXAMPLE.org>, T remote <a@sub.example.com>, T remote <b@[192.0.2.1]>, T remote <c@[IPv6:2001:db8::1]>'
}

@test "alias: what is junk is not sent on, and postmaster gets what nobody does" {
	aliases <<-EOF
	both: user, a@elsewhere.test, gone
	away: a@elsewhere.test
	afar: gone, away
	EOF
	check
	keeps both 'T user user <user@example.com>, T user gone <gone@example.com>'
	keeps user+x 'T user user <user+x@example.com>'
	keeps away 'T user postmaster <postmaster@example.com>'
	keeps afar 'T user postmaster <postmaster@example.com>'
	run -65 as_user "$DELIVER" 'J:<gone@example.com>' -- \
		"$SMTPD_BIN/smtpd-rcpt" -c "$D/conf"
	aliases <<-EOF
	away: a@elsewhere.test
	postmaster: boss@elsewhere.test
	EOF
	check
	keeps away 'T remote <boss@elsewhere.test>'
}

@test "alias: lines that are none" {
	refused '1: continuation line before the first alias' <<<$' user\na: user'
	refused "1: expected 'name: target, ...'" <<<'user'
	refused "1: expected 'name: target, ...'" <<<': user'
	refused "1: expected 'name: target, ...'" <<<'a b: user'
	refused "2: 'b' has no target" <<<$'a: user\nb:\nc: user'
	refused "2: 'b' has no target" <<<$'a: user\nb: # user'
	refused "3: unexpected comma" <<<$'a: user\nb: user,\n , user'
	refused "1: unexpected comma" <<<'a: , user'
	refused "1: missing comma" <<<'a: user ann'
	refused "1: carriage return" <<<$'a: user\r'
	refused "1: control character 0x01" <<<$'a: us\1er'
	refused "1: control character 0x00" < <(printf 'a: us\0er\n')
}

@test "alias: names and targets that are no addresses" {
	refused "1: 'a..b' is not a name or an address" <<<'a..b: user'
	refused "1: 'a@' is not a name or an address" <<<'a@: user'
	refused "1: '<user>' is not a name or an address" <<<'a: <user>'
	refused "2: 'x@-y' is not a name or an address" <<<$'a: user,\n x@-y'
	refused "1: expected 'name: target, ...'" <<<'"a: user'
	refused "1: '\"a' is not a name or an address" <<<'b: "a'
	refused "1: 'j??rg' is not ASCII" <<<'jörg: user'
	refused "1: '$(printf '%064d' 0)' is longer than 64 octets" \
		<<<"$(printf '%065d' 0): user"
	refused "1: '\"a@b\"@example.com': @ is not allowed in quotes" \
		<<<'"a@b"@example.com: user'
	refused "1: 'elsewhere.test' is not in local_domains" \
		<<<'a@elsewhere.test: user'
	refused "1: '\"a b\"@example.com' cannot be a mailbox" <<<'x: "a b"'
	refused "3: '.hidden' is not a name or an address" \
		<<<$'x: user\ny: user\nz: user,.hidden'
	refused "1: '\".hidden\"@example.com' cannot be a mailbox" <<<'x: ".hidden"'
}

@test "alias: a name stands once, however it is written" {
	refused "3: 'a' is already defined on line 1" <<<$'a: user\nb: user\nA: user'
	refused "2: 'a' is already defined on line 1" <<<$'a: user\n"a": user'
	refused "2: 'a@example.com' is already defined on line 1" \
		<<<$'a@example.com: user\nA@EXAMPLE.COM: user'
}

@test "alias: what others do with aliases is named when it is refused" {
	refused "1: '\"|/bin/cmd arg\"' is not supported: a command" \
		<<<'a: "|/bin/cmd arg"'
	refused "1: '|/bin/cmd' is not supported: a command" <<<'a: |/bin/cmd'
	refused "1: '/dev/null' is not supported: a file" <<<'a: /dev/null'
	refused "1: '\"/var/mail x\"' is not supported: a file" \
		<<<'a: "/var/mail x"'
	refused "1: ':include:/etc/list' is not supported: :include:" \
		<<<'a: user, :include:/etc/list'
	refused "1: ':INCLUDE:/etc/list' is not supported: :include:" \
		<<<'a: :INCLUDE:/etc/list'
	refused "1: '\\user' is not supported: a backslash" <<<'a: \user'
}

@test "alias: loops are found before anybody is served" {
	refused "1: 'a' is part of a loop" <<<$'a: b\nb: a'
	refused "1: 'a' is part of a loop" <<<$'a: user, b\nb: c, d\nc: user\nd: a'
	refused "2: 'b' is part of a loop" <<<$'a: b\nb: c\nc: b'
	refused "1: 'a' is part of a loop" <<<$'a: b@example.org\nb: a+x'
	refused "1: 'a@example.com' is part of a loop" \
		<<<$'a@example.com: b\nb: a'
}

@test "alias: listing oneself is no loop, also in another one's list" {
	aliases <<-EOF
	user: user, copy@elsewhere.test
	all: user, user+x, postmaster
	postmaster: postmaster+p
	EOF
	check
	expands all 'T user user <user@example.com>, T remote <copy@elsewhere.test>, T user postmaster <postmaster+p@example.com>'
}

@test "alias: a thousand recipients, and not one more, however deep" {
	list() {
		printf '%s: user' "$1"
		for ((i = 1; i < $2; i++)); do
			printf ', r%d@%s.test' "$i" "$1"
		done
		echo
	}
	aliases < <(list a 1000)
	check
	refused "1: 'a' has more than 1000 recipients" < <(list a 1001)
	refused "1: 'all' has more than 1000 recipients" \
		< <(echo 'all: a, b'; list a 501; list b 500)
	# Ten lines that would be ten to the ten recipients.
	refused "4: 'a3' has more than 1000 recipients" < <(
		echo 'a0: user'
		for ((i = 1; i < 10; i++)); do
			p=a$((i - 1))
			echo "a$i: $p,$p,$p,$p,$p,$p,$p,$p,$p,$p"
		done | sed 's/^a3: .*/&,a0/')
}

@test "alias: fifty aliases deep, and not one more" {
	chain() {
		seq "$1" | awk '{ printf "a%d: a%d\n", $1 - 1, $1 }
			END { printf "a%d: user\n", $1 }'
	}
	aliases < <(chain 50)
	check
	expands a0 'T user user <user@example.com>'
	refused "" < <(chain 51)
	[[ $stderr == *"is reached through more than 50 aliases"* ]]
	# The same from the other end, where each is known when it is met.
	refused "" < <(chain 51 | tac)
	[[ $stderr == *"'a0' is more than 50 aliases deep"* ]]
	refused "" < <(chain 100000)
}

@test "alias: a file of a hundred thousand names loads, a huge one does not" {
	aliases < <(seq 100000 | awk '{
		printf "name%d: user, r%d@elsewhere.test\n", $1, $1 }')
	check
	expands name77777 'T user user <user@example.com>, T remote <r77777@elsewhere.test>'
	refused " larger than 16777216 octets" \
		< <(head -c 17000000 /dev/zero | tr '\0' '#')
}

@test "alias: an unreadable file is trouble that may pass" {
	echo 'a: user' >"$D/aliases"
	chmod 000 "$D/aliases"
	run -111 check
	[[ $output == *"cannot read '$D/aliases': Permission denied" ]]
	rm "$D/aliases"
	mkdir "$D/aliases"
	chmod 755 "$D/aliases"
	run -111 check
}
