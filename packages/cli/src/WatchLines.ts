/**
 * A watch for programs: refusals as JSON Lines, and decisions as JSON Lines back.
 *
 * @since 0.1.0
 */
import type { EgressEvent } from "@bottle/egress/EgressEvent"
import type { BottleGone, ControlError } from "@bottle/engine/ControlError"
import { lazy } from "@bottle/process/Lazy"
import * as Text from "@bottle/process/Text"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Failure from "./Failure.js"
import { Keyboard } from "./Keyboard.js"
import type * as Refusal from "./Refusal.js"
import * as Stdio from "./Stdio.js"
import type { AllowError, Watching } from "./Watching.js"

/** Hosts that are told of; of more it is only counted how often they were refused. */
const HOSTS_MAX = 1000

const LINE_CHARS_MAX = 4096

/**
 * A line of `bottle policy watch --format json`: a refusal, what came of a decision, or the end.
 *
 * - `refusal`: told the first time, and then when `count` has doubled; `allow` is the entry that would let it through,
 *   `null` where none can be added here, and then `advice` says what would have to be done
 * - `allowed`: the entry is in force; `file` is the document that it was written to, `null` for this bottle only
 * - `notAllowed`: why not; `allow` is `null` where the line could not be read
 * - `ended`: the bottle went down; `untold` counts refusals of hosts beyond the first 1000
 *
 * @since 0.1.0
 * @category models
 */
export const WatchLine = Schema.Union(
  Schema.Struct({
    version: Schema.Literal(1).annotations({ description: "The version of this format" }),
    refusal: Schema.Struct({
      time: Schema.DateTimeUtc.annotations({ description: "ISO 8601 in UTC" }),
      host: Schema.NullOr(Schema.String).annotations({
        description: "The host that was asked for; null where it did not get that far"
      }),
      port: Schema.NullOr(Schema.Int).annotations({
        description: "The port that was asked for; null where it did not get that far"
      }),
      method: Schema.NullOr(Schema.String).annotations({
        description: "The method that was asked with; null where it did not get that far"
      }),
      reason: Schema.String.annotations({ description: "Why it was refused, as a word" }),
      why: Schema.String.annotations({ description: "Why it was refused, as a sentence" }),
      allow: Schema.NullOr(Schema.String).annotations({
        description: "The entry that would let it through; null where none can be added here"
      }),
      advice: Schema.NullOr(Schema.String).annotations({
        description: "What would have to be done where there is none; else null"
      }),
      warnings: Schema.Array(Schema.String).annotations({ description: "What speaks against allowing it" }),
      count: Schema.Int.annotations({ description: "How often it was refused" })
    }).annotations({ description: "Told the first time, and then when count has doubled" })
  }),
  Schema.Struct({
    version: Schema.Literal(1).annotations({ description: "The version of this format" }),
    allowed: Schema.Struct({
      allow: Schema.String.annotations({ description: "The entry" }),
      for: Schema.Literal("bottle", "good").annotations({ description: "For this bottle only, or for good" }),
      file: Schema.NullOr(Schema.String).annotations({
        description: "The document that it was written to; null for this bottle only"
      })
    }).annotations({ description: "The entry is in force" })
  }),
  Schema.Struct({
    version: Schema.Literal(1).annotations({ description: "The version of this format" }),
    notAllowed: Schema.Struct({
      allow: Schema.NullOr(Schema.String).annotations({
        description: "The entry; null where the line could not be read"
      }),
      error: Schema.String.annotations({ description: "The tag of the typed error" }),
      message: Schema.String.annotations({ description: "What happened, in one line" }),
      suggestion: Schema.NullOr(Schema.String).annotations({
        description: "What to do next; null where there is nothing"
      })
    }).annotations({ description: "The entry is not in force" })
  }),
  Schema.Struct({
    version: Schema.Literal(1).annotations({ description: "The version of this format" }),
    ended: Schema.Struct({
      id: Schema.String.annotations({ description: "The bottle's id" }),
      reason: Schema.String.annotations({ description: "Why it went down" }),
      message: Schema.String.annotations({ description: "The same in one line" }),
      untold: Schema.Int.annotations({ description: "How many refusals of hosts beyond the first 1000 were not told" })
    }).annotations({ description: "The bottle went down" })
  })
).annotations({ identifier: "WatchLine", description: "A line of bottle policy watch --format json" })

