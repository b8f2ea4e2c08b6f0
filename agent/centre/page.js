// Reads the page again, and says so when it cannot: an old "free" must not be believed.
"use strict";
const EVERY_MS = 20000;
const LIMIT_MS = 15000;
// The contract's limit for a traffic word: beyond it every level is unknown (docs/asyncapi.yaml).
const STALE_MS = 180000;
let readAt = Date.now();

async function readAgain() {
  const stale = document.getElementById("stale");
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(LIMIT_MS) });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    document.querySelector("main").replaceWith(fresh);
    readAt = Date.now();
    stale.hidden = true;
  } catch {
    stale.hidden = false;
    if (Date.now() - readAt > STALE_MS) {
      for (const each of document.querySelectorAll("[data-level]")) {
        each.textContent = stale.dataset.unknown;
        each.className = "tag unknown";
      }
    }
  }
  setTimeout(readAgain, EVERY_MS);
}
setTimeout(readAgain, EVERY_MS);
