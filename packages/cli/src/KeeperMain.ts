/**
 * `bottle-keeper keep`: holds one bottle that outlives the terminal it was brought up from. `bottle up` starts it, says on
 * descriptor 3 what to launch, and listens on 4 until the bottle is ready; then both are closed.
 *
 * @since 0.1.0
 */
import * as Docker from "@bottle/docker/Docker"
import * as Bundle from "@bottle/engine/Bundle"
import * as Engine from "@bottle/engine/Engine"
import * as Keeper from "@bottle/engine/Keeper"
import { Runtimes } from "@bottle/engine/Runtimes"
import * as Environment from "@bottle/process/Environment"
import * as Executor from "@bottle/process/Executor"
import * as Pipe from "@bottle/process/Pipe"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { ExitStatus } from "./ExitStatus.js"
import * as KeeperMemory from "./KeeperMemory.js"
import * as RuntimeLayer from "./RuntimeLayer.js"
import * as RuntimesLayer from "./RuntimesLayer.js"
import * as Unattended from "./Unattended.js"

/** Where the words come from, where they go, and where Node writes what it ends us for. */
const INPUT = 3
const OUTPUT = 4
const WORDS = 2

/** Who started us reads this at once, or never. */
const UNREAD_BYTES_MAX = 1024 * 1024
const FLUSH_TIMEOUT_MILLIS = 2000

/** Nothing that is written from now on goes to who started us, who may read it no more. */
const silence = (): void => {
  Fs.closeSync(WORDS)
  // The lowest number that is free.
  Fs.openSync("/dev/null", "w")
}

interface Ends {
  readonly parent: Keeper.Parent
  /** Something failed that no effect knows of. */
  readonly isCrashed: () => boolean
  readonly flushed: Effect.Effect<void>
}

/** Our ends of what there is between us and who started us. */
const makeEnds = (input: Net.Socket, output: Net.Socket): Effect.Effect<Ends, never, Scope.Scope> =>
  Effect.gen(function* () {
    const told = yield* Deferred.make<void>()
    let isCrashed = false
    const end = (): void => Deferred.unsafeDone(told, Effect.void)
    for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) process.on(signal, end)
    for (const event of ["uncaughtException", "unhandledRejection"] as const) {
      process.on(event, (cause: unknown) => {
        if (!isCrashed) process.stderr.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
        // What is up has to come down all the same.
        isCrashed = true
        end()
      })
    }
    output.on("error", () => {})
    const heard = yield* Queue.unbounded<Option.Option<string>>()
    yield* Pipe.fromReadable(input, () => undefined).pipe(
      Stream.catchAll(() => Stream.empty),
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((line) => Queue.offer(heard, Option.some(line))),
      Effect.ensuring(Queue.offer(heard, Option.none())),
      Effect.interruptible,
      Effect.forkScoped
    )
    return {
      parent: {
        say: (line) =>
          Effect.sync(() => {
            // Only what happens is told often; the last word is waited for.
            const isDropped = output.writableLength > UNREAD_BYTES_MAX && /^\{"(?:event|span)":/.test(line)
            if (output.writable && !isDropped) output.write(`${line}\n`)
          }),
        next: Queue.take(heard),
        leave: Effect.sync(() => {
          input.destroy()
          output.destroy()
          silence()
        }),
        told: Deferred.await(told)
      },
      isCrashed: () => isCrashed,
      flushed: Effect.async<void>((resume) => {
        if (output.destroyed) return resume(Effect.void)
        output.end(() => resume(Effect.void))
      }).pipe(Effect.timeoutOption(FLUSH_TIMEOUT_MILLIS), Effect.asVoid)
    }
  })

/** The layers of the bottle that the document names: it was planned elsewhere, and for this very user. */
const layerOf = ({ plan: { bundle, directories, runtime } }: Keeper.Document, environment: Environment.Variables) => {
  const runtimes = Layer.provide(RuntimesLayer.layer({ environment, state: directories.state }), Executor.layer)
  const smolvm = Layer.scoped(
    Smolvm,
    Effect.flatMap(Runtimes, ({ smolvm: of }) => of(runtime))
  ).pipe(Layer.provide(runtimes))
  const bundles = Bundle.layer.pipe(
    Layer.provide(Docker.layer(bundle._tag === "Container" ? { program: bundle.program } : {})),
    Layer.provide(
      Engine.layer({
        directories,
        runtime: runtime.kind,
        arch: process.arch,
        superuser: process.getuid?.() === 0
      })
    ),
    Layer.provide(Executor.layer)
  )
  const keeper = [process.execPath, process.argv[1] ?? ""] as const
  return Layer.mergeAll(smolvm, bundles, RuntimeLayer.abandoned({ environment, keeper })).pipe(
    Layer.provideMerge(NodeFileSystem.layer)
  )
}

/** Tells each span when it is over, for as long as somebody listens. */
const traced = <A, E, R>(keeping: Effect.Effect<A, E, R>, { say }: Keeper.Parent): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Effect.promise(() => import("./TraceSpans.js")),
    ({ make }) =>
      Effect.withTracer(keeping, make({ onSpan: (span) => void Effect.runSync(say(Keeper.writeSpan(span))) }).tracer)
  )

const keep = (ends: Ends): Effect.Effect<number> =>
  Effect.gen(function* () {
    const { isCrashed, parent } = ends
    const line = yield* parent.next
    // Whoever started us has gone before it said anything.
    if (Option.isNone(line)) return ExitStatus.success
    const document = Keeper.readDocument(line.value)
    if (Option.isNone(document)) {
      process.stderr.write("bottle-keeper: what is to be launched cannot be read\n")
      return ExitStatus.usage
    }
    const environment = KeeperMemory.without(yield* Environment.host)
    const keeping = Effect.provide(Keeper.keep(document.value, parent), layerOf(document.value, environment))
    yield* document.value.trace === true ? traced(keeping, parent) : keeping
    return isCrashed() ? ExitStatus.defect : ExitStatus.success
  })

/**
 * Holds the bottle that descriptor 3 names, and ends the process when it is down.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (words: ReadonlyArray<string>): void => {
  let input: Net.Socket
  let output: Net.Socket
  try {
    input = new Net.Socket({ fd: INPUT, readable: true, writable: false })
    output = new Net.Socket({ fd: OUTPUT, readable: false, writable: true })
  } catch {
    return Unattended.refuse()
  }
  if (words.length > 0) return Unattended.refuse()
  const main = Effect.scoped(
    Effect.flatMap(makeEnds(input, output), (ends) => Effect.zipLeft(keep(ends), ends.flushed))
  )
  Effect.runFork(main).addObserver((exit) => process.exit(exit._tag === "Success" ? exit.value : ExitStatus.defect))
}
