"""A small Linux with an ALSA sequencer, booted in QEMU, for machines whose kernel has none (and for all others, so that
the tests are the same everywhere). Debian's kernel, busybox, the programs that a test gives, and its scripts:

    guest = Guest(folder)                       # folder: for the kernel (kept) and this boot's files
    guest.add_program("/usr/bin/aplaymidi")     # with every library that ldd names
    guest.add_file("/piece.mid", data)          # more files, such as weights
    guest.add_script("10-notes", text)          # run in order of name by busybox sh, with library.sh read before
    results = guest.boot(seconds)               # {"10-notes": [lines]}

What a script prints is its result. Scripts share one boot, files and devices: several tests can be put into one. One that
does not exit with 0 is the last and an error.
"""
import gzip
import io
import lzma
import os
import re
import stat
import subprocess
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
AGREED = 42  # what the guest writes to the exit port when all its scripts were run

# Needed at boot, and by the scripts; what these depend on comes along.
BOOT_MODULES = ["snd-timer", "snd-hrtimer"]
MODULES = BOOT_MODULES + ["snd-seq", "snd-seq-dummy", "snd-seq-midi", "snd-seq-virmidi", "snd-virmidi", "snd-usb-audio",
                          "usb_f_midi", "dummy_hcd", "configfs"]


def find_kernel_package():
    """The newest Debian kernel that is not a cloud or rt one, by its metapackage."""
    text = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], check=True, capture_output=True, text=True).stdout
    return re.search(r"Depends: (linux-image-[0-9]\S*)", text).group(1)


def fetch_kernel(folder):
    """The path of vmlinux and of a folder of modules with their needs; downloaded and unpacked once."""
    kernel, modules = os.path.join(folder, "vmlinux"), os.path.join(folder, "modules")
    if os.path.exists(os.path.join(folder, "complete")):
        return kernel, modules
    os.makedirs(modules, exist_ok=True)
    for name in os.listdir(folder):
        if name.endswith(".deb"):
            os.unlink(os.path.join(folder, name))
    subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=", "download", find_kernel_package()], check=True, cwd=folder,
                   stdout=subprocess.DEVNULL)
    package = next(name for name in os.listdir(folder) if name.endswith(".deb"))
    found = {}
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], cwd=folder, stdout=subprocess.PIPE) as unpack:
        with tarfile.open(fileobj=unpack.stdout, mode="r|") as archive:
            for member in archive:
                name = os.path.basename(member.name)
                if member.isfile() and (name.startswith("vmlinuz") or re.search(r"\.ko(\.xz)?$", name)):
                    found[name] = archive.extractfile(member).read()
    for name, data in list(found.items()):
        if name.endswith(".ko.xz"):
            found[name[:-3]] = lzma.decompress(data)
    for name in with_needs(MODULES, found):
        write(os.path.join(modules, name + ".ko"), found[file_of(name, found)])
        write(os.path.join(modules, name + ".needs"), " ".join(with_needs([name], found)[:-1]).encode())
    write(kernel, unpack_kernel(next(data for name, data in found.items() if name.startswith("vmlinuz"))))
    os.unlink(os.path.join(folder, package))
    write(os.path.join(folder, "complete"), package.encode())
    return kernel, modules


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def file_of(module, found):
    """Modules call themselves with - or _ as they please."""
    return next(name for name in (module + ".ko", module.replace("_", "-") + ".ko", module.replace("-", "_") + ".ko")
                if name in found)


def with_needs(modules, found, order=None):
    """Modules in the order in which they can be inserted. Each says itself what it needs; what is not there is built in."""
    order = [] if order is None else order
    for module in modules:
        name = file_of(module, found)[:-3]
        if name in order:
            continue
        fields = re.findall(rb"(?:^|\0)depends=([^\0]*)", found[name + ".ko"])
        needs = [need for need in (fields[0].decode().split(",") if fields else []) if need]
        with_needs(needs, found, order)
        order.append(name)
    return order


def unpack_kernel(image):
    """The kernel proper inside a bzImage: to boot that saves the guest from unpacking it in emulation."""
    start = image.find(b"\xfd7zXZ\0")
    assert start > 0, "this kernel image is not packed with xz"
    kernel = lzma.LZMADecompressor().decompress(image[start:])
    assert kernel[:4] == b"\x7fELF", "no ELF file in the kernel image"
    return kernel


