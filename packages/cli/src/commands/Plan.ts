/**
 * `bottle plan`, which is `bottle run --dry-run`: what a launch would do, as text or as the plan's own JSON.
 *
 * @since 0.1.0
 */
import * as Launch from "@bottle/engine/Launch"
import { LaunchPlan } from "@bottle/engine/LaunchPlan"
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type { FileSystem } from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Invocation } from "../Invocation.js"
import * as PlanText from "../PlanText.js"
import * as Prepared from "../Prepared.js"
import type { RunRequest } from "../RunRequest.js"
import * as RuntimeChoice from "../RuntimeChoice.js"
import * as RuntimeLayer from "../RuntimeLayer.js"
import * as SettingsText from "../SettingsText.js"
import * as Stdio from "../Stdio.js"
import { ExitStatus } from "../ExitStatus.js"
import * as Told from "../Told.js"
import * as Trace from "../Trace.js"

/** Where values come from that are not all the line's own. */
const origins = ({ beginning }: RunRequest): ReadonlyArray<string> =>
  beginning.bottle === null && beginning.agent === null
    ? []
    : ["", "begins with:", ...SettingsText.lines(SettingsText.rows(beginning)).map((line) => `  ${line}`)]

const print = (request: RunRequest) =>
  Effect.gen(function* () {
    const choice = yield* RuntimeChoice.choose(request.runtime, yield* Invocation)
    yield* Told.announce(choice, request)
    const plan = yield* Effect.provide(
      Effect.flatMap(Prepared.options(request), Launch.plan),
      RuntimeLayer.forLaunch(choice, request)
    )
    const text =
      request.format === "json"
        ? JSON.stringify(Schema.encodeSync(LaunchPlan)(plan), null, 2)
        : [PlanText.render(plan, request.command), ...origins(request)].join("\n")
    yield* Stdio.outputText(text)
    return ExitStatus.success
  })

/**
 * Prints the plan and gives the exit code. Nothing is created; the runtime is asked for its version.
 *
 * @since 0.1.0
 * @category constructors
 */
export const plan = (
  request: RunRequest
): Effect.Effect<number, never, Invocation | Stdio.Stdio | CommandExecutor | FileSystem> =>
  Effect.suspend(() => {
    const manner: Told.Manner = { format: request.format, jsonOn: "stdout" }
    return Trace.over({ file: request.trace, name: "plan", manner }, () =>
      Effect.catchAllCause(print(request), (cause) => Told.failWith(cause, manner))
    )
  })
