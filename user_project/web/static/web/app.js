/* Living pages: no requests from a hidden tab, and no old number shown as a new one. */
"use strict";

document.addEventListener("htmx:beforeRequest", (event) => {
  const polls = event.detail.elt.matches("[hx-trigger^='every']");
  if (!polls) return;
  // Nobody looks, or somebody is typing inside: leave it alone.
  if (document.visibilityState === "hidden" || event.detail.elt.matches(":focus-within")) {
    event.preventDefault();
  }
});

const offline = (is) => document.getElementById("offline")?.toggleAttribute("hidden", !is);
document.addEventListener("htmx:afterRequest", (event) => offline(!event.detail.successful));
document.addEventListener("htmx:beforeSwap", (event) => {
  // The session has ended: show the login page whole, not inside this one.
  if (event.detail.xhr.responseURL.includes("/login/")) window.location.reload();
});
