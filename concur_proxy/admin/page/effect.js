// The head figures: what the gateway does for its clients.

import { $, make, setHidden, setText } from "./dom.js";
import { showWaiting } from "./sessions.js";
import { count, duration, percent } from "./words.js";

const FIGURES = [
  {
    id: "recomputed",
    title: "Recomputed now",
    how: "Tokens of context per second that engines computed again although they had computed them before, in the last "
      + "30 seconds. Without control, at the present rate of turns, it is between this and the largest possible value, at "
      + "which caches lose everything between two turns. The gateway does not guess where: measure it in observe mode. Both "
      + "values are known only if answers say how many tokens were cached; for vLLM, start it with "
      + "--enable-prompt-tokens-details.",
  },
  {
    id: "saved",
    title: "Prefill saved",
    how: "Prompt tokens that engines found in their caches and did not have to compute, by their own metrics, in the "
      + "last 24 hours or since the gateway has started. Without control there would be some too, because caches help "
      + "as long as they are large enough.",
  },
  {
    id: "waiting",
    title: "Waiting",
    how: "Sessions that wait for a place, because their context would push that of others out of the cache. The time "
      + "is that of the request that has waited for longest.",
  },
  {
    id: "unrecognised",
    title: "Unrecognised requests",
    how: "Share of the last 300 requests that named no session and continued no known conversation. The gateway cannot "
      + "keep their context in the cache.",
  },
];

const nodes = new Map(FIGURES.map(({ id, title, how }) => {
  const [value, note] = [make("strong"), make("p", { className: "soft" })];
  const more = make("div", { id: `how-${id}`, className: "how", textContent: how, popover: "auto" });
  const button = make("button", { type: "button", className: "help", textContent: "?", title: how, label: `${title}: what this is` });
  button.setAttribute("popovertarget", more.id);
  const figure = make("div", { id: `figure-${id}`, className: "panel figure" },
    make("h3", {}, title, button), make("p", { className: "value" }, value), note, more);
  more.addEventListener("beforetoggle", () => {
    const at = figure.getBoundingClientRect();
    more.style.left = `${Math.max(8, Math.min(at.left, window.innerWidth - 332)) + window.scrollX}px`;
    more.style.top = `${at.bottom + 4 + window.scrollY}px`;
  });
  $("effect").append(figure);
  return [id, { value, note }];
}));

function show(id, value, note) {
  setText(nodes.get(id).value, value);
  setText(nodes.get(id).note, note);
}

function showRecomputed({ recomputed_tokens_s: again, returning_tokens_s: returning }, isObserving) {
  if (again === null) {
    show("recomputed", "–", "Not known yet: no answer older than 5 s has said what was cached");
    return;
  }
  const share = `${percent(again / Math.max(1, returning))} of the context that came back`;
  const bound = isObserving ? "Observe mode: this is without control" : `Without control: at most ${count(returning)} tokens/s`;
  show("recomputed", `${count(again)} tokens/s`, returning ? `${share}. ${bound}` : "No context came back in the last 30 s");
}

const whoWaits = make("button", { type: "button", id: "who-waits", className: "link", textContent: "Who waits?" });
whoWaits.addEventListener("click", showWaiting);
nodes.get("waiting").note.after(whoWaits);

export function showEffect({ effect, unrecognised, mode }) {
  showRecomputed(effect, mode === "observe");
  const since = effect.saved_s >= 23 * 3600 ? "in the last 24 h" : `since the start, ${duration(effect.saved_s)} ago`;
  show("saved", `${count(effect.saved_tokens)} tokens`, `Served from the cache ${since}`);
  const longest = `The longest for ${duration(effect.longest_wait_s)}`;
  const sessions = effect.waiting_sessions;
  show("waiting", `${count(sessions)} session${sessions === 1 ? "" : "s"}`, sessions ? longest : "Nobody waits");
  setHidden(whoWaits, !sessions);
  show("unrecognised", percent(unrecognised),
    unrecognised === null ? "Not known: fewer than 100 requests so far" : "Of the last 300 requests");
}
