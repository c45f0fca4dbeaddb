"""The peer: finding, ranking and pricing checkpoints in pandas, written without thinking of speed."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import duckdb
import pandas as pd

from pipelines.reference import reference_tables
from pipelines.reference.layout_catalogue import FileRule, Layout, read_frameworks
from tests.bench.compared import same_checkpoints

COLUMNS = ("key", "is_latest", "is_delete_marker", "size", "last_modified_date", "storage_class")
ONE = "hf_trainer"
_PLACE = re.compile(r"(\{[a-z]+\}|\*)")


def pandas_checkpoints(work: Path) -> object:
    """Look for every layout of the catalogue that saves into a folder, one pattern after the other."""
    return _answer(work, lambda layout: layout.grain == "directory")


def pandas_one_layout(work: Path) -> object:
    """Look for the only layout that the made-up bucket has: pandas is told what there is to find."""
    return _answer(work, lambda layout: layout.layout == ONE)


CASES = {case.__name__: case for case in (pandas_checkpoints, pandas_one_layout)}


def _answer(work: Path, is_asked: Callable[[Layout], bool]) -> object:
    frameworks = {each.layout: form.framework for form in read_frameworks() for each in form.layouts}
    layouts = [each for form in read_frameworks() for each in form.layouts if is_asked(each)]
    objects = _objects(work)
    folders = _outermost(_folders(objects, layouts))
    members = _members(objects, folders, layouts)
    saves = _measured(members).merge(folders, left_on="place", right_on="directory")
    saves["framework"] = saves["layout"].map(frameworks)
    saves["is_complete"] = ~saves["place"].isin(_broken(members, layouts))
    saves["run"] = _above(saves["place"])
    complete = saves[saves["is_complete"]]
    newest = complete.groupby(["run", "framework"])["step"].transform("max")
    saves["is_latest"] = saves["place"].isin(complete.loc[complete["step"] == newest, "place"])
    saves = saves.merge(_costs(members), on="place")
    connection = duckdb.connect()
    connection.register("saves", saves)
    return same_checkpoints(connection, "saves")


def _objects(work: Path) -> pd.DataFrame:
    parts = sorted((work / "parquet").rglob("part-*"))
    listed = pd.concat([pd.read_parquet(part, columns=list(COLUMNS)) for part in parts], ignore_index=True)
    listed = listed[listed["is_latest"] & ~listed["is_delete_marker"]]
    listed = listed.astype({"size": "int64"})
    modified = listed["last_modified_date"].dt.tz_localize(None)
    return listed.assign(directory=_above(listed["key"]), leaf=_last(listed["key"]), modified=modified)


def _folders(objects: pd.DataFrame, layouts: Sequence[Layout]) -> pd.DataFrame:
    """Return the folders with an anchor and a checkpoint's name: of several layouts the most specific."""
    found = pd.concat([each for layout in layouts for each in _anchored(objects, layout)]).drop_duplicates()
    named = pd.concat([_named(found[found["layout"] == layout.layout], layout) for layout in layouts])
    ranked = named.sort_values(["is_any_name", "specific", "layout"], ascending=[True, False, True])
    return ranked.drop_duplicates("directory")


def _anchored(objects: pd.DataFrame, layout: Layout) -> Iterator[pd.DataFrame]:
    for rule in layout.files:
        if rule.anchor_up:
            directories = objects.loc[_fits(objects, rule), "directory"].drop_duplicates()
            for levels in rule.anchor_up:
                folders = directories
                for _ in range(levels):
                    folders = _above(folders)
                yield pd.DataFrame({"directory": folders[folders != ""], "layout": layout.layout})


def _fits(objects: pd.DataFrame, rule: FileRule) -> pd.Series:
    fits = objects["leaf"].str.fullmatch(_regex(rule.file))
    if rule.folder is not None:
        fits &= _last(objects["directory"]).str.fullmatch(_regex(rule.folder))
    return fits


