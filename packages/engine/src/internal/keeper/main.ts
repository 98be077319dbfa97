import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Bottle, BottleError, BottleOutput, CommandExit } from "../../Bottle.js"
import type { MainCommand } from "../../Control.js"
import type { BottleRecord } from "../../Record.js"
import * as Backlog from "../control/backlog.js"
import type { Document } from "./wire.js"

/** How much input waits for a command that does not read, before who gives it has to. */
const INPUT_CHUNKS_MAX = 16

/** How a main command ended: by an exit, or by what kept it from having one. */
export type MainEnd =
  | { readonly _tag: "Exit"; readonly exit: CommandExit }
  | { readonly _tag: "Failed"; readonly error: BottleError }

/** A main command that goes on. */
export interface Main {
  readonly command: MainCommand
  readonly ended: Effect.Effect<MainEnd>
  /** How it ended; `null` while it goes on. */
  readonly end: Effect.Effect<MainEnd | null>
}

/** Starts the main command of a bottle. It ends with the scope. */
export const start = (
  bottle: Pick<Bottle, "stream">,
  record: Pick<BottleRecord, "output">,
  wanted: NonNullable<Document["main"]>
): Effect.Effect<Main, never, Scope.Scope> =>
  Effect.gen(function* () {
    const output = Backlog.make()
    const input = wanted.interactive ? yield* Queue.bounded<Uint8Array>(INPUT_CHUNKS_MAX) : null
    const ended = yield* Deferred.make<MainEnd>()
    let end: MainEnd | null = null
    const take = (event: BottleOutput): Effect.Effect<void> => {
      if (event._tag !== "Exit") {
        output.push({ from: event._tag === "Stdout" ? "out" : "err", bytes: event.bytes })
        return record.output(event.bytes)
      }
      output.end(event.exit)
      return settle({ _tag: "Exit", exit: event.exit })
    }
    const settle = (how: MainEnd) =>
      Effect.suspend(() => {
        end = how
        return Effect.asVoid(Deferred.succeed(ended, how))
      })
    yield* bottle
      .stream({
        command: wanted.command,
        env: wanted.env,
        secrets: new Map(Object.entries(wanted.secrets).map(([name, value]) => [name, Redacted.make(value)])),
        workdir: wanted.workdir ?? undefined,
        timeoutMillis: wanted.timeoutMillis ?? undefined,
        stdin: input === null ? undefined : Stream.fromQueue(input),
        isLast: true
      })
      .pipe(
        Stream.runForEach(take),
        Effect.catchAll((error) => settle({ _tag: "Failed", error })),
        Effect.interruptible,
        Effect.forkScoped
      )
    return {
      command: {
        command: wanted.command,
        output,
        input: input === null ? null : (bytes) => Effect.asVoid(Queue.offer(input, bytes))
      },
      ended: Deferred.await(ended),
      end: Effect.sync(() => end)
    }
  })
