"use strict";

// Steps: filter by text and outcome, open the ones that a link leads to.
(() => {
  const steps = [...document.querySelectorAll(".step")];
  const chips = [...document.querySelectorAll(".chip")];
  const search = document.getElementById("step-search");

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hidden = new Set(chips.filter(c => c.getAttribute("aria-pressed") === "false").map(c => c.dataset.outcome));
    const filtering = words.length > 0 || hidden.size > 0;
    let shown = 0;
    for (const step of [...steps].reverse()) {  // children come before their parents
      const own = !hidden.has(step.dataset.outcome) && words.every(word => step.dataset.text.includes(word));
      const below = step.querySelector(".step:not([hidden])") !== null;
      step.hidden = step.dataset.leaf ? !own : filtering && !below && !(own && words.length > 0);
      if (!step.hidden && words.length > 0 && below) step.open = true;
      shown += step.hidden ? 0 : 1;
    }
    document.getElementById("no-step").hidden = shown > 0;
  }

  function reveal() {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target || !target.classList.contains("step")) return;
    for (let step = target; step; step = step.parentElement.closest("details")) {
      step.open = true;
      step.hidden = false;
    }
    target.scrollIntoView({ block: "start" });
  }

  if (search) {
    search.addEventListener("input", filter);
    for (const chip of chips) {
      chip.addEventListener("click", () => {
        chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") === "false" ? "true" : "false");
        filter();
      });
    }
    const all = document.getElementById("open-all");
    all.addEventListener("click", () => {
      const open = all.textContent === "Open all";
      for (const step of steps) step.open = open;
      all.textContent = open ? "Close all" : "Open all";
    });
  }
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => {
    for (const step of steps) if (/failed|errored/.test(step.dataset.outcome)) step.open = true;
  });
  reveal();
})();

// The section that is being read is marked in the navigation.
(() => {
  const links = new Map([...document.querySelectorAll("nav a")].map(a => [a.hash.slice(1), a]));
  const seen = new Set();
  const observer = new IntersectionObserver(entries => {
    for (const entry of entries) entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id);
    const first = [...links.keys()].find(id => seen.has(id));
    for (const [id, link] of links) id === first ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }, { rootMargin: "-50px 0px -60% 0px" });
  for (const id of links.keys()) observer.observe(document.getElementById(id));
})();

// Pictures: one large at a time; the arrow keys go through the pictures of the same snapshot.
(() => {
  const dialog = document.getElementById("zoom");
  const image = dialog.querySelector("img");
  let group = [], at = 0;

  function show(index) {
    at = (index + group.length) % group.length;
    const small = group[at].querySelector("img");
    image.src = small.src;
    image.alt = small.alt;
    dialog.querySelector("p").textContent = small.alt + (group.length > 1 ? " (arrow keys: compare)" : "");
  }

  for (const button of document.querySelectorAll(".zoom")) {
    button.addEventListener("click", () => {
      group = [...button.closest(".triple, .gallery").querySelectorAll(".zoom")];
      show(group.indexOf(button));
      dialog.showModal();
    });
  }
  dialog.addEventListener("keydown", event => {
    if (event.key === "ArrowRight") show(at + 1);
    if (event.key === "ArrowLeft") show(at - 1);
  });
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
})();
