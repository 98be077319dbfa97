/**
 * A pool of bottles that are ready: a task takes one that runs already, and gives it back. Each task still finds a clean
 * directory of its own; what needs a clean machine takes a bottle of its own instead.
 */
import * as Launch from "@bottle/engine/Launch"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Pool from "effect/Pool"
import { layer } from "./layers.js"

const BOTTLES = 2

const program = Effect.gen(function* () {
  const pool = yield* Pool.make({
    acquire: Launch.bottle({ name: "pool", source: { _tag: "Bare" } }),
    size: BOTTLES
  })

  const task = (number: number) =>
    Effect.gen(function* () {
      const bottle = yield* pool.get
      const { stdout } = yield* bottle.exec({
        command: [
          "sh",
          "-c",
          `cd "$(mktemp -d)" && seq ${number} > numbers && awk '{ s += $1 } END { print s }' numbers`
        ]
      })
      return { id: bottle.id, sum: Number(new TextDecoder().decode(stdout)) }
    }).pipe(
      // The bottle goes back into the pool here.
      Effect.scoped
    )

  const results = yield* Effect.forEach([1, 10, 100, 1000], task, { concurrency: BOTTLES })
  yield* Console.log(results.map(({ sum }) => sum).join(" "))
  yield* Console.log(`${new Set(results.map(({ id }) => id)).size} bottles did ${results.length} tasks`)
}).pipe(
  // All bottles are down when the pool's scope has closed.
  Effect.scoped
)

await Effect.runPromise(Effect.provide(program, layer))
