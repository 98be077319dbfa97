/**
 * `bottle run`: launch, run one command, take everything down, and exit as the command did.
 *
 * @since 0.1.0
 */
import type { Bottle, CommandExit } from "@bottle/engine/Bottle"
import * as Control from "@bottle/engine/Control"
import { Engine } from "@bottle/engine/Engine"
import * as Launch from "@bottle/engine/Launch"
import { type LaunchEvent, LaunchObserver } from "@bottle/engine/LaunchObserver"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import * as Record from "@bottle/engine/Record"
import * as Release from "@bottle/process/Release"
import * as Span from "@bottle/process/Span"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Denials from "../Denials.js"
import { fromCommand } from "../ExitStatus.js"
import * as Failure from "../Failure.js"
import { usage } from "../FlagValues.js"
import * as GuestCommand from "../GuestCommand.js"
import { Interruption } from "../Interruption.js"
import { Invocation } from "../Invocation.js"
import type * as OutputFile from "../OutputFile.js"
import * as Prepared from "../Prepared.js"
import * as Progress from "../Progress.js"
import * as Reloading from "../Reloading.js"
import * as Report from "../Report.js"
import type { RunRequest } from "../RunRequest.js"
import * as RuntimeChoice from "../RuntimeChoice.js"
import * as RuntimeLayer from "../RuntimeLayer.js"
import * as Stdio from "../Stdio.js"
import * as Told from "../Told.js"
import * as WorkspaceTold from "../WorkspaceTold.js"
import * as Trace from "../Trace.js"

/** How long the last refusals may take to arrive once the bottle is down. */
const DENIALS_DRAIN_MILLIS = 1000

/** Whether the machine goes when the command has ended, however that was. */
const isLast = ({ options }: RunRequest): boolean => options.keepOnFailure !== true

/**
 * Refusals as they come, in the report and told. The last ones arrive after the bundle has closed, and nobody waits for
 * them for long.
 */
const watchDenials = (
  bottle: Bottle,
  request: RunRequest,
  recorder: Report.Recorder,
  teller: GuestCommand.Teller
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const news = Denials.makeFilter()
    const isTold = !request.quiet && request.format === "text"
    const watcher = yield* Stream.runForEach(bottle.denials, (event) => {
      Report.recordDenial(recorder, event)
      const line = isTold ? news(event) : undefined
      return line === undefined ? Effect.void : teller.say(line)
    }).pipe(Effect.interruptible, Effect.forkDaemon)
    yield* Effect.addFinalizer(() =>
      Fiber.await(watcher).pipe(
        Release.within(DENIALS_DRAIN_MILLIS),
        Effect.zipRight(Fiber.interrupt(watcher)),
        Effect.zipRight(teller.release)
      )
    )
  }).pipe(Effect.uninterruptible)

const observe =
  (request: RunRequest, recorder: Report.Recorder) =>
  (event: LaunchEvent): Effect.Effect<void, never, Stdio.Stdio> => {
    Report.record(recorder, event)
    return Told.launchEvent(event, request)
  }

/** Nobody would hear what an agent asks for, and it would end, or wait for ever. */
const noPrompt = ({ beginning: { agent } }: RunRequest) =>
  usage(
    `--agent ${agent} was given no prompt, and there is no terminal to ask for one`,
    `bottle run --agent ${agent} [flags] -- PROMPT`
  )

const isFailed = (exit: CommandExit): boolean => exit.exitCode !== 0 || exit.timedOut || exit.origin === "runtime"

/** What a shell exits with where there is no such program. */
const NOT_FOUND = 127

/** The shell in the guest names the program, and cannot know how one gets there. */
const tellNoProgram = ({ beginning: { agent }, format, quiet }: RunRequest, { code, origin }: Ending) =>
  agent === null || code !== NOT_FOUND || origin !== "guest" || quiet || format === "json"
    ? Effect.void
    : Stdio.errorLine(
        Failure.complaint(
          `the guest has no program for --agent ${agent} (exit code ${NOT_FOUND})`,
          "mount its directory (-v DIR:/opt/agent:ro -e PATH=/opt/agent:/usr/bin:/bin), or use an --image"
        )
      )

