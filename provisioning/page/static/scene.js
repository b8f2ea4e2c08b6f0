// Drawing by finger: tap a button and a shape stands there; drag its corners, or the + between two of them.
"use strict";

const view = document.getElementById("view");
const svg = document.getElementById("drawing");
const img = document.getElementById("picture");
const card = document.getElementById("card");
const words = (id) => document.getElementById(id);
const camera = view.dataset.camera;
// Of the drawing's own units a thumb covers this much at 360 px; what is seen of a handle is a third of it.
const REACH = 62;
const SEEN = 22;

let base = {};
let shapes = [];
let selected = -1;
let past = [];
let size = { width: 1000, height: 750 };
let dragged = null;
let streamWidth = 0;

function remember() {
  past.push(JSON.stringify(shapes));
  if (past.length > 50) past.shift();
}

function node(name, attributes, parent = svg) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

const place = ([x, y]) => [x * size.width, y * size.height];
const listed = (points) => points.map((point) => place(point).map((each) => each.toFixed(1)).join(",")).join(" ");

function handle(point, kind, act) {
  const [x, y] = place(point);
  const made = node("g", { class: `handle ${kind}` });
  node("circle", { cx: x, cy: y, r: kind === "add" ? REACH * 0.7 : REACH, class: "reach" }, made);
  node("circle", { cx: x, cy: y, r: kind === "add" ? SEEN * 0.65 : SEEN, class: "seen" }, made);
  if (kind === "add") {
    const arm = SEEN * 0.35;
    node("path", { d: `M${x - arm},${y}h${2 * arm}M${x},${y - arm}v${2 * arm}`, class: "plus" }, made);
  }
  made.addEventListener("pointerdown", (event) => begin(event, act()));
  return made;
}

function begin(event, drag) {
  event.preventDefault();
  event.stopPropagation();
  dragged = drag;
  svg.setPointerCapture(event.pointerId);
}

function at(event) {
  const frame = svg.getBoundingClientRect();
  return [within((event.clientX - frame.left) / frame.width), within((event.clientY - frame.top) / frame.height)];
}

svg.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  dragged(at(event));
  draw();
});
for (const kind of ["pointerup", "pointercancel"]) svg.addEventListener(kind, () => { dragged = null; draw(); });
svg.addEventListener("pointerdown", () => { selected = -1; draw(); });

function drawShape(shape, number) {
  const isSelected = number === selected;
  const closed = shape.kind !== "line";
  const made = node(closed ? "polygon" : "polyline", {
    points: listed(shape.points),
    class: `shape ${shape.kind}${isSelected ? " selected" : ""}`,
  });
  made.addEventListener("pointerdown", (event) => {
    if (number !== selected) {
      selected = number;
      begin(event, null);
      draw();
      return;
    }
    remember();
    const from = at(event);
    const before = shape.points.map((point) => [...point]);
    begin(event, ([x, y]) => {
      shape.points = before.map(([a, b]) => [within(a + x - from[0]), within(b + y - from[1])]);
    });
  });
  if (shape.kind === "line") sides(shape);
  if (shape.rules && shape.rules.wrong_way) arrow(shape);
}

function sides(shape) {
  const [[ax, ay], [bx, by]] = shape.points.map(place);
  const length = Math.hypot(bx - ax, by - ay) || 1;
  const [nx, ny] = [-(by - ay) / length, (bx - ax) / length];
  const [mx, my] = [(ax + bx) / 2, (ay + by) / 2];
  node("path", { d: `M${mx - 45 * nx},${my - 45 * ny}L${mx + 45 * nx},${my + 45 * ny}`, class: "count" });
}

function tip(shape) {
  const [x, y] = place(centre(shape.points));
  const angle = shape.rules.wrong_way.heading_deg * Math.PI / 180;
  const reach = size.width * 0.13;
  return { from: [x, y], to: [x + reach * Math.cos(angle), y + reach * Math.sin(angle)] };
}

function arrow(shape) {
  const { from, to } = tip(shape);
  node("path", { d: `M${from[0]},${from[1]}L${to[0]},${to[1]}`, class: "way" });
  const angle = shape.rules.wrong_way.heading_deg * Math.PI / 180;
  const wing = (turn) => [to[0] - 45 * Math.cos(angle + turn), to[1] - 45 * Math.sin(angle + turn)];
  node("polygon", { points: [to, wing(0.5), wing(-0.5)].map((each) => each.join(",")).join(" "), class: "way-head" });
}

function drawTurn(shape) {
  const { from, to } = tip(shape);
  handle([to[0] / size.width, to[1] / size.height], "turn", () => {
    remember();
    return ([x, y]) => {
      const degrees = Math.atan2(y * size.height - from[1], x * size.width - from[0]) * 180 / Math.PI;
      shape.rules.wrong_way.heading_deg = Math.round((degrees + 360) % 360) % 360;
    };
  });
}

function drawHandles(shape) {
  const isOpen = shape.kind === "zone" || shape.kind === "mask";
  if (isOpen && shape.points.length < 16) {
    shape.points.forEach((point, index) => {
      const next = shape.points[(index + 1) % shape.points.length];
      handle([(point[0] + next[0]) / 2, (point[1] + next[1]) / 2], "add", () => {
        remember();
        return (to) => {
          if (shape.growing !== index) shape.points.splice(index + 1, 0, to);
          shape.growing = index;
          shape.points[index + 1] = to;
        };
      });
    });
  }
  shape.points.forEach((point, index) => {
    handle(point, "corner", () => {
      remember();
      return (to) => { shape.points[index] = to; };
    });
  });
}

