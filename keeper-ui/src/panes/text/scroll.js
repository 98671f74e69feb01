// Keeps a growing, partly drawn list where the person wants it: at its end while they are there, and otherwise with the same
// message in the same place, whatever is measured anew or drawn above it. All of it happens before a frame is painted.
const id = await dioxus.recv();
const box = document.getElementById(id);
if (!box) return;
const inner = box.firstElementChild;
let pinned = true;
let anchor = null;
let lastTop = box.scrollTop;
// When the person last did something that scrolls. The place also jumps by itself: where content shrinks for a moment, it is
// clamped, and that must not look like scrolling up.
let acted = -1e9;
let told = { top: -1e9, height: 0, width: 0, pinned: null, at: 0 };
const heights = new Map();
const fresh = new Map();

const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 32;

function remember() {
  const top = box.getBoundingClientRect().top;
  anchor = null;
  for (const item of inner.children) {
    if (!item.dataset.key) continue;
    const place = item.getBoundingClientRect();
    if (place.bottom > top) {
      anchor = { key: item.dataset.key, at: place.top - top };
      return;
    }
  }
}

function settle() {
  if (pinned) {
    box.scrollTop = box.scrollHeight;
  } else if (anchor) {
    const item = inner.querySelector(`[data-key="${anchor.key}"]`);
    if (item) {
      const moved = item.getBoundingClientRect().top - box.getBoundingClientRect().top - anchor.at;
      if (Math.abs(moved) >= 1) box.scrollTop += moved;
    }
  }
  lastTop = box.scrollTop;
  tell();
}

function measure() {
  for (const item of inner.children) {
    const key = item.dataset.key;
    if (!key) continue;
    const height = item.getBoundingClientRect().height;
    if (Math.abs((heights.get(key) ?? 0) - height) >= 1) {
      heights.set(key, height);
      fresh.set(Number(key), height);
    }
  }
}

let waiting = false;
function tell() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    if (!box.isConnected) return;
    measure();
    const now = performance.now();
    const top = box.scrollTop;
    const resized = box.clientHeight !== told.height || box.clientWidth !== told.width;
    const moved = !pinned && Math.abs(top - told.top) > 300;
    const grown = fresh.size > 0 && now - told.at > 400;
    if (!resized && !moved && !grown && pinned === told.pinned) {
      if (fresh.size > 0) setTimeout(tell, 450);
      return;
    }
    const narrowed = told.width !== 0 && box.clientWidth !== told.width;
    told = { top, height: box.clientHeight, width: box.clientWidth, pinned, at: now };
    dioxus.send({ top, height: box.clientHeight, pinned, narrowed, heights: [...fresh] });
    fresh.clear();
  });
}

box.addEventListener("scroll", () => {
  const top = box.scrollTop;
  if (atEnd()) pinned = true;
  else if (top < lastTop - 1 && performance.now() - acted < 1000) pinned = false;
  lastTop = top;
  if (!pinned) remember();
  tell();
}, { passive: true });
const act = () => { acted = performance.now(); };
for (const name of ["wheel", "keydown", "pointerdown", "touchmove"]) box.addEventListener(name, act, { passive: true });
// The thumb of the scroll bar, held for as long as it takes.
box.addEventListener("pointermove", (event) => { if (event.buttons) act(); }, { passive: true });
box.addEventListener("wheel", (event) => {
  if (event.deltaY < 0 && box.scrollTop > 0) {
    pinned = false;
    remember();
    tell();
  }
}, { passive: true });
const sizes = new ResizeObserver(settle);
sizes.observe(inner);
sizes.observe(box);
new MutationObserver(settle).observe(inner, { childList: true });
settle();

for (;;) {
  const order = await dioxus.recv();
  if (order === "end") {
    pinned = true;
    settle();
  } else if (order.startsWith("show ")) {
    const item = inner.querySelector(`[data-key="${order.slice(5)}"]`);
    if (item) {
      pinned = false;
      anchor = { key: order.slice(5), at: 48 };
      settle();
      item.dataset.found = "true";
      setTimeout(() => delete item.dataset.found, 1600);
    }
  }
}
