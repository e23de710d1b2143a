"""Standard MIDI Files from readable text, for tests. Knows nothing of the programs under test.

    format 1            0 when it is not said
    division 480        ticks a quarter
    track               a track begins; then one event a line, at a tick counted from the track's start:
      0 name MELODY     0 tempo 500000     0 signature 6 8
      0 on 60 64 [channel]    480 off 60 [channel]    0 pedal 127 [channel]    0 raw f0 02 43 f7
"""
import struct


def length_bytes(value):
    parts = [value & 0x7F]
    while value > 0x7F:
        value >>= 7
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


def meta(kind, data):
    return bytes([0xFF, kind]) + length_bytes(len(data)) + data


def event_bytes(words):
    kind, rest = words[0], words[1:]
    if kind == "name":
        return meta(3, " ".join(rest).encode())
    if kind == "raw":
        return bytes.fromhex("".join(rest))
    number = [int(word) for word in rest]
    if kind == "tempo":
        return meta(0x51, number[0].to_bytes(3, "big"))
    if kind == "signature":
        return meta(0x58, bytes([number[0], number[1].bit_length() - 1, 24, 8]))
    if kind == "on":
        return bytes([0x90 | (number[2] - 1 if len(number) > 2 else 0), number[0], number[1]])
    if kind == "off":
        return bytes([0x80 | (number[1] - 1 if len(number) > 1 else 0), number[0], 64])
    if kind == "pedal":
        return bytes([0xB0 | (number[1] - 1 if len(number) > 1 else 0), 64, number[0]])
    raise ValueError("no such event: " + kind)


def midi_file(lines):
    """Bytes of the file that the lines tell."""
    form, division, tracks, tick = 0, 480, [], 0
    for line in lines:
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "format":
            form = int(words[1])
        elif words[0] == "division":
            division = int(words[1], 0)
        elif words[0] == "track":
            tracks.append(b"")
            tick = 0
        else:
            now = int(words[0])
            tracks[-1] += length_bytes(now - tick) + event_bytes(words[1:])
            tick = now
    chunks = (track + b"\0" + meta(0x2F, b"") for track in tracks)
    return struct.pack(">4sIHHH", b"MThd", 6, form, len(tracks), division) + b"".join(
        b"MTrk" + struct.pack(">I", len(chunk)) + chunk for chunk in chunks)
