"""The lab's Exchange and cloud inside the host, under the names that the README's example has."""

import json
import shutil
import time
import urllib.request

from host import wait

MAIL = "corp.example"
ALICE, BOB = "user00001", "user00002"
EXCHANGE = "mail.corp.example"
CLOUD = "relay.example.com"
HOUR = 3_600_000


class Lab:
    def __init__(self, host, program):
        self.host, self.facts, self.written, self.titles = host, {}, 0, {}
        folder = host.root / "opt/lab"
        folder.mkdir(parents=True)
        shutil.copy(program, folder / "calway-lab")
        with open(host.root / "etc/hosts", "a") as hosts:
            hosts.write(f"\n127.0.0.1 {EXCHANGE}\n127.0.0.2 {CLOUD}\n")

    def start(self):
        self._part("exchange", "--listen=127.0.0.1:443", "--ca-out=/opt/lab/corp-ca.pem")
        self._part("cloud", "--listen=127.0.0.2:443", f"--name={CLOUD}", "--name=127.0.0.2",
                   "--ca-out=/usr/local/share/ca-certificates/relay.crt",
                   "--anchor-out=/opt/lab/kms-anchor.pem")
        # As a cloud of the Internet has it: its authority is one of the system's.
        self.host.run("update-ca-certificates")

    def _part(self, part, *words):
        file = self.host.root / f"opt/lab/{part}.json"
        self.host.run("systemd-run", f"--unit=lab-{part}", "--quiet",
                      f"--property=StandardOutput=truncate:/opt/lab/{part}.json",
                      "/opt/lab/calway-lab", part, "--json", *words)
        text = wait(f"the lab's {part}", lambda: file.exists() and file.read_text())
        self.facts[part] = json.loads(text)

    def ask(self, part, path, body=None):
        request = urllib.request.Request(self.facts[part]["control"] + path)
        request.data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def activate(self, user):
        self.ask("cloud", "/activate", {"user": user, "address": f"{user}@{MAIL}"})

    def meet(self, user):
        """One more meeting; its title is found nowhere else."""
        self.written += 1
        title = f"Milestone {self.written}"
        start = int(time.time() // 60 * 60_000) + self.written * HOUR
        self.ask("exchange", "/items", {"mailbox": f"{user}@{MAIL}", "subject": title,
                                        "start_ms": start, "minutes": 30})
        self.titles.setdefault(user, set()).add(title)
        return title

    def shown(self, user, title):
        """The meeting as the user's app shows it."""
        records = self.ask("cloud", f"/users/{user}/meetings")
        return [one for one in records if one["subject"] == title]

    def relays(self, user, seconds=60):
        """A meeting made now reaches the user's app."""
        title = self.meet(user)
        wait(f"{title} at the cloud", lambda: self.shown(user, title), seconds)

    def has_all_once(self):
        """Every meeting that was ever made is shown, once, and nothing came that was not right."""
        for user, titles in self.titles.items():
            def shown():
                records = self.ask("cloud", f"/users/{user}/meetings")
                found = [one["subject"] for one in records if one["subject"] in titles]
                assert len(found) == len(set(found)), found
                return len(found) == len(titles)
            wait(f"all meetings of {user}", shown)
        stats = self.ask("cloud", "/stats")
        assert stats["duplicatedVisible"] == stats["rejected"] == 0, stats

    def operations(self, name):
        """How often Exchange was asked for this."""
        return self.ask("exchange", "/log")["counts"]["operations"].get(name, 0)
