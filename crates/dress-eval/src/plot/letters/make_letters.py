"""Writes letters.zz, the outlines of the letters that pictures as PNG have, from DejaVu Sans Condensed 2.37.

    pip install fonttools==4.68.0
    python make_letters.py DejaVuSansCondensed.ttf

The file is compressed by zlib. An em is 192 units. Each letter, by ascending code point: code point (u16, little-endian),
advance (u8), number of contours (u8), and of each contour the number of its segments (u8), the point at which it starts, and of
each segment its control point and its end. A straight segment's control point is its end. A point is x + 32 and y + 64 (u8
each), y upwards from the baseline.
"""

import sys
import zlib
from pathlib import Path

from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont

EM, LEFT, DOWN = 192, 32, 64
# Latin, Greek and Cyrillic, and of the signs those of texts, mathematics and arrows. The square stands for what is missing.
RANGES = [(0x20, 0x7E), (0xA0, 0x17F), (0x384, 0x3CE), (0x410, 0x44F)]
SIGNS = "ЁёєіїЄІЇґҐșțȘȚ‐‑‒–—‘’‚“”„†‡•…‰′″‹›⁄€™←↑→↓↔⇒∂∆∏∑−√∞∫≈≠≤≥□\ufffd⁰⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉"


class Contours(BasePen):
    """Contours as lists of points, one start and then control point and end of each segment."""

    def __init__(self, glyphs, scale):
        super().__init__(glyphs)
        self.scale, self.contours = scale, []

    def _point(self, point):
        x, y = (round(coordinate * self.scale) for coordinate in point)
        placed = (x + LEFT, y + DOWN)
        assert all(0 <= coordinate < 256 for coordinate in placed), placed
        return placed

    def _moveTo(self, point):
        self.contours.append([self._point(point)])

    def _lineTo(self, point):
        end = self._point(point)
        if end != self.contours[-1][-1]:
            self.contours[-1] += [end, end]

    def _qCurveToOne(self, control, point):
        self.contours[-1] += [self._point(control), self._point(point)]


def letter(font, glyphs, code, name):
    pen = Contours(glyphs, EM / font["head"].unitsPerEm)
    glyphs[name].draw(pen)
    contours = [contour for contour in pen.contours if len(contour) > 1]
    advance = round(font["hmtx"][name][0] * EM / font["head"].unitsPerEm)
    found = bytearray(code.to_bytes(2, "little") + bytes([advance, len(contours)]))
    for contour in contours:
        found.append(len(contour) // 2)
        for point in contour:
            found += bytes(point)
    return bytes(found)


def main(path):
    font = TTFont(path)
    glyphs, names = font.getGlyphSet(), font.getBestCmap()
    codes = {code for first, last in RANGES for code in range(first, last + 1)} | {ord(sign) for sign in SIGNS}
    known = sorted(code for code in codes if code in names)
    data = b"".join(letter(font, glyphs, code, names[code]) for code in known)
    packed = zlib.compress(data, 9)
    Path(__file__).with_name("letters.zz").write_bytes(packed)
    print(f"{len(known)} letters, {len(data)} bytes, compressed {len(packed)}")


main(sys.argv[1])
