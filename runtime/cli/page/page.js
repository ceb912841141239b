/* Draws the sections of the page from its data (runtime/cli/report.c): a plot by Chart.js and a table
 * each. What is shown depends on the rows alone, not on their order or the clock. */
"use strict";

const COLOURS = ["#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#b7791f", "#c53030", "#2c7a7b",
  "#97266d", "#4a5568", "#00838f", "#7b8794", "#8d6e63"];
const NOTHING = "\u2013";
const LINES_MAX = 12; /* classes of a plot of lifts */

const data = JSON.parse(document.getElementById("data").textContent);

/* ---- values and texts ---- */

function time_text(ms) {
  const text = new Date(ms).toISOString();
  return ms % 86400000 === 0 ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ");
}

function number_text(value) {
  if (Number.isInteger(value))
    return value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4)
    return value.toExponential(2);
  return value.toFixed(size >= 100 ? 1 : size >= 1 ? 3 : 4);
}

/* What is gained over something else is told in percent, with its sign. */
function is_gain(column) {
  return /_uplift(_low|_high)?$/.test(column);
}

function gain_text(value, digits) {
  const text = (100 * value).toFixed(digits);
  return (Number(text) > 0 ? "+" : "") + (Number(text) === 0 ? (0).toFixed(digits) : text) + " %";
}

function value_text(value, type, column) {
  if (value === null || value === undefined)
    return NOTHING;
  if (is_gain(column) && typeof value === "number")
    return gain_text(value, 2);
  if (type === "timestamp")
    return time_text(value);
  return typeof value === "number" ? number_text(value) : String(value);
}

/* A column with a dot in its name is nested in the rows. */
function value_of(row, column) {
  return column.split(".").reduce((at, part) => (at ? at[part] : undefined), row);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number")
    return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}

function distinct(values) {
  return [...new Set(values)].sort(compare);
}

function element(name, text, parent) {
  const made = document.createElement(name);
  if (text !== null)
    made.textContent = text;
  parent.appendChild(made);
  return made;
}

/* ---- tables ---- */

function draw_table(parent, columns, types, rows) {
  const box = element("div", null, parent);
  box.className = "table";
  const table = element("table", null, box), head = element("tr", null, element("thead", null, table));
  const number = columns.map(column => rows.some(row => typeof row[column] === "number") &&
    types[column] !== "timestamp");
  columns.forEach((column, i) => {
    element("th", column.replace(/_/g, "_\u200b"), head).className = number[i] ? "number" : "";
  });
  const body = element("tbody", null, table);
  rows.forEach(row => {
    const line = element("tr", null, body);
    columns.forEach((column, i) => {
      element("td", value_text(row[column], types[column], column), line).className = number[i] ? "number" : "";
    });
  });
}

/* ---- plots ---- */

/* Intervals of the points of datasets with `low` and `high`: whiskers, or a band under a line. */
const intervals = {
  id: "intervals",
  beforeDatasetsDraw(chart) {
    chart.data.datasets.forEach((set, k) => {
      if (!set.band || !chart.isDatasetVisible(k))
        return;
      const points = chart.getDatasetMeta(k).data, scale = chart.scales.y, context = chart.ctx;
      const known = points.map((point, i) => i).filter(i => set.low[i] !== null && set.high[i] !== null);
      if (known.length < 2)
        return;
      context.save();
      context.globalAlpha = 0.15;
      context.fillStyle = set.borderColor;
      context.beginPath();
      known.forEach(i => context.lineTo(points[i].x, scale.getPixelForValue(set.high[i])));
      known.reverse().forEach(i => context.lineTo(points[i].x, scale.getPixelForValue(set.low[i])));
      context.fill();
      context.restore();
    });
  },
  afterDatasetsDraw(chart) {
    const sideways = chart.options.indexAxis === "y", context = chart.ctx;
    chart.data.datasets.forEach((set, k) => {
      if (!set.low || set.band || !chart.isDatasetVisible(k))
        return;
      const scale = chart.scales[sideways ? "x" : "y"];
      context.save();
      context.strokeStyle = "#1a202c";
      context.lineWidth = 1.3;
      chart.getDatasetMeta(k).data.forEach((point, i) => {
        if (set.low[i] === null || set.high[i] === null)
          return;
        const low = scale.getPixelForValue(set.low[i]), high = scale.getPixelForValue(set.high[i]);
        const line = (a, b, c, d) => {
          context.moveTo(...(sideways ? [a, b] : [b, a]));
          context.lineTo(...(sideways ? [c, d] : [d, c]));
        };
        const at = sideways ? point.y : point.x;
        context.beginPath();
        line(low, at, high, at);
        line(low, at - 4, low, at + 4);
        line(high, at - 4, high, at + 4);
        context.stroke();
      });
      context.restore();
    });
  },
};

