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

# wait_for COMMAND...: until it succeeds; fails loudly when it does not within half a minute.
wait_for() {
	local end=$(($(now) + 30))
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

# A USB keyboard: a real USB MIDI function on the kernel's loop-back controller, read by the kernel's own USB driver.
# keyboard_play presses its keys.
keyboard_make() {
	load configfs
	grep -q " /sys/kernel/config " /proc/mounts || mount -t configfs configfs /sys/kernel/config
	load dummy_hcd
	load usb_f_midi
	load snd-seq-midi
	load snd-usb-audio
	mkdir -p /sys/kernel/config/usb_gadget/keyboard
	cd /sys/kernel/config/usb_gadget/keyboard || return 1
	echo 0x1d6b >idVendor
	echo 0x0104 >idProduct
	mkdir -p strings/0x409 configs/c.1 functions/midi.usb0
	echo 0001 >strings/0x409/serialnumber
	echo Test >strings/0x409/manufacturer
	echo Keyboard >strings/0x409/product
	echo keys >functions/midi.usb0/id
	ln -s functions/midi.usb0 configs/c.1/
	cd /
}
keyboard_plug() { ls /sys/class/udc >/sys/kernel/config/usb_gadget/keyboard/UDC; }
keyboard_unplug() { echo >/sys/kernel/config/usb_gadget/keyboard/UDC; }
keyboard_play() {
	wait_for test -e /proc/asound/keys || exit 1
	play "/dev/snd/midiC$(readlink /proc/asound/keys | tr -dc 0-9)D0" "$1"
}
