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

# wait_line FILE PATTERN [COUNT]: until the file has so many lines (1) that match; fails loudly when that does not happen.
wait_line() {
	local tries=0
	while [ "$(grep -cE "$2" "$1")" -lt "${3:-1}" ]; do
		tries=$((tries + 1))
		if [ $tries -gt 400 ]; then
			echo "no line $2 (${3:-1}) in $1:"
			tail -n 20 "$1"
			exit 1
		fi
		usleep 50000
	done
}

# wait_for COMMAND...: until it succeeds.
wait_for() {
	local tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ $tries -gt 400 ]; then
			echo "never came true: $*"
			exit 1
		fi
		usleep 50000
	done
}

# A USB keyboard: a real USB MIDI function on the kernel's loop-back controller, read by the kernel's own USB driver.
# What is written to /dev/snd/midiC$(keyboard_card)D0 are its keys.
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
keyboard_card() {
	local card
	card=$(readlink /proc/asound/keys) && echo "${card#card}"
}
