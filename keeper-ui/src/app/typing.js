// Fields whose text is state are written back with each letter, some milliseconds after it was typed. Whoever types
// faster than that has typed on meanwhile, and the older text must not take the newer letters away. So what was typed
// is remembered for a moment, and a text that comes back while newer ones were typed after it is left alone.
(() => {
  const MOMENT = 1000;
  const typed = new WeakMap();
  addEventListener("input", (event) => {
    const field = event.target;
    if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) return;
    const recent = (typed.get(field) ?? []).filter(({ at }) => event.timeStamp - at < MOMENT);
    recent.push({ text: field.value, at: event.timeStamp });
    typed.set(field, recent);
  }, true);
  for (const kind of [HTMLInputElement, HTMLTextAreaElement]) {
    const own = Object.getOwnPropertyDescriptor(kind.prototype, "value");
    Object.defineProperty(kind.prototype, "value", {
      ...own,
      set(text) {
        const recent = (typed.get(this) ?? []).filter(({ at }) => performance.now() - at < MOMENT);
        const echo = recent.findLastIndex((one) => one.text === text);
        typed.set(this, recent.slice(echo + 1));
        if (echo >= 0 && echo < recent.length - 1) return;
        own.set.call(this, text);
      },
    });
  }
})();
