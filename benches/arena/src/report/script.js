// Tabs of the matrix, and one contestant at a time: hovering shows it alone in all plots, a click keeps it so.
const style = document.head.appendChild(document.createElement("style"));
let kept = null;
const show = name => {
  style.textContent = name ? `svg [data-c]:not([data-c="${name}"]){opacity:.12}.mini:not([data-c="${name}"]){opacity:.35}` : "";
  for (const chip of document.querySelectorAll(".chip")) chip.classList.toggle("on", chip.dataset.c === name && kept === name);
};
document.addEventListener("mouseover", event => {
  const mark = event.target.closest("[data-c]");
  show(mark ? mark.dataset.c : kept);
});
for (const chip of document.querySelectorAll(".chip")) chip.addEventListener("click", () => {
  kept = kept === chip.dataset.c ? null : chip.dataset.c;
  show(kept);
});
for (const tab of document.querySelectorAll(".tabs button")) tab.addEventListener("click", () => {
  for (const each of document.querySelectorAll(".tabs button")) each.classList.toggle("on", each === tab);
  for (const each of document.querySelectorAll(".matrix-of")) each.classList.toggle("on", each.id === tab.dataset.of);
});
