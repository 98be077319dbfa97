import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import type * as Net from "node:net"
import type { Credential } from "../Credential.js"
import * as Credentials from "../Credential.js"
import type { Allow, Deny, Own } from "../Decision.js"
import * as Decision from "../Decision.js"
import type { Outcome, TlsReason } from "../EgressEvent.js"
import type { Address, Authority } from "../Host.js"
import * as Host from "../Host.js"
import type { Policy } from "../Policy.js"
import type { Limits } from "../Proxy.js"
import * as Dial from "./dial.js"
import type { Entry, EventLog } from "./eventLog.js"
import type { Reply, RequestReason } from "./reply.js"
import * as ReplyOf from "./reply.js"
import type { Held } from "./injection.js"
import type { Secure, SecureOptions } from "./secure.js"
import { cut } from "./sockets.js"
import type { Local, NotATarget } from "./target.js"
import { printable } from "./text.js"

export type Answers =
  | { readonly _tag: "Addresses"; readonly addresses: ReadonlyArray<string> }
  | { readonly _tag: "Failed"; readonly detail: string }

/** What every part of one proxy shares. */
export interface Core {
  /** The policy of the moment; each request asks for it when it is decided. */
  readonly policy: () => Policy
  readonly limits: Limits
  readonly log: EventLog
  /** Calls back once, perhaps at once; gives the way to take the question back. */
  readonly resolve: (name: string, done: (answers: Answers) => void) => () => void
  /** The addresses of this machine, canonical, and the ranges that are nobody's but the bundle's. */
  readonly own: () => Own
  /** The port that it listens on, once it does and if it is one. */
  readonly port: () => number | undefined
  /** The value of a credential, if it was given. */
  readonly valueOf: (credential: Credential) => Redacted.Redacted | undefined
  readonly secure: Secure
  readonly exchanges: Set<Exchange>
  readonly upstreams: Set<Net.Socket>
  readonly nextRequest: () => number
}

/**
 * What a request asks for: a tunnel, or with `http` what is asked of its host in the clear, or on behalf of `credential`
 * with the path that goes to its upstream.
 */
export interface Asked {
  readonly request: number
  readonly method: string
  readonly authority: Authority
  readonly http?: Decision.HttpRequest
  readonly credential?: Credential
}

/** An allowed request from its first decision to its end. Only the first call of `end` or `cut` counts. */
export interface Exchange {
  /** What allows it: another policy may do so by another rule while its name is being resolved. */
  readonly allow: () => Allow
  /** Ends it, whatever it is doing. */
  readonly end: (outcome: Outcome, detail: string) => void
  /** Ends it because of what its client said in its tunnel. */
  readonly cut: (reason: TlsReason, detail: string) => void
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
    readonly reason: RequestReason
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
  const deny = Decision.refuseHost(not.host ?? "", 0, not.detail)
  return refuseByPolicy(core, request, method, deny, performance.now())
}

const namesMax = 8

/**
 * The credential that is asked for and its value, or the reply to a request for one that is not there, with an event.
 */
export const findCredential = (
  core: Core,
  request: number,
  method: string,
  { name }: Local
): Either.Either<Held, Reply> => {
  const { credentials } = core.policy()
  const credential = credentials.get(name)
  const value = credential === undefined ? undefined : core.valueOf(credential)
  if (credential !== undefined && value !== undefined) return Either.right({ credential, value })
  const isKnown = credential !== undefined
  const known = [...credentials.keys()]
  const names = `${known.slice(0, namesMax).join(", ")}${known.length > namesMax ? ", ..." : ""}`
  const detail = isKnown
    ? `the value of the credential ${name} was not given to the proxy`
    : `the policy has no credential "${printable(name, 64)}"`
  const advice = isKnown
    ? "It is read when a bottle is started: start the bottle again"
    : known.length === 0
      ? "The policy has no credentials"
      : `Its credentials are ${names}`
  const reason = isKnown ? "credential-unavailable" : "credential-unknown"
  const rule = isKnown ? Credentials.ruleText(name) : null
  core.log.push(
    entry({
      request,
      phase: "decision",
      verdict: "deny",
      method: methodText(method),
      host: isKnown ? Host.text(credential.upstream.host) : null,
      port: isKnown ? credential.upstream.port : null,
      rule,
      reason,
      detail
    })
  )
  return Either.left(ReplyOf.noCredential(methodText(method), { name, reason, rule, detail, advice }))
}

