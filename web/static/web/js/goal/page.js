// The goal's page: the stream feeds the transcript, and tells the other parts when to look again.

import { Stream } from "./stream.js";
import { Transcript } from "./transcript.js";

const page = document.querySelector("[data-goal]");
const root = document.getElementById("transcript");
const empty = document.querySelector("[data-transcript-empty]");
const linkState = document.querySelector("[data-link-state]");
const jump = document.querySelector("[data-jump]");
const news = document.getElementById("news");

// Which parts show what a kind of event changes.
const CONCERNS = [
  [/^(goal|plan|planning)\./, ["header", "needs", "answer", "plan", "rail"]],
  [/^task\./, ["header", "plan"]],
  [/^task\.(cancelled|rerun|released)/, ["needs", "answer", "rail"]],
  [/^(approval|question|budget)\./, ["header", "needs", "plan", "rail"]],
  [/^(artifact\.|file\.)/, ["files"]],
  [/^model\.done/, ["header", "rail"]],
];
const TOLD = /^(plan\.(proposed|adopted)|(approval|question)\.asked|budget\.spent|task\.(done|failed)|goal\.(done|failed|cancelled|paused|resumed))$/;
const CALM_MS = 400;
const QUEUE_MS = 10_000;

let shownUntil = 0; // events up to here are already in the parts that the server drew
let stale = new Set();
let timer = null;

function taskOf(id) {
  const row = page.querySelector(`[data-task="${id}"]`);
  return row ? { title: row.dataset.title, who: row.dataset.who } : undefined;
}

const transcript = new Transcript(root, taskOf);

function isAtEnd() {
  return root.getBoundingClientRect().bottom <= window.innerHeight + 80;
}

function toEnd() {
  root.lastElementChild?.scrollIntoView({ block: "end" });
}

function onEvents(events) {
  const follow = isAtEnd() && window.scrollY > 0 && shownUntil > 0;
  transcript.add(events);
  empty.hidden = root.childElementCount > 0;
  if (follow) toEnd();
  jump.hidden = isAtEnd() || !shownUntil;
  if (!shownUntil) return;
  for (const event of events) {
    for (const [kinds, parts] of CONCERNS) if (kinds.test(event.kind)) parts.forEach((part) => stale.add(part));
    if (TOLD.test(event.kind)) news.textContent = root.lastElementChild?.lastElementChild?.textContent ?? "";
  }
  if (stale.size) timer ??= setTimeout(refresh, CALM_MS);
}

function refresh() {
  timer = null;
  for (const name of stale) htmx.trigger(document.getElementById(name), "refresh");
  stale = new Set();
}

function onState(name) {
  linkState.textContent = linkState.dataset[name];
  linkState.className = `link-state ${name}`;
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "plan") transcript.rename();
  if (event.target.id === "preview-body") document.getElementById("preview").showModal();
});
document.addEventListener("goal-acted", () => {
  ["header", "needs", "answer", "plan", "rail"].forEach((part) => stale.add(part));
  timer ??= setTimeout(refresh, 0);
  stream.catchUp();
});
jump.addEventListener("click", () => { toEnd(); jump.hidden = true; });
window.addEventListener("scroll", () => { if (isAtEnd()) jump.hidden = true; }, { passive: true });

function lasting(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
setInterval(() => {
  for (const clock of document.querySelectorAll("time[data-since]")) {
    clock.textContent = lasting(Math.max(0, Math.floor((Date.now() - Date.parse(clock.dataset.since)) / 1000)));
  }
  for (const clock of document.querySelectorAll("time[data-until]")) {
    const left = Math.max(0, Math.ceil((Date.parse(clock.dataset.until) - Date.now()) / 1000));
    clock.textContent = lasting(left);
    if (!left) {
      delete clock.dataset.until;
      lookAgain([clock]);
    }
  }
}, 1000);

// A place in the queue moves on with the work of others, of which this stream tells nothing.
setInterval(() => {
  if (!document.hidden) lookAgain(page.querySelectorAll("[data-queued]"));
}, QUEUE_MS);

// Draw the parts anew that these elements are in.
function lookAgain(elements) {
  for (const each of elements) stale.add(each.closest("[data-panel]").id);
  if (stale.size) timer ??= setTimeout(refresh, 0);
}

const stream = new Stream({ eventsUrl: page.dataset.events, socketPath: page.dataset.socket, onEvents, onState });
await stream.start();
shownUntil = stream.last || 1;
if (stream.last > Number(page.dataset.seq)) {
  ["header", "needs", "answer", "plan", "files", "rail"].forEach((part) => stale.add(part));
  refresh();
}

// A link to a task or to its work opens it; the work is drawn only now.
function showTarget() {
  const target = /^#(work|task)-\d+$/.test(location.hash) && document.querySelector(location.hash);
  if (!target) return;
  const details = target.querySelector(":scope > details");
  if (details) details.open = true;
  target.scrollIntoView();
}
window.addEventListener("hashchange", showTarget);
showTarget();
