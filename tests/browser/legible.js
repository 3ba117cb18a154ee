// What a person could not read or reach on this page: https://www.w3.org/TR/WCAG22/, level AA.
() => {
  const wrongs = [];
  const root = document.documentElement;
  if (!root.lang) wrongs.push("no language");
  if (!document.title.trim()) wrongs.push("no title");
  if (root.scrollWidth > innerWidth) wrongs.push(`${root.scrollWidth} px wide in a window of ${innerWidth} px`);

  const numbers = (colour) => { const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
  const over = (front, back) => {
    const mixed = (key) => front[key] * front.a + back[key] * (1 - front.a);
    return { r: mixed("r"), g: mixed("g"), b: mixed("b"), a: 1 };
  };
  const background = (element) => {
    if (!element) return { r: 255, g: 255, b: 255, a: 1 };
    const own = numbers(getComputedStyle(element).backgroundColor);
    return own.a === 1 ? own : over(own, background(element.parentElement));
  };
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const seen = [...document.body.querySelectorAll("*")].filter((e) => e.checkVisibility() && e.getClientRects().length);
  for (const element of seen) {
    const words = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join(" ").trim();
    if (!words || element.closest("option, script, style")) continue;
    const style = getComputedStyle(element);
    const [size, back] = [parseFloat(style.fontSize), background(element)];
    const enough = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const found = contrast(over(numbers(style.color), back), back);
    if (found < enough) wrongs.push(`contrast ${found.toFixed(2)} of ${enough}: ${words.slice(0, 30)}`);
    const cut = element.scrollWidth > element.clientWidth + 1 && style.overflowX !== "visible" && style.textOverflow !== "ellipsis";
    if (cut && style.display !== "inline") wrongs.push(`cut off: ${words.slice(0, 30)}`);
  }
  for (const control of seen.filter((e) => e.matches("a, button, input, select"))) {
    const name = control.getAttribute("aria-label") || control.innerText || control.title || control.labels?.[0]?.innerText;
    if (!name?.trim()) wrongs.push(`no name: ${control.outerHTML.slice(0, 60)}`);
    const { width, height } = control.getBoundingClientRect();
    if (!control.matches("a") && Math.min(width, height) < 24) wrongs.push(`hard to hit, ${width}×${height} px: ${name}`);
  }
  return [...new Set(wrongs)];
}
