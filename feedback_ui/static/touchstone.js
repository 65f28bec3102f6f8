// @ts-check
// The keys of the review desk. Everything here can be done without it: forms post and links lead on.

const desk = /** @type {HTMLElement | null} */ (document.querySelector("[data-desk]"));
if (desk) start(desk);

/** @param {HTMLElement} desk */
function start(desk) {
  const revealed = desk.dataset.desk === "revealed";
  const form = /** @type {HTMLFormElement} */ (desk.querySelector("form.side"));
  const primary = /** @type {HTMLElement} */ (form.querySelector(".pri"));
  const fields = [...form.querySelectorAll("fieldset")];
  const sentences = [...desk.querySelectorAll(".ans > li")];
  const status = /** @type {HTMLElement} */ (desk.querySelector("[role=status]"));
  const keySwitch = /** @type {HTMLButtonElement} */ (document.querySelector("[data-switch]"));
  let field = 0;
  let sentence = -1;
  let changing = false;
  let matching = true;
  let sent = false;
  let keysOn = localStorage.getItem("touchstone.keys") !== "off";
  const clock = visibleSeconds();

  const radios = (/** @type {Element} */ one) => /** @type {HTMLInputElement[]} */ ([...one.querySelectorAll("input[type=radio]")]);
  const isSet = (/** @type {Element} */ one) => radios(one).some((radio) => radio.checked);

  function goTo(/** @type {number} */ index) {
    field = Math.max(0, Math.min(fields.length - 1, index));
    fields.forEach((one, at) => one.classList.toggle("now", at === field && (!revealed || changing)));
    fields[field]?.scrollIntoView({ block: "nearest" });
  }

  function choose(/** @type {number} */ number) {
    const radio = radios(fields[field])[number - 1];
    if (!radio || (revealed && !changing)) return;
    radio.checked = true;
    radio.focus({ preventScroll: true });
    goTo(field + 1);
  }

  function change() {
    changing = true;
    const differing = fields.findIndex((one) => one.querySelector(".differs"));
    goTo(Math.max(0, differing));
    status.textContent = "Choose with 1 to 4; Enter stores the change";
  }

  function finish() {
    const missing = fields.findIndex((one) => !isSet(one));
    if (revealed && !changing) return primary.click();
    if (missing >= 0) {
      goTo(missing);
      status.textContent = `${fields[missing].querySelector("legend")?.textContent?.trim()} has no label yet`;
      return;
    }
    form.requestSubmit();
  }

  function toSentence(/** @type {number} */ index) {
    sentence = Math.max(0, Math.min(sentences.length - 1, index));
    sentences.forEach((one, at) => one.classList.toggle("sel", at === sentence));
    sentences[sentence]?.scrollIntoView({ block: "nearest" });
    showMatches();
  }

  function showMatches() {
    if (revealed || !("highlights" in CSS)) return;
    const said = matching && sentence >= 0 ? words(sentences[sentence].querySelector(".tx")?.textContent ?? "") : new Set();
    const found = [...desk.querySelectorAll(".ctx p.words")].flatMap((one) => rangesOf(one, said));
    CSS.highlights.set("match", new Highlight(...found));
    desk.querySelector("[data-aid]")?.toggleAttribute("hidden", !said.size);
  }

  function focusOn(/** @type {string} */ name) {
    /** @type {HTMLTextAreaElement | null} */ (form.querySelector(`[name=${name}]`))?.focus();
  }

  const click = (/** @type {string} */ key) => /** @type {HTMLElement | null} */ (desk.querySelector(`[data-key=${key}]`))?.click();
  /** @type {Record<string, () => void>} */
  const actions = {
    ArrowUp: () => goTo(field - 1),
    ArrowDown: () => goTo(field + 1),
    "[": () => toSentence(sentence - 1),
    "]": () => toSentence(sentence + 1),
    ",": () => toSentence(sentence - 1),
    ".": () => toSentence(sentence + 1),
    Enter: finish,
    m: () => focusOn("comment"),
    e: () => focusOn("corrected_response"),
    w: () => { matching = !matching; showMatches(); },
    r: () => { if (revealed) change(); },
    x: () => click("x"),
    z: () => click("z"),
  };

  document.addEventListener("keydown", (event) => {
    const at = /** @type {HTMLElement} */ (event.target);
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (at.matches("textarea, select, input:not([type=radio])")) {
      if (event.key === "Escape") at.blur();
      return;
    }
    if (!keysOn || (event.key === "Enter" && at.matches("a, button, summary"))) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = /^[1-9]$/.test(key) ? () => choose(Number(key)) : actions[key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  form.addEventListener("submit", (event) => {
    if (sent) return event.preventDefault();
    sent = true;
    const seconds = document.createElement("input");
    seconds.type = "hidden";
    seconds.name = "seconds";
    seconds.value = clock().toFixed(1);
    form.append(seconds);
  });
  window.addEventListener("pageshow", () => { sent = false; });

  form.addEventListener("focusin", (event) => {
    const index = fields.findIndex((one) => one.contains(/** @type {Node} */ (event.target)));
    if (index >= 0 && index !== field) goTo(index);
  });

  function showSwitch() {
    keySwitch.hidden = false;
    keySwitch.textContent = keysOn ? "Turn keys off" : "Turn keys on";
  }
  keySwitch.addEventListener("click", () => {
    keysOn = !keysOn;
    localStorage.setItem("touchstone.keys", keysOn ? "on" : "off");
    showSwitch();
  });

  showSwitch();
  goTo(0);
  if (!revealed && sentences.length) toSentence(0);
  desk.dataset.ready = "";
}

/** A clock of the time that the page was in view; a gap of a minute without input stops it. */
function visibleSeconds() {
  const longestGap = 60_000;
  let total = 0;
  let last = performance.now();
  const tick = () => {
    const now = performance.now();
    if (!document.hidden) total += Math.min(now - last, longestGap);
    last = now;
  };
  for (const name of ["keydown", "pointerdown", "pointermove", "scroll", "visibilitychange"]) {
    document.addEventListener(name, tick, { passive: true });
  }
  return () => { tick(); return total / 1000; };
}

/** @param {string} text */
function words(text) {
  return new Set((text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => word.length > 3 || /\d/.test(word)));
}

/** @param {Element} element @param {Set<string>} wanted */
function rangesOf(element, wanted) {
  const ranges = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
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
