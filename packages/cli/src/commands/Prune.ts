/**
 * `bottle prune`: packs and records that were not used for long, or take more room than they should.
 *
 * @since 0.1.0
 */
import * as Directories from "@bottle/engine/Directories"
import * as Prune from "@bottle/engine/Prune"
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Columns from "../Columns.js"
import { ExitStatus } from "../ExitStatus.js"
import * as Failure from "../Failure.js"
import { Invocation } from "../Invocation.js"
import * as Printable from "../Printable.js"
import * as Progress from "../Progress.js"
import type { PruneRequest } from "../requests/PruneRequest.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import * as Units from "../Units.js"

/** What is old where nobody says what is: a month. */
const OLDER_MILLIS = 30 * 86_400_000

/**
 * Something that was to go.
 *
 * - `outcome`: `found` where nothing was to be changed; `removed`; `failed`, and then `reason` is not null
 * - `note`: what there is to say of a record that this release does not read
 *
 * @since 0.1.0
 * @category models
 */
export class PrunedItem extends Schema.Class<PrunedItem>("@bottle/cli/PrunedItem")(
  {
    kind: Prune.Kind.annotations({ description: "What it is" }),
    name: Schema.String.annotations({ description: "What it is called" }),
    path: Schema.String.annotations({ description: "Where it is" }),
    bytes: Schema.Number.annotations({ description: "How much it takes" }),
    unusedMillis: Schema.Number.annotations({ description: "For how long it was not used" }),
    why: Schema.String.annotations({ description: "Why it goes" }),
    note: Schema.NullOr(Schema.String).annotations({
      description: "What there is to say of it beside that; null where there is nothing"
    }),
    outcome: Schema.Literal("found", "removed", "failed").annotations({
      description: "What became of it; found: it would be removed"
    }),
    reason: Schema.NullOr(Schema.String).annotations({
      description: "Why it could not be removed; null where it could"
    }),
    suggestion: Schema.NullOr(Schema.String).annotations({ description: "What to do about that" })
  },
  { description: "A pack, a record, or a pack that was not finished" }
) {}

/**
 * What `prune --format json` prints. `freedBytes` is what was removed, or would be; `stayingBytes` is what is left.
 *
 * @since 0.1.0
 * @category models
 */
export const PruneDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  dryRun: Schema.Boolean.annotations({ description: "Whether nothing was to be removed" }),
  items: Schema.Array(PrunedItem).annotations({ description: "What went, or would go" }),
  freedBytes: Schema.Number.annotations({ description: "How much that frees" }),
  stayingBytes: Schema.Number.annotations({ description: "How much the rest takes" })
})

type PruneDocument = typeof PruneDocument.Type

const item = (
  { stored: { bytes, kind, name, note, path, unusedMillis }, why }: Prune.Prunable,
  outcome: PrunedItem["outcome"],
  failure: Prune.NotPruned | null = null
): PrunedItem =>
  new PrunedItem({
    kind,
    name,
    path,
    bytes,
    unusedMillis: Math.round(unusedMillis),
    why,
    note,
    outcome,
    reason: failure === null ? null : failure.reason,
    suggestion: failure === null ? null : failure.suggestion
  })

const sum = (sizes: ReadonlyArray<{ readonly bytes: number }>): number =>
  sizes.reduce((total, { bytes }) => total + bytes, 0)

const work = ({ dryRun, maxSizeBytes, olderMillis, packs, records, workspaces }: PruneRequest) =>
  Effect.gen(function* () {
    const { environment } = yield* Invocation
    const directories = Directories.fromEnvironment(environment)
    const isBounded = maxSizeBytes !== null || olderMillis !== null
    const { prunable, staying } = yield* Prune.survey({
      directories,
      packs,
      records,
      workspaces,
      olderMillis: isBounded ? (olderMillis ?? undefined) : OLDER_MILLIS,
      maxSizeBytes: maxSizeBytes ?? undefined
    })
    const items = dryRun
      ? prunable.map((one) => item(one, "found"))
      : (yield* Prune.remove(directories, prunable)).map(({ failure, prunable: one }) =>
          item(one, failure === null ? "removed" : "failed", failure)
        )
    const [failed, gone] = [
      items.filter(({ outcome }) => outcome === "failed"),
      items.filter(({ outcome }) => outcome !== "failed")
    ]
    return {
      version: 1,
      dryRun,
      items,
      freedBytes: sum(gone),
      stayingBytes: sum(staying) + sum(failed)
    } satisfies PruneDocument
  })

const outcomes: Readonly<Record<PrunedItem["outcome"], string>> = {
  found: "would remove",
  removed: "removed",
  failed: "failed"
}

const linesOf = ({ items }: PruneDocument): ReadonlyArray<string> =>
  Columns.render(
    items.map(({ bytes, kind, name, note, outcome, unusedMillis, why }) => [
      outcomes[outcome],
      kind,
      Units.formatBytes(bytes),
      Units.formatAge(unusedMillis),
      Printable.line(name, 200),
      Printable.line(note === null ? why : `${why}; ${note}`)
    ])
  )

const summary = ({ dryRun, freedBytes, items, stayingBytes }: PruneDocument): string => {
  const [freed, staying] = [Units.formatBytes(freedBytes), Units.formatBytes(stayingBytes)]
  if (items.length === 0) return `bottle: there is nothing to remove; ${staying} stay`
  return dryRun
    ? `bottle: nothing was changed; bottle prune frees ${freed}, and ${staying} stay`
    : `bottle: ${freed} are free now, and ${staying} stay`
}

const complaintsOf = ({ items }: PruneDocument): ReadonlyArray<string> =>
  items.flatMap(({ kind, path, reason, suggestion }) =>
    reason === null ? [] : [Failure.complaint(`${kind} ${path} could not be removed: ${reason}`, suggestion)]
  )

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(PruneDocument)))

const print = (document: PruneDocument, { format }: PruneRequest) =>
  Effect.gen(function* () {
    if (format === "json") return yield* Stdio.outputText(encode(document))
    const lines = linesOf(document)
    if (lines.length > 0) yield* Stdio.outputText(lines.join("\n"))
    for (const text of [...complaintsOf(document), summary(document)]) yield* Stdio.errorLine(text)
  })

/**
 * Removes what is too old or too much, prints it with its sizes, and gives the exit code: 125 where something could not
 * be removed, or it is not known what is in use.
 *
 * @since 0.1.0
 * @category constructors
 */
export const prune = (request: PruneRequest): Effect.Effect<number, never, Invocation | Stdio.Stdio | FileSystem> =>
  Effect.gen(function* () {
    const document = yield* work(request).pipe(Progress.during("pruning", { format: request.format, quiet: false }))
    yield* print(document, request)
    return document.items.some(({ outcome }) => outcome === "failed") ? ExitStatus.launchFailed : ExitStatus.success
  }).pipe(Effect.catchAllCause((cause) => Told.failWith(cause, { format: request.format, jsonOn: "stdout" })))
