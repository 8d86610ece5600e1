// What each tenant has and was served.

import { $, KeyedList, make, makeCell, setHidden, setText } from "./dom.js";
import { count, percent } from "./words.js";

const COLUMNS = ["Served tokens", "Share of these", "Weight (fair share)", "Admitted", "Waiting"];

const list = new KeyedList($("tenants"), () => {
  const cells = [make("td", { className: "head" }), ...COLUMNS.map((label) => makeCell(label, "number"))];
  return { node: make("tr", {}, ...cells), cells };
});

export function showTenants(tenants) {
  setHidden($("tenants-section"), !tenants.length);
  setHidden($("to-tenants"), !tenants.length);
  const weights = tenants.reduce((sum, { weight }) => sum + weight, 0);
  list.show(tenants.map((one) => [one.tenant, one]), ({ cells }, one) => {
    const texts = [one.tenant || "(no tenant)", count(one.served_tokens), percent(one.share),
      one.weight === null ? "–" : `${one.weight} (${percent(one.weight / weights)})`, String(one.active), String(one.waiting)];
    texts.forEach((text, index) => setText(cells[index], text));
  });
}
