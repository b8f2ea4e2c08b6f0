// Follows the walk: seen on the node, arrived at the centre.
"use strict";

const walk = document.getElementById("walk");
const words = (id) => document.getElementById(id);
// What each state has behind it.
const REACHED = { waiting: [], not_seen: [], seen: ["waiting", "seen"], not_arrived: ["waiting", "seen"], arrived: ["waiting", "seen", "arrived"] };

function show(told) {
  const { state } = told;
  walk.dataset.state = state;
  words("sentence").textContent = told.sentence;
  const kind = { arrived: "ok", not_seen: "warning", not_arrived: "warning" }[state] || "";
  words("sentence").className = `notice ${kind}`;
  for (const part of document.querySelectorAll("[data-in]")) part.hidden = !part.dataset.in.split(" ").includes(state);
  for (const line of document.querySelectorAll("[data-when]")) {
    const isReached = (REACHED[state] || []).includes(line.dataset.when);
    line.className = isReached ? "ok" : "";
    const sign = line.querySelector(".sign");
    sign.dataset.number = sign.dataset.number || sign.textContent;
    sign.textContent = isReached ? "✓" : sign.dataset.number;
  }
  words("seen").textContent = told.seen;
  words("seen-words").textContent = told.seen_words;
  words("acked").textContent = told.acked;
  if (told.still && words("still").getAttribute("src") !== told.still) {
    words("still").src = told.still;
    words("still").hidden = false;
  }
}

async function follow() {
  try {
    const answer = await fetch(`/walk/${walk.dataset.camera}/state.json`, { headers: { Accept: "application/json" } });
    if (answer.ok) show(await answer.json());
  } catch {
    words("sentence").textContent = walk.dataset.lost;
  }
  if (walk.dataset.state !== "arrived" && walk.dataset.state !== "idle") window.setTimeout(follow, 700);
}

if (walk) follow();
