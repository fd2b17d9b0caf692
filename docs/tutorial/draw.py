#!/usr/bin/python3
"""Draws the tutorial's pictures and takes its captures, from real runs in the laboratory:

	docs/tutorial/setup.sh docs/tutorial/draw.py [NAME...]

Names are calls, exchange, lossy, window, congestion, sharing; without any, all. Charts need gnuplot.
"""
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

import sequence  # noqa: E402

PICTURES, CAPTURES, SCRATCH = (os.path.join(HERE, "pictures"), os.path.join(HERE, "captures"), "/run/lab")
CHART = """set terminal svg size 760,{height} font "sans-serif,14" background "white"
set output "{output}"
set xlabel "seconds"
set grid
set border 3
set tics nomirror
set key top right horizontal
{more}
"""


def start(*command, says=None, stream="stderr", **popen):
    """A program that runs meanwhile, once it has said what it says when it is ready."""
    process = subprocess.Popen(command, text=True, **{stream: subprocess.PIPE, **popen})
    while says and says not in getattr(process, stream).readline():
        pass
    return process


def stop(*processes):
    for process in processes:
        process.terminate()
        process.wait()


def capture(host, device, name, what):
    path = os.path.join(CAPTURES, name + ".pcap")
    return path, start(host, "tcpdump", "--immediate-mode", "-U", "-Z", "root", "-i", device, "-w", path, *what.split(),
                       says="listening")


def captured(path, packets):
    """Waits until so many packets are there; returns them."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = sequence.packets(path)
        if len(found) >= packets:
            return found
        time.sleep(0.05)
    sys.exit(f"{path}: {len(sequence.packets(path))} of {packets} packets")


def daemon(*options):
    return start("server", "echod", *options, says="proto=udp")


def exchange():
    server = daemon()
    path, tap = capture("client", "wire", "tcp", "tcp port 50007")
    subprocess.run(["client", "echod-client", "10.0.2.4"], check=True)
    sequence.packets_picture(captured(path, 10), os.path.join(PICTURES, "exchange.svg"))
    stop(tap)
    path, tap = capture("client", "wire", "udp", "udp port 50007 or icmp")
    subprocess.run(["client", "echod-client", "-u", "10.0.2.4"], check=True)
    stop(server)
    subprocess.run(["client", "echod-client", "-u", "10.0.2.4"], check=False)
    captured(path, 4)
    stop(tap)


def calls():
    traced = ["strace", "-D", "-qq", "-f", "-ttt", "-T", "-e", "trace=connect,accept4,recvfrom,sendto,shutdown,close,epoll_wait"]
    server = start("server", *traced, "-o", SCRATCH + "/server.calls", "echod", says="proto=udp")
    path, tap = capture("client", "wire", "calls", "tcp port 50007")
    subprocess.run(["client", *traced, "-o", SCRATCH + "/client.calls", "echod-client", "10.0.2.4"], check=True)
    found = captured(path, 9)
    stop(tap)
    time.sleep(0.2)
    sequence.calls_picture(found, SCRATCH + "/client.calls", SCRATCH + "/server.calls", os.path.join(PICTURES, "calls.svg"))
    stop(server)
    os.unlink(path)


def lossy():
    """Seeds are tried until a short exchange has lost a packet of the client's, and only a few more."""
    server = daemon()
    for seed in range(1, 50):
        path = start(os.path.join(HERE, "path.py"), "--delay", "5", "--lose", "12", "--seed", str(seed), says="open",
                     stream="stdout")
        file, tap = capture("client", "path", "lossy", "tcp port 50007")
        done = subprocess.run(["client", "echod-client", "-s", "6000", "10.0.3.4"], check=False)
        time.sleep(0.3)
        stop(tap, path)
        found = sequence.packets(file)
        again = sequence.sent_again(found)
        if done.returncode == 0 and len(found) <= 30 and any(found[number].source != 50007 for number in again):
            break
    stop(server)
    sequence.packets_picture(found, os.path.join(PICTURES, "lossy.svg"))


def samples(seconds, pick, every=0.02):
    """[(second, what pick makes of each socket's text)]: from ss -tin at the client."""
    began, found = time.monotonic(), []
    while time.monotonic() - began < seconds:
        text = subprocess.run(["client", "ss", "-tinOH", "dst", "10.0.3.4"], stdout=subprocess.PIPE, text=True, check=True).stdout
        found.append((time.monotonic() - began, [pick(line) for line in text.splitlines() if "ESTAB" in line]))
        time.sleep(every)
    return found


def number(name, line):
    match = re.search(rf"\b{name}:(\d+)", line)
    return int(match[1]) if match else None


