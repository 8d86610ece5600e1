"use strict";

const POLL_MS = 1000;
const POINTS = 300;
const LEAST_POINTS = 60;
const LAWS = ["tokens", "aimd", "vegas", "static", "off"];
const CHARTS = [
  { id: "window", title: "Active, window dashed" },
  { id: "usage", title: "KV cache in use", share: true },
  { id: "hits", title: "Prefix hit rate", share: true },
  { id: "rate", title: "Tokens a second" },
];

const $ = (id) => document.getElementById(id);
const rows = new Map();
const cards = new Map();
let key = "";  // of this page only, gone when it is closed
let history = [];
let failed = false;

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function say(text) {
  setText($("message"), text);
}

function number(value, digits = 0) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits });
}

async function call(method, path, body) {
  const headers = { accept: "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  const options = { method, headers, signal: AbortSignal.timeout(5000) };
  if (body) options.body = JSON.stringify(body);
  const response = await fetch(`v1/${path}`, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ? answer.error.message : `HTTP ${response.status}`);
  return answer;
}

async function act(method, path, body, done) {
  try {
    await call(method, path, body);
    say(done);
    await poll();
  } catch (error) {
    say(`Refused: ${error.message}`);
  }
}

// -- charts

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
  draw(CHARTS[0], active, window, `${number(active.at(-1))} of ${number(window.at(-1))} ${unit}`);
  draw(CHARTS[1], usage, [], percent(usage.at(-1)));
  draw(CHARTS[2], hits, [], percent(hits.findLast((value) => value !== null) ?? null));
  draw(CHARTS[3], rate, [], number(rate.at(-1)));
}

// -- engines

function makeCard(engine) {
  const sessions = make("input", { type: "number", min: 1, step: 1, required: true, placeholder: "sessions" });
  sessions.setAttribute("aria-label", `Window of ${engine} in sessions`);
  const law = make("select", {}, ...LAWS.map((name) => make("option", { textContent: name })));
  law.setAttribute("aria-label", `Law of ${engine}`);
  const release = make("button", { type: "button", textContent: "Release" });
  release.setAttribute("aria-label", `Release the window of ${engine}`);
  const windowForm = make("form", {}, sessions, make("button", { textContent: "Set window" }), release);
  const lawForm = make("form", {}, law, make("button", { textContent: "Switch law" }));
  windowForm.addEventListener("submit", (event) => {
    event.preventDefault();
    act("PUT", "window", { engine, sessions: Number(sessions.value) }, `Window of ${engine} set by hand`);
  });
  release.addEventListener("click", () => act("DELETE", "window", { engine }, `Window of ${engine} released`));
  lawForm.addEventListener("submit", (event) => {
    event.preventDefault();
    act("PUT", "law", { engine, law: law.value }, `Law of ${engine} is now ${law.value}`);
  });
  const lines = [make("p"), make("p"), make("p", { className: "bad" })];
  const node = make("article", {}, make("h3", { textContent: engine }), ...lines, windowForm, lawForm);
  $("engines").append(node);
  $("shown").append(make("option", { value: engine, textContent: engine }));
  law.value = "";
  return { node, lines, law };
}

function showEngines(engines) {
  for (const engine of engines) {
    if (!cards.has(engine.engine)) cards.set(engine.engine, makeCard(engine.engine));
    const { lines, law } = cards.get(engine.engine);
    const { sessions, window } = engine;
    const how = window.by_hand ? ", set by hand" : "";
    const size = [window.tokens === null ? null : `${number(window.tokens)} tokens`,
      window.sessions === null ? null : `${number(window.sessions, 1)} sessions`].filter(Boolean).join(" and ");
    setText(lines[0], `Law ${engine.law.name}${engine.law.enforced ? "" : " (only observed)"}, window ${size || "open"}${how}`);
    setText(lines[1], `${sessions.active} active, ${sessions.waiting} waiting, ${sessions.paused} paused; `
      + `${engine.requests.in_flight} requests in flight, ${engine.requests.held} held`);
    setText(lines[2], engine.reachable ? engine.problem || "" : `Not reachable: ${engine.problem || engine.circuit}`);
    if (!law.value) law.value = engine.law.name;
  }
  for (const [name, { node }] of cards) {
    if (!engines.some(({ engine }) => engine === name)) {
      node.remove();
      cards.delete(name);
      for (const option of $("shown").options) if (option.value === name) option.remove();
    }
  }
}

