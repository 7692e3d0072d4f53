"""Which tests stay together: those of a file, and all that Telegram plays side by side."""

from collections.abc import Iterator

import pytest
import structlog
from structlog.dev import plain_traceback


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's group for `--dist loadgroup`. tests/chat/telegram_scene.py plays its scenes once a worker."""
    for item in items:
        folder, file = item.path.parent.name, item.path.stem
        played = folder == "chat" and file.startswith("test_telegram_")
        item.add_marker(pytest.mark.xdist_group("telegram" if played else f"{folder}-{file}"))


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """A command that ran in this process set logs up for itself. A traceback is told without its frames' locals.

    By default rich draws those, which takes seconds.
    """
    structlog.reset_defaults()
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain_traceback)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, renderer]
    )
    yield
    structlog.reset_defaults()
