// What a reader sees, measured in the page: low contrast, sideways scrolling, pictures without
// words, words broken in tables, bare signatures, addresses of other hosts. Returns sentences.
() => {
  const LEAST = 4.5;
  const found = [];
  const name = (e) => `${e.tagName.toLowerCase()}${e.className && e.className.baseVal === undefined
    ? '.' + String(e.className).trim().split(/\s+/).join('.') : ''}`;
  const colour = (text) => {
    const parts = (text.match(/-?[\d.]+(e-?\d+)?%?/g) || []).map(parseFloat);
    if (!parts.length) return [0, 0, 0, text === 'transparent' || text === 'none' ? 0 : 1];
    const scale = text.startsWith('color(') ? 255 : 1;
    return [...parts.slice(0, 3).map((x) => x * scale), parts.length > 3 ? parts[3] : 1];
  };
  const over = (top, below) => top.slice(0, 3).map((x, i) => x * top[3] + below[i] * (1 - top[3]));
  const memory = new Map();
  const ground = (e) => {
    if (!e) {
      const dark = matchMedia('(prefers-color-scheme: dark)').matches
        && getComputedStyle(document.documentElement).colorScheme.includes('dark');
      return dark ? [18, 18, 18] : [255, 255, 255];
    }
    if (!memory.has(e)) {
      const own = colour(getComputedStyle(e).backgroundColor);
      memory.set(e, own[3] === 1 ? own.slice(0, 3) : over(own, ground(e.parentElement)));
    }
    return memory.get(e);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((x) => x / 255)
      .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const strength = (e) => {
    let all = 1;
    for (let at = e; at; at = at.parentElement) all *= parseFloat(getComputedStyle(at).opacity);
    return all;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const low = new Map();
  while (walker.nextNode()) {
    const node = walker.currentNode, e = node.parentElement, text = node.nodeValue.trim();
    if (!text || ['SCRIPT', 'STYLE', 'NOSCRIPT', 'TITLE'].includes(e.tagName)) continue;
    if (!e.checkVisibility({visibilityProperty: true})) continue;
    const style = getComputedStyle(e), below = ground(e);
    const ink = colour(e.namespaceURI.endsWith('svg') ? style.fill : style.color);
    ink[3] *= strength(e);
    const contrast = ratio(over(ink, below), below);
    if (contrast < LEAST - 0.005) {
      const key = `${name(e)} ${contrast.toFixed(2)}`;
      low.set(key, [...(low.get(key) || []), text.slice(0, 40)]);
    }
  }
  low.forEach((texts, key) => found.push(
    `contrast of ${key}: ${JSON.stringify(texts[0])} and ${texts.length - 1} more`));

  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    const wide = [...document.querySelectorAll('body *')]
      .filter((e) => e.getBoundingClientRect().right > width + 1).map(name);
    found.push(`scrolls sideways at ${width} px: ${document.documentElement.scrollWidth} px wide,`
      + ` first ${wide.slice(0, 3).join(', ')}`);
  }

  for (const e of document.querySelectorAll('img, svg')) {
    if (e.closest('[aria-hidden=true]') || e.parentElement.closest('svg')) continue;
    if (!e.checkVisibility()) continue;
    const words = e.getAttribute('alt') || e.getAttribute('aria-label') || '';
    const small = e.getBoundingClientRect().width < 40;
    if (words.trim().length < (small ? 1 : 12)) {
      found.push(`no alternative text: ${name(e)} ${(e.getAttribute('src') || '').slice(0, 60)}`);
    }
  }

  if (width >= 1000) {
    for (const box of document.querySelectorAll('table')) {
      if (!box.checkVisibility()) continue;
      const words = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
      while (words.nextNode()) {
        const node = words.currentNode;
        for (const word of node.nodeValue.matchAll(/[^\s\-‐–—/·]{2,}/g)) {
          const range = document.createRange();
          range.setStart(node, word.index);
          range.setEnd(node, word.index + word[0].length);
          const tops = new Set([...range.getClientRects()].map((r) => Math.round(r.top)));
          if (tops.size > 1) found.push(`a word is broken in a table: ${word[0].slice(0, 60)}`);
        }
      }
    }
  }

  const text = document.body.innerText;
  if (text.includes('__main__.')) found.push('shows __main__.');
  return found;
}
