import type { EgressEvent } from "@bottle/egress/EgressEvent"
import type { UnprovenReason } from "../../ProofError.js"
import { Probe, type Tool, type Verdict } from "../../ProofRecord.js"
import type { Answer, Answers } from "./answers.js"
import type { Arrival, DecoyRequest } from "./decoys.js"
import { markOf, type Target } from "./targets.js"

/** A decoy, a second bundle or a target outside, as it stood at the end. */
export interface DecoySeen extends DecoyRequest {
  readonly port: number
  readonly failure: string | null
  readonly arrivals: ReadonlyArray<Arrival>
  readonly reached: boolean
}

export interface NeighbourSeen {
  readonly address: string
  readonly port: number
  readonly failure: string | null
  readonly reached: boolean
  /** The probes whose requests it saw; `null` for one that names none. */
  readonly asked: ReadonlyArray<string | null>
}

/** All that is known when the guest is done. */
export interface Evidence {
  readonly nonce: string
  readonly token: string
  /** What every decoy answers. */
  readonly banner: string
  readonly answers: Answers
  readonly decoys: ReadonlyArray<DecoySeen>
  readonly neighbours: ReadonlyArray<NeighbourSeen>
  /** Whether the host itself was answered, in the order of the requests. */
  readonly outsides: ReadonlyArray<boolean>
  readonly events: ReadonlyArray<Pick<EgressEvent, "host" | "port" | "verdict">>
}

interface Finding {
  readonly verdict: Verdict
  readonly observation: string
}

const held = (observation: string): Finding => ({ verdict: "held", observation })
const leaked = (observation: string): Finding => ({ verdict: "leaked", observation })
const untested = (observation: string): Finding => ({ verdict: "untested", observation })
const broken = (observation: string): Finding => ({ verdict: "broken", observation })

const OBSERVATION_CHARS_MAX = 120

/** A DNS header is as long. */
const ANSWER_CHARS_MIN = 12

const SILENT = untested("the guest said nothing about it")
const CANNOT = untested("the guest's program cannot try this")
const NONE = untested("the guest has no such address")

const reasons = new Map([
  ["refused", "refused"],
  ["unreachable", "no route to it"],
  ["timeout", "no answer"],
  ["unresolved", "the name has no address"],
  ["forbidden", "not permitted"],
  ["failed", "no connection"]
])

/** What the guest says that it saw. */
const tell = ({ rest, word }: Answer): string => {
  switch (word) {
    case "no":
      return reasons.get(rest) ?? `no connection (${rest.slice(0, OBSERVATION_CHARS_MAX)})`
    case "open":
      return rest === "" ? "connected, without an answer" : "connected and answered"
    case "data":
      return "answered"
    case "sent":
      return "no answer"
    default:
      return word
  }
}

/** What the proxy answered, as far as the guest passed it on. */
export const readHttp = (
  answer: Answer,
  tool: Tool | null
): { readonly status: number; readonly isRefusal: boolean; readonly isOurs: boolean } | undefined => {
  const status = /HTTP\/1\.[01] (\d{3})/.exec(answer.rest)?.[1]
  if (status === undefined) return undefined
  const isOurs = /X-Bottle-Refused:/i.test(answer.rest)
  // Some versions of wget do not show the header of an error; that the refusal is ours is for the log to say then.
  return { status: Number(status), isOurs, isRefusal: status === "403" && (isOurs || tool === "wget") }
}

const judgeBundle = (answer: Answer, evidence: Evidence): Finding => {
  if (answer.rest.includes(evidence.nonce)) return held("the bundle answered")
  const http = readHttp(answer, evidence.answers.tool)
  return broken(http === undefined ? tell(answer) : `HTTP ${http.status} without the nonce`)
}

const judgeRefused = (answer: Answer, target: Target, evidence: Evidence): Finding => {
  if (target.judge._tag !== "Refused") return SILENT
  const { host, port } = target.judge
  const http = readHttp(answer, evidence.answers.tool)
  if (http === undefined) return broken(`the proxy did not answer: ${tell(answer)}`)
  if (http.isOurs && !http.isRefusal) return broken(`HTTP ${http.status}, which is not about the policy`)
  if (!http.isRefusal) return leaked(`the proxy answered HTTP ${http.status} instead of refusing`)
  const isLogged = evidence.events.some(
    (event) => event.verdict === "deny" && event.host === host && event.port === port
  )
  return isLogged ? held("HTTP 403, and in the log") : broken("HTTP 403 that is not in the bundle's log")
}

