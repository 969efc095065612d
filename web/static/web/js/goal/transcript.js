// The transcript, drawn from events alone: the same for history and for what happens now.
// All text is set as text, never as HTML.

// Kinds that change other parts of the page and need no line here.
const QUIET = new Set(["task.ready", "task.waiting", "artifact.made"]);

function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function bold(text) { return element("b", "", text); }

function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 1);
}

function brief(value) {
  const text = typeof value === "string" ? JSON.stringify(value) : JSON.stringify(value) ?? "";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

export class Transcript {
  // root: carries the words as data attributes; tasks: (id) -> {title, who} of a task, or undefined
  constructor(root, tasks) {
    this.root = root;
    this.words = root.dataset;
    this.tasks = tasks;
    this.works = new Map();
    this.calls = new Map();
  }

  add(events) {
    for (const event of events) if (!QUIET.has(event.kind)) this.drawOne(event);
  }

  // A kind that we do not know, or not in this form, is shown as it is: nothing is left out.
  drawOne(event) {
    try {
      (this.draw[event.kind] ?? this.unknown).call(this, event, event.data ?? {});
    } catch (wrong) {
      console.warn(event.kind, wrong);
      this.unknown(event, event.data ?? {});
    }
  }

  unknown(event, data) {
    const words = event.kind.replace(/[._]/g, " ");
    const said = [data.text, data.reason, data.note].find((each) => typeof each === "string" && each);
    const line = [...this.by(event, words), said ? `: ${said}` : ""];
    if (event.task) this.say(event, "", ...line);
    else this.milestone(event, "", ...line);
  }

  // Name the tasks that were drawn before their plan was.
  rename() {
    for (const [id, work] of this.works) if (id) this.label(id, work.head);
  }

  label(id, head) {
    const task = this.tasks(id);
    head.title.textContent = task?.title || `${this.words.task} ${id}`;
    head.who.textContent = task?.who || head.actor || "";
  }

  // The block of a task, or of planning (no task).
  work(event) {
    const id = event.task ?? 0;
    if (!this.works.has(id)) this.works.set(id, this.newWork(id));
    return this.works.get(id);
  }

  newWork(id) {
    const title = bold(this.words.planning);
    const who = element("span", "meta");
    const heading = element("h3", "work-head", title, who);
    const body = element("div", "work-body");
    const section = element("section", "work", heading, body);
    if (id) section.id = `work-${id}`;
    this.root.append(section);
    const made = { body, head: { title, who } };
    if (id) this.label(id, made.head);
    return made;
  }

  line(event, className, ...children) {
    const time = element("time", "", new Date(event.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
    time.dateTime = event.at;
    return element("p", `line ${className}`, time, ...children);
  }

  say(event, className, ...children) {
    this.work(event).body.append(this.line(event, className, ...children));
  }

  milestone(event, className, ...children) {
    this.root.append(this.line(event, `milestone ${className}`, ...children));
    if (this.works.has(0)) this.works.delete(0); // planning anew starts a new block
  }

  entry(event, summary, ...content) {
    const made = element("details", "entry", element("summary", "", ...summary), ...content);
    this.work(event).body.append(made);
    return made;
  }

  code(text) {
    const shown = element("pre", "", element("code", "", text));
    shown.tabIndex = 0;
    return shown;
  }

  list(texts) {
    return element("ul", "", ...texts.map((text) => element("li", "", text)));
  }

  // "in 10 s", or nothing where it is at once
  inSeconds(seconds) {
    return seconds > 0 ? ` (${this.words.in} ${seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 60)} min`})` : "";
  }

  handOver(event, data, said) {
    const link = element("a", "", this.words.seeWork);
    link.href = `#work-${data.child}`;
    const what = `${data.skill ? ` (${data.skill})` : ""}${data.instruction ? `: ${data.instruction}` : ""}`;
    this.say(event, "", ...this.by(event, `${said} `, bold(data.to)), what, " ", link);
  }

  by(event, ...said) {
    return event.actor ? [bold(event.actor), " ", ...said] : said;
  }

  draw = {
    "goal.created"(event) { this.milestone(event, "", ...this.by(event, this.words.goalCreated)); },
    "routine.fired"(event, data) { this.milestone(event, "", `${this.words.routineFired} `, bold(data.name)); },
    "file.problem"(event, data) {
      this.say(event, "bad", `${this.words.fileProblem} `, bold(data.file), ` ${data.problem}`);
    },
    "planning.started"(event) { this.say(event, "", this.words.planningStarted); },
    "plan.proposed"(event, data) { this.milestone(event, "ask", `${this.words.planProposed} (${data.plans.length})`); },
    "plan.edited"(event) { this.milestone(event, "", ...this.by(event, this.words.planEdited)); },
    "plan.rejected"(event, data) {
      this.milestone(event, "", ...this.by(event, this.words.planRejected, data.reason ? `: ${data.reason}` : ""));
    },
    "plan.adopted"(event) { this.milestone(event, "good", `${this.words.planAdopted} `, bold(event.actor)); },
    "task.started"(event, data) {
      const work = this.work(event);
      work.head.actor = event.actor;
      this.label(event.task, work.head);
      const attempt = data.attempt > 1 ? `, ${this.words.attempt} ${data.attempt}` : "";
      this.say(event, "", `${this.words.taskStarted}${attempt}`);
    },
    "model.call"(event, data) {
      const cost = element("span", "meta");
      const text = element("pre");
      text.tabIndex = 0;
      const entry = this.entry(event, [bold(data.purpose), ` ${data.model} `, cost], text);
      entry.classList.add("speaking");
      entry.open = true;
      this.calls.set(`${event.task}/${data.call}`, { entry, text, cost });
    },
    "model.text"(event, data) {
      const call = this.calls.get(`${event.task}/${data.call}`);
      if (!call) return;
      const atEnd = call.text.scrollTop + call.text.clientHeight >= call.text.scrollHeight - 4;
      call.text.append(data.text);
      if (atEnd) call.text.scrollTop = call.text.scrollHeight;
    },
    "model.done"(event, data) {
      const call = this.calls.get(`${event.task}/${data.call}`);
      if (!call) return;
      const read = data.prompt_tokens - data.cached_tokens;
      const cost = `${read} + ${data.completion_tokens} ${this.words.tokens}, ${Number(data.total_s).toFixed(1)} s`;
      call.cost.textContent = data.replayed ? this.words.replayed : cost;
      call.entry.classList.remove("speaking");
      if (!call.entry.contains(document.activeElement)) call.entry.open = false;
    },
    "tool.called"(event, data) {
      const given = Object.entries(data.arguments ?? {}).map(([name, value]) => `${name}=${brief(value)}`).join(", ");
      this.entry(
        event,
        [bold(`${data.tool}(`), given.length > 120 ? `${given.slice(0, 117)}…` : given, bold(")")],
        element("p", "help", this.words.arguments), this.code(pretty(data.arguments)),
        element("p", "help", this.words.result), this.code(pretty(data.result)),
      );
    },
    "program.written"(event, data) {
      this.entry(event, [bold(this.words.programWritten), ` (${data.origin})`], this.code(data.source));
    },
    "program.failed"(event, data) {
      const entry = this.entry(event, [bold(this.words.programFailed), `: ${data.error}`], this.code(data.source));
      entry.classList.add("failed");
    },
    "effects.intended"(event, data) {
      const notes = data.notes?.length ? [this.list(data.notes)] : [];
      const summaries = data.effects.map((effect) => effect.summary);
      const block = element("div", "entry", element("p", "line", bold(this.words.effects)), this.list(summaries), ...notes);
      this.work(event).body.append(block);
    },
    "approval.asked"(event, data) { this.say(event, "ask", `${this.words.asked} ${data.reason}`); },
    "approval.decided"(event, data) {
      const said = data.granted ? this.words.granted : this.words.refused;
      this.say(event, data.granted ? "good" : "bad", ...this.by(event, said, data.note ? `: ${data.note}` : ""));
    },
    "effect.committed"(event, data) { this.say(event, "good", `${this.words.committed} ${data.summary}`); },
    "task.retrying"(event, data) {
      const kind = data.failure ? [" ", element("span", "kind", data.failure)] : [];
      this.say(event, "bad", `${this.words.retrying}${this.inSeconds(data.in_s)}`, ...kind, ` ${data.reason}`);
    },
    "task.lost"(event, data) { this.say(event, "bad", this.words.lost, data.worker ? ` (${data.worker})` : ""); },
    "task.paused"(event) { this.say(event, "", ...this.by(event, this.words.taskPaused)); },
    "task.resumed"(event) { this.say(event, "", ...this.by(event, this.words.taskResumed)); },
    "task.cancelled"(event, data) {
      const said = event.actor ? this.by(event, this.words.taskCancelled) : [this.words.taskStopped];
      this.say(event, "bad", ...said, data.reason ? ` ${data.reason}` : "");
    },
    "task.released"(event) { this.say(event, "", ...this.by(event, this.words.taskReleased)); },
    "task.rerun"(event, data) {
      this.say(event, "ask", ...this.by(event, this.words.taskRerun, data.note ? `: ${data.note}` : ""));
    },
    "task.reassigned"(event, data) {
      this.say(event, "", ...this.by(event, `${this.words.taskReassigned} `, bold(data.agent)));
    },
    "task.handed_on"(event, data) { this.handOver(event, data, this.words.handedOn); },
    "task.shared"(event, data) { this.handOver(event, data, this.words.shares); },
    "task.waiting"(event) { this.say(event, "", this.words.waits); },
    "question.asked"(event, data) {
      const options = data.options?.length ? ` (${data.options.join(" / ")})` : "";
      this.say(event, "ask", `${this.words.asked} ${data.text}${options}`);
    },
    "question.answered"(event, data) {
      this.say(event, "good", ...this.by(event, `${this.words.answered} `, bold(data.answer)));
    },
    "budget.spent"(event, data) { this.say(event, "ask", data.reason); },
    "task.sent_back"(event, data) {
      this.say(event, "ask", ...this.by(event, this.words.sentBack));
      this.work(event).body.append(this.list(data.reasons));
    },
    "review.objections"(event, data) {
      this.say(event, "ask", this.words.objections);
      this.work(event).body.append(this.list(data.reasons));
    },
    "task.done"(event, data) { this.say(event, "good", bold(this.words.taskDone), data.answer ? `: ${data.answer}` : ""); },
    "task.failed"(event, data) { this.say(event, "bad", `${this.words.taskFailed} ${data.reason}`); },
    "goal.paused"(event) { this.milestone(event, "", ...this.by(event, this.words.paused)); },
    "goal.resumed"(event) { this.milestone(event, "", ...this.by(event, this.words.resumed)); },
    "goal.cancelled"(event) { this.milestone(event, "bad", ...this.by(event, this.words.cancelled)); },
    "goal.retried"(event) { this.milestone(event, "", ...this.by(event, this.words.retried)); },
    "goal.failed"(event, data) { this.milestone(event, "bad", `${this.words.goalFailed} ${data.reason}`); },
    "goal.done"(event) { this.milestone(event, "good", bold(this.words.goalDone)); },
    "goal.rated"(event, data) { this.milestone(event, "", ...this.by(event, `${this.words.rated}: ${data.rating}`)); },
    "goal.budget"(event, data) {
      const named = [[data.token_cap, this.words.tokens], [data.second_cap, "s"], [data.step_cap, this.words.steps]];
      const caps = named.filter(([cap]) => cap != null).map(([cap, unit]) => `${cap.toLocaleString()} ${unit}`);
      this.milestone(event, "", ...this.by(event, `${this.words.budget}: ${caps.join(", ") || this.words.noCap}`));
    },
  };
}
