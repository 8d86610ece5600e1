// One chart: lines over time with axes, and the values under the pointer. It is drawn in pixels, so text keeps its size.

import { make, setText } from "./dom.js";
import { clock, count, percent } from "./words.js";

const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 8, 20];
const TICK_MS = [[300, 60_000], [900, 300_000], [3600, 900_000]];

function svg(tag, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

// The next larger of 1, 2 and 5 times a power of ten.
function rounded(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= value);
}

export class Chart {
  // `onPoint(at)` is called with the time under the pointer in ms, or null.
  constructor({ id, title, series, isShare = false }, onPoint) {
    Object.assign(this, { title, series, isShare, onPoint });
    this.data = null;
    this.at = null;
    this.legend = make("ul", { className: "legend" });
    this.when = make("span", { className: "soft" });
    this.drawing = svg("svg", { role: "img", tabindex: 0 });
    const caption = make("figcaption", {}, make("strong", { textContent: title }), this.when, this.legend);
    this.node = make("figure", { id: `chart-${id}`, className: "panel" }, caption, this.drawing);
    this.values = series.map(({ label }, index) => {
      const value = make("b");
      this.legend.append(make("li", { className: `line-${index}` }, make("i", { className: `key key-${index}` }), `${label} `, value));
      return value;
    });
    this.drawing.addEventListener("pointermove", (event) => this.onPoint(this.timeAt(event.offsetX)));
    this.drawing.addEventListener("pointerleave", () => this.onPoint(null));
    this.drawing.addEventListener("blur", () => this.onPoint(null));
    this.drawing.addEventListener("keydown", (event) => this.step(event));
  }

  get width() {
    return Math.max(200, this.drawing.clientWidth || 300);
  }

  get height() {
    return this.drawing.clientHeight || 150;
  }

  timeAt(x) {
    if (!this.data) return null;
    const { end, stepMs, length } = this.data;
    const share = Math.min(1, Math.max(0, (x - LEFT) / (this.width - LEFT - RIGHT)));
    return end - Math.round((1 - share) * (length - 1)) * stepMs;
  }

  step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined || !this.data) return;
    event.preventDefault();
    const { end, stepMs, length } = this.data;
    const next = (this.at ?? end + stepMs) + by * stepMs;
    this.onPoint(Math.min(end, Math.max(end - (length - 1) * stepMs, next)));
  }

  // `end`: the time of the newest point in ms.
  show(values, { end, stepMs, length }) {
    this.data = { values, end, stepMs, length };
    this.draw();
  }

  point(at) {
    this.at = at;
    if (this.data) this.draw();
  }

  draw() {
    const { values, end, stepMs, length } = this.data;
    const { width, height } = this;
    const known = values.flat().filter((value) => value !== null);
    const top = this.isShare ? 1 : rounded(Math.max(1, ...known));
    const format = this.isShare ? percent : count;
    const x = (index) => LEFT + ((width - LEFT - RIGHT) * index) / Math.max(1, length - 1);
    const y = (value) => height - BOTTOM - ((height - TOP - BOTTOM) * Math.min(value, top)) / top;
    const parts = [];
    for (const value of [0, top / 2, top]) {
      parts.push(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
      parts.push(svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, format(value)));
    }
    const begin = end - (length - 1) * stepMs;
    const [, tick] = TICK_MS.find(([seconds]) => length * stepMs <= seconds * 1000) || TICK_MS.at(-1);
    for (let at = Math.ceil(begin / tick) * tick; at <= end; at += tick) {
      const place = x((at - begin) / stepMs);
      parts.push(svg("line", { class: "grid", x1: place, x2: place, y1: height - BOTTOM, y2: height - BOTTOM + 4 }));
      if (place > LEFT + 12 && place < width - 22) {
        parts.push(svg("text", { x: place, y: height - 4, "text-anchor": "middle" }, clock(at)));
      }
    }
    values.forEach((line, index) => {
      let path = "";
      line.forEach((value, number) => {
        if (value === null) return;
        const isAlone = line[number - 1] === undefined || line[number - 1] === null;
        path += `${isAlone ? "M" : "L"}${x(number).toFixed(1)},${y(value).toFixed(1)}`;
      });
      parts.push(svg("path", { class: `line line-${index}`, d: path }));
    });
    const index = this.at === null ? length - 1 : Math.round((this.at - begin) / stepMs);
    if (this.at !== null && index >= 0 && index < length) {
      parts.push(svg("line", { class: "cursor", x1: x(index), x2: x(index), y1: TOP, y2: height - BOTTOM }));
    }
    if (!known.length) parts.push(svg("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "No values yet"));
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.drawing.replaceChildren(...parts);
    this.tell(values, index, format);
  }

  tell(values, index, format) {
    const { end, stepMs, length } = this.data;
    const texts = values.map((line) => {
      const value = this.at === null ? line.findLast((each, at) => each !== null && at >= length - 6) : line[index];
      return format(value ?? null);
    });
    texts.forEach((text, number) => {
      setText(this.values[number], text);
      this.values[number].parentNode.hidden = values[number].every((value) => value === null);
    });
    setText(this.when, this.at === null ? "now" : clock(end - (length - 1 - index) * stepMs, true));
    const summary = this.series.map(({ label }, number) => `${label} ${texts[number]}`).join(", ");
    this.drawing.setAttribute("aria-label", `${this.title}, ${this.when.textContent}: ${summary}. Arrow keys move in time`);
  }
}
