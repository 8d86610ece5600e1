// What an operator can do with an engine. Each action affects other people's sessions, so each is confirmed.

import { call } from "./api.js";
import { ask, field } from "./dialogs.js";
import { make, say } from "./dom.js";
import { shortEngine } from "./words.js";

async function act(method, path, body, done) {
  await call(method, path, body);
  say(done);
}

export function engineMenu(engine, laws) {
  const items = [["Set window…", () => setWindow(engine)], ["Change law…", () => changeLaw(engine, laws)]];
  if (engine.window.by_hand) items.push(["Window back to automatic…", () => releaseWindow(engine)]);
  items.push(["Law back to settings…", () => releaseLaw(engine)]);
  if (engine.server !== null) items.push(["Remove engine…", () => removeEngine(engine), true]);
  return items;
}

function setWindow({ engine, window: present }) {
  const isTokens = present.tokens !== null;
  const size = make("input", { type: "number", min: 1, step: "any", required: true, value: (isTokens ? present.tokens : present.sessions) ?? "" });
  const unit = make("select", {}, make("option", { textContent: "tokens" }), make("option", { textContent: "sessions" }));
  unit.value = isTokens ? "tokens" : "sessions";
  ask({
    title: `Set the window of ${shortEngine(engine)}`,
    text: "The law no longer moves it, until you set it back to automatic. A smaller window makes sessions wait.",
    fields: [field("Size", size), field("Unit", unit)],
    confirm: "Set window",
    submit: () => act("PUT", "window", { engine, [unit.value]: Number(size.value) }, `The window of ${engine} is set`),
  });
}

function releaseWindow({ engine }) {
  ask({
    title: `Window of ${shortEngine(engine)} back to automatic?`,
    text: "The law moves it again, from its present size. The size that was set manually is forgotten.",
    confirm: "Back to automatic",
    submit: () => act("DELETE", "window", { engine }, `The window of ${engine} is automatic again`),
  });
}

// "a=1, b=true" as an object.
function readOptions(text) {
  const pairs = text.split(/[,\s]+/).filter(Boolean).map((pair) => pair.split(/=(.*)/s));
  return Object.fromEntries(pairs.map(([name, value = ""]) => {
    if (value === "true" || value === "false") return [name, value === "true"];
    return [name, value === "" || Number.isNaN(Number(value)) ? value : Number(value)];
  }));
}

function changeLaw({ engine, law: present }, laws) {
  const law = make("select", {}, ...laws.map((name) => make("option", { textContent: name })));
  law.value = present.name;
  const options = make("input", { placeholder: "name=value, …", spellcheck: false, autocomplete: "off" });
  ask({
    title: `Change the law of ${shortEngine(engine)}`,
    text: "The new law begins at once, with the present window. It stays until you set it back to the settings.",
    fields: [field("Law", law), field("Options", options)],
    confirm: "Change law",
    submit: () => act("PUT", "law", { engine, law: law.value, options: readOptions(options.value) }, `${engine} now uses the law ${law.value}`),
  });
}

function releaseLaw({ engine }) {
  ask({
    title: `Law of ${shortEngine(engine)} back to the settings?`,
    text: "A law that was set manually is forgotten.",
    confirm: "Back to settings",
    submit: () => act("DELETE", "law", { engine }, `${engine} uses the law of the settings again`),
  });
}

function removeEngine({ engine, server, sessions }) {
  ask({
    title: `Remove ${shortEngine(server)}?`,
    text: `Its ${sessions.active + sessions.waiting} admitted and waiting sessions move to other engines, which compute `
      + "their context again. Answers in progress still end. You can add the engine again."
      + (server === engine ? "" : ` This removes every engine of the server ${server}.`),
    confirm: "Remove engine",
    isDangerous: true,
    submit: () => act("DELETE", "engines", { engine: server }, `${server} is removed: its sessions move to other engines`),
  });
}

export function addEngine() {
  const url = make("input", { type: "url", required: true, placeholder: "http://host:8000", id: "engine-url", autocomplete: "off" });
  ask({
    title: "Add an engine",
    text: "New sessions go there as soon as it answers. It stays until it is removed, or until all gateways have ended.",
    fields: [field("Engine URL", url)],
    confirm: "Add engine",
    submit: () => act("POST", "engines", { engine: url.value }, `${url.value} is added`),
  });
}
