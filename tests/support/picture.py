"""PNG as Chromium writes it, and grey maps for a bar-code reader, without an imaging library."""
import struct
import zlib


class Picture:
    """Pixels of a PNG of 8 bits a channel, not interlaced."""

    def __init__(self, data):
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        at, packed = 8, b""
        while at < len(data):
            size, kind = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + size]
            if kind == b"IHDR":
                self.width, self.height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
                assert bits == 8 and colour in (2, 6) and interlace == 0, (bits, colour, interlace)
                self.channels = 3 if colour == 2 else 4
            elif kind == b"IDAT":
                packed += body
            at += 12 + size
        self.rows = self.unfilter(zlib.decompress(packed))

    def unfilter(self, raw):
        step, n = self.width * self.channels, self.channels
        rows, above = [], bytearray(step)
        for y in range(self.height):
            kind = raw[y * (step + 1)]
            line = bytearray(raw[y * (step + 1) + 1:(y + 1) * (step + 1)])
            if kind == 2:
                for x in range(step):
                    line[x] = (line[x] + above[x]) & 255
            elif kind:
                for x in range(step):
                    left, corner = (line[x - n], above[x - n]) if x >= n else (0, 0)
                    if kind == 1:
                        guess = left
                    elif kind == 3:
                        guess = (left + above[x]) // 2
                    else:
                        p = left + above[x] - corner
                        guess = min((abs(p - left), 0, left), (abs(p - above[x]), 1, above[x]), (abs(p - corner), 2, corner))[2]
                    line[x] = (line[x] + guess) & 255
            rows.append(line)
            above = line
        return rows

    def pixel(self, x, y):
        at = int(x) * self.channels
        return tuple(self.rows[int(y)][at:at + 3])


def blocks_to_pgm(lines, scale=6):
    """The half blocks of a terminal's QR code as a grey map: a block is light."""
    rows = []
    for line in lines:
        rows.append([c in "▀█" for c in line])
        rows.append([c in "▄█" for c in line])
    wide = [[255 if light else 0 for light in row for _ in range(scale)] for row in rows for _ in range(scale)]
    return b"P5 %d %d 255\n" % (len(wide[0]), len(wide)) + b"".join(bytes(row) for row in wide)
