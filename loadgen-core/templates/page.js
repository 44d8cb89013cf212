"use strict";
// Every chart says what it shows by itself, and more under a pointer. This shows the same second of all charts at once.
(() => {
  let lit = [];
  const show = (event) => {
    const at = event.target.dataset?.at;
    for (const stretch of lit) stretch.classList.remove("on");
    for (const output of document.querySelectorAll("figure output")) output.textContent = "";
    lit = at ? [...document.querySelectorAll(".hits rect")].filter((stretch) => stretch.dataset.at === at) : [];
    for (const stretch of lit) {
      stretch.classList.add("on");
      const output = stretch.closest("figure")?.querySelector("output");
      if (output) output.textContent = stretch.textContent;
    }
  };
  document.addEventListener("pointerover", show);
  const open = () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  };
  addEventListener("beforeprint", open);
})();
