/**
 * How a failure is told: one clear line and what to do next, or the same as one JSON document.
 *
 * @since 0.1.0
 */
import * as Ran from "@bottle/engine/Ran"
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { bySignal, ExitStatus } from "./ExitStatus.js"
import * as Interruption from "./Interruption.js"
import * as Printable from "./Printable.js"
import * as ShellQuote from "./ShellQuote.js"

/**
 * A failure, for people and for programs.
 *
 * - `kind`: `usage` for a line that says nothing that can be done, `failure` for what went wrong, `defect` for a fault of
 *   this program, `interrupted` for a signal
 * - `error`: the tag of the typed error; `docs` is its place in the reference, a path in the repository and in the package
 * - `message` and `suggestion`: one printable line each
 * - `command`: what was run when it failed, the program first; values of variables and arguments of the guest's own
 *   command are not in it, and a long word is only counted
 * - `stderr`: the last lines that it wrote, printable, without the values of secrets and credentials
 *
 * @since 0.1.0
 * @category models
 */
export class Failure extends Schema.Class<Failure>("@bottle/cli/Failure")(
  {
    kind: Schema.Literal("usage", "failure", "defect", "interrupted").annotations({
      description: "usage: the line says nothing that can be done; defect: a fault of bottle; interrupted: by a signal"
    }),
    error: Schema.String.annotations({ description: "The tag of the typed error, or the name of the signal" }),
    message: Schema.String.annotations({ description: "What happened, on one printable line" }),
    suggestion: Schema.NullOr(Schema.String).annotations({ description: "What to do next, on one printable line" }),
    stage: Schema.NullOr(Schema.String).annotations({ description: "The stage of the launch that failed" }),
    exitCode: Schema.Number.annotations({ description: "The exit code of bottle" }),
    command: Schema.NullOr(Schema.Array(Schema.String)).annotations({
      description:
        "What was run when it failed, the program first: without values of variables and arguments of the guest's command"
    }),
    stderr: Schema.NullOr(Schema.String).annotations({
      description: "The last lines that the command wrote, without control characters and values of secrets"
    }),
    docs: Schema.String.annotations({
      description: "The place of the error in the reference, in repository and package"
    })
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
const COMMAND_CHARS_MAX = 400
const STDERR_LINES_MAX = 6
const STDERR_LINE_CHARS_MAX = 200

/**
 * The reference of all errors; `docs/reference/errors.md` is made from them, with an anchor for each tag.
 *
 * @since 0.1.0
 * @category models
 */
export const REFERENCE = "docs/reference/errors.md"

const placeOf = (tag: string): string => `${REFERENCE}#${tag.toLowerCase().replace(/[^a-z0-9]/g, "")}`

const readText = (value: object, key: string): string | null => {
  const found: unknown = Reflect.get(value, key)
  // A text of blanks and control characters alone says nothing once it is printable.
  const line = typeof found === "string" ? Printable.line(found, MESSAGE_CHARS_MAX) : ""
  return line.trim() === "" ? null : line
}

const commandOf = (error: object): ReadonlyArray<string> | null => {
  const { command } = Ran.of(error)
  return command === null ? null : command.map((word) => Printable.line(word.replaceAll("<redacted>", "...")))
}

/** The last lines, each on its own, with its indent: what a program lays out is read as it was laid out. */
const stderrOf = (error: object): string | null => {
  const lines = (Ran.of(error).stderr ?? "").split(/\r\n|\n/).flatMap((line) => {
    const text = Printable.line(line, STDERR_LINE_CHARS_MAX)
    return text === "" ? [] : [`${/^ */.exec(line)?.[0].slice(0, 8) ?? ""}${text}`]
  })
  return lines.length === 0 ? null : lines.slice(-STDERR_LINES_MAX).join("\n")
}

// Whatever else goes wrong is a launch that failed.
const codes: Readonly<Record<string, number>> = {
  OutputClosed: ExitStatus.outputClosed,
  CommandTimedOut: ExitStatus.timedOut,
  WaitTimedOut: ExitStatus.timedOut
}

// What is wrong with the line, and not with what it asks for.
const usages: ReadonlySet<string> = new Set(["UsageError", "OptionRefused", "PolicyFileRefused", "PolicyFileInMount"])

// A program finds the rest in a field of the error; people have seen what there is.
const suggestions: Readonly<Record<string, string>> = {
  CommandFailed: "run it by hand to see more; bottle doctor tells what this machine lacks",
  BuildFailed: "name another base image (--bundle-base), or build it by hand to see all that is said"
}

// The engine names options as the library does.
const flags: Readonly<Record<string, string>> = {
  allow: "--allow",
  deny: "--deny",
  policy: "--policy",
  resolve: "--resolve",
  env: "-e",
  secrets: "-e",
  mounts: "-v",
  workspace: "--workspace",
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
    suggestion: suggestions[tag] ?? readText(error, "suggestion"),
    stage: readText(error, "stage"),
    exitCode: isUsage ? ExitStatus.usage : (codes[tag] ?? ExitStatus.launchFailed),
    command: commandOf(error),
    stderr: stderrOf(error),
    docs: placeOf(tag)
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
    exitCode: ExitStatus.defect,
    command: null,
    stderr: null,
    docs: placeOf("defect")
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
    exitCode: signal === null ? ExitStatus.defect : bySignal[signal],
    command: null,
    stderr: null,
    docs: placeOf("interrupted")
  })
}

