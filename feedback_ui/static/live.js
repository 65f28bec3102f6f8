// Keeps parts of a page current, and follows its form, without loading the page again.

const { choose } = document.forms, stale = document.querySelector("[data-stale]");

/** Put what the address shows now in place of a part; what is folded out stays so. */
async function refresh(part) {
  const { search, pathname } = location;
  const answer = await fetch((part.dataset.live || pathname) + search, { headers: { Accept: "text/html" } }).catch(() => 0);
  const text = answer.status < 500 ? await answer.text() : "";
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.querySelector(answer.ok ? `#${part.id}` : "main");
  if (search !== location.search) return;
  stale.hidden = fresh;
  if (!fresh || part.querySelector(":focus-visible")) return;
  const old = part.querySelectorAll("details");
  fresh.querySelectorAll("details").forEach((one, place) => { one.open = old[place]?.open; });
  part.replaceChildren(...fresh.childNodes);
}

const reread = (which = "") => document.querySelectorAll(`[data-live${which}]`).forEach(refresh);

choose.onchange = () => {
  if (!choose.checkValidity()) return;
  history.pushState(0, 0, `?${new URLSearchParams([...new FormData(choose)].filter((pair) => pair[1]))}`);
  reread();
};
setInterval(() => document.hidden || reread(), 3e4);
reread("^='/'");
