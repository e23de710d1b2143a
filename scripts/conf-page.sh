#!/bin/sh
# Writes the manual page midibertd.conf(5) on standard output: prose from here, keys from midibertd --help; which of the
# options are keys, --check-config says.
#   scripts/conf-page.sh build/midibertd >docs/midibertd.conf.5      (tests/e2e/test_pages compares)
set -eu
midibertd=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# NAME TAB ARGUMENT TAB TEXT, of each option.
options() {
	"$midibertd" --help | awk '
	function done() { if (name != "") printf "%s\t%s\t%s\n", name, argument, text; name = "" }
	/^  --/ {
		done()
		name = substr($1, 3)
		argument = $0 ~ /^  --[a-z-]+ [^ ]/ ? $2 : ""
		text = $0
		sub(/^  --[a-z-]+( [^ ]+)? */, "", text)
		next
	}
	/^          +[^ ]/ && name != "" { sub(/^ +/, ""); text = text (text == "" ? "" : " ") $0; next }
	{ done() }
	END { done() }'
}

is_key() { # the answer to a value that no key takes
	printf '%s =\n' "$1" >"$work/one.conf"
	! "$midibertd" --config "$work/one.conf" --check-config 2>&1 | grep -q 'belongs on the command line'
}

roff() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g'; }

cat <<'HEAD'
.\" Written by scripts/conf-page.sh from midibertd --help and --check-config.
.TH MIDIBERTD.CONF 5 "" midibertd "File Formats"
.SH NAME
midibertd.conf \- configuration of midibertd
.SH SYNOPSIS
.nf
/etc/midibertd/midibertd.conf
/etc/midibertd/conf.d/*.conf
$XDG_CONFIG_HOME/midibertd/midibertd.conf    (~/.config)
$XDG_CONFIG_HOME/midibertd/conf.d/*.conf
.fi
.SH DESCRIPTION
One
.IB key " = " value
a line.
Keys are the options of
.BR midibertd (1)
without dashes.
Files are read in the order above; what a later one sets replaces what an earlier one set, and options on the command line replace
both.
With
.BI \-\-config " FILE"
that file is read and no other.
Files that are not there are passed over.
.PP
A key that may be repeated makes a list; a later file's list replaces an earlier one's.
Switches take
.B yes
or
.BR no .
Comments begin with # or ;.
The only section is [midibertd], and it may be left out.
.PP
.B midibertd \-\-check\-config
reads everything, names file and line of what is wrong, and shows the settings in force.
.SH KEYS
In brackets: what holds where nothing is set.
HEAD
options >"$work/options"
cut -f 1 "$work/options" | while read -r name; do
	is_key "$name" || continue
	argument=$(awk -F '\t' -v name="$name" '$1 == name { print $2 == "" ? "yes|no" : $2 }' "$work/options" | roff)
	text=$(awk -F '\t' -v name="$name" '$1 == name { print toupper(substr($3, 1, 1)) substr($3, 2) }' "$work/options" | roff)
	printf '.TP\n.BI "%s = " "%s"\n%s.\n' "$(printf %s "$name" | roff)" "$argument" "$text"
done
cat <<'TAIL'
.SH EXAMPLE
.nf
# a piano on its own network
source = jack
osc = 192.168.7.20:57120
osc = 127.0.0.1:9000
allow = 192.168.7.0/24
decide = 60
.fi
.SH SEE ALSO
.BR midibertd (1),
.BR midibert\-osc (7)
TAIL
