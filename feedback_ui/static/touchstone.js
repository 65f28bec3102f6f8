// The review desk's keys, drafts and outbox. All of it can be done without: forms post, links lead.

const one = (what, where = document) => where.querySelector(what), all = (what, where = document) => [...where.querySelectorAll(what)];
const make = (tag, fields) => Object.assign(document.createElement(tag), fields);
const disk = localStorage, user = document.body.dataset.user ?? "", boxName = `touchstone.outbox.${user}`;
const waiting = () => JSON.parse(disk.getItem(boxName) ?? "[]"), fill = (entries) => disk.setItem(boxName, JSON.stringify(entries));
const drop = (key) => fill(waiting().filter((entry) => entry.key !== key));
const tab = Math.random(), channel = new BroadcastChannel("touchstone.desk"), word = /[\p{L}\p{N}]+/gu;
let beat, inView = 0, last = performance.now();

function say(text, ...more) {
  (one("[role=status]") ?? document.body.appendChild(make("p", { className: "banner", role: "status" }))).replaceChildren(text, ...more);
}

const post = (url, body, Prefer = "") => fetch(url, {
  method: "POST",
  headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json", Prefer },
  body,
  keepalive: body.length < 6e4,
});

/** Send a label until the server has it: what follows, or undefined where it was refused. */
async function deliver({ url, key, body }, prefer) {
  for (let wait = 1000; ; wait = Math.min(2 * wait, 30_000), prefer = "") {
    try {
      const answer = await post(url, body, prefer);
      if (answer.ok) {
        const after = await answer.json();
        drop(key);
        return after;
      }
      if (answer.status === 401) return say("A label waits on this device; ", make("a", { href: `/sign-in?next=${location.pathname}`, textContent: "sign in to store it" }));
      if (answer.status < 500) return refused({ url, key, body }, await answer.json().catch(() => ({})));
    } catch { /* The server cannot be reached; the label waits here. */ }
    say(`${waiting().length} stored on this device, waiting for the server`);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

function refused(entry, { detail = "Refused." }) {
  const link = make("a", { href: URL.createObjectURL(new Blob([JSON.stringify(entry)])), download: "label.json", textContent: "Download your label" });
  say(`${detail} `, link, " ", make("button", { className: "link", type: "button", textContent: "Discard it", onclick: () => { drop(entry.key); say("Gone"); } }));
}

async function flush() {
  let after;
  for (const entry of waiting()) after = (await deliver(entry)) ?? after;
  if (after) location.assign(after.next);
}

const out = one("[data-out]");
if (out) out.onsubmit = () => {
  if (waiting().length) say("A label waits on this device for the server; sign out later");
  return !waiting().length;
};
onpopstate = () => location.hash || location.reload();
for (const name of ["keydown", "pointermove", "scroll", "visibilitychange"]) document.addEventListener(name, tick);
start();
if (user) flush();

/** Count the time that the page is in view; a gap of a minute without input stops the clock. */
function tick() {
  const now = performance.now();
  if (!document.hidden) inView += Math.min(now - last, 60_000);
  last = now;
}

const sources = (where) => all("script, link", where).map((tag) => tag.outerHTML).join();

/** Put the page that the server sent in the place of this one; load it where it came without, or with another script. */
function turnTo({ next, page }) {
  const fresh = page && new DOMParser().parseFromString(page, "text/html");
  if (!page || sources(fresh) !== sources()) return location.assign(next);
  clearInterval(beat);
  document.onkeydown = onpagehide = channel.onmessage = null;
  one("main").replaceWith(one("main", fresh));
  document.title = fresh.title;
  history.pushState(null, "", next);
  scrollTo(0, 0);
  one("main").focus();
  start();
}

function start() {
  const desk = one("[data-desk]");
  if (!desk) return;
  const form = one("form.side"), fields = all("fieldset", form), sentences = all(".ans > li[id]"), past = [];
  const { item } = desk.dataset, revealed = desk.dataset.desk === "revealed", keys = JSON.parse(desk.dataset.keys), draftName = `touchstone.draft.${user}.${item}`;
  const { matching } = form.elements;
  let field = 0, sentence = -1, changing = false, busy = false, shut = false, timer, used = Date.now(), until = desk.dataset.until;
  if (matching) matching.value = "on";
  let before = state();
  tick();
  inView = 0;

  function state() { return new URLSearchParams(new FormData(form)).toString(); }

  function restore(body) {
    const said = new URLSearchParams(body);
    for (const input of form.elements) {
      if (/radio|checkbox/.test(input.type)) input.checked = said.getAll(input.name).includes(input.value);
      else if (input.type !== "hidden" && said.has(input.name)) input.value = said.get(input.name);
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
    const body = before, answer = await post(`${form.action}/draft`, body).catch(() => null);
    if (busy) return;
    if (answer?.ok && body === before) disk.removeItem(draftName);
    say(answer?.ok ? `Draft stored ${new Date().toTimeString().slice(0, 8)}` : "Draft kept on this device");
  }

  function show() {
    for (const li of sentences) {
      const mark = one(".marks input:checked", li), tag = one("[data-mine]", li);
      tag.hidden = !mark;
      tag.lastElementChild.textContent = mark ? `${mark.parentElement.lastChild.textContent.toLowerCase()} ${one("[list]", li).value}` : "";
    }
    const text = one("[data-from]"), view = one("[data-diff]"), { from } = text.dataset;
    const parts = text.value.trim() && text.value !== from ? diff(from, text.value) : [];
    view.hidden = !parts.length;
    view.replaceChildren(...parts.map(([kind, words]) => kind ? make(kind, { textContent: words }) : words));
    const count = (kind) => (all(kind, view).map((part) => part.textContent).join(" ").match(/\S+/g) ?? []).length;
    one("[data-counts]").textContent = parts.length ? `${count("del")} words out, ${count("ins")} in` : "as it stands";
  }

  const locked = () => revealed && !changing;
  const missing = () => fields.findIndex((set) => !one("input[type=radio]:checked", set));

  function goTo(index) {
    field = Math.max(0, Math.min(fields.length - 1, index));
    fields.forEach((set, at) => set.classList.toggle("now", at === field && !locked()));
    fields[field]?.scrollIntoView({ block: "nearest" });
    const guide = one("[data-guide]");
    guide.hidden = false;
    one("p", guide).textContent = fields[field] ? one(".rule p", fields[field]).textContent : "";
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
    const input = sentences[sentence] && one(`.marks [value=${name}]`, sentences[sentence]);
    if (!input || locked()) return;
    input.checked = !input.checked;
    changed();
    if (input.checked && sentence < sentences.length - 1) toSentence(sentence + 1);
    return true;
  }

  const unmarked = () => sentences.length && one("[data-marks] [data-fails]:checked") && !one(".marks :is([value=unsupported], [value=contradicted]):checked");

  function finish() {
    if (locked()) return press("onward");
    if (missing() >= 0) {
      goTo(missing());
      return say(`${one("legend", fields[field]).textContent.trim()} has no label yet`);
    }
    if (!unmarked()) return store();
    toSentence(sentence);
    say("Mark at least one sentence as unsupported or contradicted");
  }

  async function store() {
    if (busy || shut) return;
    busy = true;
    clearTimeout(timer);
    tick();
    const body = new URLSearchParams(state());
    body.set("seconds", (inView / 1000).toFixed(1));
    const entry = { url: form.action, key: body.get("key"), body: body.toString() };
    drop(entry.key);
    fill([...waiting(), entry]);
    disk.removeItem(draftName);
    say("Storing…");
    const after = await deliver(entry, "return=representation");
    if (after) turnTo(after);
    else busy = false;
  }

  function toSentence(index) {
    sentence = Math.max(0, Math.min(sentences.length - 1, index));
    sentences.forEach((li, at) => { li.classList.toggle("sel", at === sentence); li.toggleAttribute("aria-current", at === sentence); });
    sentences[sentence]?.scrollIntoView({ block: "nearest" });
    showMatches();
  }

  function showMatches() {
    if (desk.dataset.desk !== "blind" || !("highlights" in CSS)) return;
    const li = sentences[sentence], said = new Set(matching.value === "on" && li ? one(".tx", li).textContent.toLowerCase().match(word)?.filter((one) => one.length > 3 || /\d/.test(one)) : []);
    CSS.highlights.set("match", new Highlight(...all(".ctx .psg .words:not(:empty)").flatMap((text) => rangesOf(text.firstChild, said))));
    one("[data-aid]").hidden = !said.size;
  }

  function undo() {
    if (!past.length) return press("undo");
    restore(past.pop());
    changed(false);
    say("Undone");
  }

  const press = (name) => one(`[data-act=${name}]`)?.click();
  const acts = {
    correct: () => one("[data-from]").focus(), comment: () => one("[name=comment]").focus(), undo, change,
    passages: () => all("[data-apart]").forEach((box) => { box.open = !box.open; }),
    matching: () => { matching.value = matching.value === "on" ? "off" : "on"; showMatches(); },
  };
  const moves = {
    ArrowUp: () => goTo(field - 1), ArrowDown: () => goTo(field + 1), Enter: finish,
    "[": () => toSentence(sentence - 1), "]": () => toSentence(sentence + 1),
  };
  const alias = { ",": "[", ".": "]", BracketLeft: "[", BracketRight: "]" };

  document.onkeydown = (event) => {
    const at = event.target, digit = /^[1-9]$/.test(event.key);
    touch();
    if (event.isComposing || event.metaKey || event.altKey || shut) return;
    if (at.matches("textarea, select, input:not([type=radio], [type=checkbox])")) {
      if (event.key === "Escape") at.blur();
      return;
    }
    const key = event.key.length > 1 ? event.key : event.key.toLowerCase();
    if (event.ctrlKey && key !== "z") return;
    if (!desk.dataset.on || (key === "Enter" && at.matches("a, button, summary"))) return;
    const name = event.ctrlKey ? "undo" : keys[key];
    const act = digit ? () => choose(+key) : name ? acts[name] ?? (() => mark(name) || press(name)) : moves[alias[key] ?? alias[event.code] ?? key];
    if (!act || (one(":popover-open") && !digit && !name)) return;
    event.preventDefault();
    act();
  };
  desk.oninput = () => changed();
  desk.onpointerdown = touch;
  desk.onclick = async (event) => {
    const li = event.target.closest(".ans > li[id]"), next = event.target.closest("[data-act=onward]")?.href;
    if (li) toSentence(sentences.indexOf(li));
    if (!next || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const answer = await fetch(next).catch(() => null);
    turnTo({ next, page: answer?.ok && await answer.text() });
  };
  form.onsubmit = (event) => {
    if (event.submitter?.hasAttribute("formaction")) return;
    changing = revealed;
    finish();
    return false;
  };
  form.addEventListener("focusin", (event) => {
    const index = fields.findIndex((set) => set.contains(event.target));
    if (index >= 0 && index !== field) goTo(index);
  });

  async function renew() {
    const answer = await post(`${form.action}/lease`, "").catch(() => null);
    if (answer?.ok) ({ until } = await answer.json());
  }
  const left = () => Date.parse(until) - Date.now();
  function touch() {
    used = Date.now();
    if (left() < 120_000 && !busy) renew();
  }
  if (until) {
    beat = setInterval(() => {
      if (busy || shut || document.hidden) return;
      if (Date.now() - used < 600_000) renew();
      else if (left() < 75_000) say("This item goes to others in a minute; press any key to keep it");
    }, 60_000);
    onpagehide = () => { if (!busy && !shut) post(`${form.action}/release`, `until=${encodeURIComponent(until)}`).catch(() => null); };
  }

  channel.onmessage = ({ data }) => {
    if (data.item !== item || data.user !== user || shut) return;
    if (data.taken === tab) {
      shut = true;
      for (const input of form.elements) input.disabled = true;
      say("Open in another tab");
    } else if (!data.taken) channel.postMessage({ item, user, taken: data.tab });
  };
  channel.postMessage({ item, user, tab });

  const kept = revealed ? null : disk.getItem(draftName);
  if (kept) { restore(kept); changed(false); } else show();
  goTo(missing());
  if (!revealed && sentences.length) toSentence(0);
  if (!location.hash) scrollTo(0, 0);
  desk.dataset.ready = "";
}

/** The parts of two texts, word by word: ["", both], ["del", only the first], ["ins", only the second]. */
function diff(first, second) {
  const a = first.match(/\s*\S+|\s+$/g) ?? [], b = second.match(/\s*\S+|\s+$/g) ?? [];
  let head = 0, tail = 0, i = 0, j = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail), parts = [["", a.slice(0, head).join("")]];
  const put = (kind, words) => { if (parts.at(-1)[0] === kind) parts.at(-1)[1] += words; else parts.push([kind, words]); };
  if (x.length * y.length > 4e6) { put("del", x.join("")); put("ins", y.join("")); } else {
    const best = Array.from({ length: x.length + 1 }, () => new Uint32Array(y.length + 1));
    for (i = x.length - 1; i >= 0; i--) for (j = y.length - 1; j >= 0; j--) best[i][j] = x[i] === y[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    i = j = 0;
    while (i < x.length || j < y.length) {
      if (i < x.length && j < y.length && x[i] === y[j]) { put("", x[i++]); j++; }
      else if (i < x.length && (j === y.length || best[i + 1][j] >= best[i][j + 1])) put("del", x[i++]);
      else put("ins", y[j++]);
    }
  }
  put("", a.slice(a.length - tail).join(""));
  return parts.filter(([, words]) => words);
}

function rangesOf(text, wanted) {
  return [...text.data.matchAll(word)].filter((found) => wanted.has(found[0].toLowerCase())).map(({ 0: found, index }) => {
    const range = new Range();
    range.setStart(text, index);
    range.setEnd(text, index + found.length);
    return range;
  });
}
