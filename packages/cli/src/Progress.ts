/**
 * What a launch is busy with, told where it takes long enough to make somebody wonder: as lines that go again where
 * standard error is a terminal, and as a line for each slow stage where it is none.
 *
 * @since 0.1.0
 */
import { type LaunchEvent, RELEASE_SLOW_MILLIS } from "@bottle/engine/LaunchObserver"
import type { LaunchPlan } from "@bottle/engine/LaunchPlan"
import type { Stage } from "@bottle/engine/Stage"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Colors from "./Colors.js"
import type { Format } from "./FlagValues.js"
import { Interruption } from "./Interruption.js"
import { Invocation } from "./Invocation.js"
import * as LiveArea from "./LiveArea.js"
import * as LiveLines from "./LiveLines.js"
import * as Printable from "./Printable.js"
import * as Stdio from "./Stdio.js"

/** Nobody wonders before. */
const PATIENCE_MILLIS = 1000

/** Where lines stay, only what takes really long is worth one; what is made once takes long by its nature. */
const PATIENCE_MILLIS_PLAIN = 10_000
const PATIENCE_MILLIS_ONCE = 2000

/** Ten times a second. */
const FRAME_MILLIS = 100

const once: Readonly<Partial<Record<Stage, string>>> = {
  workspace: "copying the workspace",
  pack: "making a pack of the image, once",
  image: "building the bundle's image, once"
}

/**
 * The progress of a launch.
 *
 * - `notify`: takes what a launch says; it never waits for the terminal
 * - `planned`: learns the commands of the plan, so that it can say which one is waited for
 * - `handOver`: the launch is over: nothing of it is on the screen when this returns
 * - `end`: as `handOver`, but where it failed, the stage that failed stays on the screen, if it was seen there
 * - `stdio`: the program's streams, for whoever writes meanwhile: it goes above what is shown
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  readonly notify: (event: LaunchEvent) => Effect.Effect<void>
  readonly planned: (plan: LaunchPlan) => Effect.Effect<void>
  readonly handOver: Effect.Effect<void>
  readonly end: (how: "well" | "failed") => Effect.Effect<void>
  readonly stdio: Context.Tag.Service<Stdio.Stdio>
}

/**
 * How it is told: not at all with `--quiet` and for programs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Manner {
  readonly quiet: boolean
  readonly format: Format
}

/** The program and the words of its own grammar: what comes after those are names and values. */
const shortOf = ([program = "", ...words]: ReadonlyArray<string>): string => {
  const end = words.findIndex((word) => !/^[a-z][a-z-]*$/.test(word))
  const own = end === -1 ? words : words.slice(0, end)
  return Printable.line([program.slice(program.lastIndexOf("/") + 1), ...own.slice(0, 2)].join(" "), 80)
}

/** What each stage of a plan waits for: the last of its commands, which is the one that takes its time. */
const commandsOf = ({ steps }: LaunchPlan): ReadonlyMap<string, string> =>
  new Map(steps.map(({ argv, stage }) => [stage, shortOf(argv)]))

const waitsFor = (stage: Stage, commands: ReadonlyMap<string, string>): string =>
  [once[stage], commands.get(stage)].filter((text) => text !== undefined).join(", ")

/** Whether lines can be drawn over on this terminal, in colour or without. */
const screenOf = (
  { screen }: Context.Tag.Service<Stdio.Stdio>,
  environment: Readonly<Record<string, string>>
): { readonly screen: Stdio.Screen; readonly isColoured: boolean } | null =>
  screen === undefined || environment["TERM"] === "dumb" || (environment["TERM"] ?? "") === ""
    ? null
    : { screen, isColoured: Colors.areWanted(environment) }