function ends(rows, section) {
  const all = rows.flatMap(row => [section.y, section.low, section.high]
    .filter(column => column).map(column => row[column])).filter(value => typeof value === "number");
  return { suggestedMin: Math.min(...all), suggestedMax: Math.max(...all) };
}

function axis(title, more) {
  return Object.assign({ title: { display: !!title, text: title || "" }, grid: { color: "#e8ecf2" } }, more);
}

/* Ticks of a time axis at whole days or hours. */
function time_ticks(scale) {
  const hour = 3600000, steps = [1, 3, 6, 12, 24, 48, 168, 336, 720, 2160, 4320, 8760].map(hours => hours * hour);
  const step = steps.find(one => (scale.max - scale.min) / one <= 6) || 2 * steps[steps.length - 1];
  scale.ticks = [];
  for (let at = Math.ceil(scale.min / step) * step; at <= scale.max; at += step)
    scale.ticks.push({ value: at });
}

/* As many digits as tell the ticks of gains apart. */
function gain_digits(ticks) {
  const step = ticks.length > 1 ? 100 * Math.abs(ticks[1].value - ticks[0].value) : 1;
  let digits = 1;
  while (digits < 6 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-3)
    digits++;
  return digits;
}

function number_axis(column, title, type, more) {
  return axis(title || column.replace(/_/g, " "), Object.assign({
    type: "linear",
    ticks: { maxTicksLimit: 9, callback: (value, i, ticks) => type === "timestamp" ? time_text(value) :
      is_gain(column) ? gain_text(value, gain_digits(ticks)) : Number(value.toPrecision(6)).toString() },
  }, type === "timestamp" ? { afterBuildTicks: time_ticks, bounds: "data" } : {}, more));
}

function draw(parent, config, height) {
  const box = element("div", null, parent);
  box.className = "plot";
  box.style.height = height + "px";
  config.options = Object.assign({
    animation: false, responsive: true, maintainAspectRatio: false,
    plugins: { legend: { display: config.data.datasets.length > 1, position: "bottom" } },
  }, config.options);
  config.plugins = [intervals];
  return new Chart(element("canvas", null, box), config);
}

function tooltip(section, rows_of) {
  return {
    callbacks: {
      label(item) {
        const row = rows_of(item);
        const told = column => value_text(row[column], section.types[column], column);
        let text = told(section.y);
        if (section.low && section.high && row[section.low] !== null)
          text += " (" + told(section.low) + " to " + told(section.high) + ")";
        return (item.dataset.label ? item.dataset.label + ": " : "") + text;
      },
    },
  };
}

function interval_of(section, rows, band) {
  if (!section.low || !section.high)
    return {};
  const of = column => rows.map(row => row && typeof row[column] === "number" ? row[column] : null);
  return { low: of(section.low), high: of(section.high), band };
}

function series_of(section, rows) {
  return section.series ? distinct(rows.map(row => row[section.series])) : [null];
}

function in_series(section, rows, name) {
  return section.series ? rows.filter(row => row[section.series] === name) : rows;
}

