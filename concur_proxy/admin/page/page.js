"use strict";

const POLL_MS = 1000;
const ROLES = {
  single: () => "",
  leading: ({ replicas, replica }) => `, ${replicas} gateway${replicas > 1 ? "s" : ""}, led by ${replica}`,
  following: () => "; no gateway leads at this moment",
  alone: ({ replica }) => `; ${replica} cannot reach Redis: these are its own sessions, in its share of the windows`,
};

const $ = (id) => document.getElementById(id);
const rows = new Map();
const cards = new Map();
let key = "";  // of this page only, gone when it is closed
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

// -- engines

function named(node, label) {
  node.setAttribute("aria-label", label);
  return node;
}

function makeForm(submit, ...children) {
  const form = make("form", {}, ...children);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  return form;
}

function readOptions(text) {
  const pairs = text.split(/[,\s]+/).filter(Boolean).map((pair) => pair.split(/=(.*)/s));
  return Object.fromEntries(pairs.map(([name, value = ""]) => {
    if (value === "true" || value === "false") return [name, value === "true"];
    return [name, value === "" || Number.isNaN(Number(value)) ? value : Number(value)];
  }));
}

function makeButton(text, label, act) {
  const button = named(make("button", { type: "button", textContent: text }), label);
  button.addEventListener("click", act);
  return button;
}

function makeCard(engine, laws) {
  const size = named(make("input", { type: "number", min: 1, step: "any", required: true }), `Window of ${engine}`);
  const unit = named(make("select", {}, make("option", { textContent: "sessions" }), make("option", { textContent: "tokens" })),
    `Unit of the window of ${engine}`);
  const law = named(make("select", {}, ...laws.map((name) => make("option", { textContent: name }))), `Law of ${engine}`);
  const options = named(make("input", { placeholder: "key=value", spellcheck: false }), `Options of the law of ${engine}`);
  const windowForm = makeForm(
    () => act("PUT", "window", { engine, [unit.value]: Number(size.value) }, `Window of ${engine} set by hand`),
    size, unit, make("button", { textContent: "Set window" }),
    makeButton("Release", `Release the window of ${engine}`, () => act("DELETE", "window", { engine }, `Window of ${engine} released`)),
  );
  const lawForm = makeForm(
    () => act("PUT", "law", { engine, law: law.value, options: readOptions(options.value) }, `Law of ${engine} is now ${law.value}`),
    law, options, make("button", { textContent: "Switch law" }),
    makeButton("Release", `Release the law of ${engine}`, () => act("DELETE", "law", { engine }, `Law of ${engine} is the settings' again`)),
  );
  const remove = makeButton("Give up", `Give up ${engine}`, () => {
    const { server } = remove.dataset;
    act("DELETE", "engines", { engine: server }, `${server} is given up: its sessions move`);
  });
  const lines = [make("p"), make("p"), make("p", { className: "bad" })];
  const node = make("article", {}, make("h3", { textContent: engine }), ...lines, windowForm, lawForm, remove);
  $("engines").append(node);
  $("shown").append(make("option", { value: engine, textContent: engine }));
  law.value = "";
  return { node, lines, law, remove };
}

function showEngines(engines, laws) {
  for (const engine of engines) {
    if (!cards.has(engine.engine)) cards.set(engine.engine, makeCard(engine.engine, laws));
    const { lines, law, remove } = cards.get(engine.engine);
    const { sessions, window } = engine;
    const how = window.by_hand ? ", set by hand" : "";
    const size = [window.tokens === null ? null : `${number(window.tokens)} tokens`,
      window.sessions === null ? null : `${number(window.sessions, 1)} sessions`].filter(Boolean).join(" and ");
    const options = Object.entries(engine.law.options).map((pair) => pair.join("=")).join(", ");
    setText(lines[0], `Law ${engine.law.name}${options && ` (${options})`}${engine.law.enforced ? "" : " (only observed)"}, window ${size || "open"}${how}`);
    setText(lines[1], `${sessions.active} active, ${sessions.waiting} waiting, ${sessions.paused} paused; `
      + `${engine.requests.in_flight} request${engine.requests.in_flight === 1 ? "" : "s"} in flight, ${engine.requests.held} held`);
    setText(lines[2], engine.reachable ? engine.problem || "" : `Not reachable: ${engine.problem || engine.circuit}`);
    if (!law.value) law.value = engine.law.name;
    remove.dataset.server = engine.server || "";
    remove.disabled = engine.server === null;
    setText(remove, engine.server === null ? "Being given up" : "Give up");
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
    const press = () => act("POST", `sessions/${node.dataset.path || path}`, { session_id: id }, done());
    const node = makeButton(text, `${text} session ${name}`, press);
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
  $("decisions").replaceChildren(...decisions.map(({ engine, ago_s, text }) => {
    const when = make("span", { className: "soft", textContent: `${Math.round(ago_s)} s ago, ${engine}: ` });
    return make("li", {}, when, text);
  }));
}

// -- polling

async function poll() {
  try {
    const state = await call("GET", "state");
    if (failed) say("");
    failed = false;
    const waiting = state.engines.reduce((total, { sessions }) => total + sessions.waiting, 0);
    const active = state.engines.reduce((total, { sessions }) => total + sessions.active, 0);
    setText($("summary"), `${active} active, ${waiting} waiting${ROLES[state.role](state)}`
      + `${state.mode === "observe" ? ", only observing" : ""}`);
    remember(state.engines);
    showEngines(state.engines, state.laws);
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
$("engine-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const engine = $("engine").value;
  act("POST", "engines", { engine }, `${engine} is added`);
});
$("shown").addEventListener("change", drawCharts);
makeCharts();
run();
