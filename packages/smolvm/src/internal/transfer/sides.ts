/* What stands at both ends of a copy, and what that makes of it. */

import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Path from "node:path"
import { SourceRefused } from "../../ArchiveError.js"
import { GuestPathRefused } from "../../TransferError.js"
import type { HostPath } from "../archive/hostPath.js"
import type { Kind } from "./guest.js"
import { nowhere, shown, type Written, written } from "./paths.js"

/** What a source in the guest is, by what the guest says of it. */
export const guestSource = (from: Written, kind: Kind): Either.Either<"file" | "directory", GuestPathRefused> => {
  const refuse = (reason: string, advice: string) =>
    Either.left(new GuestPathRefused({ path: shown(from.path), reason, advice }))
  if (kind === "missing") {
    return refuse("does not exist", "Check the path; a relative one begins in the working directory.")
  }
  if (kind === "other") return refuse("is no file and no directory", "Only files and directories are copied.")
  if (kind === "file" && from.mustBeDirectory) return refuse("is no directory", "Leave out the slash at the end.")
  return Either.right(kind)
}

/** Where a copy goes in the guest. */
export interface Target {
  readonly parent: string
  readonly name: string
  /** Whether a directory is there, whose files are replaced one by one. */
  readonly isMerge: boolean
}

/** Chooses it, by what is at the path and below it at the source's name. */
export const chooseTarget = (
  to: Written,
  source: { readonly kind: "file" | "directory"; readonly base: string; readonly isContent: boolean },
  [there, within]: ReadonlyArray<Kind>
): Either.Either<Target, GuestPathRefused> => {
  const refuse = (path: string, reason: string, advice: string) =>
    Either.left(new GuestPathRefused({ path: shown(path), reason, advice }))
  const own = { parent: Path.posix.dirname(to.path), name: to.base }
  if (there === "directory") {
    if (source.isContent) return Either.right({ ...own, isMerge: true })
    const path = Path.posix.join(to.path, source.base)
    if (source.kind === "file" && within === "directory") {
      return refuse(path, "is a directory", "Name the file in it that this becomes.")
    }
    if (within === "other" || (source.kind === "directory" && within === "file")) {
      return refuse(path, "is there, and no directory", "Remove it, or name another place.")
    }
    return Either.right({ parent: to.path, name: source.base, isMerge: within === "directory" })
  }
  if (there === "other") return refuse(to.path, "is no file and no directory", "Name another place.")
  if (there === "file" && (source.kind === "directory" || to.mustBeDirectory)) {
    return refuse(to.path, "is no directory", "Remove it, or name another place.")
  }
  if (there === "missing" && source.kind === "file" && to.mustBeDirectory) {
    return refuse(to.path, "is no directory", "Make it first, or leave out the slash at the end.")
  }
  return Either.right({ ...own, isMerge: false })
}

/** What a source on this machine is. */
export const sourceKind = (host: string, { stat }: HostPath): Effect.Effect<"file" | "directory", SourceRefused> => {
  const refuse = (reason: string, advice: string) => new SourceRefused({ path: shown(host), reason, advice })
  if (stat === undefined) return refuse(...nowhere.missing)
  if (stat.isDirectory()) return Effect.succeed("directory")
  if (!stat.isFile()) return refuse("it is no file and no directory", "Only files and directories are copied.")
  return written(host).mustBeDirectory
    ? refuse("it is no directory", "Leave out the slash at the end.")
    : Effect.succeed("file")
}
