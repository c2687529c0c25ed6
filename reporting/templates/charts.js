// The interactive comparison of runs, drawn from the numbers in the element "data".
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
// Okabe and Ito's colours without yellow, which is too faint on white; black is replaced by the text colour.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "currentColor"];
const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
const MARKERS = ["circle", "square", "triangle", "diamond", "cross"];
const SIZES = {
  linf: { label: "largest change of a value, as a share of the range of a map", log: true, short: "delta" },
  l2: { label: "l2 norm of the change, in units of the map", log: true, short: "l2" },
  snr_db: { label: "SNR of the map in dB (small changes at the right)", log: false, short: "SNR", unit: " dB" },
};
const byId = (id) => document.getElementById(id);
const percent = (value) => (100 * value).toFixed(1);
const plain = (value) => (value >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3))));

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function styleOf(index) {
  const round = Math.floor(index / COLOURS.length);
  return { colour: COLOURS[index % COLOURS.length], dash: DASHES[round % DASHES.length], marker: MARKERS[index % MARKERS.length] };
}

function markerAt(shape, x, y, colour, size = 4) {
  if (shape === "circle") return element("circle", { cx: x, cy: y, r: size, fill: colour });
  if (shape === "square") return element("rect", { x: x - size, y: y - size, width: 2 * size, height: 2 * size, fill: colour });
  const path = {
    triangle: `M${x} ${y - size - 1}l${size + 1} ${2 * size}h${-2 * size - 2}z`,
    diamond: `M${x} ${y - size - 1}l${size + 1} ${size + 1}l${-size - 1} ${size + 1}l${-size - 1} ${-size - 1}z`,
    cross: `M${x - size} ${y - size}L${x + size} ${y + size}M${x - size} ${y + size}L${x + size} ${y - size}`,
  }[shape];
  return element("path", { d: path, fill: colour, stroke: shape === "cross" ? colour : "none", "stroke-width": 2 });
}

const picked = () => Array.from(document.querySelectorAll("[data-pick]:checked"), (box) => Number(box.dataset.pick));

// The points of one run: one per budget if budgets bound the change, otherwise one step per clip.
function sizePoints(run, attack, size) {
  const bounded = data.threats.some((threat) => threat.attack === attack && threat.delta !== null);
  if (size === "linf" && bounded) {
    const families = new Map();
    data.threats.forEach((threat, place) => {
      const found = run.measured[place];
      if (threat.attack !== attack || threat.delta === null || !found || !found.fooled) return;
      const family = threat.budget.replace(/delta [^,]+(, )?/, "");
      families.set(family, [...(families.get(family) || []), { x: threat.delta, y: found.fooled[0], low: found.fooled[1], high: found.fooled[2], said: threat.budget }]);
    });
    const most = Math.max(0, ...Array.from(families.values(), (points) => points.length));
    const points = Array.from(families.values()).filter((some) => some.length === most).pop() || [];
    return { step: false, points: points.sort((a, b) => a.x - b.x) };
  }
  const curve = (run.curves[attack] || {})[size] || [];
  return { step: true, points: curve.map(([x, y]) => ({ x, y, said: `${SIZES[size].short} ${plain(x)}${SIZES[size].unit || ""}` })) };
}

function costPoints(run, attack) {
  const points = [];
  data.threats.forEach((threat, place) => {
    const found = run.measured[place];
    if (threat.attack !== attack || !found || !found.fooled || !found.gradients) return;
    points.push({ x: found.gradients, y: found.fooled[0], low: found.fooled[1], high: found.fooled[2], said: `${threat.budget}: ${plain(found.gradients)} gradients` });
  });
  return { step: false, points: points.sort((a, b) => a.x - b.x || a.y - b.y) };
}

function ticksOf(values, log, bounded) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (bounded && new Set(values).size <= 9) return Array.from(new Set(values)).sort((a, b) => a - b);
  if (!log) {
    const step = [1, 2, 5, 10, 20, 50].find((one) => (high - low) / one <= 8) || 100;
    const ticks = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(tick);
    return ticks.length ? ticks : [low];
  }
  const ticks = [];
  const wide = Math.log10(high / low) > 3;
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const first of wide ? [1] : [1, 2, 5]) ticks.push(first * 10 ** power);
  }
  const inside = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  return inside.length ? inside : [low];
}

