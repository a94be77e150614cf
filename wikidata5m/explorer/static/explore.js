// Suggestions while one types a name: the combobox pattern of WAI-ARIA. Without this script every
// page works the same, a search being sent by its button.
"use strict";

const WAIT = 90; // milliseconds without a key before the server is asked

function suggest(input) {
  const list = document.createElement("ul");
  list.className = "suggestions";
  list.id = `${input.id}-suggestions`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Entities");
  list.hidden = true;
  input.parentElement.append(list);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"],
    ["aria-controls", list.id], ["aria-expanded", "false"]]) input.setAttribute(name, value);

  let chosen = -1, timer = 0, asked = null;

  function close() {
    list.hidden = true;
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function mark(place) {
    const items = [...list.children];
    chosen = (place + items.length) % items.length;
    items.forEach((item, i) => item.setAttribute("aria-selected", String(i === chosen)));
    input.setAttribute("aria-activedescendant", items[chosen].id);
    items[chosen].scrollIntoView({block: "nearest"});
  }

  function take(hit) {
    if (input.dataset.suggest === "go") location.assign(hit.url);
    else { input.value = hit.id; close(); }
  }

  function show(hits) {
    list.replaceChildren(...hits.map((hit, i) => {
      // Names are set as text, so that none is read as HTML.
      const item = document.createElement("li"), name = document.createElement("bdi");
      const note = document.createElement("small");
      item.id = `${list.id}-${i}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      name.textContent = hit.label;
      note.textContent = [hit.id, hit.also && `also ${hit.also}`, hit.types].filter(Boolean).join(" · ");
      item.append(name, note);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(hit); });
      item.hit = hit;
      return item;
    }));
    list.hidden = !hits.length;
    chosen = -1;
    input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-expanded", String(hits.length > 0));
  }

  async function ask() {
    asked?.abort();
    asked = new AbortController();
    const query = input.value.trim();
    if (!query) return close();
    try {
      const answer = await fetch(`/suggest?q=${encodeURIComponent(query)}`, {signal: asked.signal});
      const hits = answer.ok ? await answer.json() : [];
      if (document.activeElement === input) show(hits);
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  }

  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, WAIT); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      mark(event.key === "ArrowDown" ? chosen + 1 : Math.max(chosen, 0) - 1);
    } else if (event.key === "Enter" && chosen >= 0) {
      event.preventDefault();
      take(list.children[chosen].hit);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
  });
}

document.querySelectorAll("[data-suggest]").forEach(suggest);
