"""The scripts of a report: pointing, filtering, searching, keys; following a ledger. Pure.

They read no text of a ledger as markup: it reaches them as text, and leaves
them as text. The live one takes over the elements that our own server wrote.
"""

from __future__ import annotations

__all__ = ["LIVE_SCRIPT", "SCRIPT"]

_POINTING = """
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
  if (!rows) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape") { clear(); byId("tip").hidden = true; event.target.blur(); }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const isArrow = event.key.startsWith("Arrow");
  if (!KEYS[event.key] || (isArrow && !rows.includes(document.activeElement))) return;
  event.preventDefault();
  KEYS[event.key]();
});
"""

SCRIPT = (
    _POINTING
    + """
read();
filter();
"""
)

LIVE_SCRIPT = (
    _POINTING
    + """
const TOKEN = location.hash.slice(1);
const LOST = "no answer: has the watcher ended? This is how it stood before";
const WRONG = "this is not the address that the watcher printed";
let seen = "", isPaused = false;
const rest = (ms) => new Promise((done) => setTimeout(done, ms));

function say(words) {
  if (byId("live").textContent !== words) byId("live").textContent = words;
}

function keep() {
  const fields = FILTERS.filter(byId).map((name) => [name, byId(name).value]);
  const scrolled = [...document.querySelectorAll(".scroll")];
  const one = document.activeElement;
  return {
    fields, name: one.dataset.name, id: one.id, at: window.scrollY, from: one.selectionStart,
    scrolled: scrolled.map((box) => [box.scrollLeft, box.scrollTop]),
  };
}

function restore(kept) {
  for (const [name, value] of kept.fields) byId(name).value = value;
  read();
  filter();
  [...document.querySelectorAll(".scroll")].forEach((box, number) => {
    const [left, top] = kept.scrolled[number] || [0, 0];
    box.scrollLeft = left;
    box.scrollTop = top;
  });
  const row = kept.name && rows.find((one) => one.dataset.name === kept.name);
  const again = row || (kept.id && byId(kept.id));
  if (again) again.focus({preventScroll: true});
  if (kept.id === "find") byId("find").setSelectionRange(kept.from, kept.from);
  if (row) light(row.dataset.name, true);
  window.scrollTo(0, kept.at);
}

function put(source) {
  const next = new DOMParser().parseFromString(source, "text/html").querySelector("main");
  const kept = keep();
  document.querySelector("main").replaceWith(document.adoptNode(next));
  document.title = document.querySelector("h1").textContent;
  byId("tip").hidden = true;
  restore(kept);
}

async function ask() {
  const headers = {"Authorization": `Bearer ${TOKEN}`, "If-None-Match": seen};
  const answer = await fetch("/report", {headers, cache: "no-store", redirect: "error"});
  return [answer.status, answer.headers.get("ETag"), await answer.text()];
}

async function look() {
  if (isPaused || document.hidden) return rest(200);
  let status, tag, source;
  try { [status, tag, source] = await ask(); } catch { say(LOST); return rest(2000); }
  if (isPaused) return;
  if (status === 200) { seen = tag; put(source); }
  if (status === 200 || status === 304) { say("live"); return; }
  say(status === 401 ? WRONG : source);
  return rest(2000);
}

byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  say(isPaused ? "paused" : "live");
});
(async () => { for (;;) await look(); })();
"""
)
