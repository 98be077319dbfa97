/**
 * `docker build`: an image from a directory with a Dockerfile.
 *
 * The classic builder does it (`DOCKER_BUILDKIT=0`): it is in every daemon up to 28, where the newer one needs a plugin
 * of the client. It is not told to pull; a base image that is not there is for the daemon to fetch, so whoever wants
 * none fetched looks for it first.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Argv, Checked } from "./internal/arguments.js"
import { assigned, checks } from "./internal/arguments.js"

/**
 * What an image is built from.
 *
 * @since 0.1.0
 * @category models
 */
export interface ImageBuildOptions {
  /** The directory that holds `Dockerfile` and all it copies; the whole of it is sent to the daemon. */
  readonly context: string
  readonly tag: string
  /** The values of the Dockerfile's `ARG`s. They stand in argv and in the image's history: no secrets. */
  readonly args?: Readonly<Record<string, string>> | undefined
  readonly labels: Readonly<Record<string, string>>
}

/**
 * The arguments of `build`. Its steps get no network, and a step that fails leaves no container.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (options: ImageBuildOptions): Argv =>
  Either.map(validate(options), () => [
    "build",
    "--quiet",
    "--force-rm",
    // Single values.
    "--network",
    "none",
    "--tag",
    options.tag,
    // Repeated ones.
    ...assigned("--build-arg", options.args),
    ...assigned("--label", options.labels),
    // The context, last.
    options.context
  ])

/**
 * The variables that the client needs beside its environment.
 *
 * @since 0.1.0
 * @category constants
 */
export const variables: Readonly<Record<string, string>> = { DOCKER_BUILDKIT: "0" }

const check = checks("build")

const validate = ({ args, context, labels, tag }: ImageBuildOptions): Checked =>
  Either.gen(function* () {
    yield* check.image("--tag", tag)
    yield* check.variables("--build-arg", args)
    yield* check.labels("--label", labels)
    yield* check.path("the context", context)
  })
