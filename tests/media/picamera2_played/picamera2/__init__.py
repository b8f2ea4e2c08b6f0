"""picamera2 played for tests: its names as the agent uses them, a film's access units for an encoder's.

The real one is tried in tests/field. Here the test decides when frames stop and when a call does not return.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from tests.media.picamera2_play import Play

from . import encoders, outputs

__all__ = ["Picamera2", "encoders", "outputs"]

# As the sensor counts: nanoseconds since the machine was started.
_BEGAN_NS = 5_000_000_000_000


class Request:
    def __init__(self, at_ns: int, brightness: int) -> None:
        self._at_ns = at_ns
        self._brightness = brightness

    def get_metadata(self) -> dict[str, object]:
        return {"SensorTimestamp": self._at_ns}

    def make_buffer(self, _name: str) -> np.ndarray:
        # Rows of 640 in 704 bytes, as a Pi pads them to 64.
        return np.full(704 * 360 * 3 // 2, self._brightness, np.uint8)


class Picamera2:
    play = Play()
    camera_controls = {"FrameDurationLimits": (10_000, 1_000_000, None)}  # noqa: RUF012 - as picamera2 has it

    def __init__(self, _number: int) -> None:
        self.post_callback: Callable[[Request], None] | None = None
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def global_camera_info(cls) -> list[dict[str, object]]:
        return [{"Num": number, "Model": "played"} for number in range(cls.play.sensors)]

    def create_video_configuration(self, **wanted: object) -> dict[str, object]:
        return wanted

    def configure(self, _configuration: object) -> None:
        return

    def camera_configuration(self) -> dict[str, object]:
        lores = {"size": (640, 360), "format": "YUV420", "stride": 704}
        return {"main": {"size": self.play.size}, "lores": lores, "colour_space": None}

    def start_recording(self, encoder: encoders.LibavH264Encoder, output: outputs.Output) -> None:
        if self.play.fails_at_start:
            raise RuntimeError(self.play.fails_at_start)
        self._thread = threading.Thread(target=self._run, args=(encoder, output))
        self._thread.start()

    def stop_recording(self) -> None:
        if self.play.hangs_at_close is not None:
            self.play.hangs_at_close.wait()

    def close(self) -> None:
        self._ends.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, encoder: encoders.LibavH264Encoder, output: outputs.Output) -> None:
        for number in range(self.play.sends):
            if self._ends.wait(self.play.pace_s):
                return
            at_us = _BEGAN_NS // 1000 + number * 1_000_000 // self.play.fps
            if self.post_callback is not None:
                self.post_callback(Request(at_us * 1000, number % 200))
            if encoder.firsttimestamp is None:
                encoder.firsttimestamp = at_us
            data, is_key = self.play.units[number % len(self.play.units)]
            output.outputframe(data, is_key, at_us - encoder.firsttimestamp)
        self._ends.wait()
