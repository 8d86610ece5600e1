// Questions to the operator, in a modal dialog. Escape and Cancel change nothing.

import { inWords } from "./api.js";
import { make, setText } from "./dom.js";

// `fields` are nodes; `submit()` makes the call. A refusal is shown in the dialog, which then stays open.
export function ask({ title, text = "", fields = [], confirm, isDangerous = false, submit }) {
  const heading = make("h2", { textContent: title, id: "dialog-title" });
  const problem = make("p", { className: "bad", role: "alert" });
  const cancel = make("button", { type: "button", textContent: "Cancel" });
  const accept = make("button", { textContent: confirm, className: isDangerous ? "danger" : "primary" });
  const form = make("form", {}, heading, make("p", { textContent: text }), ...fields, problem,
    make("div", { className: "bar end" }, cancel, accept));
  const dialog = make("dialog", {}, form);
  dialog.setAttribute("aria-labelledby", "dialog-title");
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    accept.disabled = true;
    try {
      await submit();
      dialog.close();
    } catch (error) {
      setText(problem, `Not done: ${inWords(error)}`);
    }
    accept.disabled = false;
  });
  document.body.append(dialog);
  dialog.showModal();
  (fields.length ? form.querySelector("input, select") : cancel).focus();
}

export function field(label, control) {
  return make("label", { className: "field" }, make("span", { textContent: label }), control);
}
