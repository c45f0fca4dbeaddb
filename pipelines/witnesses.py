"""Asking the small files of checkpoints, once the list of their bucket is in the lake."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from pipelines import raw, sources
from pipelines.domain.deliveries import LISTINGS, Landed, in_force
from pipelines.errors import MoraineError
from pipelines.run import Run
from pipelines.stores import LocalStore


def land_states(run: Run, place: sources.Place) -> tuple[Landed | None, tuple[str, ...]]:
    """Land what the state files say of the checkpoints in the list that is in force; return it, if new.

    What keeps them from being read is a warning: names and times still tell something.

    Raises:
        Transient, Terminal: the lake does not take what was read.
    """
    if not sources.reads_states(place.source):
        return None, ()
    try:
        found = _find(run, place)
    except MoraineError as error:
        return None, (f"small files of checkpoints were not read: {error.what}. {error.fix}",)
    for delivery in found.deliveries:
        if not raw.is_landed(run.lake, delivery):
            convert = partial(sources.convert, place, delivery)
            return raw.land(run.lake, delivery, convert, place.scratch), found.warnings
    return None, found.warnings


def _find(run: Run, place: sources.Place) -> sources.Found:
    listing = _newest(run, place, LISTINGS)
    if listing is None:
        return sources.Found()
    last = _newest(run, place, (sources.STATES,), is_any_day=True)
    files = _files(run, listing, place.scratch)
    earlier = _files(run, last, place.scratch) if last else ()
    return sources.find_states(place, listing, files, earlier, run.now)


def _newest(
    run: Run, place: sources.Place, tables: Iterable[str], *, is_any_day: bool = False
) -> Landed | None:
    """Return the delivery in force of these tables, or with `is_any_day` the last there is."""
    source = place.source
    landed = [entry for table in tables for entry in raw.ledger(run.lake, f"{table}/source={source.name}/")]
    counted = landed if is_any_day else in_force(landed, run.as_of)
    return max(counted, key=lambda entry: (entry.delivered_at, entry.delivery_id), default=None)


def _files(run: Run, entry: Landed, scratch: Path) -> Iterator[Path]:
    """Yield the files of a delivery on this machine, one at a time: a list may be larger than its disk."""
    is_here = isinstance(run.lake, LocalStore)
    for key in entry.files:
        path = run.lake.fetch(key, scratch)
        yield path
        if not is_here:
            path.unlink()
