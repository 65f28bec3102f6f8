// The review desk's keys, drafts and outbox. All of it can be done without: forms post, links lead.

const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const on = (target, name, act) => target?.addEventListener(name, act);
const make = (tag, fields) => Object.assign(document.createElement(tag), fields);
const disk = localStorage;
const user = document.body.dataset.user ?? "";
const boxName = `touchstone.outbox.${user}`;
const read = (name) => JSON.parse(disk.getItem(name) ?? "null");
const write = (name, value) => disk.setItem(name, JSON.stringify(value));
const waiting = () => read(boxName) ?? [];
const dropFromBox = (key) => write(boxName, waiting().filter((one) => one.key !== key));
const clock = () => new Date().toTimeString().slice(0, 8);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function say(text, ...more) {
  (one("[role=status]") ?? document.body.appendChild(make("p", { className: "banner", role: "status" }))).replaceChildren(text, ...more);
}

const post = (url, body) => fetch(url, {
  method: "POST",
  headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" },
  body,
  keepalive: body.length < 6e4,
});

/** Send a label until the server has it: the address that follows, or undefined where it was refused. */
async function deliver(entry) {
  for (let wait = 1000; ; wait = Math.min(2 * wait, 30_000)) {
    try {
      const answer = await post(entry.url, entry.body);
      if (answer.ok) {
        dropFromBox(entry.key);
        return (await answer.json()).next;
      }
      if (answer.status < 500) return refused(entry, await answer.json().catch(() => ({})));
    } catch { /* The server cannot be reached; the label waits here. */ }
    say(`${waiting().length} stored on this device, waiting for the server`);
    await pause(wait);
  }
}

function refused(entry, { detail = "Refused." }) {
  const link = make("a", { href: URL.createObjectURL(new Blob([JSON.stringify(entry)])), download: "label.json", textContent: "Download your label" });
  say(`${detail} `, link, " ", make("button", { className: "link", type: "button", textContent: "Discard it", onclick: () => { dropFromBox(entry.key); say("Gone"); } }));
}

async function flush() {
  let next;
  for (const entry of waiting()) next = (await deliver(entry)) ?? next;
  return next;
}

on(one("[data-out]"), "submit", (event) => {
  if (!waiting().length) return;
  event.preventDefault();
  say("A label waits on this device for the server; sign out later");
});

const desk = one("[data-desk]");
if (desk) start();
if (user && waiting().length) flush().then((next) => next && location.assign(next));

