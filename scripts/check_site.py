"""Check that a built site fetches nothing from another host: `python scripts/check_site.py FOLDER`.

The documentation can be read without a network and without tracking. Links that a reader may follow are allowed.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

REMOTE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
REMOTE_IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?\s*((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
REMOTE_IN_SCRIPT = re.compile(r"""["'`](https?://[^"'`\s]+)""")
# <link> elements that are only information. All other kinds fetch or connect.
SAYING = {"alternate", "author", "canonical", "help", "license", "next", "prev", "search"}
FETCHING = {"src", "srcset", "data", "poster", "background"}
FETCHING_BY_HREF = {"image", "use", "feimage"}
# Files that the theme's script fetches only for a diagram or a link to a repository, which `Page` reports, and in
# browsers older than 2020.
THEME_SCRIPT = re.compile(r"assets/javascripts/bundle\.[0-9a-f]+\.min\.js$")
DORMANT = re.compile(r"https://(unpkg\.com/(mermaid@|resize-observer-polyfill)|api\.github\.com/|\$\{\w+\}/api/v4/)")


class Page(HTMLParser):
    """Collects the fetches of one page from other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.remote: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        for name, value in values.items():
            fetches = name in FETCHING or (
                name in {"href", "xlink:href"}
                and (tag in FETCHING_BY_HREF or (tag == "link" and not fetches_nothing(values)))
            )
            addresses = value.split(",") if name == "srcset" else [value]
            if fetches and any(REMOTE.match(address) for address in addresses):
                self.remote.append(f"<{tag} {name}={value}>")
        self.remote += [f"<{tag} style={url}>" for url in REMOTE_IN_CSS.findall(values.get("style", ""))]
        if "mermaid" in values.get("class", "").split():
            self.remote.append(f"<{tag} class=mermaid>: the theme fetches a script to draw it")
        if values.get("data-md-component") == "source":
            self.remote.append(f"<{tag}> links to the repository: the theme fetches its number of stars")
        self._inside = tag if tag in {"script", "style"} else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            pattern = REMOTE_IN_CSS if self._inside == "style" else REMOTE_IN_SCRIPT
            self.remote += [f"<{self._inside}> {url}" for url in pattern.findall(data)]


def fetches_nothing(link: dict[str, str]) -> bool:
    return set(link.get("rel", "").lower().split()) <= SAYING


def remote_in(path: Path) -> list[str]:
    """Return the fetches of a file from other hosts."""
    text = path.read_text("utf-8")
    if path.suffix == ".css":
        return REMOTE_IN_CSS.findall(text)
    if path.suffix == ".js":
        known = DORMANT if THEME_SCRIPT.search(path.as_posix()) else None
        return [url for url in REMOTE_IN_SCRIPT.findall(text) if not (known and known.match(url))]
    page = Page()
    page.feed(text)
    return page.remote


def main(folder: str) -> int:
    files = [path for path in sorted(Path(folder).rglob("*")) if path.suffix in {".html", ".css", ".js"}]
    if not any(path.suffix == ".html" for path in files):
        print(f"{folder} does not contain a page to check. Build the documentation first: make docs")
        return 1
    found = [(path, remote) for path in files for remote in remote_in(path)]
    for path, remote in found:
        print(f"{path}: {remote}")
    if not found:
        print(f"{len(files)} files of {folder}/ fetch nothing from another host")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
