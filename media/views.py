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
from media import selectors, services
from media.admission import admitted
from media.parsers import UploadParser
from media.serializers import MediaChanges, MediaDocument, Upload


class UploadView(APIView):
    parser_classes = [UploadParser]
    throttle_classes = [UploadThrottle]

    def handle_exception(self, exc: Exception) -> Response:
        """Say which content type it should have been."""
        if isinstance(exc, UnsupportedMediaType):
            exc = UnsupportedMedia("Send multipart/form-data with the image in the field `file`.")
        return super().handle_exception(exc)

    @extend_schema(
        request={"multipart/form-data": Upload}, responses={201: MediaDocument}, tags=["media"]
    )
    @admitted
    @idempotent(database="posts")
    def post(self, request: Request) -> Response:
        """Upload an image; its id can then be used once, in a post or as an avatar."""
        upload = Upload(data=request.data)
        upload.is_valid(raise_exception=True)
        media = services.store_image(owner_id=caller_id(request), **upload.validated_data)
        answer = Response(selectors.media_document(media), status=201)
        answer.headers["Location"] = reverse("media", args=[media.pk])
        return answer


class MediaView(APIView):
    @extend_schema(responses=MediaDocument, tags=["media"])
    def get(self, request: Request, media_id: int) -> Response:
        """Show an upload of the caller's."""
        return Response(selectors.own_media(media_id=media_id, owner_id=caller_id(request)))

    @extend_schema(request=MediaChanges, responses=MediaDocument, tags=["media"])
    @repeatable(database="posts")
    def patch(self, request: Request, media_id: int) -> Response:
        """Describe an upload of the caller's for people who cannot see it, also in a post."""
        changes = MediaChanges(data=request.data)
        changes.is_valid(raise_exception=True)
        media = services.describe_media(
            media_id=media_id, owner_id=caller_id(request), **changes.validated_data
        )
        return Response(selectors.media_document(media))

    @extend_schema(responses={204: None}, tags=["media"])
    @repeatable(database="posts")
    def delete(self, request: Request, media_id: int) -> Response:
        """Delete an upload of the caller's that no post and no avatar uses; else answers 409.

        A picture in use goes with its post, or when another avatar takes its place.
        """
        services.delete_media(media_id=media_id, owner_id=caller_id(request))
        return Response(status=204)
