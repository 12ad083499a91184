"use strict";
// Everything on the page is readable without this; it only sorts the last table.
(function () {
  const table = document.getElementById("requests");
  if (table === null) return;
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);

  function key(row, place, isNumber) {
    const text = row.cells[place].textContent;
    if (!isNumber) return text;
    return text === "" ? Infinity : Number(text);
  }

  function sort(place, ascending) {
    const isNumber = heads[place].classList.contains("n");
    const rows = Array.from(body.rows);
    rows.sort(function (a, b) {
      const x = key(a, place, isNumber);
      const y = key(b, place, isNumber);
      if (x === y) return 0;
      const order = isNumber ? Math.sign(x - y) : x.localeCompare(y);
      return ascending ? order : -order;
    });
    body.replaceChildren(...rows);
    heads.forEach(function (head) { head.removeAttribute("aria-sort"); });
    heads[place].setAttribute("aria-sort", ascending ? "ascending" : "descending");
  }

  heads.forEach(function (head, place) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.title = "Sort by this column" + (head.title ? ": " + head.title : "");
    head.replaceChildren(button);
    button.addEventListener("click", function () {
      sort(place, head.getAttribute("aria-sort") !== "ascending");
    });
  });
})();
