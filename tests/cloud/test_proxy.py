"""The proxies: each fault does what it says, and AWS's own refusals are made."""

from __future__ import annotations

import base64
import datetime
import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import botocore.auth
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from hypothesis import given
from hypothesis import strategies as st

from tests.oci.registry.proxy import Fault
from tests.oci.registry.server import Reply, Request
from tests.require import require

from . import faults
from .aws import Cloud, Place, access_key
from .faults import FOR_EVER, Counter, Rule
from .guards import Denial

BODY = bytes(range(256)) * 10
KEY = "lambdabuild/cas/1"


class Object:
    """One object in S3."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.place: Place = cloud.place()
        self.put()

    def put(self, key: str = KEY, client: str = "alice", **more: Any) -> Any:
        s3 = self.cloud.client("s3", client)
        return s3.put_object(Bucket=self.place.bucket, Key=key, Body=BODY, **more)

    def get(self, client: str = "alice", attempts: int = 1, **more: Any) -> bytes:
        s3 = self.cloud.client("s3", client, attempts)
        return bytes(s3.get_object(Bucket=self.place.bucket, Key=KEY, **more)["Body"].read())

    def exists(self, key: str) -> bool:
        found = self.cloud.client("s3", "admin").list_objects_v2(Bucket=self.place.bucket, Prefix=key)
        return bool(found["KeyCount"])


@pytest.fixture
def thing(cloud: Cloud) -> Object:
    return Object(cloud)


def code(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_what_is_asked_is_passed_on_and_recorded(cloud: Cloud, thing: Object) -> None:
    assert thing.get(client="bob") == BODY
    (put,), (get,) = cloud.s3.asked("PUT", part=KEY), cloud.s3.asked("GET", client=access_key("bob"))
    assert (put.key, put.sent, put.status, put.access_key) == (KEY, len(BODY), 200, "AKIAALICE")
    assert (get.key, get.sent, get.received, get.path) == (KEY, 0, len(BODY), f"/{thing.place.bucket}/{KEY}")
    cloud.client("sts").get_caller_identity()
    assert [each.operation for each in cloud.sts.requests] == ["GetCallerIdentity"]
    cloud.client("codebuild").list_projects()
    assert [each.operation for each in cloud.codebuild_gate.requests] == ["ListProjects"]


def test_the_date_of_an_answer_is_said_once(thing: Object) -> None:
    answer = thing.cloud.client("s3").head_object(Bucket=thing.place.bucket, Key=KEY)
    datetime.datetime.strptime(answer["ResponseMetadata"]["HTTPHeaders"]["date"], "%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.throttled("s3"), (503, "SlowDown")),
        (faults.server_error("s3"), (500, "InternalError")),
        (faults.conflict(), (409, "ConditionalRequestConflict")),
    ],
)
def test_s3_can_refuse_once(thing: Object, fault: Fault, said: tuple[int, str]) -> None:
    thing.cloud.s3.add(Rule(fault, method="GET", path="/cas/"))
    assert code(thing.get) == said
    assert thing.get() == BODY


def test_a_client_that_tries_again_gets_what_it_wanted(thing: Object) -> None:
    thing.cloud.s3.add(Rule(faults.throttled("s3"), method="GET"))
    assert thing.get(attempts=3) == BODY


def test_json_services_throttle_in_their_own_words(cloud: Cloud) -> None:
    cloud.codebuild_gate.add(Rule(faults.throttled("json"), operation="ListProjects"))
    cloud.logs.add(Rule(faults.server_error("json"), headers={"x-amz-target": "DescribeLogGroups$"}))
    assert code(cloud.client("codebuild").list_projects) == (400, "ThrottlingException")
    assert code(cloud.client("logs").describe_log_groups) == (500, "InternalServerError")
    cloud.client("codebuild").list_projects()


def test_an_answer_can_be_lost_after_the_deed(thing: Object) -> None:
    thing.cloud.s3.add(
        Rule(faults.lost_answer(), method="PUT"), Rule(faults.cut_off(), method="PUT", first=2)
    )
    with pytest.raises(ConnectionClosedError):
        thing.put("done")
    with pytest.raises(ConnectionClosedError):
        thing.put("not-done")
    assert (thing.exists("done"), thing.exists("not-done")) == (True, False)
    assert [each.status for each in thing.cloud.s3.asked("PUT")[-2:]] == [0, 0]


def test_an_answer_can_break_off(thing: Object) -> None:
    thing.cloud.s3.add(Rule(faults.cut_in_the_middle(), method="GET"))
    with pytest.raises(Exception, match=r"(?i)incomplete|ended"):
        thing.get()


def test_bytes_can_be_damaged_or_missing(thing: Object) -> None:
    thing.cloud.s3.add(
        Rule(faults.corrupted(3), method="GET"), Rule(faults.truncated(7), method="GET", first=2)
    )
    rest = BODY[1:]
    # Of a whole object S3 sends the checksum, which botocore looks at.
    assert thing.get(Range="bytes=1-") == rest[:3] + bytes([rest[3] ^ 1]) + rest[4:]
    assert thing.get(Range="bytes=1-") == rest[:7]
    assert thing.get() == BODY


def test_an_upload_can_end_with_200_and_an_error(thing: Object) -> None:
    s3 = thing.cloud.client("s3")
    place = {"Bucket": thing.place.bucket, "Key": "big"}
    upload = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=BODY)["ETag"]
    thing.cloud.s3.add(Rule(faults.error_inside(), method="POST", path="uploadId="))
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    with pytest.raises(ClientError, match="InternalError"):
        s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    s3.complete_multipart_upload(**upload, MultipartUpload=parts)


def test_a_callback_sees_the_moment_before_and_after(thing: Object) -> None:
    seen: list[bool] = []

    def look() -> None:
        seen.append(thing.exists("new"))

    thing.cloud.s3.add(Rule(faults.around(look, look), method="PUT", client=access_key("alice")))
    thing.put("new")
    assert seen == [False, True]


def test_a_slow_service_holds_nobody_else_up(thing: Object) -> None:
    over = threading.Event()
    slow = Rule(faults.around(before=lambda: over.wait(30)), method="GET", client=access_key("slow"))
    thing.cloud.s3.add(slow, Rule(faults.slow(0.01), method="GET", times=FOR_EVER))
    waiting = threading.Thread(target=thing.get, args=["slow"])
    waiting.start()
    assert thing.get("quick") == BODY
    assert waiting.is_alive()
    over.set()
    waiting.join()


def test_a_bucket_of_another_account_is_refused(thing: Object) -> None:
    assert thing.get(ExpectedBucketOwner=thing.cloud.guards.account) == BODY
    assert code(lambda: thing.get(ExpectedBucketOwner="999999999999")) == (403, "AccessDenied")
    assert code(lambda: thing.put(ExpectedBucketOwner="999999999999")) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("minutes", "s3", "other"), [(4, True, True), (10, True, False), (-60, False, False)]
)
def test_a_wrong_clock_is_refused(
    thing: Object, monkeypatch: pytest.MonkeyPatch, minutes: int, s3: bool, other: bool
) -> None:
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now)
    calls: list[tuple[bool, Callable[[], Any], tuple[int, str]]] = [
        (s3, thing.get, (403, "RequestTimeTooSkewed")),
        (other, thing.cloud.client("codebuild").list_projects, (400, "InvalidSignatureException")),
        (other, thing.cloud.client("sts").get_caller_identity, (403, "SignatureDoesNotMatch")),
    ]
    for fine, call, refusal in calls:
        if fine:
            call()
        else:
            assert code(call) == refusal


def test_an_expired_token_is_refused_everywhere(thing: Object) -> None:
    thing.cloud.guards.expired.add(access_key("alice"))
    assert code(thing.get) == (400, "ExpiredToken")
    assert code(thing.cloud.client("codebuild").list_projects) == (400, "ExpiredTokenException")
    assert code(thing.cloud.client("sts").get_caller_identity) == (403, "ExpiredToken")
    assert thing.get("bob") == BODY


@pytest.mark.parametrize("name", ["ChecksumSHA256", "ChecksumCRC32", "ContentMD5"])
def test_wrong_checksums_are_refused(thing: Object, name: str) -> None:
    wrong = base64.b64encode(
        bytes({"ChecksumSHA256": 32, "ChecksumCRC32": 4, "ContentMD5": 16}[name])
    ).decode()
    assert code(lambda: thing.put("new", **{name: wrong})) == (400, "BadDigest")
    assert not thing.exists("new")
    thing.put("new", ChecksumSHA256=base64.b64encode(hashlib.sha256(BODY).digest()).decode())
    assert thing.exists("new")


def test_a_client_writes_only_where_it_may(thing: Object) -> None:
    thing.cloud.restrict(thing.place)
    assert code(lambda: thing.put("lambdabuild/results/1")) == (403, "AccessDenied")
    thing.put("lambdabuild/results/1", client="worker")
    thing.put("lambdabuild/cas/2")
    thing.cloud.guards.denials.append(Denial(access_key("eve"), "", ("GET",)))
    assert code(lambda: thing.get("eve")) == (403, "AccessDenied")


def test_a_reset_cloud_does_nothing_unasked(thing: Object) -> None:
    thing.cloud.s3.add(Rule(faults.throttled("s3"), times=FOR_EVER))
    thing.cloud.guards.expired.add(access_key("alice"))
    thing.cloud.reset()
    assert thing.get() == BODY


def test_the_registry_has_a_proxy_too(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> None:
    import urllib.request

    require("docker-registry")
    gate = cloud.registry(tmp_path_factory.mktemp("registry"))
    urllib.request.urlopen(f"{gate.url}/v2/").close()
    assert [(each.path, each.status) for each in gate.requests] == [("/v2/", 200)]


requests = st.builds(
    Request,
    st.sampled_from(["GET", "PUT"]),
    st.sampled_from(["/b/cas/1", "/b/results/1", "/b?list-type=2&prefix=cas%2F"]),
    st.fixed_dictionaries({}, optional={"x-amz-target": st.sampled_from(["X.Start", "X.Stop"])}),
    st.none(),
)


@given(st.lists(requests, max_size=12), st.integers(1, 4), st.integers(-1, 4).filter(bool))
def test_a_rule_takes_the_nth_of_what_it_matches(asked: list[Request], first: int, times: int) -> None:
    def fault(request: Request, forward: object) -> Reply:
        return Reply()

    picks = Rule(fault, method="GET", path=r"cas", first=first, times=times)
    counter = Counter(picks)
    taken = [request for request in asked if counter.take(request)]
    matching = [each for each in asked if each.method == "GET" and "cas" in each.target]
    end = None if times == FOR_EVER else first - 1 + times
    assert [id(each) for each in taken] == [id(each) for each in matching[first - 1 : end]]
    more = replace(picks, operation="Start")
    assert all(each.headers.get("x-amz-target") == "X.Start" for each in asked if more.matches(each))
