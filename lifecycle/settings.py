"""What the lifecycle takes from `moraine.yaml`, and which code it is. Read here, and nowhere else."""

import hashlib
import os
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pipelines.domain.configuration import Configuration, parse_configuration
from pipelines.domain.uris import LocalUri, Uri, parse_uri
from pipelines.errors import NotFound, Terminal
from pipelines.reference.written import read_written
from pipelines.stores import Store, open_store


@dataclass(frozen=True, slots=True)
class Settings:
    """What the file says, and where it is: relative paths start there."""

    configuration: Configuration
    base: Path
    registry_token: str | None = field(default=None, repr=False)
    """MLflow's token, from MLFLOW_TRACKING_TOKEN as its own clients take it; never printed."""

    @property
    def lake_uri(self) -> Uri:
        """Where everything Moraine knows is kept."""
        return parse_uri(self.configuration.lake, base=self.base)

    @property
    def lake(self) -> Store:
        """The same, opened."""
        return open_store(self.lake_uri, self.configuration.endpoints)

    @property
    def scratch(self) -> Path:
        """A directory of this machine for downloads and spilled data."""
        return self.base / self.configuration.engine.temp_directory

    def plans(self) -> Path:
        """Return the directory that plans are kept in.

        Raises:
            Terminal: the lake is a bucket; a plan needs a directory that several processes can lock.
        """
        match self.lake_uri:
            case LocalUri(path=path):
                return path / "plans"
            case uri:
                raise Terminal(
                    "the lake is no directory of this machine, so plans need one",
                    where=str(uri),
                    fix="Say where: moraine-lifecycle plan --out DIR; the plan becomes a folder in it.",
                )

    def plan_path(self, name: str) -> Path:
        """Return the directory of a plan, given as a path or as its id.

        Raises:
            NotFound: there is neither.
        """
        if (Path(name) / "plan.json").is_file():
            return Path(name)
        by_id = self.plans() / name if isinstance(self.lake_uri, LocalUri) and "/" not in name else None
        if by_id is not None and (by_id / "plan.json").is_file():
            return by_id
        raise NotFound(
            "there is no such plan",
            where=name,
            fix="Name a plan's directory or its id; 'moraine-lifecycle plan' prints both.",
        )


def load(path: Path) -> Settings:
    """Read the settings file.

    Raises:
        Terminal: it is missing, unreadable or wrong; the message names the line.
    """
    text = read_text(path, what="settings file", fix="Name it with --config or MORAINE_CONFIG.")
    configuration = parse_configuration(text, origin=str(path))
    return Settings(configuration, path.absolute().parent, os.environ.get("MLFLOW_TRACKING_TOKEN"))


def read_text(path: Path, *, what: str, fix: str) -> str:
    """Return a file that a person wrote.

    Raises:
        NotFound: it is not there.
        Terminal: it cannot be read as text.
    """
    missing = NotFound(f"there is no {what}", where=str(path), fix=fix)
    return read_written(path, f"the {what}", missing=missing)


@cache
def code_version() -> str:
    """Return the version with a hash of this package's code: a plan is applied by the code that made it."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{version('moraine')}+{digest.hexdigest()[:12]}"
