"""Uploads."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.http.callers import caller_id
from core.http.idempotency import idempotent
from core.http.limits.middleware import UploadThrottle
from core.http.problems import UnsupportedMedia
from core.http.repetitions import repeatable
from media import selectors, services, uploads
from media.admission import admitted
from media.parsers import UploadParser
from media.serializers import (
    OWN_MEDIA,
    OWN_MEDIA_EXAMPLES,
    MediaChanges,
    ReadyMedia,
    SendingRequests,
    Upload,
    UploadAnnouncement,
    UsageDocument,
)


class UploadView(APIView):
    parser_classes = [UploadParser]
    throttle_classes = [UploadThrottle]

    def handle_exception(self, exc: Exception) -> Response:
        """Say which content type it should have been."""
        if isinstance(exc, UnsupportedMediaType):
            exc = UnsupportedMedia("Send multipart/form-data with the image in the field `file`.")
        return super().handle_exception(exc)

    @extend_schema(
        request={"multipart/form-data": Upload}, responses={201: ReadyMedia}, tags=["media"]
    )
    @admitted
    @idempotent(database="posts")
    def post(self, request: Request) -> Response:
        """Upload an image; its id can then be used once, in a post or as an avatar."""
        upload = Upload(data=request.data)
        upload.is_valid(raise_exception=True)
        media = services.store_image(owner_id=caller_id(request), **upload.validated_data)
        answer = Response(selectors.ready_document(media), status=201)
        answer.headers["Location"] = reverse("media", args=[media.pk])
        return answer


class UploadsView(APIView):
    throttle_classes = [UploadThrottle]

    @extend_schema(request=UploadAnnouncement, responses={201: SendingRequests}, tags=["media"])
    @idempotent(database="posts")
    def post(self, request: Request) -> Response:
        """Announce a file, which is then sent to the object store and not to this API.

        The answer says how, by `form` or, for a large file, by `parts`. When all is sent, POST to
        `/media/{id}/complete`. A client that was cut off asks `/media/uploads/{id}` for the rest.
        """
        announced = UploadAnnouncement(data=request.data)
        announced.is_valid(raise_exception=True)
        owner_id = caller_id(request)
        upload = uploads.begin_upload(owner_id=owner_id, **announced.validated_data)
        answer = Response(selectors.sending_document(upload), status=201)
        answer.headers["Location"] = reverse("media-sending", args=[upload.pk])
        return answer


class SendingView(APIView):
    @extend_schema(responses=SendingRequests, tags=["media"])
    def get(self, request: Request, media_id: int) -> Response:
        """Show what of a file is still to be sent, with new signatures; 409 once all was sent."""
        document = selectors.sending_requests(media_id=media_id, owner_id=caller_id(request))
        return Response(document)


class CompletionView(APIView):
    @extend_schema(request=None, responses=OWN_MEDIA, examples=OWN_MEDIA_EXAMPLES, tags=["media"])
    @idempotent(database="posts")
    def post(self, request: Request, media_id: int) -> Response:
        """Say that a file has been sent: it is checked, and then processed.

        `GET /media/{id}` shows how far that is. Answers 409 if something is missing.
        """
        owner_id = caller_id(request)
        uploads.complete_upload(upload_id=media_id, owner_id=owner_id)
        return Response(selectors.own_media(media_id=media_id, owner_id=owner_id))


class MediaView(APIView):
    @extend_schema(responses=OWN_MEDIA, examples=OWN_MEDIA_EXAMPLES, tags=["media"])
    def get(self, request: Request, media_id: int) -> Response:
        """Show an upload of the caller's, and its state."""
        return Response(selectors.own_media(media_id=media_id, owner_id=caller_id(request)))

    @extend_schema(
        request=MediaChanges, responses=OWN_MEDIA, examples=OWN_MEDIA_EXAMPLES, tags=["media"]
    )
    @repeatable(database="posts")
    def patch(self, request: Request, media_id: int) -> Response:
        """Describe an upload of the caller's for people who cannot see it, also in a post."""
        changes = MediaChanges(data=request.data)
        changes.is_valid(raise_exception=True)
        owner_id = caller_id(request)
        services.describe_own_media(media_id=media_id, owner_id=owner_id, **changes.validated_data)
        return Response(selectors.own_media(media_id=media_id, owner_id=owner_id))

    @extend_schema(responses={204: None}, tags=["media"])
    @repeatable(database="posts")
    def delete(self, request: Request, media_id: int) -> Response:
        """Delete an upload of the caller's that no post, waiting or not, and no avatar uses; else
        answers 409.

        A picture in use goes with its post, or when another avatar takes its place. One of a
        waiting post can be deleted when that is.
        """
        services.delete_media(media_id=media_id, owner_id=caller_id(request))
        return Response(status=204)


class UsageView(APIView):
    @extend_schema(responses=UsageDocument, tags=["media"])
    def get(self, request: Request) -> Response:
        """Show what the caller's uploads have used of the quotas of this day."""
        return Response(selectors.usage_document(owner_id=caller_id(request)))
