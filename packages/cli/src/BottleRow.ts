/**
 * What is known of a bottle, whether it lives or only its record is there: one shape for lists, for programs, and for
 * whoever looks at one.
 *
 * @since 0.1.0
 */
import type { ListedBottle } from "@bottle/engine/Bottles"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import type { StoredRecord } from "@bottle/engine/RecordStore"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Printable from "./Printable.js"
import * as ShellQuote from "./ShellQuote.js"
import { formatAge } from "./Units.js"

const Left = Schema.Struct({
  resource: Schema.String.annotations({ description: "What may be left behind" }),
  reason: Schema.String.annotations({ description: "Why it could not be removed" }),
  suggestion: Schema.String.annotations({ description: "How to remove it" })
})

/**
 * A bottle in a list.
 *
 * - `state`: of its ledger (`launching`, `up`, `closing`, `left`, `kept`, `recovering`), `committing` while its disk is
 *   made into a pack, `dead` where its owner is and nobody has taken it down yet, `down` where only its record is left
 * - `owner.liveness`: `unknown` where that cannot be told from here
 * - `machine.state`: the runtime's word for it, `missing` where it knows none; null where it did not answer, and for
 *   bottles that are down
 * - `rules`: how many rules allow something; null where that cannot be read
 * - `credentials`: the APIs that it reaches by a credential of its bundle; null where that cannot be read
 * - `ageMillis`: since it was claimed, or since its record began
 * - `command`: what the bottle lives for; null where it is for nothing in particular, or that is not known any more
 * - `exit`: how it ended, of bottles that are down; `code` is null where that is not known
 * - `silence`: why its owner did not answer
 * - `failures`: what may be left behind of it
 *
 * @since 0.1.0
 * @category models
 */
export const BottleRow = Schema.Struct({
  id: Schema.String.annotations({ description: "The bottle's id" }),
  name: Schema.NullOr(Schema.String).annotations({
    description: "What up --name called it; null where it has no name"
  }),
  state: Schema.Literal(
    "launching",
    "up",
    "committing",
    "closing",
    "left",
    "kept",
    "recovering",
    "dead",
    "down"
  ).annotations({
    description:
      "Of its ledger; committing: its disk is made into a pack; dead: its owner is and nobody has taken it down yet; down: only its record is left"
  }),
  owner: Schema.NullOr(
    Schema.Struct({
      kind: Schema.NullOr(Schema.Literal("run", "keeper", "program")).annotations({
        description: "What its owner is; null where that is not known"
      }),
      pid: Schema.NullOr(Schema.Int).annotations({ description: "Its owner's process; null where that is not known" }),
      liveness: Schema.Literal("alive", "dead", "unknown").annotations({
        description: "unknown where that cannot be told from here"
      })
    })
  ).annotations({ description: "The process that holds it; null of what is down" }),
  machine: Schema.NullOr(
    Schema.Struct({
      name: Schema.String.annotations({ description: "The machine's name" }),
      state: Schema.NullOr(Schema.String).annotations({
        description: "The runtime's word for it, missing where it knows none; null where it does not answer"
      })
    })
  ).annotations({ description: "Its machine; null where that is not known" }),
  runtime: Schema.NullOr(
    Schema.Struct({
      kind: Schema.String.annotations({ description: "smolvm or local" }),
      program: Schema.String.annotations({ description: "The program that is run" }),
      version: Schema.String.annotations({ description: "As the program's --version says" })
    })
  ).annotations({ description: "What runs the machine; null where that is not known" }),
  rules: Schema.NullOr(Schema.Int).annotations({
    description: "How many rules allow something; null where that is not known"
  }),
  credentials: Schema.NullOr(Schema.Array(Schema.String)).annotations({
    description: "The credentials of its bundle, by which it reaches their APIs; null where that is not known"
  }),
  since: Schema.NullOr(Schema.DateTimeUtc).annotations({
    description: "When it was claimed, or its record began: ISO 8601 in UTC"
  }),
  ageMillis: Schema.NullOr(Schema.Number).annotations({ description: "How long ago that is, never negative" }),
  ttlMillis: Schema.NullOr(Schema.Number).annotations({ description: "How long it may be there; null where it stays" }),
  ttlLeftMillis: Schema.NullOr(Schema.Number).annotations({ description: "What is left of that" }),
  idleMillis: Schema.NullOr(Schema.Number).annotations({
    description: "How long nothing may go on in it; null where it stays"
  }),
  idleLeftMillis: Schema.NullOr(Schema.Number).annotations({
    description: "What is left of that; null while something goes on"
  }),
  sessions: Schema.NullOr(Schema.Int).annotations({
    description: "How many commands run in it now, the main command not counted"
  }),
  command: Schema.NullOr(Schema.Array(Schema.String)).annotations({
    description: "The main command's words; null where there is none, or that is not known"
  }),
  exit: Schema.NullOr(
    Schema.Struct({
      code: Schema.NullOr(Schema.Int).annotations({ description: "The exit code; null where it is not known" }),
      origin: Schema.String.annotations({ description: "Whose the code is" }),
      error: Schema.NullOr(Schema.String).annotations({
        description: "The tag of the error that ended it; null where none did"
      })
    })
  ).annotations({ description: "How it ended, of what is down" }),
  silence: Schema.NullOr(Schema.String).annotations({ description: "Why its owner did not answer; null where it did" }),
  failures: Schema.Array(Left).annotations({ description: "What may be left behind of it" })
})

