import { EgressEvent } from "@bottle/egress/EgressEvent"
import * as Policy from "@bottle/egress/Policy"
import { lazy } from "@bottle/process/Lazy"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { CommandExit } from "../../Bottle.js"
import { ReloadFailed } from "../../BundleError.js"
import { CommitFailed, CommitRefused, MachineLost } from "../../CommitError.js"
import {
  AllowRefused,
  BottleGone,
  ControlRefused,
  ControlUnreachable,
  DownReason,
  OwnerFailed
} from "../../ControlError.js"
import { LedgerFailed } from "../../LedgerError.js"
import { ProofRecord } from "../../ProofRecord.js"

/** What changes when one side would not understand the other any more. */
export const PROTOCOL = 1

/** The longest line that an owner reads: a policy is the longest thing that anybody has to say. */
export const CALL_BYTES_MAX = 1024 * 1024

/** The longest line that a client reads: a description holds a plan. */
export const ANSWER_BYTES_MAX = 16 * 1024 * 1024

/** How often an owner says that it is still about what takes long. */
export const ALIVE_EVERY_MILLIS = 1000

/** The owner's first line: who it is. */
export const Greeting = Schema.Struct({
  protocol: Schema.Int,
  bottle: Schema.String,
  pid: Schema.Int
})

/**
 * The client's one call.
 *
 * - `watch`, `session`, `attach` and `events` last until one side ends them
 * - `witness`: where the session's command writes down who it is
 * - `since`, `verdict`: which decisions are told; `null` for all
 * - `input`: whether what the client says is input of the main command
 */
export const Call = Schema.Union(
  Schema.Struct({ call: Schema.Literal("watch") }),
  Schema.Struct({ call: Schema.Literal("status") }),
  Schema.Struct({ call: Schema.Literal("describe") }),
  Schema.Struct({ call: Schema.Literal("secrets") }),
  Schema.Struct({ call: Schema.Literal("session"), witness: Schema.NullOr(Schema.String) }),
  Schema.Struct({ call: Schema.Literal("down") }),
  Schema.Struct({ call: Schema.Literal("commit"), output: Schema.String, force: Schema.Boolean }),
  Schema.Struct({ call: Schema.Literal("reload"), policy: Policy.PolicyDocument }),
  Schema.Struct({ call: Schema.Literal("allow"), entries: Schema.Array(Schema.String) }),
  Schema.Struct({
    call: Schema.Literal("events"),
    since: Schema.Literal("start", "now"),
    verdict: Schema.NullOr(Schema.Literal("allow", "deny"))
  }),
  Schema.Struct({ call: Schema.Literal("attach"), input: Schema.Boolean })
)

export type Call = typeof Call.Type

/** What a client says after its call: that its session has ended well, or input of the main command. */
export const Word = Schema.Union(
  Schema.Struct({ end: Schema.Literal(true) }),
  Schema.Struct({ in: Schema.Uint8ArrayFromBase64 })
)

export type Word = typeof Word.Type

/** What a commit gives. */
export const Committed = Schema.Struct({ output: Schema.String, proof: ProofRecord })

/** How a call fails, as it goes over the wire. */
export const Failure = Schema.Union(
  ControlUnreachable,
  ControlRefused,
  BottleGone,
  ReloadFailed,
  AllowRefused,
  CommitRefused,
  CommitFailed,
  MachineLost,
  LedgerFailed,
  OwnerFailed
)

export type Failure = typeof Failure.Type

/**
 * What an owner answers. `ok` and `error` are the last word of a call.
 *
 * - `alive`: what was asked goes on
 * - `started`: the session, watch or attachment has begun
 * - `closing`: the bottle goes down
 * - `event`: a decision
 * - `out`, `err`, `exit`: of the main command; `lost` counts bytes of its output that came too fast for this client
 */
export const Answer = Schema.Union(
  Schema.Struct({ error: Failure }),
  Schema.Struct({ alive: Schema.Literal(true) }),
  Schema.Struct({ started: Schema.Literal(true) }),
  Schema.Struct({ closing: DownReason }),
  Schema.Struct({ event: EgressEvent }),
  Schema.Struct({ out: Schema.Uint8ArrayFromBase64 }),
  Schema.Struct({ err: Schema.Uint8ArrayFromBase64 }),
  Schema.Struct({ lost: Schema.Int }),
  Schema.Struct({ exit: CommandExit }),
  // Last: what is not known may be missing, so that every answer could be written as this one.
  Schema.Struct({ ok: Schema.Unknown })
)

export type Answer = typeof Answer.Type

/** A key that is missing is one that is not there, and not one whose value may be anything. */
const exactly = { exact: true } as const

const reading = <A, I>(schema: Schema.Schema<A, I>): ((text: string) => A | undefined) => {
  const decode = lazy(() => Schema.decodeEither(Schema.parseJson(schema), exactly))
  return (text) => Either.getOrUndefined(decode(text))
}

const writing = <A, I>(schema: Schema.Schema<A, I>): ((value: A) => string) => {
  const encode = lazy(() => Schema.encodeSync(schema, exactly))
  return (value) => JSON.stringify(encode(value))
}

export const readGreeting = reading(Greeting)
export const writeGreeting = writing(Greeting)
export const readCall = reading(Call)
export const writeCall = writing(Call)
export const readWord = reading(Word)
export const writeWord = writing(Word)
export const readAnswer = reading(Answer)
export const writeAnswer = writing(Answer)
