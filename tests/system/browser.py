"""Chromium without a window, driven through its debugging pipe (the Chrome DevTools Protocol)."""
import base64
import json
import os
import select
import subprocess
import tempfile
import time

import harness


class Page:
    """One page, open at a URL. Collects what its console and the browser complain of in self.complaints."""

    def __init__(self, url, dark=False, width=1200, height=900):
        self.complaints, self.number, self.buffer, self.session = [], 0, b"", None
        self.scratch = tempfile.TemporaryDirectory(prefix="echod-browser-", ignore_cleanup_errors=True)
        theirs_in, self.out = os.pipe()
        self.into, theirs_out = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4.
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", f"exec 3<&{theirs_in} 4>&{theirs_out}; exec \"$@\"", "bash",
             "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-pipe", "--user-data-dir=" + self.scratch.name, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(theirs_in, theirs_out))
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Runtime", "Log", "Page"):
                self.call(domain + ".enable")
            self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
            self.call("Emulation.setEmulatedMedia", features=[
                {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
            self.call("Page.navigate", url=url)
        except BaseException:
            self.close()
            raise

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + harness.DEADLINE
        while True:
            answer = self._next(deadline - time.monotonic())
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next(self, seconds):
        while b"\0" not in self.buffer:
            if not select.select([self.into], [], [], max(0, seconds))[0]:
                raise AssertionError("the browser does not answer")
            part = os.read(self.into, 1 << 20)
            if not part:
                raise AssertionError("the browser has ended")
            self.buffer += part
        line, self.buffer = self.buffer.split(b"\0", 1)
        event = json.loads(line)
        if event.get("method") == "Runtime.exceptionThrown" or (
                event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error"):
            self.complaints.append(event["params"])
        elif event.get("method") == "Runtime.consoleAPICalled" and event["params"]["type"] in ("error", "warning"):
            self.complaints.append(event["params"])
        return event

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def screenshot(self, path):
        """The whole page, as high as what it shows."""
        width, height = self.evaluate("[innerWidth, Math.ceil(document.documentElement.getBoundingClientRect().height)]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.process.kill()
        self.process.wait()
        for descriptor in (self.out, self.into):
            os.close(descriptor)
        self.scratch.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
