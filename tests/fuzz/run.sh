#!/bin/sh
# Runs one fuzzer: tests/fuzz/run.sh fuzz_NAME SECONDS. Seeds are read from tests/fuzz/corpus/NAME; what is found on the way
# is kept in build/fuzzer/corpus/NAME, and an input that breaks the program in build/fuzzer/crash/.
set -u
name=$1
seconds=${2:-20}
program=build/fuzzer/fuzz/$name
[ -x "$program" ] || {
	echo "$program is not built: make SAN=fuzzer fuzzers" >&2
	exit 1
}
found=build/fuzzer/corpus/${name#fuzz_}
seeds=tests/fuzz/corpus/${name#fuzz_}
mkdir -p "$found" build/fuzzer/crash
[ -d "$seeds" ] || seeds=
exec "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	-artifact_prefix="build/fuzzer/crash/$name-" "$found" $seeds
