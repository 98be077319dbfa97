/**
 * `bottle commit`: the disk of a bottle that is up, as a pack to launch from. The bottle comes back up.
 *
 * @since 0.1.0
 */
import type { Bottles } from "@bottle/engine/Bottles"
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ExitStatus } from "../ExitStatus.js"
import type { Invocation } from "../Invocation.js"
import * as Named from "../Named.js"
import type { CommitRequest } from "../requests/CommitRequest.js"
import * as Progress from "../Progress.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"

/**
 * The document of a commit: the bottle's id, the absolute path of the pack, and what the proof of the machine that came
 * up again has shown.
 *
 * @since 0.1.0
 * @category models
 */
export const CommitDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  commit: Schema.Struct({
    id: Schema.String.annotations({ description: "The bottle's id" }),
    output: Schema.String.annotations({ description: "The file that the pack became" }),
    outcome: Schema.Literal("proven", "unproven", "leaked").annotations({
      description: "Of the proof that was made again afterwards"
    })
  }).annotations({ description: "What was saved" })
})

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(CommitDocument)))

const make = ({ bottle, force, format, output }: CommitRequest) =>
  Effect.gen(function* () {
    const found = yield* Named.use(bottle)
    const { proof } = yield* found
      .commit({ output, force })
      .pipe(Progress.during("committing, and coming back up", { format, quiet: false }))
    if (format === "json") {
      yield* Stdio.outputText(encode({ version: 1, commit: { id: found.id, output, outcome: proof.outcome } }))
    } else {
      yield* Told.unproven(proof, { format, quiet: false })
      yield* Stdio.outputText(output)
    }
    return ExitStatus.success
  }).pipe(Effect.scoped)

/**
 * Commits the bottle, prints the pack's path, and gives the exit code.
 *
 * @since 0.1.0
 * @category constructors
 */
export const commit = (
  request: CommitRequest
): Effect.Effect<number, never, Bottles | Invocation | Stdio.Stdio | FileSystem> =>
  Effect.catchAllCause(make(request), (cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" }))