// Draws one chart; its range covers all runs, so that it does not change with the selection.
function draw(figure, { pointsOf, label, log, falling, ticksAtPoints, says }) {
  const host = figure.querySelector(".chart");
  const everything = data.runs.flatMap((run) => pointsOf(run).points);
  const series = picked()
    .map((index) => ({ index, run: data.runs[index], style: styleOf(index), ...pointsOf(data.runs[index]) }))
    .filter((one) => one.points.length > 0);
  host.replaceChildren();
  host.series = series;
  figure.querySelector("figcaption").textContent = says(series);
  const xs = everything.map((point) => point.x).filter((x) => !log || x > 0);
  if (series.length === 0 || new Set(xs).size < 2) {
    const text = series.length === 0 ? "No selected run was attacked in this way." : "There is a single point, which makes no curve; see the table of attacks.";
    host.append(Object.assign(document.createElement("p"), { className: "absent", textContent: text }));
    return;
  }
  const [width, height, left, right, top, bottom] = [560, 330, 48, 14, 10, 56];
  const to = log ? Math.log10 : (x) => x;
  let [from, until] = [to(Math.min(...xs)), to(Math.max(...xs))];
  const pad = (until - from) * 0.04;
  [from, until] = [from - pad, until + pad];
  const place = (x) => {
    const share = (to(x) - from) / (until - from);
    return left + (falling ? 1 - share : share) * (width - left - right);
  };
  const level = (y) => top + (1 - y) * (height - top - bottom);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "font-family": "system-ui, sans-serif", "font-size": 12, fill: "currentColor", "aria-label": `${figure.querySelector("h3").textContent} of ${series.length} runs` });
  for (const y of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(element("line", { x1: left, x2: width - right, y1: level(y), y2: level(y), stroke: "currentColor", "stroke-opacity": 0.18 }));
    svg.append(element("text", { x: left - 6, y: level(y) + 4, "text-anchor": "end" }, `${100 * y}`));
  }
  for (const x of ticksOf(xs, log, ticksAtPoints)) {
    svg.append(element("line", { x1: place(x), x2: place(x), y1: top, y2: height - bottom + 4, stroke: "currentColor", "stroke-opacity": 0.18 }));
    svg.append(element("text", { x: place(x), y: height - bottom + 18, "text-anchor": "middle" }, plain(x)));
  }
  svg.append(element("text", { x: (left + width - right) / 2, y: height - 14, "text-anchor": "middle" }, label + (log ? ", logarithmic" : "")));
  svg.append(element("text", { x: 12, y: (top + height - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${(top + height - bottom) / 2})` }, "fooled (%)"));
  for (const { points, step, style } of series) {
    const there = points.filter((point) => !log || point.x > 0);
    let path = "";
    there.forEach((point, k) => {
      const [x, y] = [place(point.x), level(point.y)];
      path += k === 0 ? `M${x} ${y}` : step ? `H${x}V${y}` : `L${x} ${y}`;
      if (point.low !== undefined && point.low !== null) {
        svg.append(element("line", { x1: x, x2: x, y1: level(point.low), y2: level(point.high), stroke: style.colour, "stroke-opacity": 0.55 }));
      }
    });
    svg.append(element("path", { d: path, fill: "none", stroke: style.colour, "stroke-width": 2, "stroke-dasharray": style.dash }));
    there.forEach((point, k) => {
      if (!step || k === there.length - 1 || k % 6 === 0) svg.append(markerAt(style.marker, place(point.x), level(point.y), style.colour));
    });
  }
  const cursor = element("circle", { r: 8, fill: "none", stroke: "currentColor", "stroke-width": 2, visibility: "hidden" });
  svg.append(cursor);
  host.append(svg);
  const places = series.flatMap((one, s) => one.points.map((point, k) => ({ s, k, x: place(point.x), y: level(point.y) })));
  host.show = (s, k) => {
    const point = series[s].points[k];
    cursor.setAttribute("cx", place(point.x));
    cursor.setAttribute("cy", level(point.y));
    cursor.setAttribute("visibility", "visible");
    const ends = point.low === undefined || point.low === null ? "" : ` [${percent(point.low)}, ${percent(point.high)}]`;
    figure.querySelector(".reading").textContent = `${series[s].run.name}, ${point.said}: fooled ${percent(point.y)} %${ends}`;
    host.at = [s, k];
  };
  host.at = null;
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const [x, y] = [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
    let nearest = null;
    for (const one of places) {
      const distance = (one.x - x) ** 2 + (one.y - y) ** 2;
      if (nearest === null || distance < nearest.distance) nearest = { ...one, distance };
    }
    if (nearest) host.show(nearest.s, nearest.k);
  });
}

for (const host of document.querySelectorAll(".chart")) {
  host.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!(event.key in moves) || !host.series || !host.series.length || !host.show) return;
    event.preventDefault();
    let [s, k] = host.at || [0, -1];
    s = (s + moves[event.key][0] + host.series.length) % host.series.length;
    k = Math.min(Math.max(k + moves[event.key][1], 0), host.series[s].points.length - 1);
    host.show(s, k);
  });
}

// Download buttons of a chart: its numbers, and its drawing in colours for print.
function addDownloads(figure, name) {
  const line = Object.assign(document.createElement("p"), { className: "files" });
  const button = (text, action) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    made.addEventListener("click", action);
    line.append(made, " ");
  };
  const host = figure.querySelector(".chart");
  const drawing = () => {
    const copy = host.querySelector("svg").cloneNode(true);
    copy.setAttribute("xmlns", SVG);
    copy.setAttribute("style", "color:#1b1f24;background:#ffffff");
    return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  };
  button("CSV", () => {
    const rows = host.series.flatMap((one) => one.points.map((point) => [one.run.name, point.x, point.y, point.low ?? "", point.high ?? "", point.said]));
    save(`${name}.csv`, csvUri([["run", "x", "fooled", "low", "high", "budget"], ...rows]));
  });
  button("SVG", () => host.querySelector("svg") && save(`${name}.svg`, drawing()));
  button("PNG", () => {
    if (!host.querySelector("svg")) return;
    const image = new Image();
    image.addEventListener("load", () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 1680, height: 990 });
      const context = canvas.getContext("2d");
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      save(`${name}.png`, canvas.toDataURL("image/png"));
    });
    image.src = drawing();
  });
  button("PDF (prints the page)", () => window.print());
  figure.append(line);
}

function redraw() {
  if (!byId("attack")) return;
  const attack = byId("attack").value;
  const size = byId("size").value;
  const bounded = data.threats.some((threat) => threat.attack === attack && threat.delta !== null);
  draw(byId("size-chart"), {
    pointsOf: (run) => sizePoints(run, attack, size), label: SIZES[size].label, log: SIZES[size].log, falling: false,
    ticksAtPoints: size === "linf" && bounded,
    says: () => size === "linf" && bounded
      ? "A point is one budget: of the clips classified correctly when clean, the share that it fools; bars are 95 % intervals over recordings."
      : `Of the clips classified correctly when clean, the share that some budget of the attack fools with ${size === "snr_db" ? "at least this SNR" : "at most this change"}.`,
  });
  draw(byId("cost-chart"), {
    pointsOf: (run) => costPoints(run, attack), label: "batch gradients", log: true, falling: false, ticksAtPoints: true,
    says: () => "A point is one budget: its cost and the share of clips that it fools; bars are 95 % intervals over recordings.",
  });
  const legend = byId("legend");
  legend.replaceChildren(...picked().map((index) => {
    const style = styleOf(index);
    const item = document.createElement("li");
    const key = element("svg", { viewBox: "0 0 44 14", width: 44, height: 14, "aria-hidden": "true" });
    key.append(element("line", { x1: 0, x2: 44, y1: 7, y2: 7, stroke: style.colour, "stroke-width": 2, "stroke-dasharray": style.dash }));
    key.append(markerAt(style.marker, 22, 7, style.colour));
    item.append(key, ` ${data.runs[index].name}`);
    return item;
  }));
}

// The columns of the table of runs that depend on the chosen attack and budget.
function showThreat() {
  const select = byId("threat");
  if (!select) return;
  const place = Number(select.value);
  for (const row of byId("runs-table").tBodies[0].rows) {
    const found = data.runs[Number(row.dataset.run)].measured[place];
    for (const cell of row.querySelectorAll("[data-field]")) {
      const field = cell.dataset.field;
      const value = !found ? null : field in SIZES ? found.sizes[field] : found[field];
      if (field === "robust" || field === "fooled") {
        const [strong, interval, count] = ["strong", ".interval", ".n"].map((one) => cell.querySelector(one));
        strong.textContent = value ? value[4] : "-";
        interval.textContent = value ? value[5] : "";
        if (count) count.textContent = value ? `n=${value[3]}` : "";
        cell.dataset.sort = value ? value[0] : "";
      } else {
        cell.textContent = value === null || value === undefined ? "-" : plain(value);
        cell.dataset.sort = value ?? "";
      }
    }
  }
  const answers = data.rankings.filter((one) => one.threat === place).map((one) => one.sentence);
  byId("answer").textContent = answers[0] || "No run was attacked in this way.";
  document.querySelectorAll(".answer.other").forEach((one) => one.remove());
  for (const sentence of answers.slice(1).reverse()) {
    byId("answer").after(Object.assign(document.createElement("p"), { className: "answer other", textContent: sentence }));
  }
  if (byId("attack").value !== data.threats[place].attack) byId("attack").value = data.threats[place].attack;
  redraw();
  showClasses();
}

function fill(id, heads, rows, caption, shade) {
  const table = byId(id);
  const line = (cells, name) => {
    const made = document.createElement("tr");
    cells.forEach((text, k) => {
      const cell = document.createElement(name === "th" || k === 0 ? "th" : "td");
      cell.textContent = text;
      if (name === "th") cell.scope = "col";
      else if (k === 0) cell.scope = "row";
      if (shade && name === "td" && k > 0) shade(cell, text, made.rowIndex, k);
      made.append(cell);
    });
    return made;
  };
  table.tHead.replaceChildren(line(heads, "th"));
  table.tBodies[0].replaceChildren(...rows.map((row) => line(row, "td")));
  table.caption.firstElementChild.textContent = caption;
}

function showClasses() {
  const select = byId("class-run");
  if (!select || select.value === "") return;
  const run = data.runs[Number(select.value)];
  const place = byId("threat") ? Number(byId("threat").value) : null;
  const staying = place === null ? undefined : run.staying[place];
  const share = (count, all) => (all ? percent(count / all) : "-");
  fill(
    "robustness-by-class",
    ["class", "test clips", "correct when clean (%)", ...(staying ? ["attacked clips", "robust (%)"] : [])],
    run.classes.map((name, k) => [name, run.tested[k], share(run.confusion[k][k], run.tested[k]), ...(staying ? [run.attacked[k], share(staying[k], run.attacked[k])] : [])]),
    `${run.name}, all folds together; a clip tested in several folds is counted in each.` +
      (staying ? ` Robust: under ${data.threats[place].name} with ${data.threats[place].budget}.` : " It was not attacked with the chosen attack and budget."),
  );
  const most = Math.max(1, ...run.confusion.flat());
  fill(
    "confusion", ["true \\ predicted", ...run.classes], run.confusion.map((row, k) => [run.classes[k], ...row]),
    `${run.name}: rows are true classes, columns predicted classes, numbers test clips of all folds.`,
    (cell, text) => { cell.style.setProperty("--share", `${Math.round((35 * Number(text)) / most)}%`); cell.className = "shaded"; },
  );
}

const csvUri = (rows) => `data:text/csv;charset=utf-8,${encodeURIComponent(rows.map((row) => row.map((cell) => `"${String(cell).replace(/"/g, '""')}"`).join(",")).join("\n") + "\n")}`;

function save(name, uri) {
  const link = Object.assign(document.createElement("a"), { download: name, href: uri });
  document.body.append(link);
  link.click();
  link.remove();
}

function filterRows(table, text) {
  const wanted = text.toLowerCase();
  for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
}

if (byId("attack")) {
  const attacks = new Map(data.threats.map((threat) => [threat.attack, threat.name]));
  byId("attack").replaceChildren(...Array.from(attacks, ([value, text]) => new Option(text, value)));
  for (const id of ["attack", "size"]) byId(id).addEventListener("change", redraw);
  byId("threat").addEventListener("change", showThreat);
  for (const box of document.querySelectorAll("[data-pick]")) box.addEventListener("change", redraw);
  byId("attack-filter").addEventListener("input", (event) => filterRows(byId("attacks-table"), event.target.value));
  addDownloads(byId("size-chart"), "fooled_against_size");
  addDownloads(byId("cost-chart"), "fooled_against_gradients");
}
byId("filter").addEventListener("input", (event) => filterRows(byId("runs-table"), event.target.value));
for (const button of document.querySelectorAll("[data-compare]")) {
  button.addEventListener("click", () => {
    for (const box of document.querySelectorAll("[data-pick]:not(:disabled)")) {
      box.checked = button.dataset.compare === "all" && !box.closest("tr").hidden;
    }
    redraw();
  });
}
for (const button of document.querySelectorAll("[data-png]")) {
  button.addEventListener("click", () => save(`${button.dataset.png}.png`, byId(button.dataset.png).querySelector("img").src));
}
for (const button of document.querySelectorAll("[data-csv]")) {
  button.addEventListener("click", () => {
    const rows = Array.from(byId(button.dataset.csv).rows, (row) => Array.from(row.cells, (cell) => cell.textContent));
    save(`${button.dataset.csv}.csv`, csvUri(rows));
  });
}
if (byId("class-run")) byId("class-run").addEventListener("change", showClasses);
showThreat();
showClasses();
// A link to a collapsed part opens it.
function unfold() {
  const target = location.hash ? byId(decodeURIComponent(location.hash.slice(1))) : null;
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", unfold);
unfold();
