"""A view becomes a card: what one message about a job says, on any platform. Its words come from `locales/`."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from notifier import figures
from notifier.card import Button, Card, Tone
from notifier.view import JobView
from notifier.words import Words
from pipeline.domain.events import Delayed, Resumed
from pipeline.domain.faults import Blame
from pipeline.domain.job import Alert
from pipeline.domain.stage import End, Stage, Wish
from pipeline.ports import Pace

CHAPTERS: Final = tuple(stage for stage in Stage if stage is not Stage.DONE)
OF_A_RELEASE: Final = (Stage.PREPARE, Stage.BILL, Stage.PUBLISH, Stage.REGISTER)
PLAIN_PACE: Final = Pace()
AT_WORK: Final = frozenset({Stage.UPLOAD, Stage.FETCH, Stage.TRAIN, Stage.COLLECT})  # a boot is silent by nature
KEEPABLE: Final = frozenset({Stage.TRAIN, Stage.COLLECT})  # where "stop and keep" has something to keep


def render(
    view: JobView, words: Words, *, now: datetime, spool: Path, simulated: bool, pace: Pace = PLAIN_PACE
) -> Card:
    """What `view` looks like at `now`. `spool` is where its files are; `simulated`: no GPU is rented, it says so."""
    if view.over:
        card = _finished(view, words, spool) if view.has_model else _ended(view, words)
    elif view.end is not End.DONE:
        card = _leaving(view, words)
    else:
        card = _running(view, words, now, pace)
    return replace(card, lines=(*card.lines, words.say("simulated"))) if simulated else card


def _running(view: JobView, words: Words, now: datetime, pace: Pace) -> Card:
    bar, label = figures.bar(view, words)
    return Card(
        title=_title("running-title", view, words),
        lines=_said(_chapter(view, words), _phase(view, words), *_notes(view, words, now, pace)),
        bar=bar,
        bar_label=label,
        fields=figures.measures(view, words, now, pace),
        buttons=_buttons(view, words),
        tone=Tone.BUSY,
    )


def _leaving(view: JobView, words: Words) -> Card:
    """The way out: what became of it is said at once, the closing stages go on under it."""
    failed = view.end is End.FAILED
    ours = failed and _blame(view) is not Blame.USER
    return Card(
        title=words.say(f"{view.end}-title", slug=view.slug),
        lines=_said(
            _why(view, words) if failed else words.say(_halted(view) or f"{view.end}-closing"),
            words.say("failed-closing") if ours else "",
            _chapter(view, words),
        ),
        tone=Tone.BAD if failed else Tone.BUSY,
    )


def _finished(view: JobView, words: Words, spool: Path) -> Card:
    """A model is there: whole, or as far as it came."""
    whole = view.step >= view.steps
    what = "release" if view.release else "done" if whole else "kept"
    return Card(
        title=words.say("kept-title" if what == "kept" else "done-title", slug=view.slug),
        lines=_said(
            words.say(_halted(view)) if _halted(view) and not whole else "",
            words.say(f"{what}-lead", step=view.step, steps=view.steps),
            words.say("done-use", tag=f"<lora:{view.slug}:0.8>", trigger=view.trigger),
            view.url,
            figures.money(view, words),
            words.say("done-next", slug=view.slug),
        ),
        fields=figures.facts(view, words),
        picture=spool / view.sheet if view.sheet else None,
        tone=Tone.GOOD,
        final=True,
    )


def _ended(view: JobView, words: Words) -> Card:
    """There is no model: why, where the money is, and what to do next."""
    end = view.end
    failed = end in {End.FAILED, End.DONE}  # done without a model: nothing we foresaw
    said = _why(view, words) if failed else words.say(f"{end}-lead")
    why = (words.say(_halted(view)),) if _halted(view) and not failed else ()
    whose = _blame(view) if failed else Blame.USER
    onward = words.say(f"next-{whose}" if failed else "next-again", job=view.job)
    return Card(
        title=_title("failed-title" if failed else f"{end}-title", view, words),
        lines=_said(*why, said, figures.money(view, words), _keeping(view, words), "" if view.release else onward),
        fields=figures.facts(view, words) if view.step else (),
        buttons=_takes(view, words),
        tone=Tone.BAD if failed else Tone.PLAIN,
        final=True,
    )


def _title(key: str, view: JobView, words: Words) -> str:
    return words.say(f"release-{key}" if view.release else key, slug=view.slug, step=words.number(view.step))


def _keeping(view: JobView, words: Words) -> str:
    """Nobody gets a model and a full refund: what its steps cost is what its last checkpoint costs."""
    kept = view.kept
    if kept is None:
        return ""
    until, price = words.day(kept.until), words.points(kept.price)
    return words.say("kept-offer", step=words.number(kept.step), price=price, until=until)


def _takes(view: JobView, words: Words) -> tuple[Button, ...]:
    kept = view.kept
    if kept is None:
        return ()
    label = words.say("button-take", step=words.number(kept.step), price=words.points(kept.price))
    return (Button(label, f"take:{view.job}-{kept.step}"),)


def _halted(view: JobView) -> str:
    """The message that says why it stopped by itself; "" where a person stopped it, or nobody."""
    return f"ended-{view.left.code}" if view.left and view.left.end is End.STOPPED and view.left.code else ""


def _said(*lines: str) -> tuple[str, ...]:
    return tuple(filter(None, lines))


def _chapter(view: JobView, words: Words) -> str:
    """Where in the story the job stands: step 6 of 11, and what comes next."""
    chapters = OF_A_RELEASE if view.release else CHAPTERS
    at = chapters.index(view.stage)
    choosing = view.release and view.stage is Stage.PREPARE
    stage = words.say("stage-choose" if choosing else f"stage-{view.stage}")
    here = words.say("chapter", n=at + 1, total=len(chapters), stage=stage)
    if view.end is not End.DONE or at + 1 == len(chapters):
        return here
    return f"{here} {words.say('chapter-next', stage=words.say(f'stage-{chapters[at + 1]}'))}"


def _phase(view: JobView, words: Words) -> str:
    phase = view.progress.phase if view.progress else ""
    return words.say(f"phase-{phase}") if phase and words.knows(f"phase-{phase}") else ""


def _notes(view: JobView, words: Words, now: datetime, pace: Pace) -> list[str]:
    """What is not as usual: a wish on its way, a move, a delay, a silence. Each with its reason."""
    notes = []
    if view.alert is not None:
        notes.append(_alert(view.alert, words, now))
    if view.halted:
        notes.append(words.say(f"halted-{view.halted}"))
    elif view.wish is not None:
        notes.append(words.say(f"wish-{view.wish}"))
    if view.restarted is not None and view.stage in AT_WORK and not (view.progress and view.progress.unit == "step"):
        notes.append(words.say("restarted-lower" if view.restarted.lower else "restarted"))
    if view.moving is not None:
        notes.append(" ".join(_said(words.hint(view.moving.code, view.moving.facts), words.say("moving"))))
    if view.resumed is not None:
        notes.append(_resumed(view.resumed, words))
    waiting = now - (view.since if view.progress is None or not view.progress.total else view.heard)
    silence = now - view.silent if view.silent is not None else timedelta()
    if view.delayed is not None:
        notes.append(_delay(view.delayed, silence if silence > figures.QUIET * pace.factor else None, now, words))
    elif view.silent is not None and view.stage in AT_WORK:
        notes.append(words.say("silent", ago=words.span(silence)))
    elif waiting > figures.QUIET * pace.factor:
        notes.append(words.say(f"why-{view.stage}"))
    return notes


def _resumed(resumed: Resumed, words: Words) -> str:
    """What the move cost in steps."""
    if resumed.step != resumed.laid:
        return words.say("resumed-anew", laid=words.number(resumed.laid))
    return words.say("resumed", step=words.number(resumed.step), state="kept" if resumed.state else "lost")


def _alert(alert: Alert, words: Words, now: datetime) -> str:
    """Why it will stop by itself, and when: to the minute, so that waiting is not an edit every second."""
    left = max(timedelta(), alert.until - now)
    wait = words.span(left) if left > figures.QUIET else words.say("alert-soon")
    return words.say(f"alert-{alert.code}", wait=wait)


def _delay(delayed: Delayed, silence: timedelta | None, now: datetime, words: Words) -> str:
    """Why nothing moves, for how long already, and when we try again."""
    wait = delayed.again_at - now
    return " ".join(
        _said(
            words.hint(delayed.code, delayed.facts) or words.say("delayed"),
            words.say("delayed-for", ago=words.span(silence)) if silence else "",
            words.say("again-in", wait=words.span(wait)) if wait > figures.QUIET else words.say("again-soon"),
        )
    )


def _why(view: JobView, words: Words) -> str:
    left = view.left
    return (
        words.reason(_blame(view), left.code, left.facts) if left and left.code else words.say(f"blame-{_blame(view)}")
    )


def _blame(view: JobView) -> Blame:
    return view.left.blame if view.left and view.left.blame else Blame.BUG


def _buttons(view: JobView, words: Words) -> tuple[Button, ...]:
    """Only what would still be heard: nothing in closing stages, no second stop."""
    if not view.changeable or view.wish is Wish.CANCEL:
        return ()
    stop, keep, cancel, log = (
        Button(words.say(f"button-{verb}"), f"{verb}:{view.job}") for verb in ("stop", "keep", "cancel", "log")
    )
    if view.stage not in KEEPABLE:
        return (cancel,)
    if view.wish is Wish.STOP:
        return (cancel, log)
    ends = (stop, cancel, log)
    return ends if view.alert is None or view.extended else (keep, *ends)
