"""What `moraine.yaml` may say. Frozen; unknown keys are refused. Both programs read this one form."""

from datetime import timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, Field, model_validator

from pipelines.domain.durations import Duration, format_duration, parse_duration
from pipelines.domain.teams import Teams
from pipelines.domain.yaml_text import parse_yaml

SourceKind = Literal[
    "aws-cur",
    "aws-cur2",
    "focus",
    "gcp-billing",
    "s3-inventory",
    "gcs-inventory",
    "bucket-listing",
    "mlflow",
]
PLANNED_KINDS = frozenset({"s3-access-log", "gcs-usage-log", "cloudtrail-s3"})
_INVENTORIES = frozenset({"s3-inventory", "gcs-inventory"})
LISTS = _INVENTORIES | {"bucket-listing"}
"""Kinds of sources that list a bucket."""
SAFE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Engine(_Frozen):
    """How much of this machine DuckDB may use."""

    memory_limit: str = Field(default="4GB", pattern=r"^\d+(\.\d+)?\s*(KB|MB|GB|TB|KiB|MiB|GiB|TiB)$")
    """DuckDB's memory limit; work above it spills to `temp_directory`."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 2
    """Threads of one query."""
    temp_directory: str = "var/tmp"
    """Where downloads and spilled data go; relative to the file."""


class Source(_Frozen):
    """One place that a provider delivers to."""

    name: str = Field(pattern=SAFE_NAME)
    """A name of your own; it becomes a folder of the lake."""
    kind: SourceKind
    """What is delivered there."""
    uri: str = Field(min_length=1)
    """Where: `s3://`, `gs://`, `file:`, a path, or `http://` for a registry."""
    bucket: str | None = None
    """For inventories: the bucket that is listed."""
    artifacts: str | None = Field(default=None, pattern=r"^(s3|gs)://[^/]+")
    """Where an MLflow server that hands out artifacts itself keeps them: its `--artifacts-destination`."""
    read_states: bool | None = None
    """For lists of buckets: read the small files in the bucket that say which checkpoint is the latest or the
    best. Without it, where the uri is `s3://` or `gs://`."""

    @model_validator(mode="before")
    @classmethod
    def _kind_is_known(cls, data: object) -> object:
        kind = data.get("kind") if isinstance(data, dict) else None
        if isinstance(kind, str) and kind in PLANNED_KINDS:
            raise ValueError(f"kind {kind!r} is not read by this version; it reads {', '.join(_kinds())}")
        return data

    @model_validator(mode="after")
    def _inventory_names_its_bucket(self) -> "Source":
        if self.kind in _INVENTORIES and not self.bucket:
            raise ValueError(
                f"source {self.name!r} is an inventory: say which bucket it lists with 'bucket: …'"
            )
        return self

    @model_validator(mode="after")
    def _artifacts_are_a_registrys(self) -> "Source":
        if self.artifacts and self.kind != "mlflow":
            raise ValueError(f"source {self.name!r} is no registry: 'artifacts' belongs to kind mlflow")
        return self

    @model_validator(mode="after")
    def _states_are_in_a_bucket(self) -> "Source":
        if self.read_states is not None and self.kind not in LISTS:
            raise ValueError(f"source {self.name!r} lists no bucket: take 'read_states' out")
        return self


class Endpoint(_Frozen):
    """A store that speaks S3 elsewhere than at AWS, or Cloud Storage elsewhere than at Google."""

    match: str
    """Pattern over `s3://bucket` or `gs://bucket`, such as `s3://train*`."""
    endpoint_url: str = Field(pattern=r"^https?://")
    """Where that store answers."""
    region: str = "us-east-1"
    """The region to sign for."""


_OLDEST = timedelta(days=60)


def _can_fail(age: timedelta) -> timedelta:
    if not timedelta() < age <= _OLDEST:
        raise ValueError(
            f"a limit of {format_duration(age)} could never fail or never pass: "
            f"write a length of time up to {format_duration(_OLDEST)}"
        )
    return age


Age = Annotated[Duration, AfterValidator(_can_fail)]


class Gates(_Frozen):
    """What the numbers must satisfy before they are published."""

    max_inventory_age: Age = Field(default=parse_duration("48h"))
    """The newest inventory of a bucket may be this old at the end of the run's day."""
    max_registry_age: Age = Field(default=parse_duration("48h"))
    """The last answer of a model registry may be this old at the end of the run's day."""
    max_residual_share: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.02")
    """Share of a bucket's storage bill that its inventory may leave unexplained."""
    max_inventory_difference: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.10")
    """Share by which listed and billed bytes of one storage class of a bucket may differ in a week."""
    max_daily_change: Annotated[Decimal, Field(gt=1, lt=10)] = Decimal(2)
    """A day may cost as many times what the same weekday does, or as small a part; beyond 10 it blocks."""
    max_missing_days: Annotated[int, Field(ge=0, le=31)] = 0
    """Days without any storage cost, between days with some, that are known to be lost for good."""
    allow_schema_change: bool = False
    """Publish although a table lost a column that the last snapshot has, or changed its type."""


