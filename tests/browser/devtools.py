"""A page in headless Chromium, driven through its DevTools over a pair of pipes.

https://chromedevtools.github.io/devtools-protocol/ : messages are JSON, each ended by a
zero byte, read by the browser from descriptor 3 and written to 4. No library, no port.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from select import select
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--hide-scrollbars"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--remote-debugging-pipe",
)
# Any two descriptors can be passed on; these get the numbers that the browser expects.
_RENUMBER = """
import fcntl, os, sys
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, 10) for fd in sys.argv[1:3]]
for wanted, fd in zip((3, 4), high):
    os.dup2(fd, wanted)
os.execv(sys.argv[3], sys.argv[3:])
"""
_PATIENCE_S = 120  # a busy machine starts a browser slowly; nothing is timed here


def find_browser() -> str:
    """Return the browser of this machine.

    Raises:
        FileNotFoundError: There is none.
    """
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    message = f"none of {', '.join(NAMES)}: apt-get install chromium"
    raise FileNotFoundError(message)


class Browser:
    """One page; what it asks the network for and what it complains of is kept."""

    def __init__(self) -> None:
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self._profile = tempfile.mkdtemp(prefix="vestbench-browser-")
        self._last = 0
        self._session = ""
        self._rest = b""
        self._loaded = False

    def __enter__(self) -> Self:
        command_out, self._write = os.pipe()
        self._read, answer_in = os.pipe()

        profile = f"--user-data-dir={self._profile}"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _RENUMBER, str(command_out), str(answer_in)),
                *(find_browser(), *_FLAGS, profile, "about:blank"),
            ],
            pass_fds=(command_out, answer_in),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_out)
        os.close(answer_in)
        try:
            self._attach()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _attach(self) -> None:
        targets = self._send("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self._send(
            "Target.attachToTarget", targetId=page["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
        shutil.rmtree(self._profile, ignore_errors=True)

    def show(self, path: Path, *, width: int = 1000, dark: bool = False) -> None:
        """Open a file at a width, in light or in dark."""
        self._send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = "dark" if dark else "light"
        wanted = [{"name": "prefers-color-scheme", "value": scheme}]
        self._send("Emulation.setEmulatedMedia", features=wanted)
        self.requested.clear()
        self.complaints.clear()
        self._loaded = False
        self._send("Page.navigate", url=path.as_uri())
        self._until(lambda: self._loaded)

    def run_scripts(self, wanted: bool) -> None:
        """Let pages run their scripts, or not; for those opened from now on."""
        self._send("Emulation.setScriptExecutionDisabled", value=not wanted)

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression is on the page."""
        found = self._send(
            "Runtime.evaluate", expression=expression, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
        return found["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write all of the page as a PNG file."""
        self._write_data(
            path, "Page.captureScreenshot", format="png", captureBeyondViewport=True
        )

    def printed(self, path: Path) -> None:
        """Write the page as it is printed, as PDF."""
        self._write_data(path, "Page.printToPDF", printBackground=False)

    def _write_data(self, path: Path, method: str, **arguments: Any) -> None:
        found = self._send(method, **arguments)
        path.write_bytes(base64.b64decode(found["data"]))

    def _send(self, method: str, **arguments: Any) -> dict[str, Any]:
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        answers: list[dict[str, Any]] = []
        self._until(lambda: bool(answers), number, answers)
        if "error" in answers[0]:
            raise RuntimeError(f"{method}: {answers[0]['error']['message']}")
        result: dict[str, Any] = answers[0]["result"]
        return result

    def _until(
        self,
        over: Callable[[], bool],
        number: int = 0,
        answers: list[dict[str, Any]] | None = None,
    ) -> None:
        """Take messages until it is over; an answer to `number` goes to `answers`."""
        while not over():
            message = self._message()
            if "id" in message:
                if answers is not None and message["id"] == number:
                    answers.append(message)
            else:
                self._note(message["method"], message.get("params", {}))

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select([self._read], [], [], _PATIENCE_S)
            data = os.read(self._read, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError("the browser says nothing any more")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, method: str, about: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requested.append(about["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(about["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(about["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(about["type"])
        elif method == "Page.loadEventFired":
            self._loaded = True
