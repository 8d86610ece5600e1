"use strict";

// These functions use page.js, which is loaded before they are called.

const POINTS = 300;
const LEAST_POINTS = 60;
const CHARTS = [
  { id: "window", title: "Window (dashed) and its use" },
  { id: "usage", title: "KV cache in use", share: true },
  { id: "hits", title: "Prefix-hit rate", share: true },
  { id: "rate", title: "Tokens per second" },
];

let history = [];

function makeCharts() {
  for (const { id, title } of CHARTS) {
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawing.setAttribute("viewBox", "0 0 300 100");
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.setAttribute("role", "img");
    for (const name of ["first", "second"]) {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      line.setAttribute("class", name);
      drawing.append(line);
    }
    const caption = make("figcaption", {}, make("span", { textContent: title }), make("strong", { textContent: "–" }));
    $("charts").append(make("figure", { id: `chart-${id}` }, caption, drawing));
  }
}

function draw({ id, title, share }, first, second, text) {
  const figure = $(`chart-${id}`);
  const present = [...first, ...second].filter((value) => value !== null);
  const top = share ? 1 : Math.max(1, ...present) * 1.05;
  const width = Math.max(first.length, LEAST_POINTS);
  const points = (values) => values
    .map((value, index) => (value === null ? null : [(300 * (width - values.length + index)) / (width - 1), 100 - (96 * value) / top - 2]))
    .filter((point) => point !== null)
    .map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`)
    .join(" ");
  figure.querySelector(".first").setAttribute("points", points(first));
  figure.querySelector(".second").setAttribute("points", points(second));
  setText(figure.querySelector("strong"), text);
  figure.querySelector("svg").setAttribute("aria-label", `${title}: ${text}`);
}

function sum(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? known.reduce((total, value) => total + value, 0) : null;
}

function mean(values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? sum(known) / known.length : null;
}

function remember(engines) {
  history.push({ at: performance.now(), engines });
  history = history.slice(-POINTS);
}

function drawCharts() {
  const shown = $("shown").value;
  const chosen = history.map(({ at, engines }) => ({
    at, engines: engines.filter(({ engine }) => !shown || engine === shown),
  }));
  const series = (read) => chosen.map(({ engines }) => read(engines));
  const inTokens = chosen.at(-1).engines.some(({ window }) => window.tokens !== null);
  const active = series((engines) => sum(engines.map((e) => (inTokens ? e.footprint_tokens : e.sessions.active))));
  const window = series((engines) => sum(engines.map((e) => (inTokens ? e.window.tokens : e.window.sessions))));
  const usage = series((engines) => mean(engines.map((e) => e.kv_usage)));
  const hits = series((engines) => mean(engines.map((e) => e.hit_rate)));
  const answered = series((engines) => sum(engines.map((e) => e.answered_tokens)));
  const rate = answered.map((total, index) => {
    const before = Math.max(0, index - 5);
    const seconds = (chosen[index].at - chosen[before].at) / 1000;
    return index && total !== null ? Math.max(0, total - answered[before]) / seconds : null;
  });
  const percent = (value) => (value === null ? "–" : `${Math.round(100 * value)} %`);
  const unit = inTokens ? "tokens" : "sessions";
  const limit = window.at(-1) === null ? "" : ` of ${count(window.at(-1))}`;
  draw(CHARTS[0], active, window, `${count(active.at(-1))}${limit} ${unit}`);
  draw(CHARTS[1], usage, [], percent(usage.at(-1)));
  draw(CHARTS[2], hits, [], percent(hits.findLast((value) => value !== null) ?? null));
  draw(CHARTS[3], rate, [], count(rate.at(-1)));
}
