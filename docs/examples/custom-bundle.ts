/**
 * A bundle of one's own: the proxy as it is, behind a budget. After so many allowed requests the policy that is in force
 * allows nothing any more, and the guest reads why.
 */
import { Bundle, layerProcess } from "@bottle/engine/Bundle"
import * as Launch from "@bottle/engine/Launch"
import * as Policy from "@bottle/egress/Policy"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import { layer } from "./layers.js"

/** The bundle beside the launch, which closes after `budget` requests. What must hold still holds: the launch proves it. */
const budgeted = (budget: number): Layer.Layer<Bundle> =>
  Layer.effect(
    Bundle,
    Effect.map(Bundle, (bundle) =>
      Bundle.of({
        prepare: bundle.prepare,
        start: (request) =>
          Effect.tap(bundle.start(request), (running) =>
            running.events.pipe(
              Stream.filter(({ phase, verdict }) => phase === "decision" && verdict === "allow"),
              Stream.drop(budget - 1),
              Stream.take(1),
              Stream.runForEach(() => running.reload(Policy.empty)),
              Effect.forkScoped
            )
          )
      })
    )
  ).pipe(Layer.provide(layerProcess))

/** A server on this machine stands for an API that costs money. */
const api = Effect.acquireRelease(
  Effect.async<Http.Server>((resume) => {
    const server = Http.createServer((_, response) => response.end("that was one\n"))
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
)

const program = Effect.gen(function* () {
  const address = (yield* api).address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const bottle = yield* Launch.bottle({
    source: { _tag: "Bare" },
    allow: [`api.test:${port}`],
    resolve: ["api.test=127.0.0.1"]
  })
  const ask = Effect.map(
    bottle.exec({ command: ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", `http://api.test:${port}/`] }),
    ({ stdout }) => new TextDecoder().decode(stdout)
  )
  yield* Console.log(yield* Effect.all([ask, ask, ask]))
}).pipe(Effect.scoped)

await Effect.runPromise(program.pipe(Effect.provide(budgeted(2)), Effect.provide(layer)))
