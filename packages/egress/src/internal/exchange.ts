import * as Either from "effect/Either"
import type * as Net from "node:net"
import type { Allow, Deny } from "../Decision.js"
import * as Decision from "../Decision.js"
import type { Outcome, ProtocolReason } from "../EgressEvent.js"
import type { Address, Authority } from "../Host.js"
import * as Host from "../Host.js"
import type { Policy } from "../Policy.js"
import type { Limits } from "../Proxy.js"
import * as Dial from "./dial.js"
import type { Entry, EventLog } from "./eventLog.js"
import type { Reply } from "./reply.js"
import * as ReplyOf from "./reply.js"
import { cut } from "./sockets.js"
import type { NotATarget } from "./target.js"
import { printable } from "./text.js"

export type Answers =
  | { readonly _tag: "Addresses"; readonly addresses: ReadonlyArray<string> }
  | { readonly _tag: "Failed"; readonly detail: string }

/** What every part of one proxy shares. */
export interface Core {
  readonly policy: Policy
  readonly limits: Limits
  readonly log: EventLog
  /** Calls back once, perhaps at once; gives the way to take the question back. */
  readonly resolve: (name: string, done: (answers: Answers) => void) => () => void
  /** The addresses of this machine, canonical. */
  readonly own: () => ReadonlySet<string>
  readonly exchanges: Set<Exchange>
  readonly upstreams: Set<Net.Socket>
  readonly nextRequest: () => number
}

/** An allowed request from its first decision to its end. */
export interface Exchange {
  readonly allow: Allow
  /** Ends it, whatever it is doing; only the first call counts. */
  readonly end: (outcome: Outcome, detail: string) => void
  readonly isOver: () => boolean
}

/** How far a request came. A reply is to be sent to the client; a connection is to be used. */
export type Reached =
  | { readonly _tag: "Reply"; readonly reply: Reply }
  | { readonly _tag: "Connected"; readonly upstream: Net.Socket }

const methodText = (method: string): string => printable(method, 32)

const entry = (fields: Partial<Entry> & Pick<Entry, "request" | "phase" | "verdict" | "reason">): Entry => ({
  timeMillis: Date.now(),
  method: null,
  host: null,
  port: null,
  address: null,
  rule: null,
  detail: "",
  bytesUp: 0,
  bytesDown: 0,
  durationMillis: 0,
  ...fields
})

/** Refuses what the policy was not asked about, with an event; gives the reply. */
export const refuseProtocol = (
  core: Core,
  about: {
    readonly request: number
    readonly method: string | null
    readonly host?: string | null
    readonly reason: ProtocolReason
    readonly detail: string
  }
): Reply => {
  const { detail, host = null, method, reason, request } = about
  core.log.push(
    entry({
      request,
      phase: "decision",
      verdict: "deny",
      reason,
      detail,
      host,
      method: method === null ? null : methodText(method)
    })
  )
  return ReplyOf.protocol(reason, detail)
}

const refuseByPolicy = (core: Core, request: number, method: string, deny: Deny, startedMillis: number): Reply => {
  core.log.push(
    entry({
      request,
      phase: "decision",
      verdict: "deny",
      method: methodText(method),
      host: deny.host,
      port: deny.port === 0 ? null : deny.port,
      address: deny.address,
      rule: deny.rule?.text ?? null,
      reason: deny.reason,
      detail: deny.detail,
      durationMillis: Math.round(performance.now() - startedMillis)
    })
  )
  return ReplyOf.denied(methodText(method), deny)
}

/** Refuses a request that names no target, with an event; gives the reply. */
export const refuseTarget = (core: Core, request: number, method: string, not: NotATarget): Reply => {
  if (not.reason !== "host-invalid") {
    return refuseProtocol(core, { request, method, host: not.host, reason: not.reason, detail: not.detail })
  }
  const host = not.host ?? ""
  const deny: Deny = {
    _tag: "Deny",
    reason: "host-invalid",
    host,
    port: 0,
    authority: host,
    rule: null,
    address: null,
    detail: not.detail
  }
  return refuseByPolicy(core, request, method, deny, performance.now())
}

/**
 * Decides, resolves at most once, judges what was found, and dials exactly that. Calls back once, unless the exchange
 * is ended before. Nothing is returned for a request that the policy refuses at once.
 */