/**
 * The progress of one launch. The scope's end takes away whatever is shown.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({
  format,
  quiet
}: Manner): Effect.Effect<Progress, never, Stdio.Stdio | Invocation | Scope.Scope> =>
  Effect.gen(function* () {
    const stdio = yield* Stdio.Stdio
    if (quiet || format === "json") return silent(stdio)
    const found = screenOf(stdio, (yield* Invocation).environment)
    return yield* found === null ? plain(stdio) : live(stdio, found)
  })

const silent = (stdio: Context.Tag.Service<Stdio.Stdio>): Progress => ({
  notify: () => Effect.void,
  planned: () => Effect.void,
  handOver: Effect.void,
  end: () => Effect.void,
  stdio
})

const plain = (stdio: Context.Tag.Service<Stdio.Stdio>): Effect.Effect<Progress, never, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting = new Map<Stage, Fiber.RuntimeFiber<void>>()
    let commands: ReadonlyMap<string, string> = new Map()
    const say = (line: string) => Effect.provideService(Stdio.errorLine(`bottle: ${line} ...`), Stdio.Stdio, stdio)
    const lineOf = (stage: Stage): string => {
      const command = commands.get(stage)
      return once[stage] ?? `still waiting for ${stage}${command === undefined ? "" : ` (${command})`}`
    }
    const stop = Effect.suspend(() => Fiber.interruptAll([...waiting.values()]))
    yield* Effect.addFinalizer(() => stop)
    const notify = (event: LaunchEvent): Effect.Effect<void> => {
      switch (event._tag) {
        case "StageStarted":
          return Effect.suspend(() => say(lineOf(event.stage))).pipe(
            Effect.delay(once[event.stage] === undefined ? PATIENCE_MILLIS_PLAIN : PATIENCE_MILLIS_ONCE),
            Effect.interruptible,
            Effect.forkDaemon,
            Effect.map((fiber) => void waiting.set(event.stage, fiber))
          )
        case "ReleaseSlow":
          return say(`still removing ${event.resource}`)
        case "StageEnded": {
          const fiber = waiting.get(event.stage)
          waiting.delete(event.stage)
          return fiber === undefined ? Effect.void : Fiber.interruptFork(fiber)
        }
        default:
          return Effect.void
      }
    }
    return {
      notify: (event) => Effect.suspend(() => notify(event)),
      planned: (plan) => Effect.sync(() => void (commands = commandsOf(plan))),
      handOver: stop,
      end: () => stop,
      stdio
    }
  })

/** What is shown: stages by their names, removals by what they remove. */
interface Board {
  readonly entries: Map<string, LiveLines.Entry>
  readonly removals: Set<string>
  /** The first stage that failed: those that fail after it were cut off by it. */
  failed: string | null
  isSeen: boolean
  commands: ReadonlyMap<string, string>
}

const takeIn = (board: Board, event: LaunchEvent, nowMillis: number): void => {
  const { commands, entries, removals } = board
  switch (event._tag) {
    case "StageStarted":
      entries.set(event.stage, {
        label: event.stage,
        detail: waitsFor(event.stage, commands),
        said: null,
        startedMillis: nowMillis,
        ended: null
      })
      return
    case "StageEnded": {
      const entry = entries.get(event.stage)
      if (entry === undefined) return
      if (!event.ok) board.failed ??= event.stage
      // What was cut off by the failure of another did not fail.
      if (!event.ok && board.failed !== event.stage) entries.delete(event.stage)
      else entries.set(event.stage, { ...entry, ended: { atMillis: nowMillis, ok: event.ok } })
      return
    }
    case "BundleSaid":
    case "StageSaid": {
      const stage = event._tag === "StageSaid" ? event.stage : "bundle"
      const entry = entries.get(stage)
      if (entry !== undefined && entry.ended === null) entries.set(stage, { ...entry, said: event.text })
      return
    }
    case "ReleaseSlow":
      removals.add(event.resource)
      entries.set(event.resource, {
        label: `still removing ${Printable.line(event.resource, 80)}`,
        detail: "",
        said: null,
        startedMillis: nowMillis - RELEASE_SLOW_MILLIS,
        ended: null
      })
      return
    case "ReleaseFailed":
      removals.delete(event.resource)
      entries.delete(event.resource)
      return
    case "Kept":
      return
  }
}

