"""Cutting a bucket's keys into ranges of similar size, without knowing them. Pure: the store is a function.

No store says how many keys lie between two keys. A few keys after some key do say how far so many of them
reach, so the ranges that seem to hold most are cut again and again, in what their page has not seen. A cut is
right wherever it falls, for ranges meet exactly; a poor estimate costs balance only.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import nlargest
from itertools import pairwise

from pipelines.sources.listing.protocol import PAGE_ROWS, Probe

RANGES = 64
"""What a listing that was broken off has to do again is one of so many parts, or the few under way."""
WORTH_A_PART = 50_000
"""Every part is read and written on its own; fewer rows are not worth it, and are listed soon enough."""

_ROUNDS = 16
# Looking must not take much longer than listing would.
_FEW_PROBES = 96
_PAGES_A_PROBE = 8
_MANY_PROBES = 256
_PIECES = 3
"""Pieces for each range: small neighbours become one range in the end."""
_DOUBTFUL_CUTS = 6
"""A range that seems small is looked into so often: there may be a full prefix in what nobody has seen."""
_LATE_LEVELS = 6
_COUNTLESS = Fraction(10**15)
_NOWHERE = -1

# Keys rarely hold other marks; where letters or digits begin or end is where keys begin or end.
_CLASSES = ((0x30, 0x3A), (0x41, 0x5B), (0x61, 0x7B))
_NUMBER = re.compile("[0-9A-Za-z]*[0-9][0-9A-Za-z]*")
_BORDERS = (0x30, 0x3A, 0x41, 0x5B, 0x61, 0x7B, 0x80)
_OTHER_ASCII = (0x00, 0x80)
_SURROGATES = range(0xD800, 0xE000)
_END = 0x110000
_LOWEST = 0x20
"""Not all servers take what is lower in a request; keys that differ only in such marks stay together."""

ProbeAll = Callable[[Sequence[str]], Sequence[Probe]]
"""Probes after several keys at a time."""


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys after `after`, up to and with `until`; None is the end of the bucket."""

    after: str
    until: str | None


@dataclass(frozen=True, slots=True)
class _Range:
    after: str
    until: str | None
    probe: Probe
    edge: str | None
    """No key that was there when we looked is above it."""
    siblings_at: int
    """Where its keys differ from those of the range it was cut from."""
    rows: float
    """How many rows it seems to hold."""
    cuts: int
    """How often it was looked into."""


def plan_ranges(
    probe_all: ProbeAll, *, at_once: int, wanted: int = RANGES, worth_a_part: int = WORTH_A_PART
) -> list[KeyRange]:
    """Return ranges that cover every key there is or may come, each once, in order; at least one.

    `at_once` probes are asked for together; small neighbours are one range.
    """
    [probe] = probe_all([""])
    ranges = [_range("", None, probe, None, _NOWHERE, 0)]
    probes = 1
    for _ in range(_ROUNDS):
        chosen = _to_cut(ranges, at_once, worth_a_part)
        if not chosen or len(ranges) >= _PIECES * wanted or probes >= _most_probes(ranges):
            break
        asked = [cut for cuts in chosen.values() for cut in cuts]
        answers = dict(zip(asked, probe_all(asked), strict=True))
        probes += len(asked)
        ranges = [
            piece
            for each in ranges
            for piece in (_pieces(each, chosen[each], answers) if each in chosen else (each,))
        ]
    return _joined(ranges, wanted, worth_a_part)


