/**
 * What is told of the copy that a bottle works on: what is not in it, and in the end what was changed in it.
 *
 * @since 0.1.0
 */
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type { Format } from "./FlagValues.js"
import * as Printable from "./Printable.js"
import * as Stdio from "./Stdio.js"

/** How many names are said. */
const SKIPPED_SHOWN = 3

/** Most bottles have no copy; those load what is about one. */
const loaded = Effect.promise(() => import("@bottle/engine/Workspace"))

interface Manner {
  readonly format: Format
  readonly quiet: boolean
}

const isTold = (plan: LaunchPlan, { format, quiet }: Manner): boolean =>
  plan.workspace !== null && plan.workspace.copy !== null && format === "text" && !quiet

/**
 * Says what of the directory is not in its copy; nothing where all of it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const skipped = (plan: LaunchPlan, manner: Manner): Effect.Effect<void, never, Stdio.Stdio> =>
  isTold(plan, manner)
    ? Effect.gen(function* () {
        const Workspace = yield* loaded
        const copy = yield* Workspace.read({ directories: plan.directories, id: plan.id })
        const some = copy.skipped.slice(0, SKIPPED_SHOWN).map(({ path, reason }) => `${path} (${reason})`)
        if (some.length === 0) return
        const more = copy.skipped.length > some.length ? `, and ${copy.skipped.length - some.length} more` : ""
        yield* Stdio.errorLine(`bottle: not in the copy of the workspace: ${Printable.line(some.join(", "))}${more}`)
      }).pipe(Effect.ignore)
    : Effect.void

/**
 * Says what was changed in the copy of a bottle that is down, and what to do with it; nothing where nothing was, or where
 * it has none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const changed = (
  { directories, id }: Pick<LaunchPlan, "directories" | "id">,
  { format, quiet }: Manner
): Effect.Effect<void, never, Stdio.Stdio | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    if (format !== "text" || quiet || !(yield* fs.exists(`${directories.state}/workspaces/${id}`))) return
    const Workspace = yield* loaded
    const { changes, source } = yield* Workspace.changes({ directories, id })
    const files = changes.filter(({ after, before }) => (after ?? before)?.kind !== "directory").length
    const count = files === 0 ? changes.length : files
    if (count === 0) return
    const what = files === 0 ? (count === 1 ? "directory" : "directories") : `file${count === 1 ? "" : "s"}`
    yield* Stdio.errorLine(
      `bottle: ${count} ${what} changed in the copy of ${Printable.line(source)}; ` +
        `see them: bottle diff ${id}, take them: bottle apply ${id}`
    )
  }).pipe(
    Effect.catchAll((error) =>
      error._tag === "WorkspaceMissing"
        ? Effect.void
        : Stdio.errorLine(`bottle: ${Printable.line(error.message)}; see what there is: bottle diff ${id}`)
    )
  )
