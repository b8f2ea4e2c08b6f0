// Looks for cameras while the technician reads, and shows only the fields that the chosen one needs.
"use strict";

const found = document.getElementById("found");
const login = document.getElementById("login");
const byHand = document.getElementById("by-hand");
const hand = document.getElementById("hand");

function arrange() {
  const chosen = document.querySelector("input[name=chosen]:checked");
  byHand.hidden = chosen !== hand;
  login.hidden = !chosen || chosen.dataset.local !== undefined;
  for (const card of document.querySelectorAll(".pick")) card.classList.toggle("chosen", card.contains(chosen));
}

async function look() {
  const waiting = found.innerHTML;
  try {
    const answer = await fetch(found.dataset.path);
    if (answer.ok) found.innerHTML = await answer.text();
  } catch {
    found.replaceChildren();
  }
  const first = found.querySelector("input[name=chosen]");
  if (!hand.checked) (first || hand).checked = true;
  const again = document.getElementById("again");
  if (again) again.addEventListener("click", () => { found.innerHTML = waiting; look(); });
  arrange();
}

document.addEventListener("change", arrange);
arrange();
look();