export const open = (
  core: Core,
  asked: { readonly request: number; readonly method: string; readonly authority: Authority },
  done: (reached: Reached, exchange: Exchange | undefined) => void
): Exchange | undefined => {
  const startedMillis = performance.now()
  const { authority, request } = asked
  const verdict = Decision.decideHost(core.policy, authority.host, authority.port)
  if (verdict._tag === "Deny") {
    done({ _tag: "Reply", reply: refuseByPolicy(core, request, asked.method, verdict, startedMillis) }, undefined)
    return undefined
  }

  const about = {
    request,
    method: methodText(asked.method),
    host: Host.text(authority.host),
    port: authority.port,
    rule: verdict.rule.text,
    verdict: "allow"
  } as const
  let isOver = false
  let isDecided = false
  let upstream: Net.Socket | undefined
  let dialled: Address | null = null
  let giveUp = (): void => {}

  const elapsed = (): number => Math.round(performance.now() - startedMillis)
  const decided = (): void => {
    if (isDecided) return
    isDecided = true
    const address = dialled?.address ?? null
    core.log.push(entry({ ...about, phase: "decision", reason: "allowed", address, durationMillis: elapsed() }))
  }
  /** Takes the exchange out of everything; false when that has been done before. */
  const leave = (): boolean => {
    if (isOver) return false
    isOver = true
    clearTimeout(deadline)
    core.exchanges.delete(exchange)
    giveUp()
    return true
  }
  const end = (outcome: Outcome, detail: string): void => {
    if (!leave()) return
    decided()
    if (upstream !== undefined) {
      if (outcome === "completed") upstream.destroy()
      else cut(upstream)
    }
    core.log.push(
      entry({
        ...about,
        phase: "closed",
        reason: outcome,
        detail,
        address: dialled?.address ?? null,
        bytesUp: upstream?.bytesWritten ?? 0,
        bytesDown: upstream?.bytesRead ?? 0,
        durationMillis: elapsed()
      })
    )
  }
  const fail = (outcome: Outcome, detail: string): void => {
    if (isOver) return
    end(outcome, detail)
    done({ _tag: "Reply", reply: ReplyOf.failed(about.method, verdict, outcome, detail) }, undefined)
  }
  const exchange: Exchange = { allow: verdict, end, isOver: () => isOver }

  const dialAnswers = (answers: ReadonlyArray<string>): void => {
    const judged = Decision.decideAddresses(core.policy, verdict, answers, core.own())
    if (Either.isLeft(judged)) {
      leave()
      const reply = refuseByPolicy(core, request, asked.method, judged.left, startedMillis)
      return done({ _tag: "Reply", reply }, undefined)
    }
    dialled = judged.right[0] ?? null
    decided()
    giveUp = Dial.dial(
      {
        addresses: judged.right,
        port: authority.port,
        attempts: core.limits.connectAttempts,
        timeoutMillis: Math.max(1, core.limits.connectMillis - elapsed())
      },
      (result) => {
        dialled = result.address
        if (result._tag === "Failed") {
          return fail(result.code === "ETIMEDOUT" ? "timed-out" : "connect-failed", Dial.explain(result.code))
        }
        clearTimeout(deadline)
        const { socket } = result
        upstream = socket
        core.upstreams.add(socket)
        socket.once("close", () => core.upstreams.delete(socket))
        // Its users learn from its end; an error that nobody listens to would end the whole process.
        socket.on("error", () => {})
        socket.setKeepAlive(true, 60_000)
        return done({ _tag: "Connected", upstream: socket }, exchange)
      }
    )
  }

  core.exchanges.add(exchange)
  // The share of the last attempt ends with this deadline; the slack lets the attempt tell which address it was.
  const deadline = setTimeout(() => fail("timed-out", "it did not answer in time"), core.limits.connectMillis + 50)
  if (verdict.target._tag !== "Resolve") {
    dialAnswers([])
    return exchange
  }
  const cancel = core.resolve(verdict.target.name, (answers) => {
    if (isOver) return
    giveUp = () => {}
    if (answers._tag === "Failed") fail("resolve-failed", answers.detail)
    else dialAnswers(answers.addresses)
  })
  // A resolver may have answered already, in which case what there is to give up is the dialling.
  if (!isOver && !isDecided) giveUp = cancel
  return exchange
}
