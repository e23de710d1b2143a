#!/bin/sh
# Who may include whom: quoted includes are written from the root, name a file that is there and follow the arrows below; a
# third-party header is included by one .c file (liblo: by two at most, in osc/); any other <header> is libc's or the kernel's.
cd "$(dirname "$0")/.." || exit 1
modules='base stream model engine osc web daemon train rehearsal tools'
# shellcheck disable=SC2046
set -- $(find $modules examples -name '*.[ch]')
[ $# -gt 0 ] || {
	echo "no source to check" >&2
	exit 1
}
exec awk '
function fail(text) { print FILENAME ":" FNR ": " text; failed = 1 }
function allow(module, list,    n, part, i) {
	n = split(list, part, " ")
	for (i = 1; i <= n; i++) allowed[module, part[i]] = 1
}
BEGIN {
	allow("base", "base")
	allow("stream", "base stream")
	allow("model", "base model")
	allow("osc", "base osc")
	allow("engine", "base stream model engine")
	allow("web", "base osc web")
	allow("daemon", "base stream model engine osc web daemon")
	allow("train", "base stream model engine train")
	allow("rehearsal", "base stream model engine train rehearsal")
	allow("tools", "base stream model engine osc train rehearsal tools")
	allow("examples", "examples")

	# Library headers: how many files may include them, and in which module alone ("" is any).
	n = split("alsa/:1:stream jack/:1:stream lo/:2:osc cblas.h:1:model dnnl.h:1:model jansson.h:1: nettle/:1: ini.h:1:daemon systemd/:1:daemon " \
		"libwebsockets.h:1:web avahi-client/:1:web avahi-common/:1:web qrencode.h:1:web", row, " ")
	for (i = 1; i <= n; i++) {
		split(row[i], part, ":")
		most[part[1]] = part[2]
		home[part[1]] = part[3]
	}

	plain = "assert complex ctype errno fenv float inttypes limits locale math setjmp signal stdalign stdarg stdatomic " \
		"stdbool stddef stdint stdio stdlib stdnoreturn string strings time threads wchar " \
		"arpa/inet dirent dlfcn endian fcntl fnmatch ftw getopt glob grp ifaddrs libgen malloc net/if netdb netinet/in " \
		"netinet/ip poll pthread pwd sched semaphore spawn syslog termios unistd wordexp cpuid immintrin arm_neon sched"
	n = split(plain, row, " ")
	for (i = 1; i <= n; i++) system_header[row[i] ".h"] = 1
}
FNR == 1 { module = FILENAME; sub(/\/.*/, "", module) }
/^[ \t]*#[ \t]*include[ \t]*"/ {
	name = $0; sub(/^[^"]*"/, "", name); sub(/".*/, "", name)
	if (name !~ /\//) { fail("\"" name "\" is not written from the root of the tree"); next }
	if ((getline line < name) < 0) fail("\"" name "\" is not there")
	close(name)
	target = name; sub(/\/.*/, "", target)
	if (!((module, target) in allowed)) fail(module " must not include " target " (\"" name "\")")
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	name = $0; sub(/^[^<]*</, "", name); sub(/>.*/, "", name)
	library = name; if (name ~ /\//) sub(/\/.*/, "/", library)
	if (library in most) {
		if (FILENAME !~ /\.c$/) fail("<" name "> belongs into a .c file")
		if (home[library] != "" && home[library] != module) fail("<" name "> belongs into " home[library] "/")
		if (!((library, FILENAME) in users)) {
			users[library, FILENAME] = 1
			if (++count[library] > most[library])
				fail("<" name "> is already included by " first[library] ", and " most[library] " is the most")
			first[library] = first[library] (first[library] ? ", " : "") FILENAME
		}
	} else if (!(name in system_header) && library != "sys/" && library != "linux/") {
		fail("<" name "> is neither a header of the system nor a library that is named in tests/check_includes.sh")
	}
}
END {
	if (!failed) print ARGC - 1 " files include only what they may"
	exit failed
}' "$@"
