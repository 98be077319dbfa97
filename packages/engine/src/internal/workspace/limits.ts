/** How much of a directory is copied, and read back of what a guest has made of it. */
export interface Limits {
  readonly entries: number
  readonly bytes: number
  /** Directories inside of each other. */
  readonly depth: number
}

export const defaults: Limits = { entries: 250_000, bytes: 8 * 1024 ** 3, depth: 128 }
