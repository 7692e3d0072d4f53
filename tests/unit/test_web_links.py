"""Signed links and Telegram's proof of a person: what opens a door, and the many things that do not."""

import asyncio
import base64
import hmac
import json
import stat
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from aiogram.utils.web_app import safe_parse_webapp_init_data

from bot.web.links import Guest, Links, deliverable, signing_key
from bot.web.miniapp import person
from pipeline.domain.faults import Blame
from pipeline.domain.ids import Identity, JobId, Sha256
from pipeline.domain.job import Address, Artifact, Ending, Job
from pipeline.domain.stage import End, Stage
from pipeline.flow.records import job_doc
from pipeline.ports import Store
from tests.support.notified import ordered
from tests.support.store import MemoryStore
from tests.support.virtual import EPOCH

ANN, HERE = Identity("telegram:7"), Address("telegram", "7", "de-AT")
KEY = bytes(range(32))
BOT = "7:a-bots-token"
WEIGHTS = Artifact(file="models/x.safetensors", sha256=Sha256("0" * 64), size=100, step=2000)


class Watch:
    def __init__(self) -> None:
        self.at = EPOCH

    def now(self) -> datetime:
        return self.at


def links(store: Store | None = None, watch: Watch | None = None, key: bytes = KEY) -> Links:
    return Links(store or MemoryStore(), watch or Watch(), key, "https://bot.example/")


def token_of(link: str) -> str:
    return link.partition("#")[2]


def opened(house: Links, token: str, browser: str = "b") -> Guest | None:
    return asyncio.run(house.opened(token, browser))


def made(house: Links) -> str:
    return asyncio.run(house.upload_link(ANN, HERE, "https://t.me/ours"))


def test_a_link_says_nothing_to_a_server_but_the_language_and_brings_its_person_and_chat() -> None:
    house = links()
    link = made(house)
    assert link.partition("#")[0] == "https://bot.example/upload?lang=de-AT"
    guest = opened(house, token_of(link))
    assert guest is not None
    assert (guest.identity, guest.address, guest.back) == (ANN, HERE, "https://t.me/ours")
    assert guest.until == EPOCH + timedelta(hours=1)


def test_a_link_is_good_once_also_after_a_restart() -> None:
    store = MemoryStore()
    token = token_of(made(links(store)))
    assert opened(links(store), token)
    assert opened(links(store), token, "another") is None
    assert opened(links(store), token), "the browser that opened it may ask again"


def test_a_link_is_good_for_an_hour() -> None:
    watch = Watch()
    house = links(watch=watch)
    token = token_of(made(house))
    watch.at += timedelta(minutes=60)
    assert opened(house, token) is None


def test_a_page_in_use_is_good_for_six_hours_and_no_longer() -> None:
    watch = Watch()
    house = links(watch=watch)
    guest = house.guest(ANN, HERE)
    for _ in range(12):
        watch.at += timedelta(minutes=29)
        renewed = house.of_session(house.session(guest))
        assert renewed is not None
        guest = renewed
    watch.at += timedelta(minutes=29)
    assert house.of_session(house.session(guest)) is None


def test_no_token_opens_another_door_than_its_own() -> None:
    house = links()
    token, session = token_of(made(house)), house.session(house.guest(ANN, HERE))
    assert opened(house, session) is None
    assert house.of_session(token) is None
    assert asyncio.run(house.paid_job(token)) is None
    assert asyncio.run(house.paid_job(session)) is None


def test_a_token_that_was_touched_or_sealed_with_another_key_opens_nothing() -> None:
    house = links()
    token = token_of(made(house))
    what, seal = token.split(".")
    forged = base64.urlsafe_b64encode(base64.urlsafe_b64decode(what + "==").replace(b":7", b":8")).decode().rstrip("=")
    for wrong in (
        f"{forged}.{seal}", f"{what}.{seal[::-1]}", what, f"{what}.", f".{seal}", f"{token}=", f" {token}",
        f"{token}\n",
        token_of(made(links(key=bytes(32)))), "", "." * 5000, "ä.ö",
    ):  # fmt: skip
        assert opened(house, wrong) is None
        assert house.of_session(wrong) is None
    assert opened(house, token)