/** The bottle's record, which closes after everything else and says once if it cannot be complete. */
const makeRecord = (request: RunRequest, recorder: Report.Recorder, plan: LaunchPlan, scope: Scope.Scope) =>
  Effect.gen(function* () {
    const { directories } = yield* Engine
    const context = yield* Effect.context<Stdio.Stdio>()
    const record = yield* Record.make({
      plan,
      directories,
      onBroken: (error) => Effect.provide(Told.recordFailure(error, request.format), context)
    }).pipe(Scope.extend(scope))
    recorder.record = record
    return record
  })

/** Who is told of what happens. */
interface Watching {
  readonly recorder: Report.Recorder
  readonly progress: Progress.Progress
}

/** From the plan to the command's end. The bottle is down, and its last refusals are told, when this returns. */
const inBottle = (request: RunRequest, { progress, recorder }: Watching, tty: boolean, recordScope: Scope.Scope) =>
  Effect.gen(function* () {
    const plan = yield* Launch.plan(yield* Prepared.options(request))
    recorder.plan = plan
    yield* progress.planned(plan)
    const given = yield* Prepared.given(request, plan)
    const record = yield* makeRecord(request, recorder, plan, recordScope)
    const teller = yield* GuestCommand.makeTeller(tty)
    // Closed after the bottle's own scope: what watches the bundle must see it end.
    return yield* Effect.scopedWith((watchScope) =>
      Effect.scoped(
        Effect.gen(function* () {
          const bottle = yield* record
            .launching(Launch.launch(plan, { ...given, ledger: { kind: "run" } }))
            .pipe(Effect.tapError((error) => Effect.sync(() => Report.recordProof(recorder, error))))
          recorder.plan = bottle.plan
          recorder.proof = bottle.proof
          yield* progress.handOver
          yield* Told.unproven(bottle.proof, request)
          yield* WorkspaceTold.skipped(bottle.plan, request)
          yield* Scope.extend(watchDenials(bottle, request, recorder, teller), watchScope)
          yield* Reloading.follow({ bottle, request, record, say: teller.say })
          const command = GuestCommand.run(bottle, {
            command: request.command,
            timeoutMillis: request.timeoutMillis,
            isLast: isLast(request),
            onUnended: (what) => teller.say(GuestCommand.unended[what]),
            interactive: request.interactive,
            input: request.input,
            tty
          })
          const exit = yield* serving(command, { bottle, request, record, recorder, outer: watchScope }).pipe(
            Span.around("bottle.command", { "bottle.id": plan.id })
          )
          if (request.options.keepOnFailure === true && isFailed(exit)) yield* bottle.keep
          return exit
        })
      )
    ).pipe(Effect.ensuring(WorkspaceTold.changed(plan, request)))
  })

/**
 * Runs the command while others can use the bottle, and take it down. A run that cannot be served goes on by itself:
 * signals end it all the same.
 */
const serving = <A, E, R>(
  command: Effect.Effect<A, E, R>,
  { bottle, outer, record, recorder, request }: ServingOptions
) =>
  Control.hold({
    bottle,
    about: { name: null, kind: "run", ttlMillis: null, idleMillis: null },
    secrets: request.secrets,
    reloaded: record.reloaded,
    outer,
    failures: Effect.sync(() => recorder.releaseFailures)
  }).pipe(
    Effect.matchEffect({
      onFailure: () => command,
      onSuccess: ({ during }) => during(command)
    })
  )

interface ServingOptions {
  readonly bottle: Bottle
  readonly request: RunRequest
  readonly record: Record.BottleRecord
  readonly recorder: Report.Recorder
  readonly outer: Scope.Scope
}

/** How the run ended: its code, whose code that is, and what is told about it. */
interface Ending {
  readonly code: number
  readonly origin: Report.Report["exit"]["origin"]
  readonly timedOut: boolean
  readonly failure: Failure.Failure | null
}

const settle = (
  result: Exit.Exit<CommandExit, unknown>,
  request: RunRequest,
  recorder: Report.Recorder
): Effect.Effect<Ending> =>
  Effect.map(Interruption, ({ signal }) => {
    if (Exit.isFailure(result)) {
      const failure = Failure.fromCause(result.cause, signal)
      return { code: failure.exitCode, origin: "engine", timedOut: false, failure }
    }
    const exit = result.value
    const failure = GuestCommand.failureOf(exit, {
      timeoutMillis: request.timeoutMillis,
      program: recorder.plan?.runtime.program ?? "the runtime"
    })
    return {
      code: fromCommand(exit),
      origin: exit.timedOut ? "engine" : exit.origin,
      timedOut: exit.timedOut,
      failure
    }
  })

