"""The connector on a disk that gets full, and on one that becomes read-only. Runs in a namespace
that run.sh made, and ends with its counts."""

import errno
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from checks import provoked  # noqa: E402
from house import USERS, Connector, play, wait  # noqa: E402

WORK = pathlib.Path(sys.argv[1])
DISK = WORK / "disk"


def run(*words):
    subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)


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


def tmpfs(name):
    run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", DISK)
    return Connector(WORK, name, DISK / "calway.db")


def ext4(name):
    try:
        image = WORK / "image"
        image.write_bytes(b"")
        os.truncate(image, 48 << 20)
        run("mkfs.ext4", "-q", "-F", image)
        run("mount", "-o", "loop", image, DISK)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"NOT HERE: no file system of its own in a file ({error})")
        return None
    return Connector(WORK, name, DISK / "calway.db")


def unmount():
    subprocess.run(["umount", "--lazy", str(DISK)], capture_output=True)


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    play([
        (tmpfs, a_full_disk_is_named_and_heals_by_itself, unmount),
        (tmpfs, a_start_on_a_full_disk_says_so_and_loses_nothing, unmount),
        (tmpfs, a_read_only_disk_at_the_start_says_so, unmount),
        (tmpfs, the_check_tells_each_disk_with_what_to_do, unmount),
        (ext4, a_disk_that_the_system_makes_read_only_is_named_and_nothing_is_lost, unmount),
    ])
