"""A Debian with systemd as its first process, in a container that goes with this program."""

import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import time

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CLONE_NEWNET = 0x40000000


def wait(what, holds, seconds=60.0):
    """Until something holds; answers what it holds."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > until:
            raise AssertionError(f"in vain: {what}")
        time.sleep(0.05)
    return found


class Host:
    """A copy of the plain tree, booted."""

    def __init__(self, work, name):
        self.work, self.name = pathlib.Path(work), name
        self.tools = self.work / "tools"
        self.root = self.work / f"copy-{name}"
        self.leader, self.process = None, None
        shutil.rmtree(self.root, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", os.environ["TREE"], self.root], check=True)
        (self.root / "etc/machine-id").write_text("")

    def boot(self):
        library = self.tools / "usr/lib/x86_64-linux-gnu/systemd"
        # The keyring and what filters addresses are calls that a container has not by itself.
        self.process = subprocess.Popen(
            [self.tools / "usr/bin/systemd-nspawn", "--quiet", "-D", self.root]
            + [f"--machine={self.name}", "--register=no", "--keep-unit", "--private-network"]
            + ["--system-call-filter=@keyring bpf", "--boot", "--console=pipe"],
            env={"PATH": PATH, "LD_LIBRARY_PATH": str(library)},
            stdin=subprocess.DEVNULL,
            stdout=open(self.work / f"console-{self.name}.log", "w"),
            stderr=subprocess.STDOUT,
        )
        self.leader = wait("a first process", self._first, 20)
        wait("systemd", lambda: self.ask("systemctl", "is-system-running") in ("running", "degraded"))
        # From here on this program's requests go to the host's own loopback.
        with open(f"/proc/{self.leader}/ns/net") as net:
            if ctypes.CDLL(None, use_errno=True).setns(net.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def _first(self):
        number = self.process.pid
        children = pathlib.Path(f"/proc/{number}/task/{number}/children").read_text().split()
        for one in children:
            if pathlib.Path(f"/proc/{one}/comm").read_text().strip() == "systemd":
                return int(one)
        assert self.process.poll() is None, "systemd-nspawn ended"
        return None

    def words(self, *words):
        inside = ["nsenter", "-t", str(self.leader), *"-m -u -i -n -p -C -r -w --".split()]
        plain = ["env", "-i", f"PATH={PATH}", "HOME=/root", "TERM=dumb", "LANG=C.UTF-8"]
        return [*inside, *plain, *map(str, words)]

    def run(self, *words, check=True, seconds=60, **more):
        """A command in the host; its whole output."""
        done = subprocess.run(self.words(*words), capture_output=True, text=True,
                              timeout=seconds, **more)
        if check and done.returncode:
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def ask(self, *words, **more):
        """What a command says, whether or not it liked it."""
        return self.run(*words, check=False, **more).stdout.strip()

    def shell(self, text, **more):
        return self.run("bash", "-c", text, **more)

    def show(self, name, unit="calway.service"):
        """A property of a unit."""
        return self.ask("systemctl", "show", unit, "--property", name, "--value")

    def journal(self, *matches):
        """The entries that match, as they are kept."""
        lines = self.ask("journalctl", "--output=json", "--no-pager", *matches).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def end(self):
        """Nothing of it runs on, however it was."""
        for number in (self.process and self.process.pid, self.leader):
            if number:
                try:
                    os.kill(number, 9)
                except ProcessLookupError:
                    pass
        if self.process:
            self.process.wait(20)
        shutil.rmtree(self.root, ignore_errors=True)
