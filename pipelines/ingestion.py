"""Landing what the sources have, by one process or by many: `ingest`, or `find`, `land` and `finish`."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipelines import raw, sources
from pipelines.domain.deliveries import Delivery, Rejected, is_replaced
from pipelines.errors import Damaged, NotFound
from pipelines.run import Run, alone, source_names, workspace
from pipelines.witnesses import land_states

MOST_CHUNKS = 16
"""Workers that what a source has new is shared by; more only where it has more deliveries than that."""

Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Shows a delivery on its way: from its name and number of parts to what is called after each part."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one source brought."""

    source: str
    landed: int = 0
    known: int = 0
    rows: int = 0
    quarantined: tuple[Rejected, ...] = ()
    """Damaged deliveries whose place no newer one takes."""
    replaced: int = 0
    """Damaged deliveries that a newer one of their scope replaces."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some parts of one delivery: what one worker lands."""

    source: str
    table: str
    delivery_id: str
    start: int
    stop: int


@contextmanager
def _unseen(_name: str, _parts: int) -> Iterator[Callable[[], None]]:
    yield lambda: None


def ingest(run: Run, source: str, progress: Progress = _unseen) -> IngestReport:
    """Land every complete delivery of a source that the lake does not hold yet.

    A damaged one is quarantined; the others land all the same.

    Raises:
        Refused: another run is reading this source.
        Transient: the source does not answer.
        Terminal: it cannot be read at all.
    """
    with alone(run, f"ingest-{source}"), workspace(run) as scratch:
        place = open_source(run, source, scratch)
        found = sources.find(place, run.now)
        report = _report(run, source, found)
        for delivery in found.deliveries:
            report = _land(run, place, delivery, report, progress)
        report = _with_states(run, place, report)
    return _without_replaced(report, found.deliveries)


def find(run: Run, source: str) -> tuple[IngestReport, list[Chunk]]:
    """Say what of a source has to land, in chunks for several workers; `land` and `finish` do the rest.

    What a service answers lands here and now: it cannot be asked the same question on another machine. So
    does a delivery without files.

    Raises:
        Refused, Transient, Terminal: as `ingest`.
    """
    waiting = list[Delivery]()
    with alone(run, f"ingest-{source}"), workspace(run) as scratch:
        place = open_source(run, source, scratch)
        found = sources.find(place, run.now)
        report = _report(run, source, found)
        for delivery in found.deliveries:
            if delivery.is_answer or not delivery.parts:
                report = _land(run, place, delivery, report, _unseen)
            elif raw.is_landed(run.lake, delivery):
                report = replace(report, known=report.known + 1)
            else:
                waiting.append(raw.announce(run.lake, delivery))
    return report, _chunks(waiting)


def land(run: Run, chunk: Chunk) -> Rejected | None:
    """Land some parts of a delivery that `find` found, on any machine; return what is wrong with them.

    Raises:
        Transient: the source or the lake does not answer; parts that have landed do not land again.
        NotFound: `find` did not find it, or into another lake.
    """
    delivery = raw.announced(run.lake, chunk.table, chunk.source, chunk.delivery_id)
    with workspace(run) as scratch:
        place = open_source(run, chunk.source, scratch)
        convert = partial(sources.convert, place, delivery)
        try:
            for index in range(chunk.start, chunk.stop):
                raw.land_part(run.lake, delivery, index, convert, scratch)
        except Damaged as error:
            return _quarantine(run, delivery, error)
    return None


def finish(run: Run, source: str, chunks: Iterable[Chunk]) -> IngestReport:
    """Put the deliveries of a source into the ledger whose chunks have landed, all but the damaged ones.

    What only a whole list tells is asked for then.

    Raises:
        NotFound: a chunk did not land, and nothing is known to be wrong with it.
        Refused: another run is reading this source.
    """
    report = IngestReport(source)
    for table, delivery_id in dict.fromkeys((chunk.table, chunk.delivery_id) for chunk in chunks):
        report = _finish(run, raw.announced(run.lake, table, source, delivery_id), report)
    if not sources.reads_states(run.settings.source(source)):
        return report
    with alone(run, f"ingest-{source}"), workspace(run) as scratch:
        return _with_states(run, open_source(run, source, scratch), report)


