// The clock of a page: it stands still until a test moves it, and so do the timers.
function stopClock(now) {
  const RealDate = Date;
  const timers = new Map();
  let ticks = 0;
  let lastId = 0;

  window.Date = class extends RealDate {
    constructor(...given) {
      super(...(given.length ? given : [now]));
    }
    static now() {
      return now;
    }
  };
  performance.now = () => ticks;
  Object.defineProperty(performance, "timeOrigin", { value: now });
  window.setTimeout = (go, delay = 0, ...given) => {
    // A browser keeps the delay in 31 bits, and what is no number is 0.
    const later = delay > 2 ** 31 - 1 ? 0 : Math.max(0, delay || 0);
    timers.set(++lastId, { at: ticks + later, go: () => go(...given) });
    return lastId;
  };
  window.clearTimeout = (id) => timers.delete(id);
  AbortSignal.timeout = (delay) => {
    const aborter = new AbortController();
    const reason = new DOMException("The operation timed out.", "TimeoutError");
    setTimeout(() => aborter.abort(reason), delay);
    return aborter.signal;
  };

  function moveTo(end) {
    now += end - ticks;
    ticks = end;
  }

  function firstUntil(end) {
    const due = [...timers].filter(([, { at }]) => at <= end);
    return due.sort(([, one], [, other]) => one.at - other.at)[0];
  }

  window.clock = {
    /** So much time passes, in milliseconds. */
    async runs(delay) {
      const end = ticks + delay;
      for (let count = 0, next; (next = firstUntil(end)); count++) {
        if (count > 20_000) throw new Error("a timer goes off again and again");
        const [id, { at, go }] = next;
        timers.delete(id);
        moveTo(at);
        go();
        await new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = resolve;
          port2.postMessage(null);
        });
      }
      moveTo(end);
    },
    /** So much time passes while the machine sleeps: what is due goes off once, at the end. */
    async sleeps(delay) {
      const end = ticks + delay;
      for (const timer of timers.values()) {
        if (timer.at < end) timer.at = end;
      }
      moveTo(end);
      await this.runs(0);
    },
    /** Somebody sets it, and no timer notices. */
    isSet(difference) {
      now += difference;
    },
  };
}
