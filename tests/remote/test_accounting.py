from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.aws.meter import Usage
from lambdabuild.errors import UserError
from lambdabuild.remote.accounting import Account, Costs, billed_seconds, estimate, read_prices
from lambdabuild.remote.states import BuildState, Phase

NOTHING = Usage()


def build(
    seconds: float, environment: str = "LINUX_CONTAINER", compute: str = "BUILD_GENERAL1_SMALL"
) -> BuildState:
    phases = (Phase("QUEUED", 1000.0, ""), Phase("PROVISIONING", 10.0, ""), Phase("BUILD", seconds - 10, ""))
    return BuildState(
        "p:1",
        "SUCCEEDED",
        "COMPLETED",
        (*phases, Phase("COMPLETED", None, "")),
        True,
        environment=environment,
        compute=compute,
    )


def usd(*builds: BuildState, usage: Usage = NOTHING) -> float:
    return estimate(usage, builds, read_prices()).total


def test_a_build_is_paid_by_the_minute_that_has_begun() -> None:
    assert usd(build(60)) == pytest.approx(0.005)
    assert usd(build(61)) == pytest.approx(0.010)
    assert usd(build(60), build(60)) == pytest.approx(0.010)


def test_machines_have_their_own_prices() -> None:
    small, medium = "BUILD_GENERAL1_SMALL", "BUILD_GENERAL1_MEDIUM"
    assert usd(build(60, compute=medium)) == pytest.approx(0.01)
    assert usd(build(60, "ARM_CONTAINER", small)) == pytest.approx(0.0034)
    assert usd(build(60, "ARM_CONTAINER", medium)) == pytest.approx(0.007)


def test_lambda_compute_is_paid_by_the_second() -> None:
    assert usd(build(61, "LINUX_LAMBDA_CONTAINER", "BUILD_LAMBDA_1GB")) == pytest.approx(61 * 0.00002)


def test_waiting_in_the_queue_costs_nothing() -> None:
    assert billed_seconds(build(60)) == 60


def test_a_build_without_a_listed_price_is_named_and_not_guessed() -> None:
    costs = estimate(NOTHING, [build(60, compute="BUILD_GENERAL1_2XLARGE")], read_prices())
    assert (costs.builds, costs.unpriced) == (0.0, ("LINUX_CONTAINER BUILD_GENERAL1_2XLARGE",))


def test_requests_of_s3_are_paid_by_the_thousand_and_others_are_not() -> None:
    writing = {
        "s3:PutObject": 500,
        "s3:ListObjectsV2": 300,
        "s3:CreateMultipartUpload": 100,
        "s3:UploadPart": 100,
    }
    reading = {"s3:GetObject": 1000}
    free = {"s3:DeleteObject": 1000, "codebuild:BatchGetBuilds": 1000, "logs:GetLogEvents": 1000}
    assert usd(usage=Usage(writing)) == pytest.approx(0.005)
    assert usd(usage=Usage(reading)) == pytest.approx(0.0004)
    assert usd(usage=Usage(free, 10**12, 10**12)) == 0.0


@given(
    st.dictionaries(
        st.sampled_from(["s3:PutObject", "s3:GetObject", "s3:ListObjectsV2"]), st.integers(0, 10**6)
    )
)
def test_two_halves_cost_what_the_whole_does(requests: dict[str, int]) -> None:
    prices = read_prices()
    whole = estimate(Usage({name: 2 * count for name, count in requests.items()}), [], prices)
    half = estimate(Usage(requests), [], prices)
    assert whole.total == pytest.approx(2 * half.total)


def test_prices_of_a_file_take_precedence_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('date = "2030-01-01"\n[minute]\nlinux-small = 1\n[gigabyte]\nsent = 0.09\n')
    prices = read_prices(path)
    assert prices.date == "2030-01-01"
    assert prices.source == read_prices().source
    assert prices.table["minute"]["linux-small"] == 1
    assert prices.table["minute"]["linux-medium"] == read_prices().table["minute"]["linux-medium"]
    assert estimate(Usage({}, sent=10**9), [build(60)], prices).total == pytest.approx(1.09)


@pytest.mark.parametrize(
    ("text", "complaint", "hint"),
    [
        ("[minute]\nlinux-smal = 1\n", "no price minute.linux-smal", "linux-small"),
        ("[minutes]\nlinux-small = 1\n", "no price minutes", "minute"),
        ("[minute]\nlinux-small = -1\n", "must be a number", ""),
        ("[minute]\nlinux-small = nan\n", "must be a number", ""),
        ("[minute]\nlinux-small = true\n", "must be a number", ""),
        ('[minute]\nlinux-small = "1"\n', "must be a number", ""),
        ("minute = 1\n", "must be a table", ""),
        ("date = 2030-01-01\n", "must be a string", ""),
        ("[minute\n", "not TOML", ""),
    ],
)
def test_a_file_that_cannot_be_prices_is_refused(
    tmp_path: Path, text: str, complaint: str, hint: str
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=complaint) as caught:
        read_prices(path)
    assert hint in str(caught.value.hint)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no file of prices"):
        read_prices(tmp_path / "absent.toml")


def test_the_list_has_a_date_and_its_pages() -> None:
    prices = read_prices()
    assert prices.date[:2] == "20"
    assert "https://aws.amazon.com/codebuild/pricing/" in prices.source


def test_an_account_tells_all_of_it_as_json() -> None:
    usage = Usage({"s3:PutObject": 2, "s3:GetObject": 1}, 100, 200)
    builds = (build(60), build(90))
    account = Account(1000, 9000, usage, builds, estimate(usage, builds, read_prices()))
    assert account.phases() == {"QUEUED": 2000.0, "PROVISIONING": 20.0, "BUILD": 130.0}
    told = account.to_json()
    assert told["uploaded_bytes"] == 1000
    assert told["saved_bytes"] == 9000
    assert told["requests"] == {"s3:GetObject": 1, "s3:PutObject": 2}
    assert told["phase_seconds"]["BUILD"] == 130.0
    assert told["estimated_usd"]["total"] == pytest.approx(0.01501, abs=1e-5)


def test_costs_add_up() -> None:
    assert Costs(1.0, 0.5, 0.25).total == 1.75
