"""A real headless Chromium, driven over its DevTools socket: what a person sees, types and chooses.

No package drives it: the protocol is JSON over one websocket, and of its hundreds of calls a page's test needs a dozen.
"""

# ruff: noqa: TID251  # whether this is CI, the environment says

import asyncio
import base64
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
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


class Page:
    """One tab. Every call waits for its answer; a page's own errors are collected in `errors`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self._socket, self._session = socket, session
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.errors: list[str] = []
        self.requests: list[str] = []

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
            self.requests.append(params["request"]["url"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params, "sessionId": self._session})
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

    async def until(self, expression: str, seconds: float = 15.0) -> Any:
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

    async def press(self, key: str, *, shift: bool = False) -> None:
        text = {"Enter": "\r", " ": " "}.get(key, "")
        more = {"text": text} if text else {}
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

    async def offline(self, *, off: bool) -> None:
        """Pull the cable, or put it back."""
        await self.call(
            "Network.emulateNetworkConditions", offline=off, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    async def slow(self, upload: int) -> None:
        """A line that carries `upload` bytes a second."""
        await self.call(
            "Network.emulateNetworkConditions", offline=False, latency=5, downloadThroughput=-1, uploadThroughput=upload
        )

    async def shot(self, into: Path) -> Path:
        said = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(into.write_bytes, base64.b64decode(said["data"]))
        return into


class Browser:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse, client: aiohttp.ClientSession, address: str) -> None:
        self._socket, self._client, self._address = socket, client, address

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """A tab in a window of its own: no cookie of another one."""
        context = (await self._ask("Target.createBrowserContext"))["browserContextId"]
        target = (await self._ask("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self._ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self._socket, session)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(page.listen())
            for domain in ("Page", "Runtime", "Network", "DOM", "Log"):
                await page.call(f"{domain}.enable")
            try:
                yield page
            finally:
                listening.cancel()
        await self._ask("Target.disposeBrowserContext", browserContextId=context)

    async def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        """A call to the browser itself, while no page listens."""
        await self._socket.send_json({"id": 0, "method": method, "params": params})
        while True:
            said = await self._socket.receive_json()
            if said.get("id") == 0:
                result: dict[str, Any] = said["result"]
                return result


@asynccontextmanager
async def browser(switches: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """Chromium with an empty profile, gone when this ends. Skips where there is none; in CI it must be there."""
    if CHROMIUM is None:
        assert not CI, "CI has no chromium"
        pytest.skip("needs chromium (apt-get install chromium fonts-dejavu)")
    profile = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="browser-"))
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *SWITCHES, *switches, f"--user-data-dir={profile}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(READY):
            address = await _address(process)
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(address, max_msg_size=0, timeout=aiohttp.ClientWSTimeout(ws_close=1.0)) as socket,
        ):
            yield Browser(socket, client, address)
            with suppress(ConnectionError):
                await socket.send_json({"id": 0, "method": "Browser.close"})
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.communicate()
        if process.returncode is None:
            process.kill()
            await process.communicate()
        await asyncio.to_thread(shutil.rmtree, profile, ignore_errors=True)


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    while text := await process.stderr.readline():
        _, found, address = text.decode(errors="replace").strip().partition("DevTools listening on ")
        if found:
            return address
    raise RuntimeError("the browser ended at once")
