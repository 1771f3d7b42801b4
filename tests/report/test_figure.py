"""Figures as values, and their renderers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nnexp.report import braille, renderer
from nnexp.report.figure import (
    LIGHT,
    Axis,
    Bars,
    Cell,
    Cells,
    Figure,
    Image,
    Line,
    Panel,
    Points,
    Shades,
    Spans,
)

PER_CENT = Axis("accuracy", "%")
ALL_MARKS = Figure(
    [
        Panel([Line("line", [1, 2], [0.5, 0.7], spread=[0.1, 0.0])], Axis("epoch"), PER_CENT),
        Panel([Points("points", [1, 2], [0.1, 0.2]), Points("foot", [1], sign="x")]),
        Panel([Shades([1, 2], [3, 4], [0.1, 0.9], PER_CENT)]),
        Panel(
            [
                Cells(
                    [[Cell(0.5, "50.00"), Cell(None, kind="no result")]],
                    PER_CENT,
                    {"no result": "x"},
                )
            ]
        ),
        Panel([Spans("span", [(0, 1), (2, 3)]), Bars("bars", [0, 1, 2], [0.25, 0.75])], note="n"),
        Panel([Image([[0.0, 1.0], [1.0, 0.0]])], title="$5 and $6"),
    ],
    "title",
)


def words(content: bytes) -> list[str]:
    return re.findall(r"<text [^>]*>([^<]*)</text>", content.decode())


def test_a_figure_needs_neither_numpy_nor_matplotlib() -> None:
    script = "import sys, nnexp.report.figure; print({'numpy', 'matplotlib'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"set()\n"


def test_the_svg_of_a_figure_has_the_same_bytes_each_time_and_text_as_text() -> None:
    content = renderer.svg(ALL_MARKS)
    assert renderer.svg(ALL_MARKS) == content
    legend = ["line", "points", "foot", "no result", "span", "bars"]
    assert {*legend, "title", "$5 and $6", "accuracy in %", "50.00"} <= set(words(content))
    assert words(content).count("span") == 1


@pytest.mark.parametrize(
    ("ending", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_the_ending_says_the_format(tmp_path: Path, ending: str, head: bytes) -> None:
    renderer.save(ALL_MARKS, tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(head)


def test_an_axis_in_per_cent_shows_fractions_times_100() -> None:
    drawn = renderer.drawing(ALL_MARKS)
    (line,) = drawn.axes[0].get_lines()
    assert list(line.get_ydata()) == [50, 70]  # type: ignore[arg-type]
    (text,) = braille.draw(Figure([ALL_MARKS.panels[0]]))
    assert "70.00 %" in text
    assert "50.00 %" in text


def test_series_up_to_seven_have_the_palette_s_colours_and_more_are_told_apart() -> None:
    for count in (7, 8):
        lines = [Line(str(place), [0, 1], [0, place], colour=place) for place in range(count)]
        drawn = renderer.drawing(Figure([Panel(lines)]))
        colours = [str(line.get_color()) for line in drawn.axes[0].get_lines()]
        assert len(set(colours)) == count
        assert (tuple(colours) == LIGHT[:7]) is (count == 7)


def test_a_legend_may_have_series_that_no_panel_shows() -> None:
    figure = Figure([Panel([Line("", [0, 1], [0, 1])])], legend=[Line("late", colour=20)])
    (legend,) = renderer.drawing(figure).legends
    assert [text.get_text() for text in legend.get_texts()] == ["late"]


def test_names_that_would_overlap_are_slanted() -> None:
    for name, angle in (("relu", 0.0), ("a name that is long", 45.0)):
        axis = Axis("key", names=[name] * 5)
        drawn = renderer.drawing(Figure([Panel([Points("", range(5), range(5))], axis)]))
        labels = drawn.axes[0].get_xticklabels()
        assert {(label.get_text(), label.get_rotation()) for label in labels} == {(name, angle)}


def test_points_at_the_foot_change_no_vertical_axis() -> None:
    marks = [Points("", [1, 2], [50, 60])]
    plain = renderer.drawing(Figure([Panel(marks)])).axes[0].get_ylim()
    foot = Points("diverged", [3], sign="x")
    assert renderer.drawing(Figure([Panel([*marks, foot])])).axes[0].get_ylim() == plain