const live = (
  stdio: Context.Tag.Service<Stdio.Stdio>,
  { isColoured, screen }: { readonly screen: Stdio.Screen; readonly isColoured: boolean }
): Effect.Effect<Progress, never, Scope.Scope> =>
  Effect.gen(function* () {
    const interruption = yield* Interruption
    const area = yield* LiveArea.make(stdio, screen)
    const board: Board = { entries: new Map(), removals: new Set(), failed: null, isSeen: false, commands: new Map() }

    /** Whoever has pressed Ctrl-C waits for what is removed, and for nothing else. */
    const shown = (nowMillis: number): ReadonlyArray<LiveLines.Entry> => {
      const removals = [...board.removals].flatMap((resource) => board.entries.get(resource) ?? [])
      const stages = [...board.entries].flatMap(([key, entry]) => (board.removals.has(key) ? [] : [entry]))
      const first = stages[0]?.startedMillis ?? nowMillis
      const areStages = interruption.signal === null && (board.isSeen || nowMillis - first >= PATIENCE_MILLIS)
      return areStages ? [...stages, ...removals] : removals
    }
    const canvas = (nowMillis: number): LiveLines.Canvas => ({ ...LiveArea.sizeOf(screen), isColoured, nowMillis })
    const frame = Effect.flatMap(Clock.currentTimeMillis, (nowMillis) => {
      const entries = shown(nowMillis)
      board.isSeen ||= entries.length > 0
      return area.draw(LiveLines.render(entries, canvas(nowMillis)))
    })
    let drawing: Fiber.RuntimeFiber<never> | null = null
    // From the first event on, and in a fiber of its own: a terminal that is slow must not make the launch slow.
    const begin = Effect.suspend(() =>
      drawing !== null
        ? Effect.void
        : Effect.map(
            Effect.forkDaemon(
              Effect.interruptible(
                Effect.forever(Effect.zipRight(Effect.sleep(FRAME_MILLIS), Effect.uninterruptible(frame)))
              )
            ),
            (fiber) => void (drawing = fiber)
          )
    )
    const stop = Effect.suspend(() => {
      const fiber = drawing
      drawing = null
      return Effect.zipRight(fiber === null ? Effect.void : Fiber.interrupt(fiber), area.draw([]))
    })
    const clear = Effect.sync(() => {
      board.entries.clear()
      board.removals.clear()
      board.failed = null
      board.isSeen = false
    })
    yield* Effect.addFinalizer(() => stop)
    const end = (how: "well" | "failed") =>
      Effect.gen(function* () {
        const failed = how === "failed" && board.isSeen && interruption.signal === null ? board.failed : null
        const entry = failed === null ? undefined : board.entries.get(failed)
        yield* stop
        yield* clear
        if (entry === undefined) return
        const lines = LiveLines.render([entry], canvas(yield* Clock.currentTimeMillis))
        yield* stdio.stderr(Buffer.from(lines.map((line) => `${line}\n`).join("")))
      })
    return {
      notify: (event) =>
        Effect.zipRight(
          Effect.map(Clock.currentTimeMillis, (nowMillis) => takeIn(board, event, nowMillis)),
          begin
        ),
      planned: (plan) => Effect.sync(() => void (board.commands = commandsOf(plan))),
      handOver: end("well"),
      end,
      stdio: area.stdio
    }
  })

/**
 * Runs something that is no launch and may take long, with a line that says so for as long as it goes on.
 *
 * @since 0.1.0
 * @category constructors
 */
export const during =
  (label: string, { format, quiet }: Manner) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Stdio.Stdio | Invocation> =>
    Effect.gen(function* () {
      const stdio = yield* Stdio.Stdio
      if (quiet || format === "json") return yield* work
      const found = screenOf(stdio, (yield* Invocation).environment)
      if (found === null) {
        const told = Stdio.errorLine(`bottle: ${label} ...`).pipe(Effect.delay(PATIENCE_MILLIS_PLAIN))
        return yield* Effect.scoped(Effect.zipRight(Effect.forkScoped(Effect.interruptible(told)), work))
      }
      const area = yield* LiveArea.make(stdio, found.screen)
      const startedMillis = yield* Clock.currentTimeMillis
      const entry: LiveLines.Entry = { label, detail: "", said: null, startedMillis, ended: null }
      const frame = Effect.flatMap(Clock.currentTimeMillis, (nowMillis) =>
        area.draw(
          LiveLines.render([entry], { ...LiveArea.sizeOf(found.screen), isColoured: found.isColoured, nowMillis })
        )
      )
      const drawing = Effect.zipRight(
        Effect.sleep(PATIENCE_MILLIS),
        Effect.forever(Effect.zipRight(Effect.uninterruptible(frame), Effect.sleep(FRAME_MILLIS)))
      )
      return yield* Effect.acquireUseRelease(
        Effect.forkDaemon(Effect.interruptible(drawing)),
        () => Effect.provideService(work, Stdio.Stdio, area.stdio),
        (fiber) => Effect.zipRight(Fiber.interrupt(fiber), area.draw([]))
      )
    })
