import { lazy } from "@bottle/process/Lazy"
import { LedgerFailed, NameTaken } from "../../LedgerError.js"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { ControlFailed, OwnerFailed } from "../../ControlError.js"
import * as LaunchError from "../../LaunchError.js"
import { LaunchPlan } from "../../LaunchPlan.js"
import { EgressNotEnforced, EgressUnproven } from "../../ProofError.js"
import { ProofRecord } from "../../ProofRecord.js"
import { SpanRecord } from "../../SpanRecord.js"
import { Stage } from "../../Stage.js"
import { WorkspaceTooLarge, WorkspaceUnusable } from "../../WorkspaceError.js"

const Values = Schema.Record({ key: Schema.String, value: Schema.String })

/** What a keeper is told, as one line on its input. Nothing else holds values of secrets and credentials. */
export const Document = Schema.Struct({
  version: Schema.Literal(1),
  plan: LaunchPlan,
  secrets: Values,
  /** Of the bundle's own: they are nobody's who speaks to the keeper later. */
  credentials: Values,
  name: Schema.NullOr(Schema.String),
  ttlMillis: Schema.NullOr(Schema.Number),
  idleMillis: Schema.NullOr(Schema.Number),
  /** Whether it is to tell the spans of the launch. */
  trace: Schema.optionalWith(Schema.Boolean, { exact: true }),
  main: Schema.NullOr(
    Schema.Struct({
      command: Schema.Array(Schema.String),
      env: Schema.Array(Schema.Tuple(Schema.String, Schema.String)),
      secrets: Values,
      workdir: Schema.NullOr(Schema.String),
      timeoutMillis: Schema.NullOr(Schema.Number),
      interactive: Schema.Boolean
    })
  )
})

export type Document = typeof Document.Type

/** What its parent says after that: that it has taken over what became ready. The end of the input means "stop". */
export const TAKEN = "taken"

const Event = Schema.Union(
  Schema.TaggedStruct("StageStarted", { stage: Stage }),
  Schema.TaggedStruct("StageEnded", { stage: Stage, durationMillis: Schema.Number, ok: Schema.Boolean }),
  Schema.TaggedStruct("StageSaid", { stage: Stage, text: Schema.String }),
  Schema.TaggedStruct("ReleaseSlow", { resource: Schema.String }),
  Schema.TaggedStruct("ReleaseFailed", {
    resource: Schema.String,
    reason: Schema.String,
    suggestion: Schema.String
  }),
  Schema.TaggedStruct("Kept", { machine: Schema.String }),
  Schema.TaggedStruct("BundleSaid", { daemon: Schema.NullOr(Schema.String), text: Schema.String }),
  Schema.TaggedStruct("RecordFailed", { message: Schema.String, suggestion: Schema.String })
)

/** A failure of the launch, as it was in the keeper; one that is not known here as what can be told of any. */
export const Failed = Schema.Union(
  LaunchError.OptionRefused,
  LaunchError.RuntimeUnfit,
  LaunchError.ContainerUnfit,
  LaunchError.SecretMissing,
  LaunchError.CredentialMissing,
  LaunchError.HostFileFailed,
  WorkspaceUnusable,
  WorkspaceTooLarge,
  LaunchError.BundleFailed,
  LaunchError.BundleDied,
  LaunchError.StageFailed,
  LaunchError.NetworkNotOff,
  LaunchError.NetworkMissing,
  LaunchError.PolicyDropped,
  LaunchError.RelayFailed,
  LedgerFailed,
  NameTaken,
  EgressNotEnforced,
  EgressUnproven,
  ControlFailed,
  OwnerFailed
)

export type Failed = typeof Failed.Type

/**
 * What a keeper says, each on a line of its own. `ready`, `failed` and `stopped` are said once, and only one of them:
 * after `failed` and `stopped` nothing of the bottle is there.
 */
export const Word = Schema.Union(
  Schema.Struct({ event: Event }),
  Schema.Struct({ span: SpanRecord }),
  Schema.Struct({
    ready: Schema.Struct({ plan: LaunchPlan, proof: ProofRecord, record: Schema.NullOr(Schema.String) })
  }),
  Schema.Struct({ failed: Failed }),
  Schema.Struct({ stopped: Schema.Literal(true) })
)

export type Word = typeof Word.Type

export const writeDocument = lazy(() => Schema.encodeSync(Schema.parseJson(Document)))

export const writeWord = lazy(() => Schema.encodeSync(Schema.parseJson(Word)))

const decodeDocument = lazy(() => Schema.decodeEither(Schema.parseJson(Document)))
const decodeWord = lazy(() => Schema.decodeEither(Schema.parseJson(Word)))

export const readDocument = (text: string): Document | undefined => Either.getOrUndefined(decodeDocument(text))

export const readWord = (text: string): Word | undefined => Either.getOrUndefined(decodeWord(text))
