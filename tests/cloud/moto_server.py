"""One moto server for each test process: S3 and more of AWS, on a free port of 127.0.0.1.

Tests share it and keep apart by bucket names. Processes that tests start reach it through
`environment()`. It runs in a thread, so that a test can reach behind it: `stored_keys` gives the
objects themselves, whose times can be changed.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

ACCOUNT = "123456789012"
REGION = "eu-central-1"
_NUMBERS = itertools.count(1)


@cache
def moto_url() -> str:
    """Returns the endpoint of this process's server, which is started at the first call."""
    from moto.server import ThreadedMotoServer

    from tests.cloud.models import share_models

    share_models()
    _write_in_one_step()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells every request otherwise
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def _write_in_one_step() -> None:
    """Lets a conditional write look and write at once, as S3 does; moto's lets others in between."""
    from moto.s3.responses import S3Response

    plain, turn = S3Response.put_object, threading.Lock()

    def put_object(response: S3Response) -> Any:
        with turn:
            return plain(response)

    S3Response.put_object = put_object  # type: ignore[assignment, method-assign]


def environment() -> Mapping[str, str]:
    """Returns the variables that send every AWS client to this server, and to nothing of this machine."""
    return {
        "AWS_ENDPOINT_URL": moto_url(),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SESSION_TOKEN": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@cache
def client(service: str, endpoint: str | None = None) -> Any:
    """Returns a boto3 client of this server, or of `endpoint`, whatever the environment says.

    One for all: it is good for any thread, and takes longer to make than most tests to run.
    """
    import boto3
    from botocore.config import Config

    session = boto3.session.Session("testing", "testing", "testing", REGION)
    # moto answers 500 to who reads an object that is deleted at that moment.
    retries = {"mode": "standard", "total_max_attempts": 5}
    config = Config(s3={"addressing_style": "path"}, retries=retries, max_pool_connections=32)
    return session.client(service, endpoint_url=endpoint or moto_url(), config=config)


def new_bucket() -> str:
    """Returns the name of a new, empty bucket that no other test knows."""
    name = f"bucket-{os.getpid()}-{next(_NUMBERS)}"
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def put_object(bucket: str, key: str, data: bytes) -> None:
    """Puts an object into a bucket without a request."""
    from moto.s3.models import s3_backends

    s3_backends[ACCOUNT]["aws"].put_object(bucket, key, data)


def stored_keys(bucket: str) -> Any:
    """Returns moto's own objects of a bucket, by key: `.value`, `.last_modified` can be set."""
    from moto.s3.models import s3_backends

    return s3_backends[ACCOUNT]["aws"].buckets[bucket].keys
