/**
 * `bottle cp`: files and directories into a bottle and out of it.
 *
 * @since 0.1.0
 */
import type { Bottles } from "@bottle/engine/Bottles"
import * as Transfer from "@bottle/engine/Transfer"
import { lazy } from "@bottle/process/Lazy"
import type { Counts } from "@bottle/smolvm/Archive"
import type { Copied, CopyOptions } from "@bottle/smolvm/Transfer"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { ExitStatus } from "../ExitStatus.js"
import type { Invocation } from "../Invocation.js"
import * as Named from "../Named.js"
import * as Printable from "../Printable.js"
import type { CpRequest } from "../requests/CpRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import { formatBytes } from "../Units.js"

/**
 * The document of a copy.
 *
 * - `host`, `guest`: what the source was, and what it has become
 * - `leftOut`: symbolic links that were not made, since they would have led out of the copy
 * - `words`: what the guest's tar had to say, null where nothing
 *
 * @since 0.1.0
 * @category models
 */
export const CpDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  copied: Schema.Struct({
    bottle: Schema.String.annotations({ description: "The bottle's id" }),
    direction: Schema.Literal("in", "out").annotations({ description: "in: to the bottle; out: from it" }),
    kind: Schema.Literal("file", "directory").annotations({ description: "What the source is" }),
    host: Schema.String.annotations({ description: "The path on this machine" }),
    guest: Schema.String.annotations({ description: "The path in the bottle" }),
    files: Schema.Int.annotations({ description: "How many files" }),
    directories: Schema.Int.annotations({ description: "How many directories" }),
    links: Schema.Int.annotations({ description: "How many links" }),
    bytes: Schema.Number.annotations({ description: "How many bytes the files have" }),
    leftOut: Schema.Array(
      Schema.Struct({
        path: Schema.String.annotations({ description: "Which" }),
        reason: Schema.String.annotations({ description: "Why" })
      })
    ).annotations({ description: "Links that were not copied, since they would have led out of the copy" }),
    words: Schema.NullOr(Schema.String).annotations({
      description: "What the guest's tar said; null where it said nothing"
    })
  }).annotations({ description: "What was copied" })
})

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(CpDocument)))

/** Nobody wonders before, and nobody reads faster. */
const PROGRESS_MILLIS = 2000

/** How many links are named that were left out. */
const LEFT_OUT_LINES = 20

/** Says how far it is, on a terminal, where it takes long enough to make somebody wonder. */
const watch = (
  request: CpRequest,
  now: () => Counts | undefined
): Effect.Effect<void, never, Stdio.Stdio | Scope.Scope> =>
  Effect.flatMap(Stdio.Stdio, ({ isInteractive }) => {
    if (!isInteractive || request.quiet || request.format === "json") return Effect.void
    const line = Effect.suspend(() => {
      const counts = now()
      const text = counts === undefined ? "nothing yet" : `${counts.files} files, ${formatBytes(counts.bytes)}`
      return Stdio.errorLine(`bottle: still copying, ${text} ...`)
    })
    return Effect.asVoid(Effect.forkScoped(Effect.repeat(Effect.delay(line, PROGRESS_MILLIS), Schedule.forever)))
  })

const tell = (
  { bottle, direction, format, quiet }: CpRequest,
  { counts, guest, host, kind, leftOut, words }: Copied
): Effect.Effect<void, Stdio.OutputClosed, Stdio.Stdio> =>
  Effect.gen(function* () {
    if (format === "json") {
      const said = words === "" ? null : words
      const copied = { bottle, direction, kind, host, guest, ...counts, leftOut, words: said }
      return yield* Stdio.outputText(encode({ version: 1, copied }))
    }
    if (quiet) return
    for (const { path, reason } of leftOut.slice(0, LEFT_OUT_LINES)) {
      yield* Stdio.errorLine(`bottle: left out the symbolic link ${Printable.line(path)}: ${reason}`)
    }
    if (leftOut.length > LEFT_OUT_LINES) {
      yield* Stdio.errorLine(`bottle: left out ${leftOut.length - LEFT_OUT_LINES} more symbolic links`)
    }
    if (words !== "") yield* Stdio.errorLine(`bottle: the guest says: ${Printable.line(words)}`)
  })

const copy = (request: CpRequest) =>
  Effect.gen(function* () {
    const found = yield* Named.use(request.bottle)
    const context = yield* Effect.context<Stdio.Stdio>()
    let counts: Counts | undefined
    yield* watch(request, () => counts)
    const options: CopyOptions = {
      host: request.host,
      guest: request.guest,
      onProgress: (now) => {
        counts = now
      },
      // Whatever is asked to be quiet: somebody has to know.
      onPartial: (path) =>
        Effect.provide(
          Stdio.errorLine(`bottle: ${request.bottle}:${Printable.line(path)} may be there in part only`),
          context
        )
    }
    const copied = yield* request.direction === "in"
      ? Transfer.copyIn(found, options)
      : Transfer.copyOut(found, options)
    yield* tell({ ...request, bottle: found.id }, copied)
    return ExitStatus.success
  })

/**
 * Copies and gives the exit code. What comes out of a bottle is all there afterwards, or nothing of it; links that lead
 * out of the copy are left out, and told.
 *
 * @since 0.1.0
 * @category constructors
 */
export const cp = (request: CpRequest): Effect.Effect<number, never, Bottles | Invocation | Stdio.Stdio | FileSystem> =>
  Effect.scoped(copy(request)).pipe(
    Effect.catchAllCause((cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" }))
  )
