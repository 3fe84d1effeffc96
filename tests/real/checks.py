"""A trouble that `calway check` finds, provoked, with what to do held against
docs/reference/checks.md, which is made from the table of the program."""

import json
import os
import pathlib
import re
import subprocess

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/reference/checks.md"
SHELLS = {"on this machine, as root": "here", "Exchange Management Shell": "exchange",
          "Windows PowerShell, elevated": "windows"}


def fits(text, said):
    """Whether this is the text, whatever stands in its places."""
    pattern = re.sub(r"\\\{[a-z_]+\\\}", ".+", re.escape(text))
    return re.fullmatch(pattern, said, re.DOTALL) is not None


def entry(check, trouble):
    """The outcome, the sentence, the remedy, the shell and the command that the page has."""
    section = PAGE.read_text().split(f"\n## {check}\n", 1)[1].split("\n## ", 1)[0]
    head, _, rest = section.split(f"\n**{trouble}** (", 1)[1].partition("): ")
    says, remedy, *more = re.split(r"\n\n", rest.split("\n\n**", 1)[0].strip("\n"))
    shell = SHELLS[more[0].strip().removesuffix(":")] if more else None
    command = "\n".join(line.removeprefix("    ") for line in more[1].splitlines()) if more else None
    return head.lower(), says, remedy, shell, command


def provoked(check, trouble, config, environment=None):
    """The check finds this, and prints what the page says of it."""
    done = subprocess.run([os.environ["CALWAY"], "check", "--json", "--only", check,
                           "--config", str(config)],
                          env=environment, capture_output=True, text=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = [one for one in lines if one.get("check") == check and one.get("trouble") == trouble]
    assert found, (check, trouble, done.stdout, done.stderr)
    outcome, says, remedy, shell, command = entry(check, trouble)
    one = found[0]
    assert one["outcome"] == outcome and done.returncode == (outcome == "fail"), (one, done)
    assert fits(says, one["says"]), (says, one["says"])
    assert fits(remedy, " ".join(one["remedy"])), (remedy, one["remedy"])
    said = one["command"] or {"where": None, "text": None}
    assert said["where"] == shell, (shell, said)
    assert command is None or fits(command, said["text"]), (command, said)
