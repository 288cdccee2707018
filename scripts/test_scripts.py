"""Tests of the checks: each accepts correct input and refuses faulty input."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from scripts.check_package import CORE, faults_of_wheel, sources
from scripts.check_site import main as check_site
from scripts.check_site import remote_in

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<script src="//cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example/css?family=Roboto">',
        '<link rel="preconnect" href="https://fonts.example" crossorigin>',
        '<img src="HTTPS://badges.example/build.svg">',
        '<img srcset="local.png 1x, https://img.example/2x.png 2x">',
        '<iframe src="https://video.example/1"></iframe>',
        '<svg><use href="https://icons.example/all.svg#one"></use></svg>',
        '<p style="background: url(https://img.example/a.png)">text</p>',
        "<style>@import 'https://fonts.example/a.css';</style>",
        '<script>fetch("https://api.example/stars")</script>',
        '<pre class="mermaid"><code>graph TD</code></pre>',
        '<a href="https://git.example/twofold" data-md-component="source">repository</a>',
    ],
)
def test_a_page_that_fetches_from_elsewhere_is_found(html: str, tmp_path: Path) -> None:
    """Each kind of fetch from another host is found."""
    (tmp_path / "index.html").write_text(html, "utf-8")

    assert remote_in(tmp_path / "index.html")
    assert check_site(str(tmp_path)) == 1


@pytest.mark.parametrize(
    "html",
    [
        '<script src="assets/bundle.js"></script><link rel="stylesheet" href="../main.css">',
        '<link rel="canonical" href="https://twofold.example/"><a href="https://example.org">a link</a>',
        '<img src="data:image/png;base64,//8=">',
        "<code>&lt;script src=https://example.org/x.js&gt;</code>",
        '<p>See "https://example.org/x.js".</p>',
    ],
)
def test_a_page_that_only_links_is_accepted(html: str, tmp_path: Path) -> None:
    """Links that a reader may follow, and text that looks like code, do not count as fetches."""
    (tmp_path / "index.html").write_text(html, "utf-8")

    assert check_site(str(tmp_path)) == 0


def test_remote_fonts_in_a_style_sheet_and_urls_in_a_script_are_found(tmp_path: Path) -> None:
    """Style sheets and scripts of the site are checked as well."""
    (tmp_path / "a.css").write_text("@font-face { src: url('https://fonts.example/a.woff2') }", "utf-8")
    (tmp_path / "b.js").write_text("load(`https://cdn.example/b.js`)", "utf-8")

    assert remote_in(tmp_path / "a.css") == ["https://fonts.example/a.woff2"]
    assert remote_in(tmp_path / "b.js") == ["https://cdn.example/b.js"]


def test_a_site_without_pages_is_refused(tmp_path: Path) -> None:
    """An empty folder is refused, because its build failed."""
    assert check_site(str(tmp_path)) == 1


def test_a_wheel_that_differs_from_the_sources_is_refused(tmp_path: Path) -> None:
    """An extra file, a missing file, a missing marker and an extra dependency are reported."""
    for name in ["src/one/__init__.py", "src/one/py.typed", "adapters/two/__init__.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ["one/__init__.py", "two/__init__.py", "orders/__init__.py"]:
            archive.writestr(name, "")
        needs = [f"Requires-Dist: {name}>=1" for name in [*sorted(CORE), "sqlalchemy"]]
        extra = "Requires-Dist: aiosqlite; extra == 'sqlite'"
        archive.writestr("x-1.dist-info/METADATA", "\n".join(["Name: x", *needs, extra, ""]))

    faults = faults_of_wheel(wheel, sources(tmp_path))

    assert faults[:-1] == [
        "the wheel lacks one/py.typed",
        "the wheel should not hold orders/__init__.py",
        "one has no py.typed",
        "two has no py.typed",
    ]
    assert "sqlalchemy" in faults[-1]


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    """constraints.txt does not contain an index, host, path or option."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    versions = [line for line in lines if not line.startswith("#")]

    assert versions
    assert [line for line in versions if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)] == []
