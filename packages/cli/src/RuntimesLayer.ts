/**
 * The programs that bottles of this user were made with, whichever each of them was.
 *
 * @since 0.1.0
 */
import * as ClientEnvironment from "@bottle/docker/ClientEnvironment"
import * as Directories from "@bottle/engine/Directories"
import * as Places from "@bottle/engine/Places"
import { Runtimes } from "@bottle/engine/Runtimes"
import * as Environment from "@bottle/process/Environment"
import * as RuntimeEnvironment from "@bottle/smolvm/RuntimeEnvironment"
import * as Smolvm from "@bottle/smolvm/Smolvm"
import { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * A runtime's environment: the caller's without what would weaken a policy, replace whom it trusts, or change how it
 * boots.
 *
 * @since 0.1.0
 * @category conversions
 */
export const environmentOf = (environment: Environment.Variables): Record<string, string> =>
  RuntimeEnvironment.scrub(Environment.scrub(environment))

/**
 * Where it is kept what a smolvm of this machine can do, for whoever runs it next: not among the bottles' places, since it
 * belongs to the program, whoever's bottle it runs. Delete the directory to have every program asked anew.
 *
 * @since 0.1.0
 * @category conversions
 */
export const capabilitiesDirectory = (environment: Environment.Variables): string =>
  `${Directories.fromEnvironment(environment).cache}/capabilities`

/**
 * The runtimes of an environment. `state` is the state directory of the bottles: the embedded runtime keeps its machines
 * below it, wherever the environment would have them. A bottle's own places go before those of the environment.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: {
  readonly environment: Environment.Variables
  readonly state: string
}): Layer.Layer<Runtimes, never, CommandExecutor> =>
  Layer.effect(
    Runtimes,
    Effect.map(CommandExecutor, (executor) => {
      const { environment } = options
      const cacheDirectory = capabilitiesDirectory(environment)
      return {
        smolvm: ({ kind, program }, places) =>
          Effect.gen(function* () {
            const env = environmentOf(places === undefined ? environment : Places.apply(environment, places))
            if (kind === "local") {
              const { defaultProgram, make } = yield* Effect.promise(() => import("@bottle/local/LocalExecutor"))
              if (program === defaultProgram) {
                const local = make(executor, { stateDir: `${options.state}/local` })
                return yield* Effect.provideService(Smolvm.make({ program, env }), CommandExecutor, local)
              }
            }
            const made = Smolvm.make({ program: places?.runtime ?? program, env, cacheDirectory })
            return yield* Effect.provideService(made, CommandExecutor, executor)
          }),
        docker: (program, places) =>
          Effect.gen(function* () {
            const env = places === undefined ? environment : yield* Places.applyToDocker(environment, places)
            const { make } = yield* Effect.promise(() => import("@bottle/docker/Docker"))
            const made = make({ program: places?.container ?? program, env: ClientEnvironment.scrub(env) })
            return yield* Effect.provideService(made, CommandExecutor, executor)
          })
      }
    })
  )
