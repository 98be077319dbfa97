/**
 * `bottle inspect`: all that is known of a bottle, whether it lives or only its record is there.
 *
 * @since 0.1.0
 */
import { Bottles, type ListedBottle } from "@bottle/engine/Bottles"
import * as Directories from "@bottle/engine/Directories"
import { LaunchPlan } from "@bottle/engine/LaunchPlan"
import * as Ledger from "@bottle/engine/Ledger"
import { ProofRecord } from "@bottle/engine/ProofRecord"
import * as RecordStore from "@bottle/engine/RecordStore"
import type { Runtimes } from "@bottle/engine/Runtimes"
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as BottleRow from "../BottleRow.js"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as MachineStates from "../MachineStates.js"
import * as Named from "../Named.js"
import * as PlanText from "../PlanText.js"
import * as PolicyText from "../PolicyText.js"
import * as Printable from "../Printable.js"
import type { InspectRequest } from "../requests/BottleRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import { formatAge } from "../Units.js"

/**
 * The document of a bottle: its row of a list, and
 *
 * - `main`: its main command, as its owner tells it; null where it has none, or its owner is silent
 * - `ledger`, `record`: the directories; null where there is none
 * - `plan`, `proof`: null where there is none that can be read; `unreadable` then says why
 * - `damaged`: how many lines of ledger and record cannot be read
 *
 * @since 0.1.0
 * @category models
 */
export const InspectDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  bottle: Schema.Struct({
    ...BottleRow.BottleRow.fields,
    main: Schema.NullOr(
      Schema.Struct({
        command: Schema.Array(Schema.String).annotations({ description: "The command's words" }),
        interactive: Schema.Boolean.annotations({ description: "Whether it takes input" }),
        exitCode: Schema.NullOr(Schema.Int).annotations({ description: "Its exit code; null while it runs" })
      })
    ).annotations({ description: "Its main command; null where it has none, or is not up" }),
    ledger: Schema.NullOr(Schema.String).annotations({
      description: "The directory of its ledger; null where it has none"
    }),
    record: Schema.NullOr(Schema.String).annotations({
      description: "The directory of its record; null where it has none"
    }),
    plan: Schema.NullOr(LaunchPlan).annotations({
      description: "The plan that was executed; null where there is none, or it cannot be read"
    }),
    proof: Schema.NullOr(ProofRecord).annotations({
      description: "What was probed before it was handed over; null where there is none, or it cannot be read"
    }),
    unreadable: Schema.Array(
      Schema.Struct({
        document: Schema.String.annotations({ description: "Which" }),
        reason: Schema.String.annotations({ description: "Why" })
      })
    ).annotations({ description: "The documents of it that cannot be read" }),
    damaged: Schema.Int.annotations({ description: "How many lines of ledger and record cannot be read" })
  }).annotations({ description: "All that is known of it" })
})

/**
 * What is known of a bottle.
 *
 * @since 0.1.0
 * @category models
 */
export type Inspected = (typeof InspectDocument.Type)["bottle"]

const readDocument = <A>(
  reading: RecordStore.Reading<A> | undefined,
  document: string
): { readonly value: A | null; readonly unreadable: Inspected["unreadable"] } => {
  if (reading?._tag === "Read") return { value: reading.value, unreadable: [] }
  return { value: null, unreadable: reading?._tag === "SetAside" ? [{ document, reason: reading.reason }] : [] }
}

const machineOf = ({ view: { claim } }: ListedBottle) =>
  claim === null
    ? Effect.succeed(null)
    : Effect.map(
        MachineStates.ask([{ machine: claim.machine, runtime: claim.runtime, places: claim.places }]),
        (states) => states.get(claim.machine) ?? null
      )

const inspected = ({ bottle }: InspectRequest) =>
  Effect.gen(function* () {
    const directories = Directories.fromEnvironment((yield* Invocation).environment)
    const { id } = yield* Named.find(bottle, directories)
    const bottles = yield* Bottles
    const listed = (yield* bottles.list).find((one) => one.id === id)
    const record = Option.getOrUndefined(yield* RecordStore.read(directories, id))
    const { epochMillis: nowMillis } = yield* DateTime.now
    const plan = readDocument(record?.plan, "plan.json")
    const proof = readDocument(record?.proof, "proof.json")
    const rest = {
      record: record?.directory ?? null,
      unreadable: [...plan.unreadable, ...proof.unreadable]
    }
    if (listed === undefined) {
      // It went down while it was looked for, and has no record.
      if (record === undefined) return yield* new Ledger.LedgerGone({ id })
      return {
        ...BottleRow.fromRecord(record, nowMillis),
        ...rest,
        main: null,
        ledger: null,
        plan: plan.value,
        proof: proof.value,
        damaged: record.damaged
      } satisfies Inspected
    }
    const { view } = listed
    const description = listed.status === null ? null : Option.getOrNull(yield* Effect.option(listed.describe))
    const claimed = yield* Effect.orElseSucceed(Ledger.plan(view), () => null)
    const machine = yield* machineOf(listed)
    const main = listed.status?.main ?? null
    return {
      ...BottleRow.fromListed(listed, { plan: claimed, machine, nowMillis }),
      ...rest,
      main: main === null ? null : { ...main, exitCode: main.exit?.exitCode ?? null },
      ledger: view.directory,
      plan: description?.plan ?? claimed,
      proof: description?.proof ?? proof.value,
      damaged: view.damaged + (record?.damaged ?? 0)
    } satisfies Inspected
  })

