// One tap gives every point that has no reason yet the same one.
"use strict";

for (const button of document.querySelectorAll("[data-reason]")) {
  button.addEventListener("click", () => {
    const given = [...document.querySelectorAll("[data-reason]")].map((each) => each.dataset.reason);
    for (const field of document.querySelectorAll("input.reason")) {
      if (!field.value || given.includes(field.value)) field.value = button.dataset.reason;
    }
  });
}