/**
 * A bottle in a list.
 *
 * @since 0.1.0
 * @category models
 */
export type BottleRow = typeof BottleRow.Type

const credentialsOf = (plan: LaunchPlan | null): BottleRow["credentials"] =>
  plan === null ? null : Object.keys(plan.egress.credentials ?? {})

const runtimeOf = (runtime: LaunchPlan["runtime"]): NonNullable<BottleRow["runtime"]> => ({
  kind: runtime.kind,
  program: runtime.program,
  version: runtime.version
})

const stateOf = ({ owner, status, view }: ListedBottle): BottleRow["state"] => {
  const held = view.state === "launching" || view.state === "up" || view.state === "closing"
  if ((held || view.state === "recovering") && owner === "dead") return "dead"
  if (view.state !== "up" || status === null) return view.state
  return status.closing !== null ? "closing" : status.committing ? "committing" : "up"
}

/** A clock that was set back makes nothing younger than new. */
const since = (then: number, nowMillis: number): number => Math.max(0, nowMillis - then)

/**
 * A bottle that lives, or that left something. `plan` is what its ledger holds, for what neither owner nor claim say, and
 * null where that cannot be read; `machine` what its runtime says.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromListed = (
  listed: ListedBottle,
  around: { readonly plan: LaunchPlan | null; readonly machine: string | null; readonly nowMillis: number }
): BottleRow => {
  const { status, view } = listed
  const { claim } = view
  const { plan } = around
  const runtime = claim?.runtime ?? plan?.runtime
  const machine = claim?.machine ?? plan?.machine
  return {
    id: listed.id,
    name: listed.name,
    state: stateOf(listed),
    owner: {
      kind: claim?.kind ?? null,
      pid: status?.pid ?? view.holder?.identity.pid ?? null,
      liveness: listed.owner
    },
    machine: machine === undefined ? null : { name: machine, state: around.machine },
    runtime: runtime === undefined ? null : { kind: runtime.kind, program: runtime.program, version: runtime.version },
    rules: status?.rules ?? (plan === null ? null : (plan.egress.allow?.length ?? 0)),
    credentials: status?.credentials ?? credentialsOf(plan),
    since: claim?.claimedAt ?? null,
    ageMillis: claim === null ? null : since(claim.claimedAt.epochMillis, around.nowMillis),
    ttlMillis: claim?.ttlMillis ?? null,
    ttlLeftMillis: status?.ttlLeftMillis ?? null,
    idleMillis: claim?.idleMillis ?? null,
    idleLeftMillis: status?.idleLeftMillis ?? null,
    sessions: status?.sessions ?? null,
    command: status?.main?.command ?? claim?.command ?? null,
    exit: null,
    // A program need not serve any control, and one that launches does not yet.
    silence:
      listed.silence === null || claim?.kind === "program" || view.state !== "up" ? null : listed.silence.message,
    failures: view.failures
  }
}

/**
 * A bottle of which only the record is there.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRecord = (record: StoredRecord, nowMillis: number): BottleRow => {
  const plan = record.plan._tag === "Read" ? record.plan.value : null
  return {
    id: record.id,
    name: null,
    state: "down",
    owner: null,
    machine: null,
    runtime: plan === null ? null : runtimeOf(plan.runtime),
    rules: plan === null ? null : (plan.egress.allow?.length ?? 0),
    credentials: credentialsOf(plan),
    since: record.madeAt,
    ageMillis: since(record.madeAt.epochMillis, nowMillis),
    ttlMillis: null,
    ttlLeftMillis: null,
    idleMillis: null,
    idleLeftMillis: null,
    sessions: null,
    command: null,
    exit: Option.match(record.end, {
      onNone: () => ({ code: null, origin: "unknown", error: null }),
      onSome: ({ code, error, origin }) => ({ code, error, origin })
    }),
    silence: null,
    failures: record.failures
  }
}

/**
 * The titles of the columns that `cells` gives.
 *
 * @since 0.1.0
 * @category constants
 */
