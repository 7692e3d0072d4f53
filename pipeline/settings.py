"""The only reader of the environment: every setting by its fixed name, checked all at once, secrets never printed."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.domain.money import Tariff, micro
from pipeline.domain.recipe import Publish
from pipeline.ports import House, Pace

HUB = "https://huggingface.co"
KNOWN_PLATFORMS = ("telegram", "discord", "terminal")
TELEGRAM, DISCORD = "https://api.telegram.org", "https://discord.com/api/v10"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class BadSettings(Exception):
    """What is wrong with the environment: one line a mistake, no value of a secret in it."""


def _https(url: str) -> str:
    """An address that a secret is sent to must be encrypted, unless it is this very machine."""
    url = _web(url)
    if _plain(url):
        raise ValueError("must be https: a secret is sent to it")
    return url


def _web(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http(s) address")
    return url.rstrip("/")


def _plain(url: str) -> bool:
    """Unencrypted, and not this very machine."""
    return urlsplit(url).scheme in {"http", "ws"} and urlsplit(url).hostname not in LOOPBACK


def _gateway(url: str) -> str:
    if urlsplit(url).scheme not in {"ws", "wss"} or not urlsplit(url).hostname:
        raise ValueError("must be a ws(s) address")
    if _plain(url):
        raise ValueError("must be wss: a secret is sent to it")
    return url


def _place(value: str) -> str:
    """An identity or a chat: never a name, which somebody else may take tomorrow."""
    platform, _, number = value.partition(":")
    if platform not in KNOWN_PLATFORMS[:2] or not number.removeprefix("-").isdecimal():
        raise ValueError("must be telegram:ID or discord:ID")
    return value


Url = Annotated[str, AfterValidator(_https)]
Place = Annotated[str, AfterValidator(_place)]
Bind = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:\[\]-]*:\d{1,5}$")]  # host:port
Names = Annotated[tuple[str, ...], NoDecode]  # a comma list


class _FromFiles(PydanticBaseSettingsSource):
    """`NAME_FILE=path` for any setting: how containers hand secrets in."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        path = os.environ.get(f"{field_name.upper()}_FILE")
        return (Path(path).read_text(encoding="utf-8").strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                found[name] = value
        return found


class Settings(BaseSettings):
    """Names and defaults of shared/settings.md. What is listed here works."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    platforms: Names = ()  # none named: all with a token
    telegram_token: SecretStr | None = None
    telegram_api_url: Annotated[str, AfterValidator(_web)] = TELEGRAM
    telegram_local_dir: Path | None = None  # the local server's files; set: local mode
    telegram_webhook_secret: SecretStr | None = None
    discord_token: SecretStr | None = None
    discord_api_url: Url = DISCORD
    discord_gateway_url: Annotated[str, AfterValidator(_gateway)] | None = None  # None: as Discord says
    discord_dev_guild: int | None = Field(default=None, gt=0)
    operators: Annotated[tuple[Place, ...], NoDecode] = ()
    public_url: Url | None = None  # how people's browsers reach us; None: no pages
    web_bind: Bind = "127.0.0.1:8080"
    metrics_bind: Bind = "127.0.0.1:9090"
    vast_url: Url = "https://console.vast.ai"
    vast_api_key: SecretStr | None = None
    vastai_ssh_key_path: Path | None = None
    label_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9-]{0,40}$")
    gpu_names: Names = ("RTX 3090", "RTX 4090")
    region: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    min_gpu_frac: float = Field(default=1.0, gt=0, le=1)
    min_reliability: float = Field(default=0.95, ge=0, le=1)
    max_price_per_hour: float = Field(default=1.0, gt=0)
    boot_tries: int = Field(default=10, ge=1)
    moves: int = Field(default=2, ge=0)
    ssh_timeout_min: float | None = Field(default=None, ge=5)
    trainer_image: str = Field(default="ostris/aitoolkit:0.12.26", pattern=r"^[\w./-]+:[\w.-]+$")
    trainer_image_gb: float = Field(default=20, gt=0)
    toolkit_dir: str = Field(default="/app/ai-toolkit", pattern=r"^/[A-Za-z0-9_./-]+$")
    hf_endpoint: Url = HUB
    hf_token: SecretStr | None = None
    hf_host_token: SecretStr | None = None  # goes to rented boxes: PREPARE refuses one that can more than read
    hf_namespace: str = ""
    data_dir: Path = Path("data")
    spool_max_gb: float = Field(default=20, gt=0)
    points_per_usd: int = Field(default=10_000, ge=1)
    platform_fee_percent: int = Field(default=20, ge=0)
    welcome_points: int = Field(default=0, ge=0)
    quote_minutes: float = Field(default=10, gt=0)
    max_jobs_per_person: int = Field(default=2, ge=1)
    max_gpus: int = Field(default=10, ge=1)
    max_usd_per_hour: float = Field(default=5, gt=0)
    max_usd_per_day: float = Field(default=50, gt=0)
    credit_factor: float = Field(default=1.5, ge=1)
    default_publish: Publish = Publish.HF
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"
    pace: float = Field(default=1.0, gt=0)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del file_secret_settings
        return init_settings, env_settings, _FromFiles(settings_cls), dotenv_settings

    @field_validator("platforms", "gpu_names", "operators", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("platforms")
    @classmethod
    def _platforms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in KNOWN_PLATFORMS]
        if unknown:
            raise ValueError(f"must be of {', '.join(KNOWN_PLATFORMS)}")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        """What only makes sense with something else."""
        if _plain(self.telegram_api_url) and self.telegram_local_dir is None:  # a local server speaks http only
            raise ValueError("TELEGRAM_API_URL: must be https unless TELEGRAM_LOCAL_DIR is set")
        for name in self.platforms:
            if name != "terminal" and getattr(self, f"{name}_token") is None:
                raise ValueError(f"PLATFORMS: {name} needs {name.upper()}_TOKEN")
        if self.telegram_webhook_secret is not None:
            if self.public_url is None:
                raise ValueError("TELEGRAM_WEBHOOK_SECRET: needs PUBLIC_URL")
            if not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", self.telegram_webhook_secret.get_secret_value()):
                raise ValueError("TELEGRAM_WEBHOOK_SECRET: must be 16 to 256 of A-Z a-z 0-9 _ -")
        return self

    @property
    def spoken(self) -> tuple[str, ...]:
        """The platforms that are on."""
        tokens = {"telegram": self.telegram_token, "discord": self.discord_token}
        return self.platforms or tuple(name for name, token in tokens.items() if token is not None)

    @property
    def ssh_key(self) -> Path:
        return self.vastai_ssh_key_path or self.data_dir / "ssh" / "id_ed25519"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret's value: for the redactor, which must know what to take out."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))

    @property
    def simulated(self) -> bool:
        """Life leaves PACE at 1."""
        return self.pace != 1.0

    def rhythm(self) -> Pace:
        return Pace(self.pace)

    def tariff(self) -> Tariff:
        return Tariff(self.points_per_usd, self.platform_fee_percent)

    def house(self, label_prefix: str) -> House:
        return House(
            label_prefix=self.label_prefix or label_prefix,
            image=self.trainer_image,
            image_gb=self.trainer_image_gb,
            toolkit=self.toolkit_dir,
            boot_tries=self.boot_tries,
            moves=self.moves,
            ssh_timeout_min=self.ssh_timeout_min,
            credit_factor=self.credit_factor,
            gpus=frozenset(self.gpu_names),
            region=self.region,
            min_gpu_frac=self.min_gpu_frac,
            min_reliability=self.min_reliability,
            max_rate=micro(self.max_price_per_hour),
            max_per_hour=micro(self.max_usd_per_hour),
            max_per_day=micro(self.max_usd_per_day),
            spool_bytes=round(self.spool_max_gb * 1e9),
            host_token=self.hf_host_token.get_secret_value() if self.hf_host_token else "",
            hub="" if self.hf_endpoint == HUB else self.hf_endpoint,
        )


def load(need: tuple[str, ...] = (), **over: Any) -> Settings:
    """Read the environment. Raises BadSettings with every mistake; `need` are settings that must be there."""
    try:
        settings = Settings(**over)
    except ValidationError as error:
        raise BadSettings("\n".join(_mistakes(error))) from None
    except OSError as error:
        raise BadSettings(f"a NAME_FILE cannot be read: {error.strerror}") from None
    absent = [name for name in need if getattr(settings, name) is None]
    if absent:
        raise BadSettings("\n".join(f"{name.upper()}: is not set" for name in absent))
    return settings


def _mistakes(error: ValidationError) -> list[str]:
    """`NAME: what it must be`. pydantic hides the value (hide_input_in_errors); we do not print it either."""
    items = error.errors(include_input=False, include_url=False, include_context=False)
    return [_name(item["loc"]) + item["msg"].removeprefix("Value error, ") for item in items]


def _name(loc: tuple[int | str, ...]) -> str:
    """What stands before a mistake; one about several settings names them itself."""
    return f"{'.'.join(map(str, loc)).upper()}: " if loc else ""


def inherited(names: tuple[str, ...]) -> Mapping[str, str]:
    """The few variables a child process of ours may see."""
    return {name: os.environ[name] for name in names if name in os.environ}
