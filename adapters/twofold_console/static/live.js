// Keeps the regions marked with data-live up to date: fetches the page that is shown, and replaces what has changed.

const PERIOD = 2000;
const PATIENCE = 15000;
const button = document.getElementById("live");
const shown = new URL(location.href);
let running = true;

if (shown.searchParams.has("notice")) {
  shown.searchParams.delete("notice");
  history.replaceState(null, "", shown);
}

function isBusy(region) {
  const focused = document.activeElement;
  const typing = focused && region.contains(focused) && focused.matches("input, textarea, select");
  const selection = getSelection();
  return typing || (selection && !selection.isCollapsed && region.contains(selection.anchorNode));
}

function replace(region, fresh) {
  for (const each of fresh.querySelectorAll("details[id]")) {
    const before = document.getElementById(each.id);
    if (before) each.open = before.open;
  }
  const rows = new Set([...region.querySelectorAll("tr[id]")].map((row) => row.id));
  for (const row of fresh.querySelectorAll("tr[id]")) {
    if (!rows.has(row.id)) row.classList.add("fresh");
  }
  if (region.innerHTML === fresh.innerHTML) return;
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const address = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.getAttribute("href") && `[href="${CSS.escape(focused.getAttribute("href"))}"]`);
  const summary = focused && focused.matches("summary") && focused.parentElement.id;
  region.replaceChildren(...document.importNode(fresh, true).childNodes);
  const again = summary ? document.querySelector(`#${CSS.escape(summary)} > summary`) : address && region.querySelector(address);
  if (again) again.focus({ preventScroll: true });
}

function say(problem) {
  const lost = document.getElementById("lost");
  const text = problem && `${problem} The figures below are not current. They return by themselves.`;
  if (lost.textContent !== text) lost.textContent = text;
  lost.hidden = !problem;
  button?.classList.toggle("lost", Boolean(problem));
}

// A console that was restarted accepts only its new CSRF token.
function renewForms(fresh) {
  const token = fresh.querySelector('input[name="csrf"]')?.value;
  for (const each of token ? document.querySelectorAll('input[name="csrf"]') : []) each.value = token;
}

async function refresh() {
  const regions = [...document.querySelectorAll("[data-live]")];
  if (running && !document.hidden && regions.length) {
    try {
      const response = await fetch(shown, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (response.redirected) return location.reload();
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      renewForms(fresh);
      const failed = fresh.getElementById("failed");
      if (document.getElementById("failed") && response.ok) return location.reload();
      for (const region of failed ? [] : regions) {
        const found = fresh.getElementById(region.id);
        if (found && !isBusy(region)) replace(region, found);
      }
      say(failed && !document.getElementById("failed") ? failed.dataset.failed : "");
    } catch {
      say("The console does not answer."); // the next attempt follows
    }
  }
  setTimeout(refresh, PERIOD);
}

// The navigation of a phone scrolls sideways, and shows the current page.
const place = document.querySelector("nav [aria-current]");
if (place) place.closest("nav").scrollLeft = place.offsetLeft - 60;

if (button && document.querySelector("main [data-live]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    running = !running;
    button.setAttribute("aria-pressed", String(running));
  });
}
setTimeout(refresh, PERIOD);
