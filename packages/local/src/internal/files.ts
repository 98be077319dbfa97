import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { OperationFailed } from "../LocalError.js"

/** The code of a failed system call (`ENOENT`), or the text of any other failure. */
export const reasonOf = (cause: unknown): string => {
  if (typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string")
    return cause.code
  return cause instanceof Error ? cause.message : String(cause)
}

/** A synchronous step on files, its failure as a typed one. */
export const attempt = <A>(operation: string, step: () => A): Effect.Effect<A, OperationFailed> =>
  Effect.try({
    try: step,
    catch: (cause) => new OperationFailed({ family: "io", operation, reason: reasonOf(cause) })
  })

/** Writes a whole file so that a reader sees the old or the new content, never a part; `durable` ones survive a crash. */
export const writeAtomic = (
  path: string,
  content: string | Uint8Array,
  options: { readonly mode: number; readonly durable: boolean }
): void => {
  const temporary = Path.join(Path.dirname(path), `.${Path.basename(path)}.${randomBytes(6).toString("hex")}`)
  const descriptor = Fs.openSync(temporary, "wx", options.mode)
  try {
    Fs.writeFileSync(descriptor, content)
    if (options.durable) Fs.fsyncSync(descriptor)
  } finally {
    Fs.closeSync(descriptor)
  }
  Fs.renameSync(temporary, path)
}

/** The content of a file, or nothing when there is none. */
export const readIfThere = (path: string): string | undefined => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch (cause) {
    if (reasonOf(cause) === "ENOENT") return undefined
    throw cause
  }
}

/** What a path itself is, links not followed; nothing when it is not there. */
export const lstatIfThere = (path: string): Fs.Stats | undefined => Fs.lstatSync(path, { throwIfNoEntry: false })
