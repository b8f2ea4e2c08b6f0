// The scene as shapes that a finger moves, and back as the scene file's own words. Knows no page.
"use strict";

const RULES = ["intrusion", "loitering", "stopped_vehicle", "wrong_way"];
// Fractions of the picture: a place on the ground in its lower half, and each new shape a little beside the last.
const PLACES = {
  zone: [[0.22, 0.5], [0.78, 0.5], [0.92, 0.9], [0.08, 0.9]],
  mask: [[0.05, 0.05], [0.35, 0.05], [0.35, 0.25], [0.05, 0.25]],
  line: [[0.2, 0.7], [0.8, 0.7]],
  ground: [[0.3, 0.5], [0.7, 0.5], [0.85, 0.85], [0.15, 0.85]],
};
const NAMES = { intrusion: "people", loitering: "linger", stopped_vehicle: "stop", wrong_way: "way" };

const within = (value) => Math.min(Math.max(value, 0), 1);
const rounded = (point) => point.map((value) => Math.round(within(value) * 10000) / 10000);

function freeName(shapes, stem) {
  for (let number = 1; ; number += 1) {
    if (!shapes.some((each) => each.id === `${stem}-${number}`)) return `${stem}-${number}`;
  }
}

function newShape(shapes, kind, rule) {
  const before = shapes.filter((each) => each.kind === kind).length;
  const aside = (before % 4) * 0.04;
  const shape = { kind, points: PLACES[kind].map(([x, y]) => [within(x + aside), within(y - aside)]) };
  if (kind === "zone") {
    shape.id = freeName(shapes, NAMES[rule]);
    shape.rules = { [rule]: rule === "wrong_way" ? { heading_deg: 90 } : {} };
  }
  if (kind === "line") shape.id = freeName(shapes, "line");
  if (kind === "ground") Object.assign(shape, { width: 4, length: 8 });
  return shape;
}

/** Shapes of a scene in the grammar's words. A ground plane that is no rectangle was the office's: it stays as it is. */
function toShapes(scene) {
  const shapes = [];
  for (const zone of scene.zone || []) {
    const rules = Object.fromEntries(Object.entries(zone.rules || {}).filter(([, rule]) => rule));
    shapes.push({ kind: "zone", id: zone.id, points: zone.polygon, rules });
  }
  for (const line of scene.line || []) shapes.push({ kind: "line", id: line.id, points: line.points });
  for (const mask of scene.mask || []) shapes.push({ kind: "mask", points: mask.polygon });
  if (scene.calibration) {
    const points = scene.calibration.points;
    const [, second, third] = points.map((each) => each.ground_m);
    const isOurs = points.length === 4 && JSON.stringify(points.map((each) => each.ground_m)) === JSON.stringify(rectangle(second[0], third[1]));
    const shape = { kind: "ground", points: points.map((each) => each.image) };
    shapes.push(isOurs ? { ...shape, width: second[0], length: third[1] } : { ...shape, metres: points.map((each) => each.ground_m) });
  }
  return shapes;
}

/** The far edge first, as the corners lie in the picture. */
function rectangle(width, length) {
  return [[0, 0], [width, 0], [width, length], [0, length]];
}

/** The scene with these shapes; what the page does not draw (fire watch, approaches) is kept where it still fits. */
function toScene(base, shapes) {
  const of = (kind) => shapes.filter((each) => each.kind === kind);
  const zones = of("zone").map(({ id, points, rules }) => ({ id, polygon: points.map(rounded), rules }));
  const lines = of("line").map(({ id, points }) => ({ id, points: points.map(rounded) }));
  const has = (list, id) => list.some((each) => each.id === id);
  const scene = {
    ...base,
    zone: zones,
    line: lines,
    mask: of("mask").map(({ points }) => ({ polygon: points.map(rounded) })),
    approach: (base.approach || []).filter((each) => has(zones, each.zone) && has(lines, each.line)),
  };
  const [ground] = of("ground");
  delete scene.calibration;
  if (ground) {
    const metres = ground.metres || rectangle(ground.width, ground.length);
    scene.calibration = { points: ground.points.map((point, at) => ({ image: rounded(point), ground_m: metres[at] })) };
  }
  return scene;
}

function centre(points) {
  const sum = points.reduce(([x, y], [a, b]) => [x + a, y + b], [0, 0]);
  return sum.map((value) => value / points.length);
}
