/* Small manners of the operator's pages: ask before acting, copy, count down. */
"use strict";

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "복사했습니다";
  } catch {
    // Browsers allow copying on HTTPS only: select it for the operator's own Ctrl+C.
    window.getSelection().selectAllChildren(source);
    button.textContent = "Ctrl+C로 복사하세요";
  }
});

const countDown = () => {
  for (const place of document.querySelectorAll("[data-countdown]")) {
    const left = Math.round((new Date(place.dataset.countdown) - Date.now()) / 1000);
    if (left < 0) place.textContent = "곧";
    else if (left < 60) place.textContent = `${left}초 뒤`;
    else place.textContent = `${Math.floor(left / 60)}분 ${left % 60}초 뒤`;
  }
};
setInterval(countDown, 1000);
document.addEventListener("DOMContentLoaded", countDown);
document.addEventListener("htmx:afterSwap", countDown);

document.addEventListener("htmx:beforeSwap", (event) => {
  // The session has ended: show the login page whole, not inside this one.
  if (event.detail.xhr.responseURL.includes("/login/")) window.location.reload();
});
