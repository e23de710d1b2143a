# For the guest's scripts (busybox sh).

# load MODULE [ARGUMENT...]: with what it needs; what is there already stays.
load() {
	local name=$1 need
	shift
	for need in $(cat "/modules/$name.needs"); do
		grep -q "^$(echo "$need" | tr - _) " /proc/modules || insmod "/modules/$need.ko" || return 1
	done
	grep -q "^$(echo "$name" | tr - _) " /proc/modules || insmod "/modules/$name.ko" "$@"
}

now() { cut -d. -f1 /proc/uptime; }

# wait_for COMMAND...: until it succeeds; fails loudly when it does not within two minutes.
wait_for() {
	local end=$(($(now) + 120))
	until "$@" >/dev/null 2>&1; do
		if [ "$(now)" -gt $end ]; then
			echo "never came true: $*"
			return 1
		fi
		usleep 50000
	done
}

has_lines() { [ "$(grep -cE "$2" "$1" 2>/dev/null)" -ge "$3" ]; }

# wait_line FILE PATTERN [COUNT]: until the file has so many lines (1) that match. Ends the script when they do not come.
wait_line() {
	wait_for has_lines "$1" "$2" "${3:-1}" && return
	tail -n 20 "$1"
	exit 1
}

# play DEVICE TEXT: writes bytes, as printf has them, to a MIDI device, which may be a moment behind its sequencer port.
play() {
	wait_for test -c "$1" || exit 1
	printf "$2" >"$1"
}

# USB keyboards: real USB MIDI functions on the kernel's loop-back controllers, read by the kernel's own USB driver.
# keyboard_make GADGET [SERIAL] makes one; keyboard_plug GADGET PORT puts it into one of two USB ports, 0 or 1, each a bus of
# its own; keyboard_play GADGET BYTES presses its keys.
keyboard_make() {
	load configfs
	grep -q " /sys/kernel/config " /proc/mounts || mount -t configfs configfs /sys/kernel/config
	load dummy_hcd num=2
	load usb_f_midi
	load snd-seq-midi
	load snd-usb-audio
	mkdir -p "/sys/kernel/config/usb_gadget/$1"
	cd "/sys/kernel/config/usb_gadget/$1" || return 1
	echo 0x1d6b >idVendor
	echo 0x0104 >idProduct
	mkdir -p strings/0x409 configs/c.1 "functions/midi.$1"
	[ -z "${2:-}" ] || echo "$2" >strings/0x409/serialnumber
	echo Test >strings/0x409/manufacturer
	echo Keyboard >strings/0x409/product
	echo "$1" >"functions/midi.$1/id"
	ln -s "functions/midi.$1" configs/c.1/
	cd /
}
keyboard_plug() { echo "dummy_udc.$2" >"/sys/kernel/config/usb_gadget/$1/UDC"; }
keyboard_unplug() { echo >"/sys/kernel/config/usb_gadget/$1/UDC"; }
keyboard_play() {
	wait_for test -e "/proc/asound/$1" || exit 1
	play "/dev/snd/midiC$(readlink "/proc/asound/$1" | tr -dc 0-9)D0" "$2"
}
