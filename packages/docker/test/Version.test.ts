import * as Docker from "@bottle/docker/Docker"
import * as Version from "@bottle/docker/Version"
import * as CommandScript from "@bottle/testing/CommandScript"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"

const ask = Effect.flatMap(Docker.Docker, (docker) => docker.version)

const withReply = (reply: Omit<CommandScript.Reply, "match">, options?: Docker.Options) =>
  Docker.layer({ env: { PATH: "/usr/bin" }, ...options }).pipe(
    Layer.provideMerge(CommandScript.layer([{ match: [options?.program ?? "docker", ...Version.argv], ...reply }]))
  )

const both = `{"Client":{"Version":"28.2.2","ApiVersion":"1.50"},"Server":{"Version":"20.10.24"}}\n`
const clientOnly = `{"Client":{"Version":"28.2.2"},"Server":null}\n`

describe("Docker.version", () => {
  it.effect("gives the versions of both sides, and hands its environment over whole", () =>
    Effect.gen(function* () {
      const version = yield* ask
      assert.deepStrictEqual({ ...version }, { client: "28.2.2", server: "20.10.24" })
      const script = yield* CommandScript.CommandScript
      const [run] = yield* script.recorded
      assert.deepStrictEqual(run?.env, { PATH: "/usr/bin" })
      assert.isFalse(run?.extendEnv)
    }).pipe(Effect.provide(withReply({ stdout: both })))
  )

  it.effect("runs the program it is told to", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* ask).client, "28.2.2")
    }).pipe(Effect.provide(withReply({ stdout: both }, { program: "podman" })))
  )

  it.effect("names the client and the reason when no daemon answers", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ask)
      assert.strictEqual(error._tag, "DaemonUnreachable")
      assert.strictEqual(error.message, "docker 28.2.2 reaches no daemon: Cannot connect\\x1b[31m to the Docker daemon")
    }).pipe(
      Effect.provide(
        withReply({ exit: 1, stdout: clientOnly, stderr: "warning\nCannot connect\u001b[31m to the Docker daemon\n" })
      )
    )
  )

  it.effect("says that no daemon answers when the client prints nothing else", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ask)
      assert.strictEqual(error._tag, "DaemonUnreachable")
      assert.strictEqual(error.message, "docker reaches no daemon: permission denied")
    }).pipe(Effect.provide(withReply({ exit: 1, stderr: "permission denied\n" })))
  )

  it.effect("says that there is no such program", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ask)
      assert.strictEqual(error._tag, "DockerNotInstalled")
      assert.strictEqual(error.message, "docker is not installed: no such program on PATH")
    }).pipe(Effect.provide(withReply({ notFound: true })))
  )

  it.effect("refuses an answer that is not docker's, without repeating it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ask)
      assert.strictEqual(error._tag, "DockerNotUnderstood")
      assert.notInclude(error.message, "hello")
    }).pipe(Effect.provide(withReply({ stdout: "hello" })))
  )

  it.effect("gives up on a daemon that accepts and never answers", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.flip(ask))
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "DockerTimedOut")
      assert.strictEqual(error.message, "docker version did not end within 10000 ms")
    }).pipe(Effect.provide(withReply({ hang: true })))
  )

  it.effect("takes a podman answer without a server for a missing daemon", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ask)
      assert.strictEqual(error._tag, "DaemonUnreachable")
    }).pipe(Effect.provide(withReply({ stdout: `{"Client":{"Version":"4.3.1"}}` })))
  )
})
