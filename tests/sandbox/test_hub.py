"""The sandbox's hub, judged by the real huggingface_hub client, the `hf` command and curl."""

import asyncio
import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.sandbox.hub_scene import CARD, FLUX, Scene, lora, on_hub

PUBLISH: Final = """
import hashlib
url = api.create_repo("acme/tok", private=True, exist_ok=True)
again = api.create_repo("acme/tok", private=True, exist_ok=True)
def put():
    return api.create_commit("acme/tok", commit_message="Publish", operations=[
        CommitOperationAdd("README.md", CARD), CommitOperationAdd("tok.safetensors", "tok.safetensors"),
        CommitOperationAdd("samples/0.jpg", b"\\xff\\xd8\\xff\\xe0 not really a picture"),
    ])
first, second = put(), put()
info = api.model_info("acme/tok", files_metadata=True)
head = get_hf_file_metadata(hf_hub_url("acme/tok", "tok.safetensors"))
said = dict(
    same=str(url) == str(again), oids=[first.oid, second.oid, info.sha, head.commit_hash], url=first.commit_url,
    files={f.rfilename: [f.size, f.lfs and f.lfs.sha256] for f in info.siblings}, private=info.private,
    etag=head.etag, size=head.size, card=get_hf_file_metadata(hf_hub_url("acme/tok", "README.md")).size,
    tree=sorted(f.path for f in api.list_repo_tree("acme/tok", recursive=True)),
    back=hashlib.sha256(open(hf_hub_download("acme/tok", "tok.safetensors"), "rb").read()).hexdigest(),
)
api.update_repo_settings("acme/tok", private=False)
said["public"] = not api.model_info("acme/tok").private
"""


def test_the_real_client_publishes_reads_back_and_opens_a_repo(tmp_path: Path) -> None:
    weights = lora(tmp_path).read_bytes()
    digest = hashlib.sha256(weights).hexdigest()

    async def play(scene: Scene) -> None:
        said = await scene.python(f"CARD = {CARD!r}\n{PUBLISH}")
        assert said["same"]
        assert len(set(said["oids"])) == 1, "unchanged content makes no commit"
        assert said["url"] == f"{scene.url}/acme/tok/commit/{said['oids'][0]}"
        assert said["private"]
        assert said["public"]
        assert said["files"]["tok.safetensors"] == [len(weights), digest]
        assert said["files"]["README.md"] == [len(CARD), None]
        assert said["files"]["samples/0.jpg"][1], "a picture is an LFS file"
        assert (said["etag"], said["size"], said["back"]) == (digest, len(weights), digest)
        assert said["card"] == len(CARD)
        assert "samples" in said["tree"]
        kept = scene.hub.file("acme/tok", "tok.safetensors")
        assert kept is not None
        assert kept.read_bytes() == weights
        assert scene.hub.file("acme/tok", "nothing") is None
        assert len(scene.hub.repos["acme/tok"].commits) == 2

    on_hub(tmp_path, play)


def test_what_was_published_survives_a_restart(tmp_path: Path) -> None:
    async def publish(scene: Scene) -> None:
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer hf_good"}) as session:
            await offered(scene, session, b"weights")

    async def look(scene: Scene) -> None:
        assert await scene.python('said = api.model_info("alice/tok").sha') == scene.hub.repos["alice/tok"].head.oid
        assert scene.hub.file("alice/tok", ".gitattributes") is not None

    on_hub(tmp_path, publish)
    on_hub(tmp_path, look)


def test_a_large_file_comes_in_parts_when_the_hub_asks_for_parts(tmp_path: Path) -> None:
    weights = lora(tmp_path)

    async def play(scene: Scene) -> None:
        await scene.python(
            'api.create_repo("alice/tok")\n'
            'said = api.upload_file(path_or_fileobj="tok.safetensors", path_in_repo="a/t.safetensors", '
            'repo_id="alice/tok").oid'
        )
        kept = scene.hub.file("alice/tok", "a/t.safetensors")
        assert kept is not None
        assert kept.read_bytes() == weights.read_bytes()

    on_hub(tmp_path, play, multipart_bytes=1_000_000)


