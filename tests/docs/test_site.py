"""The site builds without warnings; everything has its place in it, and no link is dead."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urldefrag

import click
import pytest

from nnexp.cli import COMMANDS, cli
from nnexp.cli.schema import output_types
from nnexp.config import keys
from tests.docs import walkthrough

if TYPE_CHECKING:
    from tests.conftest import Bench

pytestmark = [pytest.mark.docs, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
MUST_RUN = "NNEXP_SITE_MUST_RUN"
"""Set where the extra docs is installed: a missing package then fails the test."""
PACKAGES = ("sphinx", "myst_parser", "furo")
EXTERNAL = ("http:", "https:", "mailto:")


class Page(HTMLParser):
    """The anchors, links and pictures of a page, and the code that has an anchor."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.terms: dict[str, str] = {}
        self.content: list[str] = []
        self._anchor = ""
        self._is_content = False
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self._is_content |= tag == "article"
        if "id" in values:
            self.anchors.add(values["id"])
        self._anchor = values.get("id", self._anchor if tag in {"code", "span"} else "")
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
            if self._is_content:
                self.content.append(values["href"])
        elif tag == "img":
            self.pictures.append(values["src"])

    def handle_endtag(self, tag: str) -> None:
        self._is_content &= tag != "article"
        if tag not in {"code", "span"}:
            self._anchor = ""

    def handle_data(self, data: str) -> None:
        if self._anchor:
            self.terms[self._anchor] = self.terms.get(self._anchor, "") + data


class Site(NamedTuple):
    """The pages by their paths."""

    folder: Path
    pages: dict[Path, Page]

    def page(self, name: str) -> Page:
        return self.pages[self.folder / name]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        reason = f"{', '.join(missing)} of the extra docs is not installed"
        if os.environ.get(MUST_RUN):
            pytest.fail(f"{MUST_RUN} is set, but {reason}")
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", "docs"]
    done = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), ".", str(folder / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    files = (folder / "site").rglob("*.html")
    return Site(folder / "site", {file: Page(file) for file in files})


def test_every_command_and_option_has_an_anchor(site: Site) -> None:
    page = site.page("docs/reference/commands.html")
    context = click.Context(cli, info_name="nnexp")
    for name in COMMANDS:
        assert f"nnexp-{name}" in page.anchors
        command = cli.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                option = max(parameter.opts, key=len)
                term = page.terms[f"option-{name}-{option.lstrip('-')}"]
                assert option in term.replace(",", " ").split()


def test_every_key_of_configs_has_an_anchor(site: Site) -> None:
    page = site.page("docs/reference/config-keys.html")
    terms = {term for anchor, term in page.terms.items() if anchor.startswith("key-")}
    for key in keys.known():
        top, _, setting = key.partition(".")
        assert f"key-{top}".replace("_", "-") in page.anchors
        assert not setting or key in terms


def test_every_json_has_an_anchor(site: Site) -> None:
    page = site.page("docs/reference/json.html")
    shown = {term for anchor, term in page.terms.items() if anchor.startswith("json-")}
    assert {f"nnexp {command} --json" for command in output_types()} <= shown


def test_every_field_of_a_run_s_files_has_an_anchor(site: Site, bench: Bench) -> None:
    assert bench("train", "tiny.yaml", "--name", "x").code == 0
    page = site.page("docs/reference/run-files.html")
    run = bench.folder / "runs/x-s0"
    record, result = (json.loads((run / f"{name}.json").read_text()) for name in ("run", "result"))
    row = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    objects = {"RunRecord": record, "DataRecord": record["data"], "Result": result, "Row": row}
    objects |= {"Versions": record["versions"], "Fault": ["epoch", "batch", "found"]}
    for name, fields in objects.items():
        for field in {*fields} - {"checksum"}:
            anchor = f"record-{name}-{field}".lower().replace("_", "-")
            assert page.terms.get(anchor) == field


def test_no_link_or_picture_is_dead(site: Site) -> None:
    dead = []
    for file, page in site.pages.items():
        for link in filter(lambda link: not link.startswith(EXTERNAL), page.links):
            path, anchor = urldefrag(unquote(link))
            target = (file.parent / path).resolve() if path else file
            is_there = target.is_file()
            if is_there and anchor and target.suffix == ".html":
                is_there = anchor in site.pages[target].anchors
            if not is_there:
                dead.append((file.name, link))
        dead += [
            (file.name, source) for source in page.pictures if not (file.parent / source).is_file()
        ]
    assert not dead
    assert sum(len(page.pictures) for page in site.pages.values()) >= 5


def test_anchors_have_letters_of_all_languages(site: Site) -> None:
    for name, anchor in (("first-hour", "the-ladder-of-η"), ("first-hour.zh-CN", "安装")):
        assert f"#{anchor}" in site.page(f"docs/{name}.html").links


def test_pictures_are_described_in_whole_words_and_pages_named_by_their_titles(site: Site) -> None:
    page = (site.folder / "docs/first-hour.html").read_text("utf-8")
    source = (ROOT / "docs/first-hour.md").read_text("utf-8")
    descriptions = re.findall(r"!\[([^]]*)\]", source)
    assert any("\n" in description for description in descriptions)
    for description in descriptions:
        assert f'alt="{description}"'.replace("\n", " ") in page
    for file in site.pages:
        assert not re.findall(
            r"<a class=\"reference[^>]*><[^>]*>[\w/-]+\.md<", file.read_text("utf-8")
        )
    assert re.search(r'href="statistics.html"><[^>]*>[A-Z]', page)


def test_external_links_are_listed(site: Site) -> None:
    lines = (site.folder / "external-links.txt").read_text("utf-8").splitlines()
    listed = {line.split()[0] for line in lines}
    linked = {
        link for page in site.pages.values() for link in page.content if link.startswith(EXTERNAL)
    }
    assert linked == listed
    assert len(listed) >= 5


def test_every_page_of_the_docs_is_on_the_site(site: Site) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site.folder / page.relative_to(ROOT)).with_suffix(".html") in site.pages


def test_the_first_hour_has_the_same_steps_on_the_site(site: Site) -> None:
    steps = walkthrough.steps((ROOT / "docs/first-hour.md").read_text("utf-8"))
    assert steps
    for name in ("first-hour.html", "first-hour.zh-CN.html"):
        built = (site.folder / "docs" / name).read_text("utf-8")
        assert walkthrough.steps_of_html(built) == steps
