"""Files on their way: clients send them to the object store themselves, by signed requests.

    incoming/media/<random bits>/file

A small file is sent as a form (S3's presigned POST), a larger one in parts (S3's multipart upload),
each by a presigned PUT, in any order. A signature holds for LINK_LIFETIME. It binds the key, the
length and, for the whole file, the content type. Nobody can read what is here.

Functions that requests call have little patience with the store, and none for some seconds after it
did not answer: a store that hangs must not take the threads of an API. They raise `Unavailable`.
`fetch` and `remove` are for workers, and raise `StoreUnavailable`.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from datetime import timedelta
from functools import wraps
from typing import Any, BinaryIO, ParamSpec, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from core.http.limits.counting import Pause
from core.http.problems import Unavailable
from media.storage import client_and_bucket, status_of

P = ParamSpec("P")
Result = TypeVar("Result")

LINK_LIFETIME = timedelta(minutes=10)
# A larger file is sent in parts. S3 wants at least 5 MiB in each but the last.
MAX_FORM_BYTES = 16 * 1024 * 1024
PART_BYTES = 8 * 1024 * 1024
_LINK_SECONDS = int(LINK_LIFETIME.total_seconds())
_COPIED_AT_ONCE = 1024 * 1024
_PARTS_AT_ONCE = 1000  # S3's limit for one list
_pause = Pause()  # while the store does not answer, requests do not wait for it


def _for_requests(function: Callable[P, Result]) -> Callable[P, Result]:
    """Decorator: ask the store unless it did not answer just now; raises `Unavailable`."""

    @wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> Result:
        problem = Unavailable("The object store does not answer. Try again in a while.")
        if _pause.lasts():
            raise problem
        try:
            return function(*args, **kwargs)
        except BotoCoreError as error:  # no answer
            _pause.begin()
            raise problem from error
        except ClientError as error:
            raise problem from error

    return ask


def signed_form(*, key: str, content_type: str, byte_size: int) -> dict[str, Any]:
    """What to POST as multipart/form-data, with the file in a last field `file`: `url`, `fields`.

    The store refuses a file of another length, content type or key.
    """
    client, bucket = client_and_bucket("signatures")
    form: dict[str, Any] = client.generate_presigned_post(
        bucket,
        key,
        Fields={"Content-Type": content_type},
        Conditions=[
            {"Content-Type": content_type},
            ["content-length-range", byte_size, byte_size],
        ],
        ExpiresIn=_LINK_SECONDS,
    )
    return form


def part_sizes(byte_size: int) -> dict[int, int]:
    """The size of each part of a file, by its number, from 1 on."""
    whole, rest = divmod(byte_size, PART_BYTES)
    sizes = [PART_BYTES] * whole + [rest] * bool(rest)
    return dict(enumerate(sizes, start=1))


def signed_part(*, key: str, multipart_id: str, number: int, byte_size: int) -> str:
    """The URL to PUT one part to. The store refuses one of another length."""
    client, bucket = client_and_bucket("signatures")
    url: str = client.generate_presigned_url(
        "upload_part",
        Params={
            "Bucket": bucket,
            "Key": key,
            "UploadId": multipart_id,
            "PartNumber": number,
            "ContentLength": byte_size,
        },
        ExpiresIn=_LINK_SECONDS,
    )
    return url


@_for_requests
def begin_parts(*, key: str, content_type: str) -> str:
    """Begin a multipart upload; returns S3's id of it."""
    client, bucket = client_and_bucket("requests")
    begun = client.create_multipart_upload(Bucket=bucket, Key=key, ContentType=content_type)
    return str(begun["UploadId"])


@_for_requests
def sent_parts(*, key: str, multipart_id: str) -> dict[int, str]:
    """The ETag of each part that has arrived, by its number; empty once the parts are joined.

    A part that was sent twice counts as it was last sent.
    """
    client, bucket = client_and_bucket("requests")
    pages = client.get_paginator("list_parts").paginate(
        Bucket=bucket,
        Key=key,
        UploadId=multipart_id,
        PaginationConfig={"PageSize": _PARTS_AT_ONCE},
    )
    try:
        parts = [part for page in pages for part in page.get("Parts", ())]
    except ClientError as error:
        if status_of(error) == 404:
            return {}
        raise
    parts.sort(key=lambda part: part["LastModified"])
    return {part["PartNumber"]: part["ETag"] for part in parts}


@_for_requests
def join_parts(*, key: str, multipart_id: str, etags: Mapping[int, str]) -> bool:
    """Make one file of the parts; returns False if some have changed meanwhile, or are joined."""
    client, bucket = client_and_bucket("requests")
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
    try:
        client.complete_multipart_upload(
            Bucket=bucket, Key=key, UploadId=multipart_id, MultipartUpload={"Parts": parts}
        )
    except ClientError as error:
        if status_of(error) in (400, 404):
            return False
        raise
    return True


@_for_requests
def first_bytes(*, key: str, limit: int) -> tuple[bytes, int] | None:
    """The first bytes of a file that has arrived whole, up to `limit`, and its size; else None."""
    client, bucket = client_and_bucket("requests")
    try:
        answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{limit - 1}")
    except ClientError as error:
        if status_of(error) == 404:
            return None
        if status_of(error) == 416:
            return b"", 0
        raise
    head: bytes = answer["Body"].read(limit)
    # "bytes 0-4095/1234567"; a store may answer the whole file instead.
    size = answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"]
    return head, int(size)


def fetch(*, key: str, into: BinaryIO, limit: int) -> Generator[int, None, bool]:
    """Copy a file into another one; yields the progress in percent, once a second. Returns False if
    there is no such file, or it is larger than `limit` bytes.
    """
    client, bucket = client_and_bucket()
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if status_of(error) == 404:
            return False
        raise
    size, told_at = answer["ContentLength"], time.monotonic()
    # Its own context manager would hand out a body that does not notice when it is cut off.
    with closing(answer["Body"]) as body:
        if size > limit:
            return False
        while part := body.read(_COPIED_AT_ONCE):
            into.write(part)
            if time.monotonic() - told_at > 1:
                told_at = time.monotonic()
                yield 100 * into.tell() // size
    into.flush()
    return True


def remove(*, key: str) -> None:
    """Remove a file, or what there is of its parts, whether they exist or not."""
    client, bucket = client_and_bucket()
    client.delete_object(Bucket=bucket, Key=key)
    begun = client.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", ())
    for multipart_id in [one["UploadId"] for one in begun if one["Key"] == key]:
        try:
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=multipart_id)
        except ClientError as error:
            if status_of(error) != 404:
                raise
