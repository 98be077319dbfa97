/**
 * Several tasks at once under one policy, each in a bottle of its own. What any of them was refused comes together as
 * data.
 */
import * as Launch from "@bottle/engine/Launch"
import type { LaunchOptions } from "@bottle/engine/LaunchOptions"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import { layer } from "./layers.js"

/** A server on this machine stands for an API that the tasks may use. */
const api = Effect.acquireRelease(
  Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
    const server = Http.createServer((request, response) => response.end(`you asked for ${request.url}\n`))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed({ port, close: () => server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

const task = (policy: Pick<LaunchOptions, "policy">, name: string, url: string) =>
  Effect.gen(function* () {
    const bottle = yield* Launch.bottle({ name, source: { _tag: "Bare" }, ...policy })
    const refused: Array<string> = []
    yield* bottle.denials.pipe(
      Stream.runForEach(({ host, reason }) => Effect.sync(() => refused.push(`${name}: ${host} (${reason})`))),
      Effect.forkScoped
    )
    const { stdout } = yield* bottle.exec({ command: ["curl", "-s", url] })
    // The proxy's answer to a refused request is for the guest to read; its first line says enough here.
    const [answer = ""] = new TextDecoder().decode(stdout).split("\n")
    return { name, answer, refused }
  }).pipe(Effect.scoped)

const program = Effect.gen(function* () {
  const { port } = yield* api
  const shared = { policy: { allow: [`api.test:${port}`], resolve: { "api.test": "127.0.0.1" } } }
  const results = yield* Effect.all(
    [
      task(shared, "first", `http://api.test:${port}/first`),
      task(shared, "second", `http://api.test:${port}/second`),
      task(shared, "third", "http://elsewhere.test/")
    ],
    { concurrency: "unbounded" }
  )
  for (const { answer, name } of results.slice(0, 2)) yield* Console.log(`${name}: ${answer}`)
  yield* Console.log(`refused ${results.flatMap(({ refused }) => refused).join(", ")}`)
}).pipe(Effect.scoped)

await Effect.runPromise(Effect.provide(program, layer))