def gnuplot(output, more, height=360):
    script = CHART.format(output=os.path.join(PICTURES, output), more=more, height=height)
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def write(name, rows):
    path = os.path.join(SCRATCH, name)
    with open(path, "w", encoding="ascii") as file:
        for row in rows:
            file.write(" ".join("NaN" if value is None else f"{value}" for value in row) + "\n")
    return path


def sink(port):
    return start("server", "nc", "-dl", str(port), stdout=subprocess.DEVNULL)


def congestion():
    receiver = sink(5001)
    path = start(os.path.join(HERE, "path.py"), "--rate", "10", "--delay", "20", "--queue", "40", says="open", stream="stdout")
    time.sleep(0.3)
    sender = subprocess.Popen(["client", "nc", "10.0.3.4", "5001"], stdin=open("/dev/zero", "rb"))
    rows = [(second, *sockets[0]) for second, sockets in
            samples(12, lambda line: (number("cwnd", line), number("ssthresh", line))) if sockets]
    stop(sender, path, receiver)
    data = write("congestion", rows)
    gnuplot("congestion.svg", f'set ylabel "segments"\nset yrange [0:*]\nset xrange [0:12]\nplot "{data}" using 1:2 with lines lw 2 title '
            f'"congestion window (cwnd)", "" using 1:3 with lines lw 2 dt 2 title "slow start threshold (ssthresh)"')


def sharing():
    receivers = [sink(5001), sink(5002)]
    path = start(os.path.join(HERE, "path.py"), "--rate", "10", "--delay", "5", "--queue", "40", says="open", stream="stdout")
    time.sleep(0.3)
    senders = [subprocess.Popen(["client", "nc", "10.0.3.4", "5001"], stdin=open("/dev/zero", "rb"))]
    rows, last, began = [], {}, time.monotonic()
    flood = None
    while time.monotonic() - began < 24:
        second = time.monotonic() - began
        if second > 6 and len(senders) == 1:
            senders.append(subprocess.Popen(["client", "nc", "10.0.3.4", "5002"], stdin=open("/dev/zero", "rb")))
        if second > 16 and not flood:
            flood = subprocess.Popen(["client", os.path.join(HERE, "code/flood.py"), "10.0.3.4", "8", "6"])
        text = subprocess.run(["client", "ss", "-tinOH", "dst", "10.0.3.4"], stdout=subprocess.PIPE, text=True, check=True).stdout
        now = {port: number("bytes_acked", line) or 0 for line in text.splitlines() for port in ("5001", "5002")
               if f":{port} " in line}
        rows.append((second, *((now[port] - last.get(port, 0)) * 8e-6 / 0.5 if port in now else None for port in ("5001", "5002"))))
        last = now
        time.sleep(max(0, 0.5 - (time.monotonic() - began - second)))
    stop(*senders, path, *receivers)
    flood.wait()
    data = write("sharing", rows[1:])
    gnuplot("sharing.svg", 'set ylabel "Mbit/s"\nset yrange [0:14]\nset arrow from 6,0 to 6,11 nohead dt 3\nset arrow from 16,0 to 16,11 '
            'nohead dt 3\nset label "a second flow" at 6.2,11\nset label "UDP sends 8 Mbit/s" at 16.2,11\n'
            f'plot "{data}" using 1:2 with lines lw 2 title "first TCP flow", "" using 1:3 with lines lw 2 title "second TCP flow"')


def window():
    server = daemon("--stall-timeout=0")
    path, tap = capture("client", "wire", "window", "-s 96 tcp port 50007")
    reader = subprocess.Popen(["client", "python3", os.path.join(HERE, "code/late_reader.py"), "10.0.2.4", "131072"],
                              stdout=subprocess.PIPE, text=True)
    reader.stdout.readline()
    time.sleep(2)
    reader.send_signal(10)
    reader.wait()
    time.sleep(0.5)
    stop(tap, server)
    found = sequence.packets(path)
    os.unlink(path)
    scale = {packet.source: packet.scale for packet in found if packet.scale is not None}
    rows = [(packet.time - found[0].time, packet.window * (1 if "S" in packet.flags else 1 << scale[packet.source]) / 1024)
            for packet in found if packet.source != 50007]
    data = write("window", rows)
    gnuplot("window.svg", f'set ylabel "KiB"\nset yrange [-5:190]\nplot "{data}" using 1:2 with steps lw 1.5 notitle, "" using 1:2 with points pt 7 ps 0.4 title "window that the client offers to the server"')


def main():
    everything = {"calls": calls, "exchange": exchange, "lossy": lossy, "window": window, "congestion": congestion,
                  "sharing": sharing}
    for name in sys.argv[1:] or everything:
        print("draw:", name, flush=True)
        everything[name]()


if __name__ == "__main__":
    main()
