# ctest: uncounted unfiltered slow
"""echod-bench report: one page that is whole in itself, and shows what the results say."""
import html.parser
import json
import os
import re

import harness
from liars import DatagramPeer
from test_results import Case, run


class Page(html.parser.HTMLParser):
    """What a page is made of: its elements, its tables as rows of texts, its lines as lists of points."""

    EMPTY = {"meta", "path", "rect"}

    def __init__(self, text):
        super().__init__()
        self.names, self.rows, self.lines, self.open, self.attributes = [], [], {}, [], []
        self.feed(text)
        self.close()
        if self.open:
            raise AssertionError(f"not closed: {self.open}")

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.names.append(tag)
        self.attributes += attrs
        if tag not in self.EMPTY:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "path" and "line" in values["class"]:
            self.lines.setdefault(values["class"], []).append(re.findall(r"[ML]([\d.]+) ([\d.]+)", values["d"]))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if tag not in self.EMPTY and self.open.pop() != tag:
            raise AssertionError(f"closed out of order: {tag}")

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th", "b", "span") and self.rows:
            self.rows[-1][-1] += data


class Report(Case):
    def page(self, *files):
        self.assertEqual(run("report", "-o", self.path("page"), *files), (0, "", ""))
        with open(self.path("page"), encoding="utf-8") as file:
            text = file.read()
        page = Page(text)
        self.assertFalse({"script", "link", "img", "iframe"} & set(page.names))
        self.assertNotRegex(text, r"url\(|@import|https?:")
        self.assertFalse([value for name, value in page.attributes if name in ("href", "src")])
        return page

    def test_two_runs(self):
        with harness.Daemon() as daemon:
            run("-p", daemon.tcp, "-c", 2, "-r", 500, "-t", 3, "--label", "<one> & \"1\"", "-o", self.path("a"), "127.0.0.1")
            status, _, err = run("-p", daemon.tcp, "-r", 100, "-t", 2, "-o", self.path("b"), "--report",
                                 self.path("b.html"), "127.0.0.1")
        self.assertEqual((status, err), (0, ""))
        with open(self.path("b.html"), encoding="utf-8") as file:
            self.assertEqual(len(Page(file.read()).lines["line run0 solid"]), 3)
        page = self.page(self.path("a"), self.path("b"))
        with open(self.path("a"), encoding="utf-8") as file:
            first = json.load(file)
        figures = [row for row in page.rows if len(row) == 13]
        self.assertEqual([row[0].split("\u25a0 ")[1] for row in figures[1:]], ["<one> & \"1\"", os.uname().nodename])
        self.assertAlmostEqual(float(figures[1][1]), first["messages_per_second"], 0)
        self.assertAlmostEqual(float(figures[1][2]), 1e6 * first["echo"]["p50_s"], 0)
        self.assertRegex(figures[2][1], r"^\d+\.\d \u00d70\.20$")
        # percentiles, rate, median; seconds that are whole
        for number, whole in ((0, 3), (1, 2)):
            _, rate, median = page.lines[f"line run{number} solid"]
            self.assertEqual((len(rate), len(median)), (whole, whole))
            self.assertEqual(len(page.lines[f"line run{number} dashed"][0]), whole)
        # a higher percentile is never lower: y grows downwards
        curve = [tuple(map(float, point)) for point in page.lines["line run0 solid"][0]]
        self.assertEqual(curve, sorted(curve, key=lambda point: (point[0], -point[1])))
        self.assertGreater(len(curve), 40)

    def test_losses_have_a_chart(self):
        with DatagramPeer(lambda number, datagram: [datagram] if number % 5 else []) as peer:
            run("-u", "-p", peer.port, "-r", 100, "-t", 1, "-W", 0.2, "-o", self.path("lossy"), "127.0.0.1")
        page = self.page(self.path("lossy"))
        self.assertEqual(len(page.lines["line run0 solid"]), 4)

    def test_connections_that_come_and_go_have_a_table(self):
        with harness.Daemon() as daemon:
            run("-p", daemon.tcp, "-n", 50, "--connect-rate", 500, "--label", "short", "-o", self.path("a"), "127.0.0.1")
            run("-p", daemon.tcp, "-n", 50, "--messages-per-connection", 5, "-o", self.path("b"), "127.0.0.1")
            run("-p", daemon.tcp, "-n", 50, "-o", self.path("c"), "127.0.0.1")
        with open(self.path("a"), encoding="utf-8") as file:
            first = json.load(file)
        heading, short, longer, _ = [row for row in self.page(*map(self.path, "abc")).rows if len(row) == 11]
        self.assertEqual(heading[1], "connections/s")
        self.assertAlmostEqual(float(short[1]), first["connections_per_second"], 0)
        self.assertAlmostEqual(float(short[4]), 1e6 * first["connect"]["max_s"], 0)
        self.assertAlmostEqual(float(short[7]), 1e6 * first["close"]["max_s"], 0)
        self.assertEqual((short[8:], longer[8]), (["50", "0", "0"], "10"))
        self.assertFalse([row for row in self.page(self.path("c")).rows if len(row) == 11])

    def test_what_cannot_be_drawn(self):
        self.assertIn("No such file", run("report", self.path("none"))[2])
        self.assertIn("FILE is missing", run("report")[2])
        self.assertIn("at most 6 files", run("report", *"abcdefg")[2])
        wrong = self.write("wrong", "{}")
        self.assertEqual(run("report", "-o", self.path("never"), wrong)[0], 2)
        self.assertFalse(os.path.exists(self.path("never")))
        with harness.Daemon() as daemon:
            run("-p", daemon.tcp, "-n", 1, "-o", self.path("good"), "127.0.0.1")
        self.page(self.path("good"))
        status, _, err = run("report", "-o", "/dev/full", self.path("good"))
        self.assertEqual((status, err.count("\n")), (2, 1), err)


if __name__ == "__main__":
    harness.main()
