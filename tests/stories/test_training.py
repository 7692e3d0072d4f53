"""A training's whole life in a small world, in virtual time."""

import asyncio
from pathlib import Path

from pipeline.domain.faults import Blame
from pipeline.domain.job import Job
from pipeline.domain.recipe import Recipe
from pipeline.domain.stage import End, Stage, Wish
from pipeline.flow.journal import load_progress
from pipeline.flow.spool import Spool
from tests.support.jobs import ID, PURSE, a_job, a_world, accounts_sum, lived, priced, submitted, wish
from tests.support.training import Run
from tests.support.virtual import run
from tests.support.world import World


def test_a_happy_training_ends_published_registered_paid_and_with_no_machine(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    job = lived(world)
    assert (job.stage, job.ending and job.ending.end, world.alive) == (Stage.DONE, End.DONE, [])
    assert (job.slug, world.commits, len(world.rentals)) == ("mytrigger", 1, 1)
    available, held, total = run(accounts_sum(world))
    assert (available, held, total) == (PURSE - job.charged, 0, 0)
    assert 0 < job.charged <= job.quote.ceiling


def test_the_news_tell_the_stages_in_order_without_a_gap(tmp_path: Path) -> None:
    job = lived(a_world(tmp_path))
    assert [news.n for news in job.news] == list(range(1, len(job.news) + 1))
    stages = [news.event.stage for news in job.news if news.event.kind == "stage"]
    assert stages == [*list(Stage)[1:]]


def test_a_silent_host_is_left_and_the_person_pays_for_one_run_only(tmp_path: Path) -> None:
    alone = lived(a_world(tmp_path / "a"))
    world = a_world(tmp_path / "b", runs=[Run(silent_at=5), Run()])
    job = lived(world)
    assert (job.ending and job.ending.end, len(world.rentals), world.alive) == (End.DONE, 2, [])
    assert job.charged <= alone.charged + 20  # the second offer costs a little more than the first


def test_a_run_whose_bars_say_no_loss_has_its_chart_from_the_boxs_own_record(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(mute=True)])
    job = lived(world)
    progress = run(load_progress(world.store, job.id))
    assert progress is not None
    assert [step for step, _ in progress.curve] == list(range(2, 30))
    assert job.artifact is not None
    assert job.artifact.final_loss == progress.curve[-1][1]


def test_what_the_machine_says_of_itself_is_known_at_home_while_it_trains(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> set[tuple[int | None, int | None, float | None]]:
        await submitted(world, a_job())
        seen = set()
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(world.tell(ID))
            while not telling.done():
                await asyncio.sleep(5)
                if (told := await load_progress(world.store, ID)) and told.unit == "step":
                    seen.add((told.gpu_percent, told.vram_mb, told.disk_free_gb))
        return seen

    assert run(life()) == {(97, 21000, 102.4)}


def test_the_trainers_last_words_are_at_home_while_it_trains_and_when_it_is_over(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    seen = list[bytes]()

    async def looking() -> None:
        while True:
            await asyncio.sleep(10)
            if said := Spool(world.root).log_end(ID):
                seen.append(said)

    async def life() -> None:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(looking())
            await submitted(world, a_job())
            await world.tell(ID)
            watching.cancel()

    run(life())
    assert len(set(seen)) > 3  # it grew while it trained
    assert seen[-1].startswith(seen[0][:20])
    assert b"Saved optimizer" in Spool(world.root).log_end(ID)


def test_three_hosts_that_fail_while_training_cost_the_person_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(dies_at=3)])
    job = lived(world)
    assert job.ending is not None
    assert (job.ending.end, job.ending.blame, job.charged) == (End.FAILED, Blame.HOST, 0)
    assert (len(world.rentals), world.alive, world.commits) == (3, [], 0)
    assert run(accounts_sum(world)) == (PURSE, 0, 0)
    assert world.repos == {}


def test_exit_code_zero_without_a_model_is_not_success(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(empty=True), Run()])
    job = lived(world)
    assert (job.ending and job.ending.end, len(world.rentals)) == (End.DONE, 2)


def test_a_run_of_nan_is_left(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(nan=True), Run()])
    assert (lived(world).attempt, world.alive) == (2, [])


def test_machines_that_never_boot_are_given_back_one_after_the_other(tmp_path: Path) -> None:
    world = a_world(tmp_path, dead_boots=3)
    job = lived(world)
    assert (job.ending and job.ending.end, len(world.rentals), job.boots, world.alive) == (End.DONE, 4, 3, [])


def test_ten_machines_that_never_boot_are_enough(tmp_path: Path) -> None:
    world = a_world(tmp_path, dead_boots=99)
    job = lived(world)
    assert (job.ending and job.ending.code, len(world.rentals), world.alive) == ("no-machine-booted", 10, [])


def test_a_rental_whose_reply_was_lost_cannot_be_proved_ours_so_it_is_destroyed_and_the_next_attempt_rents(
    tmp_path: Path,
) -> None:
    world = a_world(tmp_path, lose_reply_of=1)
    job = lived(world)
    assert (job.ending and job.ending.end, len(world.rentals), world.alive) == (End.DONE, 2, [])
    assert (job.attempt, job.boots, job.moves, max(world.creates.values())) == (2, 0, 0, 1)


