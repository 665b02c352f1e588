"use strict";
const all = (what, within = document) => Array.from(within.querySelectorAll(what));
document.documentElement.classList.add("js");
document.getElementById("tools").hidden = false;

// A click on a head sorts its table: numbers by data-v, the largest first;
// text by what is shown.
for (const head of all("th > button")) {
  head.addEventListener("click", () => {
    const th = head.parentNode;
    const at = th.cellIndex;
    const body = th.closest("table").tBodies[0];
    const numbers = th.classList.contains("n");
    const was = th.getAttribute("aria-sort");
    const down = was ? was === "ascending" : numbers;
    const value = (row) => {
      const cell = row.cells[at];
      return numbers ? Number(cell.dataset.v ?? -1) : cell.textContent;
    };
    const compare = numbers ? (a, b) => a - b : (a, b) => a.localeCompare(b);
    const rows = Array.from(body.rows);
    const shown = rows.filter((row) => !row.classList.contains("more")).length;
    rows.sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b)));
    rows.forEach((row, n) => row.classList.toggle("more", n >= shown));
    body.append(...rows);
    for (const other of th.parentNode.cells) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
  });
}

// On a narrow screen a row is a card, whose cells need their heads beside them.
for (const table of all("table")) {
  const heads = Array.from(table.tHead.rows[0].cells, (cell) => cell.textContent);
  for (const row of table.tBodies[0].rows) {
    Array.from(row.cells).forEach((cell, at) => { cell.dataset.h = heads[at]; });
  }
}

for (const button of all("button.all")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    for (const row of all("tr.more", button.closest("section"))) row.classList.remove("more");
    button.remove();
  });
}

// What contains all the words stays.
const filter = document.getElementById("filter");
const found = document.getElementById("found");
const parts = all("tbody tr, .advice > li, .bars > li, figure, details:not(.folded)");
function narrow() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  document.documentElement.classList.toggle("filtered", words.length > 0);
  let shown = 0;
  for (const part of parts) {
    const text = words.length ? part.textContent.toLowerCase() : "";
    const fits = words.every((word) => text.includes(word));
    part.classList.toggle("out", !fits);
    shown += fits;
  }
  for (const section of all("main > section")) {
    const inside = all("tbody tr, .advice > li, .bars > li, figure, details:not(.folded)", section);
    section.classList.toggle("out", inside.length > 0 && inside.every((part) => part.classList.contains("out")));
  }
  for (const folded of all("details.folded")) folded.open = words.length > 0;
  found.textContent = words.length ? shown + " found" : "";
}
let wait = 0;
filter.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(narrow, 120); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && document.activeElement !== filter) {
    event.preventDefault();
    filter.focus();
  } else if (event.key === "Escape" && document.activeElement === filter) {
    filter.value = "";
    narrow();
    filter.blur();
  }
});

// Commands and answers can be copied.
for (const pre of all("pre")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "copy";
  const text = pre.textContent;
  button.addEventListener("click", async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Where a page from a file may not: what is selected can be.
      getSelection().selectAllChildren(pre.firstElementChild);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "copied" : "press Ctrl-C";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
  const code = document.createElement("code");
  code.textContent = text;
  pre.replaceChildren(code, button);
}

// Where an anchor leads to is opened.
function open() {
  const part = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (part) {
    part.open = true;
    part.scrollIntoView();
  }
}
addEventListener("hashchange", open);
open();