def cuts_between(last: str, edge: str | None, varies_at: int, most: int = 1) -> list[str]:
    """Return up to `most` keys between two, in order, that may divide what lies there.

    Where keys are alike before `varies_at` it is unknown how far the likeness reaches, so every place of a
    key up to there is a candidate; of all candidates evenly many are taken.
    """
    if edge is not None and last >= edge:
        return []
    level, top = _open_level(last, edge)
    deepest = max(level, min(varies_at, len(last)))
    candidates = [
        last[:place] + chr(mark)
        for place in range(deepest, level - 1, -1)
        for mark in _marks(ord(last[place]) if place < len(last) else -1, top if place == level else _END)
    ]
    if edge is not None and len(edge) > level + 1:
        candidates.append(edge[: level + 1])
    chosen = range(1, min(most, len(candidates)) + 1)
    return [candidates[len(candidates) * number // (len(chosen) + 1)] for number in chosen]


def likeness(one: str, other: str) -> int:
    """Return how many characters two keys begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (mine, its) in enumerate(pairs) if mine != its), min(len(one), len(other)))


def _to_cut(ranges: Sequence[_Range], at_once: int, worth_a_part: int) -> dict[_Range, list[str]]:
    unseen = [
        each
        for each in ranges
        if not _is_whole(each.probe, each.edge) and (each.rows >= worth_a_part or each.cuts < _DOUBTFUL_CUTS)
    ]
    heaviest = nlargest(at_once // 2, unseen, key=lambda each: each.rows)
    # An estimate may be wrong by any factor: who was cut least is looked at too.
    least_cut = nlargest(at_once, unseen, key=lambda each: (-each.cuts, each.rows))
    chosen = list(dict.fromkeys([*heaviest, *least_cut]))[:at_once]
    return {each: cuts for each in chosen if (cuts := _cuts(each, at_once // len(chosen)))}


def _cuts(each: _Range, most: int) -> list[str]:
    probe = each.probe
    # Where there are brothers there may be more of them; behind the last one only its own keys count.
    has_siblings = each.siblings_at >= _open_level(probe.last, each.edge)[0]
    varies_at = each.siblings_at if has_siblings else likeness(probe.late, probe.last)
    return cuts_between(probe.last, each.edge, varies_at, most)


def _most_probes(ranges: Sequence[_Range]) -> float:
    pages = sum(each.rows for each in ranges) / PAGE_ROWS
    return min(_MANY_PROBES, _FEW_PROBES + pages / _PAGES_A_PROBE)


def _pieces(each: _Range, cuts: Sequence[str], answers: dict[str, Probe]) -> Iterator[_Range]:
    """Yield what a range becomes: one more piece for each cut that keys lie behind, before the next cut."""
    after, probe, siblings_at = each.after, each.probe, each.siblings_at
    edge: str | None = None
    for cut, end in zip(cuts, [*cuts[1:], each.until], strict=True):
        beyond = answers[cut]
        if beyond.first is None or (end is not None and beyond.first > end):
            edge = edge or cut
            continue
        yield _range(after, cut, probe, edge or cut, siblings_at, each.cuts + 1)
        siblings_at = likeness(probe.last, beyond.first)
        after, probe, edge = cut, beyond, None
    yield _range(after, each.until, probe, edge or each.edge, siblings_at, each.cuts + 1)


def _range(
    after: str, until: str | None, probe: Probe, edge: str | None, siblings_at: int, cuts: int
) -> _Range:
    return _Range(after, until, probe, edge, siblings_at, _rows(probe, edge), cuts)


def _joined(ranges: Sequence[_Range], wanted: int, worth_a_part: int) -> list[KeyRange]:
    """Return at most `wanted` ranges, of neighbours that hold little together."""
    most = float(worth_a_part)
    while len(joined := list(_neighbours(ranges, most))) > wanted:
        most *= 1.25
    return joined


def _neighbours(ranges: Sequence[_Range], most: float) -> Iterator[KeyRange]:
    after, rows = ranges[0].after, ranges[0].rows
    for each, following in pairwise(ranges):
        if rows + following.rows > most:
            yield KeyRange(after, each.until)
            after, rows = following.after, 0.0
        rows += following.rows
    yield KeyRange(after, ranges[-1].until)


def _is_whole(probe: Probe, edge: str | None) -> bool:
    return probe.is_end or (edge is not None and probe.last >= edge)


def _rows(probe: Probe, edge: str | None) -> float:
    """Return how many rows seem to lie between a probe's first key and an edge."""
    if _is_whole(probe, edge) or probe.first is None:
        return probe.count
    # The end of the page is nearest to what it has not seen.
    alike = 0 if edge is None else likeness(probe.late, edge)
    counted = _counted(probe.last, 0 if edge is None else alike + 1, likeness(probe.late, probe.last))
    places = [*range(alike, 0 if edge is None else alike + 1), *counted]
    late, last = (_picked(key, places) for key in (probe.late, probe.last))
    begin, _ = _position(late, last)
    end, finest = _position(last, last)
    unseen = (Fraction(1) if edge is None else _position(edge[alike : alike + 1], last)[0]) - end
    return probe.count + float(min(probe.late_count * unseen / max(end - begin, finest), _COUNTLESS))


def _counted(key: str, begin: int, varies_at: int) -> Iterator[int]:
    """Yield the places where other keys may differ: numbers and digests, and where keys were seen to differ.

    What stays the same and counts nothing is a name: it is the same in most keys.
    """
    for number in _NUMBER.finditer(key, begin, varies_at):
        yield from range(*number.span())
    yield from range(max(begin, varies_at), min(varies_at + _LATE_LEVELS, len(key)))


def _picked(key: str, places: Sequence[int]) -> str:
    return "".join(key[place] if place < len(key) else "\0" for place in places)


def _position(key: str, shape: str) -> tuple[Fraction, Fraction]:
    """Return where a key lies among the keys that look like `shape`, 0 to 1, and how near two of them can be.

    What looks like a digit has ten neighbours, what looks like a letter 26.
    """
    position, unit = Fraction(0), Fraction(1)
    is_inside = True
    for mark, seen in zip(shape, key.ljust(len(shape), "\0"), strict=True):
        start, stop = _class(ord(mark))
        unit /= stop - start
        position += unit * (min(max(ord(seen), start), stop) - start) * is_inside
        is_inside = is_inside and start <= ord(seen) < stop
    return position, unit


def _class(mark: int) -> tuple[int, int]:
    alike = (each for each in _CLASSES if each[0] <= mark < each[1])
    return next(alike, _OTHER_ASCII if mark < _OTHER_ASCII[1] else (_OTHER_ASCII[1], _END))


def _open_level(last: str, edge: str | None) -> tuple[int, int]:
    """Return where a key between both first differs from `last`, and which character it stays below there."""
    if edge is None:
        return 0, _END
    level = likeness(last, edge)
    top = ord(edge[level])
    if level < len(last) and len(edge) == level + 1 and ord(last[level]) + 1 == top:
        return level + 1, _END
    return level, top


def _marks(lowest: int, top: int) -> list[int]:
    """Return characters between two, exclusive: the next, where letters or digits begin or end, middles."""
    borders = [lowest, *(border for border in _BORDERS if lowest < border < top), top]
    middles = {(low + high) // 2 for low, high in pairwise(borders)}
    found = {lowest + 1, *borders, *middles}
    return sorted(
        mark for mark in found if max(lowest + 1, _LOWEST) <= mark < top and mark not in _SURROGATES
    )
