/**
 * What the program says for itself, and where: failures on standard error, or as a document where programs look for one.
 *
 * @since 0.1.0
 */
import type { LaunchEvent } from "@bottle/engine/LaunchObserver"
import type { ProofRecord } from "@bottle/engine/ProofRecord"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Colors from "./Colors.js"
import * as Failure from "./Failure.js"
import { Interruption } from "./Interruption.js"
import { Invocation } from "./Invocation.js"
import type { Format } from "./FlagValues.js"
import * as Notice from "./Notice.js"
import * as Printable from "./Printable.js"
import { fallbackNotice, type RuntimeChoice } from "./RuntimeChoice.js"
import * as Stdio from "./Stdio.js"

/**
 * Where a failure's document goes under `--format json`: the standard output of `run` is the command's own, that of
 * `plan` and `doctor` is ours. Where it goes to standard output, the lines for people still go to standard error.
 *
 * @since 0.1.0
 * @category models
 */
export interface Manner {
  readonly format: Format
  readonly jsonOn: "stdout" | "stderr"
}

/**
 * Tells a failure. A signal is told to programs only: a person who pressed Ctrl-C knows.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tell = (failure: Failure.Failure, manner: Manner): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.gen(function* () {
    // Nobody is there to read it, and a broken pipe speaks for itself.
    if (failure.error === "OutputClosed") return
    if (manner.format === "json" && manner.jsonOn === "stderr") return yield* Stdio.errorLine(Failure.toJson(failure))
    if (manner.format === "json") yield* Effect.ignore(Stdio.outputText(Failure.toJson(failure)))
    if (failure.kind !== "interrupted") yield* toPeople((look) => Failure.toText(failure, look))
  })

/** Lines of ours for people, in colours where standard error is a terminal and they are wanted. */
const toPeople = (text: (look: Failure.Look) => string): Effect.Effect<void, never, Stdio.Stdio> =>
  Effect.flatMap(Effect.all([Stdio.Stdio, Colors.wanted]), ([stdio, areWanted]) =>
    stdio.screen === undefined || !areWanted
      ? Stdio.errorLine(text({ colors: false }))
      : // Each part of it is printable by itself: what steers the terminal is ours.
        stdio.stderr(Buffer.from(`${text({ colors: true })}\n`))
  )

/**
 * Shows where a defect happened, to whoever asked for it by `BOTTLE_DEBUG=1`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const debug = (
  cause: Cause.Cause<unknown>,
  failure: Failure.Failure | null
): Effect.Effect<void, never, Stdio.Stdio | Invocation> =>
  Effect.flatMap(Invocation, ({ environment }) =>
    failure?.kind === "defect" && environment["BOTTLE_DEBUG"] === "1"
      ? Stdio.errorLine(Cause.pretty(cause))
      : Effect.void
  )

/**
 * Tells the failure that a cause is, and gives its exit code.
 *
 * @since 0.1.0
 * @category constructors
 */
export const failWith = (
  cause: Cause.Cause<unknown>,
  manner: Manner
): Effect.Effect<number, never, Stdio.Stdio | Invocation> =>
  Effect.gen(function* () {
    const { signal } = yield* Interruption
    const failure = Failure.fromCause(cause, signal)
    yield* debug(cause, failure)
    yield* tell(failure, manner)
    return failure.exitCode
  })

/**
 * Announces that the local runtime is used because nothing better is there; nothing under `--quiet` and for programs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const announce = (
  choice: RuntimeChoice,
  { format, quiet }: { readonly format: Format; readonly quiet: boolean }
): Effect.Effect<void, never, Stdio.Stdio> =>
  choice._tag === "Local" && choice.isFallback && !quiet && format === "text"
    ? Stdio.errorLine(fallbackNotice)
    : Effect.void

/**
 * Tells of what a launch or a release may have left behind, always, and of a machine that was kept on purpose, to people.
 *
 * @since 0.1.0
 * @category constructors
 */
export const launchEvent = (
  event: LaunchEvent,
  { format, quiet }: { readonly format: Format; readonly quiet: boolean }
): Effect.Effect<void, never, Stdio.Stdio> => {
  if (event._tag === "ReleaseFailed") return releaseFailure(event, format)
  return event._tag === "Kept" && !quiet && format === "text"
    ? Stdio.errorLine(`bottle: kept ${event.machine}, without any network\n${lookInto(event.machine)}`)
    : Effect.void
}

const lookInto = (machine: string): string => {
  const id = machine.replace(/^bottle-/, "")
  return `try: bottle shell ${id} looks into it where it was proven closed, bottle down ${id} removes it`
}

/**
 * Tells of something that may be left behind.
 *
 * @since 0.1.0
 * @category constructors
 */
export const releaseFailure = (
  failure: { readonly resource: string; readonly reason: string; readonly suggestion: string },
  format: Format
): Effect.Effect<void, never, Stdio.Stdio> => {
  const { reason, resource, suggestion } = failure
  return format === "json"
    ? Stdio.errorLine(Notice.toJson({ version: 1, releaseFailure: { resource, reason, suggestion } }))
    : toPeople((look) => Failure.complaint(`${resource} may be left behind: ${reason}`, suggestion, look))
}

/**
 * Tells of a record that cannot be complete.
 *
 * @since 0.1.0
 * @category constructors
 */
export const recordFailure = (
  { message, suggestion }: { readonly message: string; readonly suggestion: string },
  format: Format
): Effect.Effect<void, never, Stdio.Stdio> =>
  format === "json"
    ? Stdio.errorLine(Notice.toJson({ version: 1, recordFailure: { message, suggestion } }))
    : toPeople((look) => Failure.complaint(message, suggestion, look))

/**
 * Tells whoever accepts a bottle that is not proven closed, by a flag or since it has no bundle, when it is one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unproven = (
  proof: ProofRecord,
  { format, quiet }: { readonly format: Format; readonly quiet: boolean }
): Effect.Effect<void, never, Stdio.Stdio> =>
  proof.outcome === "unproven" && !quiet && format === "text"
    ? Stdio.errorLine(`bottle: not proven closed: ${Printable.line(proof.reason ?? "nothing could be tried")}`)
    : Effect.void
