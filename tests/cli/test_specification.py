"""Where a sweep is read from: files, standard input, YAML."""

from pathlib import Path

import pytest

from sweeper.cli import output, plain_yaml
from sweeper.cli.specification import sweep_body
from tests.cli.processes import only_line, run_sweeper


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[1, 2]", "must hold one sweep, but got list"),
        ("{broken: [", "neither JSON nor YAML"),
        ('{"axis": {"values": [NaN]}}', "no NaN"),
        ('{"seeds": [' + "1" * 5000 + "]}", "4300 digits"),
        ("[" * 100_000, "recursion"),
        ("a: " + "[" * 10_000, "recursion"),
        ('{"base": {"steps": 5, "steps": 6}}', "key 'steps' occurs twice"),
        ("base: {steps: 5}\nname: x\nbase: {lr: 1}\n", "key 'base' occurs twice"),
    ],
    ids=["list", "broken", "NaN", "digits", "deep", "deep YAML", "twice", "twice in YAML"],
)
def test_a_bad_file_is_one_line_and_exit_2(
    text: str, part: str, tmp_path: Path, free_port: int
) -> None:
    (tmp_path / "bad").write_text(text)
    shown = run_sweeper("submit", "bad", "--url", f"http://127.0.0.1:{free_port}", cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert part in only_line(shown)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-8", 1e-8),
        ("-1E+4", -1e4),
        ("1.5", 1.5),
        (".5e3", 500.0),
        ("12", 12),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01 10:00:00", "2026-01-01 10:00:00"),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        ("true", True),
        ("null", None),
        ("'1e-8'", "1e-8"),
    ],
)
def test_yaml_has_the_scalars_of_json(text: str, value: object) -> None:
    found = plain_yaml.load(f"value: [{text}]")["value"][0]
    assert (found, type(found)) == (value, type(value))


def test_yaml_may_replace_what_it_merges() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n"
    assert plain_yaml.load(text)["b"] == {"x": 1, "y": 3}


def test_a_base_that_is_no_mapping_is_left_to_the_service(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("base: [1]\n")
    assert sweep_body(str(file), None, steps=5) == {"base": [1]}
    file.write_text("base: {width: 8}\n")
    assert sweep_body(str(file), None, steps=5) == {"base": {"width": 8, "steps": 5}}
