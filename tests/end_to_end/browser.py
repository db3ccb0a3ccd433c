"""A browser: Chromium without a window, driven through WebDriver (W3C), which is JSON over HTTP."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

PATIENCE = 60
"""Seconds that a step may take."""

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
    "--window-size=1040,700",
)


class Browser:
    """One window.

    Args:
        port: the driver's.
        capabilities: what the window is to be like.
    """

    def __init__(self, port: int, capabilities: dict[str, object]) -> None:
        self._port = port
        self._session = ""
        found = self._do("POST", "", {"capabilities": {"alwaysMatch": capabilities}})
        self._session = f"/{found['sessionId']}"

    def _do(self, method: str, path: str, body=None):
        """Return what the driver answers.

        Raises:
            AssertionError: when it can't do that, as when the page has opened a dialog.
        """
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            text = None if method != "POST" else json.dumps(body or {})
            connection.request(method, f"/session{self._session}{path}", text)
            response = connection.getresponse()
            value = json.load(response)["value"]
        finally:
            connection.close()
        assert response.status == 200, value
        return value

    def open(self, url: str) -> None:
        self._do("POST", "/url", {"url": url})

    def find(self, path: str) -> list[str]:
        """Return the elements that an XPath finds."""
        found = self._do("POST", "/elements", {"using": "xpath", "value": path})
        return [element[_ELEMENT] for element in found]

    def text(self, path: str = "//body") -> str:
        """Return what a person reads in an element."""
        [element] = self.find(path)
        return self._do("GET", f"/element/{element}/text")

    def click(self, path: str) -> None:
        [element] = self.find(path)
        self._do("POST", f"/element/{element}/click")

    def run(self, script: str):
        """Return what a script of ours returns."""
        return self._do("POST", "/execute/sync", {"script": script, "args": []})

    def screenshot(self) -> bytes:
        return base64.b64decode(self._do("GET", "/screenshot"))

    def close(self) -> None:
        self._do("DELETE", "")


@contextmanager
def browser(need, folder: Path) -> Iterator[Browser]:
    """Run a browser that knows nothing yet, until the end of the block.

    Args:
        need: the fixture.
        folder: where its profile goes.
    """
    chromium, driver = need("chromium"), need("chromedriver")
    flags = [*_FLAGS, f"--user-data-dir={folder / 'profile'}"]
    capabilities = {
        "browserName": "chrome",
        "goog:chromeOptions": {"binary": chromium, "args": flags},
    }
    process, port = _start(driver)
    with process:
        try:
            window = Browser(port, capabilities)
            try:
                yield window
            finally:
                window.close()
        finally:
            process.terminate()


def _start(driver: str) -> tuple[subprocess.Popen[str], int]:
    """Start the driver; return it and its port.

    It looks for a port that is free in IPv4, and ends if somebody has that one in IPv6.
    """
    for _ in range(5):
        process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            found = re.search(r"successfully on port (\d+)", line)
            if found is not None:
                return process, int(found[1])
        process.wait(PATIENCE)
    raise AssertionError("chromedriver does not start")
