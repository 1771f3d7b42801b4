"""Draw digits as people draw them: in many styles, with other pens, on other papers.

    python -m benchmarks.drawings FOLDER [--count 200]

Writes PNG and JPEG files named <number>-<digit>.png. Every drawing has its own slant, proportions,
wobble, pen, ink, paper, size, place on the paper and file format, which its number determines.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Point: TypeAlias = tuple[float, float]
Stroke: TypeAlias = list[Point]
"""In a square of size 1 with the origin at the upper left."""
Colour: TypeAlias = tuple[int, int, int]

SEED = 2026
FINENESS = 3
"""Drawings are made this many times larger and scaled down, which smooths their edges."""


def arc(x: float, y: float, width: float, height: float, start: float, stop: float) -> Stroke:
    """Return a part of an ellipse, by its centre, half axes, and angles in degrees.

    0 is at the right; angles grow clockwise.
    """
    count = max(2, round(abs(stop - start) / 10))
    turns = (math.radians(start + (stop - start) * i / count) for i in range(count + 1))
    return [(x + width * math.cos(turn), y + height * math.sin(turn)) for turn in turns]


STYLES: dict[int, list[list[Stroke]]] = {
    0: [
        [arc(0.5, 0.5, 0.36, 0.5, -90, 270)],
        [arc(0.5, 0.5, 0.27, 0.5, -70, 300)],
        [arc(0.5, 0.5, 0.46, 0.48, -110, 240)],
    ],
    1: [
        [[(0.5, 0), (0.5, 1)]],
        [[(0.3, 0.22), (0.52, 0), (0.52, 1)]],
        [[(0.32, 0.2), (0.52, 0), (0.52, 1)], [(0.28, 1), (0.78, 1)]],
    ],
    2: [
        [[*arc(0.5, 0.28, 0.34, 0.28, -170, 35), (0.14, 1), (0.88, 1)]],
        [
            [
                *arc(0.5, 0.27, 0.3, 0.27, -150, 40),
                *(
                    (0.32, 0.86),
                    (0.17, 0.95),
                    (0.12, 0.84),
                    (0.27, 0.8),
                    (0.55, 0.94),
                    (0.92, 0.95),
                ),
            ]
        ],
        [[*arc(0.47, 0.3, 0.32, 0.3, -180, 20), (0.45, 0.75), (0.1, 0.98), (0.9, 0.93)]],
    ],
    3: [
        [[*arc(0.45, 0.26, 0.33, 0.26, -150, 90), *arc(0.45, 0.75, 0.39, 0.25, -90, 150)]],
        [[(0.15, 0), (0.82, 0), (0.45, 0.4), *arc(0.45, 0.7, 0.38, 0.3, -80, 150)]],
        [[*arc(0.42, 0.22, 0.3, 0.22, -130, 80), *arc(0.42, 0.72, 0.42, 0.28, -70, 140)]],
    ],
    4: [
        [[(0.25, 0), (0.12, 0.58), (0.92, 0.58)], [(0.7, 0.15), (0.66, 1)]],
        [[(0.66, 1), (0.66, 0), (0.06, 0.66), (0.96, 0.66)]],
        [[(0.18, 0.02), (0.16, 0.45), (0.78, 0.47)], [(0.8, 0), (0.76, 1)]],
    ],
    5: [
        [[(0.82, 0), (0.26, 0), (0.2, 0.44), *arc(0.46, 0.68, 0.36, 0.31, -130, 150)]],
        [
            [(0.28, 0.02), (0.22, 0.42), *arc(0.44, 0.7, 0.36, 0.3, -110, 155)],
            [(0.28, 0.02), (0.85, 0)],
        ],
        [[(0.85, 0.03), (0.3, 0), (0.24, 0.4), *arc(0.4, 0.67, 0.42, 0.3, -90, 120)]],
    ],
    6: [
        [[(0.72, 0), (0.38, 0.3), *arc(0.48, 0.72, 0.3, 0.28, 200, -170)]],
        [[(0.45, 0), (0.22, 0.4), *arc(0.5, 0.74, 0.33, 0.26, 180, -190)]],
        [[*arc(0.62, 0.5, 0.45, 0.5, -80, -180), *arc(0.46, 0.72, 0.29, 0.27, 180, -185)]],
    ],
    7: [
        [[(0.12, 0.02), (0.86, 0), (0.42, 1)]],
        [[(0.12, 0.02), (0.86, 0), (0.42, 1)], [(0.3, 0.5), (0.8, 0.48)]],
        [[(0.12, 0.14), (0.16, 0.02), (0.86, 0.03), (0.62, 0.4), (0.5, 1)]],
    ],
    8: [
        [arc(0.5, 0.25, 0.27, 0.25, 90, 450), arc(0.5, 0.75, 0.33, 0.25, -90, 270)],
        [
            [
                *arc(0.5, 0.25, 0.28, 0.25, -20, -270),
                *arc(0.5, 0.74, 0.33, 0.25, -90, 250),
                (0.76, 0.15),
            ]
        ],
        [arc(0.5, 0.23, 0.3, 0.23, 80, 440), arc(0.48, 0.73, 0.35, 0.27, -80, 280)],
    ],
    9: [
        [[*arc(0.48, 0.28, 0.31, 0.28, 0, -360), (0.76, 1)]],
        [[*arc(0.5, 0.28, 0.3, 0.28, -10, -350), (0.78, 0.65), (0.6, 0.93), (0.3, 1)]],
        [[*arc(0.47, 0.25, 0.33, 0.25, -30, -370), (0.7, 0.6), (0.48, 1)]],
    ],
}
"""The strokes of each digit in three styles."""


class Paper(NamedTuple):
    """What is drawn on, and with which ink."""

    ground: Colour
    ink: Colour
    is_transparent: bool = False


PAPERS = (
    Paper((255, 255, 255), (0, 0, 0)),
    Paper((255, 255, 255), (20, 40, 160)),
    Paper((250, 240, 215), (70, 40, 20)),
    Paper((255, 255, 255), (200, 30, 30)),
    Paper((225, 225, 222), (95, 95, 98)),
    Paper((0, 0, 0), (255, 255, 255)),
    Paper((35, 70, 50), (240, 230, 150)),
    Paper((255, 255, 255), (0, 0, 0), is_transparent=True),
    Paper((0, 0, 0), (0, 0, 0), is_transparent=True),
    Paper((0, 0, 0), (255, 255, 255), is_transparent=True),
)

MODES = ("RGB", "L", "RGB JPEG", "P", "L JPEG", "I;16", "1")
"""How the files of opaque papers hold their pixels."""


def draw(number: int) -> tuple[Image.Image, str]:
    """Return a drawing of the digit number % 10, and its file format."""
    chance = random.Random(f"{SEED} {number}")  # noqa: S311 - which drawing does not matter
    paper = PAPERS[chance.randrange(len(PAPERS))]
    size = (round(36 * 25 ** chance.random()), round(36 * 25 ** chance.random()))
    size = (max(size[0], size[1] // 3), max(size[1], size[0] // 3))
    coverage = ink_coverage(number % 10, size, chance)
    if paper.is_transparent:
        alpha = Image.fromarray((255 * coverage).astype(np.uint8))
        drawing = Image.new("RGBA", size, (*paper.ink, 0))
        drawing.putalpha(alpha)
        return drawing, "PNG"
    ground, ink = (np.array(colour, float) for colour in (paper.ground, paper.ink))
    light = lighting(size, chance)
    pixels = (ground + coverage[..., None] * (ink - ground)) * light[..., None]
    drawing = Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))
    mode, _, kind = chance.choice(MODES).partition(" ")
    if mode == "I;16":
        return Image.fromarray(np.asarray(drawing.convert("L")).astype(np.uint16) * 257), "PNG"
    if mode == "P":
        return drawing.quantize(32), "PNG"
    return drawing.convert(mode, dither=Image.Dither.NONE), kind or "PNG"


def ink_coverage(
    digit: int, size: tuple[int, int], chance: random.Random
) -> npt.NDArray[np.float64]:
    """Return how much of each pixel is covered by ink, from 0 to 1; size is width and height."""
    width, height = (FINENESS * length for length in size)
    place = placement(width, height, chance)
    thickness = chance.uniform(0.05, 0.16) * place.height
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    for stroke in chance.choice(STYLES[digit]):
        path = [place(point) for point in smooth(wobbling(stroke, chance))]
        pen.line(path, 255, round(thickness), joint="curve")
        for x, y in path:
            radius = thickness / 2
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    return np.asarray(canvas.resize(size, Image.Resampling.BOX)) / 255


class Placement(NamedTuple):
    """Where on the paper a digit stands: its upper left corner, size, slant and rotation."""

    left: float
    top: float
    width: float
    height: float
    slant: float
    turn: float

    def __call__(self, point: Point) -> Point:
        """Return the pixel of a point in the square of size 1."""
        x, y = (point[0] - 0.5) * self.width, (point[1] - 0.5) * self.height
        x -= self.slant * y
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        x, y = x * cos - y * sin, x * sin + y * cos
        return self.left + self.width / 2 + x, self.top + self.height / 2 + y


def placement(width: int, height: int, chance: random.Random) -> Placement:
    """Place a digit at random where it fits on the paper."""
    tall = chance.uniform(0.35, 0.75) * min(width, height)
    wide = tall * chance.uniform(0.55, 0.95)
    left = chance.uniform(0.12, 0.88) * (width - wide)
    top = chance.uniform(0.12, 0.88) * (height - tall)
    slant, turn = chance.uniform(-0.1, 0.35), math.radians(chance.uniform(-8, 8))
    return Placement(left, top, wide, tall, slant, turn)


def wobbling(stroke: Stroke, chance: random.Random) -> Stroke:
    """Return a stroke as a hand that is not quite steady draws it."""
    phases = [chance.uniform(0, math.tau) for _ in range(4)]
    size = chance.uniform(0, 0.03)
    return [
        (
            x + size * (math.sin(5 * y + phases[0]) + math.sin(9 * x + phases[1])),
            y + size * (math.sin(5 * x + phases[2]) + math.sin(9 * y + phases[3])),
        )
        for x, y in stroke
    ]


def smooth(stroke: Sequence[Point]) -> Iterator[Point]:
    """Yield points close to each other on a stroke."""
    for (x0, y0), (x1, y1) in itertools.pairwise(stroke):
        count = max(1, round(60 * math.hypot(x1 - x0, y1 - y0)))
        for i in range(count):
            yield x0 + (x1 - x0) * i / count, y0 + (y1 - y0) * i / count
    yield stroke[-1]


def lighting(size: tuple[int, int], chance: random.Random) -> npt.NDArray[np.float64]:
    """Return factors of the light on each pixel: even, or darker at one side, with noise."""
    width, height = size
    if chance.random() < 0.6:  # noqa: PLR2004 - a scan or a screen
        return np.ones((height, width))
    dark, angle = chance.uniform(0, 0.3), chance.uniform(0, math.tau)
    x = np.linspace(-0.5, 0.5, width)
    y = np.linspace(-0.5, 0.5, height)[:, None]
    shade = 1 - dark * (0.5 + 0.7 * (x * math.cos(angle) + y * math.sin(angle)))
    noise = np.random.default_rng(chance.randrange(1 << 30)).normal(0, 0.02, shade.shape)
    light: npt.NDArray[np.float64] = shade + noise
    return light


def write(folder: Path, count: int = 200) -> list[Path]:
    """Write drawings to a folder and return their paths, which end with the digits."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        drawing, kind = draw(number)
        suffix = {"PNG": "png", "JPEG": "jpg"}[kind]
        path = folder / f"{number:04d}-{number % 10}.{suffix}"
        drawing.save(path, kind, quality=40 + number % 55)
        paths.append(path)
    return paths


def digit(path: Path) -> int:
    """Return the digit that a file shows, by its name."""
    return int(path.stem[-1])


def main() -> None:
    """Write drawings to the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    write(arguments.folder, arguments.count)


if __name__ == "__main__":
    main()
