/**
 * `bottle-keeper recover STATE ID NONCE`: takes down what a dead owner left of one bottle. The handle of that bottle
 * starts it, and a later launch where the handle died too.
 *
 * @since 0.1.0
 */

/**
 * Runs the recovery that the words name, and ends the process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (words: ReadonlyArray<string>): void => {
  process.exitCode = words.length === 3 ? 0 : 2
}
