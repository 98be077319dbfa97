/**
 * smolvm's rules for the name of a machine, unchanged from 0.8.0 to 1.9.3 (`data/mod.rs`).
 *
 * @since 0.1.0
 */

/**
 * Why smolvm refuses a name, or `undefined` where it takes it: 1 to 128 ASCII letters, digits, `-` and `_`, the first a
 * letter or digit, no `-` at the end, no `--`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const problem = (name: string): string | undefined => {
  if (name === "") return "must not be empty"
  if (name.length > 128) return "must have at most 128 characters"
  if (!/^[A-Za-z0-9_-]+$/.test(name)) return "must have only letters, digits, '-' and '_'"
  if (!/^[A-Za-z0-9]/.test(name)) return "must begin with a letter or digit"
  if (name.endsWith("-")) return "must not end in '-'"
  if (name.includes("--")) return "must not have '--' in it"
  return undefined
}

/**
 * Whether smolvm takes the name.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isValid = (name: string): boolean => problem(name) === undefined
