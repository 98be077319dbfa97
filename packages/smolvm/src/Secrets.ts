/**
 * Secrets on their way into a machine: values for `secretEnv` to refer to, never in an argv.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"

/**
 * What the calls take that let smolvm read secrets: create, run, start, exec, shell, fork, and images and monitor, which may
 * boot the machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface WithSecrets {
  /**
   * Variables for smolvm's own environment, by the name that `secretEnv` refers to as `host`. Choose names of your own:
   * one such as `PATH` would change smolvm itself. Their values are taken out of every error.
   */
  readonly secrets?: Readonly<Record<string, Redacted.Redacted>> | undefined
}

/**
 * The variables with their values.
 *
 * @since 0.1.0
 * @category conversions
 */
export const reveal = (secrets: WithSecrets["secrets"]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(secrets ?? {}).map(([name, value]) => [name, Redacted.value(value)]))
