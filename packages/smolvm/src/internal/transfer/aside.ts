/* Files of this machine that stand for as long as a copy takes. */

import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Endpoint } from "../../Transfer.js"

/** A place for one; nothing is there yet. */
export const aside = ({ directory }: Pick<Endpoint<never>, "directory">): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => Path.join(directory, `cp-${randomBytes(6).toString("hex")}`)),
    (path) => Effect.sync(() => Fs.rmSync(path, { force: true }))
  )

/** Writes all of it, throwing what the system says. */
export const writeAll = (descriptor: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length;) at += Fs.writeSync(descriptor, bytes, at)
}
