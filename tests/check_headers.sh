#!/bin/sh
# Every header named on the command line compiles alone, without a warning.
failed=0
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
