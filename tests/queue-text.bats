#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The text of a message on its way through smtpd-queue: small and large, as it
# came and as advisers have changed it, and what advisers get to see of it.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # each test is a subshell;
# run sets variables, and lib/queue reads them

bats_require_minimum_version 1.5.0

setup() {
	load lib/smtpd
	load lib/queue
	setup_dir
	setup_queue
	BODY=$BATS_TEST_TMPDIR/body
	OPTIONS=(-o max_size=64M)
	PIDS=()
}

teardown() {
	local pid
	for pid in "${PIDS[@]}" $(cat "$BATS_TEST_TMPDIR"/*/pid 2>/dev/null); do
		kill "$pid" 2>/dev/null || true
	done
}

# octets N: so many that no two runs of them are alike.
octets() {
	python3 -c 'import random, sys
sys.stdout.buffer.write(random.Random(4).randbytes(int(sys.argv[1])))' "$1" \
		>"$BODY"
}

# goes_in: $BODY is queued, and is the only file there.
goes_in() {
	run -0 --separate-stderr inject "${HEAD[@]}" B@"$BODY" E
	file=$(only_queued)
	[[ $(queue_tool state "$file") == whole* ]]
}

# comes_out FILE: just that is in the queue.
comes_out() {
	queue_tool body "$file" | cmp - "$1"
	rm -r "$Q/new"
}

SIZES=(0 1 65534 65535 65536 65537 98304 131071 131072 131073 400001)

@test "text: of any size it is in the file as it came" {
	for size in "${SIZES[@]}" $((25 * 1024 * 1024)); do
		octets "$size"
		goes_in
		[[ $stderr == *" size=$size "* ]]
		comes_out "$BODY"
	done
}

@test "text: cut into frames anyhow it is the same" {
	octets 200000
	run -0 --separate-stderr as_user python3 - "$SMTPD_TOP/tests/tools" \
		"$BODY" "$SMTPD_BIN/smtpd-queue" -c "$CONF" in <<-'EOT'
	import random, socket, subprocess, sys
	sys.path.insert(0, sys.argv[1])
	from inject import Client, frame
	ours, theirs = socket.socketpair()
	child = subprocess.Popen(sys.argv[3:], stdin=theirs, stdout=theirs)
	theirs.close()
	client = Client(ours)
	body = open(sys.argv[2], "rb").read()
	for cuts in ([65535, 1], [1, 65535], [65535] * 3, [0, 65535, 0, 2, 65534],
	             [32768] * 6, [7] * 20000, [65535, 65535, 65535, 3395]):
	    for word in "C:version=1", "S:<>", "R:local <user@example.com>":
	        client.do(word)
	    at = 0
	    for n in cuts + [65535] * 4:
	        client.send(frame(b"B", body[at:at + n]))
	        at += n
	    client.do("E")
	client.flush()
	ours.shutdown(socket.SHUT_WR)
	while client.next() is not None:
	    pass
	assert child.wait() == 0
	EOT
	[[ $(queued | wc -l) -eq 7 ]]
	for file in $(queued); do
		queue_tool body "$file" | cmp - "$BODY"
	done
}

@test "text: an adviser sees it as it is, of any size" {
	adviser judge top </dev/null
	for size in "${SIZES[@]}"; do
		octets "$size"
		goes_in
		cmp "$BATS_TEST_TMPDIR/judge/text" "$BODY"
		[[ $(told judge | grep '^E') == "E $size" ]]
		comes_out "$BODY"
		rm "$BATS_TEST_TMPDIR/judge/log"
	done
}

@test "text: what an adviser deletes and puts is done, of any size" {
	adviser judge delete,put,top <<-'PY'
	def advise(text):
	    n, out = text.length, []
	    for at in 0, 1, 65530, 65536, 131071, 300000:
	        if at + 10 <= n:
	            out += [(b"P", b"%d before %d" % (at, at)),
	                    (b"D", b"%d 1" % at)]
	    return out + [(b"P", b"%d the end" % n)] + K
	PY
	for size in "${SIZES[@]}"; do
		octets "$size"
		goes_in
		run ! cmp "$BATS_TEST_TMPDIR/judge/changed" "$BODY"
		size=$(stat -c %s "$BATS_TEST_TMPDIR/judge/changed")
		[[ $stderr == *" size=$size "*"by=judge "*"put="* ]]
		comes_out "$BATS_TEST_TMPDIR/judge/changed"
	done
}

@test "text: it may grow large, shrink to little and vanish" {
	adviser judge delete,put <<-'PY'
	def advise(text):
	    n = text.length
	    if n == 100:
	        return [(b"P", b"50 " + 65000 * b"x")] * 64 + K
	    if n == 200000:
	        return [(b"D", b"3 199990")] + K
	    return [(b"D", b"0 %d" % n)] + K
	PY
	for size in 100 200000 300000 1; do
		octets "$size"
		goes_in
		comes_out "$BATS_TEST_TMPDIR/judge/changed"
		sizes+=" $(stat -c %s "$BATS_TEST_TMPDIR/judge/changed")"
	done
	[[ $sizes == " 4160100 10 0 0" ]]
}

@test "text: 10,000 changes and 25 MiB" {
	adviser judge delete,put <<-'PY'
	def advise(text):
	    step = text.length // 5000
	    out = []
	    for n in range(5000):
	        out += [(b"D", b"%d %d" % (n * step, n + 1)),
	                (b"P", b"%d %s" % (n * step + n + 1, 800 * b"p"))]
	    return out + K
	PY
	octets $((25 * 1024 * 1024))
	goes_in
	[[ $stderr == *" by=judge deleted=5000 put=5000"* ]]
	comes_out "$BATS_TEST_TMPDIR/judge/changed"
}

@test "text: each adviser sees what the ones before have made of it" {
	adviser first delete,put,top <<-'PY'
	def advise(text):
	    return [(b"D", b"0 100"), (b"P", b"100 FIRST"),
	            (b"H", b"X-First: 1\r\n"), (b"H", b"X-First: 2\r\n")] + K
	PY
	adviser second top,mark <<-'PY'
	def advise(text):
	    assert told[-3:-1] == [(b"H", b"X-First: 1\r\n"),
	                           (b"H", b"X-First: 2\r\n")], told
	    return [(b"M", b"junk"), (b"H", b"X-Second: 1\r\n")] + K
	PY
	adviser third delete,put <<-'PY'
	def advise(text):
	    assert [t for t, _ in told[-5:]] == [b"H", b"H", b"M", b"H", b"E"]
	    n = text.length
	    return [(b"P", b"0 THIRD"), (b"D", b"%d 1" % (n // 2)),
	            (b"P", b"%d END" % n)] + K
	PY
	adviser fourth delete <<-'PY'
	def advise(text):
	    return [(b"D", b"%d 1" % (text.length - 1))] + K
	PY
	for size in 150 65700 65630 300000; do
		octets "$size"
		goes_in
		cmp "$BATS_TEST_TMPDIR/first/text" "$BODY"
		cmp "$BATS_TEST_TMPDIR"/{second/text,first/changed}
		cmp "$BATS_TEST_TMPDIR"/{third/text,second/text}
		cmp "$BATS_TEST_TMPDIR"/{fourth/text,third/changed}
		[[ $stderr == *" by=first deleted=1 put=1 top=2 by=second \
top=1 mark=junk by=third deleted=1 put=2 by=fourth deleted=1 to="* ]]
		diff <(queue_tool frames "$file" | grep '^[HM]' | tr -d '\r') - \
			<<-'EOT'
		H X-First: 1
		H X-First: 2
		M junk
		H X-Second: 1
		EOT
		comes_out "$BATS_TEST_TMPDIR/fourth/changed"
	done
}

@test "text: any changes of any texts, in one conversation" {
	seed=${SEED:-$RANDOM}
	echo "SEED=$seed" >&2
	for name in one two; do
		adviser "$name" delete,put <<-PY
		import random
		chance = random.Random("$seed$name")

		def advise(text):
		    out, at, n = [], 0, text.length
		    for _ in range(chance.choice([0, 0, 1, 3, 40])):
		        at = chance.choice([at, chance.randint(at, n),
		                            min(n, max(at, 65535 + chance.randint(-9, 9)))])
		        size = min(n - at, chance.choice([1, 9, 70000]))
		        if size and chance.random() < 0.5:
		            out.append((b"D", b"%d %d" % (at, size)))
		            at += size
		        else:
		            out.append((b"P", b"%d %s" % (at, chance.randbytes(
		                chance.choice([1, 9, 60000])))))
		    return out + K
		PY
	done
	words=()
	for n in {1..40}; do
		python3 -c 'import random, sys
chance = random.Random(sys.argv[1])
sys.stdout.buffer.write(chance.randbytes(chance.choice(
    [0, 1, 10, 1000, 65536, chance.randint(0, 140000)])))' "$seed$n" >"$BODY.$n"
		words+=("${HEAD[@]}" B@"$BODY.$n" E)
	done
	run -0 --separate-stderr inject "${words[@]}"
	[[ $(queued | wc -l) -eq 40 ]]
	n=0
	for id in $(sed -n 's/^K //p' <<<"$output"); do
		n=$((n + 1))
		queue_tool body "$Q/new/${id: -1}/$id" |
			cmp - "$BATS_TEST_TMPDIR/two/changed.$id"
	done
	[[ $n -eq 40 ]]
}

@test "text: changes that come to nothing leave it as it is" {
	adviser judge delete,put,top <<-'PY'
	def advise(text):
	    if text.length % 2:
	        return [(b"Z", b"450 4.7.1 Later")]
	    if text.length == 300000:
	        return [(b"D", b"0 10"), (b"P", b"300001 x")] + K
	    return K
	PY
	octets 300001
	run -75 --separate-stderr inject "${HEAD[@]}" B@"$BODY" E
	nothing_queued
	octets 300000
	run -75 --separate-stderr inject "${HEAD[@]}" B@"$BODY" E
	nothing_queued
	octets 300002
	goes_in
	comes_out "$BODY"
}

# --- what an adviser holds in its hand ------------------------------------------

@test "text: an adviser can only read it, and it is not the queue file" {
	adviser judge top <<-'PY'
	import errno, fcntl, mmap
	def fails(what, *args):
	    try:
	        what(*args)
	    except (OSError, PermissionError) as e:
	        return e.errno in (errno.EPERM, errno.EACCES, errno.EBADF,
	                           errno.EINVAL, errno.EROFS)
	    return False

	def advise(text):
	    fd, n = text.fd, text.length
	    before = text.octets()
	    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_RDWR | os.O_APPEND)
	    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
	    wrong = [name for name, done in {
	        "write": fails(os.write, fd, b"x"),
	        "pwrite": fails(os.pwrite, fd, b"x", n),
	        "cut": fails(os.ftruncate, fd, 0),
	        "grow": fails(os.ftruncate, fd, n + 1),
	        "allocate": fails(os.posix_fallocate, fd, 0, n + 4096),
	        "map": fails(mmap.mmap, fd, n, mmap.MAP_SHARED,
	                     mmap.PROT_READ | mmap.PROT_WRITE),
	        "send": fails(os.sendfile, fd, os.open("/etc/passwd", os.O_RDONLY),
	                      0, 1),
	    }.items() if not done]
	    assert not wrong, wrong
	    assert text.octets() == before and os.fstat(fd).st_size == n
	    with open(dir + "/inode", "w") as f:
	        print(os.fstat(fd).st_dev, os.fstat(fd).st_ino, file=f)
	    return K
	PY
	for size in 10 65536 65537 300000; do
		octets "$size"
		goes_in
		cmp "$BATS_TEST_TMPDIR/judge/text" "$BODY"
		[[ $(stat -c '%d %i' "$file") != \
			"$(<"$BATS_TEST_TMPDIR/judge/inode")" ]]
		comes_out "$BODY"
	done
}

# counsels_at SOCKET: the adviser that was made last, as a user of its own.
counsels_at() {
	local spec=${ADVISERS[-1]} name
	name=${spec%%:*}
	chmod 777 "$BATS_TEST_TMPDIR/$name"
	mkdir -m 777 "$BATS_TEST_TMPDIR/sockets"
	setpriv --reuid=61007 --regid=61007 --clear-groups -- \
		"$SMTPD_TOP/tests/tools/counsel.py" listen "$1" \
		"$BATS_TEST_TMPDIR/$name" 3>&- 2>"$BATS_TEST_TMPDIR/counsel.err" &
	PIDS+=($!)
	wait_for test -S "$1"
	chmod 777 "$1"
	spec=${spec%:*}
	ADVISERS[-1]=$spec:$1
}

@test "text: nor does another user get more of it by its name in /proc" {
	[[ $(id -u) -eq 0 ]] || skip "needs root"
	adviser judge top <<-'PY'
	def advise(text):
	    path = "/proc/self/fd/%d" % text.fd
	    for flags in os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_TRUNC:
	        try:
	            os.write(os.open(path, flags), b"x")
	        except PermissionError:
	            continue
	        assert False, (flags, text.length)
	    assert text.octets() == open(dir + "/text", "rb").read()
	    return K
	PY
	counsels_at "$BATS_TEST_TMPDIR/sockets/s"
	for size in 10 300000; do
		octets "$size"
		goes_in
		cmp "$BATS_TEST_TMPDIR/judge/text" "$BODY"
		comes_out "$BODY"
	done
}

@test "text: an adviser that keeps it, and a lock on it, hinders nobody" {
	adviser judge delete,put <<-'PY'
	import fcntl, signal
	def advise(text):
	    fcntl.flock(text.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
	    fcntl.lockf(text.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
	    if os.fork() == 0:
	        with open(dir + "/pid", "a") as f:
	            print(os.getpid(), file=f)
	        signal.pause()
	    return [(b"P", b"0 x")] * (text.length % 2) + K
	PY
	n=0
	for size in 10 11 300000 300001; do
		octets "$size"
		goes_in
		n=$((n + 1))
		wait_for bash -c "[[ \$(wc -l <'$BATS_TEST_TMPDIR/judge/pid') -eq $n ]]"
		# as smtpd-send takes it
		flock --exclusive --nonblock "$file" true
		comes_out "$BATS_TEST_TMPDIR/judge/changed"
	done
	for pid in $(<"$BATS_TEST_TMPDIR/judge/pid"); do
		kill -0 "$pid"
	done
}

@test "text: no file of it outlives the answer" {
	adviser judge delete,put,refuse <<-'PY'
	def advise(text):
	    return {0: [(b"P", b"0 x")] + K, 1: [(b"X", b"550 5.7.1 No")],
	            2: [(b"Z", b"450 4.7.1 Later")], 3: [(b"D", b"x")]}[
	                text.length % 4]
	PY
	for size in 300000 300001 300002 300003; do
		octets "$size"
		run --separate-stderr inject "${HEAD[@]}" B@"$BODY" E
		[[ $output == *[KXZ]\ * ]]
		[[ $size -eq 300000 ]] || nothing_queued
		rm -rf "${Q:?}/new"
		run -1 --separate-stderr inject "${HEAD[@]}" B@"$BODY" A
		nothing_queued
		run -1 --separate-stderr inject "${HEAD[@]}" B@"$BODY"
		nothing_queued
		run -65 --separate-stderr inject "${HEAD[@]}" B@"$BODY" Y E
		nothing_queued
	done
	# Nor is there one while it is being heard.
	mark=$BATS_TEST_TMPDIR/mark go=$BATS_TEST_TMPDIR/go
	inject "${HEAD[@]}" B@"$BODY" Q get get touch:"$mark" wait:"$go" 3>&- &
	wait_for test -e "$mark"
	nothing_queued
	touch "$go"
	wait $! || true
}
