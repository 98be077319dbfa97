/**
 * `bottle up`: launches a bottle that stays, and prints its id.
 *
 * @since 0.1.0
 */
import { Bottles, type UpBottle, type UpEvent, type UpOptions } from "@bottle/engine/Bottles"
import * as Launch from "@bottle/engine/Launch"
import { lazy } from "@bottle/process/Lazy"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { ExitStatus } from "../ExitStatus.js"
import { Invocation } from "../Invocation.js"
import * as Prepared from "../Prepared.js"
import * as Progress from "../Progress.js"
import type { UpRequest } from "../requests/UpRequest.js"
import * as RuntimeChoice from "../RuntimeChoice.js"
import * as RuntimeLayer from "../RuntimeLayer.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import * as Trace from "../Trace.js"

/**
 * The document of a bottle that is up; `pid` is the process that holds it.
 *
 * @since 0.1.0
 * @category models
 */
export const UpDocument = Schema.Struct({
  version: Schema.Literal(1).annotations({ description: "The version of this format" }),
  bottle: Schema.Struct({
    id: Schema.String.annotations({ description: "The bottle's id" }),
    name: Schema.NullOr(Schema.String).annotations({ description: "What it is called; null where it has no name" }),
    pid: Schema.Int.annotations({ description: "The process of the bottle's keeper" }),
    proof: Schema.Literal("proven", "unproven", "leaked").annotations({ description: "What came of the proof" }),
    record: Schema.NullOr(Schema.String).annotations({
      description: "The directory of its record; null where there is none"
    })
  }).annotations({ description: "The bottle that is up" })
})

const encode = lazy(() => Schema.encodeSync(Schema.parseJson(UpDocument)))

const toJson = ({ id, keeper, name, proof, record }: UpBottle): string =>
  encode({ version: 1, bottle: { id, name, pid: keeper.pid, proof: proof.outcome, record } })

/** What is told while it comes up: what `run` tells. */
const makeTeller =
  ({ launch }: UpRequest, progress: Progress.Progress) =>
  (event: UpEvent): Effect.Effect<void> =>
    event._tag === "RecordFailed"
      ? Effect.provideService(Told.recordFailure(event, launch.format), Stdio.Stdio, progress.stdio)
      : Effect.zipRight(
          Effect.provideService(Told.launchEvent(event, launch), Stdio.Stdio, progress.stdio),
          progress.notify(event)
        )

const planned = ({ launch }: UpRequest) =>
  Effect.gen(function* () {
    const choice = yield* RuntimeChoice.choose(launch.runtime, yield* Invocation)
    yield* Told.announce(choice, launch)
    return yield* Effect.provide(
      Effect.flatMap(Prepared.options(launch), Launch.plan),
      RuntimeLayer.forLaunch(choice, launch)
    )
  })

const bringUp = (request: UpRequest, onSpan: UpOptions["onSpan"]) =>
  Effect.gen(function* () {
    const { idleMillis, launch, name, ttlMillis } = request
    const bottles = yield* Bottles
    const progress = yield* Progress.make(launch)
    const plan = yield* planned(request)
    yield* progress.planned(plan)
    const up = bottles.up(plan, {
      ...(yield* Prepared.given(launch, plan)),
      name: name ?? undefined,
      ttlMillis: ttlMillis ?? undefined,
      idleMillis: idleMillis ?? undefined,
      command: launch.command.length === 0 ? undefined : { command: launch.command, interactive: launch.interactive },
      onEvent: makeTeller(request, progress),
      onSpan
    })
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const bottle = yield* restore(up).pipe(
          Effect.onExit((exit) => progress.end(Exit.isSuccess(exit) ? "well" : "failed"))
        )
        // A bottle of which nobody learns the id would stay for nothing.
        yield* restore(
          Effect.zipRight(
            Told.unproven(bottle.proof, launch),
            Stdio.outputText(launch.format === "json" ? toJson(bottle) : bottle.id)
          )
        ).pipe(Effect.onError(() => Effect.ignore(bottles.down(bottle.id))))
        return ExitStatus.success
      })
    )
  }).pipe(Effect.scoped)

/**
 * Brings the bottle up, prints its id and nothing else on standard output, and gives the exit code. Where the id cannot
 * be told, or this is interrupted, nothing is left.
 *
 * @since 0.1.0
 * @category constructors
 */
export const up = (
  request: UpRequest
): Effect.Effect<number, never, Bottles | Invocation | Stdio.Stdio | CommandExecutor | FileSystem> =>
  Effect.suspend(() => {
    const { format, trace } = request.launch
    const manner: Told.Manner = { format, jsonOn: "stdout" }
    return Trace.over({ file: trace, name: "up", manner }, (hear) =>
      Effect.catchAllCause(bringUp(request, hear), (cause) => Told.failWith(cause, manner))
    )
  })
