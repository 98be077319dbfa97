/**
 * The guest's command: what follows the first `--`. It is taken off before any parser of ours sees the line, because
 * `-- ls --version` asks ls for its version, not us.
 *
 * @since 0.1.0
 */
/**
 * A command line, taken apart at its first `--`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Parts {
  /** Our own words. */
  readonly words: ReadonlyArray<string>
  /** The guest's words, later `--` included; `null` without a `--`. */
  readonly tail: ReadonlyArray<string> | null
}

/**
 * Takes a command line apart at its first `--`, which belongs to neither part.
 *
 * @since 0.1.0
 * @category constructors
 */
export const split = (argv: ReadonlyArray<string>): Parts => {
  const at = argv.indexOf("--")
  return at < 0 ? { words: argv, tail: null } : { words: argv.slice(0, at), tail: argv.slice(at + 1) }
}
