#!/bin/sh
# Says what building or testing still needs on this machine and installs it with apt-get; on systems without apt-get it
# names the packages and fails. Nothing is asked: it works without a terminal and with standard input closed.
#   scripts/install-deps.sh [build|test|all]    what `make` needs; what `make check` needs beside; what `make check-all` needs
#   scripts/install-deps.sh --list [...]        only prints the Debian packages, present or not
set -u
export DEBIAN_FRONTEND=noninteractive

# Debian package, and the sign by which its presence is known: pc:PKG-CONFIG-NAME, cmd:PROGRAM, file:PATH, lib:NAME, py:MODULE.
build_packages='
pkg-config             cmd:pkg-config
libasound2-dev         pc:alsa
libjack-jackd2-dev     pc:jack
libopenblas-dev        pc:openblas
liblo-dev              pc:liblo
libjansson-dev         pc:jansson
libinih-dev            pc:inih
libsystemd-dev         pc:libsystemd
nettle-dev             pc:nettle
libwebsockets-dev      pc:libwebsockets
libavahi-client-dev    pc:avahi-client
libqrencode-dev        pc:libqrencode
'
test_packages='
libcmocka-dev          pc:cmocka
jackd2                 cmd:jackd
liblo-tools            cmd:oscdump
alsa-utils             cmd:aplaymidi
qemu-system-x86        cmd:qemu-system-x86_64
busybox-static         cmd:busybox
cpio                   cmd:cpio
xz-utils               cmd:xz
python3                file:/usr/bin/python3
python3-mido           py:mido
clang                  cmd:clang
libclang-rt-14-dev     fuzzer:
systemd                cmd:systemd-analyze
tmux                   cmd:tmux
zsh                    cmd:zsh
groff-base             cmd:groff
libnss-wrapper         lib:nss_wrapper
'
all_packages='
pipewire               cmd:pipewire
pipewire-bin           cmd:pw-cli
pipewire-jack          cmd:pw-jack
dbus                   cmd:dbus-run-session
avahi-daemon           cmd:avahi-daemon
avahi-utils            cmd:avahi-browse
chromium               cmd:chromium
zbar-tools             cmd:zbarimg
puredata-core          cmd:puredata
supercollider-language cmd:sclang
python3-torch          py:torch
python3-numpy          py:numpy
libdnnl-dev            file:/usr/include/dnnl.h
qemu-user              cmd:qemu-aarch64
gcc-aarch64-linux-gnu  cmd:aarch64-linux-gnu-gcc
libc6-dev-arm64-cross  file:/usr/aarch64-linux-gnu/include/stdio.h
'

present() {
	case $1 in
	pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
	cmd:*) command -v "${1#cmd:}" >/dev/null 2>&1 || [ -x "/usr/sbin/${1#cmd:}" ] ;;
	file:*) [ -e "${1#file:}" ] ;;
	lib:*) ls /usr/lib/*/lib"${1#lib:}".so >/dev/null 2>&1 ;;
	py:*) /usr/bin/python3 -c "import ${1#py:}" >/dev/null 2>&1 ;;
	fuzzer:*) [ -e "$(clang -print-file-name=libclang_rt.fuzzer-x86_64.a 2>/dev/null)" ] ||
		[ -e "$(clang -print-file-name=libclang_rt.fuzzer-aarch64.a 2>/dev/null)" ] ;;
	*) false ;;
	esac
}

list=no
if [ "${1:-}" = --list ]; then
	list=yes
	shift
fi
case ${1:-build} in
build) wanted=$build_packages ;;
test) wanted=$build_packages$test_packages ;;
all) wanted=$build_packages$test_packages$all_packages ;;
*)
	echo "usage: $0 [--list] [build|test|all]" >&2
	exit 2
	;;
esac

# Prints the packages whose sign is absent; with --list all of them.
missing() {
	echo "$wanted" | while read -r package sign; do
		[ -n "$package" ] || continue
		if [ $list = yes ] || ! present "$sign"; then
			printf ' %s' "$package"
		fi
	done
}

packages=$(missing)
if [ $list = yes ]; then
	echo "${packages# }"
	exit 0
fi

# tests/e2e/test_alsa boots Debian's kernel, which it takes from the archive: for that the lists must be here and fresh.
fetches_kernel() {
	[ "${1:-build}" != build ] && command -v apt-get >/dev/null && [ ! -e build/alsa_qemu/complete ]
}
lists_are_fresh() {
	[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -ctime -1 2>/dev/null | head -n 1)" ]
}
if [ -z "$packages" ]; then
	fetches_kernel "${1:-}" && ! lists_are_fresh || exit 0
	echo "Package lists are missing or old."
fi

[ -z "$packages" ] || echo "Not installed yet:$packages"
if ! command -v apt-get >/dev/null; then
	echo "This system has no apt-get: install what your system calls these (the names are Debian's)." >&2
	exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
	as_root='sudo'
	if ! command -v sudo >/dev/null; then
		[ -n "$packages" ] || exit 0 # the test will say whether the lists were good enough
		echo "As root, please: apt-get install$packages" >&2
		exit 1
	fi
	[ -t 0 ] || as_root='sudo -n' # nobody is there to type a password
fi
apt() {
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
# Lists may be absent (a fresh image) or old (the files they name are gone); a source that is down must not stop the others.
update() {
	echo "apt-get update"
	apt update || echo "apt-get update failed; going on with the lists that are here" >&2
}
# shellcheck disable=SC2086
install() {
	echo "apt-get install$packages"
	apt install --no-install-recommends $packages
}
lists_are_fresh || update
[ -n "$packages" ] || exit 0
install || { update && install; } || exit 1

packages=$(missing)
if [ -n "$packages" ]; then
	echo "apt-get has run, and these are still not found:$packages" >&2
	exit 1
fi
