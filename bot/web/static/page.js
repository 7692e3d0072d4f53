// The upload page: files are chosen, a few travel at a time, and what becomes of each is shown and said.

import { Line, rest } from "./transfer.js";
import { dropped } from "./drops.js";
import { percent, say, size, span, words } from "./said.js";
import { Telegram } from "./telegram.js";
import { thumbnail } from "./thumbs.js";

const AT_ONCE = 3; // the server takes four requests of one link
const PICTURE = Number(document.body.dataset.picture); // bytes
const PATIENCE = 10; // seconds left that are worth saying
const KINDS = /\.(jpe?g|jpe|jfif|png|webp|hei[cf]|hif|zip)$/i;

const $ = (id) => document.getElementById(id);
const line = new Line();
const telegram = new Telegram();
const items = []; // in the order they were chosen
let unfinished = [], working = 0, back = "", speed = null, paused = false, awake = null, drawn = 0;

// --- in

async function enter() {
  const token = location.hash.slice(1);
  for (let n = 0; ; n++) {
    try {
      return await line.enter({ token: telegram.inside ? "" : token, telegram: telegram.data, browser: browser() });
    } catch (problem) {
      if (problem.status === 403 && !telegram.inside) return (await line.again()).said; // opened before, by this browser
      if (problem.status) throw problem;
      await rest(n);
    }
  }
}

/** A secret of this tab: it may open the link again, when the first answer got lost. */
function browser() {
  const kept = sessionStorage.getItem("browser") ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  sessionStorage.setItem("browser", kept);
  return kept;
}

async function open() {
  try {
    ({ unfinished, back } = await enter());
    if (!telegram.inside) history.replaceState(null, "", location.pathname + location.search); // the token is spent
    $("room").hidden = false;
    telegram.ready();
  } catch {
    gone(say("gone-title"), say("gone"));
  }
  $("opening").hidden = true;
}

function gone(title, text) {
  const panel = $("gone");
  panel.querySelector("h2").textContent = title;
  panel.querySelector("h2").hidden = !title;
  panel.querySelector("p").textContent = text;
  panel.hidden = false;
}

// --- choosing

function choose(files) {
  for (const file of files) {
    const mark = `${file.webkitRelativePath || file.name}|${file.size}|${file.lastModified}`;
    const known = items.find((item) => item.mark === mark);
    if (known && known.state !== "refused") continue;
    if (known) discard(known);
    const before = unfinished.find((one) => one.mark === mark && one.size === file.size);
    const item = { file, mark, id: before?.id ?? null, sent: before?.offset ?? 0, state: "waiting", cut: new AbortController() };
    item.row = row(item);
    items.push(item);
    const why = refusal(file);
    if (why) settle(item, "refused", why);
  }
  $("done").hidden = true;
  draw();
  work();
}

function refusal(file) {
  if (/\.txt$/i.test(file.name)) return "refused-text";
  if (!KINDS.test(file.name)) return "refused-type";
  if (!file.size) return "refused-empty";
  return !/\.zip$/i.test(file.name) && file.size > PICTURE ? "refused-picture" : "";
}

// --- sending

function work() {
  while (working < AT_ONCE) {
    const item = items.find((one) => one.state === "waiting");
    if (!item) break;
    item.state = "sending";
    working++;
    send(item).finally(() => {
      working--;
      work();
    });
  }
  $("list").setAttribute("aria-busy", String(working > 0));
  telegram.keep(working > 0);
  keepAwake(working > 0);
  draw();
}

async function send(item) {
  const changed = (sent) => {
    item.shown = sent;
    resumed();
    draw();
  };
  for (let n = 0; ; n++) {
    const sent = item.sent;
    try {
      if (n) await line.recall(item, changed, item.cut.signal);
      await line.carry(item, changed, item.cut.signal);
      return settle(item, "received");
    } catch (problem) {
      if (item.cut.signal.aborted) return;
      if (problem.refused && problem.refused !== "offset") return settle(item, "refused", `refused-${problem.refused}`);
      if (problem.status === 401) return stop();
      if (!(await readable(item.file))) return settle(item, "refused", "refused-failed");
      if (item.sent > sent) n = 0; // it went on in between
      if (!problem.status || problem.status >= 500) lost();
      await rest(n, item.cut.signal);
    }
  }
}

async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function settle(item, state, why = "") {
  item.state = state;
  item.why = why;
  if (state === "refused") tell(`${item.file.name}: ${reason(why)}`);
  const open = items.some((one) => one.state === "waiting" || one.state === "sending");
  if (!open && items.some((one) => one.state === "received")) finished();
  draw();
}

function reason(why) {
  return say(why in words ? why : "refused-failed");
}

function finished() {
  const panel = $("done"), link = $("back");
  link.hidden = !back && !telegram.inside;
  if (back) link.href = back;
  panel.hidden = false;
  panel.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  tell(panel.querySelector("h2").textContent);
}

