/**
 * `smolvm machine ls --json`: every machine of the user, running or not.
 *
 * Running machines are probed, so that the list waits about three seconds for each that does not answer.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Machine } from "./Machine.js"

/**
 * The arguments of `machine ls`, the same on every release line.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv: ReadonlyArray<string> = ["machine", "ls", "--json"]

/**
 * What it prints: a list, `[]` when there is no machine.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Output = Schema.parseJson(Schema.Array(Machine))