/** The addresses in what a resolver found, as far as there are any. */
const addressesIn = (answers: ReadonlyArray<string>): ReadonlyArray<Address> =>
  answers.flatMap((answer) => {
    const host = Either.getOrUndefined(Host.parse(answer))
    return host?._tag === "Address" ? [host] : []
  })

/**
 * Finds the upstream proxy, which is the user's own word: it is not judged. Calls back once, with nothing when there is
 * none to go through; gives the way to give up.
 */
const findUpstream = (
  core: Core,
  upstream: Authority | null,
  done: (found: Dial.Via | undefined | { readonly _tag: "Failed"; readonly detail: string }) => void
): (() => void) => {
  if (upstream === null) {
    done(undefined)
    return () => {}
  }
  const { host, port } = upstream
  const via = { port, headerBytes: core.limits.headerBytes }
  if (host._tag === "Address") {
    done({ ...via, addresses: [host] })
    return () => {}
  }
  return core.resolve(host.name, (answers) => {
    const addresses = answers._tag === "Failed" ? [] : addressesIn(answers.addresses)
    done(
      addresses.length === 0
        ? { _tag: "Failed", detail: "the name of the upstream proxy could not be resolved" }
        : { ...via, addresses }
    )
  })
}

/**
 * Decides, resolves at most once, judges what was found, and dials exactly that. Calls back once, unless the exchange
 * is ended before. Nothing is returned for a request that the policy refuses at once.
 */
