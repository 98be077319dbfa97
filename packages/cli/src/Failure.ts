/**
 * How a failure is told: one clear line and what to do next, or the same as one JSON document.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { bySignal, ExitStatus } from "./ExitStatus.js"
import * as Interruption from "./Interruption.js"
import * as Printable from "./Printable.js"

/**
 * A failure, for people and for programs. `message` and `suggestion` are one printable line each.
 *
 * - `kind`: `usage` for a line that says nothing that can be done, `failure` for what went wrong, `defect` for a fault of
 *   this program, `interrupted` for a signal
 * - `error`: the tag of the typed error
 *
 * @since 0.1.0
 * @category models
 */
export class Failure extends Schema.Class<Failure>("@bottle/cli/Failure")(
  {
    kind: Schema.Literal("usage", "failure", "defect", "interrupted").annotations({
      description:
        "usage: the line says nothing that can be done; failure: what went wrong; defect: a fault in bottle; interrupted: a signal"
    }),
    error: Schema.String.annotations({ description: "The tag of the typed error" }),
    message: Schema.String.annotations({ description: "What happened, in one line" }),
    suggestion: Schema.NullOr(Schema.String).annotations({
      description: "What to do next, in one line; null where there is nothing"
    }),
    stage: Schema.NullOr(Schema.String).annotations({
      description: "The stage of the launch that failed; null where it was none"
    }),
    exitCode: Schema.Number.annotations({ description: "The exit code of bottle" })
  },
  { description: "What went wrong, and what to do next" }
) {}

/**
 * The document that stands for a failure under `--format json`.
 *
 * @since 0.1.0
 * @category models
 */
export const FailureDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  failure: Failure
})

const MESSAGE_CHARS_MAX = 1024

const readText = (value: object, key: string): string | null => {
  const found: unknown = Reflect.get(value, key)
  // A text of blanks and control characters alone says nothing once it is printable.
  const line = typeof found === "string" ? Printable.line(found, MESSAGE_CHARS_MAX) : ""
  return line.trim() === "" ? null : line
}

// Whatever else goes wrong is a launch that failed.
const codes: Readonly<Record<string, number>> = {
  OutputClosed: ExitStatus.outputClosed,
  CommandTimedOut: ExitStatus.timedOut,
  WaitTimedOut: ExitStatus.timedOut
}

// What is wrong with the line, and not with what it asks for.
const usages: ReadonlySet<string> = new Set(["UsageError", "OptionRefused", "PolicyFileRefused", "PolicyFileInMount"])

// The engine names options as the library does.
const flags: Readonly<Record<string, string>> = {
  allow: "--allow",
  deny: "--deny",
  policy: "--policy",
  resolve: "--resolve",
  env: "-e",
  secrets: "-e",
  mounts: "-v",
  name: "--name",
  workdir: "-w",
  cpus: "--cpus",
  memMib: "--mem",
  bundle: "--bundle",
  topology: "--topology",
  unprovenEgress: "--unproven-egress",
  keepOnFailure: "--keep-on-failure",
  source: "--image"
}

/**
 * The failure that a typed error is.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromError = (error: unknown): Failure => {
  if (typeof error !== "object" || error === null) return fromDefect(error)
  const own = readText(error, "_tag") ?? "Error"
  // What failed in the process that holds a bottle is told as if it had failed here.
  const tag = own === "OwnerFailed" ? (readText(error, "error") ?? own) : own
  const isUsage = usages.has(tag)
  const flag = tag === "OptionRefused" ? flags[readText(error, "option") ?? ""] : undefined
  const reason = readText(error, "reason")
  return new Failure({
    kind: isUsage ? "usage" : "failure",
    error: tag,
    message: flag !== undefined && reason !== null ? `${flag}: ${reason}` : (readText(error, "message") ?? tag),
    suggestion: readText(error, "suggestion"),
    stage: readText(error, "stage"),
    exitCode: isUsage ? ExitStatus.usage : (codes[tag] ?? ExitStatus.launchFailed)
  })
}

/**
 * The failure that a fault of this program is. A defect may hold anything, argv and environment included: only the kind
 * of it is told.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromDefect = (defect: unknown): Failure =>
  new Failure({
    kind: "defect",
    error: defect instanceof Error ? Printable.line(defect.name, 64) : typeof defect,
    message: "a fault in bottle itself, please report it",
    suggestion: "BOTTLE_DEBUG=1 shows where it happened; it may show arguments and variables too",
    stage: null,
    exitCode: ExitStatus.defect
  })

/**
 * The failure that a whole cause is: its typed error where it has one, then a defect, then the signal that ended it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromCause = (cause: Cause.Cause<unknown>, signal: Interruption.Received | null): Failure => {
  const error = Cause.failureOption(cause)
  if (signal === null || !Cause.isInterrupted(cause)) {
    if (Option.isSome(error)) return fromError(error.value)
    const defect = Cause.dieOption(cause)
    if (Option.isSome(defect)) return fromDefect(defect.value)
  }
  return new Failure({
    kind: "interrupted",
    error: signal ?? "Interrupted",
    message: signal === null ? "interrupted" : `ended by ${signal}`,
    suggestion: null,
    stage: null,
    exitCode: signal === null ? ExitStatus.defect : bySignal[signal]
  })
}

/**
 * The lines for people: `bottle: ...` and, where there is something to do, `try: ...`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toText = (failure: Failure): string =>
  [`bottle: ${failure.message}`, ...(failure.suggestion === null ? [] : [`try: ${failure.suggestion}`])].join("\n")

/**
 * The document for programs, on one line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toJson = (failure: Failure): string =>
  JSON.stringify(Schema.encodeSync(FailureDocument)({ version: 1, failure }))
