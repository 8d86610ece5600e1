// Calls of the admin API.

import { $, setHidden } from "./dom.js";

let key = "";  // kept in this page only, until it is closed

// Raises an `Error` with the gateway's own sentence if the call is refused. The key is asked for when it is needed.
export async function call(method, path, body) {
  const headers = { accept: "application/json" };
  const sent = key;
  if (sent) headers.authorization = `Bearer ${sent}`;
  const options = { method, headers, signal: AbortSignal.timeout(5000) };
  if (body) options.body = JSON.stringify(body);
  const response = await fetch(`v1/${path}`, options);
  const answer = await response.json();
  if (response.status === 401) {
    setHidden($("key-form"), false);
    if (key === sent) key = "";  // not again: the gateway counts wrong keys
  }
  if (!response.ok) throw new Error(answer.error ? answer.error.message : `HTTP ${response.status}`);
  if (sent) setHidden($("key-form"), true);
  return answer;
}

export function reading(path, parameters) {
  return call("GET", `${path}?${new URLSearchParams(parameters)}`);
}

export function inWords(error) {
  if (error.name === "TimeoutError") return "The gateway does not answer in time.";
  return error instanceof TypeError ? "The gateway does not answer." : error.message;
}

// Calls `done` when somebody has entered a key.
export function listenForKey(done) {
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    key = $("key").value;
    $("key").value = "";
    done();
  });
}
