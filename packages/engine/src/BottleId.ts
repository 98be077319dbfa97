/**
 * The name of a bottle: `<slug>-<5 base36>`, from which every resource's name is made.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"

const SLUG_CHARS_MAX = 40
const SUFFIX_CHARS = 5
const BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"

/**
 * A bottle's id: lower-case letters, digits and single dashes, 8 to 46 characters, ending in a dash and five
 * base-36 characters.
 *
 * @since 0.1.0
 * @category models
 */
export const BottleId = Schema.String.pipe(
  Schema.pattern(/^[a-z0-9]+(?:-[a-z0-9]+)*-[a-z0-9]{5}$/),
  Schema.maxLength(SLUG_CHARS_MAX + SUFFIX_CHARS + 1),
  Schema.brand("@bottle/engine/BottleId")
).annotations({ description: "The bottle's id" })

/**
 * @since 0.1.0
 * @category models
 */
export type BottleId = typeof BottleId.Type

/**
 * The slug of a text: lower case, everything but letters and digits becomes one dash, at most 40 characters, and
 * `bottle` where nothing remains.
 *
 * @since 0.1.0
 * @category constructors
 */
export const slug = (text: string): string => {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? []
  const joined = words.join("-").slice(0, SLUG_CHARS_MAX)
  return joined.replace(/-+$/, "") || "box"
}

/**
 * An id with the given base and suffix; the suffix is what makes it unique, so callers outside of tests use `make`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromParts = (base: string, suffix: string): BottleId => BottleId.make(`${slug(base)}-${suffix}`)

/**
 * A new id for a bottle, with a random suffix from Effect's `Random` service.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (base: string): Effect.Effect<BottleId> =>
  Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, BASE36.length), SUFFIX_CHARS), (digits) =>
    fromParts(base, digits.map((digit) => BASE36.charAt(digit)).join(""))
  )

/**
 * The name of the bottle's machine: `bottle-<id>`, valid under smolvm's name rules (1 to 128 characters, letters,
 * digits, `-` and `_`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const machineName = (id: BottleId): string => `bottle-${id}`
