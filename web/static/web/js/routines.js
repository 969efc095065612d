// A new routine runs by the clock of whoever makes it, until they say otherwise.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const field of document.querySelectorAll("[data-own-zone]")) {
  const known = [...field.list.options].some((option) => option.value === zone);
  if (known && field.value === field.defaultValue && !document.querySelector("[aria-invalid='true']")) {
    field.value = zone;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
