"""Names for things. A bare `str` crosses no border."""

from typing import NewType

AccountId = NewType("AccountId", str)  # ours; platform identities point to it
Identity = NewType("Identity", str)  # "telegram:7": who a platform says is speaking
JobId = NewType("JobId", str)  # [a-z0-9]{12}: also the trainer's config name and a folder on the box
OfferId = NewType("OfferId", str)  # the market's ask; ephemeral
InstanceId = NewType("InstanceId", str)  # one rental
MachineId = NewType("MachineId", str)  # the physical machine behind offers and rentals: what we shun
Label = NewType("Label", str)  # what our rentals carry at the market: prefix-job-attempt
Sha256 = NewType("Sha256", str)  # 64 hex digits
Slug = NewType("Slug", str)  # a model's name in <lora:slug:weight>

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing looks like anything else


def spell(number: int, length: int) -> str:
    """Write `number` in `length` letters of ALPHABET, most significant first; what does not fit is cut off."""
    letters: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return "".join(reversed(letters))
