"""Charts of the measurements, as SVG: CPU time of each server with its quartiles, a file a case."""
import os
import shutil
import subprocess
import tempfile

import paired

SCRIPT = """set terminal svg size 760,{height} font "sans-serif,13" background "white"
set output "{output}"
set title "{title}" noenhanced
set xlabel "CPU time {unit}, microseconds: median and quartiles"
set style fill solid 0.7 noborder
set grid x
set border 3
set tics nomirror
unset key
set xrange [0:*]
set yrange [{bottom}:1]
set ytics noenhanced
plot "{data}" using 2:(-$0):(0):2:(-$0-0.35):(-$0+0.35):ytic(1) with boxxyerror lc rgb "#4878a8", \\
     "" using 2:(-$0):3:4 with xerrorbars pt 7 ps 0.5 lc rgb "#202020"
"""


def draw(results, directory):
    if not shutil.which("gnuplot"):
        print("without charts: gnuplot is not installed")
        return
    os.makedirs(directory, exist_ok=True)
    for name, case in results["cases"].items():
        rows = []
        for server in case["table"]:
            first, median, third = paired.quartiles([one[server]["cpu_us"] for one in case["rounds"] if server in one])
            rows.append((server, median, first, third))
        if not rows:
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".dat") as data:
            data.writelines(f'"{row[0]}" {row[1]} {row[2]} {row[3]}\n' for row in rows)
            data.flush()
            script = SCRIPT.format(output=os.path.join(directory, name + ".svg"), title=case["meaning"],
                                   unit="a connection" if "close" in case["meaning"] else "a message",
                                   height=90 + 26 * len(rows), bottom=-len(rows), data=data.name)
            subprocess.run(["gnuplot", "-"], input=script.encode(), check=True)
