/**
 * `bottle schema`: the JSON Schema of a document that the program reads or writes.
 *
 * @since 0.1.0
 */
import * as Nearest from "@bottle/egress/Nearest"
import * as Effect from "effect/Effect"
import * as Documents from "../Documents.js"
import { ExitStatus } from "../ExitStatus.js"
import type { Format } from "../FlagValues.js"
import type { Invocation } from "../Invocation.js"
import * as Printable from "../Printable.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import { UsageError } from "../UsageError.js"

/**
 * Which document, as it was written.
 *
 * @since 0.1.0
 * @category models
 */
export interface SchemaRequest {
  readonly document: string
  readonly format: Format
}

const unknown = (word: string): UsageError => {
  const meant = Nearest.nearest(word.toLowerCase().replaceAll(" ", "-"), Documents.names)
  const all = Documents.names.join(", ")
  return new UsageError({
    problem: `there is no document "${Printable.line(word, 64)}"`,
    advice: meant === undefined ? `one of ${all}` : `bottle schema ${meant}; there are ${all}`
  })
}

/**
 * Prints the schema and gives the exit code.
 *
 * @since 0.1.0
 * @category constructors
 */
export const schema = ({ document, format }: SchemaRequest): Effect.Effect<number, never, Invocation | Stdio.Stdio> =>
  Effect.gen(function* () {
    if (!Documents.isName(document)) return yield* unknown(document)
    yield* Stdio.outputText(Documents.toText(document))
    return ExitStatus.success
  }).pipe(Effect.catchAllCause((cause) => Told.failWith(cause, { format, jsonOn: "stdout" })))
