"""Great Expectations as the judge: one expectation per number, over one row that holds all numbers.

DuckDB has computed the row, so that judging costs the same for ten rows and for ten billion.
"""

import os
import warnings
from collections.abc import Sequence
from typing import Any

from pipelines.gates.metrics import Measured
from pipelines.gates.suites import Bounds


def judge(numbers: Sequence[tuple[Measured, Bounds]]) -> list[bool]:
    """Return for each number whether it lies within its bounds; a missing number does not."""
    if not numbers:
        return []
    # The import takes six to ten seconds; only a check pays for it. Its telemetry is decided while importing.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        # Of the libraries that come along, one misses an optional package and others are ahead of their time.
        warnings.simplefilter("ignore", ImportWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx  # noqa: PLC0415
        import pandas as pd  # type: ignore[import-untyped]  # noqa: PLC0415  (Great Expectations brings it)

        row = pd.DataFrame({_column(index): [_plain(one)] for index, (one, _) in enumerate(numbers)})
        return _validate(gx, row, [bounds for _, bounds in numbers])


def _validate(gx: Any, row: Any, bounds: Sequence[Bounds]) -> list[bool]:  # noqa: ANN401  (neither ships types)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = gx.ExpectationSuite(
        name="gates", expectations=[_expectation(gx, index, one) for index, one in enumerate(bounds)]
    )
    asset = context.data_sources.add_pandas("warehouse").add_dataframe_asset("metrics")
    batch = asset.add_batch_definition_whole_dataframe("row").get_batch({"dataframe": row})
    results = batch.validate(suite).results
    passed = {result.expectation_config.meta["index"]: bool(result.success) for result in results}
    return [passed.get(index, False) for index in range(len(bounds))]


def _expectation(gx: Any, index: int, bounds: Bounds) -> Any:  # noqa: ANN401  (see above)
    # The maximum of one number is the number. Unlike the expectations about each value, it fails on null.
    return gx.expectations.ExpectColumnMaxToBeBetween(
        column=_column(index),
        min_value=None if bounds.at_least is None else float(bounds.at_least),
        max_value=None if bounds.at_most is None else float(bounds.at_most),
        meta={"index": index},
    )


def _column(index: int) -> str:
    return f"metric_{index}"


def _plain(measured: Measured) -> float | None:
    return None if measured.number is None else float(measured.number)
