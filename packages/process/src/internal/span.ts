import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Exit } from "../Exit.js"
import type { Program } from "../Program.js"
import { within } from "../Span.js"

/** What every span of a process is called; what runs is in its attributes. */
export const NAME = "process"

/** All that is told of what runs: neither an argument nor a variable nor a path, since those may be secrets. */
export const optionsOf = ({ program, subcommand }: Pick<Program, "program" | "subcommand">): Tracer.SpanOptions => ({
  attributes: {
    "process.program": program.slice(program.lastIndexOf("/") + 1),
    ...(subcommand === undefined ? {} : { "process.subcommand": subcommand })
  },
  // Where the call stands in our source says nothing to whoever reads a trace, and costs more than the span.
  captureStackTrace: false
})

/** Notes how the process of a span has ended. */
const noteExit =
  (span: Tracer.Span) =>
  ({ code, signal }: Exit): Effect.Effect<void> =>
    Effect.sync(() => {
      span.attribute("process.exit_code", code)
      if (signal !== null) span.attribute("process.signal", signal)
    })

/** Runs what runs a program, from its start to its end, in the program's span. */
export const traced = <A, E, R>(
  program: Program,
  run: Effect.Effect<A, E, R>,
  exitOf: (result: A) => Exit
): Effect.Effect<A, E, R> =>
  Effect.useSpan(NAME, optionsOf(program), (span) =>
    Effect.tap(within(span)(run), (result) => noteExit(span)(exitOf(result)))
  )

/** The span of a program that runs as long as the scope, for what starts it, and for how it has ended. */
export const scoped = (
  program: Program
): Effect.Effect<
  { readonly within: ReturnType<typeof within>; readonly noteExit: ReturnType<typeof noteExit> },
  never,
  Scope.Scope
> =>
  Effect.map(Effect.makeSpanScoped(NAME, optionsOf(program)), (span) => ({
    within: within(span),
    noteExit: noteExit(span)
  }))