/**
 * A line of `bottle policy watch --format json`.
 *
 * @since 0.1.0
 * @category models
 */
export type WatchLine = typeof WatchLine.Type

/**
 * A line that a program says back: allow this, for the bottle that runs or for good.
 *
 * @since 0.1.0
 * @category models
 */
export const Decision = Schema.Struct({
  allow: Schema.String.annotations({ description: "The entry to allow, as a policy has it" }),
  for: Schema.Literal("bottle", "good").annotations({ description: "For the bottle that runs only, or for good" })
}).annotations({ identifier: "WatchDecision", description: "A decision that bottle policy watch reads" })

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(WatchLine)))
const decode = lazy(() => Schema.decodeUnknownEither(Schema.parseJson(Decision), { onExcessProperty: "error" }))

const say = (line: WatchLine) => Stdio.outputText(encode(line))

const isPowerOfTwo = (count: number): boolean => (count & (count - 1)) === 0

const refusalLine = (event: EgressEvent, refusal: Refusal.Refusal, count: number): WatchLine => ({
  version: 1,
  refusal: {
    time: event.time,
    host: refusal.host,
    port: refusal.port,
    method: event.method,
    reason: refusal.reason,
    why: refusal.why,
    allow: refusal.entry,
    advice: refusal.advice,
    warnings: refusal.warnings,
    count
  }
})

const notAllowed = (allow: string | null, error: AllowError): WatchLine => {
  const failure = Failure.fromError(error)
  return {
    version: 1,
    notAllowed: { allow, error: failure.error, message: failure.message, suggestion: failure.suggestion }
  }
}

const unread: WatchLine = {
  version: 1,
  notAllowed: {
    allow: null,
    error: "DecisionUnreadable",
    message: "the line is no decision",
    suggestion: `Write {"allow": "HOST:PORT", "for": "bottle"} or {"allow": "HOST:PORT", "for": "good"}.`
  }
}

const decided = (watching: Watching, line: string): Effect.Effect<WatchLine, never, FileSystem> => {
  const decision = line.length > LINE_CHARS_MAX ? Either.left(undefined) : decode(line)
  if (Either.isLeft(decision)) return Effect.succeed(unread)
  const { allow, for: lasting } = decision.right
  return watching.allow(allow, lasting).pipe(
    Effect.map(({ file }): WatchLine => ({ version: 1, allowed: { allow, for: lasting, file } })),
    Effect.catchAll((error) => Effect.succeed(notAllowed(allow.slice(0, LINE_CHARS_MAX), error)))
  )
}

/**
 * Tells refusals and takes decisions until the bottle goes down.
 *
 * @since 0.1.0
 * @category constructors
 */
export const watch = (
  watching: Watching
): Effect.Effect<void, ControlError | Stdio.OutputClosed, Stdio.Stdio | FileSystem> =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    const keyboard = yield* Keyboard
    const counts = new Map<string, number>()
    let untold = 0
    const telling = Stream.runForEach(watching.refusals, ({ event, refusal }) => {
      const count = (counts.get(refusal.key) ?? 0) + 1
      if (count === 1 && counts.size >= HOSTS_MAX) return Effect.sync(() => void (untold += 1))
      counts.set(refusal.key, count)
      return isPowerOfTwo(count) ? say(refusalLine(event, refusal, count)) : Effect.void
    })
    // A terminal in the background would stop who reads it; and nobody types JSON.
    const lines = keyboard.isTerminal ? Stream.empty : Text.lines(stdio.stdin)
    const deciding = Stream.runForEach(
      Stream.filter(lines, (line) => line.trim() !== ""),
      (line) => Effect.flatMap(decided(watching, line), say)
    )
    // The end of what is decided is not the end of what is refused.
    yield* Effect.raceFirst(telling, Effect.zipRight(deciding, Effect.never)).pipe(
      Effect.catchIf(
        (error): error is BottleGone => error._tag === "BottleGone" && error.reason !== null,
        ({ id, message, reason }) => say({ version: 1, ended: { id, reason: reason ?? "ended", message, untold } })
      )
    )
  })
