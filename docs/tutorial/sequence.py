"""Reads captures and traces, and draws them as sequence diagrams (SVG)."""
import collections
import html
import re
import struct

SERVER_PORT = 50007
STEP, TOP = 26, 70  # pixels between two events, and above the first
# No wider than a phone shows without making the text small.
HEAD = ('<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">\n'
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 10 5 0 10z"/></marker></defs>\n<rect width="100%" height="100%" fill="white"/>\n')
Packet = collections.namedtuple("Packet", "time source target flags seq ack length window scale")
CALL = re.compile(r"^(?:\d+ +)?([\d.]+) (\w+)\((.*)\) += (\S+).*<([\d.]+)>$")


def packets(path):
    """The TCP packets of a capture (pcap-savefile(5), Ethernet, IPv4); sequence numbers relative to the SYN's."""
    with open(path, "rb") as file:
        data = file.read()
    found, at, first = [], 24, {}
    while at + 16 <= len(data):
        seconds, micros, length, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16:at + 16 + length]
        at += 16 + length
        if len(frame) < length or len(frame) < 34 or frame[23] != 6:
            if len(frame) == length and len(frame) >= 34:
                found.append(Packet(seconds + micros / 1e6, *(0,) * 2, "", 0, 0, 0, 0, None))  # not TCP
            continue
        tcp = 14 + 4 * (frame[14] & 15)
        source, target, seq, ack, offset, bits, window = struct.unpack_from("!HHIIBBH", frame, tcp)
        header = 4 * (offset >> 4)
        flags = "".join(letter for bit, letter in enumerate("FSRPA") if bits >> bit & 1)
        scale = re.search(rb"\x03\x03(.)", frame[tcp + 20:tcp + header], re.S) if "S" in flags else None
        if "S" in flags:
            first[source] = seq
        size = struct.unpack_from("!H", frame, 16)[0] - (tcp - 14) - header
        found.append(Packet(seconds + micros / 1e6, source, target, flags, (seq - first.get(source, seq)) & 0xffffffff,
                            (ack - first.get(target, ack)) & 0xffffffff, size, window, scale[1][0] if scale else None))
    return found


def says(packet):
    names = {"S": "SYN", "F": "FIN", "R": "RST", "P": "PSH", "A": "ACK"}
    words = ", ".join(names[letter] for letter in "SFRPA" if letter in packet.flags)
    return words + (f", {packet.length} bytes from {packet.seq}" if packet.length else "") + (
        f", expects {packet.ack}" if packet.flags == "A" and not packet.length else "")


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {more}>{html.escape(words)}</text>\n'


def lifeline(x, name, bottom):
    return text(x, 34, name, more='font-weight="bold"') + f'<line x1="{x}" y1="46" x2="{x}" y2="{bottom}" stroke="#888"/>\n'


def arrow(left, right, y, packet, color="#204a87"):
    start, end = (left, right) if packet.target == SERVER_PORT else (right, left)
    return (f'<line x1="{start}" y1="{y}" x2="{end}" y2="{y}" stroke="{color}" stroke-width="1.5" marker-end="url(#tip)"/>\n'
            + text((left + right) / 2, y - 5, says(packet), more=f'fill="{color}"'))


def sent_again(found):
    """The indices of packets that carry bytes that their sender has sent before."""
    upto, again = {}, set()
    for number, packet in enumerate(found):
        if packet.length and packet.seq < upto.get(packet.source, 0):
            again.add(number)
        upto[packet.source] = max(upto.get(packet.source, 0), packet.seq + packet.length)
    return again


def packets_picture(found, output):
    """Client and server, an arrow for each packet, in order, with its time. What is sent again is red."""
    found = [packet for packet in found if packet.flags]
    height, left, right = TOP + STEP * len(found) + 20, 100, 370
    out = HEAD.format(width=400, height=height) + lifeline(left, "client", height - 10) + lifeline(right, "server", height - 10)
    again = sent_again(found)
    for number, packet in enumerate(found):
        y = TOP + STEP * number
        out += text(78, y + 4, f"{1000 * (packet.time - found[0].time):.2f} ms", "end", 'fill="#555"')
        out += arrow(left, right, y, packet, "#a40000" if number in again else "#204a87")
    with open(output, "w", encoding="utf-8") as file:
        file.write(out + "</svg>\n")


def traced(path, side):
    """Calls that concern the conversation: (start, end, side, what)."""
    found = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = CALL.match(line.rstrip())
            if not match:
                continue
            begin, name, arguments, result, lasted = match.groups()
            if name == "close" or (name == "connect" and "50007" not in arguments):
                continue
            name = {"recvfrom": "recv", "sendto": "send"}.get(name, name)
            found.append((float(begin), float(begin) + float(lasted), side, f"{name}() = {result}"))
    return found


def calls_picture(found, client_calls, server_calls, output):
    """Four lifelines: both programs, and their kernels with the packets between them. A call is written over its kernel's."""
    calls = traced(client_calls, "client") + traced(server_calls, "server")
    first, last = found[0].time, found[-1].time
    calls = [call for call in calls if call[1] > first - 0.002 and call[0] < last + 0.002]
    moments = [(packet.time, "packet", packet) for packet in found]
    for begin, end, side, what in calls:
        waits = any(begin < packet.time < end for packet in found)
        name = what.split(" ")[0]
        if waits:
            moments.append((begin, side, name + " …"))
            moments.append((end, side, what))
        else:
            moments.append((end, side, what))
    moments = [moment for moment in moments if first - 0.0015 < moment[0] < last + 0.0015]
    moments.sort(key=lambda moment: moment[0])
    height = TOP + STEP * len(moments) + 20
    client, left, right, server = 88, 140, 330, 382
    out = HEAD.format(width=404, height=height)
    for name, x in (("client", client), ("kernel", left), ("kernel", right), ("echod", server)):
        out += lifeline(x, name, height - 10)
    for number, (when, kind, what) in enumerate(moments):
        y = TOP + STEP * number
        out += text(68, y + 4, f"{1e6 * (when - first):.0f} µs", "end", 'fill="#555"')
        if kind == "packet":
            out += arrow(left, right, y, what)
            continue
        x, towards, anchor = (client, 10, "start") if kind == "client" else (server, -10, "end")
        out += f'<circle cx="{x}" cy="{y}" r="4"/>\n'
        out += text(x + towards, y + 4, what, anchor, 'stroke="white" stroke-width="4" paint-order="stroke"')
    with open(output, "w", encoding="utf-8") as file:
        file.write(out + "</svg>\n")
