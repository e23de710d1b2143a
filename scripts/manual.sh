#!/bin/sh
# Writes the manual page midibert(1) on standard output: prose from here, each command's arguments from its own --help.
#   scripts/manual.sh build/midibert >docs/midibert.1        (make manual; a test compares the two)
set -eu
midibert=$1

# Text to roff: backslashes, dashes, and dots or quotes that begin a line.
roff() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\([.']\)/\\\\\&\1/"; }

cat <<'HEAD'
.\" Written by scripts/manual.sh: change that, or a command's --help, and run `make manual`.
.TH MIDIBERT 1 "" midibertd "User Commands"
.SH NAME
midibert \- tokenise, train, evaluate and analyse piano MIDI
.SH SYNOPSIS
.B midibert
.I COMMAND
.RI [ ARGUMENT ]...
.br
.B midibert \-\-help
|
.B midibert \-\-version
.SH DESCRIPTION
The offline companion of
.BR midibertd (1):
it reads Standard MIDI Files through the same tokeniser, window and network as the daemon does live.
A manifest is a text file with one path a line, relative to the manifest's own folder, and a label behind a tab where the task
has one.
Results go to standard output, everything else to standard error; with
.B \-\-json
standard output is one JSON object.
A file that cannot be used is named with the byte offset and the reason.
.SH COMMANDS
HEAD

"$midibert" --help | sed -n 's/^  \([a-z]\{1,\}\)  *[a-z].*/\1/p' | while read -r command; do
	printf '.SS %s\n.nf\n' "$command"
	"$midibert" "$command" --help | sed -e 's/^usage: //' -e 's/^       midibert/midibert/' | roff
	printf '.fi\n'
done

cat <<'TAIL'
.SH EXIT STATUS
0 done, 1 failed, 2 wrong usage.
.SH ENVIRONMENT
.TP
.B MIDIBERT_MODEL
Weights to use where
.B \-\-model
is not given. Without it: weights/default.safetensors of the source tree, then PREFIX/share/midibert/default.safetensors.
.SH SEE ALSO
.BR midibertd (1)
TAIL
