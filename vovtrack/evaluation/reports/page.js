"use strict";
// The only reader of the page's data. Text becomes text: nothing here parses HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const BINS = 20;
const WORST = 10;

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes))
    if (value !== null) node.setAttribute(name, value);
  node.append(...children.flat(Infinity).filter((child) => child !== null));
  return node;
}
const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const score = (scores, metric) => scores?.[metric] ?? null;
const group = (scores) => (typeof scores.group === "string" ? scores.group : null);

function number(report, metric, value) {
  if (typeof value !== "number") return "–";
  return value.toFixed(report.totals.includes(metric) ? 0 : 1);
}

function bar(value, novel) {
  if (typeof value !== "number") return make("td", { class: "bar" });
  const filled = make("span", novel ? { class: "novel" } : {});
  filled.style.width = `${Math.min(Math.max(value, 0), 100)}%`;
  return make("td", { class: "bar", "data-value": value }, make("span", { class: "track", "aria-hidden": "true" }, filled));
}

function cards(report) {
  const [main, ...others] = report.headline;
  const counts = report.protocol.classes_evaluated ?? {};
  return make("div", { class: "cards" }, Object.entries(report.summary).map(([name, scores]) =>
    make("section", { class: "card" },
      make("h3", {}, counts[name] > 1 ? `${name} (${counts[name]} classes)` : name),
      make("div", { class: "big" }, `${number(report, main, score(scores, main))} `, make("small", {}, main)),
      make("dl", {}, others.filter((metric) => score(scores, metric) !== null).map((metric) =>
        make("div", {}, make("dt", {}, metric), " ", make("dd", {}, number(report, metric, scores[metric]))))))));
}

function dropped(report) {
  if (!report.dropped.length) return null;
  const total = report.dropped.reduce((sum, entry) => sum + entry.count, 0);
  return make("section", { class: "warn" }, make("h2", {}, `${total} records were left out`),
    make("ul", {}, report.dropped.map((entry) => make("li", {},
      `${entry.count} records of ${entry.file}: ${entry.reason}`, make("br"),
      make("span", { class: "faint" }, entry.examples.slice(0, 3).join(", "))))));
}

function table(caption, header, rows, sortable) {
  const heads = header.map((word) => make("th", { scope: "col" }, sortable ? make("button", { type: "button" }, word) : word));
  const made = make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, heads)), make("tbody", {}, rows));
  if (sortable) heads.forEach((head, column) => head.firstChild.addEventListener("click", () => sort(made, head, column)));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
}

function sort(made, head, column) {
  const down = head.getAttribute("aria-sort") !== "descending";
  made.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const value = (row) => (key(row) === "" ? -Infinity : isNaN(key(row)) ? key(row) : Number(key(row)));
  const rows = [...made.tBodies[0].rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return (x < y ? 1 : x > y ? -1 : 0) * (down ? 1 : -1);
  });
  made.tBodies[0].append(...rows);
}

function filtered(what, made) {
  const field = make("input", { type: "search", placeholder: `Filter ${what}`, "aria-label": `Filter ${what}` });
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase();
    for (const row of made.querySelector("tbody").rows)
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(words);
  });
  return [make("p", {}, field), made];
}

function row(report, name, scores, id = null) {
  return make("tr", { id }, make("td", {}, name), bar(score(scores, report.headline[0]), group(scores) === "novel"),
    report.headline.map((metric) => make("td", {}, number(report, metric, score(scores, metric)))),
    group(scores) === null ? null : make("td", {}, group(scores)));
}

function classes(report) {
  const main = report.headline[0];
  const entries = Object.entries(report.per_class).sort((a, b) => (score(b[1], main) ?? 0) - (score(a[1], main) ?? 0));
  if (entries.length < 2) return null;
  const split = entries.some(([, scores]) => group(scores) !== null);
  const header = ["class", `${main} (bar)`, ...report.headline, ...(split ? ["group"] : [])];
  const key = make("p", { class: "faint" }, make("span", { class: "key" }), " base, ", make("span", { class: "key novel" }), " novel (striped)");
  const rows = entries.map(([name, scores]) => row(report, name, scores));
  return [make("h2", {}, "Classes"), split ? key : null, filtered("classes", table(`${rows.length} classes by ${main}`, header, rows, true))];
}

function link(address) {
  if (typeof address !== "string" || /^\s*[a-z][a-z0-9+.-]*:/i.test(address)) return null;
  return [" ", make("a", { href: address }, "look")];
}

