"use strict";

const POLL_MS = 1000;
const ROLES = {
  single: () => "",
  leading: ({ replicas, replica }) => `, ${replicas} gateway${replicas > 1 ? "s" : ""}, led by ${replica}`,
  following: () => "; no gateway leads at this moment",
  alone: ({ replica }) => `; ${replica} cannot reach Redis and shows only its own sessions`,
};

const $ = (id) => document.getElementById(id);
const rows = new Map();
const cards = new Map();
let key = "";  // kept in this page only, until it is closed
let failed = false;

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// The label is shown on a narrow screen, which has no column heads.
function makeCell(label, textContent) {
  const cell = make("td", { textContent });
  cell.dataset.label = label;
  return cell;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function say(text) {
  setText($("message"), text);
}

// A number in two or three digits: 850, 9.5k, 50k, 1.08M.
function count(value) {
  if (value === null || value === undefined) return "–";
  let [scaled, digits, unit] = [value, 3, ""];
  for (const [larger, itsDigits] of [["k", 2], ["M", 3], ["G", 3]]) {
    if (scaled < 999.5) break;
    [scaled, digits, unit] = [scaled / 1000, itsDigits, larger];
  }
  const decimals = unit ? Math.max(0, digits - String(Math.trunc(scaled)).length) : 0;
  return `${Number(scaled.toFixed(decimals))}${unit}`;
}

function sessionCount(value) {
  return `${Math.round(10 * value) / 10} session${value === 1 ? "" : "s"}`;
}

function requestCount(value) {
  return `${value} request${value === 1 ? "" : "s"}`;
}

function duration(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

async function call(method, path, body) {
  const headers = { accept: "application/json" };
  const sent = key;
  if (sent) headers.authorization = `Bearer ${sent}`;
  const options = { method, headers, signal: AbortSignal.timeout(5000) };
  if (body) options.body = JSON.stringify(body);
  const response = await fetch(`v1/${path}`, options);
  const answer = await response.json();
  if (response.status === 401 && key === sent) key = "";  // not again: the gateway counts wrong keys
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
    () => act("PUT", "window", { engine, [unit.value]: Number(size.value) }, `The window of ${engine} is set`),
    size, unit, make("button", { textContent: "Set window" }),
    makeButton("Back to automatic", `Back to automatic: window of ${engine}`,
      () => act("DELETE", "window", { engine }, `The window of ${engine} is automatic again`)),
  );
  const lawForm = makeForm(
    () => act("PUT", "law", { engine, law: law.value, options: readOptions(options.value) }, `${engine} now uses the law ${law.value}`),
    law, options, make("button", { textContent: "Change law" }),
    makeButton("Back to settings", `Back to settings: law of ${engine}`,
      () => act("DELETE", "law", { engine }, `${engine} uses the law of the settings again`)),
  );
  const remove = makeButton("Remove engine", `Remove engine ${engine}`, () => {
    const { server } = remove.dataset;
    act("DELETE", "engines", { engine: server }, `${server} is removed: its sessions move to other engines`);
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
    const how = window.by_hand ? " (set manually)" : "";
    const of = engine.capacity_tokens === null ? "" : ` of ${count(engine.capacity_tokens)}`;
    const size = [window.tokens === null ? null : `${count(window.tokens)}${of} cache tokens`,
      window.sessions === null ? null : sessionCount(window.sessions)].filter(Boolean).join(" and ");
    const idle = Math.max(0, sessions.paused + sessions.queued - sessions.waiting);
    const options = Object.entries(engine.law.options).map((pair) => pair.join("=")).join(", ");
    setText(lines[0], `Law ${engine.law.name}${options && ` (${options})`}${engine.law.enforced ? "" : ", observe only"}. Window: ${size || "no limit"}${how}`);
    setText(lines[1], `Sessions: ${sessions.active} admitted, ${sessions.waiting} waiting, ${idle} idle. `
      + `${requestCount(engine.requests.in_flight)} in flight, ${engine.requests.held} waiting`);
    setText(lines[2], engine.reachable ? engine.problem || "" : `Not reachable: ${engine.problem || engine.circuit}`);
    if (!law.value) law.value = engine.law.name;
    remove.dataset.server = engine.server || "";
    remove.disabled = engine.server === null;
    setText(remove, engine.server === null ? "Being removed" : "Remove engine");
  }
  for (const [name, { node }] of cards) {
    if (!engines.some(({ engine }) => engine === name)) {
      node.remove();
      cards.delete(name);
      for (const option of $("shown").options) if (option.value === name) option.remove();
    }
  }
}

// -- tenants

function showTenants(tenants) {
  $("tenants-section").hidden = !tenants.length;
  $("tenants").replaceChildren(...tenants.map((one) => {
    const cells = {
      Tenant: one.tenant || "(no tenant)",
      "Served tokens": count(one.served_tokens),
      Share: one.share === null ? "–" : `${Math.round(100 * one.share)} %`,
      Weight: one.weight === null ? "–" : String(one.weight),
      Admitted: String(one.active),
      Waiting: String(one.waiting),
    };
    return make("tr", {}, ...Object.entries(cells).map(([label, textContent]) => makeCell(label, textContent)));
  }));
}

// -- sessions

function makeRow(id, tenant) {
  const cells = ["Session", "State", "Cache tokens", "Turns", "Waited"].map((label) => makeCell(label, ""));
  const name = id.startsWith("\0") ? "(request without a session)" : id.replaceAll("\0", " · ");
  const button = (text, path, done) => {
    const press = () => act("POST", `sessions/${node.dataset.path || path}`, { session_id: id, tenant }, done());
    const node = makeButton(text, `${text} session ${name}`, press);
    return node;
  };
  const pause = button("Pause", "pause", () => `Session ${name}: ${pause.textContent.toLowerCase()}d`);
  const first = button("Move to front", "prioritise", () => `Session ${name} moved to the front`);
  const end = button("End", "end", () => `Session ${name} ends now or after its current turn`);
  return { node: make("tr", {}, ...cells, make("td", {}, pause, first, end)), cells, pause, name };
}

function showSessions(sessions, total) {
  setText($("session-count"), total > sessions.length ? `(${sessions.length} of ${count(total)})` : `(${total})`);
  const focused = document.activeElement;
  const body = $("sessions");
  const seen = new Set();
  const isShared = new Set(sessions.map(({ tenant }) => tenant)).size > 1;
  sessions.forEach((session, index) => {
    const id = `${session.tenant}\x1f${session.session_id}`;
    seen.add(id);
    if (!rows.has(id)) rows.set(id, makeRow(session.session_id, session.tenant));
    const { node, cells, pause, name } = rows.get(id);
    setText(cells[0], isShared ? `${name} (${session.tenant.slice(0, 20) || "no tenant"})` : name);
    setText(cells[1], session.preferred ? `${session.text}, moved to front` : session.text);
    setText(cells[2], count(session.footprint_tokens));
    setText(cells[3], String(session.turns));
    setText(cells[4], session.wait_s ? duration(session.wait_s) : "–");
    pause.dataset.path = session.by_hand ? "resume" : "pause";
    setText(pause, session.by_hand ? "Resume" : "Pause");
    pause.setAttribute("aria-label", `${pause.textContent} session ${name}`);
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
    const when = make("span", { className: "soft", textContent: `${duration(ago_s)} ago, ${engine}: ` });
    return make("li", {}, when, text);
  }));
}

// -- warnings

let warned = "";

// A screen reader reads the list again when it changes, so it is only written when the text is another one.
function showWarnings(warnings) {
  if (warnings.join("\n") === warned) return;
  warned = warnings.join("\n");
  $("warnings").replaceChildren(...warnings.map((text) => make("li", { textContent: text })));
  $("warnings").hidden = !warnings.length;
}

// -- polling

async function poll() {
  try {
    const state = await call("GET", "state");
    if (failed) say("");
    failed = false;
    const waiting = state.engines.reduce((total, { sessions }) => total + sessions.waiting, 0);
    const active = state.engines.reduce((total, { sessions }) => total + sessions.active, 0);
    setText($("summary"), `${active} admitted, ${waiting} waiting${ROLES[state.role](state)}`
      + `${state.mode === "observe" ? ", observe mode" : ""}`);
    showWarnings(state.warnings);
    remember(state.engines);
    showEngines(state.engines, state.laws);
    drawCharts();
    showTenants(state.tenants);
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
