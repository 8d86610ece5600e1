// What the gateway has decided about windows, as sentences.

import { $, KeyedList, make, setHidden, setText } from "./dom.js";
import { capital, clock, duration, shortEngine } from "./words.js";

let showsAll = false;
let newest = [];
let areSeveral = false;

const list = new KeyedList($("decisions"), () => {
  const [when, text] = [make("time", { className: "soft" }), make("span")];
  return { node: make("li", {}, when, " ", text), when, text };
});

export function showDecisions(decisions, engines) {
  newest = decisions;
  areSeveral = engines.length > 1;
  const few = window.innerWidth < 640 ? 3 : 5;
  const shown = showsAll ? decisions : decisions.slice(0, few);
  list.show(shown.map((decision, index) => [index, decision]), ({ when, text }, { ago_s: ago, engine, text: sentence }) => {
    const at = Date.now() - 1000 * ago;
    setText(when, `${clock(at, true)}, ${duration(ago)} ago`);
    const whole = `${areSeveral ? `${shortEngine(engine)}: ` : ""}${areSeveral ? sentence : capital(sentence)}.`;
    setText(text, whole.replaceAll(" %", "\u00a0%"));
  });
  setHidden($("all-decisions"), decisions.length <= few);
  setText($("all-decisions"), showsAll ? "Show fewer" : `Show all ${decisions.length}`);
}

$("all-decisions").addEventListener("click", () => {
  showsAll = !showsAll;
  showDecisions(newest, areSeveral ? [0, 1] : [0]);
});