def test_the_hf_command_uploads_and_prints_one_url(tmp_path: Path) -> None:
    lora(tmp_path)
    hf = str(Path(sys.executable).parent / "hf")

    async def play(scene: Scene) -> None:
        code, out, err = await scene.run(
            hf, "upload", "acme/tok", "tok.safetensors", "tok.safetensors", "--repo-type", "model", "--private",
            "--commit-message", "LoRA v1", "--quiet",
        )  # fmt: skip
        assert code == 0, err
        assert out.split() == [f"{scene.url}/acme/tok/commit/{scene.hub.repos['acme/tok'].head.oid}"]
        assert scene.hub.repos["acme/tok"].private

    on_hub(tmp_path, play)


GATE: Final = f"""
def kind(call):
    try:
        call()
    except HfHubHTTPError as no:
        return [type(no).__name__, no.response.status_code]
    return "ok"
said = {{
    token: [
        kind(lambda: api.auth_check("{FLUX}", token=token)),
        kind(lambda: get_hf_file_metadata(hf_hub_url("{FLUX}", "flux1-dev.safetensors"), token=token)),
        kind(lambda: api.model_info("{FLUX}", token=token)),
    ]
    for token in ("hf_good", "hf_nogate", "hf_bad", "hf_narrow")
}}
"""


