"""No secret value comes out of a log line, whatever road it took in."""

import logging

import pytest
import structlog

from pipeline.adapters.redact import HIDDEN, Secrets, hush

KEY = "hf_Aa0/+=secret%value"


def known() -> Secrets:
    made = Secrets()
    made.learn(KEY, "", "abc")
    return made


def written(**values: object) -> str:
    """What a logger with our processor writes."""
    sink = structlog.testing.CapturingLogger()
    logger = structlog.wrap_logger(
        sink,
        processors=[structlog.processors.format_exc_info, known(), structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),  # whatever this process logs
    )
    logger.info("event", **values)
    return str(sink.calls)


def test_a_secret_is_hidden_as_it_is_in_urls_and_in_reprs() -> None:
    class Holder:
        def __repr__(self) -> str:
            return f"Holder({KEY!r})"

    said = written(
        plain=f"token {KEY}.", url="https://x/?key=hf_Aa0%2F%2B%3Dsecret%25value", thing=Holder(),
        deep={"a": [{KEY: (KEY, KEY.encode())}]}, **{KEY: 1},
    )  # fmt: skip
    assert "Aa0" not in said
    assert said.count(HIDDEN) == 7


def test_a_traceback_holds_no_secret() -> None:
    with pytest.raises(ValueError, match="secret") as caught:
        int(KEY)
    said = written(exc_info=caught.value)
    assert "ValueError" in said
    assert "Aa0" not in said


def test_what_is_no_secret_stays_as_it_is() -> None:
    event = {"n": 1, "f": 1.5, "none": None, "yes": True, "text": "abc def", "list": [1, "x"]}
    assert known()(None, "info", dict(event)) == event


def test_something_that_contains_itself_ends() -> None:
    loop: list[object] = [KEY]
    loop.append(loop)
    assert "Aa0" not in repr(known()(None, "info", {"loop": loop}))


def test_libraries_that_log_urls_and_commands_are_hushed() -> None:
    hush()
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("asyncssh.connection").isEnabledFor(logging.INFO)


def test_the_registry_does_not_show_what_it_knows() -> None:
    assert "Aa0" not in repr(known())
    assert Secrets().hide("text") == "text"
