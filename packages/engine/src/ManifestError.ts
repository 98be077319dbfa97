/**
 * What can be wrong with a manifest, and with what is asked of one. Every text is printable and of a bounded length; none
 * is the value of a variable.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A manifest says something that cannot be taken: it is no JSON with comments, has a key that is not known or stands
 * twice, a value that is none there, or a name that nothing has.
 *
 * - `file`: the manifest, `null` for a text without one
 * - `line`, `column`: where in it, from 1; `null` for the whole
 * - `place`: as `bottles.dev.mounts[0]`, empty for the whole
 *
 * @since 0.1.0
 * @category errors
 */
export class ManifestInvalid extends Schema.TaggedError<ManifestInvalid>("@bottle/engine/ManifestInvalid")(
  "ManifestInvalid",
  {
    file: Schema.NullOr(Schema.String),
    line: Schema.NullOr(Schema.Int),
    column: Schema.NullOr(Schema.Int),
    place: Schema.String,
    reason: Schema.Literal(
      "too-long",
      "too-deep",
      "not-json",
      "key-twice",
      "key-unknown",
      "key-missing",
      "keys-together",
      "name",
      "type",
      "value",
      "policy",
      "reference"
    ),
    detail: Schema.String,
    advice: Schema.String
  }
) {
  override get message(): string {
    const { column, file, line, place } = this
    const where = [file ?? "the manifest", ...(line === null ? [] : [line]), ...(column === null ? [] : [column])]
    return `${where.join(":")}: ${place === "" ? "" : `${place}: `}${this.detail}`
  }

  /** What to do next. */
  get suggestion(): string {
    return this.advice
  }
}

/**
 * No bottle or agent has the name that was asked for. `near` is the one that was most likely meant; `known` are the names
 * that there are; `file` is the manifest they were looked for in, `null` where there is none.
 *
 * @since 0.1.0
 * @category errors
 */
export class NameUnknown extends Schema.TaggedError<NameUnknown>("@bottle/engine/NameUnknown")("NameUnknown", {
  kind: Schema.Literal("bottle", "agent"),
  name: Schema.String,
  file: Schema.NullOr(Schema.String),
  near: Schema.NullOr(Schema.String),
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const { file, kind, name } = this
    const nowhere = kind === "agent" ? "no agent has that name, and there is no manifest" : "there is no manifest"
    const where = file === null ? nowhere : `${file} has no ${kind} of that name`
    return `--${kind} "${name}": ${where}`
  }

  /** What to do next. */
  get suggestion(): string {
    const { file, kind, known, near } = this
    if (near !== null) return `--${kind} ${near}`
    if (known.length > 0) return `--${kind} with one of ${known.slice(0, 8).join(", ")}`
    return file === null ? "bottle init writes a manifest" : `Write it below "${kind}s" there`
  }
}

/**
 * What can be wrong with a manifest and what is asked of it.
 *
 * @since 0.1.0
 * @category errors
 */
export type ManifestError = ManifestInvalid | NameUnknown
