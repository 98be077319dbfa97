/**
 * The daemons of a bundle, and which of them run.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { visible } from "./BundleOutput.js"

/**
 * A daemon: the name that stands before its lines (`[a-z][a-z0-9-]{0,31}`, and not `init`) and how it is started.
 *
 * On standard output it says what `BundleOutput` lists and nothing else; `listening on WHERE` once it is ready. From then
 * on SIGHUP means "read your configuration again". SIGTERM and SIGINT end it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Daemon {
  readonly name: string
  readonly program: string
  readonly args: ReadonlyArray<string>
}

/**
 * A daemon was chosen that does not exist; `name` is what was given, made printable.
 *
 * @since 0.1.0
 * @category errors
 */
export class DaemonUnknown extends Schema.TaggedError<DaemonUnknown>("@bottle/bundle/DaemonUnknown")("DaemonUnknown", {
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `"${this.name}" is not a daemon of this bundle, which has: ${this.known.join(", ")}`
  }

  /** What to do next. */
  get suggestion(): string {
    return "Set BOTTLE_DAEMONS to some of them, separated by commas, or leave it unset for all"
  }
}

/**
 * The daemons that a comma-separated list of names chooses, each once and in the order in which they are known: all of
 * them when there is no list, none when the list is empty.
 *
 * @since 0.1.0
 * @category constructors
 */
export const select = (
  known: ReadonlyArray<Daemon>,
  list: string | undefined
): Either.Either<ReadonlyArray<Daemon>, DaemonUnknown> => {
  if (list === undefined) return Either.right(known)
  if (list.trim() === "") return Either.right([])
  const names = list.split(",").map((name) => name.trim())
  const unknown = names.find((name) => !known.some((daemon) => daemon.name === name))
  return unknown === undefined
    ? Either.right(known.filter((daemon) => names.includes(daemon.name)))
    : Either.left(new DaemonUnknown({ name: visible(unknown, 64), known: known.map((daemon) => daemon.name) }))
}
