#!/bin/sh
# The numbers of README.md are those of the weights' card: copies the lines between the two markers
#   <!-- numbers:begin -->  and  <!-- numbers:end -->
# from weights/default.card.md into README.md.
#   scripts/readme-numbers.sh            writes README.md
#   scripts/readme-numbers.sh --check    only says whether the two agree
set -eu
cd "$(dirname "$0")/.."
card=weights/default.card.md
numbers=$(mktemp)
new=$(mktemp)
trap 'rm -f "$numbers" "$new"' EXIT

for file in "$card" README.md; do
	if [ ! -r "$file" ] || [ "$(grep -c '^<!-- numbers:\(begin\|end\) -->$' "$file")" != 2 ]; then
		echo "$file has no <!-- numbers:begin --> and <!-- numbers:end --> lines" >&2
		exit 1
	fi
done
sed -n '/^<!-- numbers:begin -->$/,/^<!-- numbers:end -->$/p' "$card" >"$numbers"
[ "$(wc -l <"$numbers")" -gt 2 ] || {
	echo "$card has no numbers" >&2
	exit 1
}
sed -e "/^<!-- numbers:begin -->\$/r $numbers" -e '/^<!-- numbers:begin -->$/,/^<!-- numbers:end -->$/d' README.md >"$new"
if [ "${1:-}" = --check ]; then
	diff -u README.md "$new" || {
		echo "README.md and $card differ: make readme" >&2
		exit 1
	}
else
	cat "$new" >README.md
fi
