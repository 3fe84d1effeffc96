"""The lab's Exchange and cloud, and `calway run` between them with its files in a folder."""

import base64
import json
import os
import pathlib
import secrets
import subprocess
import time
import traceback
import urllib.request

MAIL = "corp.example"
USERS = ["user00001", "user00002", "user00003"]
HOUR = 3_600_000
DAY = 24 * HOUR


def wait(what, holds, seconds=60.0):
    """Until something holds that nobody tells; answers what it holds."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > until:
            raise RuntimeError(f"in vain: {what}")
        time.sleep(0.05)
    return found


class Connector:
    """One connector. `store` is its file."""

    def __init__(self, work, name, store=None):
        self.name, self.process, self.written, self.items = name, None, 0, {}
        self.work, self.folder = pathlib.Path(work), pathlib.Path(work) / name
        self.secrets = self.folder / "credentials"
        self.secrets.mkdir(parents=True, exist_ok=True)
        self.store = store or self.folder / "calway.db"
        self.environment, self.preexec = {}, None
        self.programs, self.facts = [], {}
        for part, words in [("exchange", ["--mailboxes", len(USERS), "--items", 4]),
                            ("cloud", ["--anchor-out", self.folder / "anchor.pem"])]:
            self._lab(part, *words, "--ca-out", self.folder / f"{part}.pem")
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        cloud = self.facts["cloud"]
        for secret, text in [("calendar.hq.password", "lab-password"), ("store.key", key),
                             ("cloud.client_secret", cloud["clientSecret"])]:
            (self.secrets / secret).write_text(text)
        self.config = self.folder / "calway.toml"
        self.config.write_text(f"""poll_seconds = 5
presence_seconds = 3600
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
[admin]
socket = "{self.folder}/admin.sock"
[store]
path = "{self.store}"
""")
        self.log = self.folder / "log"
        self.log.write_text("")

    def _lab(self, part, *words):
        words = [os.environ["CALWAY_LAB"], part, "--json", *map(str, words)]
        program = subprocess.Popen(words, stdout=subprocess.PIPE, text=True,
                                   stderr=open(self.work / f"{part}.log", "w"))
        self.programs.append(program)
        self.facts[part] = json.loads(program.stdout.readline())

    def start(self):
        """`environment` is what it gets more, `preexec` what the child does before."""
        words = [os.environ["CALWAY"], "run", "--json", "--config", self.config]
        environment = os.environ | {"CREDENTIALS_DIRECTORY": str(self.secrets)}
        for name in ("NOTIFY_SOCKET", "JOURNAL_STREAM"):
            environment.pop(name, None)
        self.process = subprocess.Popen(list(map(str, words)), env=environment | self.environment,
                                        stderr=open(self.log, "a"), preexec_fn=self.preexec)

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)

    def end(self):
        for program in [self.process, *self.programs]:
            if program and program.poll() is None:
                program.kill()
                program.wait()

    def ask(self, part, path, body=None):
        """One request to the lab's control endpoint; the answer's JSON."""
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
        """One more meeting, whose title is found nowhere else; in `items` is how to name it."""
        self.written += 1
        title = f"{self.name} {self.written}"
        start = int(time.time() // 60 * 60_000) + self.written % 400 * HOUR
        made = self.ask("exchange", "/items", {"mailbox": f"{user}@{MAIL}", "subject": title,
                                               "start_ms": start, "minutes": 30})
        self.items[title] = {"mailbox": f"{user}@{MAIL}", "id": made["id"]}
        return title

    def calendar(self, user, days=(6, 30)):
        now = int(time.time() * 1000)
        span = f"from={now - days[0] * DAY}&to={now + days[1] * DAY}"
        return self.ask("exchange", f"/mailboxes/{user}@{MAIL}/view?{span}")

    def is_exact(self, days=(6, 30)):
        """The cloud has each meeting of so many days before and after, as it is, and once."""
        for user in USERS:
            there = sorted(one["subject"] for one in self.calendar(user, days))
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


def play(tests):
    """Runs tests, each with a connector that it makes, and ends with the counts. A test is what
    makes one (or nothing, where it cannot be had here), the test, and what clears up."""
    passed = failed = 0
    for make, test, clear in tests:
        name = test.__name__.replace("_", " ")
        connector = make(f"store-{passed + failed}")
        if not connector:
            continue
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
            clear()
    print(f"{passed} passed, {failed} failed")
