// The sessions: filters and pages, which the gateway applies, and families folded under their main agent.

import { call, inWords, reading } from "./api.js";
import { ask } from "./dialogs.js";
import { $, KeyedList, make, makeCell, say, setHidden, setOptions, setText } from "./dom.js";
import { menuButton } from "./menu.js";
import { count, plural, shortEngine } from "./words.js";

const STATES = [
  ["running", "running"],
  ["between_turns", "between turns"],
  ["waiting", "waiting"],
  ["idle", "idle"],
  ["paused", "paused by an operator"],
];
const TYPING_MS = 250;
const unfolded = new Set();
let page = 1;
let newest = null;
let typing = 0;

async function steer({ session_id, tenant, name }, how, done) {
  try {
    await call("POST", `sessions/${how}`, { session_id, tenant });
    say(`Session ${name} ${done}`);
    await pollSessions();
  } catch (error) {
    say(`Not done: ${inWords(error)}`);
  }
}

function confirmed({ session_id, tenant, name }, how, question, done) {
  ask({
    ...question,
    submit: async () => {
      await call("POST", `sessions/${how}`, { session_id, tenant });
      say(`Session ${name} ${done}`);
      await pollSessions();
    },
  });
}

function sessionMenu(session) {
  const { name } = session;
  const front = {
    title: `Move ${name} to the front?`,
    text: "It gets the next free place and loses its place last. All other sessions wait longer. It stays so until the session ends.",
    confirm: "Move to front",
  };
  const end = {
    title: `End ${name}?`,
    text: "It loses its place now, or after its current turn, and its context may be lost. If its client sends another request, that starts a new session.",
    confirm: "End session",
    isDangerous: true,
  };
  return [
    session.by_hand ? ["Resume", () => steer(session, "resume", "resumed")]
      : ["Pause after this turn", () => steer(session, "pause", "paused")],
    ["Move to front…", () => confirmed(session, "prioritise", front, "moved to the front")],
    ["End session…", () => confirmed(session, "end", end, "ends now or after its current turn"), true],
  ];
}

function makeSession({ session }) {
  const parts = {
    current: session,
    name: make("span", { className: "name" }),
    fold: make("button", { type: "button", className: "fold" }),
    state: makeCell("State"),
    tokens: makeCell("Cache tokens", "number"),
    turns: makeCell("Turns", "number"),
    tenant: makeCell("Tenant", "tenant"),
    engine: makeCell("Engine", "engine"),
  };
  const button = menuButton(() => sessionMenu(parts.current));
  button.setAttribute("aria-label", `Actions for session ${session.name}`);
  parts.fold.addEventListener("click", () => {
    const id = idOf(parts.current);
    if (!unfolded.delete(id)) unfolded.add(id);
    show(newest);
  });
  parts.node = make("tr", {}, make("td", { className: "head" }, parts.name, " ", parts.fold), parts.state, parts.tokens,
    parts.turns, parts.tenant, parts.engine, make("td", { className: "actions" }, button));
  return parts;
}

function makeMember() {
  const parts = { name: make("td", { className: "head" }), state: makeCell("State", "state"), tokens: makeCell("Cache tokens", "number"), turns: makeCell("Turns", "number") };
  const rest = make("td", { colSpan: 3, className: "none" });
  parts.node = make("tr", { className: "member" }, parts.name, parts.state, parts.tokens, parts.turns, rest);
  return parts;
}

const list = new KeyedList($("sessions"), (row) => (row.session ? makeSession(row) : makeMember()));

function idOf({ tenant, session_id, engine }) {
  return JSON.stringify([tenant, session_id, engine]);
}

function* rows(sessions) {
  for (const session of sessions) {
    const id = idOf(session);
    yield [id, { session }];
    if (!unfolded.has(id)) continue;
    for (const member of session.members) yield [`${id}${JSON.stringify(member.name)}`, { member, of: session }];
    const more = session.members_total - session.members.length;
    if (session.members.length && more > 0) yield [`${id}more`, { more }];
  }
}

