/* Paths as they were written, on both sides, and where they lead. */

import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Path from "node:path"
import type { ArchiveError } from "../../ArchiveError.js"
import type { Endpoint } from "../../Transfer.js"
import { GuestPathRefused } from "../../TransferError.js"
import * as HostPath from "../archive/hostPath.js"
import * as Names from "../archive/names.js"
import { attempt } from "../archive/run.js"

/** A path for an error: one line, without control characters, cut. */
export const shown = (path: string): string => Names.shown(Names.fromText(path))

/** A path as it was written, and what its writing says. */
export interface Written {
  readonly path: string
  /** The name that it has in a directory. */
  readonly base: string
  readonly mustBeDirectory: boolean
  readonly isContent: boolean
}

export const written = (path: string): Written => ({
  path,
  base: Path.posix.basename(path),
  mustBeDirectory: /(^|\/)\.{0,2}$/.test(path),
  isContent: /(^|\/)\.$/.test(path) || /^\/+$/.test(path)
})

/** The same of a path of the guest, which becomes absolute. */
export const writtenInGuest = (
  { workdir }: Pick<Endpoint<never>, "workdir">,
  guest: string
): Either.Either<Written, GuestPathRefused> => {
  const refuse = (reason: string) =>
    Either.left(new GuestPathRefused({ path: shown(guest), reason, advice: "Name a file or directory of the guest." }))
  if (guest === "") return refuse("is no path")
  if (guest.includes("\0")) return refuse("has a NUL in it")
  const path = Path.posix.resolve("/", workdir, guest)
  return Either.right({ ...written(guest), path, base: Path.posix.basename(path) })
}

/** Why a path of this machine leads nowhere, and what to do about it. */
export const nowhere = {
  missing: ["there is no such file or directory", "Check the path."],
  loop: ["it leads through too many symbolic links", "Name what they lead to."],
  escape: [
    "a symbolic link in a directory that the guest can write to leads out of that directory",
    "Look at the link first; name what it leads to if that is what you want."
  ]
} as const

export const resolveHost = (
  host: string,
  { guestWritable }: Pick<Endpoint<never>, "guestWritable">,
  refuse: (reason: string, advice: string) => ArchiveError
): Effect.Effect<HostPath.HostPath, ArchiveError> =>
  Path.isAbsolute(host)
    ? Effect.flatMap(
        attempt(shown(host), () => HostPath.resolve(host, guestWritable)),
        (found) => {
          if (typeof found !== "string") return Effect.succeed(found)
          const [reason, advice] = nowhere[found]
          return Effect.fail(refuse(reason, advice))
        }
      )
    : Effect.fail(refuse("it is not absolute", "Name it from /."))