function videos(report, place) {
  const main = report.headline[0];
  const scored = Object.entries(report.per_video).filter(([, scores]) => score(scores, main) !== null);
  if (!scored.length) return null;
  scored.sort((a, b) => a[1][main] - b[1][main]);
  const worst = scored.slice(0, WORST).map(([name, scores], k) => make("li", {},
    make("a", { href: `#${place}-video-${k}` }, name), ` ${number(report, main, scores[main])}`, link(data.media[name])));
  const rows = scored.map(([name, scores], k) => row(report, name, scores, `${place}-video-${k}`));
  const silent = Object.keys(report.per_video).length - scored.length;
  return [make("h2", {}, "Videos"), histogram(scored.map(([, scores]) => scores[main]), main),
    make("h3", {}, "Worst videos"), make("ol", {}, worst),
    silent ? make("p", { class: "faint" }, `${silent} videos have no ground truth.`) : null,
    filtered("videos", table(`${rows.length} videos, lowest ${main} first`, ["video", `${main} (bar)`, ...report.headline], rows, true))];
}

function histogram(values, metric) {
  const counts = new Array(BINS).fill(0);
  for (const value of values) counts[Math.min(BINS - 1, Math.max(0, Math.floor((value * BINS) / 100)))] += 1;
  const [left, width, height, highest] = [40, 600, 140, Math.max(...counts)];
  const step = width / BINS;
  const columns = counts.map((count, k) => count ? draw("rect", { class: "column", x: left + k * step + 1, y: 8 + height * (1 - count / highest), width: step - 2, height: (height * count) / highest },
    draw("title", {}, `${(100 * k) / BINS} to ${(100 * (k + 1)) / BINS}: ${count} videos`)) : null);
  const marks = [0, 25, 50, 75, 100].map((at) => draw("text", { x: left + Math.min((width * at) / 100, width - 22), y: height + 24 }, String(at)));
  const levels = [...new Set([0, Math.round(highest / 2), highest])];
  const scale = levels.map((count) => draw("text", { x: left - 6, y: 12 + height * (1 - count / highest), "text-anchor": "end" }, String(count)));
  const axis = draw("line", { class: "axis", x1: left, y1: height + 8, x2: left + width, y2: height + 8 });
  return draw("svg", { viewBox: `0 0 ${left + width} ${height + 30}`, role: "img", "aria-label": `Histogram of ${metric} over ${values.length} videos: number of videos by score` }, columns, axis, marks, scale);
}

function oracle(report) {
  if (!report.oracle) return null;
  const main = report.headline[0];
  const rows = Object.keys(report.summary).flatMap((name) => {
    const found = report.oracle.rows.filter((entry) => score(entry.summary[name], main) !== null);
    return found.map((entry) => {
      const scores = entry.summary[name];
      const gain = scores[main] - found[0].summary[name][main];
      return make("tr", {}, make("td", {}, entry.name), make("td", {}, name), bar(scores[main], name === "novel"),
        report.headline.map((metric) => make("td", {}, number(report, metric, score(scores, metric)))), make("td", {}, signed(gain, 1)));
    });
  });
  const header = ["predictions", "classes", `${main} (bar)`, ...report.headline, "gain"];
  return [make("h2", {}, "Where the points are lost"), table("The same run with perfect boxes, labels or links", header, rows, false)];
}

const signed = (value, digits) => (value < 0 ? "" : "+") + value.toFixed(digits);

function comparison(result) {
  if (!result) return null;
  const entries = Object.entries(result.groups).flatMap(([name, metrics]) => Object.entries(metrics).flatMap(([metric, found]) =>
    found.filter((entry) => typeof entry.difference === "number").map((entry) => [name, metric, entry])));
  const reach = Math.max(...entries.map(([, , e]) => Math.max(Math.abs(e.low), Math.abs(e.high))), 0) || 1;
  const rows = entries.map(([name, metric, e]) => make("tr", {}, [e.name, name, metric, e.value.toFixed(2), signed(e.difference, 2)].map((text) => make("td", {}, text)),
    make("td", {}, interval(e, reach)), make("td", {}, `${signed(e.low, 2)} to ${signed(e.high, 2)}`), make("td", {}, e.p.toFixed(3))));
  const header = ["report", "classes", "metric", "value", "difference", "interval", `${100 * result.confidence} %`, "p"];
  const caption = `Difference to ${result.reference}; paired bootstrap, ${result.resamples} resamples of ${result.videos} videos`;
  return [make("h2", {}, "Comparison"), table(caption, header, rows, false)];
}

