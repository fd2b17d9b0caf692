#!/usr/bin/python3
"""Runs the commands of a chapter of docs/tutorial in its laboratory.

	tests/system/tutorial.py record CHAPTER.md     runs them and writes what they print into the chapter

A block that begins with ```console holds commands ("$ …") and what they print. Numbers may differ, except those
that name the laboratory's addresses and ports; "…" stands for anything in a line or, alone, for any lines. Before a
block a comment may say more:

	<!-- again -->                     a command that only reads: repeat it until it prints this
	<!-- check: REGEX LOW..HIGH -->    the first group of REGEX, in what the block prints, lies within these bounds
"""
import os
import re
import select
import subprocess
import sys
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
TUTORIAL = os.path.join(ROOT, "docs/tutorial")
LAB = os.path.join(TUTORIAL, "setup.sh")
DEADLINE = 120  # seconds; ends what has failed already
BLOCK = re.compile(r"((?:<!-- (?:again|check: .*?) -->\n)*)```console\n(.*?)```", re.S)
CHECK = re.compile(r"<!-- check: (.*) (\d+)\.\.(\d+) -->")
KEPT = r"(?:127|10)\.\d+\.\d+\.\d+|\b5000[789]\b"
NUMBER = re.compile(rf"({KEPT})|\b0x[0-9a-f]+\b|\d+(?:[.:,]\d+)*")
# What a shell says of its jobs, and acknowledgements alone, which may be spared.
NOISE = re.compile(r"\[\d+\][+-]? |IP .* Flags \[\.\], |.*(?:Terminated|Killed|Done) ")


class Block:
    """Commands with what each prints, and what is to be checked of it."""

    def __init__(self, match):
        self.again = "<!-- again -->" in match[1]
        self.checks = CHECK.findall(match[1])
        self.steps = []
        for part in re.split(r"^\$ ", match[2], flags=re.M)[1:]:
            command, _, rest = part.partition("\n")
            while command.endswith("\\"):
                more, _, rest = rest.partition("\n")
                command += "\n" + more
            self.steps.append((command, rest.splitlines()))


def blocks(path):
    with open(path, encoding="utf-8") as file:
        return [Block(match) for match in BLOCK.finditer(file.read())]


def essence(line):
    return " ".join(NUMBER.sub(lambda match: match[1] or "N", line).split())


def essences(lines):
    return [essence(line) for line in lines if line.strip() and not NOISE.match(line)]


def pattern(lines):
    """A regex for what is expected, in which an ellipsis stands for anything."""
    whole = ""
    for line in essences(lines):
        whole += r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
    return re.compile(whole)


class Shell:
    """The laboratory's shell, which is given one command after the other and says when each has ended."""

    def __init__(self, programs, wrapper=(), **environment):
        self.marks, marks = os.pipe()
        path = f"{programs}:/usr/bin:/bin:/usr/sbin:/sbin"
        self.process = subprocess.Popen([*wrapper, LAB, "bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, pass_fds=[marks], cwd=ROOT,
                                        env=dict(os.environ, PATH=path, LC_ALL="C.UTF-8", **environment))
        self.mark = f"printf x >&{marks}"
        os.close(marks)
        self.lines, self.taken, self.changed = [], 0, threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                self.changed.notify_all()

    def run(self, command, complete, deadline=DEADLINE):
        """What it prints; programs in the background have time until complete(lines)."""
        self.process.stdin.write(f"{command}\n{self.mark}\n".encode())
        self.process.stdin.flush()
        if not select.select([self.marks], [], [], DEADLINE)[0] or not os.read(self.marks, 1):
            raise AssertionError("did not end: " + command)
        with self.changed:
            self.changed.wait_for(lambda: complete(self.lines[self.taken:]), deadline)
            printed, self.taken = self.lines[self.taken:], len(self.lines)
        return printed

    def close(self):
        """Leaves the laboratory, and with it all that the chapter has started."""
        try:
            self.process.stdin.close()
            self.process.wait(DEADLINE)
            self.reader.join(DEADLINE)  # the pipe ends with the last program that holds it
            if self.reader.is_alive():
                raise AssertionError("the laboratory has left programs running")
        finally:
            if self.process.poll() is None:
                self.process.kill()
            os.close(self.marks)


def run_block(shell, block):
    """What each command has printed; raises AssertionError when that is not what the chapter says."""
    printed = []
    for command, lines in block.steps:
        expected = pattern(lines)

        def complete(seen):
            return bool(expected.fullmatch("".join(line + "\n" for line in essences(seen))))

        end = time.monotonic() + DEADLINE
        seen = shell.run(command, complete, 0.2 if block.again else DEADLINE)
        while block.again and not complete(seen) and time.monotonic() < end:
            time.sleep(0.1)
            seen = shell.run(command, complete, 0.2)
        if not complete(seen):
            raise AssertionError("\n".join(["$ " + command, "printed", *seen, "instead of", *lines]))
        printed += seen
    for regex, low, high in block.checks:
        found = re.search(regex, "\n".join(printed))
        if not found or not int(low) <= int(found[1]) <= int(high):
            raise AssertionError(f"{regex} is not within {low} and {high} in\n" + "\n".join(printed))


def record(path, programs):
    """Fills in what each command prints, where no ellipsis says what matters."""
    shell = Shell(programs)

    def filled(match):
        text = match[1] + "```console\n"
        for command, lines in Block(match).steps:
            keep = any("…" in line for line in lines)
            expected = pattern(lines)
            seen = shell.run(command, lambda got: expected.fullmatch(
                "".join(line + "\n" for line in essences(got))) and lines or False, 2)
            shown = [line.rstrip() for line in seen if line.startswith("IP ") or not NOISE.match(line)]
            print("$ " + command, *seen, sep="\n", flush=True)
            text += "\n".join(["$ " + command, *(lines if keep else shown)]) + "\n"
        return text + "```"

    try:
        with open(path, encoding="utf-8") as file:
            text = BLOCK.sub(filled, file.read())
    finally:
        shell.close()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "record":
        sys.exit(__doc__)
    record(sys.argv[2], os.path.join(ROOT, "build/release"))
