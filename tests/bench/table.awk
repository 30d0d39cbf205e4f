# SPDX-License-Identifier: ISC
# The table of results: lines "figure server value" in, medians and ratios out.
# With only set, figures that were not measured are left out.

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
	if (only != "" && !n[f, "postfix"] && !n[f, "smtpd"])
		return
	p = cell(f, "postfix")
	s = cell(f, "smtpd")
	r = median(f, "postfix") > 0 ? median(f, "smtpd") / median(f, "postfix") : 0
	x = how == "=" || how == "+" ? median(f, "smtpd") : r
	mark = floor == "" || !n[f, "smtpd"] || (x == r && !r) ? "" : \
		(how == ">" || how == "+" ? x >= aim : x <= aim) ? "aim" : \
		(how == ">" || how == "+" ? x >= floor : x <= floor) ? "floor" : \
		"MISSED"
	show_heading()
	printf "%-35s %-22s %-22s %6s %6s %5s  %s\n", title, p, s,
		(r ? sprintf("%.2fx", r) : "-"), floor, aim, mark
}

# A heading stands above the rows that follow it, if any does.
function heading(text) {
	pending = text
}

function show_heading() {
	if (pending != "")
		print "\n" pending
	pending = ""
}

END {
	printf "%-35s %-22s %-22s %6s %6s %5s\n", "", "Postfix", "smtpd",
		"ratio", "floor", "aim"
	if (tls) {
		row("STARTTLS connections/s", "starttls", ">", "", "")
		row("connections/s, TLS at once", "wrapped", ">", "", "")
		row("messages/s, STARTTLS", "message", ">", "", "")
		row("messages/s, TLS at once (20 each)", "wrapped-message", ">", "", "")
		row("PSS of an idle connection, KiB", "tls-pss", "=", "", "")
		exit
	}
	heading("Mail of strangers for local users, no checks configured; smtpd takes forged fields out")
	row("accepted/s, 1 connection", "accept-1", ">", 1.0, 1.2)
	row("  to Maildir/s", "maildir-1", ">", "", "")
	row("accepted/s, 10 connections", "accept-10", ">", 1.15, 1.5)
	row("  to Maildir/s", "maildir-10", ">", 1.1, 1.4)
	row("  CPU s/1000 messages", "cpu-10", "<", 0.8, 0.65)
	row("accepted/s, 50 connections", "accept-50", ">", 1.15, 1.5)
	row("  to Maildir/s", "maildir-50", ">", "", "")
	row("accepted/s, 10, many messages each", "accept-many", ">", 3, 5)
	row("  to Maildir/s", "maildir-many", ">", 1.5, 2.4)
	row("  CPU s/1000 messages", "cpu-many", "<", "", "")
	row("accepted/s, 10, 100 users in turn", "accept-users", ">", "", "")
	row("  to Maildir/s", "maildir-users", ">", 1.0, 1.3)
	row("  CPU s/1000 messages", "cpu-users", "<", "", "")
	row("25 MiB accepted, s", "large", "<", 1.0, 0.6)
	row("final dot to 250, p50, ms", "dot-p50", "<", "", "")
	row("final dot to 250, p99, ms", "dot-p99", "<", 0.9, 0.5)
	row("fsyncs a message", "fsyncs", "=", 3, 2)
	row("execs a message", "execs", "=", 3, 3)
	row("PSS of an idle session, KiB", "pss", "=", 34, 24)
	row("all at rest, MB (TLS, AUTH, checks)", "rest", "=", 14, 8)
	heading("The same, signed by DKIM; smtpd checks SPF, DKIM and DMARC, Postfix nothing")
	row("accepted/s, 10 connections", "accept-judged", ">", 0.75, 1.0)
	row("  to Maildir/s", "maildir-judged", ">", "", "")
	row("  CPU s/1000 messages", "cpu-judged", "<", "", "")
	heading("The same; both check SPF, DKIM and DMARC, Postfix by opendkim and opendmarc")
	row("accepted/s, 10 connections", "accept-judged-checks", ">", 1.5, 2.5)
	row("  to Maildir/s", "maildir-judged-checks", ">", "", "")
	row("  CPU s/1000 messages", "cpu-judged-checks", "<", "", "")
	heading("Mail of a relay client for a local user, signed by RSA-2048; smtpd completes it, Postfix has opendkim")
	row("accepted/s, 10 connections", "accept-signed", ">", 1.2, 2)
	row("  to Maildir/s", "maildir-signed", ">", "", "")
	row("  CPU s/1000 messages", "cpu-signed", "<", "", "")
	heading("Mail of a relay client for elsewhere, not signed; smtpd completes it")
	row("relayed to a sink/s, 10", "relay-10", ">", 1.2, 1.5)
	row("CPU s/1000 relayed messages", "cpu-relay", "<", "", "")
	row("drain of 5,000 waiting/s", "drain", ">", 0.5, 1.2)
	row("accepted/s beside 5,000 waiting", "accept-waiting", ">", "", "")
	row("  against an empty queue", "accept-slower", "+", 0.85, 0.95)
	row("fsyncs a relayed message", "fsyncs-relay", "=", 2, 1)
	row("execs a relayed message", "execs-relay", "=", "", "")
	row("smtpd-send, 50,000 waiting, MB", "hoard-pss", "=", 50, 20)
	row("  its start, s", "scan", "=", 10, 2)
	if (!n["accept-10", "tcpserver"])
		exit
	print "\nUnder tcpserver, as the plain rows, 10 connections, one message each:"
	printf "  accepted/s %s, to Maildir/s %s, CPU s/1000 %s\n",
		cell("accept-10", "tcpserver"), cell("maildir-10", "tcpserver"),
		cell("cpu-10", "tcpserver")
}
