// The live picture, its focus, and a line that a finger lays along the horizon.
"use strict";

const view = document.getElementById("view");
const canvas = document.getElementById("live");
const pen = canvas.getContext("2d");
const words = (id) => document.getElementById(id);
const picturePath = `/aim/${view.dataset.camera}/picture.jpg`;
// Ends of the line, as fractions of the picture.
const ends = [{ x: 0.08, y: 0.5 }, { x: 0.92, y: 0.5 }];
let picture = null;
let number = 0;
let held = null;
let isMoved = false;

function draw() {
  const { width, height } = canvas;
  if (picture) pen.drawImage(picture, 0, 0, width, height);
  const unit = width / 360;
  pen.lineWidth = 1.5 * unit;
  pen.strokeStyle = "rgba(255,255,255,.75)";
  pen.setLineDash([6 * unit, 6 * unit]);
  line({ x: 0, y: middle() }, { x: 1, y: middle() });
  pen.setLineDash([]);
  pen.lineWidth = 5 * unit;
  pen.strokeStyle = "rgba(0,0,0,.55)";
  line(...ends);
  pen.lineWidth = 2.5 * unit;
  pen.strokeStyle = "#ffd24d";
  line(...ends);
  for (const end of ends) {
    pen.beginPath();
    pen.arc(end.x * width, end.y * height, 13 * unit, 0, 2 * Math.PI);
    pen.fillStyle = "rgba(255,210,77,.55)";
    pen.fill();
    pen.lineWidth = 2.5 * unit;
    pen.stroke();
  }
}

function middle() { return (ends[0].y + ends[1].y) / 2; }

function line(a, b) {
  pen.beginPath();
  pen.moveTo(a.x * canvas.width, a.y * canvas.height);
  pen.lineTo(b.x * canvas.width, b.y * canvas.height);
  pen.stroke();
}

function roll() {
  const [a, b] = ends;
  return Math.atan2((b.y - a.y) * canvas.height, (b.x - a.x) * canvas.width) * 180 / Math.PI;
}

function tell() {
  if (!isMoved) return;
  const degrees = roll();
  const key = Math.abs(degrees) < 0.5 ? "level" : degrees > 0 ? "right" : "left";
  words("roll-words").textContent = view.dataset[key].replace("{degrees}", Math.abs(degrees).toFixed(1));
  words("roll").value = degrees.toFixed(1);
}

function place(event) {
  const frame = canvas.getBoundingClientRect();
  const within = (value) => Math.min(Math.max(value, 0), 1);
  return { x: within((event.clientX - frame.left) / frame.width), y: within((event.clientY - frame.top) / frame.height) };
}

canvas.addEventListener("pointerdown", (event) => {
  const at = place(event);
  const frame = canvas.getBoundingClientRect();
  const away = (end) => Math.hypot((end.x - at.x) * frame.width, (end.y - at.y) * frame.height);
  const nearest = away(ends[0]) < away(ends[1]) ? ends[0] : ends[1];
  // Half a thumb; elsewhere the finger scrolls the page.
  if (away(nearest) > 36) return;
  held = nearest;
  canvas.setPointerCapture(event.pointerId);
  event.preventDefault();
});
canvas.addEventListener("pointermove", (event) => {
  if (!held) return;
  Object.assign(held, place(event));
  isMoved = true;
  tell();
  draw();
});
for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => { held = null; });

function measure(headers) {
  const share = Number(headers.get("x-share"));
  const advice = headers.get("x-advice");
  words("focus").hidden = false;
  words("focus").className = `focus ${advice}`;
  words("advice").textContent = words("advice").dataset[advice];
  words("score").textContent = headers.get("x-score");
  words("best").textContent = headers.get("x-best") === "0" ? "…" : headers.get("x-best");
  words("now").style.width = `${Math.round(share * 100)}%`;
  const isRing = headers.get("x-from-ring") === "1";
  words("state").hidden = !isRing;
  if (isRing) words("state").textContent = view.dataset.ring;
  words("next").disabled = false;
}

async function next() {
  const answer = await fetch(`${picturePath}?after=${number}`, { headers: { Accept: "image/jpeg, application/json" } });
  if (!answer.ok) {
    const said = answer.status === 503 ? await answer.json() : { problem: view.dataset.lost };
    words("state").textContent = said.problem;
    words("state").hidden = false;
    return 1000;
  }
  number = Number(answer.headers.get("x-number"));
  picture = await createImageBitmap(await answer.blob());
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  measure(answer.headers);
  draw();
  return 0;
}

async function follow() {
  let pause = 1000;
  if (!document.hidden) {
    try {
      pause = await next();
    } catch {
      words("state").textContent = view.dataset.lost;
      words("state").hidden = false;
    }
  }
  window.setTimeout(follow, pause);
}

words("over").addEventListener("click", () => send(`/aim/${view.dataset.camera}/over`, {}));
draw();
follow();
