"""Checks of accessibility, as scripts for the browser."""

CONTRAST = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = (rgb) => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
const read = (text) => text.match(/[\\d.]+/g).map(Number);
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const rgb = read(getComputedStyle(node).backgroundColor);
    if (rgb.length === 3 || rgb[3] > 0) return rgb;
  }
  return [255, 255, 255];
};
let least = 99, count = 0;
for (const node of document.querySelectorAll("body *")) {
  if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
  if (!node.checkVisibility() || node.disabled) continue;
  const text = getComputedStyle(node);
  const colour = node.closest("svg") ? text.fill : text.color;
  const [one, two] = [light(read(colour)), light(ground(node))].sort((a, b) => b - a);
  least = Math.min(least, (one + 0.05) / (two + 0.05));
  count += 1;
}
return [least, count];
"""
"""The smallest contrast of any text that is shown, and how many texts there are."""

UNNAMED = """
const isNamed = (node) => node.getAttribute("aria-label") || node.getAttribute("aria-labelledby")
  || (node.labels && node.labels.length) || node.textContent.trim();
return [...document.querySelectorAll("button, input, select, svg, dialog, [role=menu]")]
  .filter((node) => node.checkVisibility() && !isNamed(node)).map((node) => node.outerHTML);
"""
"""The controls and pictures that have no name."""

WIDER = "return document.documentElement.scrollWidth - window.innerWidth"
"""By how many pixels the page is wider than the screen."""