def quarantined(run: Run) -> list[Rejected]:
    """Return the damaged deliveries of all sources whose place no newer one takes, in key order."""
    landed = raw.ledger(run.lake)
    return [one for one in in_quarantine(run) if not is_replaced(one, landed)]


def open_source(run: Run, source: str, scratch: Path) -> sources.Place:
    """Return where a source's deliveries are.

    Raises:
        NotFound: no source has that name.
    """
    settings = run.settings
    configuration = settings.configuration
    place = sources.open_place(
        settings.source(source),
        settings.base,
        configuration.endpoints,
        scratch,
        memory_limit=configuration.engine.memory_limit,
        token=settings.registry_token,
    )
    return replace(place, threads=configuration.engine.threads)


def _report(run: Run, source: str, found: sources.Found) -> IngestReport:
    raw.keep_listing(run.lake, source, (*found.deliveries, *found.rejected))
    for rejected in found.rejected:
        raw.quarantine(run.lake, rejected)
    # A copy of a damaged manifest is the same delivery.
    once = {(one.table, one.delivery_id): one for one in found.rejected}
    return IngestReport(source, quarantined=tuple(once.values()), warnings=found.warnings)


def _land(
    run: Run, place: sources.Place, delivery: Delivery, report: IngestReport, progress: Progress
) -> IngestReport:
    if raw.is_landed(run.lake, delivery):
        return replace(report, known=report.known + 1)
    # A listing that was killed goes on with the ranges it began with; what a service said is not kept.
    found = delivery if delivery.is_answer else raw.announce(run.lake, delivery)
    convert = partial(sources.convert, place, found)
    try:
        with progress(found.delivery_id, len(found.parts)) as landed_one:
            landed = raw.land(
                run.lake, found, convert, place.scratch, at_once=sources.at_once(found), landed_one=landed_one
            )
    except Damaged as error:
        rejected = _quarantine(run, found, error)
        return replace(report, quarantined=(*report.quarantined, rejected))
    return replace(report, landed=report.landed + 1, rows=report.rows + landed.row_count)


def _with_states(run: Run, place: sources.Place, report: IngestReport) -> IngestReport:
    landed, warnings = land_states(run, place)
    report = replace(report, warnings=(*report.warnings, *warnings))
    if landed is None:
        return report
    return replace(report, landed=report.landed + 1, rows=report.rows + landed.row_count)


def _finish(run: Run, delivery: Delivery, report: IngestReport) -> IngestReport:
    try:
        landed = raw.finish(run.lake, delivery)
    except NotFound:
        rejected = raw.rejection(run.lake, delivery)
        if rejected is None:
            raise
    except Damaged as error:
        rejected = _quarantine(run, delivery, error)
    else:
        return replace(report, landed=report.landed + 1, rows=report.rows + landed.row_count)
    return replace(report, quarantined=(*report.quarantined, rejected))


def _without_replaced(report: IngestReport, found: Iterable[Delivery]) -> IngestReport:
    damaged = {(one.table, one.delivery_id) for one in report.quarantined}
    whole = [delivery for delivery in found if (delivery.table, delivery.delivery_id) not in damaged]
    kept = tuple(one for one in report.quarantined if not is_replaced(one, whole))
    return replace(report, quarantined=kept, replaced=len(report.quarantined) - len(kept))


def _quarantine(run: Run, delivery: Delivery, error: Damaged) -> Rejected:
    rejected = Rejected(
        source=delivery.source,
        kind=delivery.kind,
        table=delivery.table,
        delivery_id=delivery.delivery_id,
        scope=delivery.scope,
        delivered_at=delivery.delivered_at,
        checksum=delivery.checksum,
        reason=error.what,
        where=error.where,
        fix=error.fix,
    )
    raw.quarantine(run.lake, rejected)
    return rejected


def in_quarantine(run: Run) -> list[Rejected]:
    """Return what of the sources that are still configured is in quarantine, in key order."""
    return [one for one in raw.quarantined(run.lake) if one.source in source_names(run)]


def _chunks(deliveries: list[Delivery]) -> list[Chunk]:
    size = max(1, -(-sum(len(delivery.parts) for delivery in deliveries) // MOST_CHUNKS))
    return [
        Chunk(each.source, each.table, each.delivery_id, start, min(len(each.parts), start + size))
        for each in deliveries
        for start in range(0, len(each.parts), size)
    ]