export const open = (
  core: Core,
  asked: Asked,
  done: (reached: Reached, exchange: Exchange | undefined) => void
): Exchange | undefined => {
  const startedMillis = performance.now()
  const { authority, request } = asked
  const refuse = (deny: Deny): void =>
    done({ _tag: "Reply", reply: refuseByPolicy(core, request, asked.method, deny, startedMillis) }, undefined)
  const { credential, http = null } = asked
  const decide = (): Decision.Verdict =>
    credential === undefined || http === null
      ? Decision.decideHost(policy, authority.host, authority.port, http)
      : Decision.decideCredential(policy, credential, http)
  let policy = core.policy()
  const verdict = decide()
  if (verdict._tag === "Deny") {
    refuse(verdict)
    return undefined
  }

  const about = {
    request,
    method: methodText(asked.method),
    host: Host.text(authority.host),
    port: authority.port
  } as const
  let allow = verdict
  let isOver = false
  let isDecided = false
  let connected: (Dial.Dialled & { readonly _tag: "Connected" }) | undefined
  let dialled: Address | null = null
  let giveUp = (): void => {}

  const elapsed = (): number => Math.round(performance.now() - startedMillis)
  const leftMillis = (): number => Math.max(1, core.limits.connectMillis - elapsed())
  const push = (fields: Pick<Entry, "phase" | "verdict" | "reason"> & Partial<Entry>): void =>
    core.log.push(
      entry({
        ...about,
        rule: allow.rule.text,
        address: dialled?.address ?? null,
        durationMillis: elapsed(),
        ...fields
      })
    )
  const decided = (): void => {
    if (isDecided) return
    isDecided = true
    push({ phase: "decision", verdict: "allow", reason: "allowed" })
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
  const close = (verdict: Entry["verdict"], reason: Outcome | TlsReason, detail: string): void => {
    if (!leave()) return
    decided()
    if (reason === "completed") connected?.socket.destroy()
    else if (connected !== undefined) cut(connected.socket)
    push({
      phase: "closed",
      verdict,
      reason,
      detail,
      bytesUp: connected === undefined ? 0 : connected.socket.bytesWritten - connected.overheadUp,
      bytesDown: connected === undefined ? 0 : connected.socket.bytesRead - connected.overheadDown
    })
  }
  const exchange: Exchange = {
    allow: () => allow,
    end: (outcome, detail) => close("allow", outcome, detail),
    cut: (reason, detail) => close("deny", reason, detail),
    isOver: () => isOver
  }
  const fail = (outcome: Outcome, detail: string): void => {
    if (isOver) return
    exchange.end(outcome, detail)
    done({ _tag: "Reply", reply: ReplyOf.failed(about.method, allow, outcome, detail) }, undefined)
  }

  const use = (dialled: Dial.Dialled & { readonly _tag: "Connected" }): void => {
    clearTimeout(deadline)
    const { socket } = dialled
    connected = dialled
    core.upstreams.add(socket)
    socket.once("close", () => core.upstreams.delete(socket))
    // Its users learn from its end; an error that nobody listens to would end the whole process.
    socket.on("error", () => {})
    socket.setKeepAlive(true, 60_000)
    done({ _tag: "Connected", upstream: socket }, exchange)
  }

  const dial = (addresses: ReadonlyArray<Address>, via: Dial.Via | undefined): void => {
    const { connectAttempts: attempts } = core.limits
    giveUp = Dial.dial({ addresses, port: authority.port, attempts, timeoutMillis: leftMillis(), via }, (result) => {
      dialled = result.address
      if (result._tag === "Failed") {
        const { explanation, isTime } = result.failure
        return fail(isTime ? "timed-out" : "connect-failed", explanation)
      }
      if (credential?.upstream.scheme !== "https") return use(result)
      const secured: SecureOptions = { socket: result.socket, host: authority.host, timeoutMillis: leftMillis() }
      giveUp = core.secure(secured, (secure) => {
        if ("explanation" in secure) return fail(secure.isTime ? "timed-out" : "connect-failed", secure.explanation)
        return use({ ...result, socket: secure, overheadUp: 0, overheadDown: 0 })
      })
      return undefined
    })
  }

  /** Decides again what another policy has been set for meanwhile; false when that one refuses it. */
  const isStillAllowed = (): boolean => {
    if (core.policy() === policy) return true
    policy = core.policy()
    const again = decide()
    if (again._tag === "Allow") {
      allow = again
      return true
    }
    leave()
    refuse(again)
    return false
  }

  const dialAnswers = (answers: ReadonlyArray<string>): void => {
    if (!isStillAllowed()) return undefined
    const judged = Decision.decideAddresses(policy, allow, answers, core.own())
    if (Either.isLeft(judged)) {
      leave()
      return refuse(judged.left)
    }
    dialled = judged.right[0] ?? null
    let isFound = false
    const cancel = findUpstream(core, policy.upstream, (found) => {
      isFound = true
      if (isOver) return undefined
      giveUp = () => {}
      if (core.policy() !== policy) return dialAnswers(answers)
      if (found !== undefined && "_tag" in found) return fail("connect-failed", found.detail)
      decided()
      return dial(judged.right, found)
    })
    if (!isFound) giveUp = cancel
    return undefined
  }

  core.exchanges.add(exchange)
  // The share of the last attempt ends with this deadline; the slack lets the attempt tell which address it was.
  const deadline = setTimeout(() => fail("timed-out", "it did not answer in time"), core.limits.connectMillis + 50)
  if (allow.target._tag !== "Resolve") {
    dialAnswers([])
    return exchange
  }
  let isAnswered = false
  const cancel = core.resolve(allow.target.name, (answers) => {
    isAnswered = true
    if (isOver) return
    giveUp = () => {}
    if (answers._tag === "Failed") fail("resolve-failed", answers.detail)
    else dialAnswers(answers.addresses)
  })
  // A resolver may have answered already, in which case what there is to give up is another step.
  if (!isAnswered) giveUp = cancel
  return exchange
}
