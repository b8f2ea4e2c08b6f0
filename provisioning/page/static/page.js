// What every page does: a form is sent once, and says that it is under way.
"use strict";

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  const button = event.submitter || document.querySelector(`button[form="${form.id}"]`);
  if (button) button.classList.add("busy");
});

// Coming back with the browser's arrow shows the page as it was left: its forms may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
  for (const button of document.querySelectorAll(".busy")) button.classList.remove("busy");
});

// A choice that needs no second tap: <select data-send> or <input type="file" data-send>.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.dataset.send !== undefined && field.form && field.value) field.form.requestSubmit();
});

// A button in the technician's language instead of the browser's own file field, which stays for pages without scripts.
for (const button of document.querySelectorAll("button[data-file]")) {
  const field = document.getElementById(button.dataset.file);
  button.hidden = false;
  button.addEventListener("click", () => field.click());
}
for (const each of document.querySelectorAll("[data-without-script]")) each.hidden = true;

// Pages that wait for something: <meta name="again" content="5"> reloads without a script-less page's blinking.
const again = document.querySelector('meta[name="again"]');
if (again) window.setTimeout(() => window.location.reload(), Number(again.content) * 1000);

/** POST with the page's token; `fields` is a plain object or a FormData. Gives the Response. */
function send(path, fields) {
  const token = document.querySelector('meta[name="csrf"]').content;
  const body = fields instanceof FormData ? fields : new URLSearchParams(fields);
  return fetch(path, { method: "POST", body, headers: { "X-Csrf": token, Accept: "application/json" } });
}

// <form data-again="15"> asks again by itself after that many seconds, unless the person is busy in another form.
for (const form of document.querySelectorAll("form[data-again]")) {
  window.setTimeout(() => {
    if (!document.querySelector("form[data-sent]")) form.requestSubmit();
  }, Number(form.dataset.again) * 1000);
}
