"""The judge: Discord's own OpenAPI description, against which every request of ours and every answer is checked."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.support.discord.body import Exchange
from tests.support.discord.state import Json

SPEC: Final = Path(__file__).parents[4] / "shared" / "captures" / "discord-openapi.json"
WHERE: Final = "urn:discord"
STATUSES: Final = {400: "4XX", 401: "4XX", 403: "4XX", 404: "4XX", 413: "4XX"}


def there() -> bool:
    """Whether the description is at hand: it is too big for the repository."""
    return SPEC.exists()


@cache
def _spec() -> tuple[Json, Registry[Any]]:
    spec: Json = json.loads(SPEC.read_text(encoding="utf-8"))
    # Discord takes a snowflake as a number, too; its description does not say so, and discord.py counts on it
    snowflake = spec["components"]["schemas"]["SnowflakeType"]
    snowflake["type"] = ["string", "integer"]
    resource = Resource.from_contents(spec, default_specification=DRAFT202012)
    return spec, Registry().with_resource(WHERE, resource)


@cache
def _validator(pointer: str) -> Any:
    return Draft202012Validator({"$ref": f"{WHERE}#{pointer}"}, registry=_spec()[1])


def findings(exchanges: Iterable[Exchange]) -> list[str]:
    """What Discord's description does not allow, in words. Exchanges of one shape are checked once."""
    seen: set[str] = set()
    found: list[str] = []
    for one in exchanges:
        shape = repr((one.method, one.route, one.status, _shape(one.body), _shape(one.answer)))
        if shape not in seen:
            seen.add(shape)
            found += _judged(one)
    return found


def _judged(one: Exchange) -> list[str]:
    spec, _ = _spec()
    operation = spec["paths"].get(one.route, {}).get(one.method.lower())
    if operation is None:
        return [f"{one.method} {one.route} is not Discord's"]
    base = f"/paths/{one.route.replace('~', '~0').replace('/', '~1')}/{one.method.lower()}"
    found: list[str] = []
    if one.body is not None and "requestBody" in operation:
        pointer = f"{base}/requestBody/content/application~1json/schema"
        found += _errors(pointer, one.body, f"{one.method} {one.path}")
    if one.answer is not None and not isinstance(one.answer, str):
        status = STATUSES.get(one.status, str(one.status))
        where = operation["responses"][status]
        pointer = (
            f"/components/responses/{where['$ref'].rpartition('/')[2]}"
            if "$ref" in where
            else f"{base}/responses/{status}"
        )
        found += _errors(
            f"{pointer}/content/application~1json/schema", one.answer, f"{one.status} of {one.method} {one.path}"
        )
    return found


def _errors(pointer: str, value: Any, what: str) -> list[str]:
    return [f"{what}: {_deepest(error)}" for error in _validator(pointer).iter_errors(value)]


def _deepest(error: Any) -> str:
    """The most telling line of a nested refusal."""
    inner = sorted(error.context or (), key=lambda each: -len(each.absolute_path))
    if inner and len(inner[0].absolute_path) > len(error.absolute_path):
        return _deepest(inner[0])
    words = "; ".join(each.message[:200] for each in inner[:4])
    return f"{error.json_path}: {error.message[:300]} {words}"


def _shape(value: Any) -> Any:
    """Keys and types, and the small numbers that say what a thing is."""
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in sorted(value.items()) if not str(key).isdigit()}
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return value if isinstance(value, int) and value < 100 else type(value).__name__
