/**
 * `docker logs --follow`: what a container has written, from the start, and what it writes until it ends.
 *
 * It is no exact record (seen with the 20.10 daemon): where the log's file is full and the next one begun, some lines
 * come twice; of a container that writes more than the log holds faster than it is read, lines are missing; and a last
 * line without a line feed may be missing while it is followed, though not afterwards.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Argv } from "./internal/arguments.js"
import { checks } from "./internal/arguments.js"

/**
 * The arguments of `logs`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (name: string): Argv => Either.map(check.name("the name", name), () => ["logs", "--follow", name])

const check = checks("logs")

/**
 * The most bytes of a line that are given; the rest of a longer one is dropped.
 *
 * @since 0.1.0
 * @category constants
 */
export const LINE_BYTES_MAX = 64 * 1024

/**
 * A line that a container wrote, without its line feed. Which of two streams was written to first is not known.
 *
 * @since 0.1.0
 * @category models
 */
export interface LogLine {
  readonly stream: "stdout" | "stderr"
  /** As UTF-8, and as it came: whoever shows it takes the control characters out. */
  readonly text: string
  /** Whether the line was longer than `LINE_BYTES_MAX`, so that its end is missing. */
  readonly isCut: boolean
}