def test_the_key_is_made_once_is_the_owner_s_alone_and_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "web.key"
    key = signing_key(file)
    assert len(key) == 32
    assert signing_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["web.key"]


# --- models


@pytest.mark.parametrize("end", [*End, None])
@pytest.mark.parametrize("stage", Stage)
def test_weights_are_given_out_after_bill_and_never_to_who_paid_nothing(stage: Stage, end: End | None) -> None:
    ending = Ending(end, Blame.HOST if end is End.FAILED else None) if end else None
    job = replace(ordered(), stage=stage, ending=ending, artifact=WEIGHTS)
    allowed = stage in {Stage.PUBLISH, Stage.REGISTER, Stage.DONE} and end in {End.DONE, End.STOPPED}
    assert deliverable(job) is allowed
    assert not deliverable(replace(job, artifact=None))
    assert (asyncio.run(_link_of(job)) is not None) is allowed


async def _link_of(job: Job) -> str | None:
    store = MemoryStore()
    await store.create("jobs", job.id, job_doc(job))
    return await links(store).download_link(job.id)


def test_a_model_s_link_is_good_for_a_day() -> None:
    store, watch = MemoryStore(), Watch()
    house = links(store, watch)
    done = replace(ordered(), stage=Stage.DONE, ending=Ending(End.DONE), artifact=WEIGHTS)

    async def play() -> list[bool]:
        await store.create("jobs", done.id, job_doc(done))
        link = await house.download_link(done.id)
        assert link is not None
        assert await house.download_link(JobId("nosuchjob000")) is None
        token = link.removeprefix("https://bot.example/model/")
        seen = [await house.paid_job(token) is not None]
        watch.at += timedelta(hours=24)
        return [*seen, await house.paid_job(token) is not None]

    assert asyncio.run(play()) == [True, False]


# --- Telegram's Mini App


def init_data(at: datetime = EPOCH, token: str = BOT, **more: str) -> str:
    """What Telegram gives a page, sealed as its documentation says."""
    user = json.dumps({"id": 7, "first_name": "Ann & Bob", "language_code": "de"})
    said = {"query_id": "AAH", "user": user, "auth_date": str(int(at.timestamp())), **more}
    lines = "\n".join(f"{key}={said[key]}" for key in sorted(said))
    key = hmac.digest(b"WebAppData", token.encode(), "sha256")
    return urlencode({**said, "hash": hmac.digest(key, lines.encode(), "sha256").hex()})


def test_who_telegram_says_it_is_gets_a_page_for_their_private_chat() -> None:
    assert person(init_data(), BOT, EPOCH) == (ANN, Address("telegram", "7", "de"))


def test_aiogram_believes_what_we_believe() -> None:
    good, bad = init_data(signature="x"), init_data(token="8:another")
    assert safe_parse_webapp_init_data(BOT, good).user is not None
    with pytest.raises(ValueError, match="signature"):
        safe_parse_webapp_init_data(BOT, bad)
    assert person(bad, BOT, EPOCH) is None
    assert person(good, BOT, EPOCH) is not None


def test_nothing_else_is_believed() -> None:
    good = init_data()
    for wrong in (
        "", "hash=", "&", "x" * 9000, good.replace("%22id%22%3A+7", "%22id%22%3A+8"), good + "&user=%7B%7D",
        good.partition("&hash")[0], good[:-1], init_data(user="[" * 3000), init_data(user='"7"'), init_data(user="{}"),
        init_data(user='{"id": "x"}'), init_data(auth_date="soon"), init_data(auth_date="9" * 30),
        init_data(user='{"id": 7, "language_code": [1]}'), "hash=ö&auth_date=1&user=1",
    ):  # fmt: skip
        assert person(wrong, BOT, EPOCH) is None, wrong
    assert person(init_data(token=""), "", EPOCH) is None


def test_what_was_said_an_hour_ago_or_is_not_yet_said_proves_nothing() -> None:
    for minutes, believed in ((-61, False), (-59, True), (4, True), (6, False)):
        assert (person(init_data(EPOCH + timedelta(minutes=minutes)), BOT, EPOCH) is not None) is believed
