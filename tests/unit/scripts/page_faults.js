// What is wrong with a page, as a list of lines. For a person's eyes: headings, contrast, overflow, plots. For links: their targets.
(() => {
    const print = matchMedia("print").matches, faults = [], all = (selector) => [...document.querySelectorAll(selector)];
    const told = (element) => element.localName + " '" + element.textContent.trim().slice(0, 40) + "'";

    if (!document.title || document.documentElement.lang !== "en") faults.push("no title or no language");
    all("h1, h2, h3, h4").reduce((before, heading) => {
        const level = Number(heading.localName[1]);
        if (level > before + 1 || (level === 1) !== (before === 0)) faults.push("out of order: " + told(heading));
        return level;
    }, 0);

    const ids = all("[id]").map((element) => element.id);
    ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => faults.push("twice: id " + id));
    for (const [name, targets] of all("a[href], use").map((a) => [told(a), a.getAttribute("href").slice(1)])
        .concat(all("[aria-labelledby]").map((e) => [told(e), e.getAttribute("aria-labelledby")])))
        for (const target of targets.split(" "))
            if (!ids.includes(target)) faults.push(name + " leads nowhere: " + target);

    // What is too wide scrolls in a box of its own, but not on paper.
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) faults.push("the page scrolls sideways");
    for (const element of all("body *"))
        if (!element.closest("script") && (print || !element.closest(".scroll *")) && element.getBoundingClientRect().right > width + 1)
            faults.push("too wide: " + told(element));

    for (const plot of all("svg.plot")) {
        const { width, height } = plot.getBoundingClientRect();
        if (width < 300 || height < 150 || !plot.querySelector("path")) faults.push("no plot: " + plot.getAttribute("aria-labelledby"));
    }

    for (const picture of all("svg")) {
        const words = [...picture.querySelectorAll("text")].filter((text) => text.textContent.trim());
        const boxes = words.map((text) => text.getBoundingClientRect());
        boxes.forEach((a, i) => boxes.slice(0, i).forEach((b, j) => {
            if (a.left + 1 < b.right && b.left + 1 < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom)
                faults.push(told(words[i]) + " is on " + told(words[j]));
        }));
    }

    // The cells of a heat map keep their colours, and the numbers on them theirs.
    const fixed = (colour) => colour && !/^(var\(--|none$|currentColor$)/.test(colour);
    for (const part of all("svg.plot:not(:has(polygon:not([fill-opacity]))) *"))
        for (const colour of ["fill", "stroke", "color"].map((name) => part.getAttribute(name)))
            if (fixed(colour)) faults.push("a colour that is not in svg.xsl: " + colour);

    const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
    const luminance = (colour) => parts(colour).slice(0, 3).map((byte) => byte / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const contrast = (a, b) => [luminance(a), luminance(b)].sort((x, y) => y - x).reduce((x, y) => (x + 0.05) / (y + 0.05));
    const opaque = (colour) => !/^rgba.* 0\)$|^transparent$/.test(colour);
    const paper = (element) => {
        for (let e = element; e; e = e.parentElement)
            if (opaque(getComputedStyle(e).backgroundColor)) return getComputedStyle(e).backgroundColor;
        return "rgb(255, 255, 255)";
    };
    const mixed = (above, below, opacity) => `rgb(${parts(above).slice(0, 3).map((c, i) => c * opacity + parts(below)[i] * (1 - opacity))})`;
    const behind = (element) => {
        const box = element.getBoundingClientRect(), x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
        const cell = element.closest("svg") && [...element.closest("svg").querySelectorAll("polygon")].reverse().find((polygon) => {
            const { left, right, top, bottom } = polygon.getBoundingClientRect();
            return left <= x && x <= right && top <= y && y <= bottom;
        });
        if (!cell) return paper(element);
        return mixed(getComputedStyle(cell).fill, paper(element), Number(getComputedStyle(cell).fillOpacity));
    };
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const element = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || element.closest("script, title")) continue;
        const style = getComputedStyle(element), colour = element.closest("svg") ? style.fill : style.color;
        const ratio = contrast(colour, behind(element));
        if (ratio < 4.5) faults.push("contrast " + ratio.toFixed(2) + ": " + told(element));
    }
    return faults;
})()
