/**
 * What is made when it is first needed: a program that starts often pays for nothing that it does not use.
 *
 * @since 0.1.0
 */

/**
 * A function that is made when it is first called, once. A codec of a schema (`Schema.encodeSync(schema)`) costs more to
 * make than most of what it is for, and most runs of a program use few of those that its modules have.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lazy = <Arguments extends ReadonlyArray<unknown>, Result>(
  make: () => (...args: Arguments) => Result
): ((...args: Arguments) => Result) => {
  let made: ((...args: Arguments) => Result) | undefined
  return (...args) => (made ??= make())(...args)
}