export const titles = ["NAME", "STATE", "MACHINE", "RUNTIME", "EGRESS", "AGE", "TTL", "COMMAND"] as const

const COMMAND_CHARS_MAX = 60
const WORD_CHARS_MAX = 32

/**
 * A bottle's state in a word or two.
 *
 * @since 0.1.0
 * @category conversions
 */
export const stateText = ({ exit, owner, silence, state }: BottleRow): string => {
  if (state === "down") return `down (${exit?.code ?? (exit?.error ? Printable.line(exit.error, 32) : "?")})`
  if (owner?.liveness === "unknown") return `${state}?`
  return state === "up" && silence !== null ? "silent" : state
}

/**
 * What a bottle may reach, in a word or two.
 *
 * @since 0.1.0
 * @category conversions
 */
export const egressText = ({ credentials, rules }: BottleRow): string => {
  if (rules === null) return "?"
  const counts = [counted(rules, "rule"), counted(credentials?.length ?? 0, "key")].filter((text) => text !== "")
  return counts.length === 0 ? "nothing" : counts.join(", ")
}

const counted = (count: number, what: string): string =>
  count === 0 ? "" : `${count} ${what}${count === 1 ? "" : "s"}`

/**
 * What is left of a bottle's times: until it goes down by itself whatever happens, and until it does when nothing does.
 *
 * @since 0.1.0
 * @category conversions
 */
export const lifeText = (row: BottleRow): string => {
  const left = (whole: number | null, rest: number | null, busy: string): ReadonlyArray<string> => {
    if (rest !== null) return [formatAge(rest)]
    return whole === null ? [] : [row.sessions === null ? "?" : busy]
  }
  const life = left(row.ttlMillis, row.ttlLeftMillis, "?")
  const idle = left(row.idleMillis, row.idleLeftMillis, "not").map((text) => `${text} idle`)
  const texts = [...life, ...idle]
  return texts.length === 0 ? "-" : texts.join(", ")
}

/**
 * A command on one line of a bounded length.
 *
 * @since 0.1.0
 * @category conversions
 */
export const commandText = (command: ReadonlyArray<string> | null): string => {
  if (command === null || command.length === 0) return "-"
  const words = command.map((word) => ShellQuote.word(Printable.line(word, WORD_CHARS_MAX)))
  return Printable.line(words.join(" "), COMMAND_CHARS_MAX)
}

/**
 * A bottle as one row of a table.
 *
 * @since 0.1.0
 * @category conversions
 */
export const cells = (row: BottleRow): ReadonlyArray<string> => [
  Printable.line(row.id, 64),
  stateText(row),
  row.machine === null ? "-" : Printable.line(row.machine.state ?? "?", 24),
  row.runtime === null ? "?" : row.runtime.kind,
  egressText(row),
  row.ageMillis === null ? "?" : formatAge(row.ageMillis),
  row.state === "down" ? "-" : lifeText(row),
  commandText(row.command)
]
