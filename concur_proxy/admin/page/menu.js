// The menu of a row: one element for the whole page, which is filled when it opens.

import { $, make } from "./dom.js";

let opener = null;
let closedAt = 0;

// A button that opens a menu. `items()` gives pairs of a text and what to do, read at the moment of opening.
export function menuButton(items) {
  const button = make("button", { type: "button", className: "menu-button", textContent: "⋯" });
  button.setAttribute("aria-haspopup", "menu");
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", (event) => {
    // a press of the mouse outside the menu has just closed it; the keyboard (detail 0) closes nothing by itself
    if (opener === button || (event.detail && closedAt && performance.now() - closedAt < 50)) return close();
    open(button, items());
  });
  button.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    open(button, items());
  });
  return button;
}

function open(button, items) {
  const menu = $("menu");
  close();
  menu.replaceChildren(...items.map(([text, act, isDangerous]) => {
    const item = make("button", { type: "button", role: "menuitem", textContent: text, tabIndex: -1 });
    if (isDangerous) item.className = "danger";
    item.addEventListener("click", () => {
      close();
      if (button.isConnected) button.focus();
      act();
    });
    return item;
  }));
  menu.setAttribute("aria-label", button.getAttribute("aria-label"));
  opener = button;
  button.setAttribute("aria-expanded", "true");
  menu.showPopover();
  const [at, size] = [button.getBoundingClientRect(), menu.getBoundingClientRect()];
  const below = at.bottom + size.height + 4 < window.innerHeight;
  menu.style.left = `${Math.max(8, at.right - size.width) + window.scrollX}px`;
  menu.style.top = `${(below ? at.bottom + 4 : Math.max(4, at.top - size.height - 4)) + window.scrollY}px`;
  menu.firstElementChild.focus();
}

function close() {
  if (opener && $("menu").matches(":popover-open")) $("menu").hidePopover();
}

$("menu").addEventListener("toggle", (event) => {
  if (event.newState !== "closed" || !opener) return;
  opener.setAttribute("aria-expanded", "false");
  closedAt = performance.now();
  opener = null;
});

$("menu").addEventListener("keydown", (event) => {
  const items = [...$("menu").children];
  const at = items.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Tab" || event.key === "Escape") {
    if (event.key === "Escape") event.preventDefault();
    const button = opener;
    close();
    button.focus();
  } else if (next !== undefined) {
    event.preventDefault();
    items[(next + items.length) % items.length].focus();
  }
});
