// A goal's events, each once and in order, from the first to the newest and on.
//
// History and news take one way: `take` drops what is known, hands on what comes next, and keeps
// what came too early until the gap before it is fetched. The server notices by itself what a
// socket was not told; we look again seldom, in case the line has died unnoticed, and every few
// seconds while there is no socket.

const CATCH_UP_MS = 60_000;
const WITHOUT_SOCKET_MS = 2_500;
const MAX_WAIT_MS = 15_000;
const REFUSED = [4400, 4401, 4403, 4404];

export class Stream {
  // onEvents(events): the next events; onState("live" | "fetching" | "away")
  constructor({ eventsUrl, socketPath, onEvents, onState }) {
    Object.assign(this, { eventsUrl, socketPath, onEvents, onState });
    this.last = 0;
    this.early = new Map();
    this.tries = 0;
    this.fetching = null;
  }

  async start() {
    this.onState("fetching");
    await this.catchUp();
    this.connect();
    this.beat();
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.catchUp(); });
    window.addEventListener("online", () => this.catchUp());
  }

  get isLive() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  // Look again now and then: seldom with a socket, often without one.
  beat() {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      if (!document.hidden) await this.catchUp();
      this.beat();
    }, this.isLive ? CATCH_UP_MS : WITHOUT_SOCKET_MS);
  }

  take(events) {
    const next = [];
    for (const event of events) if (event.seq > this.last) this.early.set(event.seq, event);
    while (this.early.has(this.last + 1)) {
      this.last += 1;
      next.push(this.early.get(this.last));
      this.early.delete(this.last);
    }
    if (next.length) this.onEvents(next);
    if (this.early.size) this.catchUp();
  }

  // Fetch until nothing is missing; several calls at once share one run.
  catchUp() {
    this.fetching ??= this.fetchAll().finally(() => { this.fetching = null; });
    return this.fetching;
  }

  async fetchAll() {
    for (;;) {
      let page;
      try {
        const answer = await fetch(`${this.eventsUrl}?after=${this.last}&limit=1000`, { headers: { Accept: "application/json" } });
        if (answer.status === 401) return location.reload(); // signed out elsewhere: sign in again
        if (!answer.ok) throw new Error(String(answer.status));
        page = await answer.json();
      } catch {
        if (!this.isLive) this.onState("away");
        return;
      }
      const before = this.last;
      this.take(page.results);
      if (this.last >= page.last || this.last === before) break;
    }
    this.onState(this.isLive ? "live" : "fetching");
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${this.socketPath}`);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.tries = 0;
      socket.send(JSON.stringify({ after: this.last }));
      this.onState("live");
      this.beat();
    });
    socket.addEventListener("message", (message) => this.take(JSON.parse(message.data).events));
    socket.addEventListener("close", (closed) => {
      this.onState("away");
      this.beat();
      if (closed.code === 4401) location.reload();
      if (REFUSED.includes(closed.code)) return;
      const wait = Math.min(MAX_WAIT_MS, 500 * 2 ** this.tries++) * (0.75 + Math.random() / 2);
      setTimeout(() => this.connect(), wait);
    });
  }
}
