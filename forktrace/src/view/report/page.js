"use strict";
// A click on a head sorts its table: numbers by data-v, the largest first;
// text by what is shown.
for (const head of document.querySelectorAll("th")) {
  head.firstElementChild.addEventListener("click", () => {
    const at = head.cellIndex;
    const body = head.closest("table").tBodies[0];
    const numbers = head.classList.contains("n");
    const was = head.getAttribute("aria-sort");
    const down = was ? was === "ascending" : numbers;
    const value = (row) => {
      const cell = row.cells[at];
      return numbers ? Number(cell.dataset.v ?? -1) : cell.textContent;
    };
    const compare = numbers ? (a, b) => a - b : (a, b) => a.localeCompare(b);
    const rows = Array.from(body.rows);
    rows.sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b)));
    body.append(...rows);
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  });
}
