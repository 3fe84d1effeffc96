"""The connector, a real journald, journalctl and its catalog, and promtool. Runs in a namespace
that run.sh made, and ends with its counts."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

ROOT, WORK = map(pathlib.Path, sys.argv[1:3])
sys.path.insert(0, str(ROOT / "tests/real"))
import house  # noqa: E402  (its connector, with the lab beside it)

passed = failed = 0


def check(what, holds, shown=""):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
    print("ok     " if holds else "FAILED ", what, "" if holds else shown)


def journalctl(*words):
    done = subprocess.run(["journalctl", "--no-pager", "-t", "calway", *words],
                          capture_output=True, text=True)
    return done.stdout


def lines(*words):
    return [json.loads(line) for line in journalctl("-o", "json", "--all", *words).splitlines()]


def wait(what, holds, seconds=60):
    until = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > until:
            print("FAILED  in vain:", what)
            print(journalctl()[-4000:])
            raise SystemExit(end(1))
        time.sleep(0.1)
    return found


def end(more=0):
    print(f"{passed} passed, {failed + more} failed")
    return 0


def start():
    """The connector as systemd starts it: what it has to say goes to journald."""
    connector = house.Connector(WORK, "journald")
    text = connector.config.read_text()
    connector.config.write_text('log = "debug"\n' + text +
                                '[metrics]\nlisten = "127.0.0.1:9464"\n')
    words = [os.environ["CALWAY"], "run", "--config", str(connector.config)]
    environment = os.environ | {"CREDENTIALS_DIRECTORY": str(connector.secrets),
                                "JOURNAL_STREAM": "1:1"}
    environment.pop("NOTIFY_SOCKET", None)
    connector.process = subprocess.Popen(words, env=environment,
                                         stderr=open(connector.log, "a"))
    return connector


def fields(connector):
    user = house.USERS[0]
    connector.ask("cloud", "/activate", {"user": user, "address": f"{user}@{house.MAIL}"})
    (listening, *_) = wait("it is listened to", lambda: lines("CONDITION=listening"))
    check("a line has its condition, its severity and its user",
          (listening["SEVERITY"], listening["PRIORITY"], listening["USER_ID"],
           listening["CALENDAR"]) == ("debug", "7", user, "hq"), listening)
    check("it has a MESSAGE_ID", len(listening["MESSAGE_ID"]) == 32, listening)
    connector.meet(user)
    edit = wait("the edit is on the disk", lambda: lines("CONDITION=committed", "EVENTS=1"))[-1]
    tracked = wait("all lines of the change", lambda: (
        found := lines(f"TRACKING_ID={edit['TRACKING_ID']}")) and len(found) >= 4 and found)
    check("one change is followed by its TRACKING_ID",
          {one["CONDITION"] for one in tracked} ==
          {"reading", "committed", "event-sent", "event-answered"}, tracked)
    ready = wait("ready", lambda: lines("CONDITION=ready"))[0]
    check("ready is an info", (ready["PRIORITY"], ready["SEVERITY"]) == ("6", "info"), ready)


def remedy(connector):
    """A mailbox that is not there: its line, with what to do and its fields filled in."""
    connector.ask("cloud", "/activate", {"user": "u-nobody", "address": f"nobody@{house.MAIL}"})
    failing = wait("it fails", lambda: lines("CONDITION=mailbox-failing"))[0]
    check("the failing mailbox is a warning", failing["PRIORITY"] == "4", failing)
    done = subprocess.run(["journalctl", "--update-catalog"], capture_output=True, text=True)
    check("the catalog is compiled", done.returncode == 0, done.stderr)
    listed = subprocess.run(["journalctl", "--list-catalog"], capture_output=True, text=True).stdout
    entries = [one for one in (ROOT / "systemd/calway.catalog").read_text().splitlines()
               if one.startswith("-- ")]
    check("every condition is in it", all(one[3:] in listed for one in entries),
          f"{len(entries)}\n{listed}")
    shown = journalctl("-x", "CONDITION=mailbox-failing")
    print(shown)
    plain = " ".join(shown.split()).replace("░░ ", "")
    check("journalctl -x says what happened, with the fields filled in",
          "user u-nobody (calendar hq) cannot be read" in plain, plain)
    check("why, and what to do", "Why: The mailbox is not there any more" in plain
          and "calway user show u-nobody" in plain
          and "Get-ManagementRoleAssignment" in plain, plain)
    check("no field is left open", "@" not in plain.split("What to do:")[1].split("--")[0], plain)
    every = "".join(json.dumps(one) for one in lines())
    check("no address is in the journal", house.MAIL not in every)


def metrics():
    if not shutil.which("promtool"):
        print("NOT HERE: promtool")
        return
    rules = ROOT / "packaging/prometheus/calway.rules.yml"
    done = subprocess.run(["promtool", "check", "rules", str(rules)], capture_output=True,
                          text=True)
    check("promtool takes the alert rules", done.returncode == 0, done.stdout + done.stderr)
    with urllib.request.urlopen("http://127.0.0.1:9464/metrics", timeout=20) as answer:
        scrape = answer.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=scrape, capture_output=True)
    check("promtool takes a scrape", done.returncode == 0,
          (done.stdout + done.stderr).decode() + scrape.decode())


connector = start()
try:
    fields(connector)
    remedy(connector)
    metrics()
    check("it stops when it is told to", connector.stop() == 0)
finally:
    connector.end()
end()
