"""A plugin is a file. Drop it in the folder and it exists."""

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Any

CHILD = "_child"  # scripts run as processes of their own live beside their plugin; importing one would load its library


def plugins(folder: ModuleType) -> list[str]:
    """Names of all plugins in `folder`, configured or not."""
    return sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.endswith(CHILD))


def discover(folder: ModuleType, settings: object) -> dict[str, Any]:
    """Build every plugin of `folder` that `settings` configures, keyed by file name.

    Each file has `build(settings) -> Port | None`; None means "not configured". A file without `build` is a mistake
    and raises AttributeError.
    """
    built = {name: import_module(f"{folder.__name__}.{name}").build(settings) for name in plugins(folder)}
    return {name: plugin for name, plugin in built.items() if plugin is not None}
