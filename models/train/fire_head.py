"""Trains the fire head on the detector's frozen trunk, on two cores in a quarter of an hour.

    python models/train/fire_head.py models/nanodet_g_coco_416_fp16w.onnx PICTURES HEAD.npz [EPOCHS]

PICTURES holds `fire_smoke/` and `negatives/` (models/cards/fire-416.md says which). Needs torch, onnx, onnxruntime and
OpenCV in an environment of its own. What the trunk makes of 10 000 pictures is kept in memory: 8 GB.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as fn
from fire_pictures import Composer, Drawn, as_it_is, read_sets, varied
from onnx import TensorProto, helper
from torch import Tensor, nn

FINE, COARSE = "t162", "t206"
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
STD = np.array([57.375, 57.12, 58.395], np.float32)
COMPOSED = 2400
BATCH = 32
SEED = 1


class Head(nn.Module):
    """Two neck maps in, (2, 52, 52) logits out; models/export/fire.py builds the same as ONNX."""

    def __init__(self, channels: int = 40) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(128, channels, 1), nn.Conv2d(128, channels, 1)
        self.d1, self.p1 = _depthwise(channels), nn.Conv2d(channels, channels, 1)
        self.d2, self.p2 = _depthwise(channels), nn.Conv2d(channels, channels, 1)
        self.o = nn.Conv2d(channels, 2, 1)
        nn.init.constant_(self.o.bias, -4.0)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        x = fn.leaky_relu(self.a(fine) + fn.interpolate(self.b(coarse), scale_factor=4.0), 0.1)
        x = x + fn.leaky_relu(self.p1(self.d1(x)), 0.1)
        x = x + fn.leaky_relu(self.p2(fn.leaky_relu(self.d2(x), 0.1)), 0.1)
        return self.o(x)


def _depthwise(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels)


def loss_of(logits: Tensor, cells: Tensor) -> Tensor:
    """Focal loss by cell, and one by picture: boxes are loose, so what lies inside one may be empty, but something in
    the picture must answer where there is a box, and nothing where there is none."""
    p = torch.sigmoid(logits)
    right = torch.where(cells > 0, p, 1 - p)
    each = fn.binary_cross_entropy_with_logits(logits, cells, reduction="none") * (1 - right) ** 1.5
    weight = torch.where(cells > 0, 0.7, 1.0)
    beside = (fn.max_pool2d(cells, 3, 1, 1) - cells) > 0
    weight = torch.where(beside, 0.2, weight)
    by_cell = (each * weight).sum((2, 3)) / (60 + 0.5 * cells.sum((2, 3)))
    best = p.flatten(2).topk(6, dim=2)[0].mean(2).clamp(1e-4, 1 - 1e-4)
    holds = (cells.flatten(2).amax(2) > 0).float()
    return by_cell.mean() + 0.25 * fn.binary_cross_entropy(best, holds)


class Trunk:
    """The detector with its neck maps as outputs."""

    def __init__(self, path: Path) -> None:
        model = onnx.load(str(path))
        model.graph.output.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (FINE, COARSE)
        )
        self._session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def maps(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = ((picture.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None]
        fine, coarse = self._session.run([FINE, COARSE], {"images": images})
        return fine[0].astype(np.float16), coarse[0].astype(np.float16)


def training_pictures(root: Path) -> list[Callable[[], Drawn]]:
    """Every labelled picture as it is and twice varied, the plain ones alike, and composed ones."""
    labelled, plain = read_sets(root)
    backgrounds = [cv2.imread(str(one.path)) for one in plain]
    # Seeded, so that two runs train on the same pictures.
    rng, noise = random.Random(SEED), np.random.default_rng(SEED)  # noqa: S311
    draws: list[Callable[[], Drawn]] = []
    for one in (*labelled, *plain):
        if not one.is_test:
            draws += [partial(as_it_is, one), *[partial(varied, one, backgrounds, rng, noise)] * 2]
    composer = Composer(labelled, backgrounds, SEED)
    return draws + [partial(composer.compose, with_flames=number % 2 == 1) for number in range(COMPOSED)]


def test_pictures(root: Path) -> list[Callable[[], Drawn]]:
    labelled, plain = read_sets(root)
    return [partial(as_it_is, one) for one in (*labelled, *plain) if one.is_test]


def maps_of(trunk: Trunk, pictures: Sequence[Callable[[], Drawn]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neck maps and cells of all pictures, in arrays that are made once: a list of them would take twice the memory."""
    count = len(pictures)
    fine = np.empty((count, 128, 52, 52), np.float16)
    coarse = np.empty((count, 128, 13, 13), np.float16)
    cells = np.empty((count, 2, 52, 52), np.uint8)
    for index, draw in enumerate(pictures):
        picture, cells[index] = draw()
        fine[index], coarse[index] = trunk.maps(picture)
    return fine, coarse, cells


def tensors(maps: tuple[np.ndarray, ...], index: np.ndarray) -> Iterator[Tensor]:
    return (torch.from_numpy(each[index].astype(np.float32)) for each in maps)


def train(head: Head, maps: tuple[np.ndarray, ...], epochs: int) -> None:
    count = len(maps[0])
    rng = np.random.default_rng(SEED)
    optimiser = torch.optim.AdamW(head.parameters(), 2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=epochs * (count // BATCH))
    for epoch in range(epochs):
        order = rng.permutation(count)
        total = 0.0
        for start in range(0, count - BATCH + 1, BATCH):
            fine, coarse, cells = tensors(maps, np.sort(order[start : start + BATCH]))
            optimiser.zero_grad()
            loss = loss_of(head(fine, coarse), cells)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / (count // BATCH):.4f}", flush=True)


@torch.no_grad()
def report(head: Head, maps: tuple[np.ndarray, ...]) -> None:
    """Recall and false alarms by picture, of pictures held out; near-duplicates make them kinder than the street is."""
    best, holds = [], []
    for start in range(0, len(maps[0]), BATCH):
        fine, coarse, cells = tensors(maps, np.arange(start, min(start + BATCH, len(maps[0]))))
        best.append(torch.sigmoid(head(fine, coarse)).flatten(2).topk(4, dim=2)[0].mean(2))
        holds.append(cells.flatten(2).amax(2) > 0)
    scores, truth = torch.cat(best), torch.cat(holds)
    for kind, name in enumerate(("fire", "smoke")):
        for limit in (0.3, 0.5, 0.6, 0.7):
            said = scores[:, kind] > limit
            recall = said[truth[:, kind]].float().mean().item()
            false = said[~truth[:, kind]].float().mean().item()
            print(f"{name} at {limit}: recall {recall:.3f}, false alarms {false:.3f}")


def main() -> None:
    trunk_path, root, out = map(Path, sys.argv[1:4])
    epochs = int(sys.argv[4]) if len(sys.argv) > 4 else 14
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    trunk = Trunk(trunk_path)
    head = Head()
    train(head, maps_of(trunk, training_pictures(root)), epochs)
    np.savez(out, **{name: value.numpy() for name, value in head.state_dict().items()})
    head.eval()
    report(head, maps_of(trunk, test_pictures(root)))


if __name__ == "__main__":
    main()
