"""What a media worker does with a file that has arrived: it becomes a Media, or fails.

A worker may die at any moment, and two may work on one file, if one of them was suspended. So each
stores variants under a prefix of its own, which the upload's row names before. The transaction at
the end decides: it deletes the row and inserts the media's, with the prefix of one worker, or finds
that another one was first. What is stored under the other prefixes goes with the row.
"""

import logging
import tempfile
from collections.abc import Generator
from contextlib import closing
from http import HTTPStatus
from typing import TypeVar

from django.db import Error, transaction
from django.db.models import F, Func, Value

from core.http.problems import Problem
from media import incoming, objects, storage
from media.decoding import decode_file
from media.events import UploadProcessed, upload_processed
from media.models import Media, Upload
from media.places import object_prefix, place_of_uploads
from media.services import new_media
from media.uploads import LOST, State, announce_end, fail
from media.usage import cpu_counter, refuse_without_cpu_time
from media.variants import Processed

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

# A file at which so many workers have died is given up.
MAX_STARTS = 3
# Progress in percent, once the file is read, decoded and stored.
READ, DECODED, STORED = 20, 80, 95


def process_upload(*, upload_id: int) -> Generator[int, None, None]:
    """Make a media of a file that has arrived; yields the progress in percent. May be repeated.

    A file that cannot be processed makes the upload `failed`. Object store down, or no time to
    decode: raises, and it should be tried again. A caller that stops must close the generator.
    """
    upload = _start(upload_id)
    if upload is None:
        return
    if upload.unfinished_starts > MAX_STARTS:
        logger.error("upload %d has ended %d workers", upload_id, MAX_STARTS)
        _fail(upload_id, code="not_processed", reason="The file could not be processed.")
        return
    try:
        yield from _process(upload)
    except Problem as problem:
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _take_back_start(upload_id)
            raise
        _fail(upload_id, code=problem.code, reason=problem.detail)
    except (GeneratorExit, OSError, Error, *objects.Unreachable):
        # The worker lives: it has lost its lease, or what it needs was not there, such as space on
        # its disk.
        _take_back_start(upload_id)
        raise


def _process(upload: Upload) -> Generator[int, None, None]:
    # On the disk: a video may be larger than the memory of a worker should be.
    with tempfile.TemporaryFile() as file:
        with closing(incoming.fetch(key=upload.key, into=file, limit=upload.byte_size)) as parts:
            is_there = yield from _told(upload, parts, since=0, until=READ)
        if not is_there:
            _fail(upload.pk, **LOST)
            return
        refuse_without_cpu_time(owner_id=upload.owner_id)
        with closing(decode_file(file, on_report=cpu_counter(owner_id=upload.owner_id))) as steps:
            decoded = yield from _told(upload, steps, since=READ, until=DECODED)
    prefix, place = storage.new_prefix(), place_of_uploads(owner_id=upload.owner_id)
    if not _name_prefix(upload, prefix):
        return
    files, stored_at = decoded.files(), object_prefix(prefix, place)
    for number, (name, content) in enumerate(files.items(), start=1):
        storage.put_variants(prefix=stored_at, variants={name: content})
        yield _progress(upload, DECODED + (STORED - DECODED) * number // len(files))
    _become_media(upload.pk, decoded, storage_prefix=prefix, place=place)


def _told(
    upload: Upload, steps: Generator[int, None, Result], *, since: int, until: int
) -> Generator[int, None, Result]:
    """What these steps return, whose percents are those from `since` until `until` of the whole;
    yields the progress of the whole.
    """
    while True:
        try:
            percent = next(steps)
        except StopIteration as end:
            yield _progress(upload, until)
            result: Result = end.value
            return result
        yield _progress(upload, since + (until - since) * percent // 100)


def _start(upload_id: int) -> Upload | None:
    """Count the start of a worker; returns the upload, or None if it is not to be processed."""
    with transaction.atomic(using="posts"):
        if upload := _processing(upload_id):
            upload.unfinished_starts += 1
            upload.save(update_fields=["unfinished_starts"])
    return upload


def _name_prefix(upload: Upload, prefix: str) -> bool:
    """Say where this worker is going to store variants; returns False if the upload is gone, or
    has failed.
    """
    added = Func(F("attempts"), Value(prefix), function="array_append")
    mine = Upload.objects.filter(pk=upload.pk, state=State.PROCESSING)
    return bool(mine.update(attempts=added))


def _progress(upload: Upload, percent: int) -> int:
    Upload.objects.filter(pk=upload.pk).update(progress=percent)
    return percent


def _become_media(upload_id: int, decoded: Processed, *, storage_prefix: str, place: str) -> None:
    """Put a media in the place of its upload, unless that is gone."""
    with transaction.atomic(using="posts"):
        upload = _processing(upload_id)
        if upload is None:
            return
        media = new_media(
            decoded=decoded,
            pk=upload.pk,
            owner_id=upload.owner_id,
            alt=upload.alt,
            storage_prefix=storage_prefix,
            place=place,
            used_as="" if upload.used_by_id is None else Media.Use.WAITING,
            used_by_id=upload.used_by_id,
            position=None if upload.used_by_id is None else 0,
        )
        media.save(force_insert=True)
        announce_end(upload, kept=storage_prefix)
        upload.delete()
        upload_processed.announce(UploadProcessed(upload.owner_id, upload.used_by_id))


def _fail(upload_id: int, *, code: str, reason: str) -> None:
    with transaction.atomic(using="posts"):
        if upload := _processing(upload_id):
            fail(upload, code=code, reason=reason)


def _processing(upload_id: int) -> Upload | None:
    """The locked row, if it is to be processed."""
    return Upload.objects.select_for_update().filter(pk=upload_id, state=State.PROCESSING).first()


def _take_back_start(upload_id: int) -> None:
    mine = Upload.objects.filter(pk=upload_id, unfinished_starts__gt=0)
    mine.update(unfinished_starts=F("unfinished_starts") - 1)
