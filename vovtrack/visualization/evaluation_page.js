for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const value = (row) => (key(row) === "" ? -Infinity : isNaN(key(row)) ? key(row) : Number(key(row)));
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return (x < y ? 1 : x > y ? -1 : 0) * (down ? 1 : -1);
      });
      body.append(...rows);
    });
  });
}
for (const field of document.querySelectorAll("input[type=search]")) {
  field.hidden = false;
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase();
    for (const row of document.getElementById(field.dataset.table).tBodies[0].rows)
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(words);
  });
}
