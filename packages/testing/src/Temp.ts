/**
 * Directories of a test's own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"

/**
 * An empty directory (mode 0700, links resolved) that is removed with all it holds when the scope closes. A failure to
 * make or remove it is a defect.
 *
 * @since 0.1.0
 * @category constructors
 */
export const directory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(async () => Fs.mkdtemp(Path.join(await Fs.realpath(Os.tmpdir()), "bottle-test-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true, maxRetries: 3 }))
)

/**
 * Runs a test with an empty directory of its own, as `directory`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withTempDir = <A, E, R>(
  use: (path: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Scope.Scope>> => Effect.scoped(Effect.flatMap(directory, use))