def test_snatched_offers_lead_to_the_next_in_rank(tmp_path: Path) -> None:
    world = a_world(tmp_path, snatched=3)
    job = lived(world)
    assert (job.ending and job.ending.end, job.attempt, len(world.rentals)) == (End.DONE, 1, 1)


def test_a_market_that_refuses_to_destroy_is_asked_until_it_obeys(tmp_path: Path) -> None:
    world = a_world(tmp_path, refuse_destroy=5)
    job = lived(world)
    assert (job.stage, world.alive, job.condemned) == (Stage.DONE, [], ())


def test_a_machine_that_will_not_go_is_condemned_and_the_story_goes_on(tmp_path: Path) -> None:
    world = a_world(tmp_path, refuse_destroy=10_000)
    job = lived(world)
    assert (job.stage, job.condemned, [rented.instance for rented in world.alive]) == (Stage.DONE, ("i1",), ["i1"])


def test_a_network_blip_keeps_the_machine(tmp_path: Path) -> None:
    world = a_world(tmp_path, blips=3)
    job = lived(world)
    assert (job.attempt, len(world.rentals), job.ending and job.ending.end) == (1, 1, End.DONE)


def test_a_hub_that_is_down_delays_the_model_and_costs_nothing_more(tmp_path: Path) -> None:
    world = a_world(tmp_path, publish_down=8)
    job = lived(world)
    assert (job.stage, world.commits, world.alive) == (Stage.DONE, 1, [])
    assert any(news.event.kind == "delayed" for news in job.news)


def test_a_gate_that_is_shut_is_found_before_anything_is_rented(tmp_path: Path) -> None:
    world = a_world(tmp_path, gated=True)
    job = lived(world)
    assert job.ending is not None
    assert (job.ending.blame, job.ending.code, world.rentals) == (Blame.OPERATOR, "hub-gated", [])
    assert run(accounts_sum(world)) == (PURSE, 0, 0)


def test_a_market_out_of_credit_is_found_before_anything_is_rented(tmp_path: Path) -> None:
    world = a_world(tmp_path, credit_usd=0.01)
    assert (lived(world).charged, world.rentals) == (0, [])


def test_stop_and_keep_publishes_what_there_is_and_charges_what_ran(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(steps=1000, seconds_per_step=3.0, save_every=250)])
    job = run(_wished_in_training(world, Wish.STOP, steps=1000))
    assert job.artifact is not None
    assert job.ending is not None
    assert (job.ending.end, job.incomplete, world.commits, world.alive) == (End.STOPPED, True, 1, [])
    assert 0 < job.artifact.step < 1000
    assert 0 < job.charged < job.quote.points


def test_cancel_destroys_and_charges_the_measured_cost_only(tmp_path: Path) -> None:
    world = a_world(tmp_path, runs=[Run(steps=1000, seconds_per_step=3.0, save_every=250)])
    job = run(_wished_in_training(world, Wish.CANCEL, steps=1000))
    assert job.ending is not None
    assert (job.ending.end, job.artifact, world.commits, world.alive) == (End.CANCELLED, None, 0, [])
    assert 0 < job.charged < job.quote.points


def test_cancelled_before_a_machine_is_rented_costs_nothing(tmp_path: Path) -> None:
    world = a_world(tmp_path)

    async def life() -> int:
        await submitted(world, _job(30))
        await wish(world, Wish.CANCEL)
        return (await world.tell(ID)).charged

    assert (run(life()), world.rentals) == (0, [])
    assert run(accounts_sum(world)) == (PURSE, 0, 0)


def _job(steps: int) -> Job:
    recipe = Recipe(trigger="mytrigger", steps=steps)
    return a_job(recipe=recipe, quote=priced(recipe))


async def _wished_in_training(world: World, wanted: Wish, steps: int) -> Job:
    """Tell; when it has trained for ten minutes, write the wish and tell again, as the engine does after a nudge."""
    await submitted(world, _job(steps))
    telling = asyncio.timeout(None)
    try:
        async with telling, asyncio.TaskGroup() as group:
            group.create_task(_nudge(world, wanted, telling))
            await world.tell(ID)
    except TimeoutError:
        return await world.tell(ID)
    raise AssertionError("it ended before the wish")


async def _nudge(world: World, wanted: Wish, telling: asyncio.Timeout) -> None:
    loop = asyncio.get_running_loop()
    while not (world.rentals and world.rentals[0].started and loop.time() > world.rentals[0].started + 600):  # noqa: ASYNC110  # a person looks now and then
        await asyncio.sleep(10)  # virtual seconds
    await wish(world, wanted)
    telling.reschedule(loop.time())


def test_a_host_far_slower_than_its_quote_is_left_for_one_that_is_done_sooner(tmp_path: Path) -> None:
    slow = Run(steps=400, seconds_per_step=40.0, save_every=250)
    world = a_world(tmp_path, runs=[slow, Run(steps=400, save_every=250)])
    job = lived(world, _job(400))
    assert (job.ending and job.ending.end, len(world.rentals), world.alive) == (End.DONE, 2, [])
