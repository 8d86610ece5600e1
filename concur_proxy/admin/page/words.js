// Numbers and times for people.

// A number in two or three digits: 850, 9.5k, 50k, 1.08M.
export function count(value) {
  if (value === null || value === undefined) return "–";
  let [scaled, digits, unit] = [value, 3, ""];
  for (const [larger, itsDigits] of [["k", 2], ["M", 3], ["G", 3]]) {
    if (scaled < 999.5) break;
    [scaled, digits, unit] = [scaled / 1000, itsDigits, larger];
  }
  const whole = String(Math.trunc(scaled)).length;
  const decimals = unit ? Math.max(0, digits - whole) : Number(scaled < 10);
  return `${Number(scaled.toFixed(decimals))}${unit}`;
}

export function percent(share) {
  if (share === null || share === undefined) return "–";
  const value = 100 * share;
  return `${Math.abs(value) < 10 ? Number(value.toFixed(1)) : Math.round(value)} %`;
}

// A time span in one unit: 16 s, 14 min, 3 h.
export function duration(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function plural(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// An engine's URL without what all of them have in common.
export function shortEngine(name) {
  return name.replace(/^https?:\/\//, "");
}

export function clock(milliseconds, withSeconds = false) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(withSeconds ? { second: "2-digit" } : {}) };
  return new Date(milliseconds).toLocaleTimeString([], options);
}
