/**
 * The image that a container bundle runs: named after what it is built of, so that it is built once and never taken for
 * another.
 *
 * @since 0.1.0
 */
import { Docker } from "@bottle/docker/Docker"
import { ImageNotFound } from "@bottle/docker/DockerError"
import * as FileLock from "@bottle/process/FileLock"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import type { BundleError } from "./BundleError.js"
import type { BundleBuild } from "./Engine.js"
import { fileFailed } from "./internal/files.js"
import { stage } from "./internal/stage.js"
import { tellingWords } from "./internal/telling.js"
import { BundleFailed, HostFileFailed, StageFailed } from "./LaunchError.js"
import { imageOptions, type PlannedContainer } from "./LaunchPlan.js"

/** A build copies one file onto a base image that may first be fetched; somebody else's launch may be at it. */
const LOCK_TIMEOUT_MILLIS = 20 * 60 * 1000

const MODE = 0o700

const NAME = "bottle-bundle"

/** What the image is built of, read. */
interface Content {
  readonly dockerfile: Uint8Array
  readonly program: Uint8Array
}

const referenceOf = (content: Content, base: string): string => {
  const digest = createHash("sha256")
  // Each with its length, so that no two sets of parts read as one.
  for (const part of [content.dockerfile, content.program, Buffer.from(base)])
    digest.update(`${part.length}:`).update(part)
  return `${NAME}:${digest.digest("hex").slice(0, 12)}`
}

const read = ({
  dockerfile,
  program
}: Pick<BundleBuild, "dockerfile" | "program">): Effect.Effect<Content, HostFileFailed, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => {
    const readOne = (path: string) => Effect.mapError(fs.readFile(path), fileFailed(path))
    return Effect.all({ dockerfile: readOne(dockerfile), program: readOne(program) })
  })

/**
 * The name of the image that is built so: `bottle-bundle` with twelve hexadecimal digits of what the Dockerfile and the
 * program hold and of the base image's name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reference = (build: BundleBuild): Effect.Effect<string, HostFileFailed, FileSystem.FileSystem> =>
  Effect.map(read(build), (content) => referenceOf(content, build.base))

/**
 * Makes sure that the image of a container bundle is there. Launches that want the same one at one time build it once:
 * the others wait for a lock in the cache directory. One that is not there and cannot be built is an error.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ensure = (
  bundle: PlannedContainer,
  cacheDirectory: string
): Effect.Effect<void, BundleError, Docker | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { build, image } = bundle
    if (yield* isThere(image)) return
    if (build === null) return yield* StageFailed.of("image")(new ImageNotFound({ image }))
    const fs = yield* FileSystem.FileSystem
    const locks = `${cacheDirectory}/images`
    yield* fs.makeDirectory(locks, { recursive: true, mode: MODE }).pipe(Effect.mapError(fileFailed(locks)))
    const lock = `${locks}/${image.replaceAll(/[^A-Za-z0-9.-]/g, "_")}.lock`
    yield* Effect.scoped(
      Effect.gen(function* () {
        yield* FileLock.acquire(lock, { timeoutMillis: LOCK_TIMEOUT_MILLIS }).pipe(
          Effect.mapError((error) => new HostFileFailed({ path: lock, reason: error.message }))
        )
        // Whoever held the lock before us may have built it.
        if (yield* isThere(image)) return
        yield* makeContext(bundle, build)
        const docker = yield* Docker
        yield* docker
          .imageBuild(imageOptions({ image, build }))
          .pipe(tellingWords("image"), Effect.mapError(StageFailed.of("image")))
      })
    )
  }).pipe(stage("image"))

const isThere = (image: string): Effect.Effect<boolean, StageFailed, Docker> =>
  Effect.flatMap(Docker, (docker) =>
    docker.imageInspect(image).pipe(Effect.map(Option.isSome), Effect.mapError(StageFailed.of("image")))
  )

/** A directory of two files and nothing else, since all of it goes to the daemon. */
const makeContext = (
  { image }: PlannedContainer,
  build: NonNullable<PlannedContainer["build"]>
): Effect.Effect<void, HostFileFailed | BundleFailed, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const content = yield* read(build)
    if (image.startsWith(`${NAME}:`) && image !== referenceOf(content, build.base)) {
      return yield* new BundleFailed({
        reason: "its Dockerfile or its program has changed since the launch was planned",
        advice: "Launch again."
      })
    }
    const { context } = build
    yield* Effect.acquireRelease(
      fs.makeDirectory(context, { mode: MODE }).pipe(Effect.mapError(fileFailed(context))),
      () => Effect.ignore(fs.remove(context, { recursive: true, force: true }))
    )
    for (const [name, bytes] of [
      ["Dockerfile", content.dockerfile],
      ["bottle-bundle.mjs", content.program]
    ] as const) {
      const path = `${context}/${name}`
      // The container's user reads it, whatever the umask is here.
      const put = Effect.zipRight(fs.writeFile(path, bytes), fs.chmod(path, 0o644))
      yield* Effect.mapError(put, fileFailed(path))
    }
  })
