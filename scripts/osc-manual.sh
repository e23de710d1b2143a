#!/bin/sh
# Writes docs/OSC.md anew on standard output, its two tables made from the daemon's own list.
#   scripts/osc-manual.sh build/midibertd docs/OSC.md >NEW      (tests/e2e/test_osc_manual compares the two)
set -eu
tab=$(printf '\t')
{
	"$1" --list-osc | sed "s/^/#list$tab/"
	cat "$2"
} | awk -F '\t' '
function row(address, types, arguments, description) {
	gsub(/\|/, ", ", types)
	if (types !~ /none/ && types ~ /,/) gsub(/, /, " or ", types)
	return "| `" address "` | " types " | " (arguments == "-" ? "" : arguments) " | " description " |\n"
}
$1 == "#list" { table[$2] = table[$2] row($3, $4, $5, $6); next }
/^<!-- end of table -->$/ { inside = 0 }
!inside { print }
/^<!-- table (out|in) -->$/ {
	inside = 1
	direction = $0 ~ / out / ? "out" : "in"
	printf "| Address | Types | Arguments | Meaning |\n|---|---|---|---|\n%s", table[direction]
}
END { if (inside || table["out"] == "" || table["in"] == "") exit 1 }'
