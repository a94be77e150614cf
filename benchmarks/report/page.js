"use strict";
// A picture is saved as a file of its own: in black on white, whatever the page's colours are.
for (const button of document.querySelectorAll("button[data-save]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const picture = button.closest("figure").querySelector("svg").cloneNode(true);
    picture.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    picture.setAttribute("style", "color: #000; background: #fff");
    const text = new XMLSerializer().serializeToString(picture);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    link.download = button.dataset.save + ".svg";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
// Paper cannot be unfolded.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const each of opened) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of opened) each.open = false;
});
