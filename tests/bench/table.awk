# SPDX-License-Identifier: ISC
# The table of results: lines "figure server value" in, medians and ratios out.

BEGIN { FS = "\t" }

{ n[$1, $2]++; v[$1, $2, n[$1, $2]] = $3 }

function sort(f, s,    i, j, t) {
	for (i = 2; i <= n[f, s]; i++)
		for (j = i; j > 1 && v[f, s, j] + 0 < v[f, s, j - 1] + 0; j--) {
			t = v[f, s, j]
			v[f, s, j] = v[f, s, j - 1]
			v[f, s, j - 1] = t
		}
}

function median(f, s,    m) {
	m = n[f, s]
	return m % 2 ? v[f, s, (m + 1) / 2] : \
		(v[f, s, m / 2] + v[f, s, m / 2 + 1]) / 2
}

function shown(x) {
	return sprintf(x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : "%.2f", x)
}

function cell(f, s) {
	if (!n[f, s])
		return "-"
	sort(f, s)
	return n[f, s] == 1 ? shown(median(f, s)) : \
		sprintf("%s [%s - %s]", shown(median(f, s)),
		shown(v[f, s, 1]), shown(v[f, s, n[f, s]]))
}

# how: ">" the ratio shall be at least floor, "<" at most, "=" ours at most,
# "+" ours at least
function row(title, f, how, floor, aim,    p, s, r, x, mark) {
	p = cell(f, "postfix")
	s = cell(f, "smtpd")
	r = median(f, "postfix") > 0 ? median(f, "smtpd") / median(f, "postfix") : 0
	x = how == "=" || how == "+" ? median(f, "smtpd") : r
	mark = floor == "" ? "" : \
		(how == ">" || how == "+" ? x >= aim : x <= aim) ? "aim" : \
		(how == ">" || how == "+" ? x >= floor : x <= floor) ? "floor" : \
		"MISSED"
	printf "%-34s %-22s %-22s %6s %6s %5s  %s\n", title, p, s,
		(r ? sprintf("%.2fx", r) : "-"), floor, aim, mark
}

function judged(title, s) {
	printf "  %-32s accepted/s %s, CPU s/1000 %s\n", title,
		cell("accept-judging", s), cell("cpu-judging", s)
}

END {
	printf "%-34s %-22s %-22s %6s %6s %5s\n", "", "Postfix", "smtpd",
		"ratio", "floor", "aim"
	if (tls) {
		row("STARTTLS connections/s", "starttls", ">", "", "")
		row("connections/s, TLS at once", "wrapped", ">", "", "")
		row("messages/s, STARTTLS", "message", ">", "", "")
		row("messages/s, TLS at once (20 each)", "wrapped-message", ">", "", "")
		row("PSS of an idle connection, KiB", "tls-pss", "=", "", "")
		exit
	}
	row("accepted/s, 1 connection", "accept-1", ">", "", "")
	row("to Maildir/s, the same run", "maildir-1", ">", "", "")
	row("accepted/s, 10 connections", "accept-10", ">", 1.2, 1.5)
	row("to Maildir/s, the same run", "maildir-10", ">", 1.1, 1.3)
	row("accepted/s, 50 connections", "accept-50", ">", "", "")
	row("to Maildir/s, the same run", "maildir-50", ">", "", "")
	row("accepted/s, 10, many messages each", "accept-many", ">", 2.5, 5)
	row("to Maildir/s, the same run", "maildir-many", ">", 1.5, 2.4)
	row("CPU s/1000 messages, 10", "cpu-10", "<", 0.8, 0.6)
	row("CPU s/1000 messages, 10, many each", "cpu-many", "<", "", "")
	row("final dot to 250, p50, ms", "dot-p50", "<", "", "")
	row("final dot to 250, p99, ms", "dot-p99", "<", 0.9, 0.5)
	row("fsyncs a message", "fsyncs", "=", 3, 2)
	row("execs a message", "execs", "=", 3, 3)
	row("PSS of an idle session, KiB", "pss", "=", 40, 25)
	row("relayed to a sink/s, 10", "relay-10", ">", 0.6, 1.2)
	row("CPU s/1000 relayed messages", "cpu-relay", "<", "", "")
	row("drain of 5,000 waiting/s", "drain", ">", 0.5, 1.2)
	row("accepted/s beside 5,000 waiting", "accept-waiting", ">", "", "")
	row("  against an empty queue", "accept-slower", "+", 0.85, 0.95)
	row("fsyncs a relayed message", "fsyncs-relay", "=", 2, 1)
	row("execs a relayed message", "execs-relay", "=", "", "")
	row("smtpd-send, 50,000 waiting, MB", "hoard-pss", "=", 50, 20)
	row("  its start, s", "scan", "=", 10, 2)
	print "\nUnder tcpserver, 10 connections, one message each:"
	printf "  accepted/s %s, to Maildir/s %s, CPU s/1000 %s\n",
		cell("accept-10", "tcpserver"), cell("maildir-10", "tcpserver"),
		cell("cpu-10", "tcpserver")
	print "\nA stranger's message, 4 KiB, DKIM-signed, 10 connections, one each:"
	judged("straight to the queue", "direct")
	judged("through smtpd-verify", "verify")
	judged("and judged by smtpd-judge", "judge")
}