function discard(item) {
  item.cut.abort();
  items.splice(items.indexOf(item), 1);
  item.row.remove();
  Promise.resolve(line.drop(item)).catch(() => {}); // it is swept in an hour, whatever comes of this
  draw();
}

function stop() {
  for (const item of items) if (item.state === "sending" || item.state === "waiting") item.state = "stopped";
  $("drop").hidden = true;
  gone("", say("stopped"));
}

function lost() {
  if (paused) return;
  paused = true;
  $("paused").textContent = say("paused");
  $("paused").hidden = false;
  tell(say("paused"));
}

function resumed() {
  if (!paused) return;
  paused = false;
  $("paused").hidden = true;
  tell(say("resumed"));
}

// --- showing

function row(item) {
  const made = $("row").content.firstElementChild.cloneNode(true);
  const part = (name) => made.querySelector(name);
  part(".name").textContent = item.file.name;
  part(".name").title = item.file.name;
  part("progress").setAttribute("aria-label", item.file.name);
  part("button").setAttribute("aria-label", say("remove", { name: item.file.name }));
  part("button").onclick = () => {
    const there = [...$("list").querySelectorAll("button")].filter((button) => button.checkVisibility());
    const at = there.indexOf(part("button"));
    discard(item);
    (there[at + 1] ?? there[at - 1] ?? $("pick")).focus(); // where the hand is, for who uses none
  };
  part(".thumb").append((/\.(\w{1,4})$/.exec(item.file.name)?.[1] ?? "").toUpperCase());
  $("list").append(made);
  thumbnail(item.file, part("canvas"));
  return made;
}

function draw() {
  drawn ||= requestAnimationFrame(() => {
    drawn = 0;
    show();
  });
}

function show() {
  const wanted = items.filter((item) => item.state !== "refused");
  const total = wanted.reduce((sum, item) => sum + item.file.size, 0);
  const sent = wanted.reduce((sum, item) => sum + here(item), 0);
  for (const item of items) showRow(item);
  $("files").hidden = !items.length;
  $("drop").classList.toggle("small", items.length > 0);
  $("whole").value = total ? sent / total : 0;
  $("count").textContent = say("summary", { done: wanted.filter((item) => item.state === "received").length, all: wanted.length });
  $("left").textContent = working ? outlook(sent, total) : "";
  document.title = working ? `${percent.format(total ? sent / total : 0)} · ${title}` : title;
}

const title = document.title;

const here = (item) => (item.state === "received" ? item.file.size : Math.min(item.shown ?? item.sent, item.file.size));

function showRow(item) {
  const share = item.file.size ? here(item) / item.file.size : 0;
  const look = item.state + Math.round(share * 100) + item.why;
  if (item.look === look) return; // hundreds of rows, and most of them stand still
  item.look = look;
  const part = (name) => item.row.querySelector(name);
  item.row.className = item.state;
  part("progress").value = share;
  part(".size").textContent = item.state === "refused" ? reason(item.why) : size(item.file.size);
  const states = { waiting: say("waiting"), sending: share < 1 ? percent.format(share) : say("looking"), received: say("received") };
  part(".state").textContent = states[item.state] ?? "";
}

/** How far, and how long it takes yet at the pace of the last seconds. */
function outlook(sent, total) {
  const now = performance.now() / 1000;
  if (!speed || sent < speed.sent) speed = { sent, at: now, rate: 0 };
  if (now - speed.at >= 2) speed = { sent, at: now, rate: 0.6 * (speed.rate || (sent - speed.sent) / (now - speed.at)) + 0.4 * ((sent - speed.sent) / (now - speed.at)) };
  const share = percent.format(sent / total), left = (total - sent) / speed.rate;
  return speed.rate && !paused && left > PATIENCE && left < 86400 ? say("progress", { percent: share, left: span(left) }) : share;
}

function tell(text) {
  $("say").textContent = text;
}

async function keepAwake(wanted) {
  if (!wanted) {
    awake?.release().catch(() => {});
    awake = null;
  } else if (!awake && document.visibilityState === "visible") {
    awake = await navigator.wakeLock?.request("screen").catch(() => null);
  }
}

// --- hands

$("pick").addEventListener("change", (event) => {
  choose(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});
for (const name of ["dragenter", "dragover"]) addEventListener(name, (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
addEventListener("dragleave", (event) => event.relatedTarget || $("drop").classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if ($("room").hidden || $("drop").hidden) return;
  const files = [];
  for await (const file of dropped(event.dataTransfer)) files.push(file);
  choose(files);
});
addEventListener("paste", (event) => $("room").hidden || choose(event.clipboardData.files));
addEventListener("hashchange", () => location.reload()); // a new link, pasted over an old one
addEventListener("beforeunload", (event) => working && event.preventDefault());
$("back").addEventListener("click", (event) => {
  if (!telegram.inside) return;
  event.preventDefault();
  telegram.close();
});

open();
