"""Reduces a browser's PNG to a third of its size, with a palette of the most common colours."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB, PALETTE = 2, 3

Colour = tuple[int, int, int]
ALIKE = 200
"""Squared distance up to which two colours count as one: the edges of letters and lines have thousands."""


def with_fewer_colours(png: bytes, most: int = 128) -> bytes:
    """The same picture. A colour outside the palette becomes the nearest colour of the palette."""
    chunks = list(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", dict(chunks)[b"IHDR"][:10])
    assert (depth, kind) == (8, RGB), "not what Chromium writes"
    pixels = _pixels(zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), width * 3)
    rows = [list(zip(row[0::3], row[1::3], row[2::3], strict=True)) for row in pixels]
    seen = Counter(pixel for row in rows for pixel in row)
    kept: list[Colour] = []
    for colour, _ in seen.most_common():
        if len(kept) < most and all(_distance(colour, other) > ALIKE for other in kept):
            kept.append(colour)
    number = {colour: _nearest(colour, kept) for colour in seen}
    packed = b"".join(b"\0" + bytes(map(number.__getitem__, row)) for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, PALETTE, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", b"".join(map(bytes, kept))),
        (b"IDAT", zlib.compress(packed, 9)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(map(_chunk, *zip(*parts, strict=True)))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _pixels(filtered: bytes, size: int) -> Iterator[bytearray]:
    """The bytes of each line, after undoing PNG's five line filters."""
    above = bytearray(size)
    for at in range(0, len(filtered), size + 1):
        kind, line = filtered[at], bytearray(filtered[at + 1 : at + 1 + size])
        for index in range(size):
            left, corner = (line[index - 3], above[index - 3]) if index >= 3 else (0, 0)
            guesses = (0, left, above[index], (left + above[index]) // 2, _paeth(left, above[index], corner))
            line[index] = (line[index] + guesses[kind]) & 255
        above = line
        yield line


def _paeth(left: int, above: int, corner: int) -> int:
    return min((left, above, corner), key=lambda value: abs(left + above - corner - value))


def _nearest(colour: Colour, among: list[Colour]) -> int:
    return min(range(len(among)), key=lambda at: _distance(colour, among[at]))


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
