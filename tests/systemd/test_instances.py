# ctest: seconds=300 container root
"""echod-instances(8): connections are spread over the cores, and stopping an instance refuses nobody."""
import json
import os
import resource
import select
import socket
import unittest

import harness
from container import installed
from test_service import PORT, Load, one_echo, peer

FLOWS = 3000
WAITING = 40
PLAIN = ("echod.socket", "echod-udp.socket")

machine = None


def setUpModule():
    global machine
    harness.require(len(os.sched_getaffinity(0)) > 1, "one core only")
    machine = installed()


def enabled():
    return machine.run("sh", "-c", "ls /etc/systemd/system/sockets.target.wants | grep ^echod").stdout.split()


class Instances(unittest.TestCase):
    def setUp(self):
        self.cores = sorted(os.sched_getaffinity(0))[:2]
        self.sockets = [f"echod@{core}.socket" for core in self.cores]
        self.services = [f"echod@{core}.service" for core in self.cores]
        self.udp = [f"echod-udp@{core}.socket" for core in self.cores]
        machine.run("echod-instances", "2")

    def shown(self):
        """What echod-stat says, by instance, and "sum"."""
        lines = machine.run("echod-stat", "--json", "--count=1").stdout.splitlines()
        return {line.get("instance_name", "sum"): line for line in map(json.loads, lines)}

    def test_connections_are_spread_evenly_and_summed(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (FLOWS + 1000, FLOWS + 1000))
        peers = [peer() for _ in range(FLOWS)]
        harness.wait_until(lambda: self.shown().get("sum", {}).get("connections") == FLOWS, "all connections to be accepted")
        opened = [self.shown()[str(core)]["connections"] for core in self.cores]
        print("connections:", opened)
        self.assertEqual(sum(opened), FLOWS)
        self.assertTrue(all(abs(count - FLOWS / 2) <= FLOWS / 20 for count in opened), opened)
        for core, service in zip(self.cores, self.services):
            self.assertEqual(os.sched_getaffinity(machine.host_pid(service)), {core})
            self.assertRegex(machine.run("echod-instances").stdout, rf"(?m)^{service}: active, \d+ connections, ")
        for sock in peers:
            sock.close()

    def test_what_waits_at_an_instance_that_is_stopped_moves_to_the_other(self):
        """systemd holds the listener of an instance that never comes up."""
        machine.write("/run/systemd/system/hold.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n")
        held = f"/run/systemd/system/{self.services[0]}.d"
        machine.write(held + "/hold.conf", "[Unit]\nRequires=hold.service\nAfter=hold.service\n")
        self.addCleanup(machine.run, "sh", "-c", f"rm -r {held}; systemctl daemon-reload; systemctl stop hold.service")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "stop", self.services[0])
        peers = [peer() for _ in range(WAITING)]
        poll = select.poll()
        for sock in peers:
            sock.send(b"waits")
            poll.register(sock, select.POLLIN)

        def waiting():
            queues = machine.run("ss", "-Hlnt", f"sport = :{PORT}").stdout.splitlines()
            return sum(int(line.split()[1]) for line in queues)

        harness.wait_until(lambda: poll.poll(0) and len(poll.poll(0)) + waiting() == WAITING, "the other's answers")
        print("connections that wait:", waiting())
        self.assertGreater(waiting(), 0)
        machine.run("systemctl", "stop", self.sockets[0])
        for sock in peers:
            with sock:
                self.assertEqual(sock.recv(100), b"waits")

    def test_more_and_fewer_under_load_refuse_nobody(self):
        with Load() as load:
            for number in ("1", "2", "1", "2"):
                machine.run("echod-instances", number)
                load.wait_for_more()
                self.assertEqual([machine.active(unit) for unit in self.sockets],
                                 ["active", "active" if number == "2" else "inactive"])
        self.assertEqual((load.refused, load.cut), ([], []))

    def test_they_come_and_go_and_take_udp_along(self):
        self.assertEqual(sorted(enabled()), sorted(self.sockets + self.udp))
        one_echo(socket.SOCK_DGRAM)
        machine.run("echod-instances", "0")
        self.assertEqual(sorted(enabled()), sorted(PLAIN))
        self.assertEqual([machine.active(unit) for unit in (*PLAIN, *self.sockets, *self.udp, *self.services)],
                         ["active"] * 2 + ["inactive"] * 6)
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            one_echo(kind)
        machine.run("systemctl", "disable", "--now", "echod-udp.socket")
        self.addCleanup(machine.run, "systemctl", "enable", "echod-udp.socket")
        machine.run("echod-instances", "2")
        self.assertEqual(sorted(enabled()), sorted(self.sockets))
        machine.run("echod-instances", "0")

    def test_what_cannot_be_is_refused(self):
        for argument, status in (("999", 1), ("-1", 2), ("two", 2)):
            self.assertEqual(machine.run("echod-instances", argument, check=False).returncode, status)
        self.assertEqual(sorted(enabled()), sorted(self.sockets + self.udp))


if __name__ == "__main__":
    harness.main()
