"use strict";
// The sort key of a cell: its data-sort if there is one, else its text; missing values stay last in either order.
function keyOf(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.sort !== undefined ? cell.dataset.sort : cell.textContent.trim();
  if (text === "" || text === "-") return null;
  const number = Number(text.replace(/^≥ /, "").replace(/,/g, "").replace(/%$/, ""));
  return Number.isNaN(number) ? text : number;
}

function compare(first, second) {
  if (typeof first === "number" && typeof second === "number") return first - second;
  return String(first).localeCompare(String(second), "en", { numeric: true });
}

function sortTable(table, column) {
  const heading = table.tHead.rows[0].cells[column];
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => [keyOf(row, column), row]);
  rows.sort(([first], [second]) => {
    if (first === null || second === null) return (first === null) - (second === null);
    return ascending ? compare(first, second) : compare(second, first);
  });
  body.append(...rows.map(([, row]) => row));
  document.getElementById("announcement").textContent =
    `Sorted by ${heading.textContent.trim()}, ${ascending ? "ascending" : "descending"}.`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
    heading.firstElementChild.addEventListener("click", () => sortTable(table, column));
  });
}
