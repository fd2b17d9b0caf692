# ctest: release uncounted unfiltered
"""The histograms of results, judged by a reader that HdrHistogram's authors maintain: npm's hdr-histogram-js."""
import collections
import json

import harness
import npm
from test_results import Case, run


class Judged(Case):
    @classmethod
    def setUpClass(cls):
        cls.tree = npm.install("hdr")
        cls.addClassCleanup(cls.tree.cleanup)

    def check_times(self, times, decoded):
        self.assertEqual(decoded["total"], times["count"])
        self.assertEqual(sum(count for _, count in decoded["counts"]), times["count"])
        names = ("p50_s", "p90_s", "p99_s", "p99_9_s", "p99_99_s")
        maximum = round(1e9 * times["max_s"])
        for name, quantile in zip(names, decoded["quantiles"]):
            self.assertEqual(round(1e9 * times[name]), min(quantile, maximum), name)
        self.assertLessEqual(maximum, decoded["max"])
        self.assertGreaterEqual(maximum * (1 + 1 / 128), decoded["max"])

    def check(self, result):
        whole, connect, *series = npm.answers(self.tree, "decode.js", [
            result["echo"]["hdr"], result.get("connect", result["echo"])["hdr"],
            *(interval["hdr"] for interval in result["intervals"])])
        self.check_times(result["echo"], whole)
        if "connect" in result:
            self.check_times(result["connect"], connect)
        together = collections.Counter()
        for interval, decoded in zip(result["intervals"], series):
            self.assertEqual(decoded["total"], interval["messages"])
            together.update(dict(map(tuple, decoded["counts"])))
        self.assertEqual(sorted(together.items()), sorted(map(tuple, whole["counts"])))

    def test_runs_and_what_they_are_merged_to(self):
        with harness.Daemon() as daemon:
            for name, options in (("a", ("-p", daemon.tcp, "-c", 20, "-t", 2.5)), ("b", ("-p", daemon.tcp, "-c", 3, "-t", 2.5))):
                self.assertEqual(run(*options, "-o", self.path(name), "127.0.0.1")[0], 0)
            udp = self.result(0, "-u", "-p", daemon.udp, "-c", 4, "-r", 1000, "-n", 3000, "127.0.0.1")
        self.check(udp)
        parts = []
        for name in ("a", "b"):
            with open(self.path(name), encoding="utf-8") as file:
                parts.append(json.load(file))
            self.check(parts[-1])
        merged = self.merge(0, self.path("a"), self.path("b"))
        self.check(merged)
        counts = collections.Counter()
        for decoded in npm.answers(self.tree, "decode.js", [part["echo"]["hdr"] for part in parts]):
            counts.update(dict(map(tuple, decoded["counts"])))
        whole = npm.answers(self.tree, "decode.js", [merged["echo"]["hdr"]])[0]
        self.assertEqual(sorted(counts.items()), sorted(map(tuple, whole["counts"])))


if __name__ == "__main__":
    harness.main()
