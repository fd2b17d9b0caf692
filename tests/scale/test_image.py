# ctest: seconds=600 root
"""packaging/container/build and packaging/kubernetes: the images are what they say, and their pod answers (podman)."""
import contextlib
import glob
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest
import urllib.request

import harness

SOURCES = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
# name: (most bytes, ports, program)
IMAGES = {"echod": (8_000_000, {"50007/tcp", "50007/udp"}, "usr/sbin/echod"),
          "echod-exporter": (14_000_000, {"9862/tcp"}, "usr/bin/echod-exporter")}
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
first = {}  # of each image its archive's path and bytes
version = None


def build():
    subprocess.run([os.path.join(SOURCES, "packaging/container/build")], check=True, stdout=subprocess.DEVNULL)
    built = {}
    for image in IMAGES:
        (path,) = glob.glob(os.path.join(SOURCES, f"build/container/{image}-[0-9]*.tar"))
        with open(path, "rb") as file:
            built[image] = path, file.read()
    return built


def name(image="echod"):
    return f"localhost/{image}:{version}"


def podman(*arguments, check=True):
    storage = [f"--{place}={scratch}/{place}" for place in ("root", "runroot", "tmpdir")]
    done = subprocess.run(["podman", "--storage-driver=vfs", *storage, *arguments], capture_output=True, text=True,
                          check=False, timeout=harness.DEADLINE,
                          env=dict(os.environ, CONTAINERS_CONF=scratch + "/containers.conf"))
    if check and done.returncode != 0:
        raise AssertionError(f"podman {arguments}: {done.stdout}{done.stderr}")
    return done


def setUpModule():
    global scratch, first, version
    harness.require(os.geteuid() == 0, "containers need root")
    for program in ("buildah", "podman", "runc", "catatonit"):
        harness.require(shutil.which(program), program + " is not installed")
    harness.own_network()  # podman's bridge and rules come and go with it
    folder = tempfile.TemporaryDirectory(dir="/var/tmp")
    unittest.addModuleCleanup(folder.cleanup)
    scratch = folder.name
    with open(scratch + "/containers.conf", "w", encoding="ascii") as file:
        file.write(CONTAINERS_CONF)
    first = build()
    version = re.search(r"echod-(.*)\.tar$", first["echod"][0]).group(1)
    for path, _ in first.values():
        podman("load", "--input", path)


class Image(unittest.TestCase):
    def test_they_are_small_and_the_same_again(self):
        for image, (_, data) in build().items():
            print(image, len(data), "bytes")
            self.assertLessEqual(len(data), IMAGES[image][0])
            self.assertTrue(data == first[image][1], image + " is not the same again")

    def test_they_hold_programs_and_libraries_and_nothing_else(self):
        for image, (path, _) in first.items():
            with tempfile.TemporaryDirectory() as place:
                with tarfile.open(path) as tar:
                    tar.extractall(place)
                layers = [blob for blob in glob.glob(place + "/blobs/sha256/*") if tarfile.is_tarfile(blob)]
                self.assertEqual(len(layers), 1)
                with tarfile.open(layers[0]) as tar:
                    files = {member.name.strip("/") for member in tar if not member.isdir()}
            programs = {file for file in files if re.search(r"^usr/s?bin/echod[a-z-]*$|^usr/lib/echod/echod$", file)}
            self.assertIn(IMAGES[image][2], programs)
            self.assertEqual("usr/bin/echod-exporter" in programs, image == "echod-exporter")
            self.assertEqual([file for file in files - programs if not re.search(r"^lib(64)?/.*\.so(\.\d+)*$", file)], [])

    def test_what_they_say_of_themselves(self):
        for image, (_, ports, _) in IMAGES.items():
            (said,) = json.loads(podman("image", "inspect", name(image)).stdout)
            self.assertEqual(said["User"], "65532:65532")
            self.assertEqual(set(said["Config"]["ExposedPorts"]), ports)
            self.assertEqual(said["Labels"]["org.opencontainers.image.title"], image)
            self.assertEqual(said["Labels"]["org.opencontainers.image.version"], version)

    def test_there_is_no_shell(self):
        for image in IMAGES:
            done = podman("run", "--rm", "--network=none", "--entrypoint=/bin/sh", name(image), "-c", "true", check=False)
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
        self.scrape(dict(re.findall(r'prometheus\.io/(\w+): "?([^"\s]+)', text)))
        for each in (container, container + "-exporter"):
            self.caged(each)
            podman("stop", each)
            self.assertEqual(json.loads(podman("inspect", each).stdout)[0]["State"]["ExitCode"], 0)

    def scrape(self, annotations):
        """What Prometheus does by the annotations: the counters are those of the daemon in the pod."""
        self.assertEqual(annotations["scrape"], "true")
        url = "http://127.0.0.1:{port}{path}".format(**annotations)

        def page():
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=harness.DEADLINE) as answer:
                return answer.read().decode()

        counters = harness.wait_until(page, "the exporter's page")
        self.assertIn('echod_up{instance_name="echod"} 1\n', counters)
        self.assertIn('echod_datagrams_answered_total{instance_name="echod"} 1\n', counters)

    def caged(self, container):
        (state,) = json.loads(podman("inspect", container).stdout)
        self.assertTrue(state["HostConfig"]["ReadonlyRootfs"])
        self.assertEqual(state["EffectiveCaps"] or [], [])
        with open(f"/proc/{state['State']['Pid']}/status", encoding="ascii") as file:
            status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual((status["Uid"].split(), status["CapEff"].strip()), (["65532"] * 4, "0" * 16))
        self.assertEqual(status["Seccomp"].strip(), "2")

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