const ownerText = ({ owner, silence }: Inspected): ReadonlyArray<string> => {
  if (owner === null) return []
  const kinds = { run: "a bottle run", keeper: "its keeper", program: "a program" } as const
  const who = owner.kind === null ? "somebody" : kinds[owner.kind]
  const states = {
    alive: silence === null ? "which answers" : "which does not answer",
    dead: "which is dead",
    unknown: "of which it cannot be told from here whether it runs"
  } as const
  return [
    `held by: ${who}${owner.pid === null ? "" : `, process ${owner.pid}`}, ${states[owner.liveness]}`,
    ...(silence === null ? [] : [`its silence: ${Printable.line(silence)}`])
  ]
}

const exitText = ({ exit }: Inspected): ReadonlyArray<string> => {
  if (exit === null) return []
  const error = exit.error === null ? "" : `, ${Printable.line(exit.error, 64)}`
  return [
    exit.code === null
      ? `ended: how is not known${error}`
      : `ended: exit code ${exit.code} of the ${exit.origin}${error}`
  ]
}

const timesText = (bottle: Inspected): ReadonlyArray<string> => {
  const { idleLeftMillis, idleMillis, sessions, state, ttlLeftMillis, ttlMillis } = bottle
  const left = (rest: number | null) => (rest === null ? "" : `, ${formatAge(rest)} left`)
  if (state === "down") return []
  return [
    ...(ttlMillis === null ? [] : [`time to live: ${formatAge(ttlMillis)}${left(ttlLeftMillis)}`]),
    ...(idleMillis === null
      ? []
      : [`idle: goes down after ${formatAge(idleMillis)} of nothing${left(idleLeftMillis)}`]),
    ...(sessions === null ? [] : [`commands in it now: ${sessions}`])
  ]
}

const mainText = ({ command, main }: Inspected): ReadonlyArray<string> => {
  if (main === null) return command === null ? [] : [`command: ${BottleRow.commandText(command)}`]
  const exit = main.exitCode === null ? "runs" : `has ended with ${main.exitCode}`
  return [`command: ${BottleRow.commandText(main.command)} (${exit}${main.interactive ? ", takes input" : ""})`]
}

const proofText = ({ proof }: Inspected): ReadonlyArray<string> => {
  if (proof === null) return []
  const count = (verdict: string) => proof.probes.filter((probe) => probe.verdict === verdict).length
  const reason = proof.reason === null ? "" : `: ${Printable.line(proof.reason)}`
  const tool = proof.tool === null ? "" : `, tried with ${proof.tool}`
  return [
    `${proof.outcome}${reason}`,
    `${proof.probes.length} probes: ${count("held")} held, ${count("untested")} could not be tried${tool}`,
    ...proof.probes
      .filter(({ verdict }) => verdict === "leaked" || verdict === "broken")
      .map(({ name, target, verdict }) => `${verdict}: ${name} (${Printable.line(target, 128)})`)
  ]
}

/** A plan without its commands, which say how it came up, and its first line, which says whose it is. */
const planLines = (plan: LaunchPlan | null): ReadonlyArray<string> =>
  plan === null
    ? []
    : PlanText.render(new LaunchPlan({ ...plan, steps: [] }), [])
        .split("\n")
        .slice(1)

/**
 * The bottle in lines, the newest knowledge first.
 *
 * @since 0.1.0
 * @category conversions
 */
export const render = (bottle: Inspected): string => {
  const { damaged, failures, machine } = bottle
  return [
    `bottle ${bottle.id}${bottle.name === null ? "" : `, called ${bottle.name}`}`,
    `state: ${BottleRow.stateText(bottle)}`,
    ...exitText(bottle),
    ...ownerText(bottle),
    `age: ${bottle.ageMillis === null ? "not known" : formatAge(bottle.ageMillis)}`,
    ...timesText(bottle),
    ...mainText(bottle),
    ...(machine === null
      ? []
      : [`machine: ${machine.name}, ${Printable.line(machine.state ?? "its runtime does not answer", 64)}`]),
    ...PolicyText.section(
      "may be left behind",
      failures.map(({ reason, resource, suggestion }) => Printable.line(`${resource}: ${reason}; try: ${suggestion}`))
    ),
    ...PolicyText.section("proof", proofText(bottle)),
    ...PolicyText.section("plan", planLines(bottle.plan)),
    ...PolicyText.section("cannot be read", [
      ...bottle.unreadable.map(({ document, reason }) => Printable.line(`${document}: ${reason}`)),
      ...(damaged === 0 ? [] : [`${damaged} line${damaged === 1 ? "" : "s"} of ledger and record`])
    ]),
    ...(bottle.ledger === null ? [] : [`ledger: ${Printable.line(bottle.ledger)}`]),
    ...(bottle.record === null ? [] : [`record: ${Printable.line(bottle.record)}`])
  ].join("\n")
}

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(InspectDocument)))

const print = (request: InspectRequest) =>
  Effect.gen(function* () {
    const bottle = yield* inspected(request)
    yield* Stdio.outputText(request.format === "json" ? encode({ version: 1, bottle }) : render(bottle))
    return ExitStatus.success
  })

/**
 * Prints what is known and gives the exit code. Neither owner nor runtime is waited for much longer than a second.
 *
 * @since 0.1.0
 * @category constructors
 */
export const inspect = (
  request: InspectRequest
): Effect.Effect<number, never, Bottles | Runtimes | Invocation | Stdio.Stdio | FileSystem> =>
  Effect.scoped(print(request)).pipe(
    Effect.catchAllCause((cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" }))
  )
