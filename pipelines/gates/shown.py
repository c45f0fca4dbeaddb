"""Results of checks for people: lines for a terminal, and one page that needs nothing but itself."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from pipelines.domain.snapshots import CheckResult
from pipelines.domain.text import visible


def result_lines(results: Iterable[CheckResult]) -> Iterator[str]:
    """Yield a line per result and, below one that failed, why it matters and the rows that are wrong."""
    for result in results:
        mark = "ok" if result.passed else result.level
        scope = f" ({visible(result.scope)})" if result.scope else ""
        observed = visible(result.observed)
        yield f"{mark:5} {result.check_id}{scope}: {observed} (expected {result.expected})"
        if not result.passed:
            yield from (f"      {line}" for line in _details(result))


def render_page(results: Sequence[CheckResult], as_of: date) -> str:
    """Return the results as one HTML page: what failed comes first. It loads nothing and runs no script."""
    ordered = sorted(results, key=_weight)
    return _template().render(as_of=as_of.isoformat(), summary=_summary(results), results=ordered) + "\n"


def _details(result: CheckResult) -> Iterator[str]:
    yield f"why: {result.reason}"
    left_out = _leaves_out(result)
    if left_out:
        yield visible(left_out)
    for row in result.offenders:
        yield "- " + ", ".join(f"{name}: {visible(value)}" for name, value in row.items() if value)


def _leaves_out(result: CheckResult) -> str:
    if result.passed or not result.excludes:
        return ""
    return f"{result.scope or 'Every bucket'} is left out of the clean-up."


def _summary(results: Sequence[CheckResult]) -> str:
    failed = [result for result in results if not result.passed]
    blocking = sum(result.level == "block" for result in failed)
    skipped = sum(result.observed.startswith("skipped") for result in results)
    passed = len(results) - len(failed) - skipped
    verdict = "It is not published." if blocking else "It may be published."
    return (
        f"{blocking} failed and block, {len(failed) - blocking} failed and warn, {passed} passed, "
        f"{skipped} were skipped. {verdict}"
    )


def _weight(result: CheckResult) -> tuple[bool, bool, bool]:
    return result.passed, result.level != "block", result.observed.startswith("skipped")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["visible"] = visible
    environment.filters["leaves_out"] = _leaves_out
    return environment.from_string(files("pipelines.gates").joinpath("checks.html").read_text("utf-8"))
