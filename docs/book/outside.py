#!/usr/bin/env python3
"""A preprocessor of mdBook for what docs/ links to outside of docs/.

On a git host `../src/lib.rs` leads to the file; in the book nothing is there.
So here

- pages of the repository that a reader of the book wants (CHAPTERS) become
  chapters, and links to them lead there;
- pictures go into the page;
- any other link leads to the repository, if book.toml says where it is
  (`output.html.git-repository-url`, or `base` of this preprocessor: the address
  before a file's path), and else is the file's path as text.

mdBook runs it as `outside.py supports html`, and then with its context and the
book as JSON on standard input.
"""

import base64
import json
import mimetypes
import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs"
# A file, its chapter's file and title. The first stands before all others, the
# rest behind.
CHAPTERS = [
    ("README.md", "index.md", "order-processor"),
    ("ARCHITECTURE.md", "architecture.md", "Architecture"),
    ("perf/README.md", "measuring.md", "Measuring"),
    ("perf/results/README.md", "results.md", "Results"),
    ("CHANGELOG.md", "changelog.md", "Changelog"),
]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^([ ]*```.*?^[ ]*```$)", re.MULTILINE | re.DOTALL)


def main():
    if sys.argv[1:2] == ["supports"]:
        sys.exit(0 if sys.argv[2:] == ["html"] else 1)
    context, book = json.load(sys.stdin)
    base = base_address(context["config"])
    # What mdBook 0.4 calls sections, 0.5 calls items.
    items = book["items"] if "items" in book else book["sections"]
    for chapter in chapters(items):
        chapter["content"] = mended(chapter["content"], f"{DOCS}/{chapter['path']}", base)
    before, *behind = (added(*which, base) for which in CHAPTERS)
    items[:] = [before, *items, *behind]
    json.dump(book, sys.stdout)


def base_address(config):
    given = config.get("preprocessor", {}).get("outside", {}).get("base")
    repository = config.get("output", {}).get("html", {}).get("git-repository-url")
    if given or not repository:
        return given
    return repository.rstrip("/") + "/blob/HEAD/"


def chapters(items):
    waiting = list(items)
    while waiting:
        chapter = waiting.pop()
        if isinstance(chapter, dict) and "Chapter" in chapter:
            yield chapter["Chapter"]
            waiting += chapter["Chapter"]["sub_items"]


def added(file, path, title, base):
    content = mended((ROOT / file).read_text(), file, base)
    chapter = {"name": title, "content": content, "number": None, "sub_items": []}
    return {"Chapter": chapter | {"path": path, "source_path": None, "parent_names": []}}


def mended(text, file, base):
    """The text of a file of the repository, as a chapter of the book."""
    parts = FENCE.split(text)
    parts[::2] = (LINK.sub(lambda link: replaced(link, file, base), part) for part in parts[::2])
    return "".join(parts)


def replaced(link, file, base):
    is_picture, text, target = link.groups()
    if ":" in target or target.startswith("#"):
        return link[0]
    path, hash_sign, heading = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    inside = {there: here for there, here, _ in CHAPTERS}.get(path)
    if path.startswith(f"{DOCS}/") and (ROOT / path).is_file():
        inside = posixpath.relpath(path, DOCS)
    if inside:
        return f"{is_picture}[{text}]({inside}{hash_sign}{heading})"
    if is_picture:
        kind, _ = mimetypes.guess_type(path)
        content = base64.b64encode((ROOT / path).read_bytes()).decode()
        return f"![{text}](data:{kind};base64,{content})"
    if base:
        return f"[{text}]({base}{path}{hash_sign}{heading})"
    named = path.startswith(text) or path.endswith(text)
    return f"`{path}`" if named else f"{text} (`{path}`)"


main()