/** What did not arrive is worth as much as the host's own way there. */
const judgeNotArrived = (answer: Answer, isReached: boolean): Finding => {
  if (!isReached) return untested("the host itself cannot reach it")
  return held(answer.word === "open" ? `${tell(answer)}, by something else: it did not arrive` : tell(answer))
}

const unlessReached = (answer: Answer, isReached: boolean): Finding =>
  isReached ? held(tell(answer)) : untested(`${tell(answer)}; the host itself got no answer by then`)

const judgeOutside = (answer: Answer, isReached: boolean, isNetworked: boolean): Finding => {
  if (answer.word === "data" || (answer.word === "open" && answer.rest !== "")) return leaked(tell(answer))
  if (answer.word !== "open") return unlessReached(answer, isReached)
  // The gateway of a network may take a connection before it knows that it leads nowhere; without one nobody may.
  return isNetworked ? unlessReached(answer, isReached) : leaked(tell(answer))
}

/** Of what a filter says by itself, nothing has left; `wanted` is what only a resolver that reaches others can know. */
const judgeResolver = (answer: Answer, wanted: string, isReached: boolean): Finding => {
  const isAnswer = answer.word === "data" || (answer.word === "open" && answer.rest !== "")
  if (wanted === "" || !isAnswer) return judgeOutside(answer, isReached, wanted !== "")
  if (answer.rest.includes(wanted)) return leaked(tell(answer))
  // One that passes on no more than an answer's beginning has not shown what it is.
  if (answer.rest.length < ANSWER_CHARS_MIN) return untested("answered; the guest's program does not pass on with what")
  return isReached ? held("answered by a filter, which knows no names") : untested("answered, but not with a name")
}

/** Where nothing listens for the host either, a connection that was taken but not answered is a gateway's own. */
const judgeBundlePort = (answer: Answer, isReached: boolean): Finding => {
  if (answer.word === "open" && (answer.rest !== "" || isReached)) return leaked(tell(answer))
  return held(tell(answer))
}

const isReachedBy = (witnesses: ReadonlyArray<number>, evidence: Evidence): boolean =>
  witnesses.some((witness) => evidence.outsides[witness] === true)

const judgeAnswer = (answer: Answer, target: Target, evidence: Evidence): Finding => {
  const { judge } = target
  // Whatever it says of the way: this came by one.
  if (answer.rest.includes(evidence.banner)) return leaked("the guest holds what only a decoy says")
  if (answer.word === "cannot") return CANNOT
  if (answer.word === "none") return NONE
  switch (judge._tag) {
    case "Allowed":
      return untested("the policy allows it")
    case "Bundle":
      return judgeBundle(answer, evidence)
    case "OwnListener":
      return answer.rest.includes(evidence.token) ? held("answered") : broken(tell(answer))
    case "Refused":
      return judgeRefused(answer, target, evidence)
    case "Decoy":
      return judgeNotArrived(answer, evidence.decoys[judge.decoy]?.reached === true)
    case "Neighbour":
      return judgeNotArrived(answer, evidence.neighbours[judge.neighbour]?.reached === true)
    case "Outside":
      return judgeOutside(answer, isReachedBy(judge.witnesses, evidence), judge.isNetworked)
    case "Resolver":
      return judgeResolver(answer, judge.answer, isReachedBy(judge.witnesses, evidence))
    case "BundlePort":
      return judgeBundlePort(answer, evidence.outsides[judge.witness] === true)
    case "Device":
      return answer.rest === "" ? held("none") : leaked(`there is ${answer.rest.slice(0, OBSERVATION_CHARS_MAX)}`)
  }
}

/** Why a target was never opened, if it was not. */
const failureOf = ({ judge }: Target, evidence: Evidence): string | null => {
  switch (judge._tag) {
    case "Decoy":
      return evidence.decoys[judge.decoy]?.failure ?? null
    case "Neighbour":
      return evidence.neighbours[judge.neighbour]?.failure ?? null
    default:
      return null
  }
}

const toProbe = (target: Target, place: string | null, millis: number, finding: Finding): Probe =>
  new Probe({
    name: target.name,
    target: place === null ? target.target : target.target.replace(/\[?@(gateway|resolver)\]?/, place),
    expectation: target.expectation,
    observation: finding.observation,
    verdict: finding.verdict,
    durationMillis: millis
  })

/** What arrived is a leak of the probe that it names, whatever the guest says of it. */
interface Arrived {
  readonly id: string
  readonly place: string | null
}

/**
 * What came to a decoy without our own check where it was cut off: a bridge of another bottle's goes away when that one
 * ends, and the check has connected by then and said nothing. A second connection that says nothing is somebody else's.
 */
