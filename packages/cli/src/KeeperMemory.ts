/**
 * How a keeper is kept small: it has little to do, and is there for long.
 *
 * @since 0.1.0
 */

/**
 * Node's own flags. A young generation of 1 MiB is collected before it has grown.
 *
 * @since 0.1.0
 * @category constants
 */
export const NODE_FLAGS: ReadonlyArray<string> = ["--max-semi-space-size=1", "--optimize-for-size"]

/**
 * What glibc's allocator reads when the process starts; others ignore it. One arena instead of one for each thread, and
 * what a socket was read into goes back to the system when it is freed: else what a busy hour needed stays for good.
 *
 * @since 0.1.0
 * @category constants
 */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "16384",
  MALLOC_TOP_PAD_: "16384",
  MALLOC_TRIM_THRESHOLD_: "65536"
}

/**
 * The environment without what is meant for the keeper alone.
 *
 * @since 0.1.0
 * @category conversions
 */
export const without = (environment: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !Object.hasOwn(ENVIRONMENT, name)))
