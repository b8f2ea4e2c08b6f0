"""The first picture of a small MP4, as a contact sheet is made of. Untrusted bits: only where nothing else is kept."""

from __future__ import annotations

import io

import av

from agent.errors import VideoError
from agent.media.decoder import Picture


def first_picture(mp4: bytes) -> Picture:
    """Raises VideoError for what does not decode."""
    try:
        with av.open(io.BytesIO(mp4), "r", format="mp4") as container:
            video = container.streams.video[0]
            video.codec_context.thread_type = "NONE"
            for frame in container.decode(video):
                return Picture(frame, 0)
    except (av.FFmpegError, IndexError) as exc:
        raise VideoError(detail=str(exc), remedy="the picture does not decode") from exc
    raise VideoError(remedy="the picture does not decode")
