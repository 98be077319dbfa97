/**
 * What a machine is: the record that `machine create` writes, and the run that `machine start` adds to it.
 *
 * @since 0.1.0
 */
import * as Identity from "@bottle/process/Identity"
import * as Schema from "effect/Schema"

/**
 * A directory of the host's that the machine sees. `host` is a real path.
 *
 * @since 0.1.0
 * @category models
 */
export const Volume = Schema.Struct({
  host: Schema.String,
  guest: Schema.String,
  readonly: Schema.Boolean
})

/**
 * A directory of the host's that the machine sees.
 *
 * @since 0.1.0
 * @category models
 */
export type Volume = typeof Volume.Type

/**
 * A Unix socket of the host's that the machine may connect to.
 *
 * @since 0.1.0
 * @category models
 */
export const Socket = Schema.Struct({ host: Schema.String, guest: Schema.String })

/**
 * A Unix socket of the host's that the machine may connect to.
 *
 * @since 0.1.0
 * @category models
 */
export type Socket = typeof Socket.Type

/**
 * Where a machine's root comes from: read-only parts of the host (`Host`), a root file system of the user's that stays
 * where it is (`Directory`), or one unpacked into the machine's own state (`Unpacked`).
 *
 * @since 0.1.0
 * @category models
 */
export const Source = Schema.Union(
  Schema.TaggedStruct("Host", {}),
  Schema.TaggedStruct("Directory", { path: Schema.String }),
  Schema.TaggedStruct("Unpacked", {})
)

/**
 * Where a machine's root comes from.
 *
 * @since 0.1.0
 * @category models
 */
export type Source = typeof Source.Type

const Pair = Schema.Tuple(Schema.String, Schema.String)

/**
 * All that `machine create` was told. `uid` and `gid` are the host's numbers that the machine's one user stands for;
 * `secretEnv` names variables of the caller's environment (guest's name, host's name), never their values.
 *
 * @since 0.1.0
 * @category models
 */
export const Machine = Schema.Struct({
  version: Schema.Literal(1),
  name: Schema.String,
  createdAtSeconds: Schema.Int,
  uid: Schema.Int.pipe(Schema.positive()),
  gid: Schema.Int.pipe(Schema.positive()),
  source: Source,
  image: Schema.NullOr(Schema.String),
  cpus: Schema.Int.pipe(Schema.between(0, 255)),
  memoryMib: Schema.Int.pipe(Schema.nonNegative()),
  overlayGib: Schema.NullOr(Schema.Int),
  storageGib: Schema.NullOr(Schema.Int),
  volumes: Schema.Array(Volume),
  sockets: Schema.Array(Socket),
  env: Schema.Array(Pair),
  secretEnv: Schema.Array(Pair),
  secretFiles: Schema.Array(Pair),
  labels: Schema.Record({ key: Schema.String, value: Schema.String }),
  workdir: Schema.NullOr(Schema.String),
  ephemeral: Schema.Boolean
})

/**
 * All that `machine create` was told.
 *
 * @since 0.1.0
 * @category models
 */
export type Machine = typeof Machine.Type

/**
 * A started machine: its pid 1, and the process that waits for its end to save the disk. It is over when pid 1 is.
 *
 * @since 0.1.0
 * @category models
 */
export const Run = Schema.Struct({
  pid1: Identity.Identity,
  holder: Identity.Identity
})

/**
 * A started machine.
 *
 * @since 0.1.0
 * @category models
 */
export type Run = typeof Run.Type

/**
 * What a machine is doing, in smolvm's words.
 *
 * @since 0.1.0
 * @category models
 */
export type State = "created" | "running" | "stopped" | "failed"

const namePattern = /^[A-Za-z0-9](?!.*--)[A-Za-z0-9_-]{0,127}$/

/**
 * Whether a machine may have this name: 1 to 128 characters, ASCII letters, digits, `-` and `_`, the first one a letter
 * or digit, not ending in `-`, no `--` (smolvm 0.8.0 to 1.9.3).
 *
 * @since 0.1.0
 * @category predicates
 */
export const isName = (name: string): boolean => namePattern.test(name) && !name.endsWith("-")