class Retention(_Frozen):
    """Which published snapshots stay; the current one and the one before it always do."""

    keep_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    """Keep the newest snapshot of as many of the newest days, and what was published within as many days."""
    keep_month_ends: bool = True
    """Keep the last snapshot of every month for good."""


VariableName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=128)]
"""Name of an environment variable. Upper case only: a secret written instead of a name is refused."""
MailAddress = Annotated[str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+$")]
SMTP_OVER_TLS = 465
"""The port on which a mail server speaks TLS from the first byte."""


class LogRecipient(_Frozen):
    """Writes to the log of whoever runs the night."""

    kind: Literal["log"]
    """`log`"""

    @property
    def name(self) -> str:
        """How messages call it."""
        return "log"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables it needs."""
        return ()


class WebhookRecipient(_Frozen):
    """A chat that takes Slack's form of incoming webhooks."""

    kind: Literal["webhook"]
    """`webhook`"""
    url_from: VariableName
    """The environment variable that holds the URL: whoever knows the URL can write there."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"webhook {self.url_from}"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables it needs."""
        return (self.url_from,)


class SmtpRecipient(_Frozen):
    """People who read mail."""

    kind: Literal["smtp"]
    """`smtp`"""
    host: str = Field(min_length=1, pattern=r"^[A-Za-z0-9.:-]+$")
    """The mail server."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    """Its port; on 465 it speaks TLS from the first byte."""
    starttls: bool = True
    """Go on in TLS before anything is said."""
    sender: MailAddress = Field(alias="from")
    """Whom the mail is from."""
    to: tuple[MailAddress, ...] = Field(min_length=1)
    """Whom it is for."""
    user_from: VariableName | None = None
    """The environment variable that holds the user to log in as; without it nobody logs in."""
    password_from: VariableName | None = None
    """The environment variable that holds their password."""

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"smtp {self.host} to {', '.join(self.to)}"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables it needs."""
        return tuple(name for name in (self.user_from, self.password_from) if name)

    @model_validator(mode="after")
    def _password_is_not_sent_in_clear(self) -> "SmtpRecipient":
        if (self.user_from is None) != (self.password_from is None):
            raise ValueError("name both variables, 'user_from' and 'password_from', or none")
        if self.user_from and not self.starttls and self.port != SMTP_OVER_TLS:
            raise ValueError("a password would be sent in clear: leave 'starttls' on, or use port 465")
        return self


Recipient = Annotated[LogRecipient | WebhookRecipient | SmtpRecipient, Field(discriminator="kind")]
"""Somebody who is told when a night needs a person."""


class Configuration(_Frozen):
    """The whole of `moraine.yaml`."""

    lake: str = Field(min_length=1)
    """A directory, `s3://bucket/prefix` or `gs://bucket/prefix`: where everything Moraine knows is kept."""
    engine: Engine = Engine()
    """DuckDB's share of the machine."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """What to read."""
    endpoints: tuple[Endpoint, ...] = ()
    """Stores that are not at AWS or Google, by bucket."""
    teams: Teams = Teams()
    """Owners."""
    prices: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Price files of your own, relative to this file; each beats those before it and those shipped."""
    gates: Gates = Gates()
    """Tolerances of the checks."""
    snapshots: Retention = Retention()
    """How long published snapshots are kept."""
    notify: tuple[Recipient, ...] = ()
    """Who is told, once a night, when a check keeps it from being published or a delivery is damaged."""
    pins: Annotated[str, Field(min_length=1)] | None = None
    """A file of pins, relative to this one: places that nothing is cleared from, until when, and why."""
    policies: str = "lifecycle/policies"
    """Directory of retention policies, one YAML each."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Configuration":
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called {twice[0]!r}; give each its own name")
        return self


def parse_configuration(text: str, *, origin: str) -> Configuration:
    """Return `moraine.yaml` as values.

    Raises:
        Terminal: with the line and the fix.
    """
    return parse_yaml(text, Configuration, origin=origin)


def endpoint_for(bucket_uri: str, endpoints: tuple[Endpoint, ...]) -> Endpoint | None:
    """Return the first endpoint whose pattern matches `s3://bucket`, or None for the provider's own."""
    return next((endpoint for endpoint in endpoints if fnmatchcase(bucket_uri, endpoint.match)), None)


def parse_bytes(text: str) -> int:
    """Return `500TiB` or `4GB` as bytes."""
    return int(ByteSize._validate(text, None))  # type: ignore[arg-type]  # noqa: SLF001


def _kinds() -> tuple[str, ...]:
    return get_args(SourceKind)
