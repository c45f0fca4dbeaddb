"""Carries a plan out: everything is asked before the first change, then chunk follows chunk.

The actions of one chunk at a time are in memory. What was asked some minutes before is asked again: a plan of
millions of objects takes hours, and what people pin, register or write meanwhile has to count.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from lifecycle.apply.admission import refuse_unenforced
from lifecycle.apply.chunk import ChunkReport, Hand, apply_chunk, report_chunk
from lifecycle.apply.survey import Survey
from lifecycle.errors import PlanRefused
from lifecycle.model import BucketCapability, Plan
from lifecycle.plan.directory import PlanDirectory
from lifecycle.records.journal import open_journal, standings
from pipelines.domain.text import to_json

FRESH_SECONDS = 300.0
"""How long an answer about a chunk counts: about as long as applying one takes."""

Refuse = Callable[[Iterable[str]], None]
"""Refuses checkpoints, by their URIs, that somebody needs."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a chunk's survey said, and when."""

    at_seconds: float
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Campaign:
    """An admitted plan on its way."""

    directory: PlanDirectory
    plan: Plan
    hand: Hand
    ask: Callable[[], Refuse]
    """Asks the registry and the list of pins what they name now."""
    measure: Callable[[str], BucketCapability]
    """Tells what a bucket enforces now, by its URI."""
    sealing: Callable[[Path], AbstractContextManager[None]]
    """Seals a chunk's journal when it is left."""
    today: date
    monotonic: Callable[[], float]
    prepare: Callable[[Sequence[str]], None] = lambda _names: None
    """Puts into buckets what these chunks rely on, before their first change: rules for what is tagged."""

    def go(self, names: Sequence[str]) -> tuple[ChunkReport, ...]:
        """Do what is left of these chunks.

        Raises:
            Protected, NotEnforced: something speaks against it; nothing, or nothing more, is changed.
            Transient: the store does not answer for too long; run it again.
        """
        left = [name for name in names if self._over(name) is None]
        refuse = self.ask()
        for name in left:
            refuse(self._uris(name))
        hand = replace(self.hand, capabilities=self._capabilities(left))
        looked = self._looked(left)
        if looked and not hand.is_stopped():
            self.prepare(left)
        return tuple(self._over(name) or self._apply(name, hand, looked.get(name)) for name in names)

    def examine(self, names: Sequence[str]) -> tuple[Mapping[str, BucketCapability], Mapping[str, str]]:
        """Ask everything that is asked before the first change, and change nothing.

        Returns:
            What the buckets enforce, by their URI; the checkpoints that are not what was planned, and why.

        Raises:
            Protected, NotEnforced: something speaks against it.
            PlanRefused: somebody asked to stop.
        """
        refuse = self.ask()
        for name in names:
            refuse(self._uris(name))
        measured, looked = self._capabilities(names), self._looked(names)
        if len(looked) < len(names):
            raise PlanRefused(
                "somebody asked to stop", where=str(self.directory), fix="Run the same command again."
            )
        return measured, {one: why for found in looked.values() for one, why in found.left_out.items()}

    def is_finished(self) -> bool:
        """Tell whether every action of every chunk has its final outcome."""
        return all(self._over(name) is not None for name in self.plan.chunks)

    def _apply(self, name: str, hand: Hand, looked: _Looked | None) -> ChunkReport:
        path = self.directory.receipts(name)
        if looked is None or hand.is_stopped():
            return report_chunk(name, self._count(name), standings(path))
        if self.monotonic() - looked.at_seconds > FRESH_SECONDS:
            self.ask()(self._uris(name))
            looked = self._looked([name])[name]
        with self.sealing(path), open_journal(path) as journal:
            actions = tuple(self.directory.actions(name))
            report = apply_chunk(name, actions, journal, hand, looked.left_out)
        if not report.left:
            # After the journal is closed: whoever finds this need not read it.
            self.directory.write(f"over/{name}.json", to_json(report))
        return report

    def _looked(self, names: Iterable[str]) -> dict[str, _Looked]:
        survey = Survey(self.hand.clouds, self.plan, self.directory, self.today, self.hand.workers)
        found: dict[str, _Looked] = {}
        for name in names:
            if self.hand.is_stopped():
                break
            standing = standings(self.directory.receipts(name))
            left_out = survey.of(name, self.directory.actions(name), standing)
            found[name] = _Looked(self.monotonic(), left_out)
        return found

    def _capabilities(self, names: Sequence[str]) -> Mapping[str, BucketCapability]:
        """Measure the buckets that these chunks change; refuse what is not as the plan relies on."""
        paths = self.directory.ways(names)
        measured = {place: self.measure(place) for place in paths}
        planned = {capability.place: capability for capability in self.plan.capabilities}
        for place, relied_on in paths.items():
            refuse_unenforced(relied_on, planned[place], measured[place])
        return measured

    def _uris(self, name: str) -> list[str]:
        return [line.uri for line in self.directory.lines(name)]

    def _count(self, name: str) -> int:
        return next(file.rows for file in self.plan.actions if file.name == f"actions/{name}.parquet")

    def _over(self, name: str) -> ChunkReport | None:
        """Return the report of a chunk that nothing is left of."""
        path = self.directory.path / "over" / f"{name}.json"
        if not path.exists():
            return None
        return ChunkReport(**json.loads(path.read_text(encoding="utf-8")))
