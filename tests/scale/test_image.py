# ctest: seconds=600 root
"""packaging/container/build and packaging/kubernetes: the image is what it says, and its pod answers (podman)."""
import glob
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import harness

SOURCES = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
MOST_BYTES = 8_000_000
PORT = 50007
CONTAINERS_CONF = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=1024:1024"]
log_driver = "k8s-file"
"""

scratch = None
archive = None


def build():
    subprocess.run([os.path.join(SOURCES, "packaging/container/build")], check=True, stdout=subprocess.DEVNULL)
    (path,) = glob.glob(os.path.join(SOURCES, "build/container/echod-*.tar"))
    with open(path, "rb") as file:
        return path, file.read()


def name():
    return "localhost/echod:" + re.search(r"echod-(.*)\.tar$", archive).group(1)


def podman(*arguments, check=True):
    storage = [f"--{place}={scratch}/{place}" for place in ("root", "runroot", "tmpdir")]
    done = subprocess.run(["podman", "--storage-driver=vfs", *storage, *arguments], capture_output=True, text=True,
                          check=False, timeout=harness.DEADLINE,
                          env=dict(os.environ, CONTAINERS_CONF=scratch + "/containers.conf"))
    if check and done.returncode != 0:
        raise AssertionError(f"podman {arguments}: {done.stdout}{done.stderr}")
    return done


def setUpModule():
    global scratch, archive
    harness.require(os.geteuid() == 0, "containers need root")
    for program in ("buildah", "podman", "runc", "catatonit"):
        harness.require(shutil.which(program), program + " is not installed")
    harness.own_network()  # podman's bridge and rules come and go with it
    folder = tempfile.TemporaryDirectory(dir="/var/tmp")
    unittest.addModuleCleanup(folder.cleanup)
    scratch = folder.name
    with open(scratch + "/containers.conf", "w", encoding="ascii") as file:
        file.write(CONTAINERS_CONF)
    archive = build()[0]
    podman("load", "--input", archive)


class Image(unittest.TestCase):
    def test_it_is_small_and_the_same_again(self):
        first = build()[1]
        self.assertLessEqual(len(first), MOST_BYTES)
        self.assertEqual(build()[1], first)

    def test_it_holds_programs_and_libraries_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as place:
            with tarfile.open(archive) as tar:
                tar.extractall(place)
            layers = [path for path in glob.glob(place + "/blobs/sha256/*") if tarfile.is_tarfile(path)]
            self.assertEqual(len(layers), 1)
            with tarfile.open(layers[0]) as tar:
                files = [member.name.strip("/") for member in tar if not member.isdir()]
        self.assertIn("usr/sbin/echod", files)
        others = [file for file in files
                  if not re.search(r"^usr/s?bin/echod[a-z-]*$|^lib(64)?/.*\.so(\.\d+)*$|^usr/lib/echod/echod$", file)]
        self.assertEqual(others, [])

    def test_what_it_says_of_itself(self):
        (image,) = json.loads(podman("image", "inspect", name()).stdout)
        self.assertEqual(image["User"], "65532:65532")
        self.assertEqual(set(image["Config"]["ExposedPorts"]), {f"{PORT}/tcp", f"{PORT}/udp"})
        self.assertEqual(image["Labels"]["org.opencontainers.image.version"], name().split(":")[1])

    def test_there_is_no_shell(self):
        done = podman("run", "--rm", "--network=none", "--entrypoint=/bin/sh", name(), "-c", "true", check=False)
        self.assertEqual(done.returncode, 127, done.stderr)


class Pod(unittest.TestCase):
    def test_the_deployment_answers_and_stops(self):
        manifest = os.path.join(SOURCES, "packaging/kubernetes/echod.yaml")
        with open(manifest, encoding="utf-8") as file:
            text = file.read()
        # What Kubernetes would make of two replicas is not podman's: the port is the machine's here.
        one = scratch + "/echod.yaml"
        with open(one, "w", encoding="utf-8") as file:
            file.write(text.replace("replicas: 2", "replicas: 1"))
        self.addCleanup(podman, "play", "kube", "--down", one, check=False)
        podman("play", "kube", one)
        container = "echod-pod-0-echod"
        probe = re.findall(r'"([^"]*)"', re.search(r"command: (\[.*\])", text).group(1))
        harness.wait_until(lambda: podman("exec", container, *probe, check=False).returncode == 0, "readiness")
        for extra in ([], ["--udp"]):
            subprocess.run([os.environ["ECHOD_CLIENT"], *extra, "--message=from outside", "127.0.0.1"], check=True,
                           stdout=subprocess.DEVNULL)
        (state,) = json.loads(podman("inspect", container).stdout)
        self.assertTrue(state["HostConfig"]["ReadonlyRootfs"])
        self.assertEqual(state["EffectiveCaps"] or [], [])
        with open(f"/proc/{state['State']['Pid']}/status", encoding="ascii") as file:
            status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual((status["Uid"].split(), status["CapEff"].strip()), (["65532"] * 4, "0" * 16))
        self.assertEqual(status["Seccomp"].strip(), "2")
        podman("stop", container)
        self.assertEqual(json.loads(podman("inspect", container).stdout)[0]["State"]["ExitCode"], 0)

    def test_the_bench_job_runs_the_program_as_it_is(self):
        """podman plays no Jobs: the container of its pod is run with the Job's command line."""
        with open(os.path.join(SOURCES, "packaging/kubernetes/bench.yaml"), encoding="utf-8") as file:
            text = file.read()
        command = re.findall(r'"([^"]*)"', re.search(r"command: (\[.*\])", text).group(1))
        arguments = re.findall(r'"([^"]*)"', re.search(r"args: (\[.*\])", text).group(1))
        arguments = [argument.replace("--duration=30s", "--duration=1s").replace("$(ECHOD_HOST)", "127.0.0.1")
                     .replace("$(JOB_COMPLETION_INDEX)", "3")
                     for argument in arguments]
        with harness.Daemon(f"--port={PORT}"):
            done = podman("run", "--rm", "--network=host", "--read-only", "--entrypoint", command[0], name(),
                          *arguments)
        self.assertEqual(json.loads(done.stdout)["label"], "3")


if __name__ == "__main__":
    harness.main()
