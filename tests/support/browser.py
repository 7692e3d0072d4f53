"""A real headless Chromium, driven over its DevTools socket: what a person sees, types and chooses.

No package drives it: the protocol is JSON over one websocket, and of its hundreds of calls a page's test needs a dozen.
"""

# ruff: noqa: TID251  # whether this is CI, the environment says

import asyncio
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

SWITCHES: Final = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--force-color-profile=srgb", "--remote-debugging-port=0",
)  # fmt: skip
CHROMIUM: Final = shutil.which("chromium")
CI: Final = bool(os.environ.get("CI"))
READY: Final = 30.0
KEYS: Final = {"Tab": 9, "Enter": 13, " ": 32}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]


class Page:
    """One tab. Every call waits for its answer; a page's own errors are collected in `errors`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._session = ""
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._chooser: asyncio.Future[int] | None = None
        self.errors: list[str] = []
        self.requests: list[Request] = []

    async def open(self) -> str:
        """Open the tab, in a context of its own, whose id is answered."""
        context: str = (await self.call("Target.createBrowserContext", whole_browser=True))["browserContextId"]
        target = (
            await self.call("Target.createTarget", whole_browser=True, url="about:blank", browserContextId=context)
        )["targetId"]
        self._session = (await self.call("Target.attachToTarget", whole_browser=True, targetId=target, flatten=True))[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "DOM", "Log", "Accessibility"):
            await self.call(f"{domain}.enable")
        return context

    async def listen(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said and (waiting := self._waiting.pop(said["id"], None)) and not waiting.done():
                waiting.set_result(said)
            self._note(said.get("method", ""), said.get("params", {}))

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"].get("exception", params)))
        elif method == "Log.entryAdded" and params["entry"]["source"] in {"security", "violation", "javascript"}:
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            asked = params["request"]
            self.requests.append(Request(asked["method"], asked["url"], asked["headers"]))
        elif method == "Page.fileChooserOpened" and self._chooser is not None:
            self._chooser.set_result(params["backendNodeId"])

    async def call(self, method: str, *, whole_browser: bool = False, **params: Any) -> dict[str, Any]:
        """One call of the protocol, to this tab or to the whole browser."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        whom = {} if whole_browser else {"sessionId": self._session}
        await self._socket.send_json({"id": number, "method": method, "params": params, **whom})
        said = await self._waiting[number]
        if "error" in said:
            raise RuntimeError(method, said["error"])
        result: dict[str, Any] = said["result"]
        return result

    async def go(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def js(self, expression: str) -> Any:
        """The value of `expression`, waited for when it is a promise."""
        said = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in said:
            raise RuntimeError(expression, said["exceptionDetails"])
        return said["result"].get("value")

    async def until(self, expression: str, seconds: float = 30.0) -> Any:
        """Wait until `expression` is true; look every few milliseconds, as a person does."""
        tried = (
            f"(() => {{ try {{ return {expression} }} catch {{ return false }} }})()"  # the page may not be there yet
        )
        async with asyncio.timeout(seconds):
            while not (value := await self.js(tried)):  # noqa: ASYNC110  # the event is in another process
                await asyncio.sleep(0.02)
        return value

    async def choose(self, selector: str, *files: Path) -> None:
        """Choose `files` as in the dialogue of a file input."""
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.call("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    @asynccontextmanager
    async def choosing(self, *files: Path) -> AsyncIterator[None]:
        """Whatever opens the file dialogue in this block gets `files` from it; waits until it was opened."""
        await self.call("Page.setInterceptFileChooserDialog", enabled=True)
        self._chooser = asyncio.get_running_loop().create_future()
        yield
        async with asyncio.timeout(5):
            node = await self._chooser
        await self.call("DOM.setFileInputFiles", backendNodeId=node, files=[str(file) for file in files])

    async def drop(self, x: float, y: float, *files: Path) -> None:
        """Drag `files` (or folders) over the page and let go at a point of it."""
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    async def press(self, key: str, *, shift: bool = False) -> None:
        text = {"Enter": "\r", " ": " "}.get(key, "")
        more: dict[str, Any] = {"text": text} if text else {}
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code="Space" if key == " " else key, modifiers=8 * shift,
                windowsVirtualKeyCode=KEYS[key], **(more if kind == "keyDown" else {}),
            )  # fmt: skip

    async def look(self, *, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """See the page on a screen of that many points."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=phone
        )
        await self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def shot(self, into: Path) -> Path:
        said = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(into.write_bytes, base64.b64decode(said["data"]))
        return into


@contextmanager
def chromium() -> Iterator[str]:
    """A browser with an empty profile, gone when this ends; the address of its socket. Skips where there is none."""
    if CHROMIUM is None:
        assert not CI, "CI has no chromium"
        pytest.skip("needs chromium (apt-get install chromium fonts-dejavu)")
    profile = Path(tempfile.mkdtemp(prefix="browser-"))
    process = subprocess.Popen(
        [CHROMIUM, *SWITCHES, f"--user-data-dir={profile}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield _address(process, profile / "DevToolsActivePort")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(profile, ignore_errors=True)


def _address(process: subprocess.Popen[bytes], file: Path) -> str:
    deadline = time.monotonic() + READY
    while not (file.exists() and len(lines := file.read_text().split()) == 2):
        assert process.poll() is None, "the browser ended at once"
        assert time.monotonic() < deadline, "the browser says nothing"
        time.sleep(0.02)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"


@asynccontextmanager
async def window(address: str) -> AsyncIterator[Page]:
    """A tab in a window of its own: it shares no cookie with another one."""
    patience = aiohttp.ClientWSTimeout(ws_close=1.0)
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(address, max_msg_size=0, timeout=patience) as socket,
        asyncio.TaskGroup() as group,
    ):
        page = Page(socket)
        listening = group.create_task(page.listen())
        context = await page.open()
        try:
            yield page
        finally:
            await page.call("Target.disposeBrowserContext", whole_browser=True, browserContextId=context)
            listening.cancel()
