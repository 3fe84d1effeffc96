"""The README's section "Install", word for word: its commands, typed as a person would."""

import os
import pathlib
import pty
import re
import select
import time


def commands(readme):
    """The shell blocks of the section, as they stand."""
    text = pathlib.Path(readme).read_text()
    section = re.search(r"^## Install\n(.*?)^## ", text, re.DOTALL | re.MULTILINE).group(1)
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert blocks, "the section has no commands"
    return "".join(blocks)


def number_of(script):
    """How many commands a person types: lines, without those inside a file and remarks."""
    outside = re.sub(r"<<'?(\w+)'?\n.*?^\1$", "\n", script, flags=re.DOTALL | re.MULTILINE)
    outside = outside.replace("\\\n", " ")
    lines = [line for line in outside.splitlines() if line.strip() and line[0] != "#"]
    return len(lines)


def typed(host, script, answers, seconds=120):
    """Runs it on a terminal and answers what asks: (what the question has in it, the answer)."""
    words = [str(word) for word in host.words("bash", "-e", "-x", "/root/install.sh")]
    (host.root / "root/install.sh").write_text(f"cd /root\n{script}")
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(words[0], words)
    seen, fresh = "", ""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 0.2)[0]:
            question = fresh.splitlines()[-1] if fresh else ""
            # Enter takes what stands in brackets.
            bracket = re.search(r"\](:| \?)? $", question)
            if bracket or question.endswith(": "):
                said = "" if bracket else reply(answers, seen)
                os.write(terminal, (said + "\n").encode())
                fresh = ""
            continue
        try:
            text = os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            break
        seen, fresh = seen + text, fresh + text
    else:
        os.kill(child, 9)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    assert ended == 0, f"{ended}\n{seen}"
    return seen


def reply(answers, seen):
    """What belongs to the question asked last."""
    found = [(seen.rfind(mark), answer) for mark, answer in answers]
    at, answer = max(found)
    assert at >= 0, f"nobody knows the answer\n{seen}"
    return answer
