import * as Identity from "@bottle/process/Identity"
import * as Schema from "effect/Schema"
import { BottleId } from "../../BottleId.js"
import { Directories } from "../../Directories.js"
import { Places } from "../../Places.js"
import type { BottleState } from "./state.js"

/** The process that answers for a bottle, and from where its pid can be looked up. */
export const Owner = Schema.Struct({
  identity: Identity.Identity,
  /** The pid namespace that the pid is of, as `readlink /proc/self/ns/pid` says it. */
  pidNamespace: Schema.NullOr(Schema.String),
  /** The machine: its `/etc/machine-id`, or its host name where there is none; then, after a slash, its host name. */
  host: Schema.String
})
export type Owner = typeof Owner.Type

export const Resource = Schema.Struct({
  kind: Schema.Literal("machine", "network", "container", "directory", "file"),
  name: Schema.String
})
export type Resource = typeof Resource.Type

export const Failure = Schema.Struct({ resource: Schema.String, reason: Schema.String, suggestion: Schema.String })
export type Failure = typeof Failure.Type

export const OwnerKind = Schema.Literal("run", "keeper", "program")
export type OwnerKind = typeof OwnerKind.Type

export const Claim = Schema.Struct({
  version: Schema.Literal(1),
  id: BottleId,
  name: Schema.NullOr(Schema.String),
  nonce: Schema.String,
  kind: OwnerKind,
  claimedAt: Schema.DateTimeUtc,
  owner: Owner,
  machine: Schema.String,
  runtime: Schema.Struct({
    kind: Schema.Literal("smolvm", "local"),
    program: Schema.String,
    version: Schema.String,
    line: Schema.String
  }),
  container: Schema.NullOr(
    Schema.Struct({
      program: Schema.String,
      network: Schema.String,
      container: Schema.String,
      labels: Schema.Record({ key: Schema.String, value: Schema.String })
    })
  ),
  directories: Directories,
  /** Where its programs are, and keep what they make. Claims of earlier versions have none. */
  places: Schema.optionalWith(Places, { exact: true }),
  resources: Schema.Array(Resource),
  ttlMillis: Schema.NullOr(Schema.Number),
  idleMillis: Schema.NullOr(Schema.Number),
  command: Schema.NullOr(Schema.Array(Schema.String))
})
export type Claim = typeof Claim.Type

/** What a line of a ledger says. Each but `Added` is a transition. */
export const Entry = Schema.Union(
  Schema.TaggedStruct("Claimed", { claim: Claim }),
  Schema.TaggedStruct("Added", { resource: Resource }),
  Schema.TaggedStruct("Up", {}),
  Schema.TaggedStruct("Closing", {}),
  Schema.TaggedStruct("Left", { failures: Schema.Array(Failure) }),
  Schema.TaggedStruct("Kept", { failures: Schema.Array(Failure) }),
  Schema.TaggedStruct("Recovering", {})
)
export type Entry = typeof Entry.Type
export type Transition = Exclude<Entry, { readonly _tag: "Added" }>

/** The state that a transition leads to. */
export const stateOf: Readonly<Record<Transition["_tag"], BottleState>> = {
  Claimed: "launching",
  Up: "up",
  Closing: "closing",
  Left: "left",
  Kept: "kept",
  Recovering: "recovering"
}

/**
 * What every line says, whatever else it says: about which bottle it is, and who wrote it when. `owner` is the role of
 * whoever holds the bottle's scope, `recoverer` that of whoever takes down what a dead one left.
 */
export const Envelope = Schema.Struct({
  id: BottleId,
  time: Schema.DateTimeUtc,
  writer: Owner,
  role: Schema.Literal("owner", "recoverer")
})
export type Envelope = typeof Envelope.Type

export const Line = Schema.Struct({ version: Schema.Literal(1), ...Envelope.fields, entry: Entry })
export type Line = typeof Line.Type
