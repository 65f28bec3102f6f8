// Keeps parts of a page current, and follows its form, without loading the page again.

const SECONDS = 30;

/** Put what the address shows now in place of a part; what is folded out stays so. */
async function refresh(part) {
  const path = part.dataset.live || location.pathname;
  const answer = await fetch(path + location.search, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || answer.status >= 500) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = answer.ok ? page.getElementById(part.id) : page.querySelector("main");
  if (!fresh || part.contains(document.activeElement)) return;
  const open = [...part.querySelectorAll("details")].map((one) => one.open);
  fresh.querySelectorAll("details").forEach((one, place) => { one.open = open[place] ?? false; });
  part.replaceChildren(...fresh.childNodes);
}

const reread = (which = "[data-live]") => document.querySelectorAll(which).forEach(refresh);

document.querySelector("[data-choose]").onchange = (event) => {
  const chosen = [...new FormData(event.currentTarget)].filter(([, value]) => value);
  history.replaceState(null, "", `?${new URLSearchParams(chosen)}`);
  reread();
};
setInterval(() => document.hidden || reread(), 1000 * SECONDS);
reread("[data-live^='/']");
