import * as Effect from "effect/Effect"
import type { Machine } from "../../FakeMachine.js"
import { all, type Call, type Done, done, fail, find, has, number, one, type Stop } from "./call.js"
import * as Guests from "./guests.js"
import { pairs, references } from "./lifecycle.js"
import { port } from "./rules.js"
import * as World from "./world.js"

/** `machine fork`. */
export const fork = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const { world } = call
    const golden = yield* find(call, one(call, "--golden") ?? call.invocation.positionals[0] ?? "")
    if (golden.state !== "running" && golden.state !== "frozen") {
      return yield* fail(`invalid vm state: expected running, got ${golden.state}`)
    }
    if (!golden.forkable) {
      return yield* fail(`config operation failed: fork: machine '${golden.name}' was not started with --forkable`)
    }
    const names = namesOf(call)
    const taken = names.find((name) => world.machines.has(name) || world.reserved.has(name))
    if (taken !== undefined) {
      return yield* fail(`config operation failed: fork: machine '${taken}' already exists or is being created`)
    }
    yield* Guests.secretsOf(call, references(call, "--secret-env"), references(call, "--secret-file"))
    // From 1.3.0 the memory that its clones share no longer changes.
    if (world.release.since("1.3.0")) yield* World.put(world, { ...golden, state: "frozen" })
    for (const [index, name] of names.entries()) {
      yield* World.put(world, cloneOf(call, golden, name))
      if (index === 0) yield* call.moment("half-way")
    }
    return done(names.map((name) => `Forked machine: ${name}\n`).join(""))
  })

const namesOf = (call: Call): ReadonlyArray<string> => {
  const prefix = one(call, "--name-prefix")
  const count = number(call, "--count") ?? 1
  if (prefix === undefined) return [one(call, "--name") ?? call.invocation.positionals[1] ?? ""]
  return Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`)
}

const cloneOf = (call: Call, golden: Machine, name: string): Machine => ({
  ...golden,
  name,
  state: "running",
  pid: call.world.nextPid(),
  golden: golden.name,
  forkable: has(call, "--forkable"),
  forkpointHeld: has(call, "--hold"),
  // A port of the host has room for one machine.
  ports: all(call, "--port").map(port),
  env: [...new Map([...golden.env, ...pairs(all(call, "--env"))])],
  secretEnv: [...golden.secretEnv, ...references(call, "--secret-env")],
  secretFiles: [...golden.secretFiles, ...references(call, "--secret-file")]
})

/** `machine fork-release`. */
export const release = (call: Call): Effect.Effect<Done, Stop> =>
  Effect.gen(function* () {
    const machine = yield* find(call)
    if (!machine.forkpointHeld) {
      return yield* fail(`config operation failed: fork-release: machine '${machine.name}' is not held at its fork`)
    }
    yield* call.moment("half-way")
    const env = [...new Map([...machine.env, ...pairs(all(call, "--env"))])]
    yield* World.put(call.world, { ...machine, forkpointHeld: false, env })
    return done(`Released machine: ${machine.name}\n`)
  })
