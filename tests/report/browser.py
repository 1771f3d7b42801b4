"""Chromium, spoken to by tests in the DevTools protocol."""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MUST_RUN = "NNEXP_BROWSER_MUST_RUN"
NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 60
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--no-first-run", "--no-default-browser-check", "--disable-extensions", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-default-apps"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9"),
    "--remote-debugging-pipe",
)
COMMAND = 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"'
"""Chromium reads what it is asked from descriptor 3 and answers to 4."""

COMPLAINTS = {
    "Runtime.exceptionThrown",
    "Runtime.consoleAPICalled",
    "Log.entryAdded",
    "Audits.issueAdded",
}


class Browser:
    """A page of Chromium's, spoken to in the DevTools protocol: JSON, a zero byte behind each."""

    def __init__(self, process: subprocess.Popen[bytes], questions: int, answers: int) -> None:
        self._process, self._questions, self._answers = process, questions, answers
        self._numbers = itertools.count(1)
        self._pending = b""
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Call a method and return its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._questions, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda each: each.get("id") == number)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _until(self, wanted: Any) -> dict[str, Any]:  # noqa: ANN401 - a predicate
        deadline = time.monotonic() + SECONDS
        while True:
            while b"\0" not in self._pending:
                left = max(0, deadline - time.monotonic())
                assert select.select([self._answers], [], [], left)[0], "Chromium does not answer"
                read = os.read(self._answers, 1 << 16)
                assert read, f"Chromium has ended ({self._process.wait()})"
                self._pending += read
            first, _, self._pending = self._pending.partition(b"\0")
            message: dict[str, Any] = json.loads(first)
            if wanted(message):
                return message
            self._events.append(message)

    def open(
        self, path: Path, *, width: int = 1200, scheme: str = "light", scripts: bool = True
    ) -> None:
        """Load a file, and forget what happened before."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self("Emulation.setDeviceMetricsOverride", **size)
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self("Emulation.setEmulatedMedia", features=preferred)
        self("Emulation.setScriptExecutionDisabled", value=not scripts)
        self._events.clear()
        self("Page.navigate", url=path.as_uri())
        if not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._events.append(
                self._until(lambda each: each.get("method") == "Page.loadEventFired")
            )

    def ask(self, expression: str) -> Any:  # noqa: ANN401 - what the page says
        """Return the value of an expression in the page."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def mouse(self, kind: str, x: float, y: float, *, held: bool = False) -> None:
        """Move, press or release the mouse."""
        button = {"button": "none" if kind == "mouseMoved" and not held else "left"}
        self("Input.dispatchMouseEvent", type=kind, x=x, y=y, clickCount=1, **button)

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What the console, the policy or a script had to complain of."""
        return [event for event in self._events if event.get("method") in COMPLAINTS]

    @property
    def requested(self) -> list[str]:
        """The addresses that the page asked for, what is in the page itself left out."""
        urls = [
            event["params"]["request"]["url"]
            for event in self._events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith("data:")]


def opened(folder: Path) -> Iterator[Browser]:
    """Yield Chromium with a profile of its own, in a folder, and no network; then end it."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        said = f"no browser: none of {', '.join(NAMES)} is installed"
        if os.environ.get(MUST_RUN) == "1":
            pytest.fail(f"{said}, and {MUST_RUN}=1 says that these tests must run")
        pytest.skip(said)
    profile = folder / "profile"
    profile.mkdir()
    (their_in, questions), (answers, their_out) = os.pipe(), os.pipe()
    arguments = [*FLAGS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        ["bash", "-c", COMMAND, str(their_in), str(their_out), found, *arguments],
        pass_fds=(their_in, their_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "HOME": str(profile)},
    )
    os.close(their_in)
    os.close(their_out)
    try:
        yield Browser(process, questions, answers)
    finally:
        os.close(questions)  # the pipe's end is Chromium's too
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(answers)
