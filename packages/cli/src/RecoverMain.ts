/**
 * `bottle-keeper recover STATE ID NONCE`: takes down what a dead owner left of one bottle. The handle of that bottle
 * starts it.
 *
 * @since 0.1.0
 */
import { BottleId } from "@bottle/engine/BottleId"
import * as Ledger from "@bottle/engine/Ledger"
import * as Recovery from "@bottle/engine/Recovery"
import type { Runtimes } from "@bottle/engine/Runtimes"
import * as Sweep from "@bottle/engine/Sweep"
import { lazy } from "@bottle/process/Lazy"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Unattended from "./Unattended.js"

/** An owner whose pipe has ended may still be on its way out: twenty seconds. */
const whileDying = Schedule.intersect(Schedule.spaced(50), Schedule.recurs(400))

/** Another recovery of the same bottle may be killed before its end, which takes minutes at most: ten. */
const whileBusy = Schedule.intersect(Schedule.spaced(500), Schedule.recurs(1200))

/** A disk that is full has no room for the ledger's lock; it may be another program's files that go first: an hour. */
const whileFull = Schedule.intersect(Schedule.spaced(5000), Schedule.recurs(720))

/**
 * Recovers the bottle as soon as its owner is dead. It returns when there is nothing more to do: the bottle is gone, or
 * is none that may be touched.
 *
 * @since 0.1.0
 * @category constructors
 */
export const recover = (
  state: string,
  id: BottleId,
  nonce: string
): Effect.Effect<void, never, Runtimes | FileSystem> =>
  Effect.gen(function* () {
    const view = yield* Ledger.read({ state }, id)
    if (Option.isSome(view)) yield* Recovery.recover(view.value, { nonce })
  }).pipe(
    Effect.retry({ while: ({ _tag }) => _tag === "OwnerAlive", schedule: whileDying }),
    Effect.retry({ while: ({ _tag }) => _tag === "LedgerBusy", schedule: whileBusy }),
    Effect.retry({ while: ({ _tag }) => _tag === "LedgerFailed", schedule: whileFull }),
    Effect.ignore,
    Effect.zipRight(Sweep.removeAsides({ state }, (path) => path.includes(`-${id}_`)))
  )

const Words = Schema.Tuple(Schema.String.pipe(Schema.startsWith("/")), BottleId, Schema.NonEmptyString)

const decodeWords = lazy(() => Schema.decodeUnknownOption(Words))

/**
 * Runs the recovery that the words name, and ends the process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (words: ReadonlyArray<string>): void =>
  Option.match(decodeWords(words), {
    onNone: Unattended.refuse,
    onSome: ([state, id, nonce]) => Unattended.run(state, recover(state, id, nonce))
  })
