/**
 * `docker container ls --all`: the containers that bear labels, running or not.
 *
 * It prints identifiers only, for the reason given in `NetworkList`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Argv } from "./internal/arguments.js"
import { checks, labelled } from "./internal/arguments.js"

/**
 * Which containers: those that bear every one of the labels.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerListOptions {
  readonly labels: Readonly<Record<string, string>>
}

/**
 * The arguments of `container ls`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = ({ labels }: ContainerListOptions): Argv =>
  Either.map(check.labels("--filter", labels), () => [
    "container",
    "ls",
    "--all",
    "--no-trunc",
    ...labelled(labels),
    "--format",
    "{{.ID}}"
  ])

const check = checks("container ls")
