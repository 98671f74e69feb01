const request = await dioxus.recv();
const found = () => {
  const element = document.querySelector(request.at ?? "body");
  if (!element) throw new Error(`nothing is at ${request.at}`);
  return element;
};
const middle = (element) => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
};
const pause = () => new Promise((done) => setTimeout(done, 30));
const pointer = (element, kind, [x, y], buttons) => {
  const facts = { bubbles: true, cancelable: true, composed: true, clientX: x, clientY: y, button: 0, buttons, pointerId: 1, isPrimary: true };
  element.dispatchEvent(new PointerEvent(`pointer${kind}`, facts));
  element.dispatchEvent(new MouseEvent(`mouse${kind}`, facts));
};
// What is under a point hears it, as with a real pointer: covers included.
const under = (point) => document.elementFromPoint(...point) ?? document.body;
const acts = {
  text: () => found().innerText,
  html: () => found().outerHTML,
  count: () => document.querySelectorAll(request.at).length,
  attribute: () => found().getAttribute(request.name),
  rect: () => {
    const { left, top, width, height } = found().getBoundingClientRect();
    return [left, top, width, height];
  },
  click: async () => {
    const element = found();
    element.scrollIntoView({ block: "nearest", inline: "nearest" });
    const point = middle(element);
    pointer(element, "down", point, 1);
    element.focus?.();
    await pause();
    pointer(under(point), "up", point, 0);
    element.click();
    return true;
  },
  type: async () => {
    const field = found();
    field.focus();
    const kind = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, request.text);
    field.dispatchEvent(new InputEvent("input", { bubbles: true, data: request.text }));
    await pause();
    return field.value;
  },
  key: async () => {
    const element = request.at ? found() : document.activeElement ?? document.body;
    const facts = {
      key: request.key, code: request.code ?? "", ctrlKey: !!request.ctrl, shiftKey: !!request.shift,
      altKey: !!request.alt, bubbles: true, cancelable: true, composed: true,
    };
    const free = element.dispatchEvent(new KeyboardEvent("keydown", facts));
    element.dispatchEvent(new KeyboardEvent("keyup", facts));
    await pause();
    return free;
  },
  drag: async () => {
    const element = found();
    const from = middle(element);
    pointer(element, "down", from, 1);
    await pause();
    for (let step = 1; step <= 8; step += 1) {
      const at = [0, 1].map((axis) => from[axis] + ((request.to[axis] - from[axis]) * step) / 8);
      pointer(under(at), "move", at, 1);
      await pause();
    }
    pointer(under(request.to), "up", request.to, 0);
    await pause();
    return true;
  },
  eval: () => new Function(`return (async () => { ${request.script} })()`)(),
};
// The answer must be there before the collector takes the channel: else who asked hears that it is gone.
setTimeout(() => dioxus, 30000);
try {
  const act = acts[request.do];
  if (!act) throw new Error(`there is no ${request.do}`);
  return { ok: (await act()) ?? null };
} catch (error) {
  return { error: String(error) };
}
