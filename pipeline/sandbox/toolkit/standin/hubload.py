"""Loads a base by its hub id, as huggingface_hub does for the real loaders: into the hub's cache, with HF_TOKEN.

It knows the hub that HF_ENDPOINT names and no other: a stand-in never talks to the internet.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .bars import run_through

NOT_LOCAL: Final = (
    "{repo} is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'\n"
    "If this is a private repository, make sure to pass a token having permission to this repo with `token` or log in "
    "with `hf auth login`."
)
GATE: Final = "transformer/config.json"  # what the real loader asks for first, and what it is refused
CHUNK: Final = 1 << 20


class HfHubHTTPError(OSError):
    """Shows in the traceback by the name of the real one, as its children do."""

    __module__ = "huggingface_hub.errors"


class RepositoryNotFoundError(HfHubHTTPError):
    __module__ = "huggingface_hub.errors"


class GatedRepoError(RepositoryNotFoundError):
    __module__ = "huggingface_hub.errors"


def snapshot(repo: str, env: Mapping[str, str]) -> Path:
    """Download what diffusers would take of `repo`; answers the folder. Raises OSError in the real loader's words."""
    hub = env.get("HF_ENDPOINT", "")
    if not hub or env.get("HF_HUB_OFFLINE") == "1":
        raise OSError(NOT_LOCAL.format(repo=repo))
    try:
        return _brought(repo, hub, env)
    except urllib.error.HTTPError as refused:
        loader = _refused(repo, refused)
    except urllib.error.URLError as error:
        raise OSError(f"We couldn't connect to '{hub}' to load this model. ConnectError: {error.reason}") from error
    raise loader  # out here, where its context stays the hub's own error


def gated(repo: str, code: int) -> OSError:
    """What loader and hub say together of a gated repo: without a token (401), without its licence (403)."""
    need = {
        401: "You must have access to it and be authenticated to access it. Please log in.",
        403: f"Visit https://huggingface.co/{repo} to ask for access.",
    }[code]
    url = f"https://huggingface.co/{repo}/resolve/main/{GATE}"
    loader = OSError(NOT_LOCAL.format(repo=repo))
    loader.__context__ = GatedRepoError(
        f"{code} Client Error. (Request ID: Root=1-0-0)\n\nCannot access gated repo for url {url}.\n"
        f"Access to model {repo} is restricted. {need}"
    )
    return loader


def _brought(repo: str, hub: str, env: Mapping[str, str]) -> Path:
    def opened(path: str) -> Any:
        request = urllib.request.Request(hub + path)  # noqa: S310  # the operator's own address
        if token := env.get("HF_TOKEN"):
            # unredirected: urllib would hand the token on to the storage that the hub redirects to
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        return urllib.request.urlopen(request, timeout=60)  # noqa: S310  # as above

    opened(f"/{repo}/resolve/main/{GATE}").close()
    with opened(f"/api/models/{repo}/revision/main") as answer:
        said: dict[str, Any] = json.load(answer)
    folder = Path(env["HF_HUB_CACHE"], f"models--{repo.replace('/', '--')}", "snapshots", said["sha"])
    names = [one["rfilename"] for one in said["siblings"] if _wanted(one["rfilename"])]

    def bring(number: int) -> None:
        path = folder / names[number]
        if path.is_file():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.incomplete")
        with opened(f"/{repo}/resolve/{said['sha']}/{names[number]}") as answer, part.open("wb") as file:
            while piece := answer.read(CHUNK):
                file.write(piece)
        part.replace(path)

    run_through(len(names), f"Fetching {len(names)} files", work=bring)
    return folder


def _wanted(name: str) -> bool:
    """The parts of a pipeline are folders; what lies at the top is the same weights again."""
    return "/" in name or name == "model_index.json"


def _refused(repo: str, refused: urllib.error.HTTPError) -> OSError:
    """What hub and loader say together; the headline is the loader's, and lies (facts 6)."""
    error = _hub_error(refused)
    if isinstance(error, RepositoryNotFoundError):
        headline = NOT_LOCAL.format(repo=repo)
    elif refused.code == 403:  # noqa: PLR2004  # HTTP
        headline = f"{repo} does not appear to have a file named config.json."
    else:
        headline = f"There was a specific connection error when trying to load {repo}:\n{error}"
    loader = OSError(headline)
    loader.__context__ = error  # the traceback tells the hub's own words before the headline
    return loader


def _hub_error(refused: urllib.error.HTTPError) -> HfHubHTTPError:
    told, url = refused.headers, refused.url
    message, request_id = told.get("X-Error-Message", ""), f"(Request ID: {told.get('X-Request-Id', '')})"
    match told.get("X-Error-Code", ""):
        case "GatedRepo":
            return GatedRepoError(
                f"{refused.code} Client Error. {request_id}\n\nCannot access gated repo for url {url}.\n{message}"
            )
        case "RepoNotFound":
            return RepositoryNotFoundError(
                f"{refused.code} Client Error. {request_id}\n\nRepository Not Found for url: {url}.\n{message}"
            )
        case _:
            return HfHubHTTPError(
                f"Client error '{refused.code} {refused.reason}' for url '{url}' {request_id}\n\n{message}"
            )