function stateOf(member, session) {
  if (!member.busy && !member.name && session.members.some(({ busy }) => busy)) return "between turns, sub-agents at work";
  if (!member.busy) return member.footprint_tokens ? "between turns" : "idle";
  if (session.in_flight && session.wait_s) return "running or waiting";
  return session.in_flight ? "running" : "waiting";
}

function update(parts, { session, member, of, more }) {
  if (session) updateSession(parts, session);
  else if (member) {
    setText(parts.name, member.name || "main agent");
    setText(parts.state, stateOf(member, of));
    setText(parts.tokens, count(member.footprint_tokens));
    setText(parts.turns, String(member.turns));
  } else {
    setText(parts.name, `and ${more} more`);
  }
}

function updateSession(parts, session) {
  parts.current = session;
  setText(parts.name, session.name);
  setText(parts.state, session.preferred ? `${session.text}, moved to front` : session.text);
  parts.state.className = `state ${session.situation}`;
  setText(parts.tokens, count(session.footprint_tokens));
  setText(parts.turns, String(session.turns));
  setText(parts.tenant, session.tenant.slice(0, 24) || "(no tenant)");
  setText(parts.engine, shortEngine(session.engine));
  const others = session.members_total - 1;
  const isOpen = unfolded.has(idOf(session));
  setHidden(parts.fold, others < 1);
  setText(parts.fold, `${isOpen ? "▾" : "▸"} ${plural(others, "sub-agent")}`);
  parts.fold.setAttribute("aria-label", `${plural(others, "sub-agent")} of ${session.name}`);
  parts.fold.setAttribute("aria-expanded", String(isOpen));
}

function show(answer) {
  newest = answer;
  const { sessions, counts, found, total, pages } = answer;
  ({ page } = answer);
  list.show([...rows(sessions)], update);
  setText($("session-count"), found === total ? `(${count(total)})` : `(${count(found)} of ${count(total)})`);
  const all = Object.values(counts).reduce((sum, each) => sum + each, 0);
  setOptions($("situation"), [["", `all (${all})`], ...STATES.map(([state, text]) => [state, `${text} (${counts[state]})`])]);
  setHidden($("sessions-table"), !found);
  setHidden($("no-sessions"), Boolean(found));
  setText($("no-sessions"), total ? "No session matches." : "No sessions yet. They appear with the first request of a client.");
  setHidden($("pages"), pages < 2);
  setText($("page"), `Page ${page} of ${pages}`);
  $("earlier").disabled = page <= 1;
  $("later").disabled = page >= pages;
}

export async function pollSessions() {
  const wanted = { page, rows: window.innerWidth < 640 ? 8 : 25 };
  if ($("search").value.trim()) wanted.search = $("search").value.trim();
  if ($("situation").value) wanted.state = $("situation").value;
  if ($("tenant").value) wanted.tenant = JSON.parse($("tenant").value);
  const answer = await reading("sessions", wanted);
  if (wanted.page === page) show(answer);
}

// Which columns and filters are of use: those of a gateway with several tenants or engines.
export function showSessionChoices(tenants, engines) {
  const named = tenants.filter(({ weight }) => weight !== null);
  setHidden($("tenant-label"), tenants.length < 2);
  setOptions($("tenant"), [["", "all"], ...named.map(({ tenant }) => [JSON.stringify(tenant), tenant || "(no tenant)"])]);
  $("sessions-table").classList.toggle("one-tenant", tenants.length < 2);
  $("sessions-table").classList.toggle("one-engine", engines.length < 2);
}

// Shows the sessions that wait, and moves there.
export function showWaiting() {
  $("situation").value = "waiting";
  turnTo(1);
  $("situation").focus({ preventScroll: true });
  $("sessions-title").scrollIntoView();
}

function turnTo(wanted) {
  page = Math.max(1, wanted);
  pollSessions().catch((error) => say(inWords(error)));
}

$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => turnTo(1), TYPING_MS);
});
$("situation").addEventListener("change", () => turnTo(1));
$("tenant").addEventListener("change", () => turnTo(1));
$("earlier").addEventListener("click", () => turnTo(page - 1));
$("later").addEventListener("click", () => turnTo(page + 1));