const foreignTo = ({ arrivals, protocol, reached }: DecoySeen): ReadonlyArray<Arrival> => {
  const speaking = arrivals.filter(({ payload }) => payload !== "")
  const isCheck = protocol === "tcp" && !reached && arrivals.length - speaking.length === 1
  return isCheck ? speaking : arrivals
}

const arrivedAt = (targets: ReadonlyArray<Target>, evidence: Evidence) => {
  const named: Array<Arrived> = []
  const unnamed: Array<Probe> = []
  const known = new Set(targets.map(({ id }) => id))
  const note = (mark: string | null | undefined, what: string, name: string) => {
    const [id = "", place = null] = (mark ?? "").split("/")
    if (known.has(id)) return void named.push({ id, place })
    const finding = leaked("something reached it that is none of these probes")
    const target = { name, target: what, expectation: "nothing arrives" }
    if (!unnamed.some((probe) => probe.target === what)) {
      unnamed.push(new Probe({ ...target, ...finding, durationMillis: 0 }))
    }
  }
  for (const decoy of evidence.decoys) {
    for (const { payload } of foreignTo(decoy)) {
      note(markOf(payload), `${decoy.protocol} ${decoy.address} port ${decoy.port}`, decoy.name)
    }
  }
  for (const neighbour of evidence.neighbours) {
    for (const id of neighbour.asked) note(id, `tcp ${neighbour.address} port ${neighbour.port}`, "other-bundle")
  }
  return { named, unnamed }
}

const judgeTarget = (target: Target, arrived: ReadonlyArray<Arrived>, evidence: Evidence): ReadonlyArray<Probe> => {
  const mine = arrived.filter(({ id }) => id === target.id)
  if (target.line === null) {
    const why = target.judge._tag === "Allowed" ? "the policy allows it" : (failureOf(target, evidence) ?? "not tried")
    return [toProbe(target, null, 0, untested(why))]
  }
  const answers = evidence.answers.byId.get(target.id) ?? []
  const places = new Set([...answers.map(({ place }) => place), ...mine.map(({ place }) => place)])
  if (places.size === 0) return [toProbe(target, null, 0, SILENT)]
  return [...places].map((place) => {
    const answer = answers.find((one) => one.place === place)
    const isHere = mine.some((one) => one.place === place)
    const finding = isHere
      ? leaked("it arrived")
      : answer === undefined
        ? SILENT
        : judgeAnswer(answer, target, evidence)
    return toProbe(target, place, answer?.millis ?? 0, finding)
  })
}

/** What every probe showed, in their order; what nobody can be asked about comes last. */
export const probes = (targets: ReadonlyArray<Target>, evidence: Evidence): ReadonlyArray<Probe> => {
  const { named, unnamed } = arrivedAt(targets, evidence)
  const judged = targets.map((target) => judgeTarget(target, named, evidence))
  const all = [...judged.flat(), ...unnamed]
  // What fails in a guest where nothing works shows nothing.
  if (judged[0]?.some(({ verdict }) => verdict === "held") === true) return all
  return all.map((probe) =>
    probe.verdict === "held"
      ? new Probe({ ...probe, verdict: "untested", observation: `${probe.observation}; what must work did not` })
      : probe
  )
}

/** What a proof comes to. */
export type Outcome =
  | { readonly _tag: "Proven" }
  | { readonly _tag: "Leaked"; readonly probe: Probe }
  | { readonly _tag: "Unproven"; readonly reason: UnprovenReason; readonly detail: string }

/**
 * The least that must have been tried: the host's loopback and, where the host has others, one of its other addresses,
 * and the refusal of a name where there is a bundle.
 */
const ESSENTIAL = ["host-loopback-tcp", "host-address-tcp", "unlisted-name"]

export const outcome = (all: ReadonlyArray<Probe>): Outcome => {
  const leak = all.find(({ verdict }) => verdict === "leaked")
  if (leak !== undefined) return { _tag: "Leaked", probe: leak }
  const failed = all.find(({ verdict }) => verdict === "broken")
  if (failed !== undefined) {
    const detail = `${failed.name}: ${failed.observation}`
    return { _tag: "Unproven", reason: "proxy-broken", detail }
  }
  const missing = [all[0]?.name ?? "", ...ESSENTIAL].find((name) => {
    const found = all.filter((probe) => probe.name === name)
    return found.length > 0 && found.every(({ verdict }) => verdict === "untested")
  })
  const first = all.find(({ name }) => name === missing)
  return first === undefined
    ? { _tag: "Proven" }
    : { _tag: "Unproven", reason: "untested", detail: `${first.name}: ${first.observation}` }
}
