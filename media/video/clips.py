"""Reads an uploaded video: MP4, MOV, 3GP or WebM, with H.264, HEVC, VP8, VP9 or AV1.

Runs in the sandbox, and only after `media.structure` has accepted the upload. Frames are turned
upright, get square pixels, and are brought to BT.709; HDR is tone-mapped. Their times stay as they
are, so a variable frame rate stays one; a second has 60 frames at most. Of several tracks, the
first with pictures and the first with sound count. A frame or sample that is damaged is left out,
as players do, but most of the video must be there.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, BinaryIO

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.structure.limits import (
    DAMAGED_VIDEO,
    ENOUGH,
    MAX_VIDEO_PIXELS,
    NotAVideoError,
    VideoTooLargeError,
)
from media.variants import ProcessedVideo
from media.video.encoding import Encoder, Sound
from media.video.scaling import Filters, Scaler
from media.video.tones import transfer_of

CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1"})
_PCM = [f"pcm_s{bits}{order}" for bits in (16, 24, 32) for order in ("le", "be")]
_SOUNDS = frozenset(
    [*_PCM, "aac", "ac3", "alac", "amr_nb", "amr_wb", "eac3", "flac", "mp3", "opus", "vorbis"]
)
# FFmpeg would open decoders of all tracks to learn their formats. By its names of decoders.
_DECODERS = ",".join({*CODECS, *_SOUNDS, "libdav1d", "mp3float", "amrnb", "amrwb"})
# A video that is longer by less is taken: the sound often ends later than the pictures.
_SECONDS_OVER = 0.5
_RATES = frozenset({44_100, 48_000})
_RATE = 48_000
# The sound of some seconds, in frames of a fortieth.
_MAX_EARLY = 500
# So often a track may change its size or format.
_MAX_CHANGES = 16
_MIN_SIDE = 16
# Frames a second, of a video that does not say how long its last frame is shown.
_USUAL_RATE = 30
# By the numbers of ITU-T H.273: BT.709, BT.601 in its forms, BT.2020.
_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
_HD_SIDE = 720
# How to turn frames upright, by the signs of their display matrix: (a, b, c, d).
_UPRIGHT: dict[tuple[int, ...], Filters] = {
    (1, 0, 0, 1): (),
    (0, 1, -1, 0): (("transpose", "dir=clock"),),
    (-1, 0, 0, -1): (("hflip", ""), ("vflip", "")),
    (0, -1, 1, 0): (("transpose", "dir=cclock"),),
    (-1, 0, 0, 1): (("hflip", ""),),
    (1, 0, 0, -1): (("vflip", ""),),
    (0, 1, 1, 0): (("transpose", "dir=cclock_flip"),),
    (0, -1, -1, 0): (("transpose", "dir=clock_flip"),),
}
# What PyAV raises for damaged content.
_DAMAGED = (av.FFmpegError, ValueError, EOFError, OverflowError)


def read_clip(
    file: BinaryIO, tell: Callable[[int], object], *, format_: str, max_seconds: int
) -> ProcessedVideo:
    """Make the variants of a video; tells the progress in percent. `format_`: by `container_of`.

    Raises `NotAVideoError`, and `VideoTooLargeError` for more seconds or pixels than are accepted.
    """
    try:
        # The format is given, so that no other reader of FFmpeg is tried.
        options = {"ignore_chapters": "1", "codec_whitelist": _DECODERS}
        container = av.open(file, "r", format=format_, options=options)
    except _DAMAGED as error:
        raise NotAVideoError(DAMAGED_VIDEO) from error
    with container:
        return _Clip(container, max_seconds).processed(tell)


class _Clip:
    """One video that is being read."""

    def __init__(self, container: InputContainer, max_seconds: int) -> None:
        self._container, self._max_seconds = container, max_seconds
        self._video = self._first_video()
        self._audio = self._first_audio()
        self._origin: float | None = None
        self._encoder: Encoder | None = None
        self._resampler: AudioResampler | None = None
        self._resampled_kind: tuple[str, str, int] | None = None
        self._rate, self._layout = _RATE, "stereo"
        # Of the sound: the time at which the next sample is due.
        self._next_sample = 0
        # Samples that come before the first picture is decoded.
        self._early: list[AudioFrame] = []
        self._scaler: Scaler | None = None
        self._scaled_kind: tuple[Any, ...] = ()
        self._changes = 0
        self.packets = self.frames = 0
        self.end = self.sound_end = 0.0

    def _first_video(self) -> VideoStream:
        streams = [
            stream
            for stream in self._container.streams.video
            if Disposition.attached_pic not in stream.disposition
        ]
        if not streams:
            raise NotAVideoError("The video has no pictures")
        stream = streams[0]
        codec = stream.codec_context
        if codec is None or codec.codec.canonical_name not in CODECS:
            raise NotAVideoError(
                "The pictures of the video are in a format that is not accepted. Use H.264, HEVC, "
                "VP8, VP9 or AV1"
            )
        codec.thread_count = 1
        _check_size(codec.width, codec.height)
        return stream

    def _first_audio(self) -> AudioStream | None:
        for stream in self._container.streams.audio:
            codec = stream.codec_context
            if codec is not None and codec.codec.canonical_name in _SOUNDS and codec.sample_rate:
                codec.thread_count = 1
                return stream
        return None

    def _streams(self) -> list[VideoStream | AudioStream]:
        return [self._video, self._audio] if self._audio else [self._video]

    def _declared_seconds(self, stream: VideoStream | AudioStream) -> float | None:
        """How long a track is by the file, if it says so."""
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        length = self._container.duration
        return None if length is None else length / av.time_base

    def processed(self, tell: Callable[[int], object]) -> ProcessedVideo:
        if any(
            (self._declared_seconds(stream) or 0) > self._max_seconds + _SECONDS_OVER
            for stream in self._streams()
        ):
            raise self._too_long()
        declared = self._declared_seconds(self._video)
        for seconds in self._read():
            share = seconds / (declared or self._max_seconds)
            tell(max(0, min(99, int(100 * share))))
        if self._encoder is None or self.frames < ENOUGH * self.packets:
            raise NotAVideoError(DAMAGED_VIDEO)
        # A WebM does not tell how long its pictures are, only the whole.
        is_whole = self._container.format.name.startswith("matroska")
        end = max(self.end, self.sound_end) if is_whole else self.end
        if declared is not None and end < ENOUGH * declared:
            raise NotAVideoError(f"The video is incomplete: less than {ENOUGH:.0%} of it is there")
        return self._encoder.finish()

    def _too_long(self) -> VideoTooLargeError:
        return VideoTooLargeError(f"The video is longer than {self._max_seconds} seconds")

    def _read(self) -> Iterator[float]:
        """Encode everything; yields the time that it has reached after each frame, in seconds."""
        for packet in self._packets():
            try:
                frames: Sequence[Any] = packet.decode()
            except MemoryError:
                raise
            except _DAMAGED:
                continue
            for frame in frames:
                if isinstance(frame, VideoFrame):
                    self._add_frame(frame)
                    yield self.end
                elif isinstance(frame, AudioFrame):
                    self._add_sound(frame)

    def _packets(self) -> Iterator["Packet[Any]"]:
        """What the file has of the two tracks; it may end in the middle. Counts the pictures."""
        packets = self._container.demux(*self._streams())
        while True:
            try:
                packet = next(packets)
            except (StopIteration, *_DAMAGED):
                return
            self.packets += packet.stream is self._video and self._is_shown(packet)
            yield packet

    def _is_shown(self, packet: "Packet[Any]") -> bool:
        """Whether a packet should give a picture."""
        # The last packet of a track is an empty one, which has what is left decoded.
        if not packet.size or packet.is_discard:
            return False
        # VP8 has frames that only others refer to (RFC 6386, 9.1).
        is_vp8 = self._video.codec_context.codec.canonical_name == "vp8"
        return not is_vp8 or bool(memoryview(packet)[0] & 0x10)

    def _add_frame(self, frame: VideoFrame) -> None:
        self.frames += 1
        seconds = self._seconds_of(frame)
        if seconds is None:
            return
        if seconds > self._max_seconds + _SECONDS_OVER:
            raise self._too_long()
        shown = float(frame.duration * (frame.time_base or 0)) or 1 / _USUAL_RATE
        shown = min(shown, self._max_seconds)
        self.end = max(self.end, seconds + shown)
        if self._encoder is not None and not self._encoder.is_wanted(seconds):
            return
        kind = _kind(frame)
        if self._scaler is None or self._encoder is None or kind != self._scaled_kind:
            self._scaled_kind = kind
            self._encoder, self._scaler = self._prepared(frame)
            self._add_early_sound()
        self._encoder.add_frame(self._scaler.scaled(frame), seconds, shown)

    def _seconds_of(self, frame: VideoFrame) -> float | None:
        """The time of a frame after the first one; None if it has none, or an earlier one."""
        if frame.pts is None:
            return None
        if self._origin is None:
            self._origin = frame.time
        seconds = frame.time - self._origin
        return seconds if seconds >= 0 else None

    def _prepared(self, frame: VideoFrame) -> tuple[Encoder, Scaler]:
        """The encoder, made for the first frame, and a scaler for frames of this kind."""
        self._changes += 1
        if self._changes > _MAX_CHANGES:
            raise NotAVideoError("The pictures of the video change their size too often")
        _check_size(frame.width, frame.height)
        upright = _upright(frame)
        encoder = self._encoder
        if encoder is None:
            width, height = _shown_size(frame, self._video.sample_aspect_ratio)
            if any(name == "transpose" for name, _ in upright):
                width, height = height, width
            encoder = Encoder(width=width, height=height, sound=self._sound())
        return encoder, Scaler(frame, encoder.size, *_colours(frame), *upright)

    def _add_early_sound(self) -> None:
        early, self._early = self._early, []
        for sound in early:
            self._add_sound(sound)

    def _sound(self) -> Sound | None:
        if self._audio is None:
            return None
        codec = self._audio.codec_context
        rate = codec.sample_rate if codec.sample_rate in _RATES else _RATE
        sound = Sound(rate, "mono" if codec.layout.nb_channels == 1 else "stereo")
        self._rate, self._layout = rate, sound.layout
        return sound

    def _add_sound(self, frame: AudioFrame) -> None:
        """Encode samples, from the first picture on, without gaps of less than a tenth of a
        second.
        """
        if self._encoder is None or self._origin is None:
            if len(self._early) < _MAX_EARLY:
                self._early.append(frame)
            return
        if frame.time is None:
            return
        seconds = frame.time - self._origin
        if seconds > self._max_seconds + _SECONDS_OVER:
            return
        self.sound_end = max(self.sound_end, seconds + frame.samples / frame.sample_rate)
        due = round(seconds * self._rate)
        frame.pts = None
        for part in self._resampled(frame):
            if due + part.samples > 0:
                gap = due - self._next_sample
                if gap < -self._rate // 10:
                    continue
                if gap > self._rate // 10:
                    self._next_sample = due
                part.pts, part.time_base = self._next_sample, Fraction(1, self._rate)
                self._next_sample += part.samples
                self._encoder.add_sound(part)
            due += part.samples

    def _resampled(self, frame: AudioFrame) -> Sequence[AudioFrame]:
        """The samples of a frame as they are encoded; none of a frame that cannot be converted."""
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if self._resampler is None or kind != self._resampled_kind:
            self._resampler, self._resampled_kind = self._new_resampler(), kind
        try:
            return self._resampler.resample(frame)
        except MemoryError:
            raise
        except _DAMAGED:
            return ()

    def _new_resampler(self) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._layout, rate=self._rate)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < _MIN_SIDE:
        raise NotAVideoError(f"The video has {width} x {height} pixels, which is too small")
    if width * height > MAX_VIDEO_PIXELS:
        raise VideoTooLargeError(
            f"The video has {width} x {height} pixels; at most {MAX_VIDEO_PIXELS} are accepted"
        )


def _kind(frame: VideoFrame) -> tuple[Any, ...]:
    """What a graph depends on."""
    return (
        frame.width,
        frame.height,
        frame.format.name,
        frame.colorspace,
        frame.color_range,
        frame.color_trc,
        frame.color_primaries,
    )


def _shown_size(frame: VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """The size of a frame with square pixels; narrow pixels make it narrower."""
    if not aspect or not Fraction(1, 4) <= aspect <= 4:
        return frame.width, frame.height
    return max(_MIN_SIDE, round(frame.width * aspect)), frame.height


def _upright(frame: VideoFrame) -> Filters:
    """The filters that turn and mirror a frame as its display matrix says (ISO/IEC 14496-12)."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return ()
    a, b, _, c, d, *_ = struct.unpack_from("=9i", bytes(matrix))
    most = max(map(abs, (a, b, c, d)))
    signs = tuple(0 if 2 * abs(each) < most else (each > 0) - (each < 0) for each in (a, b, c, d))
    return _UPRIGHT.get(signs, ())


def _colours(frame: VideoFrame) -> Filters:
    """The filter that says what the colours of a frame are, where it does not, or where FFmpeg
    cannot convert them: what players take. Other primaries than HDR's are close to those of BT.709.
    """
    said = [] if transfer_of(frame) else ["color_primaries=bt709", "color_trc=bt709"]
    if not frame.format.is_rgb and frame.colorspace not in _MATRICES:
        is_hd = min(frame.width, frame.height) >= _HD_SIDE
        matrix = "bt2020nc" if transfer_of(frame) else "bt709" if is_hd else "smpte170m"
        said.append(f"colorspace={matrix}")
    return (("setparams", ":".join(said)),) if said else ()
