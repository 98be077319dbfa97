/**
 * Why an archive did not become files, or files no archive. Every message is one line; the names in it are made printable.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The archive has a member that is not let onto this machine, so nothing of it is.
 *
 * @since 0.1.0
 * @category errors
 */
export class ArchiveRefused extends Schema.TaggedError<ArchiveRefused>("@bottle/smolvm/ArchiveRefused")(
  "ArchiveRefused",
  {
    /** The member's name, made printable. */
    member: Schema.String,
    reason: Schema.String
  }
) {
  override get message(): string {
    return `the archive's member ${this.member} is refused: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Remove or rename it in the guest, or copy the parts that you want. Nothing was written."
  }
}

/**
 * What came is not one whole tar archive.
 *
 * @since 0.1.0
 * @category errors
 */
export class ArchiveDamaged extends Schema.TaggedError<ArchiveDamaged>("@bottle/smolvm/ArchiveDamaged")(
  "ArchiveDamaged",
  {
    reason: Schema.String,
    /** Bytes from the archive's beginning. */
    offset: Schema.Number
  }
) {
  override get message(): string {
    return `the archive is damaged at byte ${this.offset}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that the guest's tar is one, and try again. Nothing was written."
  }
}

/**
 * The archive would become more than it may.
 *
 * @since 0.1.0
 * @category errors
 */
export class ArchiveTooLarge extends Schema.TaggedError<ArchiveTooLarge>("@bottle/smolvm/ArchiveTooLarge")(
  "ArchiveTooLarge",
  {
    limit: Schema.Literal("bytes", "entries", "depth", "nameBytes", "headerBytes"),
    max: Schema.Number
  }
) {
  override get message(): string {
    switch (this.limit) {
      case "bytes":
        return `the archive holds more than ${this.max} bytes of files`
      case "entries":
        return `the archive holds more than ${this.max} entries`
      case "depth":
        return `the archive has directories that are more than ${this.max} deep`
      case "nameBytes":
        return `the archive has more than ${this.max} bytes of names`
      case "headerBytes":
        return `the archive has an extended header of more than ${this.max} bytes`
    }
  }
  /** What to do next. */
  get suggestion(): string {
    return "Copy it in parts, or raise the limit."
  }
}

/**
 * A file or directory of this machine that cannot be copied.
 *
 * @since 0.1.0
 * @category errors
 */
export class SourceRefused extends Schema.TaggedError<SourceRefused>("@bottle/smolvm/SourceRefused")("SourceRefused", {
  path: Schema.String,
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message(): string {
    return `${this.path} cannot be copied: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * A place on this machine that nothing is copied to.
 *
 * @since 0.1.0
 * @category errors
 */
export class DestinationRefused extends Schema.TaggedError<DestinationRefused>("@bottle/smolvm/DestinationRefused")(
  "DestinationRefused",
  { path: Schema.String, reason: Schema.String, advice: Schema.String }
) {
  override get message(): string {
    return `nothing is copied to ${this.path}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * A directory or file of this machine's could not be made, read or written.
 *
 * @since 0.1.0
 * @category errors
 */
export class HostFileFailed extends Schema.TaggedError<HostFileFailed>("@bottle/smolvm/HostFileFailed")(
  "HostFileFailed",
  { path: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `${this.path}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that the directory is yours, that it can be written, and that the disk is not full."
  }
}

/**
 * How reading or writing an archive fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type ArchiveError =
  | ArchiveRefused
  | ArchiveDamaged
  | ArchiveTooLarge
  | SourceRefused
  | DestinationRefused
  | HostFileFailed
