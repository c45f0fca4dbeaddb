"""Settings of a run, read once from `moraine.yaml`. The only module that opens that file for the pipeline."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.domain.configuration import Configuration, Source, parse_configuration
from pipelines.domain.uris import Uri, parse_uri
from pipelines.errors import NotFound, Terminal
from pipelines.reference.written import read_written


@dataclass(frozen=True, slots=True)
class Settings:
    """What the file says, and where the file is: relative paths start there."""

    configuration: Configuration
    base: Path
    registry_token: str | None = field(default=None, repr=False)
    """MLflow's token, from MLFLOW_TRACKING_TOKEN as its own clients take it; never printed."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """What `notify` needs, by environment variable, as far as they are set; never printed."""

    @property
    def lake(self) -> Uri:
        """Where everything Moraine knows is kept."""
        return parse_uri(self.configuration.lake, base=self.base)

    @property
    def scratch(self) -> Path:
        """A directory of this machine for downloads and spilled data."""
        return self.base / self.configuration.engine.temp_directory

    @property
    def secret_values(self) -> tuple[str, ...]:
        """What no message may show."""
        return tuple(filter(None, (*self.secrets.values(), self.registry_token)))

    def source(self, name: str) -> Source:
        """Return the source called `name`.

        Raises:
            NotFound: no source has that name.
        """
        for source in self.configuration.sources:
            if source.name == name:
                return source
        known = ", ".join(source.name for source in self.configuration.sources)
        raise NotFound(
            f"no source is called {name!r}", where="moraine.yaml, sources", fix=f"Use one of: {known}."
        )


def load(path: Path) -> Settings:
    """Read the settings file.

    Raises:
        Terminal: the file is missing, unreadable or wrong; the message names the line.
    """
    missing = Terminal(
        "there is no settings file",
        where=str(path),
        fix="Write one (see the README), name it with --config or MORAINE_CONFIG, or try 'make demo'.",
    )
    text = read_written(path, "the settings file", missing=missing)
    configuration = parse_configuration(text, origin=str(path))
    return Settings(
        configuration,
        path.absolute().parent,
        registry_token=os.environ.get("MLFLOW_TRACKING_TOKEN"),
        secrets=_secrets(configuration),
    )


def _secrets(configuration: Configuration) -> dict[str, str]:
    names = [name for recipient in configuration.notify for name in recipient.variables]
    return {name: os.environ[name] for name in names if os.environ.get(name)}
