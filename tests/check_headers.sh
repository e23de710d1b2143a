#!/bin/sh
# Every header named on the command line, or all of them, compiles alone, without a warning.
cd "$(dirname "$0")/.." || exit 1
failed=0
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(find base stream model engine osc daemon train rehearsal tools -name '*.h')
[ $# -gt 0 ] || {
	echo "no header to check" >&2
	exit 1
}
for header; do
	printf '#include "%s"\n' "$header" |
		${CC:-cc} -std=c11 -I. -Wall -Wextra -Werror -Wstrict-prototypes -fsyntax-only -x c - || {
		echo "$header does not compile alone" >&2
		failed=1
	}
done
[ $failed = 0 ] && echo "$# headers compile alone"
exit $failed
