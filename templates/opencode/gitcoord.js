/*
 * gitcoord in OpenCode: the brief, the boundary of a claim, and an end that is not forgotten.
 *
 * `gitcoord setup opencode` names this file in OpenCode's settings, with the program to ask.
 * What happens is told to `gitcoord hook opencode` in the words of Claude's hooks, and answered
 * in them. Outside of an agent's worktree nothing is started.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path"

const PATIENCE_MS = 30_000

/** OpenCode's own tools; another name is that of a server's tool. */
const OWN_TOOLS = new Set([
  "apply_patch",
  "bash",
  "codesearch",
  "edit",
  "glob",
  "grep",
  "list",
  "lsp",
  "multiedit",
  "patch",
  "question",
  "read",
  "skill",
  "task",
  "todoread",
  "todowrite",
  "webfetch",
  "websearch",
  "write",
])

/** Return the worktree around a folder with its git directory, without starting git. */
function worktreeAround(folder) {
  let top = resolve(folder)
  while (!existsSync(join(top, ".git"))) {
    if (dirname(top) === top) return null
    top = dirname(top)
  }
  const git = join(top, ".git")
  if (statSync(git).isDirectory()) return { top, git }
  const link = readFileSync(git, "utf8").split("\n")[0]
  return { top, git: resolve(top, link.replace(/^gitdir:/, "").trim()) }
}

