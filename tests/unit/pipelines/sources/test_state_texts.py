"""State files as anybody may have written them: what they say, or why they say nothing."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reference.layout_catalogue import StateFile
from pipelines.sources.state_texts import (
    LONGEST_VALUE,
    MOST_METRICS,
    MOST_SAVES,
    Told,
    Unreadable,
    parse_state,
)

TAG = StateFile(name="latest", tells="latest", format="text")
BEST = StateFile(
    name="trainer_state.json",
    place="checkpoint",
    tells="best",
    format="json",
    best="best_model_checkpoint",
    value="path",
)
BOTH = StateFile(name="s.json", tells="both", format="json", latest="last[0].name", best="best.name")
PROTO = StateFile(
    name="checkpoint", tells="latest", format="textproto", latest="model_checkpoint_path", value="path"
)
METRICS = StateFile(name="metrics", place="checkpoint", tells="metric", format="json", value="number")
REPORTS = StateFile(
    name="result.json",
    tells="metric",
    format="jsonlines",
    about="checkpoint_dir_name",
    value="number",
    leaves_out=("config", "pid"),
)
SNAPSHOT = StateFile(
    name="snapshot.json",
    tells="metric",
    format="json",
    each="results",
    about="dir",
    best="metrics",
    value="number",
)
EVERY = (TAG, BEST, BOTH, PROTO, METRICS, REPORTS, SNAPSHOT)


def best(text: str | bytes) -> str | None:
    return parse_state(text if isinstance(text, bytes) else text.encode(), BEST).best


def test_a_pointer_is_its_text() -> None:
    assert parse_state(b"global_step3000\n", TAG) == Told(latest="global_step3000")
    assert parse_state(b"\xef\xbb\xbf 3000 \r\n", TAG).latest == "3000", "an editor put a mark in front"


def test_the_trainer_names_its_best() -> None:
    state = '{"best": NaN, "best_model_checkpoint": "/job/out/checkpoint-500", "history": [{"loss": NaN}]}'
    assert best(state) == "/job/out/checkpoint-500"
    assert best('{"best_model_checkpoint": null}') is None
    assert best('{"global_step": 5}') is None
    assert best('{"best_model_checkpoint": NaN}') is None
    assert best('{"best_model_checkpoint": ""}') is None


def test_fields_are_found_below_others_and_in_lists() -> None:
    text = b'{"last": [{"name": "checkpoint_2"}], "best": {"name": "checkpoint_1"}}'
    assert parse_state(text, BOTH) == Told(latest="checkpoint_2", best="checkpoint_1")
    assert parse_state(b'{"last": [], "best": []}', BOTH) == Told()
    assert parse_state(b'{"last": {"name": 1}, "best": 7}', BOTH) == Told()
    dotted = StateFile(name="s.json", tells="best", format="json", best="a.b")
    assert parse_state(b'{"a.b": "x", "a": {"b": "y"}}', dotted).best == "x"


def test_numbers_are_names_as_they_are_written() -> None:
    assert best('{"best_model_checkpoint": 500}') == "500"
    assert best('{"best_model_checkpoint": 500.0}') == "500"
    assert best('{"best_model_checkpoint": -3}') == "-3"
    assert best(f'{{"best_model_checkpoint": {2**63}}}') == str(2**63)


def test_tensorflow_names_a_path_in_its_own_form() -> None:
    text = (
        b'model_checkpoint_path: "old"\n'
        b'model_checkpoint_path: "/tmp/\\303\\251 \\"x\\"/ckpt-5"\n'
        b'all_model_checkpoint_paths: "ckpt-3"\n'
    )
    assert parse_state(text, PROTO).latest == '/tmp/é "x"/ckpt-5'
    assert parse_state(b'all_model_checkpoint_paths: "ckpt-3"\n', PROTO).latest is None


def test_every_number_of_a_metrics_file_is_a_metric() -> None:
    text = (
        b'{"val_loss": 0.7, "epoch": 1, "ok": true, "note": "x", "f1": "0.5", "bad": NaN, "deep": {"x": 1}}'
    )
    assert parse_state(text, METRICS).metrics == (
        ("val_loss", 0.7),
        ("epoch", 1.0),
        ("f1", 0.5),
        ("deep/x", 1.0),
    )
    one = StateFile(
        name="m", place="checkpoint", tells="metric", format="json", best="deep.x", value="number"
    )
    assert parse_state(text, one).metrics == (("deep.x", 1.0),)
    assert parse_state(b'{"id": "12345_00000", "tag": "1e3"}', METRICS).metrics == (("tag", 1000.0),)


def test_of_more_metrics_than_can_be_compared_none_is_believed() -> None:
    many = {str(number): number for number in range(MOST_METRICS)}
    assert len(parse_state(json.dumps(many).encode(), METRICS).metrics) == MOST_METRICS
    with pytest.raises(Unreadable, match="which of them counts is not known"):
        parse_state(json.dumps({**many, "one more": 1}).encode(), METRICS)
    with pytest.raises(Unreadable, match="nested too deeply"):
        parse_state(b'{"a": ' * 9 + b"1" + b"}" * 9, METRICS)


def test_a_line_per_report_tells_the_metrics_of_each_checkpoint() -> None:
    lines = [
        {"loss": 2.0, "checkpoint_dir_name": "checkpoint_000000", "config": {"lr": 1}, "pid": 77},
        {"loss": 1.9, "checkpoint_dir_name": None},
        {"loss": 1.5, "eval": {"acc": 0.5}, "checkpoint_dir_name": "checkpoint_000001"},
        {"loss": 1.8, "checkpoint_dir_name": "checkpoint_000000"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    told = {
        "checkpoint_000000": (("loss", 1.8),),
        "checkpoint_000001": (("loss", 1.5), ("eval/acc", 0.5)),
    }
    assert parse_state(text.encode(), REPORTS) == Told(saves=told)
    assert parse_state((text + '{"loss": 1.').encode(), REPORTS).saves == told, "somebody still wrote it"
    assert parse_state(b'{"loss": 1.0}\n', REPORTS) == Told()
    with pytest.raises(Unreadable, match="line 1"):
        parse_state(b'{"loss": 1.\n' + text.encode(), REPORTS)


def test_a_list_of_results_tells_the_metrics_of_each_checkpoint() -> None:
    text = b'{"results": [{"dir": "checkpoint_a", "metrics": {"loss": 1}}, {"dir": "checkpoint_b"}]}'
    told = {"checkpoint_a": (("loss", 1.0),), "checkpoint_b": ()}
    assert parse_state(text, SNAPSHOT) == Told(saves=told)
    with pytest.raises(Unreadable, match="no list"):
        parse_state(b'{"results": {}}', SNAPSHOT)


def test_of_many_checkpoints_the_last_ones_are_told() -> None:
    lines = [{"checkpoint_dir_name": f"c{number}", "loss": number} for number in range(MOST_SAVES + 3)]
    saves = parse_state("\n".join(map(json.dumps, lines)).encode(), REPORTS).saves
    assert (len(saves), next(iter(saves))) == (MOST_SAVES, "c3")


@pytest.mark.parametrize("name", ["../other", "a/b", "..", "."])
def test_a_report_names_a_folder_beside_it_and_no_path(name: str) -> None:
    with pytest.raises(Unreadable, match="holds a path"):
        parse_state(json.dumps({"checkpoint_dir_name": name, "loss": 1}).encode(), REPORTS)


@pytest.mark.parametrize(
    "data, file, why",
    [
        (b"\xff\xfe\x00", TAG, "UTF-8"),
        (b" \n", TAG, "empty"),
        (b"two\nlines", TAG, "control characters"),
        (b"nul\x00", TAG, "control characters"),
        (b"x" * (LONGEST_VALUE + 1), TAG, "characters"),
        (b"", BEST, "not JSON"),
        (b'{"best_model_checkpoint": "cut', BEST, "not JSON"),
        (b'"text"', BEST, "neither"),
        (b"[" * 1_000_000, BEST, "nested too deeply"),
        (b'{"a":' * 1_000_000, BEST, "nested too deeply"),
        (b'{"best_model_checkpoint": ' + b"9" * 5_000 + b"}", BEST, "not JSON"),
        (b'{"best_model_checkpoint": ["a"]}', BEST, "where a name should"),
        (b'{"best_model_checkpoint": true}', BEST, "where a name should"),
        (b'{"best_model_checkpoint": "\\ud800"}', BEST, "control characters"),
        (b'{"best_model_checkpoint": "a\\u0000b"}', BEST, "control characters"),
        (b"\x80\x04\x95pickle", PROTO, "UTF-8"),
        (b"no fields here", PROTO, "fields and values"),
        (b'model_checkpoint_path: "\\377"', PROTO, "UTF-8"),
    ],
)
def test_what_can_be_no_state_says_why(data: bytes, file: StateFile, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        parse_state(data, file)


def test_a_name_is_a_text_and_never_followed() -> None:
    for name in (
        "../../other/checkpoint-1",
        "s3://other/checkpoint-1",
        "/etc/passwd",
        "$(reboot)",
        "%s'; --",
    ):
        assert parse_state(name.encode(), TAG).latest == name


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["best", "name", "last"]), inner)
    ),
    max_leaves=20,
)


@given(
    data=st.binary(max_size=400)
    | _json.map(lambda value: json.dumps(value).encode())
    | st.text().map(str.encode)
)
def test_no_content_does_more_than_say_a_text_or_be_refused(data: bytes) -> None:
    for file in EVERY:
        try:
            told = parse_state(data, file)
        except Unreadable:
            continue
        for value in (told.latest, told.best):
            assert value is None or (0 < len(value) <= LONGEST_VALUE and value.encode().decode() == value)
        for metrics in (told.metrics, *told.saves.values()):
            assert all(math.isfinite(value) and name.encode().decode() == name for name, value in metrics)
        assert not any("/" in folder for folder in told.saves)
