"""A Debian with a real systemd, booted for a test and thrown away after it.

The root file system is built once and kept in build/container; a container runs on a copy in memory
(systemd-nspawn --volatile=overlay), so every boot is the first one.
"""
import ctypes
import fcntl
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import harness

SOURCES = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
CACHE = os.path.join(SOURCES, "build/container")
DEB = os.path.join(SOURCES, "build/deb")
PACKAGES = ("echod", "echod-tools", "echod-exporter")
CLONE_NEWNET = 0x40000000  # sched.h
SIGRTMIN_3 = signal.SIGRTMIN + 3  # systemd(1): power off
LIBC = ctypes.CDLL(None, use_errno=True)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def package_file(name):
    """The package of this name that packaging/deb has built."""
    found = glob.glob(os.path.join(DEB, f"{name}_*.deb"))
    if len(found) != 1:
        raise AssertionError(f"packaging/deb should have left one package {name}: {found}")
    return found[0]


def apt_sources():
    """This machine's sources of Debian, whatever mirror they name."""
    command = ("apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
               "Created-By: Packages", "Origin: Debian")
    if not output(*command):
        subprocess.run(["apt-get", "update"], check=True, stdout=subprocess.DEVNULL)
    return "".join(sorted(set(output(*command).splitlines(keepends=True))))


def apt_options():
    """How this machine reaches them, and whether it takes old ones."""
    wanted = re.compile(r"Acquire::(https?::Proxy|Check-)")
    return [f"--aptopt={line}" for line in output("apt-config", "dump").splitlines() if wanted.match(line)]


def suite():
    with open("/etc/os-release", encoding="ascii") as file:
        return re.search(r"^VERSION_CODENAME=(\w+)", file.read(), re.M).group(1)


def container_packages():
    """What packaging/packages lists for the container."""
    with open(os.path.join(SOURCES, "packaging/packages"), encoding="ascii") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    return [package for kinds, package, *_ in rows if "container" in kinds.split(",")]


def root_file_system():
    """Builds it, unless it is there; returns its path."""
    depends = "".join(output("dpkg-deb", "--field", package_file(name), "Depends") for name in PACKAGES)
    packages = sorted({*container_packages(), *re.findall(r"(?:^|, )([\w.+-]+)", depends, re.M)})
    key = hashlib.sha256(f"2 {suite()} {packages} {apt_sources()}".encode()).hexdigest()[:12]
    path = os.path.join(CACHE, key)
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            for old in glob.glob(os.path.join(CACHE, "*/")):
                shutil.rmtree(old)
            subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(packages),
                            "--customize-hook=systemctl --root=$1 disable firewalld ufw 2>&1",
                            *apt_options(), suite(), path + ".new", "-"],
                           input=apt_sources().encode(), check=True)
            os.rename(path + ".new", path)
    return path


def can_contain():
    """What a container needs of the machine: nothing that the code under test could break."""
    harness.require(os.geteuid() == 0, "containers need root")
    for program in ("systemd-nspawn", "mmdebstrap", "nsenter", "unshare"):
        harness.require(shutil.which(program), program + " is not installed")
    done = subprocess.run(["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork",
                           "mount", "-t", "tmpfs", "tmpfs", "/mnt"], stderr=subprocess.PIPE, check=False)
    harness.require(done.returncode == 0, "no namespaces: " + done.stderr.decode().strip())


def die_with_the_test():
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Container:
    """A context manager. /deb holds the packages, /packaging the project's folder of that name.

    packages    the paths of echod and echod-tools in there
    exporter    that of echod-exporter
    """

    def __init__(self, *binds):
        can_contain()
        *self.packages, self.exporter = ("/deb/" + os.path.basename(package_file(name)) for name in PACKAGES)
        binds = [DEB + ":/deb", SOURCES + "/packaging:/packaging", *binds]
        self.log = tempfile.TemporaryFile()
        environment = dict(os.environ, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--directory", root_file_system(), "--volatile=overlay",
             f"--machine=echod-test-{os.getpid()}", "--register=no", "--keep-unit", "--private-network",
             # so that the filters of the units (BPF) work as on a machine of its own
             "--capability=all", "--system-call-filter=bpf",
             *(f"--bind-ro={bind}" for bind in binds), "--console=pipe", "--boot"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, env=environment,
            preexec_fn=die_with_the_test)
        try:
            self.init = harness.wait_until(self._find_init, "the container's init")
            harness.wait_until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip()
                               in ("running", "degraded"), "the end of the boot")
        except BaseException:
            self.stop()
            raise

    def _find_init(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError("systemd-nspawn: " + self.log.read().decode("utf-8", "replace"))
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            for child in file.read().split():
                try:
                    if os.readlink(f"/proc/{child}/exe").endswith("/systemd"):
                        return int(child)
                except OSError:
                    pass
        return None

    def command(self, *command):
        return ["nsenter", f"--target={self.init}", "--mount", "--uts", "--ipc", "--net", "--pid",
                "--cgroup", "--", *command]

    def run(self, *command, check=True, **more):
        done = subprocess.run(self.command(*command), check=False, capture_output=True, text=True,
                              timeout=harness.DEADLINE, **more)
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def write(self, path, text):
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", path, input=text)

    def show(self, unit, name):
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).stdout.strip()

    def active(self, unit):
        return self.show(unit, "ActiveState")

    def host_pid(self, unit):
        """The service's process as this machine calls it: its control group tells both. None while there is none."""
        group = self.show(unit, "ControlGroup")
        try:
            with open(f"/proc/{self.init}/root/sys/fs/cgroup{group}/cgroup.procs", encoding="ascii") as file:
                return int(file.readline() or 0) or None
        except OSError:
            return None

    def journal(self, unit):
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--boot", "--output=cat", "--quiet", f"--unit={unit}").stdout

    def enter_network(self):
        """From now on, this process's sockets are the container's."""
        with open(f"/proc/{self.init}/ns/net", encoding="ascii") as network:
            if LIBC.setns(network.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def stop(self):
        if self.process.poll() is None and hasattr(self, "init"):
            os.kill(self.init, SIGRTMIN_3)
            end = time.monotonic() + harness.DEADLINE
            while self.process.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def installed():
    """A container of the module's own with the packages installed; the tests are on its network from now on."""
    machine = Container()
    unittest.addModuleCleanup(machine.stop)
    machine.run("/packaging/install", *machine.packages)
    machine.enter_network()
    return machine


if __name__ == "__main__":
    can_contain()
    print(root_file_system())