function start() {
  const revealed = desk.dataset.desk === "revealed";
  const item = desk.dataset.item;
  const form = one("form.side");
  const fields = all("fieldset", form), sentences = all(".ans > li"), draftName = `touchstone.draft.${user}.${item}`;
  const keys = JSON.parse(desk.dataset.keys);
  const keySwitch = one("[data-switch]");
  const seconds = visibleSeconds();
  const past = [];
  let field = 0, sentence = -1, changing = false, matching = true, busy = false, shut = false, timer = 0, used = Date.now();
  let until = desk.dataset.until ?? "";
  let keysOn = desk.dataset.on === "1" && disk.getItem("touchstone.keys") !== "off";
  let before = state();

  function state() { return new URLSearchParams(new FormData(form)).toString(); }

  function restore(body) {
    const said = new URLSearchParams(body);
    for (const input of form.elements) {
      if (!input.name || input.type === "hidden" || input.type === "submit") continue;
      if (input.type === "radio" || input.type === "checkbox") input.checked = said.getAll(input.name).includes(input.value);
      else if (said.has(input.name)) input.value = said.get(input.name);
    }
    show();
  }

  function changed(keep = true) {
    const now = state();
    if (now === before) return;
    if (keep) past.push(before);
    before = now;
    show();
    if (revealed) return;
    disk.setItem(draftName, now);
    clearTimeout(timer);
    timer = setTimeout(saveDraft, 800);
  }

  async function saveDraft() {
    const body = before;
    const answer = await post(`${form.action}/draft`, body).catch(() => null);
    if (busy) return;
    if (answer?.ok && body === before) disk.removeItem(draftName);
    say(answer?.ok ? `Draft stored ${clock()}` : "Draft kept on this device");
  }

  function show() {
    for (const li of sentences) {
      const mark = one(".marks input:checked", li), tag = one("[data-mine]", li);
      tag.hidden = !mark;
      tag.lastElementChild.textContent = mark ? mark.closest("label").lastChild.textContent.toLowerCase() : "";
    }
    const text = one("[data-from]"), view = one("[data-diff]"), from = text.dataset.from;
    const parts = text.value.trim() && text.value !== from ? diff(from, text.value) : [];
    view.hidden = !parts.length;
    view.replaceChildren(...parts.map(([kind, words]) => kind ? make(kind, { textContent: words }) : words));
    const count = (kind) => parts.filter((part) => part[0] === kind).reduce((sum, part) => sum + (part[1].match(/\S+/g) ?? []).length, 0);
    one("[data-counts]").textContent = parts.length ? `${count("del")} words out, ${count("ins")} in` : "as it stands";
  }

  const locked = () => revealed && !changing;
  const chosen = (set) => one("input[type=radio]:checked", set);

  function goTo(index) {
    field = Math.max(0, Math.min(fields.length - 1, index));
    fields.forEach((set, at) => set.classList.toggle("now", at === field && (!revealed || changing)));
    fields[field]?.scrollIntoView({ block: "nearest" });
    const guide = one("[data-guide]");
    guide.hidden = false;
    one("p", guide).textContent = fields[field]?.querySelector(".rule p").textContent ?? "";
  }

  function choose(number) {
    const open = one(":popover-open");
    if (open) return all("button", open)[number - 1]?.click();
    const radio = all("input[type=radio]", fields[field])[number - 1];
    if (!radio || locked()) return;
    radio.checked = true;
    radio.focus({ preventScroll: true });
    changed();
    const differing = fields.findIndex((set, at) => at > field && one(".differs", set));
    if (!changing) goTo(field + 1);
    else if (differing >= 0) goTo(differing);
    else if (!unmarked()) store();
  }

  function change() {
    if (!revealed) return;
    changing = true;
    goTo(fields.findIndex((set) => one(".differs", set)));
    say("Choose with 1 to 4 to store the change");
  }

  function mark(name) {
    const input = one(`.marks input[value=${name}]`, sentences[sentence] ?? form);
    if (!input || sentence < 0 || locked()) return;
    input.checked = !input.checked;
    changed();
    if (input.checked && sentence < sentences.length - 1) toSentence(sentence + 1);
  }

  const unmarked = () => sentences.length && one("fieldset[data-marks] [data-fails]:checked") && !one(".marks :is([value=unsupported], [value=contradicted]):checked");

  function finish() {
    if (locked()) return one("[data-main]").click();
    const missing = fields.findIndex((set) => !chosen(set));
    if (missing >= 0) {
      goTo(missing);
      return say(`${one("legend", fields[missing]).textContent.trim()} has no label yet`);
    }
    if (unmarked()) {
      toSentence(sentence);
      return say("Mark at least one sentence as unsupported or contradicted");
    }
    store();
  }

  async function store() {
    if (busy || shut) return;
    busy = true;
    clearTimeout(timer);
    const body = new URLSearchParams(state());
    body.set("seconds", seconds().toFixed(1));
    const entry = { url: form.action, key: body.get("key"), body: body.toString() };
    write(boxName, [...waiting(), entry]);
    disk.removeItem(draftName);
    say("Storing…");
    const next = await deliver(entry);
    busy = false;
    if (next) location.assign(next);
  }

  function toSentence(index) {
    sentence = Math.max(0, Math.min(sentences.length - 1, index));
    sentences.forEach((li, at) => { li.classList.toggle("sel", at === sentence); li.toggleAttribute("aria-current", at === sentence); });
    sentences[sentence]?.scrollIntoView({ block: "nearest" });
    showMatches();
  }

  function showMatches() {
    if (revealed || !("highlights" in CSS)) return;
    const said = matching && sentence >= 0 ? words(one(".tx", sentences[sentence]).textContent) : new Set();
    CSS.highlights.set("match", new Highlight(...all(".ctx .psg p.words").flatMap((text) => rangesOf(text, said))));
    one("[data-aid]")?.toggleAttribute("hidden", !said.size);
  }

  function undo() {
    if (!past.length) return press("undo");
    restore(past.pop());
    changed(false);
    say("Undone");
  }

  const press = (name) => one(`[data-act=${name}]`)?.click();
  const acts = {
    supported: () => mark("supported"), unsupported: () => mark("unsupported"), contradicted: () => mark("contradicted"), no_claim: () => mark("no_claim"),
    correct: () => one("[data-from]").focus(), comment: () => one("[name=comment]").focus(), undo, change,
    passages: () => all("[data-apart]").forEach((box) => { box.open = !box.open; }),
    matching: () => { matching = !matching; showMatches(); },
  };
  const moves = {
    ArrowUp: () => goTo(field - 1), ArrowDown: () => goTo(field + 1), Enter: finish,
    "[": () => toSentence(sentence - 1), "]": () => toSentence(sentence + 1),
  };

  on(document, "keydown", (event) => {
    const at = event.target;
    touch();
    if (event.isComposing || event.metaKey || event.altKey || shut) return;
    if (at.matches("textarea, select, input:not([type=radio], [type=checkbox])")) {
      if (event.key === "Escape") at.blur();
      return;
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey && key !== "z") return;
    if (!keysOn || (key === "Enter" && at.matches("a, button, summary"))) return;
    const alias = { ",": "[", ".": "]", BracketLeft: "[", BracketRight: "]" };
    const name = event.ctrlKey ? "undo" : keys[key];
    const act = /^[1-9]$/.test(key) ? () => choose(Number(key)) : name ? acts[name] ?? (() => press(name)) : moves[alias[key] ?? alias[event.code] ?? key];
    if (!act || (one(":popover-open") && !/^[1-9]$/.test(key) && !name)) return;
    event.preventDefault();
    act();
  });
  on(desk, "input", () => changed());
  on(desk, "pointerdown", touch);
  for (const li of sentences) on(li, "click", () => toSentence(sentences.indexOf(li)));
  on(form, "submit", (event) => {
    if (event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    changing = revealed;
    finish();
  });
  on(form, "focusin", (event) => {
    const index = fields.findIndex((set) => set.contains(event.target));
    if (index >= 0 && index !== field) goTo(index);
  });

  async function renew() {
    const answer = await post(`${form.action}/lease`, "").catch(() => null);
    if (answer?.ok) until = (await answer.json()).until;
  }
  const left = () => Date.parse(until) - Date.now();
  function touch() {
    used = Date.now();
    if (until && left() < 120_000 && !busy) renew();
  }
  if (until) {
    setInterval(() => {
      if (busy || shut || document.hidden) return;
      if (Date.now() - used < 600_000) renew();
      else if (left() < 75_000) say("This item goes to others in a minute; press any key to keep it");
    }, 60_000);
    on(window, "pagehide", () => { if (!busy) post(`${form.action}/release`, `until=${encodeURIComponent(until)}`).catch(() => null); });
  }

  const tab = Math.random();
  const channel = new BroadcastChannel("touchstone.desk");
  on(channel, "message", ({ data }) => {
    if (data.item !== item || data.user !== user || shut) return;
    if (data.taken === tab) {
      shut = true;
      for (const input of form.elements) input.disabled = true;
      say("Open in another tab");
    } else if (!data.taken) channel.postMessage({ item, user, taken: data.tab });
  });
  channel.postMessage({ item, user, tab });

  const showSwitch = () => { keySwitch.hidden = false; keySwitch.textContent = keysOn ? "Turn keys off" : "Turn keys on"; };
  on(keySwitch, "click", () => {
    keysOn = !keysOn;
    disk.setItem("touchstone.keys", keysOn ? "on" : "off");
    showSwitch();
  });

  const kept = revealed ? null : disk.getItem(draftName);
  if (kept) { restore(kept); changed(false); } else show();
  showSwitch();
  goTo(fields.findIndex((set) => !chosen(set)));
  if (!revealed && sentences.length) toSentence(0);
  desk.dataset.ready = "";
}

/** The parts of two texts, word by word: ["", both], ["del", only the first], ["ins", only the second]. */
function diff(first, second) {
  const a = first.match(/\s*\S+|\s+$/g) ?? [], b = second.match(/\s*\S+|\s+$/g) ?? [];
  let head = 0, tail = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail), parts = [["", a.slice(0, head).join("")]];
  const put = (kind, words) => { if (parts.at(-1)[0] === kind) parts.at(-1)[1] += words; else parts.push([kind, words]); };
  if (x.length * y.length > 4e6) { put("del", x.join("")); put("ins", y.join("")); } else {
    const best = Array.from({ length: x.length + 1 }, () => new Uint32Array(y.length + 1));
    for (let i = x.length - 1; i >= 0; i--) for (let j = y.length - 1; j >= 0; j--) best[i][j] = x[i] === y[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    let i = 0, j = 0;
    while (i < x.length || j < y.length) {
      if (i < x.length && j < y.length && x[i] === y[j]) { put("", x[i++]); j++; }
      else if (i < x.length && (j === y.length || best[i + 1][j] >= best[i][j + 1])) put("del", x[i++]);
      else put("ins", y[j++]);
    }
  }
  put("", a.slice(a.length - tail).join(""));
  return parts.filter(([, words]) => words);
}

/** A clock of the time that the page was in view; a gap of a minute without input stops it. */
function visibleSeconds() {
  let total = 0, last = performance.now();
  const tick = () => {
    const now = performance.now();
    if (!document.hidden) total += Math.min(now - last, 60_000);
    last = now;
  };
  for (const name of ["keydown", "pointermove", "scroll", "visibilitychange"]) on(document, name, tick);
  return () => { tick(); return total / 1000; };
}

function words(text) {
  return new Set((text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => word.length > 3 || /\d/.test(word)));
}

function rangesOf(element, wanted) {
  const ranges = [], walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (const match of (node.nodeValue ?? "").matchAll(/[\p{L}\p{N}]+/gu)) {
      if (!wanted.has(match[0].toLowerCase())) continue;
      const range = new Range();
      range.setStart(node, match.index);
      range.setEnd(node, match.index + match[0].length);
      ranges.push(range);
    }
  }
  return ranges;
}
