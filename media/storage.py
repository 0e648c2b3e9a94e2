"""The object store, through django-storages. Keys are random and never written twice.

    public/media/<128 random bits>/<variant>      such as full.jpg
    withheld/media/<the same bits>/<variant>      while the owner's account is private, and this is
                                                  no avatar; or while it is deactivated; or for a
                                                  post that only close friends see
    incoming/media/<other bits>/file              what a client sends; see `media.incoming`

The policy of the bucket lets anybody GET objects under `public/`; all other requests need a
signature. If the store is down, writes raise `StoreUnavailable`. Clients read from the store
directly.
"""

import json
import logging
import secrets
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages

logger = logging.getLogger(__name__)

# What boto3 raises if the store does not answer or refuses.
StoreUnavailable = (BotoCoreError, ClientError)
_KEYS_AT_ONCE = 1000  # S3's limit for one request that removes objects
_COPIES_AT_ONCE = 8
LISTED_AT_ONCE = 1000
CONTENT_TYPES = {"jpg": "image/jpeg", "webp": "image/webp", "mp4": "video/mp4"}
_PUBLIC, _WITHHELD, _INCOMING = "public/", "withheld/", "incoming/"


def new_prefix() -> str:
    """A new prefix for the keys of one upload; it cannot be guessed."""
    return f"{_PUBLIC}media/{secrets.token_urlsafe(16)}"


def withheld_prefix(prefix: str) -> str:
    """The prefix at which the objects of an upload are while they are withheld."""
    return _WITHHELD + prefix.removeprefix(_PUBLIC)


def new_incoming_key() -> str:
    """A new key for a file that a client sends; it cannot be guessed."""
    return f"{_INCOMING}media/{secrets.token_urlsafe(16)}/file"


def is_incoming(key: str) -> bool:
    """Whether this is the key of a file that a client sends."""
    return key.startswith(_INCOMING)


def variant_key(prefix: str, variant: str) -> str:
    """The key of one variant."""
    return f"{prefix}/{variant}"


def public_url(key: str) -> str:
    """The URL at which a client fetches a public object."""
    return f"{settings.MEDIA_PUBLIC_BASE}/{key}"


def put_variants(*, prefix: str, variants: dict[str, bytes]) -> None:
    """Store all variants of an upload, or none: a failure removes those that were stored before."""
    try:
        for variant, content in variants.items():
            key = variant_key(prefix, variant)
            file = ContentFile(content, name=key)
            file.content_type = CONTENT_TYPES[key.rpartition(".")[2]]  # type: ignore[attr-defined]
            storages["default"].save(key, file)
    except BaseException:
        delete_variants(prefix=prefix, variants=list(variants))
        raise


def delete_variants(*, prefix: str, variants: Sequence[str]) -> None:
    """Remove the objects of an upload, in one request. Logs a failure, and does not raise."""
    try:
        remove_objects(prefixes=[prefix], variants=variants)
    except StoreUnavailable:
        logger.exception("objects may be left under %s", prefix)


def remove_objects(*, prefixes: Sequence[str], variants: Sequence[str]) -> None:
    """Remove all objects of some uploads, whether they exist or not; raises `StoreUnavailable`."""
    remove_keys([variant_key(prefix, variant) for prefix in prefixes for variant in variants])


def remove_keys(keys: Sequence[str]) -> None:
    """Remove objects, whether they exist or not; raises `StoreUnavailable`."""
    client, bucket = client_and_bucket()
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        batch = [{"Key": key} for key in keys[first : first + _KEYS_AT_ONCE]]
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        if failed := answer.get("Errors"):
            raise ClientError({"Error": failed[0]}, "DeleteObjects")


def copy_objects(*, keys: Collection[tuple[str, str]]) -> None:
    """Copy objects inside the store, each from one key to another; raises `StoreUnavailable`.

    One that does not exist is skipped: it has been moved before.
    """
    # Made here: it is not safe to make one in a thread.
    client, bucket = client_and_bucket()

    def copy(source: str, target: str) -> None:
        try:
            client.copy_object(
                Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": source}
            )
        except ClientError as error:
            if status_of(error) != 404:
                raise

    with ThreadPoolExecutor(_COPIES_AT_ONCE) as pool:
        list(pool.map(copy, *zip(*keys, strict=True)))


def read_object(*, key: str) -> bytes | None:
    """The content of an object; None if there is none. Raises `StoreUnavailable`."""
    client, bucket = client_and_bucket()
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if status_of(error) != 404:
            raise
        return None
    # Its own context manager would hand out a body that does not notice when it is cut off.
    with closing(answer["Body"]) as body:
        content: bytes = body.read()
    return content


@dataclass(frozen=True)
class StoredObject:
    """An object in the store. `prefix`: that of its media, wherever the object is."""

    key: str
    prefix: str
    modified_at: datetime


def list_objects() -> Iterator[list[StoredObject]]:
    """All objects of uploads, wherever they are, up to 1,000 at a time; a request each.

    Last come the files of which only parts have arrived.
    """
    client, bucket = client_and_bucket()
    pages = client.get_paginator("list_objects_v2")
    for root in (_PUBLIC, _WITHHELD, _INCOMING):
        for page in pages.paginate(
            Bucket=bucket,
            Prefix=f"{root}media/",
            PaginationConfig={"PageSize": LISTED_AT_ONCE},
        ):
            yield [
                StoredObject(
                    key=item["Key"],
                    prefix=_PUBLIC + item["Key"].removeprefix(root).rpartition("/")[0],
                    modified_at=item["LastModified"],
                )
                for item in page.get("Contents", ())
            ]
    begun = client.get_paginator("list_multipart_uploads")
    for page in begun.paginate(Bucket=bucket, Prefix=_INCOMING):
        yield [
            StoredObject(key=item["Key"], prefix="", modified_at=item["Initiated"])
            for item in page.get("Uploads", ())
        ]


def is_public(key: str) -> bool:
    """Whether anybody may read the object with this key."""
    return key.startswith(_PUBLIC)


def is_withheld(key: str) -> bool:
    """Whether only who has a signature may read the object with this key."""
    return key.startswith(_WITHHELD)


def ensure_bucket() -> bool:
    """Create the bucket if missing; set its policy and CORS rules; returns whether it was new."""
    client, bucket = client_and_bucket()
    missing = not _bucket_exists(client, bucket)
    if missing:
        region = client.meta.region_name
        # AWS requires the name of every region except us-east-1, whose name it refuses.
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else elsewhere))
    statement = {
        "Sid": "AnybodyReadsPublic",
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/{_PUBLIC}*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    # POST and PUT are for signed requests (`media.incoming`); the store refuses any other.
    rule = {
        "AllowedMethods": ["GET", "HEAD", "POST", "PUT"],
        "AllowedOrigins": ["*"],
        "AllowedHeaders": ["*"],
        "MaxAgeSeconds": 3600,
    }
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    return missing


def _bucket_exists(client: Any, bucket: str) -> bool:
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if status_of(error) != 404:
            raise
        return False
    return True


def client_and_bucket(alias: str = "default") -> tuple[Any, str]:
    """boto3's client for the object store, with the options of an alias, and the bucket's name."""
    store: Any = storages[alias]
    return store.connection.meta.client, store.bucket_name


def status_of(error: ClientError) -> int:
    """The HTTP status that the object store has answered."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