const recordEnd = ({ record }: Report.Recorder, { code, failure, origin, timedOut }: Ending): Effect.Effect<void> =>
  record === null ? Effect.void : record.ended({ code, origin, timedOut, error: failure?.error ?? null })

const writeReport = (place: OutputFile.Place, recorder: Report.Recorder, ending: Ending, startedAt: DateTime.Utc) =>
  Effect.gen(function* () {
    const now = yield* DateTime.now
    yield* Report.write(
      place,
      new Report.Report({
        version: 1,
        startedAt,
        durationMillis: DateTime.distance(startedAt, now),
        record: recorder.record?.directory ?? null,
        plan: recorder.plan,
        proof: recorder.proof,
        stages: recorder.stages,
        exit: { code: ending.code, origin: ending.origin, timedOut: ending.timedOut },
        failure: ending.failure,
        denials: recorder.denials,
        denialsDropped: recorder.denialsDropped,
        releaseFailures: recorder.releaseFailures,
        kept: recorder.kept
      })
    )
  })

/**
 * Runs the request's command in a new bottle and gives the exit code. Everything is down, and the report is written,
 * when this returns, whatever happened.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (
  request: RunRequest
): Effect.Effect<number, never, Invocation | Stdio.Stdio | CommandExecutor | FileSystem> =>
  Trace.over({ file: request.trace, name: "run", manner: { format: request.format, jsonOn: "stderr" } }, () =>
    toItsEnd(request)
  )

const toItsEnd = (request: RunRequest) =>
  Effect.gen(function* () {
    const manner: Told.Manner = { format: request.format, jsonOn: "stderr" }
    const startedAt = yield* DateTime.now
    const recorder = Report.makeRecorder()
    const notify = observe(request, recorder)
    let place: OutputFile.Place | null = null
    const work = (recordScope: Scope.Scope, progress: Progress.Progress) =>
      Effect.gen(function* () {
        if (request.report !== null) place = yield* Report.check(request.report)
        const tty = yield* GuestCommand.chooseTty(request.tty)
        if (request.isConversation && !tty && !request.interactive) return yield* noPrompt(request)
        const choice = yield* RuntimeChoice.choose(request.runtime, yield* Invocation)
        yield* Told.announce(choice, request)
        return yield* Effect.provide(
          inBottle(request, { progress, recorder }, tty, recordScope),
          RuntimeLayer.forLaunch(choice, request)
        )
      }).pipe(
        Effect.provideService(LaunchObserver, {
          notify: (event) =>
            Effect.zipRight(Effect.provideService(notify(event), Stdio.Stdio, progress.stdio), progress.notify(event))
        }),
        Effect.provideService(Stdio.Stdio, progress.stdio)
      )
    // What comes after the work has to be done after an interruption too.
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.scopedWith((recordScope) =>
        Effect.gen(function* () {
          const progress = yield* Scope.extend(Progress.make(request), recordScope)
          const result = yield* Effect.exit(restore(work(recordScope, progress)))
          yield* progress.end(Exit.isFailure(result) ? "failed" : "well")
          const ending = yield* settle(result, request, recorder)
          yield* recordEnd(recorder, ending)
          if (Exit.isFailure(result)) yield* Told.debug(result.cause, ending.failure)
          if (ending.failure !== null) yield* Told.tell(ending.failure, manner)
          yield* tellNoProgram(request, ending)
          // A report that could not be written before the launch cannot be written after it.
          if (request.report !== null && ending.failure?.error !== "ReportUnwritable") {
            const found = place === null ? Report.check(request.report) : Effect.succeed(place)
            yield* Effect.flatMap(found, (file) => writeReport(file, recorder, ending, startedAt)).pipe(
              Effect.catchAll((error) => Told.tell(Failure.fromError(error), manner))
            )
          }
          return ending.code
        })
      )
    )
  })
