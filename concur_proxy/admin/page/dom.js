// Small helpers for the document. All text is set as text, never as HTML.

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const { data = {}, label, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.dataset, data);
  if (label) node.setAttribute("aria-label", label);
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

// A cell. Its label is shown on a narrow screen, which has no column heads.
export function makeCell(label, className = "", ...children) {
  return make("td", { className, data: { label } }, ...children);
}

// Shows one node for each item, in this order. Nodes of known keys stay, and with them the focus.
export class KeyedList {
  constructor(parent, create) {
    this.parent = parent;
    this.create = create;
    this.entries = new Map();
  }

  // `items` are pairs of a key and a value; `update(entry, value)` fills the entry's node.
  show(items, update) {
    const focused = document.activeElement;
    const seen = new Set();
    items.forEach(([key, value], index) => {
      seen.add(key);
      if (!this.entries.has(key)) this.entries.set(key, this.create(value));
      const entry = this.entries.get(key);
      update(entry, value);
      if (this.parent.children[index] !== entry.node) this.parent.insertBefore(entry.node, this.parent.children[index] || null);
    });
    for (const [key, { node }] of this.entries) {
      if (!seen.has(key)) {
        node.remove();
        this.entries.delete(key);
      }
    }
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  }
}

// Gives a select these options, pairs of value and text. The chosen one stays chosen while it exists.
export function setOptions(select, pairs) {
  const chosen = select.value;
  if (select.options.length !== pairs.length || pairs.some(([value], index) => select.options[index].value !== value)) {
    select.replaceChildren(...pairs.map(([value, text]) => make("option", { value, textContent: text })));
    select.value = pairs.some(([value]) => value === chosen) ? chosen : pairs[0][0];
  }
  pairs.forEach(([, text], index) => setText(select.options[index], text));
}

// The line that says what was done, or what is wrong.
export function say(text) {
  setText($("message"), text);
}
