"""What speaks of a checkpoint, witness by witness: the order of steps and times, small files, registries."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from pipelines.report.explained import CheckpointFacts, Evidence
from pipelines.report.figures import counted
from pipelines.report.tables import has_mart
from pipelines.report.why_queries import ORDER, WITNESSES

NOTHING_READ = Evidence(
    "small files", "none of its folder was read, or none is there: best and latest by names"
)
TOO_OLD = Evidence(
    "small files", "this snapshot is older than marts.checkpoint_witnesses: what they say is not in it"
)
_CLAIMS = {"registered": "registry", "in_use": "run", "pinned": "pin"}
_CLAIMED = {"registered": "registered as", "in_use": "used by", "pinned": "kept by"}
_UNHEARD = "; a newer one counts instead"


@dataclass(frozen=True, slots=True)
class Order:
    """The place among the complete checkpoints of a folder, 1 for the newest; None for any other."""

    complete_count: int
    by_step: int | None
    by_time: int | None
    has_place: bool


@dataclass(frozen=True, slots=True)
class Witness:
    """A row of `marts.checkpoint_witnesses`."""

    witness_kind: str
    witness: str
    says: str
    checkpoint_id: str
    outcome: str
    remark: str
    is_heard: bool


def evidence(connection: duckdb.DuckDBPyConnection, checkpoint: CheckpointFacts) -> tuple[Evidence, ...]:
    """Return what each witness says of a checkpoint, in words."""
    return (*_orders(connection, checkpoint), *_told(connection, checkpoint))


def _orders(connection: duckdb.DuckDBPyConnection, checkpoint: CheckpointFacts) -> Iterator[Evidence]:
    values = [checkpoint.checkpoint_id, checkpoint.bucket, checkpoint.framework, _folder(checkpoint)]
    found = connection.execute(ORDER, values).fetchall()
    order = Order(*found[0]) if found else Order(0, None, None, has_place=False)
    if order.by_time is None:
        among = f"{counted(order.complete_count, 'complete checkpoint')} of its folder"
        yield Evidence(
            "step order", f"{checkpoint.state.replace('_', ' ')}, {checkpoint.kind}: not among {among}"
        )
        return
    yield Evidence("step order", _place(order, order.by_step if order.has_place else None, "step"))
    yield Evidence("time order", _place(order, order.by_time, "time"))


def _place(order: Order, place: int | None, what: str) -> str:
    if place is None:
        return "its name has no step, so its place is not known"
    if order.complete_count == 1:
        return "the only complete checkpoint of its folder"
    highest = "the newest" if what == "time" else "the highest step"
    if place == 1:
        return f"{highest} of {order.complete_count:,} complete checkpoints in its folder"
    return f"number {place:,} from {highest}, of {order.complete_count:,} complete checkpoints in its folder"


def _told(connection: duckdb.DuckDBPyConnection, checkpoint: CheckpointFacts) -> Iterator[Evidence]:
    if not has_mart(connection, "checkpoint_witnesses"):
        yield TOO_OLD
        return
    values = [checkpoint.checkpoint_id, checkpoint.bucket, checkpoint.framework, _folder(checkpoint)]
    found = [Witness(*row) for row in connection.execute(WITNESSES, values).fetchall()]
    told = list(dict.fromkeys(_spoken(witness, checkpoint) for witness in found))
    yield from told
    if not any(witness.witness for witness in found):
        yield NOTHING_READ


def _spoken(witness: Witness, checkpoint: CheckpointFacts) -> Evidence:
    if witness.outcome == "claims":
        return Evidence(_CLAIMS[witness.witness_kind], f"{_CLAIMED[witness.witness_kind]} {witness.says}")
    if witness.witness_kind == "metric":
        return Evidence(f"metric in {witness.witness}", _of_metric(witness))
    # What lies in a checkpoint is a state file, what lies beside them a pointer.
    within = witness.witness.removeprefix(_folder(checkpoint).partition(f"://{checkpoint.bucket}/")[2])
    kind = "state file" if "/" in within else "pointer file"
    return Evidence(f"{kind} {within}", _of_file(witness, checkpoint))


def _of_metric(witness: Witness) -> str:
    verdict = {
        "best": "no other checkpoint of its folder is better",
        "may_be_best": "at one end, so that it may be the best",
        "not_best": "another one is better",
    }[witness.outcome]
    missing = "" if witness.is_heard else "; not every complete checkpoint has it, so the best stays open"
    return f"{witness.says}: {witness.remark}, and {verdict}{missing}"


def _of_file(witness: Witness, checkpoint: CheckpointFacts) -> str:
    what, newer = f"as the {witness.witness_kind}", "" if witness.is_heard else _UNHEARD
    match witness.outcome:
        case "unread":
            return f"not read, so that nothing of what it says is known: {witness.remark}"
        case "says_nothing":
            return f"names none {what}{newer}"
        case "names_nothing":
            return f"names {witness.says} {what}, which is not here{newer}"
        case _ if witness.checkpoint_id == checkpoint.checkpoint_id:
            return f"names this one {what}{newer}"
        case _:
            return f"names {witness.checkpoint_id.rpartition('/')[2]} {what}{newer}"


def _folder(checkpoint: CheckpointFacts) -> str:
    return checkpoint.checkpoint_uri.rpartition("/")[0] + "/"
