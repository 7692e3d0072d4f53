"""SSH keys of the account and of each rental: numbered, with their dates, as the wire lists them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pipeline.sandbox.host import bare
from pipeline.sandbox.market.wire import Refusal, Row

USER: Final = 456


@dataclass(frozen=True, slots=True)
class Key:
    id: int
    public: str
    created: str

    def row(self, field: str) -> Row:
        """The key's text is called "key" in lists and "public_key" in answers to a POST."""
        return {"id": self.id, "user_id": USER, field: self.public, "created_at": self.created, "deleted_at": None}


class Keyring:
    """Doubles are kept: life keeps them too. `admits` decides who gets in."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = {key.id: key for key in keys}

    def add(self, said: Any, number: int, now: datetime) -> Key:
        """Raises Refusal(400) when it is no public key."""
        if not isinstance(said, str) or not bare(said):
            raise Refusal(400, "invalid_args", "Invalid SSH public key")
        key = Key(number, said.strip(), now.strftime("%Y-%m-%dT%H:%M:%S.%f"))
        self._keys[number] = key
        return key

    def remove(self, number: int) -> None:
        """Raises Refusal(400, "no_ssh_key")."""
        if self._keys.pop(number, None) is None:
            raise Refusal(400, "no_ssh_key", f"No SSH key with id {number}")

    def wipe(self) -> None:
        self._keys.clear()

    def all(self) -> list[Key]:
        return list(self._keys.values())

    def admits(self, public_key: str) -> bool:
        return any(bare(key.public) == public_key for key in self._keys.values())
