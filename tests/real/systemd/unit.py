"""The service on the host: its packages, its unit, how it is."""

import os
import pathlib
import shutil
import subprocess

from host import wait

# The one before, as the guide names it.
PREVIOUS = "0.0.9-1"
# A call that the filter refuses ends the service here, so that none is refused unseen.
STRICT = "[Service]\nSystemCallErrorNumber=kill\n"
# Times of the unit that a test would wait for; everything else is as the package has it.
QUICK = "[Service]\nRestartSec=1\n"


def package(kind="deb"):
    (found,) = pathlib.Path(os.environ["PACKAGES"]).glob(f"*.{kind}")
    return found


def version_of(host):
    return host.ask("dpkg-query", "-W", "-f", "${Version}", "calway")


def previous(host, shipped=""):
    """The same package with a lower version; `shipped` is what its configuration has more."""
    folder = host.work / "previous"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["dpkg-deb", "--raw-extract", package(), folder], check=True)
    control = folder / "DEBIAN/control"
    lines = control.read_text().splitlines(keepends=True)
    lines = [f"Version: {PREVIOUS}\n" if line.startswith("Version: ") else line for line in lines]
    control.write_text("".join(lines))
    with open(folder / "etc/calway/calway.toml", "a") as file:
        file.write(shipped)
    target = host.root / f"root/calway_{PREVIOUS}_amd64.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", folder, target],
                   check=True, capture_output=True)
    shutil.rmtree(folder)
    return target.name


def install(host, name, *options):
    """Nobody is there to answer a question."""
    host.run("apt-get", "-q", "-y", "--allow-downgrades", *options, "install", f"/root/{name}",
             stdin=subprocess.DEVNULL, seconds=120)


def drop_in(host, name, text):
    folder = host.root / "etc/systemd/system/calway.service.d"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    host.run("systemctl", "daemon-reload")


def without_drop_in(host, name):
    (host.root / "etc/systemd/system/calway.service.d" / name).unlink()
    host.run("systemctl", "daemon-reload")


def strictly(host):
    """In /run, which no package touches."""
    host.shell("mkdir -p /run/systemd/system/calway.service.d && "
               "cat >/run/systemd/system/calway.service.d/strict.conf", input=STRICT)
    host.run("systemctl", "daemon-reload")


def is_ready(host, before=None):
    """READY, as another process than before. In one question: it may end between two."""
    told = host.ask("systemctl", "show", "calway", "--property=ActiveState,SubState,MainPID")
    facts = dict(line.split("=", 1) for line in told.splitlines())
    runs = facts["ActiveState"] == "active" and facts["SubState"] == "running"
    return runs and facts["MainPID"] not in ("0", before)


def ready_anew(host, what, number):
    wait(what, lambda: is_ready(host, number))
