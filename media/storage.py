"""The object store, through django-storages. Keys are random and never written twice.

    public/media/<128 random bits>/<variant>.jpg

The bucket's policy lets anybody GET what is under `public/`; everything else needs a signature.
"""

from __future__ import annotations

import json
import logging
import secrets
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages

logger = logging.getLogger(__name__)

# What boto3 raises when the store is away or refuses.
StoreUnavailable = (BotoCoreError, ClientError)


def new_prefix() -> str:
    """The prefix of the keys of one upload; cannot be guessed."""
    return f"public/media/{secrets.token_urlsafe(16)}"


def variant_key(prefix: str, variant: str) -> str:
    """The key of one variant."""
    return f"{prefix}/{variant}.jpg"


def public_url(key: str) -> str:
    """Where a client fetches a public object."""
    return f"{settings.MEDIA_PUBLIC_BASE}/{key}"


def put_variants(*, prefix: str, variants: dict[str, bytes]) -> None:
    """Store all variants of an upload, or none: what got in before a failure is taken out again."""
    try:
        for variant, content in variants.items():
            key = variant_key(prefix, variant)
            storages["default"].save(key, ContentFile(content, name=key))
    except StoreUnavailable:
        delete_variants(prefix=prefix, variants=list(variants))
        raise


def delete_variants(*, prefix: str, variants: list[str]) -> None:
    """Remove an upload's objects; what cannot be removed is logged and left to a clean-up."""
    try:
        for variant in variants:
            storages["default"].delete(variant_key(prefix, variant))
    except StoreUnavailable:
        logger.exception("objects may be left under %s", prefix)


def ensure_bucket() -> bool:
    """Make the bucket if it is missing and set its rules; returns whether it was made."""
    store: Any = storages["default"]
    client, bucket = store.connection.meta.client, store.bucket_name
    existing = {item["Name"] for item in client.list_buckets()["Buckets"]}
    if bucket not in existing:
        client.create_bucket(Bucket=bucket)
    statement = {
        "Sid": "AnybodyReadsPublic",
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/public/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    rule = {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 3600}
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    return bucket not in existing
