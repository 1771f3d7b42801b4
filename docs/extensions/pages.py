"""Sphinx extension for the site: parts of pages, docstrings and links.

A page has a comment such as ``<!-- reference: config -->`` in place of a part that
docs/extensions/reference.py writes. The lists of pages are comments, too, so that GitHub does not
show them as code. The site's external links are listed in external-links.txt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes

from docs.extensions.reference import OUTPUTS, PARTS
from nnexp import api
from nnexp.errors import InterruptedRunError, JobError

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

COMMENT = re.compile(r"^<!-- reference: (\w+) -->$", re.MULTILINE)
CONTENTS = re.compile(r"^<!-- contents: (.*)\n((?:.+\n)+)-->$", re.MULTILINE)
PICTURE = re.compile(r"!\[[^\]]*\]\(")
NAMED_BY_FILE = re.compile(r"\[(?:[\w-]+/)*[\w-]+\.md\]\((?=[^)\s]+\.md[)#])")
OWN_CODES: dict[object, str] = {
    InterruptedRunError: "128 + signal_number",
    JobError: "that of the run that failed",
}
"""Exit codes that an error's instances have."""
TOCTREE = r"""```{toctree}
:caption: \1
:maxdepth: 1
:hidden:

\2```"""


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace a page's comments by the parts that they name, and by lists of pages.

    Descriptions of pictures keep the spaces at their line breaks. Links whose text is the name of
    a page's file, as on GitHub, get the title of the page or section instead.
    """
    del app, docname
    source[0] = COMMENT.sub(lambda comment: PARTS[comment[1]](), source[0])
    source[0] = CONTENTS.sub(TOCTREE, source[0])
    source[0] = PICTURE.sub(lambda picture: picture[0].replace("\n", " "), source[0])
    source[0] = NAMED_BY_FILE.sub("[](", source[0])


def outdated(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> Iterable[str]:
    """Return the pages that are written from the code, which may have changed."""
    del app, changes
    pages = (name for name in env.found_docs if name.startswith("docs/reference/"))
    return list(pages)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Find a class that a signature or docstring names by its private module, or without any."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].rpartition(".")[2]
    documented = {
        full.rpartition(".")[2]: (subject.docname, subject.node_id)
        for full, subject in env.domains.python_domain.objects.items()
    }
    documented |= {kind: ("docs/reference/json", f"json-{kind.lower()}") for kind in OUTPUTS}
    documented |= dict.fromkeys(("Config", "CheckedConfig"), ("docs/reference/config-keys", ""))
    if name not in documented:
        return None
    page, anchor = documented[name]
    uri = app.builder.get_relative_uri(node["refdoc"], page)
    return nodes.reference("", "", content, internal=True, refuri=f"{uri}#{anchor}".rstrip("#"))


def shorten(app: Sphinx, *event: object) -> tuple[str, object] | None:
    """Return a signature with defaults as a caller would write them."""
    del app
    *_, signature, result = event
    if not isinstance(signature, str) or not signature:
        return None
    plain = re.sub(r"PosixPath\((.*?)\)", r"\1", signature)
    return plain.replace("mappingproxy({})", "{}"), result


def complete(
    app: Sphinx, kind: str, name: str, subject: object, options: object, lines: list[str]
) -> None:
    """Make a field of a docstring's "Returns: ...", and add an error's exit code."""
    del app, name, options
    if kind == "exception":
        code = OWN_CODES.get(subject) or getattr(subject, "exit_code", None)
        lines += ["", f"Exit code {code}."]
    lines[:] = [re.sub("^Returns: ", ":returns: ", line) for line in lines]


def name_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Give sections the anchors that GitHub gives them, with letters that docutils leaves out."""
    del app
    for section in doctree.findall(nodes.section):
        slug = section.get("slug", "")
        if not slug.isascii():
            section["ids"] = [slug, *(anchor for anchor in section["ids"] if anchor != slug)]


def draw_dashes(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace the two hyphens that Sphinx writes between a parameter and its description."""
    del app, docname
    for text in list(doctree.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" \N{EN DASH} "))


def list_links(app: Sphinx, exception: Exception | None) -> None:
    """Write the external links of all pages to external-links.txt, each with its pages."""
    if exception is not None:
        return
    links: dict[str, set[str]] = {}
    for page in app.env.found_docs:
        for node in app.env.get_doctree(page).findall(nodes.reference):
            if str(node.get("refuri", "")).startswith(("http:", "https:", "mailto:")):
                links.setdefault(node["refuri"], set()).add(page)
    lines = [f"{link}  {' '.join(sorted(pages))}\n" for link, pages in sorted(links.items())]
    (Path(app.outdir) / "external-links.txt").write_text("".join(lines), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx's events."""
    api.TrainedRun.__name__ = api.TrainedRun.__qualname__ = "Run"  # as users call it
    app.connect("source-read", fill)
    app.connect("env-get-outdated", outdated)
    app.connect("autodoc-process-signature", shorten)
    app.connect("autodoc-process-docstring", complete, priority=400)  # before napoleon
    app.connect("missing-reference", resolve)
    app.connect("doctree-read", name_anchors, priority=400)  # before the table of contents
    app.connect("doctree-resolved", draw_dashes)
    app.connect("build-finished", list_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
