import * as Policy from "@bottle/egress/Policy"
import * as Proxy from "@bottle/egress/Proxy"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import * as Net from "node:net"
import { CHECK_MILLIS } from "./decoys.js"

/** A second bundle, as another bottle has one: the same proxy, which allows nothing and writes down who asks. */
export interface Neighbour {
  readonly address: string
  readonly port: number
  readonly failure: string | null
  /** Asks it from the host, then ends it: whether it answered, and every host that it was asked for by others. */
  readonly end: Effect.Effect<{ readonly reached: boolean; readonly asked: ReadonlyArray<string> }>
}

/** Whether a proxy answers a request for this host. */
const answers = (address: string, port: number, host: string): Effect.Effect<boolean> =>
  Effect.async<boolean>((resume) => {
    const socket = Net.connect({ host: address, port })
    const done = (it: boolean) => () => {
      socket.destroy()
      resume(Effect.succeed(it))
    }
    socket.on("error", done(false)).on("data", done(true)).on("close", done(false))
    socket.write(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutTo({ duration: CHECK_MILLIS, onTimeout: () => false, onSuccess: (it) => it }))

/** Opens one at a free port of the address. */
export const open = (address: string): Effect.Effect<Neighbour, never, Scope.Scope> =>
  Effect.gen(function* () {
    // The name that the host's own check asks for: one that the guest cannot know, or it could hide behind it.
    const own = `${randomBytes(8).toString("hex")}.bottle-proof.invalid`
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const listen = { _tag: "Tcp", host: address, port: 0 } as const
    const served = yield* Proxy.serve({ policy: Policy.empty, listen }).pipe(Scope.extend(scope), Effect.either)
    const at = served._tag === "Right" ? served.right.address : listen
    if (served._tag === "Left" || at._tag !== "Tcp") {
      const end = Effect.succeed({ reached: false, asked: [] })
      return { address, port: 0, failure: "the host cannot listen there", end }
    }
    const { events } = served.right
    const end = Effect.gen(function* () {
      const reached = yield* answers(address, at.port, own)
      // A proxy that has ended has a log that ends.
      yield* Scope.close(scope, Exit.void)
      const all = yield* Stream.runCollect(events)
      const asked = Chunk.toReadonlyArray(all).map((event) => event.host ?? "")
      return { reached, asked: asked.filter((host) => host !== own) }
    })
    return { address, port: at.port, failure: null, end }
  })