class Archive:
    """An initramfs: cpio, newc."""

    def __init__(self):
        self.out, self.names = io.BytesIO(), set()

    def add(self, path, mode, data=b"", device=(0, 0)):
        path = path.strip("/")
        if path in self.names:
            return
        parent = os.path.dirname(path)
        if parent:
            self.add(parent, stat.S_IFDIR | 0o755)
        self.names.add(path)
        self.write(path, mode, data, device)

    def write(self, path, mode, data=b"", device=(0, 0)):
        name = path.encode() + b"\0"
        fields = [len(self.names), mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0]
        self.out.write(b"070701" + b"".join(b"%08x" % field for field in fields) + name)
        self.out.write(b"\0" * (-self.out.tell() % 4) + data)
        self.out.write(b"\0" * (-self.out.tell() % 4))

    def finish(self):
        self.write("TRAILER!!!", 0)
        return gzip.compress(self.out.getvalue(), 1)


class Guest:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.archive, self.scripts = Archive(), []
        self.kernel, modules = fetch_kernel(self.folder)
        self.archive.add("/dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
        for name in sorted(os.listdir(modules)):
            self.add_copy(f"/modules/{name}", os.path.join(modules, name))
        self.add_program("/bin/busybox")
        self.add_copy("/usr/share/alsa/alsa.conf", "/usr/share/alsa/alsa.conf")
        self.add_copy("/init", os.path.join(HERE, "init"), 0o755)
        self.add_copy("/library.sh", os.path.join(HERE, "library.sh"))
        self.add_file("/boot_modules", " ".join(BOOT_MODULES).encode())
        self.add_file("/etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
        self.add_file("/etc/group", b"root:x:0:\naudio:x:29:\nnogroup:x:65534:\n")
        for folder in ("/proc", "/sys", "/tmp", "/bin"):
            self.archive.add(folder, stat.S_IFDIR | 0o755)

    def add_file(self, path, data, mode=0o644):
        self.archive.add(path, stat.S_IFREG | mode, data)

    def add_copy(self, path, source, mode=0o644):
        with open(source, "rb") as file:
            self.add_file(path, file.read(), mode)

    def add_program(self, source):
        """To /bin/NAME, its libraries to where its loader looks for them."""
        self.add_copy("/bin/" + os.path.basename(source), source, 0o755)
        listed = subprocess.run(["ldd", source], capture_output=True, text=True).stdout
        assert "not found" not in listed, f"{source} lacks libraries:\n{listed}"
        for name in re.findall(r"(?:=> )?(/\S+) \(0x", listed):
            self.add_copy(name, os.path.realpath(name), 0o755)

    def add_script(self, name, text):
        self.scripts.append(name)
        self.add_file(f"/scripts/{name}", text.encode())

    def boot(self, seconds):
        """Runs every script. A guest that does not end by itself, or not as agreed, is an error."""
        initrd, results = os.path.join(self.folder, "initramfs"), os.path.join(self.folder, "results.txt")
        console = os.path.join(self.folder, "console.txt")
        write(initrd, self.archive.finish())
        write(results, b"")
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max", "-M", "pc", "-m", "384", "-smp", "1",
                   "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot",
                   "-serial", "file:" + console, "-serial", "file:" + results,
                   "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-kernel", self.kernel, "-initrd", initrd,
                   # no_timer_check: on a busy host the emulated timer comes too late for the kernel to believe in it
                   "-append", "console=ttyS0 quiet panic=-1 no_timer_check"]
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            status = "none in time"
        with open(results, errors="replace") as file:
            lines = [line.rstrip("\r\n") for line in file]
        with open(console, errors="replace") as file:
            tail = file.read()[-3000:]
        assert status == 2 * AGREED + 1, (f"the guest ended with {status}; its console:\n{tail}\nits results:\n" +
                                          "\n".join(lines[-80:]))
        return self.sort(lines)

    def sort(self, lines):
        found, current = {}, []
        for line in lines:
            match = re.fullmatch(r"=== (begin|end) (\S+) ?(\d*)", line)
            if not match:
                current.append(line)
            elif match.group(1) == "begin":
                current = []
            else:
                assert match.group(3) == "0", f"{match.group(2)}: exit status {match.group(3)}:\n" + "\n".join(current)
                found[match.group(2)] = current
        assert set(found) == set(self.scripts), f"scripts without a result: {set(self.scripts) - set(found)}"
        return found
