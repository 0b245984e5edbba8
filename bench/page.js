// Sorts the tables of a page by a column: the button in its head sorts upwards, then downwards, then as it was.
// No "less than" and no "and" sign is in this file, so that the page is XML as well.
for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], rows = [...body.rows];
    const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    // Numbers in order, then text in order. What is missing comes last, upwards and downwards.
    const compare = (a, b, sign) => {
        if (a === "" || b === "") return (a === "") - (b === "");
        return sign * (isNaN(a) || isNaN(b) ? a.localeCompare(b, "en", { numeric: true }) : a - b);
    };
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const now = { ascending: "descending", descending: null }[before] ?? (before ? null : "ascending");
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        const sign = now === "descending" ? -1 : 1;
        if (now) head.setAttribute("aria-sort", now);
        body.append(...(now ? [...rows].sort((a, b) => compare(value(a, column), value(b, column), sign)) : rows));
    }));
}
