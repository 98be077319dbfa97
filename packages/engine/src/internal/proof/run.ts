import type { EgressEvent } from "@bottle/egress/EgressEvent"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import type { ExecResult } from "@bottle/smolvm/MachineExec"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Dns from "node:dns"
import * as Os from "node:os"
import type { ProveOptions } from "../../EgressProof.js"
import { proofOptions } from "../../LaunchPlan.js"
import { EgressNotEnforced, EgressUnproven, reasonText, type UnprovenReason } from "../../ProofError.js"
import { type Probe, ProofRecord } from "../../ProofRecord.js"
import { tail } from "../guestText.js"
import * as Answers from "./answers.js"
import * as Decoys from "./decoys.js"
import * as Guest from "./guest.js"
import * as Judge from "./judge.js"
import * as Neighbour from "./neighbour.js"
import * as Targets from "./targets.js"
import * as Witness from "./witness.js"

/** The guest ends by itself well before this, by the longest of its own bounds. */
const GUEST_TIMEOUT_MILLIS = 20_000
const STDOUT_BYTES_MAX = 512 * 1024

/** What a gateway has taken in the guest's name it may deliver a moment later. */
const LATE_MILLIS = 300
const LATE_LOOK_MILLIS = 10

/** A container's log comes by way of its engine. */
const EVENTS_MILLIS = 3000

const hostAddresses = (): ReadonlyArray<string> =>
  Object.values(Os.networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address))

/** The addresses of the resolvers that this host asks, without their ports. */
const hostResolvers = (): ReadonlyArray<string> => {
  try {
    return Dns.getServers().map(
      (server) => /^\[(.*)\]:\d+$/.exec(server)?.[1] ?? server.replace(/^([0-9.]+):\d+$/, "$1")
    )
  } catch {
    return []
  }
}

/** How asking the guest ended. */
type Asked = Either.Either<Option.Option<ExecResult>, SmolvmError>

/** Everything on the host's side, and what the guest is to try. */
const open = (situation: Targets.Situation, names: Targets.Names, banner: string) =>
  Effect.gen(function* () {
    const host = { addresses: hostAddresses(), resolvers: hostResolvers() }
    const requests = Targets.requests(situation, host, names)
    const [outsides, decoys, neighbours] = yield* Effect.all(
      [
        Effect.forEach(requests.outsides, (outside) => Witness.ask(outside)),
        Effect.forEach(requests.decoys, (request) => Decoys.open(request, banner), { concurrency: "unbounded" }),
        Effect.forEach(requests.neighbours, Neighbour.open, { concurrency: "unbounded" })
      ],
      { concurrency: "unbounded" }
    )
    const targets = Targets.make(situation, requests, { decoys, neighbours }, names)
    return { outsides, decoys, neighbours, targets }
  })

type Opened = Effect.Effect.Success<ReturnType<typeof open>>

/** Waits for what the guest has been told is connected and no decoy has seen yet. */
const awaitLate = ({ decoys, targets }: Opened, answers: Answers.Answers): Effect.Effect<void> => {
  const isTaken = targets.some(
    ({ id, judge }) => judge._tag === "Decoy" && answers.byId.get(id)?.some(({ word }) => word === "open") === true
  )
  const hasArrived = () => decoys.some((decoy) => decoy.arrivals().length > 0)
  const look: Effect.Effect<void> = Effect.suspend(() =>
    hasArrived() ? Effect.void : Effect.zipRight(Effect.sleep(LATE_LOOK_MILLIS), look)
  )
  return isTaken ? Effect.asVoid(Effect.timeoutOption(look, LATE_MILLIS)) : Effect.void
}

const isOf = (target: Targets.Target, event: EgressEvent): boolean =>
  target.judge._tag === "Refused" && event.host === target.judge.host && event.port === target.judge.port

/** The bundle's events of the probes that the guest says were refused; not waited for longer than a log may take. */
const collectEvents = (
  { targets }: Opened,
  answers: Answers.Answers,
  events: Stream.Stream<EgressEvent>
): Effect.Effect<ReadonlyArray<EgressEvent>> =>
  Effect.suspend(() => {
    const found: Array<EgressEvent> = []
    const isRefusal = (answer: Answers.Answer) => Judge.readHttp(answer, answers.tool)?.isRefusal === true
    const expected = targets.filter(
      ({ id, judge }) => judge._tag === "Refused" && answers.byId.get(id)?.some(isRefusal) === true
    )
    const isEnough = () => expected.every((target) => found.some((event) => isOf(target, event)))
    if (isEnough()) return Effect.succeed(found)
    return events.pipe(
      Stream.takeUntil((event) => {
        if (targets.some((target) => isOf(target, event))) found.push(event)
        return isEnough()
      }),
      Stream.runDrain,
      Effect.timeoutOption(EVENTS_MILLIS),
      Effect.as(found)
    )
  })

/** What the decoys, the second bundles and the bundle's log say, once the guest is done. */
const gather = (
  opened: Opened,
  answers: Answers.Answers,
  options: ProveOptions,
  names: Targets.Names,
  banner: string
) =>
  Effect.gen(function* () {
    yield* awaitLate(opened, answers)
    const outsides = opened.outsides.map((reached) => reached())
    const [decoys, neighbours, events] = yield* Effect.all(
      [
        Effect.forEach(
          opened.decoys,
          (decoy) => Effect.map(decoy.check, (reached) => ({ ...decoy, reached, arrivals: decoy.arrivals() })),
          { concurrency: "unbounded" }
        ),
        Effect.forEach(
          opened.neighbours,
          ({ address, end, failure, port }) =>
            Effect.map(end, ({ asked, reached }) => ({
              address,
              port,
              failure,
              reached,
              asked: asked.map((host) => Targets.neighbourMark(names, host) ?? null)
            })),
          { concurrency: "unbounded" }
        ),
        collectEvents(opened, answers, options.bundle.events)
      ],
      { concurrency: "unbounded" }
    )
    const evidence: Judge.Evidence = {
      nonce: options.proof,
      token: names.token,
      banner,
      answers,
      decoys,
      neighbours,
      outsides,
      events
    }
    return {
      probes: Judge.probes(opened.targets, evidence),
      lastEvent: Math.max(0, ...events.map((it) => it.sequence))
    }
  })

