"""The site: ``python -m sphinx -W -c docs . site`` builds it from the repository's pages.

The source is the repository, not docs/, so that links between pages are the same here and on
GitHub, from and to README.md, CONTRIBUTING.md and benchmarks/README.md as well.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nnexp import __version__  # noqa: E402 - of this checkout, installed or not

project = "nnexp"
release = __version__
copyright = "The nnexp developers"  # noqa: A001 - Sphinx's name
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docs.extensions.pages",
]

root_doc = "docs/index"
include_patterns = [
    *("README*.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md"),
    "docs/**",
]
exclude_patterns = [".*", "build", "configs", "dist", "nnexp", "runs", "site", "tests"]
suppress_warnings = ["config.cache"]
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(collections\.abc|numpy|os|pathlib|nnexp\.study|nnexp\.analysis\.statistics)\..*")
]

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "deflist"]
smartquotes = False  # -- is an option
highlight_language = "text"  # output of commands; blocks of code name their language

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "nnexp"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "home.html"}
templates_path = ["templates"]
html_copy_source = False
html_show_sourcelink = False