// -- sessions

function makeRow(id) {
  const cells = ["Session", "State", "Place", "Tokens", "Turns", "Waits"].map((label) => {
    const cell = make("td");
    cell.dataset.label = label;
    return cell;
  });
  const name = id.startsWith("\0") ? "(one request)" : id.replaceAll("\0", " · ");
  setText(cells[0], name);
  const button = (text, path, done) => {
    const node = make("button", { type: "button", textContent: text });
    node.setAttribute("aria-label", `${text} session ${name}`);
    node.addEventListener("click", () => act("POST", `sessions/${node.dataset.path || path}`, { session_id: id }, done()));
    return node;
  };
  const hold = button("Pause", "pause", () => `Session ${name}: ${hold.textContent.toLowerCase()}d`);
  const first = button("First", "prioritise", () => `Session ${name} stands before all others`);
  const end = button("End", "end", () => `Session ${name} ends`);
  return { node: make("tr", {}, ...cells, make("td", {}, hold, first, end)), cells, hold, name };
}

function showSessions(sessions, total) {
  setText($("session-count"), total > sessions.length ? `(${sessions.length} of ${number(total)})` : `(${total})`);
  const focused = document.activeElement;
  const body = $("sessions");
  const seen = new Set();
  sessions.forEach((session, index) => {
    const id = session.session_id;
    seen.add(id);
    if (!rows.has(id)) rows.set(id, makeRow(id));
    const { node, cells, hold, name } = rows.get(id);
    setText(cells[1], session.by_hand ? `${session.state}, by hand` : session.preferred ? `${session.state}, first` : session.state);
    setText(cells[2], session.place === null ? "–" : String(session.place));
    setText(cells[3], number(session.footprint_tokens));
    setText(cells[4], String(session.turns));
    setText(cells[5], `${number(session.wait_s, 1)} s`);
    hold.dataset.path = session.by_hand ? "resume" : "pause";
    setText(hold, session.by_hand ? "Resume" : "Pause");
    hold.setAttribute("aria-label", `${hold.textContent} session ${name}`);
    if (body.children[index] !== node) body.insertBefore(node, body.children[index] || null);
  });
  for (const [id, { node }] of rows) {
    if (!seen.has(id)) {
      node.remove();
      rows.delete(id);
    }
  }
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function showDecisions(decisions) {
  $("decisions").replaceChildren(...decisions.map(({ engine, ago_s, kind, reason, sessions, tokens }) => {
    const size = tokens === null ? `${number(sessions, 1)} sessions` : `${number(tokens)} tokens`;
    const when = make("span", { className: "soft", textContent: `${Math.round(ago_s)} s ago, ${engine}: ` });
    return make("li", {}, when, make("strong", { textContent: kind }), ` to ${size}: ${reason}`);
  }));
}

// -- polling

async function poll() {
  try {
    const state = await call("GET", "state");
    if (failed) say("");
    failed = false;
    if (state.leader) say(`This replica follows ${state.leader}: sessions and windows are shown there.`);
    const waiting = state.engines.reduce((total, { sessions }) => total + sessions.waiting, 0);
    const active = state.engines.reduce((total, { sessions }) => total + sessions.active, 0);
    setText($("summary"), `${active} active, ${waiting} waiting, ${state.replicas} gateway${state.replicas > 1 ? "s" : ""}, `
      + `${state.role}${state.mode === "observe" ? ", only observing" : ""}`);
    remember(state.engines);
    showEngines(state.engines);
    drawCharts();
    showSessions(state.sessions, state.sessions_total);
    showDecisions(state.decisions);
  } catch (error) {
    failed = true;
    say(error.message === "Failed to fetch" ? "The gateway does not answer." : error.message);
  }
}

async function run() {
  if (!document.hidden) await poll();
  setTimeout(run, POLL_MS);
}

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value;
  $("key").value = "";
  poll();
});
$("shown").addEventListener("change", drawCharts);
makeCharts();
run();
