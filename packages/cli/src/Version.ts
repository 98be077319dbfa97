/**
 * The version of the program.
 *
 * @since 0.1.0
 */

/**
 * The version of this package, as `package.json` has it. It stands alone so that `--version` loads nothing else.
 *
 * @since 0.1.0
 * @category models
 */
export const VERSION = "0.1.0"
