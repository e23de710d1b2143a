"""Line and interval charts as plain SVG text, without any library. Used by plot-log.py and ablation.py."""
from xml.sax.saxutils import escape

COLOURS = ("#1b6ca8", "#c8553d", "#3d8b40", "#8a5ca8", "#b8860b", "#4a4a4a", "#d0649c", "#2a9d8f", "#7f7f00")


def text(x, y, words, size=11, anchor="start", colour="#333"):
    return '<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s">%s</text>' % (
        x, y, size, anchor, colour, escape(str(words)))


def page(width, height, parts):
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif">\n'
            '<rect width="100%%" height="100%%" fill="white"/>\n%s\n</svg>\n' % (width, height, width, height, "\n".join(parts)))


def number(value):
    return "%.3g" % value


def lines(left, top, width, height, title, series):
    """One panel; series: [(index of colour, [(x, y), ...])]. Returns SVG parts."""
    points = [point for _, line in series for point in line]
    parts = [text(left, top - 6, title, 12)]
    if not points:
        return parts
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low, y_high = min(y for _, y in points), max(y for _, y in points)
    if y_high == y_low:
        y_low, y_high = y_low - 0.5, y_high + 0.5

    def place(x, y):
        return (left + width * (x - x_low) / ((x_high - x_low) or 1), top + height * (y_high - y) / (y_high - y_low))
    parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="none" stroke="#ccc"/>' % (left, top, width, height))
    for value, y in ((y_high, top + 9), (y_low, top + height)):
        parts.append(text(left - 4, y, number(value), 10, "end"))
    for value, x, anchor in ((x_low, left, "start"), (x_high, left + width, "end")):
        parts.append(text(x, top + height + 13, number(value) if value < 1e4 else "%d" % value, 10, anchor))
    for colour, line in series:
        parts.append('<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>' % (
            COLOURS[colour % len(COLOURS)], " ".join("%.1f,%.1f" % place(x, y) for x, y in line)))
    return parts


def intervals(left, top, width, title, rows):
    """One panel of horizontal marks; rows: [(label, mean, spread, [values])], None where there is nothing. Returns the height
    it took and SVG parts."""
    step = 20
    known = [value for _, mean, spread, values in rows if mean is not None
             for value in list(values) + [mean - spread, mean + spread]]
    parts = [text(left, top - 6, title, 12)]
    low, high = (min(known), max(known)) if known else (0, 1)
    if high == low:
        low, high = low - 0.5, high + 0.5

    def at(value):
        return left + width * (value - low) / (high - low)
    for row, (label, mean, spread, values) in enumerate(rows):
        y = top + step * row + 12
        parts.append(text(left - 8, y + 4, label, 11, "end"))
        parts.append('<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#eee"/>' % (left, left + width, y, y))
        if mean is None:
            continue
        parts.append('<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-width="2"/>' % (
            at(mean - spread), at(mean + spread), y, y, COLOURS[0]))
        for value in values:
            parts.append('<circle cx="%.1f" cy="%.1f" r="2.5" fill="none" stroke="#888"/>' % (at(value), y))
        parts.append('<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>' % (at(mean), y, COLOURS[0]))
    height = step * len(rows) + 6
    parts.append(text(left, top + height + 10, number(low), 10))
    parts.append(text(left + width, top + height + 10, number(high), 10, "end"))
    return height + 16, parts
