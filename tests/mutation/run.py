#!/usr/bin/python3
"""run.py BUILD [--all] [--sample N] [--only FILE] [--jobs N]

Changes the daemon in small ways (mutants.py) and expects that a test notices: the unit tests of the
changed file, or else the simulation. A mutant that none of them notices is a test that is missing,
or it means the same as what is written; then it is listed in `survivors`, with the reason.

BUILD is a directory that has been built for release, with the tests. Of each mutant the one object
is compiled, and linked before the library, which then gives only the others. What compiles to the
same object, or not at all, is no mutant.

Without --all (or ECHOD_LONG=1) a sample is taken, which changes whenever one of the files does, and
only then.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mutants import Mutant, mutants_of

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent.parent / "src" / "echod"
# In this order.
TESTS = {
    "ring.c": ["ring"],
    "bucket.c": ["bucket"],
    "echo.c": ["echo", "connection", "connection_end", "reload"],
    "delivery.c": ["delivery"],
    "connection.c": ["connection", "connection_end", "connection_exit", "connection_lingers", "connection_new",
                     "reload"],
    "connection_begin.c": ["connection_begin", "connection_exit", "reload"],
    "sweep.c": ["sweep", "sweep_room", "connection_lingers"],
    "acceptor.c": ["acceptor", "acceptor_gate", "reload"],
    "udp_filter.c": ["udp_filter"],
    "udp_replies.c": ["udp_replies", "udp_groups"],
    "handover.c": ["handover", "handover_wrong", "reload"],
    "connection_state.c": ["reload"],
    "source.c": ["source"],
    "source_limit.c": ["source_limit", "source_new"],
    "source_tokens.c": ["source_tokens", "source_new", "reload"],
}
SEEDS = 3000
# What goes on for longer, of processor time or of waiting, has been noticed. Without a mutant a unit
# test takes some 10 ms, the simulation 2 s.
CPU_SECONDS_UNIT = 2
CPU_SECONDS_SIMULATION = 20
SECONDS = 60


class Failure(Exception):
    """What keeps mutants from being judged."""


class Case(NamedTuple):
    file: str
    mutant: Mutant
    object: bytes

    @property
    def key(self) -> tuple[str, ...]:
        return self.file, *self.mutant.key


class Program(NamedTuple):
    target: str
    link: str  # the command that makes it
    arguments: tuple[str, ...]
    cpu_seconds: int

    @property
    def name(self) -> str:
        return Path(self.target).name


def run(command: list[str], cpu_seconds: int) -> str:
    """Returns how it ended: "" for well."""
    limits = ["prlimit", "--core=0", f"--cpu={cpu_seconds}", "--as=17179869184"]
    with subprocess.Popen(
        limits + command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return "time is over"
    return {0: "", -signal.SIGKILL: "time is over"}.get(status, "it fails")


class Builder:
    """Compiles and links as the build directory does."""

    def __init__(self, build: Path) -> None:
        self.build = build
        database = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
        self.commands = {
            Path(entry["file"]).name: shlex.split(entry["command"])
            for entry in database
            if "/echod-core-wrappable.dir/" in entry["command"]
        }

    def program(self, target: str, cpu_seconds: int, *arguments: str) -> Program:
        lines = subprocess.run(
            ["ninja", "-C", self.build, "-t", "commands", target],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        return Program(target, lines[-1], arguments, cpu_seconds)

    def compile(self, name: str, source: str) -> bytes | None:
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / name).write_text(source, encoding="utf-8")
            command = [word for word in self.commands[name] if word != "-Werror"]
            command = command[: command.index("-o")] + ["-w", "-o", f"{directory}/object"]
            # named as from here, so that the same code is the same object
            command += ["-c", name]
            done = subprocess.run(command, cwd=directory, capture_output=True, check=False)
            if done.returncode:
                return None
            return (Path(directory) / "object").read_bytes()

    def judge(self, changed: bytes, programs: list[Program]) -> str:
        """Returns the test that noticed, or ""."""
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "changed.o").write_bytes(changed)
            for program in programs:
                made = f"{directory}/{program.name}"
                before, after = program.link.split(f" -o {program.target} ")
                link = f"{before} {directory}/changed.o -o {made} {after}"
                # what is not linked any more is missed by the linker
                if subprocess.run(
                    link, shell=True, cwd=self.build, capture_output=True, check=False
                ).returncode:
                    return "linker"
                outcome = run([made, *program.arguments], program.cpu_seconds)
                if outcome:
                    return f"{program.name}: {outcome}"
        return ""


def read_listed() -> dict[tuple[str, ...], str]:
    """Blocks of "FILE FUNCTION", "- before", "+ after", and the reason."""
    listed = {}
    text = (HERE / "survivors").read_text(encoding="utf-8")
    for block in text.split("\n\n"):
        lines = [line for line in block.strip().splitlines() if not line.startswith("#")]
        if not lines:
            continue
        if len(lines) < 4 or lines[1][:2] != "- " or lines[2][:2] != "+ ":
            raise Failure(f"survivors: not of the form that is explained there:\n{block}")
        file, _, function = lines[0].partition(" ")
        listed[file, function, lines[1][2:], lines[2][2:]] = " ".join(lines[3:])
    return listed


def cases_of(builder: Builder, file: str, pool: concurrent.futures.Executor, wanted) -> list[Case]:
    source = (SOURCES / file).read_text(encoding="utf-8")
    original = builder.compile(file, source)
    mutants = [mutant for mutant in mutants_of(source) if wanted(mutant)]
    objects = pool.map(lambda mutant: builder.compile(file, mutant.source), mutants)
    return [
        Case(file, mutant, made)
        for mutant, made in zip(mutants, objects)
        if made is not None and made != original
    ]


def show(key: tuple[str, ...]) -> str:
    return f"{key[0]} {key[1]}\n- {key[2]}\n+ {key[3]}"


def sampler(files: list[str], count: int):
    """So many of them all, more or less, that the files decide on."""
    contents = "".join((SOURCES / file).read_text(encoding="utf-8") for file in files)
    total = sum(1 for file in files for _ in mutants_of((SOURCES / file).read_text("utf-8")))
    seed = hashlib.sha256(contents.encode()).hexdigest()
    dice = random.Random(seed)
    print(f"a sample of {count} of {total}, seed {seed[:8]}")
    return lambda _: dice.random() < count / total


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("--all", action="store_true", default=bool(os.environ.get("ECHOD_LONG")))
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--only", choices=TESTS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()

    builder = Builder(options.build.resolve())
    files = [options.only] if options.only else list(TESTS)
    listed = read_listed()
    wanted = (lambda _: True) if options.all else sampler(files, options.sample)
    simulation = builder.program(
        "tests/simulation/simulation", CPU_SECONDS_SIMULATION, "--seeds", "1", str(SEEDS), "--jobs", "1"
    )
    outcomes: Counter[str] = Counter()
    unlisted, noticed = [], set()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for file in files:
            programs = [
                builder.program(f"tests/unit/test_{name}", CPU_SECONDS_UNIT) for name in TESTS[file]
            ]
            programs.append(simulation)
            original = builder.compile(file, (SOURCES / file).read_text(encoding="utf-8"))
            if original is None or builder.judge(original, programs):
                raise Failure(f"{file}: the tests fail without any mistake in it")
            cases = cases_of(builder, file, pool, wanted)
            # several ways to write the same mistake are one
            objects = list({case.object: case for case in cases})
            verdicts = dict(
                zip(objects, pool.map(lambda made: builder.judge(made, programs), objects))
            )
            for case in cases:
                verdict = verdicts[case.object]
                outcomes[f"noticed by {verdict}" if verdict else "survived"] += 1
                if not verdict and case.key not in listed:
                    unlisted.append(case.key)
                elif verdict and case.key in listed and "time" not in verdict:
                    noticed.add(case.key)
            known = {case.key for case in cases}
            if options.all:
                noticed |= {key for key in listed if key[0] == file and key not in known}
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:5} {outcome}")
    for key in unlisted:
        print("\nNot noticed:", show(key), sep="\n")
    for key in sorted(noticed):
        print("\nListed, but noticed, or not there any more:", show(key), sep="\n")
    return 1 if unlisted or noticed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(str(failure))
