#!/bin/sh
# Writes the manual page midibert-osc(7) on standard output: prose from here, every address from the daemon's own list.
#   scripts/osc-page.sh build/midibertd >docs/midibert-osc.7      (tests/e2e/test_pages compares)
set -eu
list=$("$1" --list-osc)

entries() { # out or in
	printf '%s\n' "$list" | awk -F '\t' -v direction="$1" '
	function roff(text) { gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); return text }
	$1 == direction {
		types = $3
		gsub(/\|/, ", ", types)
		printf ".TP\n.BR %s \" \" \\fI%s\\fR\n", roff($2), roff(types)
		if ($4 != "-") printf "%s.\n.br\n", roff($4)
		text = roff($5)
		printf "%s%s.\n", toupper(substr(text, 1, 1)), substr(text, 2)
	}' | sed 's/^\.BR \(.*\) " " \\fI\(.*\)\\fR$/.BI "\1 " "\2"/'
}

cat <<'HEAD'
.\" Written by scripts/osc-page.sh from midibertd --list-osc.
.TH MIDIBERT-OSC 7 "" midibertd "Miscellaneous Information"
.SH NAME
midibert\-osc \- the OSC name space of midibertd
.SH DESCRIPTION
.BR midibertd (1)
sends OSC over UDP, one message of at most 1000 bytes a datagram, to 127.0.0.1:57120 or the targets of
.BR \-\-osc ,
and to whoever subscribes at its control port, 127.0.0.1:9109 or that of
.BR \-\-control .
Types are
.B i
(int32),
.B f
(float32) and
.B s
(string); three dots repeat the last type.
Behind each address stand its types, then its arguments with unit and range.
Control messages take any number as
.B i
or
.BR f .
.PP
Note ids begin at 1 and go up to 2147483647, then from 1 again.
Times are milliseconds since the daemon's start, as int32, wrapping.
Stages of a label are 0 provisional, 1 revised, 2 final; a class of \-1 is unknown; a confidence is the probability of the class,
0 to 1.
.PP
docs/OSC.md tells how to receive, subscribe and read all this in SuperCollider, Pure Data, Max and Python.
.SH SENT
HEAD
entries out
printf '.SH RECEIVED\n'
entries in
cat <<'TAIL'
.SH EXAMPLES
What is sent, in a terminal:
.PP
.nf
midibertd \-\-source file:piece.mid \-\-print
midibert monitor
oscdump 57120
.fi
.SH SEE ALSO
.BR midibertd (1),
.BR midibert (1),
.BR midibertd.conf (5)
TAIL