function interval(entry, reach) {
  const [low, middle, high] = [entry.low, entry.difference, entry.high].map((value) => 60 + (55 * value) / reach);
  return draw("svg", { class: "interval", viewBox: "0 0 120 16", "aria-hidden": "true" },
    draw("line", { class: "axis", x1: 60, y1: 0, x2: 60, y2: 16 }),
    draw("rect", { class: "column", x: low, y: 6, width: Math.max(high - low, 1), height: 4 }),
    draw("rect", { class: "column", x: middle - 1.5, y: 2, width: 3, height: 12 }));
}

function shown(key, value) {
  if (key.endsWith("sha256")) return `${String(value).slice(0, 12)}…`;
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "object") return Object.entries(value).map(([name, item]) => `${name}: ${shown(name, item ?? "")}`).join(", ");
  return String(value);
}

function protocol(report) {
  const known = Object.entries(report.protocol).filter(([key, value]) => value !== null && value !== "" && key !== "attributes");
  return [make("h2", {}, "Protocol"), make("dl", { class: "protocol" }, known.map(([key, value]) =>
    [make("dt", {}, key), make("dd", { title: typeof value === "string" ? value : null }, shown(key, value))]))];
}

function named(report, key, word) {
  const entries = Object.entries(report[key] ?? {});
  if (!entries.length) return null;
  const counted = entries.some(([, scores]) => score(scores, "sequences") !== null);
  const rows = entries.map(([name, scores]) => {
    const made = row(report, name, scores ?? {});
    if (counted) made.append(make("td", {}, String(score(scores, "sequences") ?? "")));
    return made;
  });
  const header = [word, `${report.headline[0]} (bar)`, ...report.headline, ...(counted ? ["sequences"] : [])];
  return [make("h2", {}, `By ${word}`), table(`${rows.length} ${word}s`, header, rows, true)];
}

const color = (k) => `hsl(${(205 + 137 * k) % 360} 70% 45%)`;
const dash = (k) => (k ? `${9 - (k % 3) * 3} ${2 + (k % 2) * 2}` : null);

function curves(reports) {
  return (reports[0].report.curves ?? []).map((first, c) => {
    const [left, width, height, end] = [40, 600, 240, first.places.at(-1) || 1];
    const lines = reports.map(({ report }, k) => {
      const { places, values } = report.curves?.[c] ?? { places: [], values: [] };
      const points = places.map((place, n) => `${left + (width * place) / end},${8 + height * (1 - (values[n] ?? 0) / 100)}`);
      return draw("polyline", { points: points.join(" "), fill: "none", stroke: color(k), "stroke-width": 2, "stroke-dasharray": dash(k) });
    });
    const marks = [0, 0.25, 0.5, 0.75, 1].map((at) => draw("text", { x: left + width * at, y: height + 24, "text-anchor": at ? "end" : "start" }, String(Number((at * end).toPrecision(3)))));
    const scale = [0, 50, 100].map((at) => draw("text", { x: left - 6, y: 12 + height * (1 - at / 100), "text-anchor": "end" }, String(at)));
    const axis = draw("line", { class: "axis", x1: left, y1: height + 8, x2: left + width, y2: height + 8 });
    const key = reports.map(({ name, report }, k) => make("li", {},
      draw("svg", { class: "line", viewBox: "0 0 30 10", "aria-hidden": "true" }, draw("line", { x1: 0, y1: 5, x2: 30, y2: 5, stroke: color(k), "stroke-width": 3, "stroke-dasharray": dash(k) })),
      ` ${name} ${number(report, first.metric, score(report.summary.all, first.metric))}`));
    return [make("h2", {}, `${first.metric} over ${first.label}`),
      draw("svg", { class: "curves", viewBox: `0 0 ${left + width} ${height + 30}`, role: "img", "aria-label": `${first.metric}: points over ${first.label}` }, axis, lines, marks, scale),
      make("ul", { class: "lines" }, key)];
  });
}

const several = data.reports.length > 1;
const sections = data.reports.map(({ name, report }, place) => {
  const all = [cards(report), dropped(report), oracle(report), classes(report), named(report, "per_run", "run"), named(report, "per_attribute", "attribute"), videos(report, place), protocol(report)];
  if (!several) return all;
  return make("details", place ? {} : { open: "" }, make("summary", {}, name), all);
});
const predictions = data.reports[0].report.protocol.predictions;
document.querySelector("main").replaceChildren(...[
  make("h1", {}, `Evaluation on ${data.reports[0].report.benchmark}`),
  several || typeof predictions !== "string" ? null : make("p", { class: "faint" }, predictions),
  comparison(data.comparison), curves(data.reports), sections,
].flat(Infinity).filter((part) => part !== null));
