"""Great Expectations as the judge: one expectation per number, over one row that holds all numbers.

DuckDB has computed the row, so that judging costs the same for ten rows and for ten billion.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.gates.check import Bounds, Check
from pipelines.gates.metrics import Measured


@dataclass(frozen=True, slots=True)
class Judged:
    """A number, and the bounds it is held to."""

    check: Check
    measured: Measured
    bounds: Bounds


def judge(numbers: Sequence[Judged], data_docs: Path | None = None) -> list[bool]:
    """Return for each number whether it lies within its bounds; a missing number does not.

    With `data_docs`, write Great Expectations' own pages into that directory as well.
    """
    if not numbers:
        return []
    # The import takes six to ten seconds; only a check pays for it. Its telemetry is decided while importing.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        # Of the libraries that come along, one misses an optional package and others are ahead of their time.
        warnings.simplefilter("ignore", ImportWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx  # noqa: PLC0415
        import pandas as pd  # noqa: PLC0415  (Great Expectations brings it)

        columns = {_column(index, one): [_plain(one.measured)] for index, one in enumerate(numbers)}
        return _validate(gx, pd.DataFrame(columns), numbers, data_docs)


def _validate(gx: Any, row: Any, numbers: Sequence[Judged], data_docs: Path | None) -> list[bool]:  # noqa: ANN401  (neither ships types)
    context = _context(gx, data_docs)
    context.variables.progress_bars = {"globally": False}
    suite = gx.ExpectationSuite(
        name="gates", expectations=[_expectation(gx, index, one) for index, one in enumerate(numbers)]
    )
    asset = context.data_sources.add_pandas("warehouse").add_dataframe_asset("metrics")
    batch_definition = asset.add_batch_definition_whole_dataframe("row")
    if data_docs is None:
        outcome = batch_definition.get_batch({"dataframe": row}).validate(suite)
    else:
        definition = gx.ValidationDefinition(
            name="gates", data=batch_definition, suite=context.suites.add(suite)
        )
        outcome = context.validation_definitions.add(definition).run(batch_parameters={"dataframe": row})
        context.build_data_docs()
    passed = {result.expectation_config.meta["index"]: bool(result.success) for result in outcome.results}
    return [passed.get(index, False) for index in range(len(numbers))]


def _context(gx: Any, data_docs: Path | None) -> Any:  # noqa: ANN401  (see above)
    if data_docs is None:
        return gx.get_context(mode="ephemeral")
    data_docs.mkdir(parents=True, exist_ok=True)
    return gx.get_context(mode="file", project_root_dir=data_docs)


def _expectation(gx: Any, index: int, one: Judged) -> Any:  # noqa: ANN401  (see above)
    # The maximum of one number is the number. Unlike the expectations about each value, it fails on null.
    return gx.expectations.ExpectColumnMaxToBeBetween(
        column=_column(index, one),
        min_value=None if one.bounds.at_least is None else float(one.bounds.at_least),
        max_value=None if one.bounds.at_most is None else float(one.bounds.at_most),
        meta={"index": index},
        notes=one.check.reason,
    )


def _column(index: int, one: Judged) -> str:
    # The same check at two scopes, and at two bounds, are different numbers.
    return f"{index + 1} {one.check.check_id} {one.measured.scope}".rstrip()


def _plain(measured: Measured) -> float | None:
    return None if measured.number is None else float(measured.number)
