// What every page has: colours, keys, toasts, forms that are sent once, parts that stay fresh.

const root = document.documentElement;
const order = ["system", "light", "dark"];

function showTheme() {
  const name = root.dataset.theme ?? "system";
  for (const label of document.querySelectorAll("[data-theme-name]")) {
    label.textContent = label.dataset[name];
  }
}

function switchTheme() {
  const next = order[(order.indexOf(root.dataset.theme ?? "system") + 1) % order.length];
  if (next === "system") delete root.dataset.theme;
  else root.dataset.theme = next;
  try { localStorage.setItem("theme", next); } catch { /* then it lasts for this page only */ }
  showTheme();
}

export function toast(text, good = true) {
  const note = document.createElement("p");
  note.className = good ? "toast success" : "toast error";
  note.textContent = text;
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), good ? 5000 : 12000);
}

function isTyping(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

document.addEventListener("keydown", (event) => {
  const places = document.querySelector("[data-keys]");
  if (!places || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("search").focus();
  } else if (event.key === "?") {
    document.getElementById("keys").showModal();
  } else if (/^[chs]$/.test(event.key)) {
    location.href = places.dataset[event.key];
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-switch]")) switchTheme();
  const barred = event.target.closest("[aria-disabled='true']");
  if (barred) {
    event.preventDefault();
    event.stopImmediatePropagation();
    toast(barred.dataset.why, false);
  }
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    navigator.clipboard
      .writeText(document.getElementById(copy.dataset.copy).textContent)
      .then(() => { copy.textContent = copy.dataset.copied; });
  }
}, true);

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-once]")) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", forgetSent);
document.addEventListener("htmx:afterRequest", forgetSent);
function forgetSent() {
  for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent;
}

document.addEventListener("goal-acted", (event) => {
  toast(event.detail.said, event.detail.good);
  if (event.detail.good && event.target.matches("form")) event.target.reset(); // else it keeps what was typed
});

// Opened details stay open when their part is drawn anew.
document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.target.closest?.("[data-panel]");
  if (part) part.opened = new Map([...part.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
});
document.addEventListener("htmx:afterSwap", (event) => {
  for (const [id, open] of event.target.closest?.("[data-panel]")?.opened ?? []) {
    const details = document.getElementById(id);
    if (details) details.open = open;
  }
});
document.addEventListener("htmx:responseError", () => toast("That did not work. Reload the page and try again.", false));
document.addEventListener("htmx:sendError", () => toast("The house does not answer. Is it running?", false));

for (const part of document.querySelectorAll("[data-refresh-s]")) {
  setInterval(() => {
    if (!document.hidden && !part.contains(document.activeElement)) htmx.trigger(part, "refresh");
  }, 1000 * Number(part.dataset.refreshS));
}

for (const note of document.querySelectorAll(".toast")) setTimeout(() => note.remove(), 8000);
document.querySelector("[aria-invalid='true']")?.focus();
showTheme();
