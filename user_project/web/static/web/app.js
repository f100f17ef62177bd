/* Living pages: told of changes by the event stream, asking by themselves without it;
   no requests from a hidden tab, and no old number shown as a new one. */
"use strict";

(() => {
  const ASK_LESS_MS = 15000; // with the stream: what nobody tells, such as a waiting reason
  const GATHER_MS = 120; // changes that come together are shown together
  const SILENT_MS = 40000; // almost three heartbeats
  const OLD_MS = 15000; // three times the interval of prices
  const RETRY_MS = [5000, 10000, 30000, 60000];
  const GIVEN_UP_MS = 30000; // htmx's own timeout (base.html) and some more
  const MOST_SPARED_MS = 2000;
  const TWICE_MS = 2000;

  const body = document.body;
  // Without the stream; the owner may want it slower, or not at all.
  const ASK_MS = { auto: 4000, off: Infinity }[body.dataset.renew] ?? body.dataset.renew * 1000;
  const clock = { offset: Number(body.dataset.now) - Date.now() }; // the phone's may be wrong
  const now = () => Date.now() + clock.offset;
  const asked = new Map(); // id of a part -> when it was asked for last
  const asking = new Map(); // the same, without an answer so far
  const due = new Set(); // ids of parts that could not be asked for when they changed
  let failing = false; // the last answer was none
  let lost = false; // the stream broke off and was not heard since
  let lastId = ""; // of the newest change heard
  let told = 0; // when the stream was heard last, by performance.now()
  let failures = 0;
  let source = null;
  let gathering = null;
  let took = 0; // a busy server is asked as seldom as it answers slowly

  const streaming = () =>
    source !== null && !lost && told > 0 && performance.now() - told < SILENT_MS;
  const parts = () => document.querySelectorAll("[hx-trigger~='renew']");

  // Nobody's typing is swept away.
  function isUsed(place) {
    return [...place.querySelectorAll("input:not([type=hidden]), select, textarea")].some(
      (field) => field === document.activeElement
        || (field.defaultValue !== undefined && field.value !== field.defaultValue),
    );
  }

  function renew(part) {
    if (document.visibilityState === "hidden") return; // looked at again, all are renewed
    const now = performance.now();
    const isAsking = now - (asking.get(part.id) ?? -GIVEN_UP_MS) < GIVEN_UP_MS;
    // An answer under way may be older than the change.
    if (isAsking || isUsed(part)) {
      due.add(part.id);
      return;
    }
    due.delete(part.id);
    asked.set(part.id, now);
    asking.set(part.id, now);
    htmx.trigger(part, "renew");
  }

  function renewAll() {
    parts().forEach(renew);
  }

  function renewChanged() {
    gathering = null;
    // Central's line does not change with a bot: it waits for its turn.
    for (const part of parts()) if (part.id !== "central") renew(part);
  }

  function concerns(bots) {
    return !body.dataset.bot || bots.includes(body.dataset.bot);
  }

  function onChanged(event) {
    lastId = event.lastEventId;
    heard();
    if (!concerns(JSON.parse(event.data).bots)) return;
    gathering ??= setTimeout(renewChanged, Math.max(GATHER_MS, took));
    document.dispatchEvent(new CustomEvent("dantaro:changed"));
  }

  function onFigures(event) {
    heard();
    for (const [bot, figures] of Object.entries(JSON.parse(event.data))) {
      for (const box of document.querySelectorAll(`[data-figures="${bot}"]`)) show(box, figures);
      showAlive(figures.at);
    }
  }

  // A price that has just come is word from the exchange: its line is as young.
  function showAlive(at) {
    const heard = document.querySelector(".exchange [data-at]");
    if (heard && at > Number(heard.dataset.at)) heard.dataset.at = at;
  }

  function show(box, figures) {
    for (const place of box.querySelectorAll("[data-figure]")) {
      const text = figures[place.dataset.figure];
      if (place.textContent !== text) {
        place.textContent = text;
        place.classList.remove("flash");
        void place.offsetWidth; // starts the animation anew
        place.classList.add("flash");
      }
      if (place.dataset.figure !== "price" && place.dataset.figure !== "value") {
        place.classList.remove("up", "down", "even");
        place.classList.add(figures[place.dataset.tone ?? "tone"]);
      }
    }
    for (const place of box.querySelectorAll("[data-at]")) {
      place.dataset.at = figures.at;
      place.removeAttribute("title"); // it told the instant of the older price
    }
    const price = Number(figures.price?.replace(/[^0-9.]/g, ""));
    for (const place of box.querySelectorAll("[data-target]")) {
      if (price > 0) place.textContent = signedPercent(place.dataset.target / price - 1);
    }
    if ("title" in box.dataset) {
      document.title = document.title.replace(/^.* · /, `${figures.unrealised} · `);
    }
    grow();
  }

  function signedPercent(ratio) {
    const text = (100 * ratio).toFixed(2);
    return `${ratio > 0 && Number(text) ? "+" : ""}${text}%`;
  }

  function heard() {
    told = performance.now();
    lost = false;
    failures = 0;
    tellState();
  }

  function onBeat(event) {
    clock.offset = JSON.parse(event.data).now - Date.now();
    heard();
  }

  function tellState() {
    const cut = failing || lost || (Boolean(body.dataset.stream) && told > 0 && !streaming());
    body.dataset.hears = streaming() ? "yes" : "no";
    document.getElementById("offline")?.toggleAttribute("hidden", !cut);
  }

  function open() {
    if (!body.dataset.stream || source || document.visibilityState === "hidden") return;
    const address = new URL(body.dataset.stream, window.location.href);
    // What the page was made with, or what it has heard of since.
    address.searchParams.set("after", lastId || `${Math.floor(Number(body.dataset.now)) - 2000}-0`);
    source = new EventSource(address, { withCredentials: true });
    source.addEventListener("changed", onChanged);
    source.addEventListener("figures", onFigures);
    source.addEventListener("missed", renewAll);
    source.addEventListener("beat", onBeat);
    source.addEventListener("error", onCut);
  }

  function onCut() {
    lost = true;
    tellState();
    if (source && source.readyState !== EventSource.CLOSED) return; // it tries again itself
    source = null;
    setTimeout(open, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  }

  // Ages count on between two answers, and what is old looks old.
  function age(place, seconds) {
    const words = body.dataset;
    if (seconds < 60) return words.ageSeconds.replace("0", seconds);
    if (seconds < 3600) return words.ageMinutes.replace("0", Math.floor(seconds / 60));
    if (seconds < 86400) return words.ageHours.replace("0", Math.floor(seconds / 3600));
    return words.ageDays.replace("0", Math.floor(seconds / 86400));
  }

  // Read out when it changes, not with every renewal and every second of its age.
  const lineState = () => document.querySelector(".exchange")?.dataset.state;
  let said = lineState();
  function announce() {
    if (lineState() === said) return;
    said = lineState();
    document.getElementById("said").textContent = said;
  }

  function grow() {
    announce();
    for (const place of document.querySelectorAll("[data-at]")) {
      const passed = Math.max(now() - Number(place.dataset.at), 0);
      place.textContent = age(place, Math.floor(passed / 1000));
      place.closest("[data-figures]")?.classList.toggle("old", passed > OLD_MS);
    }
  }

  setInterval(() => {
    grow();
    if (source && told > 0 && !streaming()) tellState();
    const every = streaming() ? Math.max(ASK_LESS_MS, ASK_MS) : ASK_MS;
    for (const part of parts()) {
      if (!asked.has(part.id)) asked.set(part.id, performance.now());
      if (due.has(part.id) || performance.now() - asked.get(part.id) >= every) renew(part);
    }
  }, 1000);

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") return;
    renewAll();
    open();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { requestConfig, successful } = event.detail;
    const elt = requestConfig.elt; // gone from the page by now, if it was replaced
    const since = asking.get(elt.id);
    asking.delete(elt.id);
    if (successful && since !== undefined) {
      took = Math.min(performance.now() - since, MOST_SPARED_MS);
    }
    failing = !successful;
    tellState();
    if (due.has(elt.id)) gathering ??= setTimeout(renewChanged, Math.max(GATHER_MS, took));
  });
  // What somebody had unfolded stays so.
  const unfolded = new Set();
  document.addEventListener("toggle", (event) => {
    if (event.target.id) unfolded[event.target.open ? "add" : "delete"](event.target.id);
  }, true);
  function unfold() {
    for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
  }
  document.addEventListener("htmx:beforeSwap", (event) => {
    // The session has ended: show the login page whole, not inside this one.
    if (event.detail.xhr.responseURL.includes("/login/")) window.location.reload();
  });
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (isUsed(event.detail.target)) event.detail.shouldSwap = false;
  });
  for (const swapped of ["htmx:afterSwap", "htmx:oobAfterSwap"]) {
    document.addEventListener(swapped, () => {
      unfold();
      grow();
    });
  }
  // A double click sends a form once.
  const sent = new WeakMap();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (performance.now() - (sent.get(form) ?? -TWICE_MS) < TWICE_MS) event.preventDefault();
    else sent.set(form, performance.now());
  });
  open();
})();
