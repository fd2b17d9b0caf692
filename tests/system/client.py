"""echod-client as tests run it."""
import json
import os
import re
import subprocess
import unittest

import jsonschema

from harness import DEADLINE

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/results.schema.json")
CLIENT = os.environ.get("ECHOD_CLIENT", "")
TIME = r"\d+\.\d{3}"
LOST = "lost: no echo within"


def run(*arguments, wrapper=(), **popen):
    """Returns (exit status, stdout, stderr)."""
    done = subprocess.run([*wrapper, CLIENT, *map(str, arguments)], stdin=subprocess.DEVNULL, timeout=DEADLINE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True, **popen)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    def check(self, status, out, err, *arguments, **popen):
        """Runs and compares: out and err are patterns for all that is written."""
        result = run(*arguments, **popen)
        self.assertEqual(result[0], status, result)
        self.assertRegex(result[1], re.compile(r"\A" + out + r"\Z", re.S), result)
        self.assertRegex(result[2], re.compile(r"\A" + err + r"\Z", re.S), result)
        return result[1]

    def summary(self, status, *arguments, **popen):
        """Runs with --json; returns the lines of exchanges, those of flows, and the summary."""
        done = run("--json", *arguments, **popen)
        self.assertEqual(done[0], status, done)
        lines = [json.loads(line) for line in done[1].splitlines()]
        with open(SCHEMA, encoding="utf-8") as file:
            schema = json.load(file)
        for line in lines:
            part = schema if line["type"] == "summary" else {"$ref": "#/$defs/" + line["type"], "$defs": schema["$defs"]}
            jsonschema.Draft202012Validator(part).validate(line)
        kinds = {kind: [line for line in lines if line["type"] == kind]
                 for kind in ("exchange", "flow", "summary")}
        self.assertEqual(len(kinds["summary"]), 1)
        return kinds["exchange"], kinds["flow"], kinds["summary"][0]

    def counts(self, summary, **expected):
        names = ("sent", "echoed", "lost", "late", "corrupted", "duplicated", "reordered")
        self.assertEqual({name: summary["counts"].get(name, 0) for name in names},
                         dict(dict.fromkeys(names, 0), **expected), summary)
        for name, part in (("sent", "sent"), ("echoed", "messages"), ("lost", "lost")):
            self.assertEqual(sum(interval[part] for interval in summary["intervals"]), summary["counts"].get(name, 0))
