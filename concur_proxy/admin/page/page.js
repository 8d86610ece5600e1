// The live page: reads the gateway's state again and again while somebody looks at it.

import { inWords, listenForKey, reading } from "./api.js";
import { pollCharts, showChoices } from "./charts.js";
import { showDecisions } from "./decisions.js";
import { $, make, say, setHidden, setText } from "./dom.js";
import { showEffect } from "./effect.js";
import { showEngines } from "./engines.js";
import { pollSessions, showSessionChoices } from "./sessions.js";
import { showTenants } from "./tenants.js";
import { count, plural, shortEngine } from "./words.js";

const POLL_MS = 2000;
const CHARTS_MS = 5000;
const ROLES = {
  single: () => "",
  leading: ({ replicas, replica }) => `, ${plural(replicas, "gateway")}, led by ${replica}`,
  following: () => "; no gateway leads at this moment",
  alone: ({ replica }) => `; ${replica} cannot reach Redis and shows only its own sessions`,
};
let hasFailed = false;
let chartsAt = -Infinity;
let round = 0;

// A screen reader reads the list again when it changes, so it is only written when the text is another one.
function showWarnings(warnings) {
  if ([...$("warnings").children].map(({ textContent }) => textContent).join("\n") === warnings.join("\n")) return;
  $("warnings").replaceChildren(...warnings.map((text) => make("li", { textContent: text })));
  setHidden($("warnings"), !warnings.length);
}

function healthOf(engines) {
  const troubled = engines.filter(({ health_level: level }) => level !== "good");
  if (!troubled.length) return `${plural(engines.length, "engine")} healthy`;
  const which = troubled.length === 1 && engines.length > 1 ? `: ${shortEngine(troubled[0].engine)}` : "";
  return `${troubled.length} of ${plural(engines.length, "engine")} in trouble${which}`;
}

function showSummary(state) {
  const active = state.engines.reduce((total, { sessions }) => total + sessions.active, 0);
  setText($("summary"), `${plural(active, "session")} admitted, ${count(state.effect.waiting_sessions)} waiting; `
    + `${healthOf(state.engines)}${ROLES[state.role](state)}`
    + `${state.mode === "observe" ? "; observe mode: no session waits" : ""}`);
}

async function poll() {
  try {
    const state = await reading("state", { sessions: 0 });
    showSummary(state);
    showWarnings(state.warnings);
    showEffect(state);
    showChoices(state.engines);
    showEngines(state.engines, state.laws);
    showTenants(state.tenants);
    showSessionChoices(state.tenants, state.engines);
    showDecisions(state.decisions, state.engines);
    await pollSessions();
    if (performance.now() - chartsAt >= CHARTS_MS) {
      chartsAt = performance.now();
      await pollCharts();
    }
    if (hasFailed) say("");
    hasFailed = false;
  } catch (error) {
    hasFailed = true;
    say(inWords(error));
  }
}

// One round follows the other. A hidden page asks for nothing, and one that is shown again asks at once.
async function run() {
  round += 1;
  const own = round;
  while (own === round && !document.hidden) {
    await poll();
    await new Promise((wake) => { setTimeout(wake, POLL_MS); });
  }
}

function restart() {
  chartsAt = -Infinity;
  run();
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) restart(); });
listenForKey(restart);
run();