/** Why the guest said less than it should, if it did. */
const shortcoming = (
  asked: Asked,
  answers: Answers.Answers
): { readonly reason: UnprovenReason; readonly detail: string } | null => {
  if (Either.isLeft(asked)) return { reason: "no-answer", detail: asked.left.message }
  if (Option.isNone(asked.right)) return { reason: "timed-out", detail: `${GUEST_TIMEOUT_MILLIS / 1000} s` }
  if (answers.complete) return null
  const { exitCode, stderr } = asked.right.value
  const detail = tail(stderr)
  if (exitCode === Guest.NO_TOOL) return { reason: "no-tool", detail: "" }
  // Each runtime has its own words for a missing program. What has answered has a shell.
  const isSilent = answers.tool === null && answers.byId.size === 0
  if (isSilent && (exitCode === 127 || exitCode === 126 || /failed to spawn|not found|no such file/i.test(detail))) {
    return { reason: "no-shell", detail: "" }
  }
  return { reason: "no-answer", detail: detail === "" ? `exit code ${exitCode}` : detail }
}

/** What a plan that demands an attempt only puts up with: a guest that cannot be probed, not one that is wrong. */
const isTolerable = (reason: UnprovenReason): boolean =>
  reason === "no-shell" || reason === "no-tool" || reason === "untested"

const settle = (
  { plan }: ProveOptions,
  asked: Asked,
  answers: Answers.Answers,
  seen: { readonly probes: ReadonlyArray<Probe>; readonly lastEvent: number },
  durationMillis: number
): Effect.Effect<ProofRecord, EgressNotEnforced | EgressUnproven | SmolvmError> => {
  const judged = Judge.outcome(seen.probes)
  const short = shortcoming(asked, answers)
  const unproven = judged._tag === "Leaked" ? null : (short ?? (judged._tag === "Unproven" ? judged : null))
  const record = new ProofRecord({
    version: 1,
    outcome: judged._tag === "Leaked" ? "leaked" : unproven === null ? "proven" : "unproven",
    reason:
      judged._tag === "Leaked"
        ? `${judged.probe.name}: ${judged.probe.observation}`
        : unproven === null
          ? null
          : [reasonText(unproven.reason), unproven.detail].filter((text) => text !== "").join(": "),
    tool: answers.tool,
    durationMillis,
    lastEvent: seen.lastEvent,
    probes: seen.probes
  })
  const { machine } = plan
  if (judged._tag === "Leaked") {
    const runtime = `${plan.runtime.program} ${plan.runtime.version}`
    return new EgressNotEnforced({ machine, runtime, probe: judged.probe, record })
  }
  // That a guest floods is its own doing, and no failure of the runtime's.
  if (Either.isLeft(asked) && asked.left._tag !== "SmolvmOutputTooLarge") return Effect.fail(asked.left)
  if (unproven === null || (plan.proof.demand === "attempted" && isTolerable(unproven.reason))) {
    return Effect.succeed(record)
  }
  return new EgressUnproven({ machine, reason: unproven.reason, detail: unproven.detail, record })
}

/** A part of the proof; all of it is the stage. */
const span =
  (name: string) =>
  <A, E, R>(part: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withSpan(part, name, { captureStackTrace: false })

const proveIn = (
  options: ProveOptions
): Effect.Effect<ProofRecord, EgressNotEnforced | EgressUnproven | SmolvmError, Smolvm | Scope.Scope> =>
  Effect.gen(function* () {
    const started = performance.now()
    const smolvm = yield* Smolvm
    const names = { token: randomBytes(8).toString("hex") }
    const banner = `bottle-decoy-${randomBytes(8).toString("hex")}`
    const situation = Targets.situationOf(options.plan)
    // The guest's command starts meanwhile; it waits for its targets.
    const opening = yield* Effect.forkScoped(span("bottle.decoys")(open(situation, names, banner)))
    const text = Effect.map(Fiber.join(opening), ({ targets }) => Buffer.from(Targets.text(targets)))
    const asked = yield* smolvm
      .machineExec({ ...proofOptions(options.plan), stdin: Stream.fromEffect(text), capBytes: STDOUT_BYTES_MAX })
      .pipe(Effect.timeoutOption(GUEST_TIMEOUT_MILLIS), Effect.either, span("bottle.probes"))
    const opened = yield* Fiber.join(opening)
    const stdout = Either.isRight(asked) && Option.isSome(asked.right) ? asked.right.value.stdout : new Uint8Array()
    const answers = Answers.parse(stdout, new Set(opened.targets.map(({ id }) => id)))
    const seen = yield* span("bottle.verdict")(gather(opened, answers, options, names, banner))
    return yield* settle(options, asked, answers, seen, Math.round(performance.now() - started))
  })

export const prove = (
  options: ProveOptions
): Effect.Effect<ProofRecord, EgressNotEnforced | EgressUnproven | SmolvmError, Smolvm> =>
  Effect.scoped(proveIn(options))
