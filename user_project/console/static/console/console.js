/* The page that refreshes itself must not show a login page inside itself. */
"use strict";

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.responseURL.includes("/login/")) window.location.reload();
});
