// Renews what the page says and leaves the reader where they are; says so when it cannot, and goes on trying.
const EVERY_MS = 2000;
const PATIENCE_MS = 10000;
const lost = document.getElementById("lost");
let next;

async function renew() {
  clearTimeout(next);
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    document.querySelector(".now").textContent = fresh.querySelector(".now").textContent;
    const [shown, told] = [document.querySelector("main"), fresh.querySelector("main")];
    if (shown.innerHTML !== told.innerHTML) {
      const held = shown.querySelector("a:focus")?.getAttribute("href");
      shown.replaceChildren(...told.childNodes);
      if (held) shown.querySelector(`a[href="${held}"]`)?.focus({ preventScroll: true });
    }
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
  clearTimeout(next);
  next = setTimeout(renew, EVERY_MS);
}

next = setTimeout(renew, EVERY_MS);
for (const event of ["online", "offline"]) addEventListener(event, renew);
document.addEventListener("visibilitychange", renew); // timers of a tab behind others are slow
