#!/usr/bin/env python3
"""The licences of all that is linked into the packages' program, as one text on the output.

Asks `cargo metadata` which crates those are (no build scripts, no macros, no tests) and takes the
texts from their sources, each once. The same sources give the same text, to the byte. A crate
that brings no text of its own gets the common one of its licence from packaging/licences/.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
FEATURES = ["--no-default-features", "--features", "kerberos"]
NAMED = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)([-._].*)?$", re.IGNORECASE)
# Code that stands in a crate's folder and in no program.
UNUSED = {"tests", "test", "examples", "benches", "fuzz", "util", "tool", "docs"}
LONGEST = 256 * 1024


def metadata():
    host = re.search(r"^host: (.+)$", run("rustc", "-vV"), re.MULTILINE).group(1)
    words = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host]
    return json.loads(run(*words, *FEATURES))


def run(*words):
    done = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def linked(facts):
    """The packages that end up in the program, sorted."""
    packages = {one["id"]: one for one in facts["packages"]}
    nodes = {one["id"]: one for one in facts["resolve"]["nodes"]}
    is_macro = {
        one: any("proc-macro" in target["kind"] for target in package["targets"])
        for one, package in packages.items()
    }
    todo, found = [facts["resolve"]["root"]], set()
    while todo:
        one = todo.pop()
        if one in found or is_macro[one]:
            continue
        found.add(one)
        for edge in nodes[one]["deps"]:
            if any(kind["kind"] is None for kind in edge["dep_kinds"]):
                todo.append(edge["pkg"])
    own = facts["resolve"]["root"]
    chosen = [packages[one] for one in found if one != own]
    return sorted([*chosen, std()], key=lambda one: (one["name"], one["version"]))


def std():
    """Rust's own library, which no lock file names."""
    version = re.search(r"^release: (.+)$", run("rustc", "-vV"), re.MULTILINE).group(1)
    authors = ["The Rust Project contributors"]
    return {"name": "std", "version": version, "license": "MIT OR Apache-2.0", "authors": authors}


def texts(package):
    """The licence texts of one crate: what lies in its folder, or the common text."""
    found = []
    folder = pathlib.Path(package["manifest_path"]).parent if "manifest_path" in package else None
    for path in sorted(folder.rglob("*")) if folder else []:
        inner = path.relative_to(folder).parts[:-1]
        if UNUSED & {part.lower() for part in inner} or not path.is_file():
            continue
        if NAMED.match(path.name) and path.stat().st_size <= LONGEST:
            text = path.read_text(encoding="utf-8", errors="replace")
            lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
            text = "\n".join(lines).strip("\n")
            # A file of a program that happens to be called so.
            if text and path.suffix not in {".rs", ".c", ".h", ".go", ".py", ".json", ".toml"}:
                found.append(text)
    if found:
        return list(dict.fromkeys(found))
    expression = package["license"] or ""
    names = re.split(r"\s+OR\s+|/", expression.strip("()"))
    for name in names:
        common = HERE / "licences" / f"{name.strip()}.txt"
        if common.is_file():
            holders = ", ".join(package["authors"]) or f"the authors of {package['name']}"
            return [common.read_text().strip("\n").replace("HOLDERS", holders)]
    sys.exit(f"licences: {package['name']} {package['version']} brings no text of {expression!r}")


def main():
    packages = linked(metadata())
    users, bodies = {}, {}
    for package in packages:
        for text in texts(package):
            mark = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
            bodies.setdefault(mark, text)
            users.setdefault(mark, []).append(f"{package['name']} {package['version']}")
    out = ["What is linked into /usr/bin/calway beside its own code, and under which licences.", ""]
    for package in packages:
        licence = package["license"] or "see its text"
        out.append(f"  {package['name']} {package['version']}: {licence}")
    for mark in sorted(bodies, key=lambda mark: users[mark]):
        out += ["", "-" * 79]
        out += [f"of {one}" for one in users[mark]]
        out += ["", bodies[mark]]
    print("\n".join(out))


main()
