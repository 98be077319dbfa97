/**
 * What can go wrong with the copy of a directory that a bottle works on.
 *
 * @since 0.1.0
 */
import { printable } from "@bottle/process/Text"
import * as Schema from "effect/Schema"
import { BottleId } from "./BottleId.js"
import type { HostFileFailed } from "./LaunchError.js"

const PATHS_SHOWN = 3

const shown = (paths: ReadonlyArray<string>, count: number): string => {
  const some = paths.slice(0, PATHS_SHOWN).map((path) => printable(path))
  return count > some.length ? `${some.join(", ")} and ${count - some.length} more` : some.join(", ")
}

/**
 * The directory that was to be copied cannot be: it is not there, is none, or may not be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkspaceUnusable extends Schema.TaggedError<WorkspaceUnusable>("@bottle/engine/WorkspaceUnusable")(
  "WorkspaceUnusable",
  { source: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `the workspace ${printable(this.source)} cannot be copied: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Name a directory that you may read."
  }
}

/**
 * A directory holds more than is copied, or a guest has left more in its copy than is read back.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkspaceTooLarge extends Schema.TaggedError<WorkspaceTooLarge>("@bottle/engine/WorkspaceTooLarge")(
  "WorkspaceTooLarge",
  { path: Schema.String, what: Schema.Literal("entries", "bytes", "depth"), limit: Schema.Number }
) {
  override get message(): string {
    const limits = {
      entries: `more than ${this.limit} files and directories`,
      bytes: `more than ${Math.round(this.limit / 1024 / 1024)} MiB`,
      depth: `directories in each other that are more than ${this.limit} deep`
    }
    return `${printable(this.path)} holds ${limits[this.what]}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Name a smaller directory, or have it changed in place: --workspace DIR:rw."
  }
}

/**
 * A bottle has no copy of a directory: it was launched without one, changed nothing in it, or it was taken or discarded.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkspaceMissing extends Schema.TaggedError<WorkspaceMissing>("@bottle/engine/WorkspaceMissing")(
  "WorkspaceMissing",
  { id: BottleId }
) {
  override get message(): string {
    return `${this.id} has no copy of a directory with changes in it`
  }
  /** What to do next. */
  get suggestion(): string {
    return "It was launched without --workspace DIR, changed nothing, or all of it was taken already."
  }
}

/**
 * What is known of a copy cannot be read, so nothing can be said of what was changed in it.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkspaceUnread extends Schema.TaggedError<WorkspaceUnread>("@bottle/engine/WorkspaceUnread")(
  "WorkspaceUnread",
  { id: BottleId, path: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `the copy of ${this.id} cannot be read: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `What is there is in ${printable(this.path)}. Mind that a guest wrote it.`
  }
}

/**
 * Somebody else reads, takes or removes the copy at this moment, or its bottle is up and would lose it.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkspaceInUse extends Schema.TaggedError<WorkspaceInUse>("@bottle/engine/WorkspaceInUse")(
  "WorkspaceInUse",
  { id: BottleId, user: Schema.Literal("bottle", "command") }
) {
  override get message(): string {
    return this.user === "bottle"
      ? `${this.id} is up, and works on its copy`
      : `another command works on the copy of ${this.id}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.user === "bottle" ? `Take the bottle down first: bottle down ${this.id}` : "Wait until it has ended."
  }
}

/**
 * Files that the bottle changed were changed on the host too, since the copy was made. Nothing was taken.
 *
 * - `paths`: the first of them
 * - `count`: how many they are
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkspaceConflict extends Schema.TaggedError<WorkspaceConflict>("@bottle/engine/WorkspaceConflict")(
  "WorkspaceConflict",
  { id: BottleId, paths: Schema.Array(Schema.String), count: Schema.Number }
) {
  override get message(): string {
    const verb = this.count === 1 ? "was" : "were"
    return `nothing was taken, since ${shown(this.paths, this.count)} ${verb} changed here too since the copy was made`
  }
  /** What to do next. */
  get suggestion(): string {
    return `bottle diff ${this.id} shows what the bottle changed; bottle apply --force ${this.id} replaces your changes`
  }
}

/**
 * A change could not be taken back, and nothing after it was; what was taken before it stays.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkspaceNotTaken extends Schema.TaggedError<WorkspaceNotTaken>("@bottle/engine/WorkspaceNotTaken")(
  "WorkspaceNotTaken",
  { id: BottleId, path: Schema.String, reason: Schema.String, taken: Schema.Number }
) {
  override get message(): string {
    return `${printable(this.path)} could not be taken, after ${this.taken} changes that were: ${printable(this.reason)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return `Mend that and run it again, which goes on where this ended: bottle apply ${this.id}`
  }
}

/**
 * Everything that can go wrong when a copy is read or taken back.
 *
 * @since 0.1.0
 * @category errors
 */
export type WorkspaceError =
  | WorkspaceMissing
  | WorkspaceUnread
  | WorkspaceInUse
  | WorkspaceTooLarge
  | WorkspaceUnusable
  | HostFileFailed
