// The engines: one row each, with one line that says how it is.

import { $, KeyedList, make, makeCell, setHidden, setText } from "./dom.js";
import { addEngine, engineMenu } from "./engine_actions.js";
import { menuButton } from "./menu.js";
import { capital, count, percent, plural, shortEngine } from "./words.js";

const SEVERITY = { bad: 0, warning: 1, good: 2 };
let laws = [];
let showsAll = false;
let newest = [];

const list = new KeyedList($("engines"), ({ engine }) => {
  const parts = {
    current: null,
    name: make("strong", { textContent: shortEngine(engine), title: engine }),
    kind: make("span", { className: "soft" }),
    health: make("p", { className: "health" }),
    window: make("span"),
    law: make("p", { className: "soft" }),
    goal: make("p", { className: "soft" }),
    meter: make("div", { className: "meter" }, make("div")),
    use: make("p", { className: "soft" }),
    sessions: make("span"),
    requests: make("p", { className: "soft" }),
    cache: make("span"),
    hits: make("p", { className: "soft" }),
  };
  const button = menuButton(() => engineMenu(parts.current, laws));
  button.setAttribute("aria-label", `Actions for engine ${engine}`);
  const head = make("td", { className: "head" }, parts.name, " ", parts.kind, parts.health);
  parts.node = make("tr", {}, head, makeCell("Window", "", parts.window, parts.meter, parts.use, parts.law, parts.goal),
    makeCell("Sessions", "", parts.sessions, parts.requests), makeCell("Cache", "", parts.cache, parts.hits),
    make("td", { className: "actions" }, button));
  return parts;
});

function update(parts, engine) {
  parts.current = engine;
  const { sessions, window: limit } = engine;
  const models = engine.models === null ? "" : engine.models.slice(0, 2).join(", ") + (engine.models.length > 2 ? ", …" : "");
  setText(parts.kind, [engine.kind, models].filter(Boolean).join(", "));
  setText(parts.health, capital(engine.health));
  parts.health.className = `health ${engine.health_level}`;
  setText(parts.window, capital(engine.window_text));
  const options = Object.entries(engine.law.options).map((pair) => pair.join("=")).join(", ");
  setText(parts.law, `Law ${engine.law.name}${options && ` (${options})`}${engine.law.enforced ? "" : ", observe only"}`);
  setText(parts.goal, `Goal ${engine.goal.text}`);
  parts.goal.className = engine.goal.met === false ? "health warning" : "soft";
  const [used, most, unit] = limit.tokens === null ? [sessions.active, limit.sessions, "sessions"]
    : [engine.footprint_tokens, limit.tokens, "tokens"];
  setHidden(parts.meter, most === null);
  setHidden(parts.use, most === null);
  if (most !== null) {
    parts.meter.firstChild.style.width = `${Math.min(100, (100 * used) / most)}%`;
    parts.meter.classList.toggle("over", used > most);
    setText(parts.use, `${count(used)} ${unit} in use, ${percent(used / most)}`);
  }
  const idle = Math.max(0, sessions.paused + sessions.queued - sessions.waiting);
  setText(parts.sessions, `${count(sessions.active)} admitted, ${count(sessions.waiting)} waiting`);
  setText(parts.requests, `${count(idle)} idle; ${plural(engine.requests.in_flight, "request")} in flight`);
  setText(parts.cache, `${percent(engine.kv_usage)} held by running requests`);
  setText(parts.hits, `${percent(engine.hit_rate)} prefix hits`);
}

export function showEngines(engines, names) {
  laws = names;
  newest = engines;
  const most = window.innerWidth < 640 ? 4 : 12;
  const isLong = engines.length > most;
  const ranked = isLong ? [...engines].sort((a, b) => SEVERITY[a.health_level] - SEVERITY[b.health_level]) : engines;
  const shown = isLong && !showsAll ? ranked.slice(0, most) : ranked;
  list.show(shown.map((engine) => [engine.engine, engine]), update);
  setHidden($("all-engines"), !isLong);
  setText($("all-engines"), showsAll ? `Show ${most} engines` : `Show all ${engines.length} engines`);
}

$("all-engines").addEventListener("click", () => {
  showsAll = !showsAll;
  showEngines(newest, laws);
});
$("add-engine").addEventListener("click", addEngine);