/**
 * How the lines for people look: `colors` where they go to a terminal that shows them and whoever reads it wants them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Look {
  readonly colors: boolean
}

const plain: Look = { colors: false }

const RED = "\u001b[1;31m"
const BOLD = "\u001b[1m"
const DIM = "\u001b[2m"

const paint = ({ colors }: Look, code: string, text: string): string => (colors ? `${code}${text}\u001b[0m` : text)

/** Under what happened: what was run, and what it said unless the message says it already. */
const block = ({ command, message, stderr }: Failure, look: Look): ReadonlyArray<string> => {
  const said = stderr === null || isSaid(message, stderr) ? [] : stderr.split("\n")
  return [
    ...(command === null ? [] : [`  ${paint(look, DIM, "ran ")}  ${commandText(command)}`]),
    ...said.map((line, at) => `  ${paint(look, DIM, at === 0 ? "said" : "    ")}  ${line}`)
  ]
}

const isSaid = (message: string, stderr: string): boolean =>
  !stderr.includes("\n") && message.includes(stderr.replace(/^\s*error: /i, "").replace(/\.\.\.$/, ""))

const VARIABLES_MAX = 2

/** Most variables of a machine are the same for every one, and none of their values is shown. */
const withFewVariables = (command: ReadonlyArray<string>): ReadonlyArray<string> => {
  const isVariable = (at: number): boolean => command[at] === "-e" && (command[at + 1] ?? "").endsWith("=...")
  const all = command.flatMap((_, at) => (isVariable(at) ? [at] : []))
  const left = new Set(all.slice(VARIABLES_MAX))
  return command.flatMap((word, at) => {
    if (left.has(at)) return at === all[VARIABLES_MAX] ? [`<${left.size} more variables>`] : []
    return left.has(at - 1) ? [] : [word]
  })
}

const commandText = (command: ReadonlyArray<string>): string => {
  const shown: Array<string> = []
  let length = 0
  for (const word of withFewVariables(command)) {
    // What stands for something else is no word that a shell takes.
    const text = /^<\d+ (?:characters|more variables)>$/.test(word) ? word : ShellQuote.word(word)
    length += text.length + 1
    if (length > COMMAND_CHARS_MAX) return `${shown.join(" ")} ...`
    shown.push(text)
  }
  return shown.join(" ")
}

/**
 * The lines of a complaint that is no failure of the whole: `bottle: ...` and, where there is something to do, `try: ...`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const complaint = (message: string, suggestion: string | null, look: Look = plain): string =>
  [
    `${paint(look, RED, "bottle:")} ${Printable.line(message, MESSAGE_CHARS_MAX)}`,
    ...(suggestion === null ? [] : [advice(suggestion, look)])
  ].join("\n")

const advice = (suggestion: string, look: Look): string =>
  `${paint(look, BOLD, "try:")} ${Printable.line(suggestion, MESSAGE_CHARS_MAX)}`

/**
 * The lines for people, ten at most: what happened, what was run and the last that it said, what to do next, and where to
 * read on. What is wrong with a line or a file says what to write in its place, and nothing more.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toText = (failure: Failure, look: Look = plain): string =>
  [
    complaint(failure.message, null, look),
    ...block(failure, look),
    ...(failure.suggestion === null ? [] : [advice(failure.suggestion, look)]),
    ...(failure.kind === "usage" ? [] : [paint(look, DIM, `more: ${failure.docs}`)])
  ].join("\n")

/**
 * The document for programs, on one line.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toJson = (failure: Failure): string =>
  JSON.stringify(Schema.encodeSync(FailureDocument)({ version: 1, failure }))
