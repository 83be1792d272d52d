"""What people write after `--trial`."""

from __future__ import annotations

import pytest

from models.trials.policy import MOST_STEPS, Policy, Step


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("shadow:10%/10", (Step(0.10, 10),)),
        ("canary:5%/0.5", (Step(0.05, 0.5),)),
        ("canary:5%/10,25%/10,100%/1", (Step(0.05, 10), Step(0.25, 10), Step(1.0, 1))),
        ("canary:5%/10,5%/20", (Step(0.05, 10), Step(0.05, 20))),
        ("canary:0.1%/1", (Step(0.001, 1),)),
    ],
)
def test_a_policy_is_read_and_written_the_same(text: str, steps: tuple[Step, ...]) -> None:
    policy = Policy.parse(text)
    assert policy is not None
    assert policy.mode == text.partition(":")[0]
    assert [each.minutes for each in policy.steps] == [each.minutes for each in steps]
    assert [each.share for each in policy.steps] == pytest.approx([each.share for each in steps])
    assert str(policy) == text
    assert Policy.parse(str(policy)) == policy


@pytest.mark.parametrize("share", ["33.333333333", "0.000000001", "66.6", "99.999999999"])
def test_odd_shares_survive_the_registry(share: str) -> None:
    policy = Policy.parse(f"canary:{share}%/0.123456789")
    assert policy is not None
    assert Policy.parse(str(policy)) == policy


def test_semicolons_do_for_commas() -> None:
    assert Policy.parse("canary:5%/10;25%/10") == Policy.parse("canary:5%/10,25%/10")


def test_none_tries_nothing() -> None:
    assert Policy.parse("none") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "canary",
        "canary:",
        "canary:5",
        "canary:5/10",
        "canary:5%",
        "canary:5%/",
        "canary:5%/10,",
        "canary:0%/10",
        "canary:101%/10",
        "canary:-5%/10",
        "canary:5%/0",
        "canary:5%/inf",
        "canary:nan%/10",
        "canary:1e1%/10",
        "canary:5%/10;trial=1",
        "canary:٥%/10",
        "canary:5%/999999999",
        "canary:25%/10,5%/10",
        "shadow:5%/10,10%/10",
        "blue:5%/10",
        "CANARY:5%/10",
        "canary:" + ",".join(["5%/10"] * (MOST_STEPS + 1)),
        "canary:" + "9" * 100_000 + "%/10",
    ],
)
def test_what_is_no_policy_is_refused_on_one_short_line(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        Policy.parse(text)
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 400
