# ctest: uncounted unfiltered
"""docs/tutorial.md: each command is run, in a network of its own, and prints what the page says."""
import os
import re
import select
import subprocess
import tempfile
import unittest

import harness

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BLOCK = re.compile(r"(<!-- again -->\n)?```console\n(.*?)```", re.S)
FUNCTION = re.compile(r"((?:`\w+\(\)`(?: and )?)+) in `(src/[\w/]+\.c)`")
CHANGING = (
    (r"\d+\.\d{3}(?= ms|/| )", "TIME"), (r"(?<=TIME)/\d+\.\d{3}", "/TIME"), (r"(?<= )\d+\.\d{3}$", "TIME"),
    (r"^\d+ packets", "N packets"), (r"pid=\d+", "pid=N"), (r"fd=\d+", "fd=N"),
    (r"127\.0\.0\.1([.:])(?!5000[78]\b)\d+", r"127.0.0.1\1PORT"),
    (r"\b(seq|ack|win|val|ecr|wscale|mss) \d+(:\d+)?", r"\1 N"), (r"\s+", " "),
)


def essence(line):
    for pattern, replacement in CHANGING:
        line = re.sub(pattern, replacement, line)
    return line.strip()


def essences(lines):
    """What must agree: without the numbers of jobs, what the kernel permits, and pure acknowledgements, which
    may be spared."""
    kept = [line for line in lines if line.strip() and not re.match(r"\[\d+\]|IO: |.* Flags \[\.\]", line)]
    return [essence(line) for line in kept]


def read_tutorial():
    """Lists (command, expected lines, whether to repeat it until they come)."""
    with open(os.path.join(ROOT, "docs/tutorial.md"), encoding="utf-8") as file:
        text = file.read()
    commands = []
    for again, block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *lines = part.splitlines()
            commands.append((command, lines, bool(again)))
    return text, commands


class Shell:
    """A shell that is given one command after the other, and says on a pipe of its own when each has ended."""

    def __init__(self, **popen):
        self.marks, marks = os.pipe()
        self.process = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, pass_fds=[marks], **popen)
        self.mark_command = f"printf x >&{marks}"
        os.close(marks)
        self.lines = harness.Lines(self.process.stdout)
        self.seen = 0

    def run(self, command, expected):
        """Returns what it prints; what runs in the background has time to print what is expected of it."""
        self.process.stdin.write(f"{command}\n{self.mark_command}\n".encode())
        self.process.stdin.flush()
        ready = select.select([self.marks], [], [], harness.DEADLINE)[0]
        if not ready or not os.read(self.marks, 1):
            raise AssertionError("did not end: " + command)

        def printed():
            return self.lines.all[self.seen:]

        with self.lines.changed:
            self.lines.changed.wait_for(
                lambda: len(essences(printed())) >= expected or self.lines.finished, harness.DEADLINE)
            answer = printed()
            self.seen = len(self.lines.all)
        return answer

    def end(self):
        self.process.stdin.close()
        self.process.wait(harness.DEADLINE)
        os.close(self.marks)


class Tutorial(unittest.TestCase):
    def test_every_command(self):
        for tool in ("nc", "ss", "tcpdump", "nft"):
            harness.require(subprocess.run(["which", tool], stdout=subprocess.DEVNULL, check=False).returncode == 0,
                            tool + " is not installed")
        harness.own_network()
        programs = os.path.dirname(harness.ECHOD)
        environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}:/usr/sbin", LC_ALL="C.UTF-8")
        with tempfile.TemporaryDirectory() as scratch:
            os.chmod(scratch, 0o777)  # tcpdump drops its privileges
            shell = Shell(cwd=ROOT, env=environment)
            try:
                for command, lines, again in read_tutorial()[1]:
                    command = command.replace("/tmp", scratch)
                    wanted = essences(line.replace("/tmp", scratch) for line in lines)
                    if again:
                        self.read(command, wanted)
                    else:
                        self.assertEqual(essences(shell.run(command, len(wanted))), wanted, command)
            finally:
                shell.run("kill $(jobs -p) 2>/dev/null", 0)
                shell.end()

    def read(self, command, wanted):
        """A command that only reads may do so before all is there."""
        def answer():
            done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, check=False, timeout=harness.DEADLINE)
            return essences(done.stdout.splitlines())

        harness.wait_until(lambda: answer() == wanted, command + " to print\n" + "\n".join(wanted))

    def test_the_functions_are_where_it_says(self):
        places = FUNCTION.findall(read_tutorial()[0])
        self.assertGreater(len(places), 8)
        for functions, path in places:
            with open(os.path.join(ROOT, path), encoding="utf-8") as source:
                defined = set(re.findall(r"^(\w+)\(", source.read(), re.M))
            self.assertEqual(set(re.findall(r"`(\w+)\(\)`", functions)) - defined, set(), path)


if __name__ == "__main__":
    harness.main()
