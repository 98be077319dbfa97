import * as Effect from "effect/Effect"
import type { Machine } from "../../FakeMachine.js"
import { type Call, type Done, done, fail, has, one, type Stop } from "./call.js"
import { inMachine } from "./exec.js"
import { boot, halt, register } from "./lifecycle.js"
import * as World from "./world.js"

/** `machine run`. */
export const run = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const { world } = call
    const isDetached = has(call, "--detach")
    const given = one(call, "--name")
    if (given !== undefined && !isDetached) yield* call.write("stderr", "warning: --name is ignored without -d\n")
    const name = isDetached ? (given ?? "default") : `run-${world.nextPid().toString(16).padStart(8, "0")}`
    if (isDetached && world.machines.has(name)) {
      return yield* fail(`config operation failed: machine run: machine '${name}' already exists`)
    }
    // Its moments are those of its command.
    const quiet: Call = { ...call, moment: () => Effect.void }
    yield* call.write("stderr", "Starting machine...\n")
    const registered = yield* register(quiet, name, !isDetached)
    if (isDetached) {
      const machine = yield* onFailure(world, name, boot(quiet, registered))
      return done(`Machine '${name}' running (PID: ${machine.pid})\n`)
    }
    return yield* ephemeral(call, quiet, registered)
  })

/** Runs the command in a machine that is gone with it, whatever becomes of either. */
export const ephemeral = (call: Call, quiet: Call, registered: Machine): Effect.Effect<Done, Stop> => {
  const { world } = call
  return Effect.gen(function* () {
    // Progress stands on stdout, ahead of the command's own output.
    if (registered.image !== null) yield* call.write("stdout", `Using cached image ${registered.image}\n`)
    if (registered.init.length > 0) yield* call.write("stdout", `Running ${registered.init.length} init command(s)\n`)
    const machine = yield* boot(quiet, registered)
    const { trailing } = call.invocation
    const words = trailing.length > 0 ? trailing : [...machine.entrypoint, ...machine.cmd]
    return yield* inMachine(call, machine, words.length > 0 ? words : ["sh"])
  }).pipe(Effect.ensuring(Effect.zipRight(halt({ world }, registered), World.forget(world, registered.name))))
}

const onFailure = <A>(world: World.World, name: string, self: Effect.Effect<A, Stop>): Effect.Effect<A, Stop> =>
  Effect.tapError(self, () => World.forget(world, name))