function draw() {
  svg.replaceChildren();
  if (!dragged) for (const shape of shapes) delete shape.growing;
  shapes.forEach(drawShape);
  const chosen = shapes[selected];
  if (chosen) drawHandles(chosen);
  // Last, so that it lies above a + beneath the arrow's tip.
  if (chosen && chosen.rules && chosen.rules.wrong_way) drawTurn(chosen);
  words("undo").disabled = !past.length;
  words("delete").disabled = !shapes[selected];
  words("save").textContent = shapes.length ? words("save").dataset.full : words("save").dataset.empty;
  showCard(shapes[selected]);
}

function showCard(shape) {
  card.hidden = !shape;
  if (!shape) return;
  words("what").textContent = `${words("what").dataset[shape.kind]}${shape.id ? ` · ${shape.id}` : ""}`;
  for (const part of card.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== shape.kind;
  if (shape.kind === "zone") {
    for (const box of card.querySelectorAll("[data-rule]")) box.checked = Boolean(shape.rules[box.dataset.rule]);
    card.querySelector(".hint-way").hidden = !shape.rules.wrong_way;
    const others = Object.keys(shape.rules).filter((rule) => !RULES.includes(rule));
    card.querySelector(".other-rules").hidden = !others.length;
    card.querySelector(".other-rules span").textContent = others.join(", ");
  }
  if (shape.kind === "ground") {
    for (const name of ["width", "length"]) {
      words(name).disabled = Boolean(shape.metres);
      if (document.activeElement !== words(name)) words(name).value = shape[name] || "";
    }
    const [, , near, left] = shape.points.map(place);
    // Of the stream that vision sees, not of the drawing.
    const pixels = shape.width ? Math.hypot(near[0] - left[0], near[1] - left[1]) * streamWidth / size.width / shape.width : 0;
    words("scale").textContent = pixels ? words("scale").dataset.words.replace("{pixels}", Math.round(pixels)) : "";
  }
}

for (const box of card.querySelectorAll("[data-rule]")) {
  box.addEventListener("change", () => {
    remember();
    const { rules } = shapes[selected];
    if (box.checked) rules[box.dataset.rule] = box.dataset.rule === "wrong_way" ? { heading_deg: 90 } : {};
    else delete rules[box.dataset.rule];
    draw();
  });
}
for (const name of ["width", "length"]) {
  words(name).addEventListener("input", () => {
    const metres = Number(words(name).value);
    if (metres > 0) shapes[selected][name] = metres;
    draw();
  });
}
for (const button of document.querySelectorAll("[data-add]")) {
  button.addEventListener("click", () => {
    const kind = button.dataset.add;
    const known = kind === "ground" ? shapes.findIndex((each) => each.kind === kind) : -1;
    if (known < 0) {
      remember();
      shapes.push(newShape(shapes, kind, button.dataset.preset));
    }
    selected = known < 0 ? shapes.length - 1 : known;
    draw();
    view.scrollIntoView({ block: "nearest" });
  });
}
words("undo").addEventListener("click", () => {
  if (past.length) shapes = JSON.parse(past.pop());
  if (selected >= shapes.length) selected = -1;
  draw();
});
words("delete").addEventListener("click", () => {
  remember();
  shapes.splice(selected, 1);
  selected = -1;
  draw();
});

function refuse(problem, kind, number) {
  words("problem").textContent = problem;
  words("problem").hidden = false;
  words("problem").scrollIntoView({ block: "nearest" });
  const meant = shapes.filter((each) => each.kind === kind)[number - 1];
  if (meant) selected = shapes.indexOf(meant);
  words("save").disabled = false;
  words("save").classList.remove("busy");
  draw();
}

words("save").addEventListener("click", async () => {
  words("save").disabled = true;
  words("save").classList.add("busy");
  const token = document.querySelector('meta[name="csrf"]').content;
  const headers = { "X-Csrf": token, "Content-Type": "application/json", Accept: "application/json" };
  try {
    const answer = await fetch(`/scene/${camera}`, { method: "POST", headers, body: JSON.stringify(toScene(base, shapes)) });
    const said = await answer.json();
    if (answer.ok) window.location.assign(said.next);
    else refuse(said.problem || view.dataset.lost, said.kind, said.number);
  } catch {
    refuse(view.dataset.lost);
  }
});

async function look(number) {
  let next = number;
  if (!document.hidden && !dragged) {
    try {
      const answer = await fetch(`/aim/${camera}/picture.jpg?after=${number}`);
      if (answer.ok) {
        next = Number(answer.headers.get("x-number"));
        streamWidth = Number(answer.headers.get("x-width"));
        const old = img.src;
        img.src = URL.createObjectURL(await answer.blob());
        if (old.startsWith("blob:")) URL.revokeObjectURL(old);
      }
    } catch { /* the next look tells */ }
  }
  window.setTimeout(() => look(next), 700);
}

img.addEventListener("load", () => {
  const { naturalWidth: width, naturalHeight: height } = img;
  const scaled = { width: 1000, height: Math.round(1000 * height / width) };
  if (scaled.height === size.height) return;
  size = scaled;
  svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  draw();
});

async function start() {
  try {
    const said = await (await fetch(`/scene/${camera}/drawing.json`)).json();
    base = said.scene;
    shapes = toShapes(base);
    if (said.problem) refuse(said.problem);
  } catch {
    refuse(view.dataset.lost);
  }
  draw();
  look(0);
}
start();
