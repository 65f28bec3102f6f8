// Keeps the charts of a page current, and follows its form, without loading the page again.

const SECONDS = 30;
const region = document.querySelector("[data-live]"), form = document.querySelector("[data-choose]");

/** Put the charts of the address in place; what is folded out stays so. */
async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = [...region.querySelectorAll("details")].map((one) => one.open);
  const fresh = page.querySelector("[data-live]");
  if (!fresh || region.contains(document.activeElement)) return;
  fresh.querySelectorAll("details").forEach((one, place) => { one.open = open[place] ?? false; });
  region.replaceChildren(...fresh.childNodes);
}

form.addEventListener("change", () => {
  const chosen = [...new FormData(form)].filter(([, value]) => value);
  history.replaceState(null, "", `?${new URLSearchParams(chosen)}`);
  refresh();
});
setInterval(() => document.hidden || refresh(), 1000 * SECONDS);