def _named(found: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    names = _last(found["directory"])
    around = _last(_above(found["directory"]))
    rest = pd.Series(data=True, index=found.index)
    kept = [found.iloc[:0].assign(specific=0, is_any_name=False, step=pd.Series(dtype="Int64"))]
    for rule in layout.names:
        fits = rest & names.str.fullmatch(_regex(rule.name))
        if rule.in_folder is not None:
            fits &= around.str.fullmatch(_regex(rule.in_folder))
        rest &= ~fits
        mine = found[fits].assign(specific=layout.specific, is_any_name=rule.name == "*", step=pd.NA)
        if "{step}" in rule.name:
            mine["step"] = names[fits].str.extract(_regex(rule.name, "step"), expand=False)
        kept.append(mine.astype({"step": "Int64"}))
    return pd.concat(kept)


def _outermost(folders: pd.DataFrame) -> pd.DataFrame:
    inside = pd.Series(data=False, index=folders.index)
    above = folders["directory"]
    while (above != "").any():
        above = _above(above)
        inside |= above.isin(folders["directory"])
    return folders[~inside]


def _members(objects: pd.DataFrame, folders: pd.DataFrame, layouts: Sequence[Layout]) -> pd.DataFrame:
    """Return the objects of checkpoints with the first rule of the layout that each name keeps to."""
    above = objects["directory"]
    place = above.where(above.isin(folders["directory"]))
    while (above != "").any():
        above = _above(above)
        place = place.fillna(above.where(above.isin(folders["directory"])))
    chosen = folders[["directory", "layout"]].rename(columns={"directory": "place"})
    members = objects.assign(place=place, rule=None, role="aux", shard=None, shards=None)
    members = members.merge(chosen, on="place")
    for layout in layouts:
        _tell_roles(members, layout)
    return members


def _tell_roles(members: pd.DataFrame, layout: Layout) -> None:
    mine = members["layout"] == layout.layout
    if not mine.any():
        return
    for other in layout.other_files:
        members.loc[mine & members["leaf"].str.endswith(other.ends_with), "role"] = other.role
    for rule in layout.files:
        fits = mine & members["rule"].isna() & _fits(members, rule)
        members.loc[fits, ["rule", "role"]] = [rule.rule, rule.role]
        for number in ("shard", "shards"):
            if "{" + number + "}" in rule.file:
                cut = members.loc[fits, "leaf"].str.extract(_regex(rule.file, number), expand=False)
                members.loc[fits, number] = cut.astype(int)


def _measured(members: pd.DataFrame) -> pd.DataFrame:
    members = members.assign(
        weights=members["size"].where(members["role"].str.contains("weights"), 0),
        optimizer=members["size"].where(members["role"] == "optimizer", 0),
    )
    return members.groupby("place", as_index=False).agg(
        object_count=("size", "size"),
        size_bytes=("size", "sum"),
        weights_bytes=("weights", "sum"),
        optimizer_bytes=("optimizer", "sum"),
        first_modified_at=("modified", "min"),
        last_modified_at=("modified", "max"),
    )


def _broken(members: pd.DataFrame, layouts: Sequence[Layout]) -> set[str]:
    """Return the checkpoints that lack a shard, or a kind of file that their layout asks for."""
    numbered = members.dropna(subset="shards")
    there = numbered.groupby(["place", "rule", "shards"])["shard"].nunique().reset_index()
    broken = set(there.loc[there["shard"] < there["shards"], "place"])
    empty = (members["size"] == 0) & members["role"].str.contains("weights")
    broken |= set(members.loc[empty, "place"])
    for layout in layouts:
        held = members[(members["layout"] == layout.layout) & members["rule"].notna()]
        rules = pd.crosstab(held["place"], held["rule"]) > 0
        for needed in layout.requires:
            has = partial(_has, rules)
            called = has(needed.when) if needed.when else pd.Series(data=True, index=rules.index)
            broken |= set(rules.index[called & ~has(needed.any_of)])
    return broken


def _has(rules: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    return rules.reindex(columns=list(names), fill_value=False).any(axis="columns")


def _costs(members: pd.DataFrame) -> pd.DataFrame:
    sizes = members.groupby(["place", "storage_class"], as_index=False)["size"].sum()
    sizes["cost_usd_month"] = (sizes["size"] / 2**30 * sizes["storage_class"].map(_rates())).round(6)
    return sizes.groupby("place", as_index=False)["cost_usd_month"].sum()


def _rates() -> dict[str, float]:
    prices = next(table for table in reference_tables() if table.name == "prices")
    rows = (dict(zip(prices.column_names, row, strict=True)) for row in prices.rows)
    return {
        str(row["storage_class"]): float(str(row["usd"]))
        for row in rows
        if (row["provider"], row["region_id"], row["meter"]) == ("aws", "us-east-1", "storage")
        and float(str(row["from_gb"])) == 0
    }


def _above(paths: pd.Series) -> pd.Series:
    return paths.str.rpartition("/", expand=False).str[0].astype("str")


def _last(paths: pd.Series) -> pd.Series:
    return paths.str.rpartition("/", expand=False).str[2].astype("str")


def _regex(pattern: str, caught: str = "") -> str:
    """Return the regular expression of a pattern; the number of that name is its only group."""
    pieces = _PLACE.split(pattern)
    return "".join(
        ".*" if piece == "*" else re.escape(piece) if position % 2 == 0 else _number(piece, caught)
        for position, piece in enumerate(pieces)
    )


def _number(place: str, caught: str) -> str:
    return "([0-9]+)" if place == "{" + caught + "}" else "[0-9]+"


if __name__ == "__main__":
    sys.stdout.write(f"{CASES[sys.argv[1]](Path(sys.argv[2]))}\n")