function namesIn(folder) {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Return whether something is held here: a claim, a review, or a task that is still to come. */
function holdsSomething(git) {
  const own = join(git, "gitcoord")
  if (existsSync(join(own, "unbound"))) return true
  const ledgers = ["claims", "reviews"].flatMap((kind) =>
    namesIn(join(own, kind)).map((ledger) => join(own, kind, ledger)),
  )
  return ledgers.some((ledger) => namesIn(ledger).some((name) => name.endsWith(".json")))
}

/** Return what gitcoord answered; fails where it judged nothing. */
function answerOf(status, out, err) {
  if (status !== 0) throw new Error(err.trim() || `gitcoord ended with ${status}`)
  const said = out.trim() ? JSON.parse(out) : {}
  return { ...said, ...said.hookSpecificOutput }
}

/** Tell gitcoord what happens; return what it answers. */
function ask(program, top, told) {
  return new Promise((answered, failed) => {
    // A timeout of spawn's own would go on where the program is missing.
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const child = spawn(program, ["hook", "opencode", top], { cwd: top, signal })
    let out = ""
    let err = ""
    child.stdout.on("data", (some) => (out += some))
    child.stderr.on("data", (some) => (err += some))
    child.on("error", failed)
    child.on("close", (status) => {
      try {
        answered(answerOf(status, out, err))
      } catch (error) {
        failed(error)
      }
    })
    child.stdin.on("error", () => {})
    child.stdin.end(JSON.stringify(told))
  })
}

/** Ask while everything else waits, so that a turn cannot be over before the answer. */
function askAtOnce(program, top, told) {
  const input = JSON.stringify(told)
  const given = { cwd: top, input, encoding: "utf8", timeout: PATIENCE_MS }
  const { status, stdout, stderr } = spawnSync(program, ["hook", "opencode", top], given)
  return answerOf(status, stdout ?? "", stderr ?? "")
}

export const Gitcoord = async ({ client, directory }, options) => {
  const program = options?.program ?? "gitcoord"
  const place = worktreeAround(directory)
  const leads = new Map()
  const briefs = new Map()
  const notices = new Map()
  const ended = new Set()

  const isAgents = () => place !== null && existsSync(join(place.git, "gitcoord", "agent.json"))
  const isHeld = () => place !== null && holdsSomething(place.git)

  /** Return the session that a subagent's session belongs to, or that session itself. */
  async function leadOf(session) {
    if (!leads.has(session)) {
      const { data } = await client.session.get({ path: { id: session } })
      leads.set(session, data?.parentID ? await leadOf(data.parentID) : session)
    }
    return leads.get(session)
  }

  /** Tell of one event in a session; a subagent shares the session of its lead. */
  async function tell(event, session, more) {
    const lead = await leadOf(session)
    const who = lead === session ? {} : { agent_id: session }
    const shape = { hook_event_name: event, session_id: lead, cwd: directory, ...who, ...more }
    return ask(program, place.top, shape)
  }

  const about = ({ tool, callID }, args) => ({
    tool_name: tool === "task" ? "Task" : OWN_TOOLS.has(tool) ? tool : `mcp__${tool}`,
    tool_input: args,
    tool_use_id: callID,
  })

  async function briefOf(session, source) {
    const lead = await leadOf(session)
    if (!briefs.has(lead)) {
      const asked = tell("SessionStart", lead, { source }).catch(() => ({}))
      briefs.set(
        lead,
        asked.then((said) => said.additionalContext ?? ""),
      )
    }
    return briefs.get(lead)
  }

  /** Ask once for each answer that ends a turn; go on where a claim would be left open. */
  async function endOfTurn(message) {
    const { id, role, finish, sessionID: session } = message
    if (role !== "assistant" || !finish || finish === "tool-calls" || message.summary) return
    if (ended.has(id) || !isHeld()) return
    ended.add(id)
    if ((leads.get(session) ?? session) !== session) return
    // `opencode run` has nobody before it, and is over as soon as its session is idle.
    const mode = process.argv[2] === "run" ? "bypassPermissions" : "default"
    const shape = { hook_event_name: "Stop", session_id: session, cwd: directory }
    const said = askAtOnce(program, place.top, { ...shape, turn_id: id, permission_mode: mode })
    if (said.decision !== "block") return
    const { agent, modelID, providerID } = message
    const parts = [{ type: "text", text: said.reason }]
    const body = { agent, model: { modelID, providerID }, parts }
    await client.session.promptAsync({ path: { id: session }, body })
  }

  return {
    event: async ({ event }) => {
      if (event.type === "session.compacted") {
        briefs.delete(event.properties.sessionID)
        if (isAgents()) await briefOf(event.properties.sessionID, "compact")
      } else if (event.type === "message.updated") {
        await endOfTurn(event.properties.info).catch(() => {})
      }
    },
    "experimental.chat.system.transform": async ({ sessionID }, { system }) => {
      if (!sessionID || !isAgents()) return
      const brief = await briefOf(sessionID, "startup")
      if (brief) system.push(brief)
    },
    "tool.execute.before": async (call, { args }) => {
      if (!isHeld()) return
      const said = await tell("PreToolUse", call.sessionID, about(call, args))
      if (said.permissionDecision === "deny") throw new Error(said.permissionDecisionReason)
      if (said.additionalContext) notices.set(call.callID, said.additionalContext)
    },
    "tool.execute.after": async (call, output) => {
      const told = [notices.get(call.callID)]
      notices.delete(call.callID)
      if (isHeld()) {
        const said = await tell("PostToolUse", call.sessionID, about(call, call.args)).catch(
          () => ({}),
        )
        told.push(said.additionalContext)
      }
      const notice = told.filter(Boolean).join("\n")
      if (notice) output.output += `\n${notice}`
    },
    "shell.env": async ({ sessionID }, { env }) => {
      if (!isAgents()) return
      // A shell command is of its session, and finds this gitcoord where it would find none.
      if (sessionID) env.OPENCODE_SESSION_ID = await leadOf(sessionID)
      const path = env.PATH ?? process.env.PATH ?? ""
      if (isAbsolute(program)) env.PATH = [path, dirname(program)].filter(Boolean).join(delimiter)
    },
    dispose: async () => {
      if (!isAgents()) return
      const told = [...briefs.keys()].map((session) => tell("SessionEnd", session, {}))
      await Promise.allSettled(told)
    },
  }
}
