# ctest: seconds=300 release unfiltered
"""The exporter's page in a browser: charts move under load, a daemon that stops is shown, nothing complains."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import harness
from browser import Page
from exporter import Exporter

BENCH = os.environ.get("ECHOD_BENCH", "")
SHOTS = os.environ.get("ECHOD_SCREENSHOTS")  # a directory to leave screenshots in
VALUE = """Object.fromEntries([...document.querySelectorAll("section")].flatMap(section =>
    [...section.querySelectorAll("dl div")].map(pair =>
        [section.querySelector("h2").textContent + ": " + pair.children[0].textContent, pair.children[1].textContent])))"""
SCRAPES = "performance.getEntriesByType('resource').filter(entry => entry.name.endsWith('/metrics')).length"
CHART = "document.querySelectorAll('canvas')[2].toDataURL()"
# how many pixels of the chart have its first line's colour
INK = """(() => { const canvas = document.querySelectorAll("canvas")[2], context = canvas.getContext("2d");
    const color = getComputedStyle(canvas).getPropertyValue("--c0").trim();
    const wanted = [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16));
    const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let at = 0; at < data.length; at += 4)
        count += wanted.every((value, index) => Math.abs(data[at + index] - value) < 8);
    return count; })()"""


def setUpModule():
    harness.require(shutil.which("chromium"), "chromium is not installed")


class InABrowser(unittest.TestCase):
    def shoot(self, page, name):
        if SHOTS:
            page.screenshot(os.path.join(SHOTS, name + ".png"))

    def watch(self, dark):
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, "stats")
            with harness.Daemon("--listen=127.0.0.1:0", "--stats-socket=" + path) as daemon, Exporter(path) as exporter, \
                    Page(f"http://127.0.0.1:{exporter.port}/", dark) as page:
                state = "document.getElementById('state')?.textContent ?? ''"
                harness.wait_until(lambda: page.evaluate(state) == "live", "the page to be live")
                self.assertEqual(page.evaluate("document.querySelectorAll('canvas').length"), 6)
                with subprocess.Popen([BENCH, "-p", str(daemon.tcp), "-c", "20", "-t", "30s", "127.0.0.1"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bench:
                    harness.wait_until(lambda: page.evaluate(VALUE)["Connections: open"] not in ("–", "0"), "connections")
                    harness.wait_until(lambda: "MB/s" in page.evaluate(VALUE)["Bytes per second: TCP sent"] or
                                       "kB/s" in page.evaluate(VALUE)["Bytes per second: TCP sent"], "bytes")
                    seen = set()
                    harness.wait_until(lambda: seen.add(page.evaluate(CHART)) or len(seen) > 3, "the chart to move")
                    self.assertGreater(page.evaluate(INK), 0, "the first line of the chart is not drawn")
                    self.shoot(page, "dark" if dark else "light")
                    bench.terminate()
                daemon.stop()
                began, scrapes = time.monotonic(), page.evaluate(SCRAPES)
                harness.wait_until(lambda: "does not answer" in page.evaluate(state), "the end of the daemon")
                # two seconds, where the machine has time: one scrape may have been under way, the next one shows it
                self.assertIn(page.evaluate(SCRAPES) - scrapes, (1, 2))
                print(f"the end of the daemon was shown after {time.monotonic() - began:.1f} s", flush=True)
                self.assertEqual(page.evaluate("document.querySelectorAll('#daemons .down').length"), 1)
                self.assertEqual(set(page.evaluate(VALUE).values()), {"–"})
                self.shoot(page, "down-dark" if dark else "down-light")
                self.assertEqual(page.complaints, [])

    def test_light(self):
        self.watch(False)

    def test_dark(self):
        self.watch(True)

    def test_without_daemon_or_exporter(self):
        with Exporter("/nonexistent/stats") as exporter, Page(f"http://127.0.0.1:{exporter.port}/", width=420) as page:
            state = "document.getElementById('state')?.textContent ?? ''"
            harness.wait_until(lambda: "does not answer" in page.evaluate(state), "the absence of the daemon")
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            self.assertFalse(page.evaluate(wide), "the page is wider than a telephone")
            self.shoot(page, "narrow")
            exporter.process.terminate()
            harness.wait_until(lambda: "the exporter does not answer" in page.evaluate(state), "the absence of the exporter")


if __name__ == "__main__":
    harness.main()