/* What has no value has no place in the legend. */
function drawn_rows(section, rows) {
  return rows.filter(row => typeof row[section.y] === "number");
}

/* One series: the largest on top. Several: names in order, a bar of each series. */
function draw_bars(parent, section, rows) {
  const drawn = drawn_rows(section, rows), names = series_of(section, drawn);
  const sorted = drawn.sort((a, b) => names.length > 1 ? compare(a[section.x], b[section.x]) :
    compare(b[section.y], a[section.y]) || compare(a[section.x], b[section.x]));
  const labels = [...new Set(sorted.map(row => row[section.x]))];
  const sets = names.map((name, k) => {
    const of = labels.map(label => in_series(section, rows, name).find(row => row[section.x] === label));
    return Object.assign({
      label: name === null ? "" : value_text(name, section.types[section.series]),
      data: of.map(row => row ? row[section.y] : null), backgroundColor: COLOURS[k % COLOURS.length] + "b0",
      rows: of, maxBarThickness: 26,
    }, interval_of(section, of, false));
  });
  draw(parent, {
    type: "bar",
    data: { labels: labels.map(label => value_text(label, section.types[section.x])), datasets: sets },
    options: {
      indexAxis: "y",
      scales: { x: number_axis(section.y, section.y_title, section.types[section.y], ends(rows, section)),
        y: axis(section.x_title, { grid: { display: false } }) },
      plugins: { legend: { display: sets.length > 1, position: "bottom" },
        tooltip: tooltip(section, item => item.dataset.rows[item.dataIndex]) },
    },
  }, Math.max(200, 70 + labels.length * Math.max(30, 18 * names.length)));
}

function draw_lines(parent, section, rows, diagonal) {
  const drawn = drawn_rows(section, rows).filter(row => typeof row[section.x] === "number");
  const sets = series_of(section, drawn).map((name, k) => {
    const of = in_series(section, drawn, name).sort((a, b) => a[section.x] - b[section.x]);
    const colour = COLOURS[k % COLOURS.length];
    return Object.assign({
      label: name === null ? section.y : value_text(name, section.types[section.series]),
      data: of.map(row => ({ x: row[section.x], y: row[section.y] })), rows: of,
      borderColor: colour, backgroundColor: colour, borderWidth: 2, showLine: !diagonal,
      pointRadius: diagonal || of.length < 40 ? 3 : 0,
    }, interval_of(section, of, !diagonal));
  });
  const range = ends(rows, section);
  if (diagonal) {
    const all = rows.flatMap(row => [row[section.x], row[section.y]]).filter(value => typeof value === "number");
    const from = Math.min(0, ...all), to = Math.max(...all);
    sets.push({ label: "diagonal", data: [{ x: from, y: from }, { x: to, y: to }], rows: [], showLine: true,
      borderColor: "#9aa5b4", borderDash: [5, 5], borderWidth: 1.3, pointRadius: 0 });
  }
  draw(parent, {
    type: "scatter",
    data: { datasets: sets },
    options: {
      scales: { x: number_axis(section.x, section.x_title, section.types[section.x]),
        y: number_axis(section.y, section.y_title, section.types[section.y], range) },
      plugins: { legend: { display: sets.length > 1, position: "bottom" },
        tooltip: tooltip(section, item => item.dataset.rows[item.dataIndex] || {}) },
    },
  }, 340);
}

/* ---- lifts: the log-odds of each level, as adjust operators take them from rows of feature/lift ---- */

function term(level, prior) {
  if (level.expected === 0)
    return null; /* nothing was seen there */
  const ratio = (level.clicks + prior) / (level.expected + prior);
  const share = level.squares / level.expected;
  const odds = (1 - share * ratio) / (1 - share);
  return odds > 0 ? Math.log(ratio) - Math.log(odds) : null;
}

