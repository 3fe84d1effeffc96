"""Versions whose stores have other layouts: forward by an upgrade, refused backward, and the way
back that docs/guide/exchange.md describes, word for word."""

import os
import pathlib
import re
import shutil
import sqlite3

import readme
import unit
from host import wait
from lab import ALICE, BOB

ROOT = pathlib.Path(os.environ["ROOT"])
STATE = "var/lib/calway"
KEEP = "-oDpkg::Options::=--force-confold"


def layout(path):
    """As SQLite reads it: what was written last may lie in the log beside the file."""
    db = sqlite3.connect(path)
    (number,) = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return number


def as_of_layout_4(store):
    """The store as a program of layout 4 leaves it: its tables, with what this one has in them."""
    old = store.with_name("old.db")
    db = sqlite3.connect(old)
    db.executescript((ROOT / "tests/golden/store/layout-4.sql").read_text())
    names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"
                       " AND name NOT LIKE 'sqlite_%'").fetchall()
    db.execute("ATTACH ? AS newer", [str(store)])
    for (name,) in names:
        columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({name})"))
        db.execute(f"DELETE FROM main.{name}")
        db.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM newer.{name}")
    db.commit()
    db.close()
    facts = store.stat()
    shutil.chown(old, facts.st_uid, facts.st_gid)
    old.chmod(facts.st_mode & 0o777)
    old.rename(store)


def way_back():
    """The guide's commands."""
    text = (ROOT / "docs/guide/exchange.md").read_text()
    section = re.search(r"^## A new version, and back\n(.*?)^## ", text, re.S | re.M).group(1)
    blocks = re.findall(r"(?:^    .*\n)+", section, re.M)
    (block,) = [block for block in blocks if "calway.db.layout-" in block]
    return re.sub(r"^    ", "", block, flags=re.M)


def an_upgrade_takes_an_older_store_over_and_keeps_a_copy(host, lab):
    state, newest = host.root / STATE, unit.version_of(host)
    config = host.ask("cat", "/etc/calway/calway.toml")
    number = host.show("MainPID")
    unit.install(host, unit.previous(host, "# Of the version before.\n"), KEEP)
    unit.ready_anew(host, "the version before", number)
    lab.relays(ALICE)
    # Between the end of the old program and the start of the new one the store becomes old.
    pause = "touch /opt/lab/ended; until [ -e /opt/lab/go ]; do sleep 0.1; done"
    unit.drop_in(host, "pause.conf",
                 f"[Service]\nTimeoutStopSec=60\nExecStopPost=+/bin/sh -c '{pause}'\n")
    unit.install(host, unit.package().name, KEEP)
    wait("the old program's end", (host.root / "opt/lab/ended").exists)
    as_of_layout_4(state / "calway.db")
    (host.root / "opt/lab/go").touch()
    unit.ready_anew(host, "the new program", number)
    unit.without_drop_in(host, "pause.conf")
    assert unit.version_of(host) == newest
    assert layout(state / "calway.db.layout-4") == 4
    assert host.ask("stat", "--format=%a %U", f"/{STATE}/calway.db.layout-4") == host.ask(
        "stat", "--format=%a %U", f"/{STATE}/calway.db")
    for user in (ALICE, BOB):
        lab.relays(user)
    # What the administrator wrote stays, and what is shipped now lies beside it.
    assert host.ask("cat", "/etc/calway/calway.toml") == config
    assert "[[calendar]]" in host.ask("cat", "/etc/calway/calway.toml.dpkg-dist")
    lab.has_all_once()


def a_store_of_a_newer_version_is_refused_with_what_to_do(host, lab):
    host.run("systemctl", "stop", "calway")
    store = host.root / STATE / "calway.db"
    assert layout(store) == 5, "it was taken over"
    db = sqlite3.connect(store)
    db.execute("PRAGMA user_version = 99")
    db.close()
    assert host.run("systemctl", "start", "calway", check=False).returncode
    found = wait("it is told", lambda: host.journal("CONDITION=start-fails"))[-1]
    words = ("layout 99", "calway.db.layout-4", "install calway")
    for word in words:
        assert word in found["MESSAGE"], (word, found)
    status = host.ask("systemctl", "status", "calway", "--no-pager")
    assert "layout 99" in status, status
    assert "layout 99" in host.show("StatusText"), status
    said = host.ask("journalctl", "--no-pager", "-x", "CONDITION=start-fails")
    assert "What to do: " in said and "exchange.md" in said, said
    host.run("systemctl", "stop", "calway")
    assert layout(store) == 99, "it is left alone"


def going_back_as_the_guide_has_it_loses_nothing(host, lab):
    title = lab.meet(ALICE)
    # Whoever asks on the way (apt, and dpkg for the configuration) is answered by Enter.
    readme.typed(host, way_back(), [])
    wait("READY", lambda: unit.is_ready(host))
    assert unit.version_of(host) == unit.PREVIOUS
    wait(f"{title}, made meanwhile", lambda: lab.shown(ALICE, title))
    for user in (ALICE, BOB):
        lab.relays(user)
    lab.has_all_once()
    number = host.show("MainPID")
    unit.install(host, unit.package().name, KEEP)
    unit.ready_anew(host, "the new program", number)
    lab.relays(BOB)
    lab.has_all_once()


TESTS = [
    an_upgrade_takes_an_older_store_over_and_keeps_a_copy,
    a_store_of_a_newer_version_is_refused_with_what_to_do,
    going_back_as_the_guide_has_it_loses_nothing,
]
