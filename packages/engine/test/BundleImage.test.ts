import * as Docker from "@bottle/docker/Docker"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Fs from "node:fs"
import * as BundleImage from "../src/BundleImage.js"
import type { BundleBuild } from "../src/Engine.js"
import type { PlannedContainer } from "../src/LaunchPlan.js"
import { planIn, replying } from "./fixtures/containing.js"

interface Site {
  readonly build: BundleBuild
  readonly container: PlannedContainer
  readonly reply: ReturnType<typeof replying>
  readonly cache: string
  readonly context: string
}

/** A Dockerfile and a program in a directory, and the plan of a launch that builds them. */
const onSite = <A, E, R>(use: (site: Site) => Effect.Effect<A, E, R>) =>
  Temp.withTempDir((directory) =>
    Effect.gen(function* () {
      const build = { dockerfile: `${directory}/Dockerfile`, program: `${directory}/program.mjs`, base: "base:1" }
      Fs.writeFileSync(build.dockerfile, "ARG BASE\nFROM ${BASE}\n")
      Fs.writeFileSync(build.program, "console.log(1)\n")
      const image = yield* BundleImage.reference(build)
      const plan = planIn(directory, { settings: { image, build } })
      const container = plan.bundle
      if (container._tag !== "Container") return yield* Effect.dieMessage("no container is planned")
      Fs.mkdirSync(plan.directory, { recursive: true, mode: 0o700 })
      return yield* use({
        build,
        container,
        reply: replying(plan, container),
        cache: `${directory}/cache`,
        context: container.build?.context ?? ""
      })
    })
  ).pipe(Effect.provide(NodeFileSystem.layer))

const scripted =
  (replies: ReadonlyArray<CommandScript.Reply>, options?: CommandScript.Options) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(Effect.provide(Docker.layer({ env: {} })), Effect.provide(CommandScript.layer(replies, options)))

describe("BundleImage.reference", () => {
  it.live("changes with the Dockerfile, the program and the base, and with nothing else", () =>
    onSite(({ build }) =>
      Effect.gen(function* () {
        const first = yield* BundleImage.reference(build)
        assert.match(first, /^bottle-bundle:[0-9a-f]{12}$/)
        const moved = `${build.program}.moved`
        Fs.copyFileSync(build.program, moved)
        assert.strictEqual(yield* BundleImage.reference({ ...build, program: moved }), first)
        const others = [yield* BundleImage.reference({ ...build, base: "base:2" })]
        Fs.appendFileSync(build.program, "//\n")
        others.push(yield* BundleImage.reference(build))
        Fs.appendFileSync(build.dockerfile, "#\n")
        others.push(yield* BundleImage.reference(build))
        assert.strictEqual(new Set([first, ...others]).size, 4)
      })
    )
  )

  it.live("fails where a file cannot be read", () =>
    onSite(({ build }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(BundleImage.reference({ ...build, program: "/nowhere/program.mjs" }))
        assert.strictEqual(error.message, "/nowhere/program.mjs: ENOENT: no such file or directory")
      })
    )
  )
})

describe("BundleImage.ensure", () => {
  it.live("builds nothing where the image is there", () =>
    onSite(({ cache, container, reply }) => BundleImage.ensure(container, cache).pipe(scripted([reply.image])))
  )

  it.live("builds it as the plan says, of two files, and leaves nothing of them", () =>
    onSite(({ build, cache, container, context, reply }) =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const before = Effect.sync(() => {
          for (const name of Fs.readdirSync(context).toSorted()) {
            seen.push(name, Fs.readFileSync(`${context}/${name}`, "utf8"))
          }
        })
        yield* BundleImage.ensure(container, cache).pipe(
          scripted([reply.noImage, reply.noImage, { ...reply.build, before }])
        )
        assert.deepStrictEqual(seen, [
          "Dockerfile",
          Fs.readFileSync(build.dockerfile, "utf8"),
          "bottle-bundle.mjs",
          Fs.readFileSync(build.program, "utf8")
        ])
        assert.isFalse(Fs.existsSync(context))
        assert.deepStrictEqual(Fs.readdirSync(`${cache}/images`), [])
      })
    )
  )

  it.live("builds it once for two launches at one time", () =>
    onSite(({ cache, container, reply }) =>
      Effect.gen(function* () {
        const [building, waiting] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const tell = (reached: Deferred.Deferred<void>) => Effect.asVoid(Deferred.succeed(reached, undefined))
        yield* Effect.gen(function* () {
          const first = yield* Effect.fork(BundleImage.ensure(container, cache))
          yield* Effect.timeout(Deferred.await(building), "10 seconds")
          const second = yield* Effect.fork(BundleImage.ensure(container, cache))
          yield* Fiber.join(first)
          yield* Fiber.join(second)
        }).pipe(
          scripted([
            reply.noImage,
            reply.noImage,
            // It is built only once somebody else has looked for it in vain.
            { ...reply.build, before: Effect.zipRight(tell(building), Deferred.await(waiting)) },
            { ...reply.noImage, before: tell(waiting) },
            reply.image
          ])
        )
      })
    )
  )

  it.live("says what the builder said, and leaves nothing", () =>
    onSite(({ cache, container, context, reply }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(
          BundleImage.ensure(container, cache).pipe(
            scripted([
              reply.noImage,
              reply.noImage,
              { ...reply.build, exit: 1, stdout: "", stderr: "COPY failed: no such file\n" }
            ])
          )
        )
        assert.strictEqual(error._tag, "StageFailed")
        assert.match(error.message, /^image: image bottle-bundle:\S+ could not be built: COPY failed/)
        assert.match(error.suggestion, /base image/)
        assert.isFalse(Fs.existsSync(context))
      })
    )
  )

  it.live("builds nothing under a name that is not that of what it would build", () =>
    onSite(({ build, cache, container, reply }) =>
      Effect.gen(function* () {
        Fs.appendFileSync(build.program, "// changed\n")
        const error = yield* Effect.flip(
          BundleImage.ensure(container, cache).pipe(scripted([reply.noImage, reply.noImage]))
        )
        assert.strictEqual(error._tag, "BundleFailed")
        assert.match(error.message, /has changed since the launch was planned/)
      })
    )
  )

  it.live("names an image that is not there and is not to be built", () =>
    onSite(({ cache, container, reply }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(
          BundleImage.ensure({ ...container, build: null }, cache).pipe(scripted([reply.noImage]))
        )
        if (error._tag !== "StageFailed") return assert.fail(error._tag)
        assert.deepInclude(error.cause, { _tag: "ImageNotFound", image: container.image })
        assert.match(error.suggestion, /docker pull/)
      })
    )
  )

  it.live("leaves no files and no lock when it is interrupted", () =>
    onSite(({ cache, container, context, reply }) =>
      Effect.gen(function* () {
        const building = yield* Deferred.make<void>()
        yield* Effect.gen(function* () {
          const fiber = yield* Effect.fork(BundleImage.ensure(container, cache))
          yield* Effect.timeout(Deferred.await(building), "10 seconds")
          const exit = yield* Fiber.interrupt(fiber)
          assert.isTrue(Exit.isFailure(exit) && Cause.isInterrupted(exit.cause))
        }).pipe(
          scripted([
            reply.noImage,
            reply.noImage,
            { ...reply.build, hang: true, before: Effect.asVoid(Deferred.succeed(building, undefined)) }
          ])
        )
        assert.isFalse(Fs.existsSync(context))
        assert.deepStrictEqual(Fs.readdirSync(`${cache}/images`), [])
      })
    )
  )
})
