"""Results as HTML for notebooks: the sections of a report, or the table of a listing.

Each is a fragment that needs no script and loads nothing. Its style applies to itself alone. Its
colours suit the notebook's theme or, if that is not known, the system's, on a ground of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nnexp.analysis import experiment_rows
from nnexp.report import comparison_page, listing, page_pictures
from nnexp.report.document import Section, Sentences
from nnexp.report.markup import Markup, tag
from nnexp.report.page import asset, colours, rendered

if TYPE_CHECKING:
    from nnexp.analysis.comparison import Comparison
    from nnexp.errors import NnexpError
    from nnexp.store.listing import Entry

SCOPE = ".nnexp.nnexp"
"""The selector of a fragment, doubled so that its rules precede those of notebooks."""
DARK_HOSTS = (
    "[data-jp-theme-light=false],.vscode-dark,"
    ".vscode-high-contrast:not(.vscode-high-contrast-light),html[theme=dark],[data-theme=dark]"
)
LIGHT_HOSTS = (
    "[data-jp-theme-light=true],.vscode-light,.vscode-high-contrast-light,html[theme=light],"
    "[data-theme=light]"
)
"""How JupyterLab and nbconvert, VS Code, Colab and Sphinx mark their themes."""
OPEN = (
    *(comparison_page.verdict, comparison_page.config, comparison_page.results),
    page_pictures.curves,
)
FOLDED = (
    *(page_pictures.learned, page_pictures.monitored),
    *(comparison_page.confusion_section, comparison_page.reproduction),
)
"""The sections of a report that are shown, and those that a click unfolds."""
MOST = 60
"""Maximum number of runs in a table."""


def comparison(compared: Comparison) -> str:
    """Return the report of one experiment or several as a fragment.

    Raises: CorruptError if a run is damaged.
    """
    shown = [_section(section) for build in OPEN if (section := build(compared)).blocks]
    folded = [_folded(section) for build in FOLDED if (section := build(compared)).blocks]
    return _fragment([*shown, *folded], len(compared.sides))


def runs(entries: Sequence[Entry]) -> str:
    """Return a table of runs as ``nnexp runs --each`` prints it, as a fragment."""
    rows = experiment_rows.listed(entries, each=True)
    if not rows:
        return _fragment(rendered([Sentences(["No runs."])]))
    table, _ = listing.fitted(rows, experiment_rows.differing(rows, seed=True), 0)
    shown = f"the first {MOST} of " if len(rows) > MOST else ""
    caption = f"{shown}{len(rows)} run{'' if len(rows) == 1 else 's'}"
    return _fragment(rendered([table._replace(rows=table.rows[:MOST], caption=caption)]))


def problem(error: NnexpError) -> str:
    """Return an error's message as a fragment, for what cannot be shown."""
    return _fragment(rendered([Sentences([str(error)])]))


def _section(section: Section) -> Markup:
    """Return a section under its heading, which has no id, as other outputs have the same."""
    heading = [tag("h2", section.heading)] if section.heading else []
    return tag("section", *heading, *rendered(section.blocks))


def _folded(section: Section) -> Markup:
    return tag(
        "details",
        tag("summary", section.heading),
        tag("section", *rendered(section.blocks)),
        class_="folded",
    )


def _fragment(content: Iterable[Markup], experiments: int = 0) -> str:
    style = tag("style", Markup(_style(experiments)))
    return tag("div", style, *content, class_="nnexp")


def _style(experiments: int) -> str:
    """Return a page's style for the inside of a fragment, with colours by the host's theme."""
    sheet = asset("page.css")
    light, dark = (
        f"color-scheme:{scheme};background:none;{variables};{series}"
        for scheme, variables, series in zip(
            ("light", "dark"), VARIABLES.findall(sheet), colours(experiments), strict=True
        )
    )
    light_series, dark_series = colours(experiments)
    inside = ROOT.sub("&{", sheet) + asset("notebook.css") + light_series
    return (
        f"{SCOPE}{{{inside}}}@media screen{{"
        f"@media (prefers-color-scheme:dark){{{SCOPE}{{{dark_series}}}}}"
        f":is({LIGHT_HOSTS}) {SCOPE}{{{light}}}:is({DARK_HOSTS}) {SCOPE}{{{dark}}}}}"
    )


ROOT = re.compile(r"(?<![-\w]):root\{|(?<![-\w])body\{")
"""The beginning of a page's rules for its root and body, which a fragment has for itself."""
VARIABLES = re.compile(r":root\{[^{}]*?(--[^{}]*)\}")
"""The colours of a page, on a light and on a dark ground."""
