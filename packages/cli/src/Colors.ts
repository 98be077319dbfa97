/**
 * Whether what is written to a terminal may be coloured.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Invocation } from "./Invocation.js"

/**
 * Whether whoever set the environment wants colours: not with `NO_COLOR` (https://no-color.org), `FORCE_COLOR=0`, nor on a
 * terminal that has none.
 *
 * @since 0.1.0
 * @category conversions
 */
export const areWanted = (environment: Readonly<Record<string, string>>): boolean =>
  (environment["NO_COLOR"] ?? "") === "" && environment["FORCE_COLOR"] !== "0" && environment["TERM"] !== "dumb"

/**
 * The same of the environment that the program was started with; nobody wants them where there is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const wanted: Effect.Effect<boolean> = Effect.map(
  Effect.serviceOption(Invocation),
  Option.exists(({ environment }) => areWanted(environment))
)
