"""The hub's own client in a process of its own, which can be killed: a line of JSON in, a line of JSON out.

Runs alone (`python -I huggingface_child.py`) with an environment made for it: the token is there, and nothing else of
ours. huggingface_hub reads its environment once, at import.
"""

import contextlib
import hashlib
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

SAMPLES = "samples/"
TRIES = 50  # of a name with another number behind it
Json = dict[str, Any]


def claim(api: HfApi, wanted: str, namespace: str) -> Json:
    """Make an empty private repo of ours, or find the one we made before."""
    owner = namespace or api.whoami()["name"]
    for n in range(1, TRIES):
        repo = f"{owner}/{wanted}" + (f"-{n}" if n > 1 else "")
        api.create_repo(repo, private=True, exist_ok=True)
        if not holds_model(api, repo):
            api.auth_check(repo, write=True)
            return {"repo": repo}
    return {"error": "publish-name-taken", "status": 409, "said": wanted}


def holds_model(api: HfApi, repo: str) -> bool:
    return any(file.rfilename.endswith(".safetensors") for file in api.model_info(repo).siblings or [])


def publish(api: HfApi, repo: str, files: dict[str, str], message: str, *, public: bool) -> Json:
    """One commit of `files`, read back; the client makes none when nothing has changed.

    Pictures of weights that were there before go in the same commit.
    """
    api.create_repo(repo, private=True, exist_ok=True)
    adds = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()]
    before = [file.rfilename for file in api.model_info(repo).siblings or []]
    stale = [CommitOperationDelete(name) for name in before if name.startswith(SAMPLES) and name not in files]
    api.create_commit(repo, [*adds, *stale], commit_message=message)
    info = api.model_info(repo, files_metadata=True)
    there = {file.rfilename: file for file in info.siblings or []}
    hashes: dict[str, str] = {}
    for name, path in files.items():
        file = there.get(name)
        sha256, git = local_names(path)
        said, mine = (file.lfs.sha256, sha256) if file and file.lfs else (file.blob_id if file else None, git)
        if said != mine:
            return {"error": "publish-differs", "status": 200, "said": name}
        hashes[name] = sha256  # equal to what is there, by sha256 or by git's own name for the same bytes
    if public and info.private:
        api.update_repo_settings(repo, private=False)
    return {"url": f"{api.endpoint}/{repo}", "revision": info.sha, "sha256": hashes}


def local_names(path: str) -> tuple[str, str]:
    """A file's sha256, and git's name for it as a blob."""
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % os.path.getsize(path), usedforsecurity=False)  # noqa: PTH202  # paths come as text
    with open(path, "rb") as file:  # noqa: PTH123  # paths come as text
        while block := file.read(1 << 20):
            sha256.update(block)
            git.update(block)
    return sha256.hexdigest(), git.hexdigest()


def withdraw(api: HfApi, repo: str) -> Json:
    """Delete a repo without a model in it; one with a model is left alone."""
    with contextlib.suppress(RepositoryNotFoundError):
        if not holds_model(api, repo):
            api.delete_repo(repo, missing_ok=True)
    return {}


def refused(error: HfHubHTTPError) -> Json:
    """What the hub's no means, by status and words; the client's own headline may name another cause."""
    status = error.response.status_code
    said = f"{error.server_message or ''} {error}"
    if "storage limit" in said.lower():
        code = "publish-storage"
    elif status in {401, 403}:
        code = "publish-token"
    elif status in {408, 409, 412, 429} or status >= 500:  # noqa: PLR2004  # HTTP
        code = "publish-down"
    else:
        code = "publish-repo-missing" if status == 404 else "publish-refused"  # noqa: PLR2004  # HTTP
    return {"error": code, "status": status, "said": (error.server_message or "")[:500]}


def answer(request: Json) -> Json:
    """Do what is asked; every failure becomes an answer."""
    api = HfApi(library_name="trainstation")
    calls: dict[str, Callable[..., Json]] = {"claim": claim, "publish": publish, "withdraw": withdraw}
    call = calls[request.pop("do")]
    try:
        return call(api, **request)
    except HfHubHTTPError as error:
        return refused(error)
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        return {"error": "publish-down", "status": 0, "said": type(error).__name__}
    except ValueError as error:  # the client's own checks: a name, the card's metadata
        return {"error": "publish-refused", "status": 0, "said": str(error)[:500]}
    except RuntimeError as error:  # an upload link that expired; the next try gets a new one
        return {"error": "publish-down", "status": 0, "said": type(error).__name__}


def client() -> httpx2.Client:
    """Like the client's own, but a silent hub is an error: the built-in one waits for ever."""
    return httpx2.Client(follow_redirects=True, timeout=httpx2.Timeout(60.0, connect=10.0), trust_env=False)


def die_with_parent() -> None:
    """Our parent keeps our standard input open as long as it lives."""
    sys.stdin.read()
    os._exit(3)


def main() -> None:
    """One request, one answer; whatever the library prints goes nowhere."""
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=die_with_parent, daemon=True).start()
    set_client_factory(client)
    with contextlib.redirect_stdout(io.StringIO()):
        said = answer(request)
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the thread holds standard input; there is nothing left to tidy


if __name__ == "__main__":
    main()
