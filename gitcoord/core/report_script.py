"""The script of a report: pointing, filtering, searching, keys. Pure.

It makes no element and reads no text as markup: what stands in the ledger
reaches it as text, and leaves it as text.
"""

from __future__ import annotations

__all__ = ["SCRIPT"]

SCRIPT = """
"use strict";
const byId = (name) => document.getElementById(name);
const FILTERS = ["find", "state", "phase", "agent"];
let rows, marks, current;

function read() {
  rows = [...document.querySelectorAll("#tasks tbody tr")];
  marks = new Map();
  for (const mark of document.querySelectorAll("svg [data-task]")) {
    const of = marks.get(mark.dataset.task) || [];
    of.push(mark);
    marks.set(mark.dataset.task, of);
  }
  for (const row of rows) row.words = row.textContent.toLowerCase();
  current = null;
}

function matches(row, asked) {
  return ["state", "phase", "agent"].every((key) => !asked[key] || row.dataset[key] === asked[key])
    && asked.find.toLowerCase().split(" ").every((word) => row.words.includes(word));
}

function filter() {
  const asked = Object.fromEntries(FILTERS.map((name) => [name, byId(name).value]));
  let count = 0;
  for (const row of rows) {
    const is = matches(row, asked);
    row.hidden = !is;
    count += is;
    for (const mark of marks.get(row.dataset.name) || []) mark.classList.toggle("dim", !is);
  }
  byId("shown").textContent = `${count} of ${rows.length} tasks`;
}

function light(name, is) {
  for (const mark of marks.get(name) || []) mark.classList.toggle("lit", is);
  for (const row of rows) if (row.dataset.name === name) row.classList.toggle("lit", is);
}

function words(mark) {
  const title = mark.querySelector("title");
  if (title) {
    mark.tip = title.textContent;
    mark.setAttribute("aria-label", mark.tip);
    title.remove();
  }
  return mark.tip;
}

function point(event) {
  const mark = event.target.closest && event.target.closest("[data-task], [data-mark]");
  const tip = byId("tip");
  if (current && current !== mark) light(current.dataset.task, false);
  current = mark;
  tip.hidden = !mark;
  if (!mark) return;
  light(mark.dataset.task, true);
  tip.textContent = words(mark);
  const box = tip.getBoundingClientRect();
  const right = Math.min(event.clientX + 14, window.innerWidth - box.width - 8);
  const below = event.clientY + 18;
  const fits = below + box.height < window.innerHeight;
  tip.style.left = `${Math.max(8, right)}px`;
  tip.style.top = `${fits ? below : event.clientY - box.height - 10}px`;
}

function go(row) {
  if (!row) return;
  for (const other of rows) if (other.classList.contains("lit")) light(other.dataset.name, false);
  row.focus();
  row.scrollIntoView({block: "nearest"});
  light(row.dataset.name, true);
}

function step(by) {
  const shown = rows.filter((row) => !row.hidden);
  const at = shown.indexOf(document.activeElement);
  go(shown[at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by))]);
}

function theme() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
}

function clear() {
  for (const name of FILTERS) byId(name).value = "";
  filter();
}

const KEYS = {
  "/": () => byId("find").focus(), "j": () => step(1), "k": () => step(-1), "t": theme,
  "ArrowDown": () => step(1), "ArrowUp": () => step(-1),
};
document.addEventListener("pointerover", point);
document.addEventListener("input", filter);
document.addEventListener("click", (event) => {
  if (event.target.id === "theme") theme();
  if (event.target.id === "clear") clear();
  const mark = event.target.closest("svg [data-task]");
  if (mark) go(rows.find((row) => row.dataset.name === mark.dataset.task && !row.hidden));
});
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape") { clear(); byId("tip").hidden = true; event.target.blur(); }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const isArrow = event.key.startsWith("Arrow");
  if (!KEYS[event.key] || (isArrow && !rows.includes(document.activeElement))) return;
  event.preventDefault();
  KEYS[event.key]();
});
read();
filter();
"""