def test_the_gate_opens_for_who_accepted_and_says_who_must_not(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        assert await scene.python(GATE) == {
            "hf_good": ["ok", "ok", "ok"],
            "hf_nogate": [["GatedRepoError", 403], ["GatedRepoError", 403], "ok"],
            "hf_bad": [["GatedRepoError", 401], ["GatedRepoError", 401], "ok"],
            "hf_narrow": [["HfHubHTTPError", 403], ["HfHubHTTPError", 403], "ok"],
        }

    on_hub(tmp_path, play)


LIST: Final = f"""
info = api.model_info("{FLUX}", files_metadata=True)
said = dict(
    files={{f.rfilename: [f.size, f.lfs and f.lfs.sha256] for f in info.siblings}},
    location=get_hf_file_metadata(hf_hub_url("{FLUX}", "vae/diffusion_pytorch_model.safetensors")).location,
)
"""


def test_curl_resumes_a_signed_download_without_a_token_until_it_expires(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        said = await scene.python(LIST)
        size, digest = said["files"]["vae/diffusion_pytorch_model.safetensors"]
        half = scene.folder / "vae"
        kept = scene.hub.file(FLUX, "vae/diffusion_pytorch_model.safetensors")
        assert kept is not None
        half.write_bytes(kept.read_bytes()[: size // 2])
        fetch = ("curl", "-sS", "--fail", "-C", "-", "-o", "vae")
        code, _, err = await scene.run(*fetch, said["location"], token=None)
        assert code == 0, err
        assert hashlib.sha256(half.read_bytes()).hexdigest() == digest
        status = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}")
        assert (await scene.run(*status, said["location"] + "0"))[1] == "403"
        scene.clock.time += timedelta(hours=1, seconds=1)
        assert (await scene.run(*status, said["location"]))[1] == "403"

    on_hub(tmp_path, play)


def test_the_base_model_is_a_thousandth_of_the_real_one_with_honest_headers(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        files = scene.hub.repos[FLUX].head.files
        parts = {path: entry.size for path, entry in files.items() if "/" in path and path.endswith(".safetensors")}
        assert 33_600_000 < sum(parts.values()) < 33_800_000
        for path in parts:
            kept = scene.hub.file(FLUX, path)
            assert kept is not None
            data = kept.read_bytes()
            length = int.from_bytes(data[:8], "little")
            header = json.loads(data[8 : 8 + length])
            assert 8 + length + max(one["data_offsets"][1] for one in header.values()) == len(data)
        index = scene.hub.file(FLUX, "transformer/diffusion_pytorch_model.safetensors.index.json")
        assert index is not None
        named = set(json.loads(index.read_bytes())["weight_map"].values())
        assert {f"transformer/{name}" for name in named} < set(parts)

    on_hub(tmp_path, play)


def test_downloads_of_a_base_share_the_line_of_the_box(tmp_path: Path) -> None:
    async def fetch(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as answer:
            await answer.read()

    async def play(scene: Scene) -> None:
        said = await scene.python(LIST)
        started = asyncio.get_running_loop().time()
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(fetch(session, said["location"]))
        taken = asyncio.get_running_loop().time() - started
        # 3 x 167.7 MB x 8 / 3000 Mbit/s = 1.34 s of life
        assert 0.3 <= taken * 4 <= 3

    on_hub(tmp_path, play, speed=4)


async def offered(scene: Scene, session: aiohttp.ClientSession, content: bytes) -> str:
    """Create alice/tok and ask where to PUT `content`: what home does before the box sends the bytes."""
    oid = hashlib.sha256(content).hexdigest()
    async with session.post(f"{scene.url}/api/repos/create", json={"name": "tok", "visibility": "private"}) as answer:
        assert answer.status == 200
    body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(content)}]}
    async with session.post(f"{scene.url}/alice/tok.git/info/lfs/objects/batch", json=body) as answer:
        said = await answer.json(content_type=None)
    href: str = said["objects"][0]["actions"]["upload"]["href"]
    return href


def test_the_upload_address_takes_only_its_own_bytes_and_ends(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer hf_good"}) as session:
            href = await offered(scene, session, b"weights")
        async with aiohttp.ClientSession() as session:
            async with session.put(href, data=b"others!") as answer:
                assert answer.status == 400
            async with session.put(href.replace("Signature=", "Signature=0"), data=b"weights") as answer:
                assert answer.status == 403
            async with session.put(href, data=b"weights") as answer:
                assert answer.status == 200
            scene.clock.time += timedelta(hours=2)
            async with session.put(href, data=b"weights") as answer:
                assert answer.status == 403

    on_hub(tmp_path, play)


def test_a_stranger_sees_no_private_repo_and_a_reader_writes_nothing(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer hf_good"}) as session:
            await offered(scene, session, b"weights")
        model = f"{scene.url}/api/models/alice/tok"
        async with aiohttp.ClientSession() as session:
            for token, status in (("hf_good", 200), ("hf_nogate", 404), ("hf_bad", 401), ("", 401)):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                async with session.get(model, headers=headers) as answer:
                    assert answer.status == status, token
            headers = {"Authorization": "Bearer hf_read"}
            async with session.post(f"{scene.url}/api/repos/create", json={"name": "x"}, headers=headers) as answer:
                assert answer.status == 403

    on_hub(tmp_path, play)


def test_a_commit_on_an_old_parent_or_out_of_the_repo_is_refused(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer hf_good"}) as session:
            await offered(scene, session, b"weights")

            async def commit(header: dict[str, str], path: str, kind: str = "file") -> int:
                value = {"content": "aGk=", "path": path, "encoding": "base64", "oid": "0" * 64}
                lines = [{"key": "header", "value": {"summary": "x", **header}}, {"key": kind, "value": value}]
                body = "\n".join(map(json.dumps, lines))
                async with session.post(f"{scene.url}/api/models/alice/tok/commit/main", data=body) as answer:
                    return answer.status

            assert await commit({"parentCommit": "0" * 40}, "a.txt") == 412
            assert await commit({}, "../a.txt") == 400
            assert await commit({}, "a.safetensors", "lfsFile") == 400, "no such object was uploaded"
            assert await commit({}, "a.txt") == 200

    on_hub(tmp_path, play)


CAPTURED: Final = Path(__file__).parent.parent / "data" / "hub" / "transcript.json"


def test_every_captured_request_gets_the_captured_status_and_at_least_its_keys(tmp_path: Path) -> None:
    """The requests of the recorded client, sent again; keys and headers of the recorded answers must all be there."""

    async def play(scene: Scene) -> None:
        async with aiohttp.ClientSession() as session:
            for scenario in json.loads(CAPTURED.read_text("utf-8")):
                for request in scenario["requests"]:
                    await replay(scene, session, scenario, request)

    on_hub(tmp_path, play)


async def replay(scene: Scene, session: aiohttp.ClientSession, scenario: Any, request: Any) -> None:
    headers = {"Authorization": f"Bearer {scenario['token']}"} if request["auth"] else {}
    async with session.request(
        request["method"], scene.url + request["path"], headers=headers,
        data=request["body"].encode() if request["body"] else None, allow_redirects=False,
    ) as answer:  # fmt: skip
        body = await answer.read()
        where = f"{scenario['name']}: {request['method']} {request['path']}: {body[:300]!r}"
        assert answer.status == request["status"], where
        assert {name.lower() for name in request["headers"]} <= {name.lower() for name in answer.headers}, where
        if request["keys"]:
            assert set(request["keys"]) <= set(keys(json.loads(body))), where


def keys(said: Any, at: str = "") -> Iterator[str]:
    """Every key of a JSON document by its path, `a.b[].c`."""
    if isinstance(said, list):
        for one in said:
            yield from keys(one, f"{at}[]")
    elif isinstance(said, dict):
        for key, value in said.items():
            path = f"{at}.{key}" if at else key
            yield path
            yield from keys(value, path)