function draw_lifts(parent, section, rows) {
  const classes = rows.slice().sort((a, b) => b.total - a.total || compare(a.class, b.class));
  const first = section.first_level;
  const count = Math.max(0, ...classes.map(row => row.levels.length)) - first;
  const shown = section.level_count ? Math.min(section.level_count, count) : count;
  const names = Array.from({ length: Math.max(0, shown) }, (none, i) => section.levels[i] || String(i));
  const terms = classes.map(row => names.map((name, i) => {
    const level = row.levels[first + i];
    return level ? term(level, section.prior) : null;
  }));
  const drawn = classes.slice(0, LINES_MAX).sort((a, b) => compare(a.class, b.class));
  if (names.some((name, i) => terms.every(line => line[i] === null)))
    element("p", "Levels without a mark have not been seen.", parent.parentNode);
  draw(parent, {
    type: "line",
    data: {
      labels: names,
      datasets: drawn.map((row, k) => ({
        label: value_text(row.class), data: terms[classes.indexOf(row)], borderColor: COLOURS[k % COLOURS.length],
        backgroundColor: COLOURS[k % COLOURS.length], borderWidth: 1.8, pointRadius: 2,
      })),
    },
    options: { scales: { x: axis(section.x_title || "level"), y: number_axis("log-odds", section.y_title, "f64") } },
  }, 360);
  draw_table(parent, ["class", "impressions", ...names], {}, classes.map((row, k) =>
    Object.assign({ class: row.class, impressions: row.total },
      Object.fromEntries(names.map((name, i) => [name, terms[k][i]])))));
}

/* ---- the page ---- */

function flat(section, row) {
  return Object.fromEntries(Object.keys(section.types).map(column => [column, value_of(row, column)]));
}

function draw_section(section) {
  const box = element("section", null, document.body);
  box.id = section.id;
  element("h2", section.title, box);
  if (section.note)
    element("p", section.note, box);
  if (section.cut)
    element("p", `Only ${number_text(section.rows.length)} of ${number_text(section.cut)} rows are shown.`, box);
  const pair = element("div", null, box);
  pair.className = section.plot === "table" ? "pair wide" : "pair";
  if (section.rows.length === 0) {
    element("p", "No rows came: the run may be too short for this.", pair);
    return;
  }
  if (section.plot === "lifts") {
    draw_lifts(pair, section, section.rows);
    return;
  }
  const sort_by = [section.x, section.series].filter(column => column);
  const rows = section.rows.map(row => flat(section, row)).sort((a, b) =>
    sort_by.reduce((found, column) => found || compare(a[column], b[column]), 0));
  if (section.plot === "bars")
    draw_bars(pair, section, rows);
  else if (section.plot !== "table")
    draw_lines(pair, section, rows, section.plot === "diagonal");
  draw_table(pair, section.columns, section.types, rows);
}

function draw_run() {
  if (!data.operators)
    return;
  const box = element("section", null, document.body);
  element("h2", "Rows of the run", box);
  const rows = Object.entries(data.operators).map(([id, op]) => {
    const more = Object.entries(op).filter(([name, value]) => typeof value === "number" && value > 0 &&
      name !== "in" && name !== "parallelism").map(([name, value]) => `${name} ${number_text(value)}`);
    const out = Object.entries(op.out).map(([port, value]) =>
      (port === "out" ? "" : port + " ") + number_text(value));
    return { operator: id, kind: op.kind, "rows in": op.in, "rows out": out.join(", "), counted: more.join(", ") };
  });
  draw_table(box, ["operator", "kind", "rows in", "rows out", "counted"], {}, rows);
}

Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
Chart.defaults.font.size = 12.5;
Chart.defaults.plugins.legend.labels.boxWidth = 16;
element("h1", document.title, document.body);
if (data.sections.length === 0)
  element("p", "The job has no operator of kind sink/report: give it some, and they are shown here.", document.body);
const nav = element("nav", null, document.body);
data.sections.forEach(section => {
  element("a", section.title, nav).href = "#" + section.id;
});
data.sections.forEach(draw_section);
draw_run();
