/**
 * `docker network ls`: the networks that bear labels.
 *
 * It prints identifiers only: its own text for labels is joined by commas that may stand in a value too, so the labels
 * are read by `network inspect`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Argv } from "./internal/arguments.js"
import { checks, labelled } from "./internal/arguments.js"

/**
 * Which networks: those that bear every one of the labels.
 *
 * @since 0.1.0
 * @category models
 */
export interface NetworkListOptions {
  readonly labels: Readonly<Record<string, string>>
}

/**
 * The arguments of `network ls`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = ({ labels }: NetworkListOptions): Argv =>
  Either.map(check.labels("--filter", labels), () => [
    "network",
    "ls",
    "--no-trunc",
    ...labelled(labels),
    "--format",
    "{{.ID}}"
  ])

const check = checks("network ls")
