/**
 * Which program runs the machine: the one that was named, else smolvm where it is on PATH, else the local runtime.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import type { Surroundings } from "./RunRequest.js"

/**
 * The program that `packages/local` answers to in the calling process.
 *
 * @since 0.1.0
 * @category models
 */
export const LOCAL_PROGRAM = "smolvm-local"

/**
 * The variable that names a runtime where no flag does.
 *
 * @since 0.1.0
 * @category models
 */
export const VARIABLE = "BOTTLE_RUNTIME"

/**
 * A chosen runtime.
 *
 * - `Smolvm`: smolvm by its name on PATH
 * - `Program`: a program of the user's with smolvm's command line
 * - `Local`: the embedded runtime; `isFallback` when nobody asked for it
 *
 * @since 0.1.0
 * @category models
 */
export type RuntimeChoice =
  | { readonly _tag: "Smolvm"; readonly program: string }
  | { readonly _tag: "Program"; readonly program: string }
  | { readonly _tag: "Local"; readonly program: string; readonly isFallback: boolean }

/**
 * The path of a program on a PATH; undefined when no directory has an executable file of that name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const findOnPath = (
  name: string,
  path: string | undefined
): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    for (const directory of (path ?? "").split(":")) {
      // An empty entry means the working directory, which may hold anything.
      if (!directory.startsWith("/")) continue
      const candidate = Path.join(directory, name)
      const isFile = yield* fs.stat(candidate).pipe(
        Effect.map((info) => info.type === "File" && (info.mode & 0o111) !== 0),
        Effect.orElseSucceed(() => false)
      )
      if (isFile) return candidate
    }
    return undefined
  })

/**
 * Chooses the runtime: the flag, then `BOTTLE_RUNTIME`, then smolvm on PATH, then the local one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const choose = (
  flag: string | null,
  { cwd, environment }: Surroundings
): Effect.Effect<RuntimeChoice, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const named = flag ?? environment[VARIABLE] ?? ""
    if (named === "local") return { _tag: "Local", program: LOCAL_PROGRAM, isFallback: false }
    if (named === "smolvm") return { _tag: "Smolvm", program: "smolvm" }
    if (named !== "") {
      return { _tag: "Program", program: named.includes("/") ? Path.resolve(cwd, named) : named }
    }
    const found = yield* findOnPath("smolvm", environment["PATH"])
    return found === undefined
      ? { _tag: "Local", program: LOCAL_PROGRAM, isFallback: true }
      : { _tag: "Smolvm", program: "smolvm" }
  })

/**
 * The line that announces the fallback, and is honest about what it is.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fallbackNotice = "bottle: no smolvm on PATH: this is the local runtime (namespaces, shared kernel)"
