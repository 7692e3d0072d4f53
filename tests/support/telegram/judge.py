"""Aiogram's own models judge every answer and update: nothing missing, nothing misspelt, nothing unknown."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from aiogram import methods
from aiogram.methods import Response
from aiogram.methods.base import TelegramMethod
from pydantic import BaseModel


@cache
def _answers(method: str) -> type[BaseModel]:
    """The model of what `method` answers, as aiogram reads it."""
    known = {
        found.__api_method__: found
        for name in methods.__all__
        if isinstance(found := getattr(methods, name), type)
        and issubclass(found, TelegramMethod)
        and found is not TelegramMethod
    }
    returned: Any = known[method].__returning__
    model: type[BaseModel] = Response[returned]
    return model


def judge(method: str, body: Mapping[str, Any]) -> None:
    """Raises what pydantic raises, or AssertionError naming the field no Telegram has."""
    answer = _answers(method).model_validate(body)
    strangers = list(_unknown(answer, method))
    assert not strangers, strangers


def _unknown(value: Any, where: str) -> list[str]:
    """Fields that the models do not have: aiogram lets them through for newer servers' sake."""
    if isinstance(value, list):
        return [name for item in value for name in _unknown(item, where)]
    if not isinstance(value, BaseModel):
        return []
    own = [f"{where}.{name}" for name in value.model_extra or {}]
    inner = [name for key in type(value).model_fields for name in _unknown(getattr(value, key), f"{where}.{key}")]
    return own + inner
