// The charts of the last hour, from the gateway's own record.

import { inWords, reading } from "./api.js";
import { Chart } from "./chart.js";
import { $, say, setOptions } from "./dom.js";
import { shortEngine } from "./words.js";

const CHARTS = [
  {
    id: "prompt",
    title: "Prompt tokens per second",
    series: [
      { name: "cached_tokens", label: "from the cache" },
      { name: "computed_tokens", label: "computed" },
      { name: "recomputed_tokens", label: "recomputed" },
    ],
  },
  {
    id: "sessions",
    title: "Sessions",
    series: [
      { name: "admitted", label: "admitted" },
      { name: "waiting", label: "waiting" },
      { name: "window_sessions", label: "window" },
    ],
  },
  {
    id: "cache",
    title: "Cache tokens",
    series: [
      { name: "footprint_tokens", label: "needed by admitted sessions" },
      { name: "window_tokens", label: "window" },
    ],
  },
  {
    id: "usage",
    title: "Cache use and hits",
    isShare: true,
    series: [
      { name: "kv_usage", label: "cache held by running requests" },
      { name: "hits", label: "prompt tokens found in the cache" },
    ],
  },
];

const charts = CHARTS.map((each) => new Chart(each, (at) => charts.forEach((chart) => chart.point(at))));
$("charts").append(...charts.map(({ node }) => node));

function withHits(series) {
  const hits = series.cached_tokens.map((cached, index) => {
    const all = cached + (series.computed_tokens[index] ?? 0);
    return cached === null || series.computed_tokens[index] === null || all < 1 ? null : cached / all;
  });
  return { ...series, hits };
}

export async function pollCharts() {
  const seconds = Number(document.querySelector("#range input:checked").value);
  try {
    const { series, step_s: step, age_s: age } = await reading("history", { engine: $("shown").value, seconds });
    const all = withHits(series);
    const times = { end: Date.now() - 1000 * age, stepMs: 1000 * step, length: series.waiting.length };
    for (const chart of charts) chart.show(chart.series.map(({ name }) => all[name]), times);
  } catch (error) {
    say(inWords(error));
  }
}

export function showChoices(engines) {
  setOptions($("shown"), [["", "all"], ...engines.map(({ engine }) => [engine, shortEngine(engine)])]);
}

$("shown").addEventListener("change", pollCharts);
$("range").addEventListener("change", pollCharts);
new ResizeObserver(() => charts.forEach((chart) => chart.data && chart.draw())).observe($("charts"));
