"""The connector on a disk that gets full, and on one that becomes read-only. Runs in a namespace
that run.sh made, and ends with its counts."""

import base64
import errno
import json
import os
import pathlib
import secrets
import subprocess
import sys
import time
import traceback
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from checks import provoked  # noqa: E402

WORK = pathlib.Path(sys.argv[1])
DISK = WORK / "disk"
MAIL = "corp.example"
USERS = ["user00001", "user00002", "user00003"]
HOUR = 3_600_000


def run(*words):
    subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)


def wait(what, holds, seconds=60.0):
    until = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > until:
            raise RuntimeError(f"in vain: {what}")
        time.sleep(0.05)
    return found


def lab(part, *words):
    program = subprocess.Popen([os.environ["CALWAY_LAB"], part, "--json", *map(str, words)],
                               stdout=subprocess.PIPE, stderr=open(WORK / f"{part}.log", "w"),
                               text=True)
    return program, json.loads(program.stdout.readline())


class Connector:
    """The lab, and `calway run` with its store on DISK."""

    def __init__(self, name):
        self.name, self.process, self.written = name, None, 0
        self.folder = WORK / name
        self.secrets = self.folder / "credentials"
        self.secrets.mkdir(parents=True, exist_ok=True)
        self.programs, self.facts = [], {}
        for part, words in [("exchange", ["--mailboxes", len(USERS), "--items", 4]),
                            ("cloud", ["--anchor-out", self.folder / "anchor.pem"])]:
            ca = ["--ca-out", self.folder / f"{part}.pem"]
            program, self.facts[part] = lab(part, *words, *ca)
            self.programs.append(program)
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        cloud = self.facts["cloud"]
        for secret, text in [("calendar.hq.password", "lab-password"), ("store.key", key),
                             ("cloud.client_secret", cloud["clientSecret"])]:
            (self.secrets / secret).write_text(text)
        self.config = self.folder / "calway.toml"
        self.config.write_text(f"""poll_seconds = 5
[[calendar]]
name = "hq"
account = 'CORP\\svc-calway'
url = "{self.facts['exchange']['url']}"
autodiscover = "{self.facts['exchange']['autodiscover']}"
ca_file = "{self.folder}/exchange.pem"
system_trust = false
[cloud]
url = "{cloud['url']}"
connector = "{cloud['connector']}"
auth = {{ kind = "oauth", client_id = "{cloud['clientId']}" }}
ca_file = "{self.folder}/cloud.pem"
system_trust = false
[kms]
url = "{cloud['kms']}"
anchors_file = "{self.folder}/anchor.pem"
[store]
path = "{DISK}/calway.db"
""")
        self.log = self.folder / "log"
        self.log.write_text("")

    def start(self):
        words = [os.environ["CALWAY"], "run", "--json", "--config", str(self.config)]
        environment = os.environ | {"CREDENTIALS_DIRECTORY": str(self.secrets)}
        for name in ("NOTIFY_SOCKET", "JOURNAL_STREAM"):
            environment.pop(name, None)
        self.process = subprocess.Popen(words, env=environment, stderr=open(self.log, "a"))

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)

    def end(self):
        for program in [self.process, *self.programs]:
            if program and program.poll() is None:
                program.kill()
                program.wait()

    def ask(self, part, path, body=None):
        request = urllib.request.Request(self.facts[part]["control"] + path)
        request.data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def lines(self, condition, since=0):
        """What the journal says under this name."""
        lines = self.log.read_text()[since:].splitlines()
        found = (json.loads(line) for line in lines if f'"{condition}"' in line)
        return [line for line in found if condition in json.dumps(line)]

    def told(self):
        return self.log.stat().st_size

    def meet(self, user):
        """One more meeting, whose title is found nowhere else."""
        self.written += 1
        title = f"{self.name} {self.written}"
        start = int(time.time() // 60 * 60_000) + self.written % 400 * HOUR
        self.ask("exchange", "/items", {"mailbox": f"{user}@{MAIL}", "subject": title,
                                        "start_ms": start, "minutes": 30})
        return title

    def calendar(self, user):
        now = int(time.time() * 1000)
        span = f"from={now - 6 * 24 * HOUR}&to={now + 30 * 24 * HOUR}"
        return self.ask("exchange", f"/mailboxes/{user}@{MAIL}/view?{span}")

    def is_exact(self):
        """The cloud has each meeting of each calendar, as it is, and no other."""
        for user in USERS:
            there = sorted(one["subject"] for one in self.calendar(user))
            records = self.ask("cloud", f"/users/{user}/meetings")
            here = sorted(one["subject"] for one in records if not one["unreadable"])
            # The window is a little longer than what is compared.
            if any(here.count(title) != 1 for title in there):
                return False
        return True

    def asked(self):
        """How often Exchange was asked for meetings."""
        counts = self.ask("exchange", "/log")["counts"]["operations"]
        return sum(counts.get(name, 0) for name in ("SyncFolderItems", "GetItem", "FindItem"))

    def begin(self):
        self.start()
        for user in USERS:
            self.ask("cloud", "/activate", {"user": user, "address": f"{user}@{MAIL}"})
        wait("the first meetings", self.is_exact)


def fill():
    """Not a byte is left. The last pages go one by one."""
    ballast = os.open(DISK / "ballast", os.O_WRONLY | os.O_CREAT)
    for size in (1 << 20, 4096, 1):
        try:
            while True:
                os.write(ballast, bytes(size))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
    os.close(ballast)


def free():
    (DISK / "ballast").unlink()


def outage(connector, holds):
    """What the cloud was told last says so, or does not any more."""
    status = connector.ask("cloud", "/stats")["status"] or {}
    names = status.get("conditions", [])
    return ("store-fails" in names and status["severity"] == "critical") == holds


def named(connector, since, *words):
    """The condition is named, critical, with a reason that is one of these and what to do."""
    found = wait("the condition", lambda: connector.lines("store-fails", since))
    line = json.dumps(found[0])
    assert '"critical"' in line and any(word in line for word in words), line


def a_full_disk_is_named_and_heals_by_itself(connector):
    connector.begin()
    before = connector.ask("cloud", "/stats")
    since = connector.told()
    fill()
    titles = []

    # The write-ahead log may have some room of its own; edits come until there is no more.
    def edit():
        titles.extend(connector.meet(user) for user in USERS)
        return connector.lines("store-fails", since)

    wait("an edit that finds no room", lambda: [time.sleep(0.2), edit()][1])
    named(connector, since, "full")
    titles.extend(connector.meet(user) for user in USERS for _ in range(5))
    # The cloud is told without the disk.
    wait("the cloud knows", lambda: outage(connector, True), 45)
    # Whoever is alone tries within a minute; the others ask for nothing.
    asked = connector.asked()
    time.sleep(20)
    tries = connector.asked() - asked
    assert tries <= 12, f"{tries} requests for meetings in 20 s of a full disk"
    assert connector.process.poll() is None, "it goes on"
    assert not connector.is_exact(), "the disk was full indeed"

    healed = connector.told()
    free()
    wait("every meeting at the cloud", connector.is_exact, 120)
    wait("the end of it is told", lambda: connector.lines("store-well", healed))
    wait("the cloud knows", lambda: outage(connector, False), 45)
    after = connector.ask("cloud", "/stats")
    assert after["stored"] - before["stored"] == len(titles), (before, after, len(titles))
    assert after["duplicatedVisible"] == after["rejected"] == 0, after
    versions = [one for user in USERS for one in connector.ask("cloud", f"/users/{user}/records")]
    assert all(one["versions"] == 1 for one in versions if not one["deleted"]), versions
    # Nor does anything come again after a start.
    assert connector.stop() == 0
    stored = after["stored"]
    connector.start()
    last = connector.meet(USERS[0])
    wait(f"{last} at the cloud", connector.is_exact)
    assert connector.ask("cloud", "/stats")["stored"] == stored + 1


def a_start_on_a_full_disk_says_so_and_loses_nothing(connector):
    connector.begin()
    stored = connector.ask("cloud", "/stats")["stored"]
    assert connector.stop() == 0
    fill()
    title = connector.meet(USERS[0])
    since = connector.told()
    connector.start()

    def judged():
        ended = connector.process.poll()
        said = connector.log.read_text()[since:]
        assert ended is None or (ended == 1 and "full" in said), (ended, said)
        return ended == 1 or connector.lines("store-fails", since)

    wait("a word about the disk", judged, 30)
    free()
    if connector.process.poll() is not None:
        connector.start()
    wait(f"{title} at the cloud", connector.is_exact, 120)
    assert connector.ask("cloud", "/stats")["stored"] == stored + 1


def a_read_only_disk_at_the_start_says_so(connector):
    connector.begin()
    assert connector.stop() == 0
    title = connector.meet(USERS[0])
    run("mount", "-o", "remount,ro", DISK)
    since = connector.told()
    connector.start()

    assert connector.process.wait(30) == 1
    said = connector.log.read_text()[since:]
    assert "calway.db" in said and "can only be read" in said and "mounted read-only" in said, said
    run("mount", "-o", "remount,rw", DISK)
    connector.start()
    wait(f"{title} at the cloud", connector.is_exact)


def a_disk_that_the_system_makes_read_only_is_named_and_nothing_is_lost(connector):
    connector.begin()
    before = connector.ask("cloud", "/stats")
    since = connector.told()
    # As ext4 does by itself after an error (errors=remount-ro).
    run("mount", "-o", "remount,abort", DISK)
    titles = [connector.meet(user) for user in USERS]
    named(connector, since, "read", "disk I/O", "write")
    assert connector.process.poll() is None, "it goes on"
    # Mended as an administrator would, who cannot do so while it runs.
    connector.stop()
    run("umount", DISK)
    subprocess.run(["e2fsck", "-p", "-f", str(WORK / "image")], capture_output=True)
    run("mount", "-o", "loop", WORK / "image", DISK)
    titles.append(connector.meet(USERS[0]))
    connector.start()
    wait("every meeting at the cloud", connector.is_exact, 60)
    after = connector.ask("cloud", "/stats")
    assert after["stored"] - before["stored"] == len(titles), (before, after)
    assert after["duplicatedVisible"] == after["rejected"] == 0, after


def the_check_tells_each_disk_with_what_to_do(connector):
    environment = os.environ | {"CREDENTIALS_DIRECTORY": str(connector.secrets)}
    fill()
    provoked("disk", "full", connector.config, environment)
    free()
    run("mount", "-o", "remount,size=512m", DISK)
    provoked("disk", "low", connector.config, environment)
    run("mount", "-o", "remount,ro", DISK)
    provoked("disk", "read-only", connector.config, environment)


def tmpfs():
    run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", DISK)
    return True


def ext4():
    try:
        image = WORK / "image"
        image.write_bytes(b"")
        os.truncate(image, 48 << 20)
        run("mkfs.ext4", "-q", "-F", image)
        run("mount", "-o", "loop", image, DISK)
        return True
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"NOT HERE: no file system of its own in a file ({error})")
        return False


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    passed = failed = 0
    for mount, test in [(tmpfs, a_full_disk_is_named_and_heals_by_itself),
                        (tmpfs, a_start_on_a_full_disk_says_so_and_loses_nothing),
                        (tmpfs, a_read_only_disk_at_the_start_says_so),
                        (tmpfs, the_check_tells_each_disk_with_what_to_do),
                        (ext4, a_disk_that_the_system_makes_read_only_is_named_and_nothing_is_lost)]:
        name = test.__name__.replace("_", " ")
        if not mount():
            continue
        connector = Connector(f"store-{passed + failed}")
        try:
            test(connector)
            passed += 1
            print(f"ok      {name}", flush=True)
        except Exception:  # noqa: BLE001 - whatever it is, it failed
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}{connector.log.read_text()[-3000:]}",
                  flush=True)
        finally:
            connector.end()
            subprocess.run(["umount", "--lazy", str(DISK)], capture_output=True)
    print(f"{passed} passed, {failed} failed")


if __name__ == "__main__":
    main()
