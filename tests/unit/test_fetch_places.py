"""FETCH's own script, run here: every repo of a base lands where the toolkit will look for it."""

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub

from pipeline.domain.ids import JobId, Sha256
from pipeline.trainers import box, fetching
from pipeline.trainers.bases import BASES

JOB = JobId("k3v9q0000000")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
KLEIN = BASES["flux2-klein-4b"]
FILES = (  # repo, path, whether home sends it because the hub signs no link for it
    ("black-forest-labs/FLUX.2-klein-base-4B", "flux-2-klein-base-4b.safetensors", False),
    ("ai-toolkit/flux2_vae", "ae.safetensors", False),
    ("Qwen/Qwen3-4B", "model-00001-of-00003.safetensors", False),
    ("Qwen/Qwen3-4B", "config.json", True),
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name is the base class's
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`folder` over HTTP, for as long as the block lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def fetched(home: Path, cdn: Path, url: str) -> str:
    """Lay plan, links and small files out as UPLOAD does, run a round to its end; its exit code."""
    there = home / box.folder(JOB)
    there.mkdir(parents=True)
    plan, links = "", ""
    for number, (repo, path, small) in enumerate(FILES, 1):
        content = f"{repo} {path}".encode()
        at = fetching.place(repo, path, COMMIT, into=KLEIN.place(repo))
        plan += fetching.planned(at, len(content), None if small else Sha256(hashlib.sha256(content).hexdigest()))
        file = there / at if small else cdn / str(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        links += "" if small else fetching.link(number, f"{url}/{number}")
    (there / "plan.tsv").write_text(plan)
    (there / "links.tsv").write_text(links)
    script = f"{fetching.fetch(JOB).script}\nwhile ! test -s fetch.rc; do sleep 0.02; done; cat fetch.rc"
    done = subprocess.run(["sh", "-c", script], cwd=home, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()


def test_a_base_of_three_repos_lies_where_the_toolkit_looks_for_each(tmp_path: Path) -> None:
    """The transformer and the VAE in the base's folder; the text encoder in the cache, which knows its main commit."""
    home, cdn = tmp_path / "home", tmp_path / "cdn"
    cdn.mkdir()
    with served(cdn) as url:
        assert fetched(home, cdn, url) == "0"
    there = home / box.folder(JOB)
    assert sorted(file.name for file in (there / "base").iterdir()) == [
        "ae.safetensors", "flux-2-klein-base-4b.safetensors",
    ]  # fmt: skip
    for path in ("model-00001-of-00003.safetensors", "config.json"):
        found = huggingface_hub.try_to_load_from_cache("Qwen/Qwen3-4B", path, cache_dir=there / fetching.CACHE)
        assert isinstance(found, str)
        assert Path(found).read_text() == f"Qwen/Qwen3-4B {path}"
    assert not (there / "links.tsv").exists()
