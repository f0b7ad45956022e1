"use strict";
// Shows the values of a chart under the pointer. Without it the page lacks nothing else.
for (const plot of document.querySelectorAll(".plot")) {
  const values = JSON.parse(plot.nextElementSibling.textContent);
  const cursor = plot.appendChild(document.createElement("span"));
  const tip = plot.appendChild(document.createElement("span"));
  cursor.className = "cursor";
  tip.className = "tip";
  const hide = () => { cursor.hidden = tip.hidden = true; };
  const line = (tag, style, text) => {
    const made = tip.appendChild(document.createElement(tag));
    made.className = style;
    made.textContent = text;
  };
  const show = (event) => {
    const box = plot.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width;
    let best = 0;
    values.at.forEach((x, i) => {
      if (Math.abs(x - at) < Math.abs(values.at[best] - at)) best = i;
    });
    const x = values.at[best];
    tip.textContent = "";
    line("b", "", values.label[best]);
    for (const [name, style, numbers] of values.series) line("i", style, name + " " + numbers[best]);
    cursor.style.left = tip.style.left = 100 * x + "%";
    tip.style.transform = x < 0.5 ? "translateX(10px)" : "translateX(calc(-100% - 10px))";
    cursor.hidden = tip.hidden = false;
  };
  hide();
  plot.addEventListener("pointermove", show);
  plot.addEventListener("pointerdown", show);
  plot.addEventListener("pointerleave", hide);
}
