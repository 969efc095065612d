// Files dropped or chosen, gathered over several goes, listed with their sizes, removable.

const zone = document.querySelector("[data-drop]");
const input = zone.querySelector("input[type=file]");
const list = zone.querySelector("[data-file-list]");
let kept = new DataTransfer();

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function isKept(file) {
  return [...kept.files].some((f) => f.name === file.name && f.size === file.size && f.lastModified === file.lastModified);
}

function add(files) {
  for (const file of files) if (!isKept(file)) kept.items.add(file);
  show();
}

function remove(gone) {
  const rest = new DataTransfer();
  for (const file of kept.files) if (file !== gone) rest.items.add(file);
  kept = rest;
  show();
}

function show() {
  input.files = kept.files;
  list.replaceChildren(...[...kept.files].map(row));
}

function row(file) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = file.name;
  const meta = document.createElement("span");
  meta.className = "meta";
  meta.textContent = size(file.size);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = list.dataset.remove;
  button.setAttribute("aria-label", `${list.dataset.remove} ${file.name}`);
  button.addEventListener("click", () => remove(file));
  item.append(name, meta, button);
  return item;
}

input.addEventListener("change", () => add([...input.files]));
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) zone.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  zone.classList.remove("over");
  add(event.dataTransfer.files);
});
